"""nl2sql/published.py: decoding as in the article, by examples and by a loop for the nearest cell."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from nl2sql import published
from nl2sql.decode import Heads
from nl2sql.encoder import Encoder
from nl2sql.labels import NO_COLUMN, NO_VALUE, nothing
from nl2sql.sql import EQ, GT
from nl2sql.tables import Table
from tests.nl2sql.examples import SALES, VOCAB, right


def decoded(question, spans, select=((1, 0),), connector=0, table=SALES):
    """The query of heads that mark spans, given as (words, operator, column)."""
    prepared = Encoder(VOCAB, segments=1).prepare(question, table)
    encoded = Encoder(VOCAB, segments=1).encode(prepared)
    answer = nothing(encoded)
    for words, operator, column in spans:
        start = question.index(words)
        answer.operator[start:start + len(words)] = [operator] * len(words)
        answer.column[start:start + len(words)] = [column] * len(words)
    for column, aggregate in select:
        answer.select[column] = aggregate
    answer.connector = connector
    return published.decode(right(encoded, answer), encoded, prepared).query


@pytest.mark.parametrize("question, spans, conditions", [
    ("广州的", [("广州", EQ, 0)], ((0, EQ, "广州"),)),
    ("广洲的", [("广洲", EQ, 0)], ((0, EQ, "广州"),)),                    # the nearest cell
    ("广州的", [("广州", EQ, 3)], ((0, EQ, "广州"),)),                    # the column that has it
    ("广州的", [("广州", GT, 0)], ((0, EQ, "广州"),)),                    # no number: ==
    ("超过1.5的", [("1.5", GT, 1)], ((1, GT, "1.5"),)),                   # a number stays as it is typed
    ("超过1.5亿的", [("1.5亿", GT, 1)], None),                            # and a unit makes it a text
])
def test_values_become_what_the_script_makes_of_them(question, spans, conditions):
    query = decoded(question, spans)
    if conditions is None:
        [(_, operator, value)] = query.conditions
        assert operator == EQ and any(value == cell for column in range(4) for cell in texts(SALES)[column])
    else:
        assert query.conditions == conditions


def texts(table):
    return [list(map(published.cell_text, table.cells(column))) for column in range(len(table.header))]


def edits(a, b):
    """The Levenshtein distance of two texts, by its table."""
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i, j in np.ndindex(len(a), len(b)):
        table[i + 1, j + 1] = min(table[i, j + 1] + 1, table[i + 1, j] + 1, table[i, j] + (a[i] != b[j]))
    return table[-1, -1]


def test_the_nearest_cell_is_the_first_with_the_fewest_edits():
    rng, alphabet = np.random.default_rng(0), list("甲乙丙1")
    for _ in range(200):
        cells = ["".join(rng.choice(alphabet, rng.integers(1, 5))) for _ in range(8)]
        words = "".join(rng.choice(alphabet, 3))
        distances = [edits(words, cell) for cell in cells]
        assert published.nearest(words, [cells[:3], cells[3:]]) == cells[distances.index(min(distances))]
    assert published.nearest("甲", [[], []]) == "甲"


def test_neighbours_merge_and_conditions_are_a_set():
    """Two cells side by side are one value there, which decode.py parts."""
    assert len(decoded("广州深圳的", [("广州深圳", EQ, 0)]).conditions) == 1
    query = decoded("2018年2018", [("2018", EQ, 3)], connector=2)
    assert (query.conditions, query.connector) == (((3, EQ, "2018"),), 0)


def test_each_column_takes_its_likeliest_class_and_none_is_no_query():
    prepared = Encoder(VOCAB, segments=1).prepare("广州的销售额", SALES)
    encoded = Encoder(VOCAB, segments=1).encode(prepared)
    select = np.full((len(encoded.columns), 7), 0.1)
    select[:, NO_COLUMN] = 0.2
    operator = np.zeros((encoded.length, 5))
    operator[:, NO_VALUE] = 1
    heads = Heads(np.ones(3), select, operator, np.zeros((encoded.length, len(encoded.columns))))
    assert published.decode(heads, encoded, prepared).query is None
    select[2, 4] = select[0, 1] = 0.21                             # not above one half, and yet selected
    assert published.decode(heads, encoded, prepared).query.select == ((0, 1), (2, 4))


def test_the_connector_is_never_none_between_conditions():
    spans = [("广州", EQ, 0), ("2018", EQ, 3)]
    assert decoded("广州2018", spans[:1]).connector == 0
    table = Table(SALES.header, SALES.rows, SALES.types)
    assert decoded("广州的2018", spans, connector=2, table=table).connector == 2
    assert decoded("广州的2018", spans, connector=0, table=table).connector == 1


RECIPE = """
import dataclasses, sys
from nl2sql import train
import keras
from common.harness import cli
from nl2sql.published import Published

def fit(self, batches, epochs, callbacks, **_):
    config, rate = batches.run.config, self.optimizer._learning_rate
    steps, samples = len(batches), batches.samples
    assert (epochs, config.batch_size) == (15, 32) and samples.unrelated == samples.rename == 0
    assert samples.encoder.segments == 1 and isinstance(callbacks[0].parser, Published)
    rates = [float(rate(n * steps)) for n in (0, 1, 2, 9)]
    assert max(abs(a - b) for a, b in zip(rates, (0, 5e-5, 1e-5, 1e-5))) < 1e-9, rates
    one, other = batches.item([0, 1], None)[0], samples.batch([0, 1])
    assert all((one[name] == other[name]).all() for name in one)             # questions as they are
    print("as published")
    sys.exit()

load = train.load
train.load = lambda config: load(dataclasses.replace(config, smoke=True))                 # a few questions
keras.Model.fit = fit
train.train(cli.settle(train.Config(recipe="article", data="sample", bert="none", width=512, depth=1,
                                    out=train.pathlib.Path(sys.argv[1]))))
"""


@pytest.mark.slow
def test_the_recipe_of_the_article_is_what_its_script_has(tmp_path):
    """15 epochs of batches of 32; 0 → 5e-5 → 1e-5; no segments; its decoding."""
    root = pathlib.Path(__file__).resolve().parents[2]
    result = subprocess.run([sys.executable, "-c", RECIPE, str(tmp_path)], cwd=root, capture_output=True,
                            text=True, timeout=300)
    assert "as published" in result.stdout, result.stderr[-2000:]
