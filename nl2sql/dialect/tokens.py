"""Which characters of a question are a column, a cell, a number, a day, a superlative. No Keras in here.

    read_tokens("借出次数前三名的书", facts)      column 借出次数, top (GREATEST, 3); 书 belongs to none

Of tokens that overlap the longest counts: 特辣 is a cell and no 辣度, 今日号源 a column and no day.
"""

import re

from nl2sql.dates import find_times
from nl2sql.dialect.names import (
    Token,
    cells_in,
    columns_in,
    each_in,
    flags_in,
    guessed_cells,
    parts_of_columns,
    synonyms_in,
)
from nl2sql.dialect.periods import periods_in
from nl2sql.dialect.words import (
    ASKED,
    AVERAGE,
    DIRECTIONS,
    ENTITY,
    GREATEST,
    LEAST,
    MEASURE,
    NUMERAL,
    PERSONS,
    REASON,
    RELATIVE,
    ROWS,
    TOTAL,
    any_of,
)
from nl2sql.numerals import Number, chinese_number, factor_of, find_numbers

ADJECTIVE = any_of(DIRECTIONS)
BEST = re.compile(f"(?:排名|排行)?最为?({ADJECTIVE})"
                  f"(?:的?(?:前|后)?({NUMERAL})(?:{ENTITY}|人|块|层|亩)(?:的|是)?)?")
FIRST = {"第一", "倒数第一", "冠军", "榜首", "垫底"}
TOP = re.compile("(?:排名|排行|排在|排|名列|位列|位居)?(?:在)?"
                 f"({any_of(FIRST)}|前|后|倒数前?)({NUMERAL})?(?:{MEASURE}|大|强|甲|人)?"
                 "(?!年|月|日|天|点|[期者来面边续果缀])")
DOWN = ("高到低 大到小 多到少 贵到便宜 晚到早 新到旧 重到轻 长到短 强到弱 好到差 老到小 远到近 高至低 大至小 "
        "多至少").split()
UP = ["".join(reversed(re.split("([到至])", words))) for words in DOWN]
LAST_SORTED = re.compile(f"[从由按](?:{any_of(UP)})|升序|正序|顺序|排序|排列")
SORTED = re.compile(f"(?:[从由按](?:{any_of([*UP, *DOWN])})|降序|倒序|逆序|升序|正序|顺序)"
                    "(?:地?排(?:序|列|名|一?下)?)?|(?<=.)(?:排序|排列)")
# of these units 多少 and 几 ask for a value and count no rows
NO_COUNT = "月|号|点|年|岁|分|钱|楼|层|天|次|小时|元|块钱|公斤|斤|公里"
COUNT = re.compile(f"(?:有)?(?:多少|(?<!哪)几)(?!{NO_COUNT})({ENTITY})?")
QUANTITIES = re.compile(any_of("人数 个数 总数 数量 件数 台数 次数 总人数 家数 条数 只数 数目 户数".split()))
WORDS = {"average": re.compile(AVERAGE), "total": re.compile(TOTAL), "relative": RELATIVE, "reason": REASON}
KINDS = ("cell", "column", "flag", "period", "time", "best", "top", "sorted", "number", "reason", "relative",
         "concept", "count", "quantity", "average", "total", "each", "part", "synonym")
NUMBER_OF = re.compile("数(?![量据学码字值额目])")                 # 订单数
NUMBER_WORDS = "一两"


def read_tokens(text, facts):
    """The Tokens of a question that is normalised, in its order."""
    found = [*cells_in(text, facts), *columns_in(text, facts), *flags_in(text, facts), *values_in(text)]
    found += superlatives_in(text)
    found += each_in(text, facts)
    for kind, pattern in WORDS.items():
        found += [Token(kind, *match.span(), match[0]) for match in pattern.finditer(text)]
    found += counts_in(text, facts)
    found += [Token("quantity", *match.span(), match[0]) for match in QUANTITIES.finditer(text)]
    names = [*ROWS, *PERSONS, *parts_of_key(facts)]
    found += [Token("quantity", *match.span(), match[0]) for match in NUMBER_OF.finditer(text)
              if text[:match.start()].endswith(tuple(names))]
    for concept, pattern in ASKED.items():
        found += [Token("concept", *match.span(), concept) for match in pattern.finditer(text)
                  if match[0] != "几块" or facts.about(concept)]
    # 生产总值 of 地区生产总值 counts before its 总
    found += [part for part in parts_of_columns(text, facts, []) if part.end - part.start > 2]
    tokens = longest(found, [])
    tokens = longest([*parts_of_columns(text, facts, tokens), *synonyms_in(text, facts)], tokens)
    return longest(guessed_cells(text, facts, tokens), tokens)


def counts_in(text, facts):
    """多少本, 几个; in 多少样本 the measure may begin a column's name."""
    for match in COUNT.finditer(text):
        start = match.start(1)
        is_name = match[1] and any(text[start:start + 2] in name for name in facts.names)
        if is_name and len(text) > start + 1:
            yield Token("count", match.start(), start, None)
        else:
            yield Token("count", *match.span(), match[1])


def parts_of_key(facts):
    """What the rows are called by the name of their column: 订单 of 订单号."""
    name = facts.names[facts.key]
    return [name[:end] for end in range(2, len(name) + 1)]


def longest(found, tokens):
    """Tokens with those of `found` that overlap none; of these the longest first, then as KINDS has them."""
    tokens = list(tokens)
    taken = {i for token in tokens for i in range(token.start, token.end)}
    for token in sorted(found, key=lambda token: (token.start - token.end, KINDS.index(token.kind))):
        if taken.isdisjoint(range(token.start, token.end)):
            taken.update(range(token.start, token.end))
            tokens.append(token)
    return sorted(tokens, key=lambda token: token.start)


def values_in(text):
    """Numbers, days and years, times of day."""
    found = [Token("period", *period) for period in periods_in(text)]
    found += [Token("time", *time) for time in clock_times(text)]
    for match in re.finditer("[过上破超](万亿|百万|千万|百|千)(?![0-9一二三四五六七八九])", text):
        found.append(Token("number", *match.span(), Number(1.0, factor_of(match[1]))))
    for match in re.finditer("百分之百", text):
        found.append(Token("number", *match.span(), Number(100.0, 1.0, True)))
    for number in find_numbers(text):
        if number.end - number.start > 1 or text[number.start] not in NUMBER_WORDS:
            found.append(Token("number", number.start, number.end, number))
    return found


def clock_times(text):
    """find_times, after noon where that is said."""
    for start, end, time in find_times(text):
        spoken = re.search("(下午|傍晚|晚上|晚间|早上|上午|凌晨|早晨|中午)$", text[:start])
        late = spoken and spoken[0] in ("下午", "傍晚", "晚上", "晚间")
        if late and int(time[:2]) < 12:
            time = f"{int(time[:2]) + 12}{time[2:]}"
        yield start - (len(spoken[0]) if spoken else 0), end, time


def superlatives_in(text):
    """最高, 最贵的三个, 前五名, 从高到低."""
    found = []
    for match in BEST.finditer(text):
        direction, about = DIRECTIONS[match[1]]
        found.append(Token("best", *match.span(), (direction, integer(match[2]), about)))
    for match in TOP.finditer(text):
        if match[1] in FIRST or match[2]:
            low = match[1].startswith(("后", "倒", "垫"))
            found.append(Token("top", *match.span(), (LEAST if low else GREATEST, integer(match[2]) or 1)))
    for match in SORTED.finditer(text):
        found.append(Token("sorted", *match.span(), LEAST if LAST_SORTED.match(match[0]) else GREATEST))
    return found


def integer(words):
    """Digits or Chinese numerals as a whole number, None for neither."""
    if not words:
        return None
    return int(words) if words.isdecimal() else int(chinese_number(words) or 0) or None
