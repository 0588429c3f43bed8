"""From the probabilities of the four heads to a query: spans of characters become conditions.

    parse = decode(heads, encoded, prepared)
    parse.query            a sql.Query, or None: nothing in the table is asked for

No Keras in here.
"""

from dataclasses import dataclass, field

import numpy as np

from nl2sql.dates import find_dates, find_times
from nl2sql.labels import NO_COLUMN, NO_VALUE
from nl2sql.matcher import SAME, overlap
from nl2sql.notes import in_english
from nl2sql.numerals import find_numbers
from nl2sql.sql import AND, EQ, GT, LT, OR, Query


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
    remarks: list = field(default_factory=list)    # (key of a note, its words)

    @property
    def notes(self):
        """The remarks in English."""
        return [in_english(*remark) for remark in self.remarks]


def decode(heads, encoded, prepared, matching=True, repair=True):
    """The Parse of one question.

    Args:
        heads: Heads for the columns of `encoded`.
        encoded, prepared: the line and what it was made from.
        matching: look values up in the table; without, they stay the words of the question, as the model
            marked them.
        repair: move a condition to the column in which its value stands.
    """
    return _Decoding(heads, encoded, prepared, matching, repair).parse()


class _Decoding:
    """One question on its way to a query: what decode() was given, and what was found up to now."""

    def __init__(self, heads, encoded, prepared, matching, repair):
        self.heads, self.matching, self.repair = heads, matching, repair
        self.columns = np.asarray(encoded.columns)         # of the line, by their numbers in the table
        self.question, self.prepared = prepared.question, prepared
        self.table, self.matcher = prepared.table, prepared.table.matcher
        self.conditions, self.spans, self.remarks, self.confidences = [], [], [], []

    def parse(self):
        self._note_dropped_columns()
        select = self._select()
        values = runs_of(whole_values(self.heads.operator, self.question))
        for start, end, operator in values:
            self.confidences.append(float(self.heads.operator[start:end, operator].mean()))
            for span in self._pieces(start, end):
                self._add_conditions(span, start, end, operator, alone=len(values) == 1)
        if not select:
            return Parse(None, self.confidences[0], self.spans, self.remarks)
        query = Query(select, tuple(self.conditions), self._connector())
        return Parse(query, min(self.confidences), self.spans, self.remarks)

    def _note_dropped_columns(self):
        names = self.table.columns
        if len(self.columns) < len(names):
            kept = ", ".join(names[column] for column in sorted(self.columns))
            self.remarks.append(("dropped", len(names), len(self.columns), kept))

    # ---------------------------------------------------------------------------------- the heads, one by one

    def _select(self):
        """((column, aggregate), ...) of the selected columns, in the table's order."""
        chosen = selected(self.heads.select, self.prepared.mentions)
        aggregates = self.heads.select[:, :NO_COLUMN]
        sure = np.where(chosen, aggregates.max(1), self.heads.select[:, NO_COLUMN])
        self.confidences.append(float(sure.min()))
        pairs = [(int(self.columns[i]), int(aggregates[i].argmax())) for i in np.flatnonzero(chosen)]
        return tuple(sorted(pairs))

    def _connector(self):
        """What joins the conditions: AND or OR, and 0 where there is nothing to join."""
        if len(self.conditions) < 2:
            return 0
        connector = AND + int(self.heads.connector[AND:].argmax())
        self.confidences.append(float(self.heads.connector[connector]))
        (_, operator), *others = {condition[:2] for condition in self.conditions}
        if self.matching and not others and operator not in (GT, LT):
            return OR if operator == EQ else AND    # no cell is two values at once; it may be other than both
        return connector

    def _column(self, start, end):
        """The column that the characters of a span choose together."""
        return int(self.columns[self.heads.column[start:end].mean(0).argmax()])

    # -------------------------------------------------------------------------------- a marked span to values

    def _pieces(self, start, end):
        """(start, end) of the values of a run, which are several where its characters choose several columns.

        A run that is one cell, one number or one date of its column stays whole. Otherwise it is split where
        the chosen column changes; a piece grows to the whole cell or number around it, and covers others.
        """
        if not self.matching:
            return [(start, end)]
        column = self._column(start, end)
        dates = [span for span in dates_and_times(self.question) if span[0] <= start and end <= span[1]]
        if dates and not self.matcher.is_real(column):
            return dates
        whole = self.matcher.snap(self.question, start, end, column)
        _, score = self.matcher.resolve(column, EQ, self.question[slice(*whole)])
        if whole[0] <= start and end <= whole[1] and score >= SAME:
            return [whole]
        choices = self.heads.column[start:end].argmax(1)
        parts = [(start + a, start + b) for a, b in equal_runs(choices)]
        taken = []
        for part in sorted(parts, key=lambda part: part[0] - part[1]):
            if not any(overlap(part, other) for other in taken):
                self._take(part, taken)
        return sorted(taken)

    def _take(self, part, taken):
        """Adds a part to the pieces that are taken; a stray character belongs to the value beside it."""
        start, end = part
        grown = self.matcher.snap(self.question, start, end, self._column(start, end))
        stray = end - start == 1 and grown == part and not find_numbers(self.question[start:end])
        beside = [i for i, other in enumerate(taken) if start == other[1] or end == other[0]]
        if stray and beside:
            other = taken[beside[0]]
            taken[beside[0]] = min(start, other[0]), max(end, other[1])
        elif not any(overlap(grown, other) for other in taken):
            taken.append(grown)

    # ----------------------------------------------------------------------------------- values to conditions

    def _add_conditions(self, span, start, end, operator, alone):
        """Adds the conditions of a value at `span`, which the model marked from start to end."""
        share = self.heads.column[max(span[0], start):min(span[1], end)].mean(0)
        self.confidences.append(float(share.max()))
        column, words = int(self.columns[share.argmax()]), self.question[slice(*span)]
        if self.repair:
            probabilities = np.zeros(len(self.prepared.headers))
            probabilities[self.columns] = share
            column = self.matcher.best_column(column, operator, words, probabilities)
        for condition in self._conditions(column, operator, words, alone):
            if condition not in self.conditions:
                self.conditions.append(condition)
                self.spans.append(words)

    def _conditions(self, column, operator, words, alone):
        """The conditions that words mean: several for a month, or for cells side by side."""
        if not self.matching:
            return [(column, operator, words)]
        if alone and operator not in (GT, LT):
            days = self.matcher.days(column, words)
            if len(days) > 1:                              # a month, or a day of several years
                return [(column, operator, day) for day in days]
        if operator in (GT, LT) and not find_numbers(words):
            operator = EQ                               # as in the article: names have no order
        found = []
        for start, end in self.matcher.split(column, words):
            value, score = self.matcher.resolve(column, operator, words[start:end])
            found.append((column, operator, value))
            self._note_value(column, words[start:end], value, score)
        return found

    def _note_value(self, column, words, value, score):
        if score == 0:
            self.remarks.append(("unlike", self.table.columns[column], words))
        elif isinstance(value, str) and score < SAME:
            self.remarks.append(("read_as", words, value))


# -------------------------------------------------------------------------------------- what the heads choose

def selected(select, mentions):
    """Which columns are selected, (N,): the likeliest, and those with a probability above 0.75 in all.

    A question that is about something else selects none: that one at all is meant has to be likely, and
    nearly certain if the question mentions neither a column nor a cell by name. The limits are those that do
    best on validation schemas: at 0.5 a column in which a condition stands is often taken for one that is
    asked for.

    Args:
        select: the head's probabilities, (N, 7).
        mentions: characters of the question that stand in the name of a column or of a cell.
    """
    none = select[:, NO_COLUMN]
    needed = 0.05 if mentions > 1 else 0.9
    if 1 - none.prod() < needed:
        return np.zeros(len(none), bool)
    likeliest = np.arange(len(none)) == none.argmin()
    return likeliest | (none < 0.25)


def whole_values(operator, question):
    """The operator of each character, (Q,): the likeliest, but one for all of a number, a date or a time.

    That is the likeliest of those that were chosen there; NO_VALUE if none was.
    """
    chosen = operator.argmax(1)
    spans = [(number.start, number.end) for number in find_numbers(question)]
    spans += dates_and_times(question)
    for start, end in sorted(spans, key=lambda span: span[0] - span[1]):
        found = set(chosen[start:end].tolist()) - {NO_VALUE}
        if len(found) > 1:
            chosen[start:end] = max(found, key=operator[start:end].sum(0).item)
    return chosen


def dates_and_times(question):
    """(start, end) of the dates and then of the times of day in a question."""
    return [(start, end) for start, end, _ in (*find_dates(question), *find_times(question))]


def runs_of(operators):
    """(start, end, operator) of each run of characters with the same operator."""
    runs = [(start, end, int(operators[start])) for start, end in equal_runs(operators)]
    return [run for run in runs if run[2] != NO_VALUE]


def equal_runs(values):
    """(start, end) of each run of equal values in an array."""
    changes = (np.flatnonzero(np.diff(values)) + 1).tolist()
    return [(start, end) for start, end in zip([0, *changes], [*changes, len(values)]) if start < end]
