"""Reading and network → one query, with its confidence and its notes. No Keras in here.

    answer = answer_to(parser, database, question)
    answer.query           a Query or WideQuery, or None
"""

import functools
from dataclasses import dataclass, field, replace

from nl2sql.decode import decode
from nl2sql.dialect.confidence import features_of, features_of_network, probability
from nl2sql.dialect.reading import read
from nl2sql.labels import NO_COLUMN
from nl2sql.notes import note
from nl2sql.wide import BETWEEN, DISTINCT, Column, WideQuery

CREDIBLE = 0.5                         # confidence of the network below which its query is no answer


@dataclass
class Answer:
    """A query, None for a refusal, with what a user should know about it."""

    query: object
    confidence: float = 0.0
    notes: list = field(default_factory=list)
    features: dict = field(default_factory=dict)   # by which the confidence was found


class Chooser:
    """What the network says of columns that words leave open; it runs once, and only if it is asked.

    Args:
        parser: a Parser.
        question, table: what it is asked about.
    """

    def __init__(self, parser, question, table):
        self.parser, self.question, self.table = parser, question, table

    @functools.cached_property
    def line(self):
        """(what the question was made of, its Encoded line, its Heads)"""
        prepared = self.parser.encoder.prepare(self.question, self.table)
        encoded = self.parser.encoder.encode(prepared)
        return prepared, encoded, self.parser.heads([encoded])[0]

    def parse(self):
        """What the network alone understands, as a decode.Parse."""
        prepared, encoded, heads = self.line
        return decode(heads, encoded, prepared)

    def __call__(self, start, end, columns):
        """The likeliest of some columns: of a value by the column head, else by what is selected."""
        _, encoded, heads = self.line
        known = encoded.columns
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
    table, chooser = database.table, Chooser(parser, question, database.table)
    reading = read(question, table, chooser)
    say = functools.partial(note, question)
    if reading.is_complete:
        return complete(database, reading, say)
    if reading.reason and reading.reason[0] in ("relative", "reason"):
        return Answer(None, 0.0, [say(*reading.reason)])
    unused = say("unused", "、".join(reading.unused))
    if is_beyond(reading):
        found = complete(database, reading, say)
        return replace(found, notes=[unused, *found.notes])
    parse = chooser.parse()
    if is_credible(parse, reading, table):
        notes = [unused if reading.unused else say("guess"), *(say(*remark) for remark in parse.remarks)]
        features = features_of_network(parse, reading)
        return Answer(parse.query, probability("network", features), notes, features)
    return refusal(table, reading, say)


def is_beyond(reading):
    """Whether what was read, but for some words, has no form in TableQA: the network cannot say it."""
    query = reading.query
    if query is None or reading.reason is not None or reading.attributes or not has_conditions(query):
        return False
    special = [value for group in query.where for _, operator, value in group
               if operator == BETWEEN or value is None or isinstance(value, Column)]
    counted = any(aggregate == DISTINCT for _, aggregate in query.select)
    return bool(query.order or query.group is not None or special or counted)


def is_credible(parse, reading, table):
    """Whether the network's query is better than none.

    It has conditions, whose values are in the table; and where it is asked what some word is, which no column
    has in its name, the column that it selects has two characters of it: 泥沙含量 is 含沙量, 电话 no 项目.
    """
    unlike = [remark for remark in parse.remarks if remark[0] == "unlike"]
    if parse.query is None or not parse.query.conditions or unlike or parse.confidence < CREDIBLE:
        return False
    selected = "".join(table.columns[column] for column, _ in parse.query.select)
    return all(len(set(words) & set(selected)) > 1 for words in reading.attributes)


def has_conditions(query):
    return bool(query.where or query.order or query.group is not None)


def complete(database, reading, say):
    """The Answer of a reading that has a query."""
    columns, query = database.table.columns, reading.query
    notes = [say("read_as", words, cell) for words, cell in reading.inexact]
    notes += [say("guessed", words, columns[column]) for words, column in reading.guesses]
    tied = query.limit is not None and is_tied(database, query)
    if tied:
        notes.append(say("tie"))
    features = features_of(reading, tied)
    return Answer(query.simplest(), probability("reading", features), notes, features)


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
