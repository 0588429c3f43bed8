"""Superlatives → an order and a limit, or MAX and MIN. No Keras in here.

    read_ranking(sentence)      借出次数前三名, 最贵的菜, 最高分是多少, 按工资从高到低
"""

import re
from dataclasses import dataclass, field

from nl2sql.dialect.value_columns import CLAUSE_END
from nl2sql.dialect.words import GREATEST, LEAST
from nl2sql.sql import MAX, MIN

ORDERED = ("number", "year", "date", "time")
# what follows a column that is asked for with the superlative before it: 最高工资是多少
VALUE_ASKED = ("(?:的)?(?:各?是|为)?(?:多少|几|什么时候|哪天|哪一天|什么|啥)?"
               "(?:钱|元|岁|分|年|号|公斤|吨)?(?:[?？呢吗吧啊呀。]*)$")


@dataclass
class Ranking:
    """What superlatives say.

    Args:
        column: of the order, None where rows are counted or where there is no order.
        direction: GREATEST or LEAST first; 0 for no order.
        limit: rows, None for all.
        counted: whether the most or fewest rows are meant: 哪个班人最多.
        extremes: (column, MAX or MIN) that are asked for.
        lost: superlatives without a column.
    """

    column: int | None = None
    direction: int = 0
    limit: int | None = None
    counted: bool = False
    averaged: int = 0
    extremes: list = field(default_factory=list)
    lost: list = field(default_factory=list)


def read_ranking(sentence, grouped, aggregated):
    """The Ranking of a question.

    Args:
        aggregated: whether an average or a sum is asked for, which then has the order.
        grouped: a column to which a group can be made, by 哪个班 or 每个班; None where none is asked for.
    """
    found = Ranking()
    for token in sentence.of("best"):
        read_best(sentence, token, found, grouped, aggregated)
    for token in sentence.of("sorted"):
        column = sorted_column(sentence, token)
        if column is not None and not found.direction:
            found.column, found.direction = column, token.value
            token.used = True
    for token in sentence.of("top"):
        read_top(sentence, token, found)
    return found


def read_best(sentence, token, found, grouped, aggregated):
    direction, number, about = token.value
    extreme = extreme_column(sentence, token)
    if extreme is not None:
        found.extremes.append((extreme, MAX if direction == GREATEST else MIN))
        token.used = True
        return
    if found.direction:                                  # 最贵的和最便宜的 are two questions
        found.lost.append(token)
        return
    column = None if aggregated else best_column(sentence, token, about)
    if column is None and not aggregated and (born := birth_of(sentence, token, about)) is not None:
        column, direction = born, -direction             # the oldest was born first
    most = sentence.words(token).startswith(("最多", "最少"))
    if aggregated:
        pass                                             # 平均工资最高: the order is that of the average
    elif column is None and most and grouped is not None:
        found.counted = True
    elif column is None:
        found.lost.append(token)
        return
    token.used = True
    found.column, found.direction, found.limit = column, direction, number or 1


def extreme_column(sentence, token):
    """The column of 最高工资是多少, 年龄最大是多少, or None where rows are asked for."""
    if token.value[1]:
        return None
    behind = [other for other in sentence.columns(*ORDERED)
              if re.fullmatch("的?", sentence.between(token, other)) and other.start >= token.end]
    if behind:
        other = behind[0]
        joined = sentence.behind("(?:和|与|以及|、)(?=最)", other.end)
        number = other.kind == "column" or sentence.facts.is_kind(other.value[0], "number")
        if number and (joined or sentence.behind(VALUE_ASKED, other.end)):
            other.used = True
            return sentence.pick(other, *ORDERED)
    before = [other for other in sentence.columns("number") if other.end <= token.start]
    asked = sentence.behind("(?:的)?(?:值)?(?:是|为|有)?(?:多少|几)", token.end)
    if before and asked and re.fullmatch("的|", sentence.between(before[-1], token)):
        before[-1].used = True
        return sentence.pick(before[-1], "number")
    return None


def best_column(sentence, token, about):
    """The column of a superlative: named before it, right behind it, or what the adjective is about."""
    named = sentence.columns(*ORDERED)
    if about == ["when"]:
        timely = sentence.columns("date", "year", "time")
        named = timely or named
    before = [other for other in named if other.end <= token.start]
    before = [other for other in before if not CLAUSE_END.search(sentence.between(other, token))]
    behind = [other for other in named if 0 <= other.start - token.end <= 1]
    if behind and not (before and before[-1].end == token.start):
        before = behind[:1]
    if before:
        before[-1].used = True
        return sentence.pick(before[-1], *ORDERED)
    facts = sentence.facts
    if about == ["when"]:
        columns = facts.columns("date", "year", "time")
    else:
        columns = facts.named_like(about, ["number"])[:1] or sentence.spent()[:1]
    if not columns and len(named) == 1 and named[0].start > token.end:
        return sentence.pick(named[0], *ORDERED)         # 最大的会议室能容纳多少人 asks for it, too
    return sentence.choice(token.start, token.end, columns)


def birth_of(sentence, token, about):
    """The column of birthdays for 年龄最大 of a table that has no ages, or None."""
    named = sentence.before("(?:年龄|岁数|年纪)", token.start)
    born = [column for column in sentence.facts.columns("date", "year")
            if re.search("出生|生日", sentence.facts.names[column])]
    if not born or not (named or about == ["年龄", "岁"]):
        return None
    if named:
        sentence.use_match(named)
    return born[0]


def sorted_column(sentence, token):
    """The column by which rows are sorted: 按工资从高到低, 从高到低按工资."""
    named = sentence.columns(*ORDERED)
    before = [other for other in named if other.end <= token.start]
    behind = [other for other in named if other.start >= token.end]
    if not before and not behind:
        return None
    chosen = before[-1] if before else behind[0]
    chosen.used = True
    return sentence.pick(chosen, *ORDERED)


def read_top(sentence, token, found):
    """前三名 of an order that is said, or of a column that is named before it."""
    low, number = token.value
    if found.direction and not found.extremes:
        found.limit = number
        token.used = True
        return
    named = [other for other in sentence.columns(*ORDERED) if other.end <= token.start]
    if not named:
        named = [other for other in sentence.columns("number")
                 if 0 <= other.start - token.end <= 1 or sentence.text[:other.start].endswith("按")]
    if not named:
        return
    named[-1].used = token.used = True
    found.column, found.limit = sentence.pick(named[-1], *ORDERED), number
    found.direction = LEAST if low == LEAST else GREATEST
