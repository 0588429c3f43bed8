"""To which column a number, a day or a time of a question belongs. No Keras in here.

    columns_of(sentence, token, start)      named beside it, told by its unit, or the network's choice
"""

import re

from nl2sql.dialect.periods import BARE_YEAR, columns_for
from nl2sql.dialect.words import CONCEPTS, MEASURE, SIZES, WORDS_BEHIND, any_of

UNIT = re.compile(f"(?:{MEASURE}|平方米|平方公里|平方千米|平米|公里|千米|公斤|千克|公顷|小时|分钟|周岁|"
                  "块钱|元钱|"
                  "[元块钱人岁次册分秒米斤吨度平亩天年月日瓶桌本箱袋桶股核%台万亿楼]|kg|km|cm|gb|tb|mb|g|k|w|t)*"
                  "(?:整)?(?:的)?")
ODD_UNIT = r"[^\W\d_的及或以]{1,2}(?=[及或]?以[上下内])"         # 3学分及以上, 3晚以上
JOINTS = ("和", "、", "与", "以及", "跟", "及")
CLAUSE_END = re.compile("[,;。；?？!]")
KINDS = {"number": ("number", "year"), "period": ("date", "year"), "time": ("time",)}


def columns_of(sentence, value, start):
    """The columns of a value: named beside it, told by its unit, or the network's; two of 语文和数学都."""
    kinds = KINDS[value.kind]
    if value.kind == "number" and not BARE_YEAR.fullmatch(sentence.words(value)):
        kinds = ("number",)
    possible = possible_columns(sentence, value, kinds)
    named = [token for token in sentence.columns() if set(possible) & set(token.value)]
    before = [token for token in named if token.end <= start]
    if value.kind != "number":
        before = sorted(named, key=lambda token: abs(token.start - start))[:1]
    if before:
        nearest = before[-1]
        gap = sentence.text[min(nearest.end, value.end):max(start, nearest.start)]
        if len(before) == 1 or not CLAUSE_END.search(gap):
            return with_others(sentence, nearest, before, value, possible)
    by_unit = columns_by_unit(sentence, value, possible)
    if by_unit:
        return [sentence.choice(value.start, value.end, by_unit)]
    behind = [token for token in named if token.start >= value.end]
    if behind and not by_unit and value.kind == "number" and is_joined(sentence, value, behind[0]):
        behind[0].used = True
        return [sentence.pick(behind[0], *kinds)]
    same = [group[0][0] for _, end, group in sentence.groups if end <= start and group[0][0] in possible]
    if value.kind == "number" and same:
        return same[-1:]                                 # 大于 10 小于 30 of one column
    if value.kind == "number" and has_foreign_unit(sentence, value):
        return []
    chosen = sentence.choice(value.start, value.end, possible)
    return [] if chosen is None else [chosen]


def possible_columns(sentence, value, kinds):
    if value.kind == "period":
        return columns_for(value.value, sentence.facts)
    return sentence.facts.columns(*kinds)


def is_joined(sentence, value, token):
    """Whether a value stands before the name of its column: 低于5000的工资."""
    gap = sentence.text[value.end:token.start]
    return re.fullmatch(f"{UNIT.pattern}(?:{any_of(WORDS_BEHIND)})?的?", gap) is not None


def columns_by_unit(sentence, value, possible):
    """The columns that are counted in the unit behind a number."""
    if value.kind != "number":
        return []
    unit = unit_of(sentence, value)
    whole = sentence.words(value)[-1] + unit if value.value.factor != 1 else unit
    for wanted in filter(None, (whole, unit)):
        written = [column for column in possible if wanted in sentence.facts.units[column]]
        if written:
            priced = [column for column in sentence.facts.about("price") if column in written]
            return priced[:1] if len(written) > 1 and priced else written
    called = [column for column in possible if unit and unit in sentence.facts.names[column]]
    if len(called) == 1:
        return called
    for concept, (_, units, *_) in CONCEPTS.items():
        if unit in units:
            about = [column for column in sentence.facts.about(concept) if column in possible]
            if about:
                return about[:1]
    return []


def unit_of(sentence, value):
    """What stands behind a number, of 4个人 the 人."""
    if value.value.percent:
        return "%"
    more = sentence.behind("[多几来]", value.end)                       # 三十多岁
    unit = UNIT.match(sentence.text, more.end() if more else value.end)[0].removesuffix("的")
    if not unit and (odd := sentence.behind(ODD_UNIT, value.end)):
        return odd[0]
    if not unit and sentence.words(value).endswith("年"):
        return "年"
    return unit.removeprefix("个") or unit


def has_foreign_unit(sentence, value):
    """Whether a number counts something of which the table has no column: 3人, 20分钟."""
    return unit_of(sentence, value) not in ("", "万", "亿", "k", "w")


def conversion(sentence, value, column):
    """By what a number is multiplied to be in the unit that a column's name says: 3年 are 36 in months."""
    said, written = unit_of(sentence, value), sentence.facts.units[column]
    for sizes in SIZES:
        known = {size for unit, size in sizes.items()
                 if re.search(f"(?<![a-z/]){re.escape(unit)}(?![a-z])", written)}
        if said in sizes and len(known) == 1:
            return sizes[said] / known.pop()
    return 1


def with_others(sentence, nearest, named, value, possible):
    """The nearest column, and those that are named with it: 语文和数学都在90以上."""
    tokens = [nearest]
    for token in reversed(named):
        joined = token.end <= tokens[0].start and sentence.between(token, tokens[0])
        if joined in JOINTS and "都" in sentence.text[nearest.end:value.start]:
            tokens.insert(0, token)
            sentence.spans.append((token.end, tokens[1].start))
    sentence.use(*tokens)
    found = []
    for token in tokens:
        columns = [column for column in token.value if column in possible]
        found.append(sentence.choice(token.start, token.end, columns))
    return found


def use_unit(sentence, value):
    """Marks the unit behind a value as used; where it ends."""
    end = UNIT.match(sentence.text, value.end).end()
    if odd := sentence.behind(ODD_UNIT, value.end):
        end = max(end, odd.end())
    if value.kind != "number":
        end = value.end
    sentence.spans.append((value.end, end))
    for token in sentence.of("concept", "column", "part", "synonym"):
        if value.end <= token.start and token.end <= end:
            token.used = True                            # the 小时 of 20小时 is no 加班小时
    return end
