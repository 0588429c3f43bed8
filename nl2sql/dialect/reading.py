"""A question → a query that explains each of its words, or what it leaves unexplained. No Keras in here.

    reading = read("借出次数前三名的书", table)
    reading.query          a WideQuery, or None
    reading.unused         the words that it does not explain

A word is explained by a column, a cell, a number, an operator, a closed class of words, or by its place: the
noun behind 哪些 or 几本 stands for the rows, and a verb beside a cell for how it belongs to them.
"""

import re
from dataclasses import dataclass, field

from nl2sql.characters import normalise
from nl2sql.dialect.asked import read_aggregates, read_columns, read_groups, which_column
from nl2sql.dialect.conditions import read_values
from nl2sql.dialect.counts import count_of_times, read_count
from nl2sql.dialect.facts import CODED, facts_of
from nl2sql.dialect.members import read_members
from nl2sql.dialect.ranking import read_ranking
from nl2sql.dialect.rest import explain_rest
from nl2sql.dialect.sentence import Sentence
from nl2sql.dialect.tokens import read_tokens
from nl2sql.dialect.words import EMPTY_WORDS, GREATEST, OR_WORDS
from nl2sql.sql import AVG, COUNT, EQ, GE, GT, LE, LT, NE, SUM
from nl2sql.wide import DISTINCT, WideQuery

JOINT = "[、,]|和|与|及|以及|跟"
THEIR = re.compile(f"(?:{JOINT})(?:[他她它]们?的?|其|各自的?|相应的?|对应的?)")


@dataclass
class Reading:
    """What a question was read as.

    Args:
        query: a WideQuery, None where none makes sense.
        unused: words that the query does not explain.
        reason: (key of a note, words) of why there can be no query.
        guesses: (words, column) where a column was guessed.
        inexact: (words, cell) of cells that are written differently.
        open: words that only their place explains.
        attributes: unused words of which it is asked what they are: 违约金是多少.
    """

    query: WideQuery | None = None
    unused: list = field(default_factory=list)
    reason: tuple | None = None
    guesses: list = field(default_factory=list)
    inexact: list = field(default_factory=list)
    open: list = field(default_factory=list)
    attributes: list = field(default_factory=list)

    @property
    def is_complete(self):
        """Whether the query is what the question says, as far as words can tell."""
        return self.query is not None and not self.unused and self.reason is None


def first_of(start, end, columns):
    """The choice where nothing better knows."""
    return columns[0]


def read(question, table, choose=first_of):
    """The Reading of a question.

    Args:
        choose: see Sentence.
    """
    text, facts = normalise(question), facts_of(table)
    tokens = read_tokens(text, facts)
    sentence = Sentence(text, tokens, facts, choose)
    for kind in ("relative", "reason"):
        if found := sentence.of(kind):
            return Reading(reason=(kind, sentence.words(found[0])), unused=[sentence.words(found[0])])
    read_values(sentence)
    read_members(sentence)
    query = query_of(sentence)
    inexact = [(sentence.words(token), "、".join(token.family or (str(token.value[0][1]),)))
               for token in tokens if token.kind == "cell" and token.used and not token.exact]
    unused, open_words, nouns, attributes = explain_rest(sentence)
    reason = problem_of(query, sentence, nouns) if query else ("nothing", "")
    return Reading(query, unused, reason, sentence.guesses, inexact, open_words, attributes)


# ------------------------------------------------------------------------------------------------ the query

def query_of(sentence):
    """The WideQuery of what is asked, or None where nothing is."""
    group = read_groups(sentence)
    aggregates = read_aggregates(sentence)
    token, which = which_column(sentence)
    target = group if group is not None else which
    ranking = read_ranking(sentence, target, bool(aggregates))
    where = joined(sentence)
    if ranking.counted or (ranking.direction and ranking.column is None):
        if token is not None and group is None:
            token.used = True
        return ranked_groups(sentence, ranking, target, aggregates, where)
    counted = read_count(sentence, group)
    values = [column for column, _ in (*aggregates, *ranking.extremes)]
    columns = [column for column in read_columns(sentence) if column not in values]
    if len(columns) > 1 and not is_listed(sentence):
        columns = [column for column in columns if column != sentence.facts.key]
    if columns and sentence.facts.key not in columns and THEIR.search(sentence.text):
        columns = [sentence.facts.key, *columns]         # 员工和他们的部门
    if counted and counted[1] is None:                   # 多少人 of a column of people's numbers
        columns, counted = [*columns, counted[0]], None
    if not counted and not columns and sentence.groups:
        counted = count_of_times(sentence)
    if group is not None:
        return grouped(sentence, group, aggregates, ranking, counted, columns, where)
    if aggregates or ranking.extremes:
        if [column for column in columns if column != sentence.facts.key]:
            return None                                  # a column beside the sum of another
        select = [*aggregates, *ranking.extremes]
        return WideQuery(tuple(select), where)
    if counted:
        return WideQuery((counted,), where)
    return listed(sentence, ranking, columns, where)


def is_listed(sentence):
    """Whether the column that names the rows is asked for beside others: 姓名和工资."""
    named = [token for token in sentence.tokens if token.kind in ("column", "part", "synonym")]
    for token in named:
        if sentence.facts.key in token.value:
            joined = sentence.before(JOINT, token.start) or sentence.behind(JOINT, token.end)
            if token.kind == "column" and joined:
                return True
    return False


def listed(sentence, ranking, columns, where):
    """The rows: the columns that are asked for, else what names them."""
    facts = sentence.facts
    order = limit = None
    if ranking.direction:
        order, limit = (ranking.column, 0, ranking.direction == GREATEST), ranking.limit
    if not columns and asks_for_object(sentence):
        fixed = {group[0][0] for group in where}
        things = set(facts.columns("text")) - {*fixed, *facts.people, facts.key}
        alike = [column for column in things if set(facts.names[column]) & set(sentence.text)]
        things = alike if len(alike) == 1 else sorted(things)              # 种了什么 of 种植作物
        start = sentence.text.index("什么")
        columns = [sentence.choice(start, start + 2, things)] if things else []
    if len(columns) == 1 and order is None and is_sum(sentence, columns[0]):
        return WideQuery(((columns[0], SUM),), where)
    select = tuple((column, 0) for column in columns or [facts.key])
    repeats = not any(facts.is_key(column) for column, _ in select) and not sentence.names_one_row()
    return WideQuery(select, where, distinct=repeats and order is None, order=order, limit=limit)


def is_sum(sentence, column):
    """Whether 花了多少钱 and 有多少库存 ask for the sum of many rows' amounts."""
    how_many = re.search("(?:了|有|要|能|共)[^,的是]{0,3}多少", sentence.text)
    return bool(how_many) and sentence.facts.is_additive(column) and not sentence.names_one_row()


def asks_for_object(sentence):
    """Whether 什么 at the end can hardly be the rows: B01种了什么, where rows have codes for names."""
    facts = sentence.facts
    fixed = {group[0][0] for *_, group in sentence.groups}
    odd = facts.key in fixed or CODED.search(facts.names[facts.key])
    return bool(odd) and re.search("什么[?？。]?$", sentence.text) is not None


def grouped(sentence, group, aggregates, ranking, counted, columns, where):
    """What is asked of each group, beside its name."""
    facts = sentence.facts
    descending = ranking.direction == GREATEST
    values = [*aggregates, *ranking.extremes]
    if counted:
        column, aggregate = counted
        values.append((column, aggregate if aggregate == DISTINCT and column != group else COUNT))
    if values:
        order = (*values[0], descending) if ranking.direction else None
        return WideQuery(((group, 0), *values), where, group=group, order=order, limit=ranking.limit)
    if ranking.direction and ranking.limit is not None:
        return None                                      # the first of each group is beyond this
    order = (ranking.column, 0, descending) if ranking.direction else None
    others = [column for column in columns if column != group]
    if others and facts.repeats[group] and all("平均" in facts.names[column] for column in others):
        return WideQuery(((group, 0), *((column, AVG) for column in others)), where, group=group)
    if others and facts.repeats[group] and all(facts.is_additive(column) for column in others):
        if "多少" not in sentence.text:                   # 各地区的数量: the sum, one supposes
            sentence.guesses += [("各", column) for column in others]
        return WideQuery(((group, 0), *((column, SUM) for column in others)), where, group=group)
    if not others and group != facts.key:
        others = [facts.key]
    return WideQuery(tuple((column, 0) for column in (group, *others)), where, order=order)


def ranked_groups(sentence, ranking, target, aggregates, where):
    """哪个班人最多, 平均工资最高的部门: groups in the order of a count or an aggregate."""
    if target is None:
        return None
    facts = sentence.facts
    key = (*(aggregates or [(target, COUNT)])[0], ranking.direction == GREATEST)
    for token in sentence.columns():
        if aggregates or facts.key in token.value:
            token.used = True                            # 会员 in 带的会员最多
    for token in sentence.of("count", "quantity"):
        token.used = True
    read_columns_of_target(sentence, target)
    words = [word for word in EMPTY_WORDS if word in facts.table.cells(target)]
    where += tuple(((target, NE, word),) for word in words)
    return WideQuery(((target, 0),), where, group=target, order=key, limit=ranking.limit)


def read_columns_of_target(sentence, target):
    for token in sentence.of("column", "part", "synonym", "concept"):
        if token.kind == "concept" and token.value == "who" and target in sentence.facts.people:
            token.used = True
        elif token.kind != "concept" and target in token.value:
            token.used = True


# --------------------------------------------------------------------------------- and, or, and what is odd

def joined(sentence):
    """The groups of conditions, of which those that 或 joins are one, and those that no row could meet."""
    groups = []
    for start, end, conditions in sorted(sentence.groups, key=lambda group: group[:2]):
        if groups:
            _, before, others = groups[-1]
            word = re.search(OR_WORDS, sentence.text[before:start])
            if word or are_apart(others, conditions):
                if word:
                    sentence.use_match(word, before)
                groups[-1] = groups[-1][0], end, (*others, *conditions)
                continue
        groups.append((start, end, conditions))
    return tuple(conditions for *_, conditions in groups)


def are_apart(left, right):
    """Whether no row could meet both: two values of one column, or below 30 and above 50."""
    if len(left) != 1 or len(right) != 1 or left[0][0] != right[0][0]:
        return False
    (_, first, low), (_, second, high) = left[0], right[0]
    if first == second == EQ:
        return True
    if not (isinstance(low, float) and isinstance(high, float)) or low == high:
        return False
    values = sorted([(low, first), (high, second)])
    return values[0][1] in (LT, LE) and values[1][1] in (GT, GE)


def problem_of(query, sentence, nouns):
    """(key of a note, words) of a query that makes no sense, or None."""
    facts = sentence.facts
    single = {group[0][0] for group in query.where if len(group) == 1 and group[0][1] == EQ}
    keyed = [column for column in single if facts.is_key(column) and facts.kinds[column] == "text"]
    if query.group is None and any(column in single and not aggregate for column, aggregate in query.select):
        return "circular", facts.table.columns[query.select[0][0]]
    if keyed and query.group is None and any(aggregate in (COUNT, DISTINCT) for _, aggregate in query.select):
        return "one_row", facts.table.columns[keyed[0]]
    kinds = ("column", "part", "synonym")
    tokens = [token for token in sentence.tokens if token.kind in kinds and token.used]
    named = {column for token in tokens for column in token.value}
    plain = query.select == ((facts.key, 0),) and not (query.where or query.order)
    if plain and facts.key not in named and not nouns:
        return "no_condition", ""
    if any(aggregate == SUM and not facts.is_kind(column, "number") for column, aggregate in query.select):
        return "no_condition", ""
    return None
