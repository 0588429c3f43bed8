"""nl2sql/decode.py: what becomes of the model's answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nl2sql import scores
from nl2sql.decode import Heads, decode, runs_of, selected, whole_values
from nl2sql.encoder import SEGMENTS, Encoder
from nl2sql.labels import NO_VALUE, align, labels_of, nothing
from nl2sql.sql import Database
from nl2sql.tables import Table
from tests.nl2sql.examples import SALES, VOCAB, right


def test_a_model_that_is_right_gives_the_gold_query(records):
    encoder = Encoder(VOCAB)
    for record in records:
        prepared = encoder.prepare(record.question, record.table)
        encoded = encoder.encode(prepared)
        spans = align(record.question, record.table, record.query)
        parse = decode(right(encoded, labels_of(encoded, record.query, spans)), encoded, prepared)
        assert scores.logical_form(parse.query, record.query), (record.question, record.query, parse)
        assert parse.confidence == 1.0


def test_in_doubt_which_column_is_meant_one_of_them_is_selected():
    def heads(*none):
        return np.array([[1 - p, 0, 0, 0, 0, 0, p] for p in none])

    assert selected(heads(0.6, 0.7, 0.99), 2).tolist() == [True, False, False]
    assert selected(heads(0.9, 0.95, 0.99), 2).tolist() == [True, False, False]     # 0.15 that one is meant
    assert selected(heads(0.98, 0.99, 0.99), 2).tolist() == [False] * 3
    assert selected(heads(0.1, 0.4, 0.2), 2).tolist() == [True, False, True]    # 0.4 is the doubt between two
    # though no aggregate is likelier
    assert selected(np.array([[0, 0.2, 0.2, 0.2, 0, 0, 0.4]]), 2).tolist() == [True]


def test_a_question_that_names_nothing_of_the_table_has_to_be_sure():
    def heads(none):
        return np.array([[1 - none, 0, 0, 0, 0, 0, none], [0, 0, 0, 0, 0, 0, 1.0]])

    assert selected(heads(0.2), 2).tolist() == [True, False]
    assert selected(heads(0.2), 1).tolist() == [False] * 2
    assert selected(heads(0.05), 0).tolist() == [True, False]
    for question, mentions in {"广州的销售额": 5, "销售额": 3, "年": 0, "今天天气如何": 0}.items():
        for segments in (1, 2, SEGMENTS):
            assert Encoder(VOCAB, segments=segments).prepare(question, SALES).mentions == mentions


def decoded(question, spans, table=SALES, select=((1, 0),), connector=0, **how):
    """The Parse of heads that mark spans, given as (words, operator, column)."""
    encoder = Encoder(VOCAB)
    prepared = encoder.prepare(question, table)
    encoded = encoder.encode(prepared)
    answer = nothing(encoded)
    for words, operator, column in spans:
        start = question.index(words)
        answer.operator[start:start + len(words)] = [operator] * len(words)
        answer.column[start:start + len(words)] = [column] * len(words)
    for column, aggregate in select:
        answer.select[column] = aggregate
    answer.connector = connector
    return decode(right(encoded, answer), encoded, prepared, **how)


@pytest.mark.parametrize("question, spans, conditions", [
    ("广州深圳的销售额", [("广州深圳", 2, 0)],
     ((0, 2, "广州"), (0, 2, "深圳"))),         # the article merges neighbours
    ("2018年广州的", [("2018年", 2, 3), ("广州", 2, 0)], ((3, 2, 2018.0), (0, 2, "广州"))),
    ("呼和浩特的", [("呼和", 2, 0)], ((0, 2, "呼和浩特"),)),                           # a part is widened
    ("超过1.5亿的", [("1.5", 0, 1)], ((1, 0, 15000.0),)),
    ("广州的", [("广州", 2, 3)],
     ((0, 2, "广州"),)),                                   # the column is repaired
    ("广州的", [("广州", 0, 0)], ((0, 2, "广州"),)),                                   # names have no order
    ("2018广州", [("2018", 2, 3), ("广州", 2, 0)], ((3, 2, 2018.0), (0, 2, "广州"))),
    ("超过亿的", [("亿", 0, 1)], ((1, 0, 10000.0),)),
    ("过很多的", [("很多", 0, 1)], ((1, 2, "很多"),)),                                   # no bound, so no row
])
def test_values_are_repaired(question, spans, conditions):
    assert decoded(question, spans, connector=1).query.conditions == conditions


def test_without_matching_and_without_repair():
    assert decoded("超过1.5亿的", [("1.5亿", 0, 1)], matching=False).query.conditions == ((1, 0, "1.5亿"),)
    assert decoded("广洲的", [("广洲", 2, 0)], matching=False).query.conditions == ((0, 2, "广洲"),)
    assert decoded("广州的", [("广州", 2, 3)], repair=False).query.conditions[0][0] == 3
    parse = decoded("呼和浩待的", [("呼和浩待", 2, 0)])
    assert parse.query.conditions == ((0, 2, "呼和浩特"),) and parse.notes == ["呼和浩待 is read as 呼和浩特"]
    assert "resembles 巴黎" in decoded("巴黎的", [("巴黎", 2, 0)]).notes[0]


def test_dates_stay_whole_and_a_month_is_all_its_days():
    table = Table(["日期", "金额"],
                  [["2019-03-01", 1], ["2019-03-15", 2], ["2019-05-02", 5], ["2018-03-15", 3]])
    for question, operator, conditions, connector in [
            ("2019年3月的金额", 2, ["2019-03-01", "2019-03-15"], 2),
            ("3月15日", 2, ["2018-03-15", "2019-03-15"], 2),
            ("不在2019年3月的", 3, ["2019-03-01", "2019-03-15"], 1), ("2019年3月以后", 0, ["2019-03-15"], 0),
            ("2019年3月以前", 1, ["2019-03-01"], 0), ("2019年4月1日以后", 0, ["2019-04-01"], 0)]:
        words = question.strip("的金额不在以后前")
        query = decoded(question, [(words[:-1], operator, 0)], table).query
        assert query.conditions == tuple((0, operator, day) for day in conditions)
        assert query.connector == connector


def test_a_number_a_date_or_a_time_has_one_operator():
    for question, at, length in [("超过十五万的", 2, 3), ("2019年3月1日的", 0, 9), ("二十三点半关门", 0, 5),
                                 ("超过15.5的", 2, 4)]:
        operator = np.full((len(question), 5), 0.05)
        operator[:, NO_VALUE] = 0.8
        operator[at:at + length, NO_VALUE], operator[at:at + length, 1] = 0.1, 0.7
        operator[at, 1], operator[at, 0] = 0.1, 0.7                   # one character says otherwise
        expected = [1 if at <= i < at + length else NO_VALUE for i in range(len(question))]
        assert whole_values(operator, question).tolist() == expected
        operator[:, NO_VALUE] = 0.9
        assert whole_values(operator, question).tolist() == [NO_VALUE] * len(question)


def test_nothing_selected_is_no_query():
    assert decoded("今天天气", [], select=()).query is None


def test_connector():
    two = [("广州", 2, 0), ("深圳", 2, 0)]
    assert decoded("广州和深圳", two, connector=1).query.connector == 2         # no city is two cities
    assert decoded("除了广州和深圳", [(city, 3, 0) for city, *_ in two], connector=2).query.connector == 1
    assert decoded("广州", two[:1], connector=2).query.connector == 0
    assert decoded("广州2019", [("广州", 2, 0), ("2019", 2, 3)], connector=1).query.connector == 1


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_runs(operators):
    runs = runs_of(np.array(operators))
    rebuilt = [4] * len(operators)
    for start, end, operator in runs:
        rebuilt[start:end] = [operator] * (end - start)
    assert rebuilt == operators and all(a[1] < b[0] or a[2] != b[2] for a, b in zip(runs, runs[1:]))


@settings(max_examples=100, deadline=None)
@given(st.text("广州深圳北京呼和浩特销售额利润年0123456789万亿%.，的是; '\"-", min_size=1),
       st.integers(0, 2**32 - 1))
def test_whatever_a_model_says_is_a_query_that_runs(question, seed):
    encoder, generator = Encoder(VOCAB), np.random.default_rng(seed)
    prepared = encoder.prepare(question, SALES)
    encoded = encoder.encode(prepared)
    heads = Heads(*(generator.dirichlet([0.3] * n, shape) for n, shape in
                    [(3, None), (7, 4), (5, encoded.length), (4, encoded.length)]))
    parse = decode(heads, encoded, prepared)
    if parse.query:
        parse.query.check(4)
        with Database(SALES) as database:
            database.rows(parse.query)
