"""Which characters of a question are a column or a cell of one table, or a part of one. No Keras in here.

Token is what tokens.py makes of all of a question; leftovers are what it leaves.
"""

import re
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from common.harness.vocab import is_han
from nl2sql.dialect.facts import CODED, LONGEST, MOST
from nl2sql.dialect.words import (
    EACH,
    EMPTY_WORDS,
    FILLERS,
    KEPT,
    MEASURE,
    MEASURES,
    OR_WORDS,
    PERSONS,
    ROWS,
    SYNONYMS,
    TAIL,
    VERBS,
    WORDS_BEFORE,
    any_of,
)

EACHES = re.compile(EACH)
ASKING = re.compile(f"(?:哪|几|什么|每一?|各|多少|按|不同的?|分)(?:{MEASURE})?$")
ASKED_OF = re.compile("(?:的)?(?:是|为|有|在)?(?:谁|什么(?!时候|时间|地方|日期)|多少|几|哪|怎)")
MORE_DIGITS = re.compile(r"[0-9.:]|[元块岁分次亩平万亿千百吨斤公个年月日%至到~-]|[及或]?以|之间|左右|"
                         "多(?!少)")
BEFORE_NUMBER = re.compile(f"[0-9.]$|(?:{any_of(WORDS_BEFORE)})(?<![是为=:])$|[到至~-]$")
COMPARED = re.compile("[高低大小多少早晚优强弱长短重轻][于过出]")
DONE = re.compile("已经|还没有?|尚未|没有?|未(?!来)")
WITHIN = ("其中", "之中", "当中", "如中")
MOST_OF_A_FAMILY = 20
LIGHT = "没未无不非"              # before a part of a column's name these are words of their own
NEGATIVE = "没未不非无已的"            # which differ from no other character by mistake


@dataclass
class Token:
    """What some characters of a question are.

    Args:
        kind: one of KINDS.
        start, end: where.
        value: what they mean; of a column the columns that can be meant.
        exact: whether they say it as the table does.
        used: whether something of the query says it.
        others: of a part of columns' names those that have it, too.
        family: of the beginning of several cells of one column those cells.
    """

    kind: str
    start: int
    end: int
    value: object = None
    exact: bool = True
    used: bool = False
    others: tuple = ()
    family: tuple = ()


def cells_in(text, facts):
    """Cells that stand in the question as they are; a value may be a cell of several columns."""
    found = []
    for start in range(len(text)):
        for end in range(start + 1, min(len(text), start + LONGEST) + 1):
            places = facts.places.get(text[start:end])
            if places and text[start:end] not in EMPTY_WORDS and not is_other(text, start, end):
                found.append(Token("cell", start, end, places))
    return [*found, *states_in(text, facts)]


def states_in(text, facts):
    """Cells such as 已完成 by their verb: 已经完成; of 还没完成 the verb, the negation before it stays."""
    for match in DONE.finditer(text):
        for end in range(match.end() + 2, min(len(text), match.end() + LONGEST) + 1):
            verb = text[match.end():end]
            places = facts.places.get(f"已{verb}")
            if places and f"未{verb}" not in facts.places:
                start = match.start() if match[0].startswith("已") else match.end()
                yield Token("cell", start, end, places)


def is_other(text, start, end):
    """Whether characters that are a cell are something else in a question: 低 in 低于, a number."""
    if end - start == 1 and (COMPARED.match(text, start) or text[start - 1:end] in WITHIN):
        return True
    return is_number(text, start, end)


def is_number(text, start, end):
    """Whether digits that are a code in the table are a number in a question: 300元以下."""
    if not text[start:end].isdecimal():
        return False
    compared = MORE_DIGITS.match(text, end) or BEFORE_NUMBER.search(text[:start])
    return compared is not None


def columns_in(text, facts):
    """Columns whose name without its unit stands in the question."""
    found = []
    for column, name in enumerate(facts.names):
        if len(name) > 1 or (name and not FILLERS.fullmatch(name)):
            places = [match.span() for match in re.finditer(re.escape(name), text)]
            found += [Token("column", *place, (column,)) for place in places]
    return found


def each_in(text, facts):
    """每个, 各, 按; in 各班 and 每种动物 the measure may be a part of a column's name."""
    for match in EACHES.finditer(text):
        start, end = match.span()
        named = [column for column, name in enumerate(facts.names) if text.startswith(name, end)]
        named = [column for column in named if not facts.is_kind(column, "number")]
        owned = [column for column in facts.columns("text", "number")
                 if facts.is_kind(column, "text") or facts.names[column].endswith(text[end - 1])]
        owned = [column for column in owned
                 if text[end - 1] in facts.names[column] and facts.repeats[column]]
        if end - start > 1 and not named and owned and text[end - 1] in MEASURES:
            end -= 1
        yield Token("each", start, end, text[start:end])


def flags_in(text, facts):
    """Columns of yes and no whose subject is named, by its first or last two characters at least."""
    found = []
    for column, flag in facts.flags.items():
        for size in range(min(2, len(flag.stem)), len(flag.stem) + 1):
            for part in {flag.stem[-size:], flag.stem[:size]}:
                places = [match.span() for match in re.finditer(re.escape(part), text)]
                found += [Token("flag", *place, column) for place in places]
    return found


def parts_of_columns(text, facts, tokens):
    """Parts of names where nothing else stands: 借出 for 借出次数, 哪个班 for 班级."""
    found, covered = [], {i for token in tokens for i in range(token.start, token.end)}
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            if end - 1 in covered:
                break
            part = text[start:end]
            owners = [column for column, name in enumerate(facts.names) if part in name]
            if not owners:
                break
            owners = [column for column in owners if not names_rows(part, column, facts)]
            owners = [column for column in owners
                      if not has_other_head(part, text, start, facts.names[column], covered)]
            if end - start == 1:
                owners = [column for column in owners if is_asked_for(text, start, column, facts)]
            if owners:
                best = best_owners(owners, part, facts)
                found.append(Token("part", start, end, best, exact=False, others=tuple(owners)))
    return found


def names_rows(part, column, facts):
    """Whether a part of a code's name is a noun for the rows, which have another name: 员工 in 员工编号."""
    is_noun = part in ROWS or part in PERSONS
    return is_noun and column != facts.key and CODED.search(facts.names[column]) is not None


def has_other_head(part, text, start, name, covered):
    """Whether a part of a name has another head than there: 寄件人 is no 收件人."""
    head = name.removesuffix(part)
    if not 0 < len(head) < len(name) or len(head) > 2 or start == 0 or start - 1 in covered:
        return False
    rest = [place for place in leftovers(text[:start], []) if place[1] == start]
    if not rest or not is_han(text[start - 1]) or text[start - 1] in LIGHT:
        return False
    word = text[rest[0][0]:start]
    return not any(word.endswith(noun) for noun in ROWS) and not re.search(f"(?:{OR_WORDS})$", word)


def is_asked_for(text, start, column, facts):
    """Whether one character can be meant as a part of a column's name: 哪个班, and no 的 in 目的地."""
    asked, part = ASKING.search(text[:start]), text[start]
    if part in VERBS and asked and asked[0] == "哪":
        return False                                     # 在哪上
    is_noun = part in ROWS and column != facts.key and not facts.repeats[column]
    if is_noun or any(text.startswith(word, start) for word in KEPT):
        return False                                     # 哪台机器 is no 机房
    grouped = asked and asked[0].startswith(("每", "各")) and facts.repeats[column]
    counted = asked and asked[0].startswith("几") and facts.names[column] == f"{part}数"         # 住几晚
    is_number = facts.is_kind(column, "number") and not (grouped or counted)
    if not asked or is_number or facts.is_kind(column, "date", "time", "flag"):
        return False
    strong = asked[0].startswith(("哪", "每", "几", "各"))
    at_end = facts.names[column].startswith(part) or facts.names[column].endswith(part)
    return at_end and (strong or not FILLERS.fullmatch(part))


def best_owners(owners, part, facts):
    """Of columns that have a part of a name, those that are little more, or end with it, or begin with it."""
    little_more = {part + tail for tail in ("名", "名称", "级", "别", "类", "型", "份")}
    rules = (lambda name: name in little_more, lambda name: name.endswith(part),
             lambda name: name.startswith(part))
    for rule in rules:
        better = [column for column in owners if rule(facts.names[column])]
        owners = better or owners
    return tuple(owners)


def synonyms_in(text, facts):
    """Words for a column that has another word of the same sense in its name."""
    found = []
    for group in SYNONYMS:
        said = [word for word in group if word in text]
        pattern = re.compile(any_of(group))
        owners = said and [column for column, name in enumerate(facts.names) if pattern.search(name)]
        if owners:
            ending = [column for column in owners if facts.names[column].endswith(tuple(group))]
            best = tuple(ending or owners)
            for word in said:
                found += [Token("synonym", *match.span(), best, exact=False, others=tuple(owners))
                          for match in re.finditer(re.escape(word), text)]
    return found


def guessed_cells(text, facts, tokens):
    """Cells that a word left over is a part of, or is but for a typing error: 管委会, 崔健民."""
    found, covered = [], {i for token in tokens for i in range(token.start, token.end)}
    if not facts.places:
        return found
    for start, end in leftovers(text, tokens):
        stop = end
        while stop < len(text) and stop not in covered and text[stop].isalnum():
            stop += 1                                    # 会 may be a filler, and part of 管委会
        for size in range(min(stop - start, LONGEST), 1, -1):
            for place in range(start, min(end, stop - size + 1)):
                word = text[place:place + size]
                if is_attribute(text, place, place + size) or word in KEPT:
                    continue
                cell = part_of_cell(word, facts) or misspelt_cell(word, facts)
                family = () if cell else family_of(word, facts)
                if cell or family:
                    places = facts.places[cell or beginning_with(word, facts.joined)[0]]
                    found.append(Token("cell", place, place + size, places, exact=False, family=family))
    return found


def is_attribute(text, start, end):
    """Whether it is asked what a word is: the 客户 of 项目的客户是谁 is no cell."""
    return text[:start].endswith("的") and ASKED_OF.match(text, end) is not None


def part_of_cell(word, facts):
    """The one cell that a word is a part of, in one form or two of it, or None."""
    inside = inside_of(word, facts.joined)
    cells = {place for line in inside for place in facts.places[line]}
    return inside[0] if inside and len(cells) == len(facts.places[inside[0]]) else None


def family_of(word, facts):
    """The cells of one column that begin with a word: Ubuntu 20.04 and Ubuntu 22.04; not all of a column."""
    if f"\n{facts.joined}".count(f"\n{word}") > 2 * MOST_OF_A_FAMILY:     # each may stand there in two forms
        return ()
    places = [place for line in beginning_with(word, facts.joined) for place in facts.places[line]]
    family = tuple(dict.fromkeys(cell for _, cell in places))
    columns = {column for column, _ in places}
    if not 1 < len(family) <= MOST_OF_A_FAMILY or len(columns) > 1:
        return ()
    return family if len(family) < len(facts.table.cells(columns.pop())) else ()


def beginning_with(word, joined):
    """The lines of a text that begin with a word."""
    text, found, at = f"\n{joined}\n", [], 0
    while (at := text.find(f"\n{word}", at)) >= 0:
        end = text.find("\n", at + 1)
        found.append(text[at + 1:end])
        at = end
    return found


def misspelt_cell(word, facts):
    """The one cell that a word of at least three characters is like but for one, no negation; or None."""
    if len(word) < 3 or len(facts.places) > MOST or any(c.isdigit() for c in word):
        return None
    match = process.extractOne(word, list(facts.places), scorer=fuzz.ratio, score_cutoff=66)
    if match is None or len(match[0]) != len(word):
        return None
    wrong = [(a, b) for a, b in zip(word, match[0]) if a != b]
    return match[0] if len(wrong) == 1 and not set(wrong[0]) & set(NEGATIVE) else None


def inside_of(word, joined):
    """The cells, of those in the lines of a text, that a word is a part of: at most three of them."""
    found, at = [], joined.find(word)
    while at >= 0 and len(found) < 3:
        start, end = joined.rfind("\n", 0, at) + 1, joined.find("\n", at)
        end = len(joined) if end < 0 else end
        found.append(joined[start:end])
        at = joined.find(word, end)
    return found


def leftovers(text, tokens, extra=()):
    """(start, end) of the runs of characters that no token covers and that are no fillers."""
    marked = list(text)
    for start, end in [*((token.start, token.end) for token in tokens), *extra]:
        marked[start:end] = ["\n"] * (end - start)
    rest = FILLERS.sub(lambda match: match[1] or "\n" * len(match[0]), "".join(marked))
    return [match.span() for match in re.finditer(r"[^\W_]+", rest)]


def is_tail(words):
    """Whether words behind a column or a cell say nothing more than it: 语文成绩, 历史类."""
    return re.fullmatch(f"{TAIL}+", words) is not None
