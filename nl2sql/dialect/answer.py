"""Reading and network → one query, with its confidence and its notes. No Keras in here.

    answer = answer_to(parser, database, question)
    answer.query           a Query or WideQuery, or None
"""

import functools
from dataclasses import dataclass, field, replace

from nl2sql.dialect.confidence import confidence_of
from nl2sql.dialect.reading import read
from nl2sql.labels import NO_COLUMN
from nl2sql.notes import note
from nl2sql.wide import WideQuery


@dataclass
class Answer:
    """A query, None for a refusal, with what a user should know about it."""

    query: object
    confidence: float = 0.0
    notes: list = field(default_factory=list)


class Chooser:
    """What the network says of columns that words leave open; it runs once, and only if it is asked.

    Args:
        parser: a Parser.
        question, table: what it is asked about.
    """

    def __init__(self, parser, question, table):
        self.parser, self.question, self.table = parser, question, table

    @functools.cached_property
    def heads(self):
        """(Heads, the columns of the line)"""
        line = self.parser.encoder.encode(self.parser.encoder.prepare(self.question, self.table))
        return self.parser.heads([line])[0], line.columns

    def __call__(self, start, end, columns):
        """The likeliest of some columns: of a value by the column head, else by what is selected."""
        heads, known = self.heads
        places = [known.index(column) for column in columns if column in known]
        if not places:
            return None
        is_value = heads.operator[start:end].argmax(1).min(initial=9) < heads.operator.shape[1] - 1
        if is_value and end > start:
            shares = heads.column[start:end].mean(0)
        else:
            shares = 1 - heads.select[:, NO_COLUMN]
        return int(known[max(places, key=lambda place: shares[place])])


def answer_to(parser, database, question):
    """The Answer to a question that Parser.check has let pass."""
    table = database.table
    reading = read(question, table, Chooser(parser, question, table))
    say = functools.partial(note, question)
    if reading.is_complete:
        return complete(database, reading, say)
    if reading.reason and reading.reason[0] in ("relative", "reason"):
        return Answer(None, 0.0, [say(*reading.reason)])
    if reading.query and has_conditions(reading.query) and reading.reason is None and not reading.attributes:
        found = complete(database, reading, say)
        return replace(found, notes=[say("unused", "、".join(reading.unused)), *found.notes])
    return refusal(table, reading, say)


def has_conditions(query):
    return bool(query.where or query.order or query.group is not None)


def complete(database, reading, say):
    """The Answer of a reading that has a query."""
    columns, query = database.table.columns, reading.query
    notes = [say("read_as", words, cell) for words, cell in reading.inexact]
    notes += [say("guessed", words, columns[column]) for words, column in reading.guesses]
    if query.limit is not None and is_tied(database, query):
        notes.append(say("tie"))
    return Answer(query.simplest(), confidence_of(reading), notes)


def is_tied(database, query):
    """Whether the row behind the last of an order has the same value."""
    column, aggregate, _ = query.order
    keys = WideQuery(((column, aggregate),), query.where, False, query.group, query.order, query.limit + 1)
    rows = database.rows(keys)
    return len(rows) > query.limit and rows[-1] == rows[-2]


def refusal(table, reading, say):
    """No query, and why."""
    notes = []
    if reading.unused:
        notes.append(say("unused", "、".join(reading.unused)))
    elif reading.reason and reading.reason[0] != "no_condition":
        notes.append(say(*reading.reason))
    return Answer(None, 0.0, [say("no_answer", "、".join(table.columns)), *notes])
