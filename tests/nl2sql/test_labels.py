"""nl2sql/labels.py and augment.py: what the model should answer, and the training questions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.harness.order import by_length
from nl2sql.augment import Samples
from nl2sql.encoder import Encoder
from nl2sql.labels import NO_COLUMN, NO_VALUE, align, labels_of
from nl2sql.sql import Query
from tests.nl2sql.examples import SALES, VOCAB


@pytest.mark.parametrize("question, conditions, words", [
    ("广州的销售额", [(0, 2, "广州")], ["广州"]),
    ("销售额超过100万的", [(1, 0, "100")], ["100万"]),
    ("销售额大于10并且利润大于10的城市", [(1, 0, "10"), (2, 0, "10")], ["10", "10"]),
    ("利润大于10并且销售额大于10的城市", [(1, 0, "10"), (2, 0, "10")], ["10", "10"]),
    ("2010年利润超过10的", [(2, 0, "10")], ["10"]),
    ("18年的城市", [(3, 2, "2018")], ["18年"]),
    ("广州深圳的利润", [(0, 2, "广州"), (0, 2, "深圳")], ["广州", "深圳"]),
    ("呼市的利润", [(0, 2, "呼和浩特")],
     None),                   # two of four characters are not enough to know it
    ("内蒙古呼和浩特市的利润", [(0, 2, "呼和浩特")], ["呼和浩特"]),
    ("全部城市", [(0, 2, "广州")], None),
    ("呼和的利润", [(0, 2, "呼和浩特")], ["呼和"]),
    ("八八年建成或5月2号上线的", [(0, 2, "1988年"), (0, 2, "2018-05-02")], ["八八年", "5月2号"]),
])
def test_alignment(question, conditions, words):
    spans = align(question, SALES, Query(((0, 0),), tuple(conditions), min(1, len(conditions) - 1)))
    assert (spans and [question[a:b] for a, b in spans]) == words
    if spans:
        assert len(set(spans)) == len(spans)


def test_equal_values_go_to_the_columns_that_are_named_beside_them():
    question = "利润大于10并且销售额大于10的城市"
    spans = align(question, SALES, Query(((0, 0),), ((1, 0, "10"), (2, 0, "10")), 1))
    assert spans == [(question.rindex("10"), question.rindex("10") + 2),
                     (question.index("10"), question.index("10") + 2)]


def test_labels_are_what_the_article_says():
    encoder, question = Encoder(VOCAB), "广州的利润"
    encoded = encoder.encode(encoder.prepare(question, SALES), [2, 0, 3, 1])
    answer = labels_of(encoded, Query(((2, 1), (2, 2)), ((0, 2, "广州"),), 0), [(0, 2)])
    assert answer.select == [1, 6, 6, 6]                  # one column, one class: of two aggregates the first
    assert answer.operator == [2, 2, 4, 4, 4] and answer.column[:2] == [1, 1] and answer.connector == 0


def test_samples_shuffle_columns_rename_and_ask_wrong_tables(records):
    encoder = Encoder(VOCAB)
    samples = Samples(records, encoder, unrelated=0.3, rename=0.5)
    assert len(samples) == len(records) and samples.left_out == 0
    generator, orders, wrong, renamed = np.random.default_rng(0), set(), 0, 0
    for i in range(len(samples)):
        record, prepared, _ = samples.items[i]
        encoded, answer = samples.line(i, generator)
        if all(n == NO_COLUMN for n in answer.select):
            wrong += 1
            assert set(answer.operator) <= {NO_VALUE} and answer.connector == 0
            continue
        orders.add(tuple(encoded.columns))
        assert answer.select[encoded.columns.index(record.query.select[0][0])] == record.query.select[0][1]
        renamed += encoded.tokens[1:1 + encoded.length] != prepared.tokens
    assert 0.15 < wrong / len(samples) < 0.35 and len(orders) == 6 and renamed > 50
    plain, _ = samples.line(0)
    assert plain.columns == sorted(plain.columns)
    again = [samples.line(i, np.random.default_rng(5))[0].tokens for i in (3, 3)]
    assert again[0] == again[1]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=300), st.integers(1, 64), st.integers(0, 9))
def test_batches_hold_every_sample_once(lengths, batch_size, seed):
    batches = by_length(lengths, batch_size, np.random.default_rng(seed))
    assert sorted(itertools.chain(*batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) <= batch_size
