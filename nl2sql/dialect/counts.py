"""What is counted: rows, or the different cells of a column. No Keras in here.

    read_count(sentence, group)      (column, COUNT or DISTINCT) of 几本, 多少人; (column, None) of a value
"""

import re

from nl2sql.dialect.value_columns import UNIT
from nl2sql.dialect.words import NOUN
from nl2sql.sql import COUNT, EQ, SUM
from nl2sql.wide import DISTINCT

LIMIT = re.compile("安全|最低|最高|上限|下限|预警|警戒|标准|计划|目标")
ROWS_COUNTED = ("个", "位", "名", "家", "所", "座", "门", "项", "笔", "单", "户")
KINDS_COUNTED = ("种", "类", "样", "款")


def read_count(sentence, group):
    """(column, COUNT or DISTINCT) of 几本, 多少人, 人数; None where a value is asked for, or nothing."""
    tokens = sentence.of("count", "quantity")
    found = None
    for token in tokens:
        counted = count_of(sentence, token, group)
        if counted is not None and found is None:
            found = counted
    return found


def count_of(sentence, token, group):
    facts = sentence.facts
    if token.kind == "count" and token.value is None and is_value(sentence, token):
        token.used = True
        return None
    behind = next((other for other in sentence.columns() if 0 <= other.start - token.end <= 1), None)
    before = nearest_before(sentence, token)
    unit = UNIT.match(sentence.text, token.end)
    numbers = set(facts.columns("number"))
    numeric = [other for other in (behind, before) if other and numbers & set(other.value)]
    if token.kind == "count" and numeric:
        token.used = True
        sentence.use_match(unit)
        return None                                      # 库存有多少: the value is asked for
    other = behind if behind and token.kind == "count" else before
    amount = stock_of(sentence, token) if token.kind == "count" else None
    if amount and (other is None or facts.key in other.value):
        sentence.use(token, *filter(None, [other]))
        sentence.use_match(unit)
        return amount
    person = sentence.behind("人(?![口均员物])", token.end)
    if other is before and other is not None and person and not set(other.value) & {facts.key, *facts.people}:
        conditions = {group[0][0] for *_, group in sentence.groups}
        other.used = bool(conditions & set(other.value))               # 其他部门有多少人
        other = None
    if other is not None:
        token.used = other.used = True
        sentence.spans.append((min(other.end, token.end), max(other.start, token.start)))
        column = sentence.pick(other, "text", "flag", "year")
        return counted_column(sentence, column, token.value in KINDS_COUNTED)
    if token.value in KINDS_COUNTED and not has_noun(sentence, token) and not sentence.groups:
        return None                                      # 几种 of what?
    people = facts.about("people") if facts.key not in facts.people else []
    if token.kind == "count" and people and person and token.value is None:
        token.used = True
        sentence.spans.append((token.end, token.end + 1))
        total = any(other.kind == "total" for other in sentence.tokens)
        return people[0], SUM if total else None
    token.used = True
    if person:
        sentence.use_match(person)
    return facts.key, COUNT


def is_value(sentence, token):
    """Whether 是多少 asks what a value is, and not how many rows there are."""
    said = sentence.before("是|为|等于|达到|达", token.start)
    return said is not None and sentence.behind("[?？。呢啊]*$|元|块|万|亿|岁|%", token.end) is not None


def has_noun(sentence, token):
    return sentence.behind(NOUN, token.end) is not None


def nearest_before(sentence, token):
    """The unused column right before a count: 会员有多少位, 部门数量."""
    before = [other for other in sentence.columns() if other.end <= token.start]
    light = "(?:的|一共|总共|共|总|有|各|是|为|分别|大概|都|卖|了|达到)*"
    touches = before and re.fullmatch(light, sentence.between(before[-1], token))
    return before[-1] if touches else None


def stock_of(sentence, token):
    """(column of amounts, SUM or None) of 一共多少件 and 还有多少 of one row; None where rows are counted."""
    facts, rest = sentence.facts, sentence.text[token.end:]
    amounts = [column for column in facts.about("counted") if not LIMIT.search(facts.names[column])]
    if not amounts or has_noun(sentence, token) or not re.fullmatch("人?[?？。呢]?", rest):
        return None
    of_row = sentence.names_one_row()
    total = [other for other in sentence.tokens if other.kind == "total"]
    left = sentence.words(token).startswith("有") or sentence.before("还|剩|有", token.start)
    if of_row and not left:
        return None
    if of_row:
        return sentence.choice(token.start, token.end, amounts), None
    if not total or not token.value or token.value in KINDS_COUNTED + ROWS_COUNTED:
        return None
    if len(amounts) == 1:                                # where there are several, the choice is noted
        sentence.guesses.append((sentence.words(token), amounts[0]))
    return sentence.choice(token.start, token.end, amounts), SUM


def counted_column(sentence, column, kinds):
    """How a column is counted: rows by what names them, else its different cells, as always in 几种."""
    facts = sentence.facts
    if kinds:
        return column, DISTINCT
    if column == facts.key or (not facts.repeats[column] and facts.kinds[column] == "text"):
        return column, COUNT
    fixed = {group[0][0] for *_, group in sentence.groups if len(group) == 1 and group[0][1] == EQ}
    return (column, COUNT) if column in fixed else (column, DISTINCT)


def count_of_times(sentence):
    """(column, COUNT) of 买过几次, where the table has no column of times; or None."""
    for token in sentence.of("concept"):
        if token.value == "times":
            token.used = True
            return sentence.facts.key, COUNT
    return None
