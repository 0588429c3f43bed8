"""The random questions that all contenders answer: 30 characters about 8 columns, each with a cell of the
table and a number."""

import numpy as np

from nl2sql.augment import Samples
from nl2sql.characters import Characters
from nl2sql.corpus import Record
from nl2sql.decode import Heads
from nl2sql.sql import Query
from nl2sql.tables import Table

SHAPES = {"small": (128, 4, 256), "base": (768, 12, 32)}          # channels, layers, samples of an epoch
LENGTH = 160


def questions(count):
    """(Characters, Records)."""
    vocab = Characters.from_texts([])
    rng = np.random.default_rng(0)
    han = [vocab.tokens[i] for i in vocab.han]
    header = ["".join(rng.choice(han, 4)) for _ in range(8)]
    rows = [["".join(rng.choice(han, 3)), *map(float, rng.integers(1, 1000, 7))] for _ in range(20)]
    table = Table(header, rows)
    records = []
    for i in range(count):
        cell, number = table.rows[i % 20][0], int(rng.integers(1, 1000))
        question = f"{''.join(rng.choice(han, 12))}{cell}的{header[1]}超过{number}"
        question += "".join(rng.choice(han, 30 - len(question)))
        query = Query(((2, 0),), ((0, 2, cell), (1, 0, str(number))), 1)
        records.append(Record(question, table, query))
    return vocab, records


def right_heads(records, encoder):
    """tokens of a line → the Heads that answer it right.

    How much Python the way from probabilities to SQL takes depends on what they say, and random weights say
    something else on each side. So both sides compute their own, and decode these."""
    samples, found = Samples(records, encoder), {}
    for index in range(len(samples)):
        line, labels = samples.line(index)
        columns = np.eye(len(line.columns))
        found[tuple(line.tokens)] = Heads(np.eye(3)[labels.connector], np.eye(7)[labels.select],
                                          np.eye(5)[labels.operator], columns[labels.column])
    return found
