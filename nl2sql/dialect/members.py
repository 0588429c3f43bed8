"""Cells, columns of yes and no, and what is empty → conditions. No Keras in here.

    read_members(sentence)      余华的书, 不是小说的, 不能外借, 没有教练
"""

import re

from nl2sql.dialect.words import EMPTY_WORDS, OR_WORDS, SCALES
from nl2sql.sql import EQ, NE

LIST = re.compile(f"(?:[、,和与及或跟以且者是也又还有既不而并的非在属于为]|{OR_WORDS})*")
IS = "(?:都|就|也)*(?:是|为|叫做?|等于|=|:|在|属于|于|位于|写着|选的?|用的?)*(?:在|于)?"
ASKED_BEFORE = re.compile("(?:哪|几|什么|多少|哪些|各|每)[^,]{0,2}$")
VALUE = "(?:是|为|=|等于|:|选)+[\"“'「]?(?:(?P<yes>是|有|true|yes)|否|无|false|no|不是|没有)[\"”'」]?"
WHETHER = re.compile("(?:是否|是不是|有没有|能不能|有无|可否|能否|会不会|需不需要)$")
NOTHING = ("(?:还没有?|没有|没|无|尚未|暂无|未)"
           "(?:出过?|发生过?|得过?|任何|过|分配|指定|安排|填写?|写)*")
STRONG_NOT = re.compile("^(?:没有|无)$")
SOURCES = (("从", "起始出源产来"), ("到|去|往|至|抵达", "终目到达收往"))


def read_members(sentence):
    """Adds the conditions of cells, of columns of yes and no, and of empty cells."""
    read_cells(sentence)
    read_flags(sentence)
    read_nothing(sentence)


# ---------------------------------------------------------------------------------------------------- cells

def read_cells(sentence):
    chains, last, previous = [], None, None
    for token in sentence.of("cell"):
        column, cell = place_of(sentence, token)
        near = last is not None and LIST.fullmatch(sentence.between(last, token)) and column == previous
        if near:
            chains[-1].append((token, column, cell))
        else:
            chains.append([(token, column, cell)])
        last, previous = token, column
    for chain in chains:
        add_cells(sentence, chain)


def place_of(sentence, token):
    """(column, cell) that a cell's words mean: of several columns the one named nearest, or the network's."""
    if len(token.value) == 1:
        return token.value[0]
    columns = [column for column, _ in token.value]
    named = [other for other in sentence.columns() if set(other.value) & set(columns)]
    if named:
        nearest = min(named, key=lambda other: (gap(other, token), other.start))
        chosen = next(column for column in nearest.value if column in columns)
    else:
        chosen = by_verb(sentence, token, columns)
    return next(place for place in token.value if place[0] == chosen)


def gap(left, right):
    """Characters between two tokens."""
    return max(left.start - right.end, right.start - left.end)


def by_verb(sentence, token, columns):
    """从 北京 is where something starts, 到 北京 where it ends; else the network's choice."""
    for words, parts in SOURCES:
        if sentence.before(words, token.start):
            fitting = [column for column in columns if set(parts) & set(sentence.facts.names[column])]
            if len(fitting) == 1:
                return fitting[0]
    return sentence.choice(token.start, token.end, columns)


def add_cells(sentence, chain):
    """Adds what cells side by side say: one of them, or none of them behind a negation."""
    tokens, columns, cells = zip(*chain)
    column, first = columns[0], tokens[0]
    negated = sentence.negation(first.start)
    done = str(cells[0]).startswith("已") or "状态" in sentence.facts.names[column]
    if negated and STRONG_NOT.match(negated[0]) and not done:
        negated = None                                   # 没有主任医师的科室 is not said of one row
    if negated:
        sentence.use_match(negated)
    use_own_names(sentence, column, tokens)
    operator = NE if negated else EQ
    every = [other for token, cell in zip(tokens, cells) for other in token.family or (cell,)]
    every += from_there_on(sentence, tokens[-1], column, cells[-1])
    conditions = tuple((column, operator, cell) for cell in dict.fromkeys(every))
    if negated:
        for condition in conditions:
            sentence.add(first.start, tokens[-1].end, condition)
        use_more_negations(sentence, tokens)
    else:
        sentence.add(first.start, tokens[-1].end, *conditions)
    sentence.use(*tokens)
    for left, right in zip(tokens, tokens[1:]):
        if "不" not in sentence.between(left, right) or negated:
            sentence.spans.append((left.end, right.start))


def from_there_on(sentence, token, column, cell):
    """The further cells of 本科及以上 or 中级以下, by the order of their words in a scale."""
    beyond = sentence.behind("(?:学历|水平|级别)?(?:及|或|或者)?以([上下])", token.end)
    scale = next((words for words in SCALES if cell in words), None)
    if not beyond or scale is None:
        return []
    sentence.use_match(beyond)
    place = scale.index(cell)
    among = scale[place:] if beyond[1] == "上" else scale[:place + 1]
    return [other for other in sentence.facts.table.cells(column) if other in among]


def use_more_negations(sentence, tokens):
    """The 不是 of 既不是猫也不是狗."""
    for token in tokens[1:]:
        if again := sentence.negation(token.start):
            sentence.use_match(again)


def use_own_names(sentence, column, tokens):
    """A column's name belongs to the condition beside its cell, 教练是田甜, 余晓负责, 中国国籍."""
    first, last = tokens[0], tokens[-1]
    for token in sentence.columns():
        if column not in token.value:
            continue
        if token.end <= first.start:
            between = sentence.between(token, first)
            negated = sentence.negation(first.start)
            if negated and negated.start() >= token.end:
                between = sentence.text[token.end:negated.start()]
            asked = ASKED_BEFORE.search(sentence.text[:token.start])
            close = re.fullmatch(IS, between) and not asked
        else:
            between = re.sub("^(?:及|或|或者)?以[上下]", "", sentence.between(last, token))
            close = between == "" or (token.kind == "part" and between in ("的", "来"))
            rest = sentence.text[token.end:]
            asked_behind = re.match("(?:的)?(?:是)?(?:谁|什么|多少|几|哪)", rest)
            close = close and not (asked_behind and token.kind == "column")
            close = close and (token.kind == "part" or rest[:1] not in ("", "?"))
        if close:
            token.used = True


# -------------------------------------------------------------------------------------- yes, no and nothing

def read_flags(sentence):
    for token in sentence.of("flag"):
        if sentence.before(WHETHER.pattern, token.start) or is_asked(sentence, token):
            continue                                     # asked, and no condition
        flag = sentence.facts.flags[token.value]
        known = [group for *_, group in sentence.groups if group[0][0] == token.value]
        token.used = True
        if known:
            continue
        negated, done = sentence.negation(token.start), sentence.before("已经?", token.start)
        if negated or done:
            sentence.use_match(negated or done)
        sentence.add(token.start, token.end, (token.value, EQ, flag.no if negated else flag.yes))
    for token in sentence.columns("flag"):
        add_whole_flag(sentence, token)


def is_asked(sentence, token):
    """Whether a question of one row ends in 吗: 冯佳住校吗 asks for yes or no."""
    return sentence.names_one_row() and re.search("(?:吗|么|没有?)[?？。]?$", sentence.text) is not None


def add_whole_flag(sentence, token):
    """是否毕业为是, or 没有投影仪 where the column is called so."""
    column = token.value[0]
    flag = sentence.facts.flags[column]
    value = sentence.behind(VALUE, token.end)
    bare = not re.match("是否|有无|可否|能否", sentence.words(token))
    negated = sentence.negation(token.start)
    if value:
        yes = value["yes"] is not None
        sentence.use_match(value)
    elif bare and not is_asked(sentence, token) and not sentence.behind("是?(?:什么|怎么|多少)", token.end):
        yes = not negated
        if negated:
            sentence.use_match(negated)
    else:
        return
    token.used = True
    sentence.add(token.start, token.end, (column, EQ, flag.yes if yes else flag.no))


def read_nothing(sentence):
    """没有教练 is a cell that says so or an empty one, 没有黄牌 is 0."""
    for token in sentence.columns("number", "text", "date"):
        negated = sentence.before(NOTHING, token.start)
        missing = sentence.behind("(?:是|为)?(?:空着?的?|缺失的?|未填写?|没填写?|空缺)", token.end)
        asked = sentence.behind("的?(?:是|最|比|低|高|多少|几|超|大|小|达|不)", token.end)
        if missing:
            negated = missing
        whether = negated and sentence.text[:negated.start()].endswith("有")         # 有没有
        if not negated or (not missing and (asked or whether)):
            continue
        column = sentence.pick(token)
        sentence.use_match(negated)
        token.used = True
        sentence.add(token.start, token.end, *nothing_in(sentence, column))


def nothing_in(sentence, column):
    """The conditions of an empty cell in a column."""
    facts = sentence.facts
    if facts.is_kind(column, "number"):
        found = ((column, EQ, 0.0),)
    else:
        found = tuple((column, EQ, word) for word in EMPTY_WORDS if word in facts.table.cells(column))
    if len(facts.table.rows) > facts.filled[column] or not found:
        found += ((column, EQ, None),)
    return found
