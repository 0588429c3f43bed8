"""What is asked for: groups, aggregates, counts, columns. No Keras in here.

    read_groups(sentence)          每个班, 各部门
    read_aggregates(sentence)      平均工资, 一共多少公斤
    read_columns(sentence)         the columns that are named, or asked for by 谁, 什么时候, 多少钱
"""

import re

from nl2sql.dialect.value_columns import CLAUSE_END
from nl2sql.dialect.words import HEADS, MEASURE, NOUN, PERSONS
from nl2sql.sql import AVG, EQ, SUM
from nl2sql.wide import Column

ASKING = re.compile("几|多|什么|哪|何|谁|啥|怎么|干")
WHICH = re.compile(f"(?:哪一?|哪几|什么|啥|哪些){MEASURE}?$")
WHETHER = re.compile("是否|是不是|有没有|能不能|有无|可否|能否")


# ----------------------------------------------------------------------------------------------------- groups

def read_groups(sentence):
    """The column of 每个班 or 按部门; None where there is none. 每个人 are the rows themselves."""
    group = None
    for token in sentence.of("each"):
        if sentence.behind("(?:有|是|为|占|多少|几|自)", token.end):
            token.used = True                            # 各有多少
            beside = [column for _, end, ((column, *_), *others) in sentence.groups
                      if others and re.fullmatch(f"(?:{NOUN})?", sentence.text[end:token.start])]
            group = beside[0] if beside and group is None else group           # 男女各有多少人
            continue
        column = group_column(sentence, token)
        if column is not None and group is None:
            group = column
    return group


def group_column(sentence, token):
    """The column that is named behind 每个 or 按, whose rows are taken together."""
    named = [other for other in sentence.columns() if 0 <= other.start - token.end <= 1]
    weak = sentence.words(token) in ("分", "以")
    ordered = sentence.words(token).startswith(("按", "以"))
    if named:
        other = named[0]
        columns = [column for column in other.value if can_group(sentence.facts, column)]
        sorting = ordered and sentence.behind(".{0,3}?(?:从|由|排|升序|降序|最)", other.end)
        if columns and not sorting:
            token.used = other.used = True
            sentence.spans.append((token.end, other.start))
            return sentence.choice(other.start, other.end, columns)
        token.used = bool(sorting)
        return None
    noun = sentence.behind(NOUN, token.end)
    if noun and not weak:
        token.used = True
        sentence.use_match(noun)
        return group_of_noun(sentence.facts, noun[0])
    return None


def group_of_noun(facts, noun):
    """The column of 每个员工 or 每位老师: what names the rows, or for people the one column of people."""
    if noun in PERSONS and facts.key not in facts.people:
        return facts.people[0] if len(facts.people) == 1 else None
    return facts.key


def can_group(facts, column):
    """Whether rows can be taken together by a column: no numbers but few whole ones, as of floors."""
    if not facts.is_kind(column, "number"):
        return True
    cells = facts.table.cells(column)
    return all(cell.is_integer() for cell in cells) and 3 * len(cells) <= 2 * facts.filled[column]


def which_column(sentence):
    """The unused column of 哪个班, of 班级 in 人最多的班级, or of 谁, whose cells repeat; else None."""
    facts = sentence.facts
    tokens = [token for token in sentence.columns() if not facts.is_kind(token.value[0], "number")]
    asked = [token for token in tokens if WHICH.search(sentence.text[:token.start])]
    behind = [token for token in tokens if sentence.text[:token.start].endswith("的")]
    for token in [*asked, *behind, *tokens]:
        repeating = [column for column in token.value if facts.repeats[column]]
        if repeating:
            return token, repeating[0]
    for token in sentence.of("concept"):
        people = sentence.alike([column for column in facts.people if facts.repeats[column]])
        if token.value == "who" and len(people) == 1:
            return token, people[0]
    return None, None


# ------------------------------------------------------------------------------------------------- aggregates

def read_aggregates(sentence):
    """[(column, AVG or SUM)]; 一共 of what is counted is no sum."""
    found = []
    for token in sentence.of("average"):
        targets = targets_of(sentence, token)
        found += [(column, AVG) for column in targets]
        token.used = bool(targets)
    for token in sentence.of("total"):
        targets = [] if is_counted(sentence, token) else targets_of(sentence, token)
        found += [(column, SUM) for column in targets]
        token.used = True if targets else is_filler(sentence, token)
    return list(dict.fromkeys(found))


def is_filler(sentence, token):
    """Whether 一共 or 共 stands before a count: 一共有几种."""
    return sentence.words(token) in ("一共", "总共", "共", "共有", "共计")


def is_counted(sentence, token):
    """Whether 一共 stands with a count of rows: 一共有几种, and no 一共多少公斤."""
    counted = sentence.behind(f"(?:有|是)?(?:多少|几)(?:{MEASURE})?(?:{NOUN})?[?？]?$", token.end)
    other = sentence.columns("number") or asked_quantity(sentence) or sentence.spent()
    return counted is not None and not other


def asked_quantity(sentence):
    """(token, columns) of 多少亩 or 几公斤 where the table has such columns, or None."""
    for other in sentence.of("concept"):
        if ASKING.search(sentence.words(other)):
            about = set(sentence.facts.about(other.value)) & set(sentence.facts.columns("number"))
            if about:
                return other, sorted(about)
    return None


def targets_of(sentence, token):
    """The columns of an aggregate: those right behind, 语文和数学, else the nearest in its clause."""
    numbers = sentence.columns("number")
    behind = [other for other in numbers if other.start >= token.end]
    behind = [other for other in behind if not CLAUSE_END.search(sentence.between(token, other))]
    before = [other for other in numbers if other.end <= token.start]
    chosen = behind[:1] or before[-1:]
    for other in behind[1:]:
        if chosen and re.fullmatch("[、,]|和|与|以及|及|跟", sentence.between(chosen[-1], other)):
            chosen.append(other)
    if not chosen and len(before) > 1:
        chosen = before[-1:]
    sentence.use(*chosen)
    for left, right in zip(chosen, chosen[1:]):
        sentence.spans.append((left.end, right.start))
    if chosen:
        return [sentence.pick(other, "number") for other in chosen]
    if sentence.words(token).endswith("额"):
        return sentence.facts.about("price")[:1]
    asked = asked_quantity(sentence)
    if asked:
        asked[0].used = True
    columns = sentence.spent() or (asked[1] if asked else [])
    return columns[:1]


# ---------------------------------------------------------------------------------------------------- columns

def read_columns(sentence):
    """The columns that are asked for by name or by a question word, in their order."""
    found, facts = [], sentence.facts
    for token in sentence.of("concept"):
        if ASKING.search(sentence.words(token)):
            read_concept(sentence, token, found)
    fixed = [group[0][0] for *_, group in sentence.groups if group[0][1] == EQ]
    which = [token for token in sentence.columns() if WHICH.search(sentence.text[:token.start])]
    for token in sentence.columns():
        token.used = True
        if (which or found) and token not in which and set(token.value) <= set(fixed):
            continue                                     # 武汉是哪个省的省会
        if token not in which and (is_first_part(sentence, token) or is_said_again(sentence, token)):
            continue
        found.append((token.start, sentence.pick(token, apart=fixed)))
    for token in sentence.of("flag"):
        if facts.flags:
            token.used = True
            sentence.spans += [match.span() for match in WHETHER.finditer(sentence.text)]
            found.append((token.start, token.value))
    return list(dict.fromkeys(column for _, column in sorted(found)))


def is_first_part(sentence, token):
    """Whether a word is the first part of a name whose last part is said of it: 报销 is no 报销人."""
    name, words = sentence.facts.names[token.value[0]], sentence.words(token)
    head = name.removeprefix(words)
    return token.kind == "part" and not token.exact and head != name and head in HEADS


def is_said_again(sentence, token):
    """Whether a part of a name only repeats a condition: 还有名额的班，报名人数少于名额上限."""
    compared = {column for *_, group in sentence.groups for column, *_ in group}
    compared |= {value.number for *_, group in sentence.groups for *_, value in group
                 if isinstance(value, Column)}
    asked = sentence.behind("是|多少|几|有多|$", token.end)
    return token.kind == "part" and set(token.value) <= compared and asked is None


def read_concept(sentence, token, found):
    """The column of 谁, 什么时候, 多少钱: one that is named, or the one that is about it."""
    facts = sentence.facts
    about = facts.about(token.value)
    before = [other for other in sentence.columns("number", "date", "year", "time")
              if other.end <= token.start]
    if before and re.fullmatch("有|是|为|的|", sentence.between(before[-1], token)):
        token.used = True                                # 面积有多大, 英语多少分
        return
    named = [other for other in sentence.columns() if set(other.value) & set(about)]
    if named:
        for other in named:
            other.value = tuple(column for column in other.value if column in about)
            other.exact = True                           # 何时入职 says that 入职 is 入职日期
        token.used = True
        return
    fixed = {group[0][0] for *_, group in sentence.groups if group[0][1] == EQ}
    left = [column for column in about if column not in fixed]
    if token.value == "who" and facts.key in left:
        left = [facts.key]
    if not left:
        return
    token.used = True
    left = sentence.alike(left) if token.value == "who" else left
    found.append((token.start, sentence.choice(token.start, token.end, left)))


