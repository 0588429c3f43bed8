"""From the probabilities of the four heads to a query: spans of characters become conditions.

    parse = decode(heads, encoded, prepared)
    parse.query            a sql.Query, or None: nothing in the table is asked for

No Keras in here.
"""

from dataclasses import dataclass, field

import numpy as np

from nl2sql.inputs import NO_COLUMN, NONE
from nl2sql.sql import Query
from nl2sql.values import SAME, find_dates, find_numbers, find_times


@dataclass
class Heads:
    """Probabilities for one question of Q characters and N columns."""

    connector: np.ndarray      # (3,)
    select: np.ndarray         # (N, 7)
    operator: np.ndarray       # (Q, 5)
    column: np.ndarray         # (Q, N)


@dataclass
class Parse:
    """A query with what a user should know about it."""

    query: Query | None
    confidence: float = 0.0                        # the smallest probability among the choices made
    spans: list = field(default_factory=list)      # the words of each condition
    notes: list = field(default_factory=list)


def decode(heads, encoded, prepared, matching=True, repair=True):
    """The Parse of one question.

    Args:
        heads: Heads for the columns of `encoded`.
        encoded, prepared: the line and what it was made from.
        matching: look values up in the table; without, they stay the words of the question, as the model marked them.
        repair: move a condition to the column in which its value stands.
    """
    columns, question, table = np.asarray(encoded.columns), prepared.question, prepared.table
    matcher = table.matcher
    chosen, aggregates = selected(heads.select, prepared.mentions), heads.select[:, :NO_COLUMN]
    select = sorted((int(columns[i]), int(aggregates[i].argmax())) for i in np.flatnonzero(chosen))
    sure = [float(np.where(chosen, aggregates.max(1), heads.select[:, NO_COLUMN]).min())]
    conditions, spans, notes = [], [], []
    if len(columns) < len(table.columns):
        notes.append(f"{len(table.columns)} columns are more than the model reads; these {len(columns)} are named most like "
                     f"the question: {', '.join(table.columns[i] for i in sorted(columns))}")
    values = runs_of(whole_values(heads.operator, question))
    for start, end, operator in values:
        sure.append(float(heads.operator[start:end, operator].mean()))
        for a, b in pieces(heads, columns, question, start, end, matcher) if matching else [(start, end)]:
            inside = slice(max(a, start), min(b, end))
            share = heads.column[inside].mean(0)
            sure.append(float(share.max()))
            column, words = int(columns[share.argmax()]), question[a:b]
            if repair:
                weight = np.zeros(len(prepared.headers))
                weight[columns] = share
                column = matcher.best_column(column, operator, words, weight)
            if not matching:
                found = [(column, operator, words)]
            elif operator > 1 and len(values) == 1 and len(days := matcher.days(column, words)) > 1:
                found = [(column, operator, day) for day in days]       # a month, or a day of several years
            else:
                found, new = conditions_of(matcher, column, operator, words)
                notes += new
            for condition in found:
                if condition not in conditions:
                    conditions.append(condition)
                    spans.append(words)
    if not select:
        return Parse(None, sure[0], spans, notes)
    connector = 0 if len(conditions) < 2 else 1 + int(heads.connector[1:].argmax())
    if len(conditions) > 1:
        sure.append(float(heads.connector[connector]))
        if matching and len(about := {condition[:2] for condition in conditions}) == 1 and (op := about.pop()[1]) > 1:
            connector = 4 - op                    # no cell is two values at once, and each is other than one of two
    return Parse(Query(tuple(select), tuple(conditions), connector), min(sure), spans, notes)


def selected(select, mentions):
    """Which columns are selected, (N,): the likeliest, and those whose probability is above 0.75, whatever the aggregate.

    A question that is about something else selects none: that one at all is meant has to be likely, and nearly certain if
    the question mentions neither a column nor a cell by name. The limits are those that do best on validation schemas: at
    0.5 a column in which a condition stands is often taken for one that is asked for.

    Args:
        select: the head's probabilities, (N, 7).
        mentions: characters of the question that stand in the name of a column or of a cell.
    """
    none = select[:, NO_COLUMN]
    if 1 - none.prod() < (0.05 if mentions > 1 else 0.9):
        return np.zeros(len(none), bool)
    return (none < 0.25) | (np.arange(len(none)) == none.argmin())


def whole_values(operator, question):
    """The operator of each character, (Q,): the likeliest, but in a number, a date or a time one for all of its characters.

    That is the likeliest of those that were chosen there; NONE if none was.
    """
    chosen = operator.argmax(1)
    spans = [(n.start, n.end) for n in find_numbers(question)]
    spans += [(start, end) for start, end, _ in (*find_dates(question), *find_times(question))]
    for start, end in sorted(spans, key=lambda span: span[0] - span[1]):
        if len(found := set(chosen[start:end].tolist()) - {NONE}) > 1:
            chosen[start:end] = max(found, key=lambda op: operator[start:end, op].sum())
    return chosen


def runs_of(operators):
    """(start, end, operator) of each run of characters with the same operator."""
    edges = [0, *np.flatnonzero(np.diff(operators)) + 1, len(operators)]
    return [(int(a), int(b), int(operators[a])) for a, b in zip(edges, edges[1:]) if b > a and operators[a] != NONE]


def pieces(heads, columns, question, start, end, matcher):
    """The values of a run, which are several where its characters choose several columns: (start, end) of each.

    A run that is one cell, one number or one date of its column stays whole. Otherwise it is cut where the chosen column
    changes; a piece grows to the whole cell or number around it and takes in what it then covers.
    """
    column = int(columns[heads.column[start:end].mean(0).argmax()])
    dates = [(a, b) for a, b, _ in (*find_dates(question), *find_times(question)) if a <= start and end <= b]
    if dates and matcher.table.types[column] == "text":
        return dates
    whole = matcher.snap(question, start, end, column)
    if whole[0] <= start and end <= whole[1] and matcher.resolve(column, 2, question[slice(*whole)])[1] >= SAME:
        return [whole]
    chosen = heads.column[start:end].argmax(1)
    edges = [0, *np.flatnonzero(np.diff(chosen)) + 1, end - start]
    parts = sorted(((start + int(a), start + int(b)) for a, b in zip(edges, edges[1:])), key=lambda part: part[0] - part[1])
    taken = []
    for a, b in parts:
        if any(a < d and c < b for c, d in taken):
            continue
        grown = matcher.snap(question, a, b, int(columns[heads.column[a:b].mean(0).argmax()]))
        beside = next((i for i, (c, d) in enumerate(taken) if a == d or b == c), None)
        if b - a == 1 and grown == (a, b) and beside is not None and not find_numbers(question[a:b]):
            taken[beside] = min(a, taken[beside][0]), max(b, taken[beside][1])      # a stray character belongs to its value
        elif not any(grown[0] < d and c < grown[1] for c, d in taken):
            taken.append(grown)
    return sorted(taken)


def conditions_of(matcher, column, operator, words):
    """The conditions that words mean, one for each cell named in them, and notes for the user."""
    table, found, notes = matcher.table, [], []
    for start, end in matcher.split(column, words):
        value, score = matcher.resolve(column, operator, words[start:end])
        if operator < 2 and (not find_numbers(words) if table.types[column] == "text" else isinstance(value, str)):
            operator = 2                                      # as in the article: names have no order
        if score == 0:
            notes.append(f"nothing in the column {table.columns[column]} resembles {words[start:end]}")
        elif isinstance(value, str) and score < SAME:
            notes.append(f"{words[start:end]} is read as {value}")
        found.append((column, operator, value))
    return found, notes
