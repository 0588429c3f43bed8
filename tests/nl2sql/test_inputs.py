"""nl2sql/inputs.py, decode.py and scores.py: what the model reads, what it should answer, and what becomes of that."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.datasets import InputError
from nl2sql import inputs, scores
from nl2sql.data import Record, Table, load_corpus
from nl2sql.decode import Heads, decode, runs_of, selected, whole_values
from nl2sql.sql import Database, Query
from tests.nl2sql import corpus

VOCAB = inputs.Characters.from_texts(["哪些城市的销售额超过万元"])
SALES = Table(["城市", "销售额（万元）", "利润（万元）", "年份"],
              [["广州", 120, 10, 2018], ["深圳", 300, 10, 2019], ["北京", 980, 40, 2019], ["呼和浩特", 45, 3, 2018]])


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return load_corpus(str(corpus.write(tmp_path_factory.mktemp("corpus")))).train


def right(encoded, answer):
    """The heads of a model that is always right and always sure."""
    return Heads(np.eye(3)[answer.connector], np.eye(7)[answer.select], np.eye(5)[answer.operator],
                 np.eye(len(encoded.columns))[answer.column])


# ------------------------------------------------------------------------------------------------------------- inputs

def test_tokens_segments_and_positions():
    encoder = inputs.Encoder(VOCAB)
    encoded = encoder.encode(encoder.prepare("广州的Ａ B", SALES))
    names = [VOCAB.tokens[n] for n in encoded.tokens]
    assert names[:8] == ["[CLS]", "广", "州", "的", "a", "[unused1]", "b", "[SEP]"] and encoded.length == 6
    assert names[8:12] == ["[CLS]", "城", "市", "[SEP]"] and encoded.positions[0] == 8
    assert [names[i] for i in encoded.positions] == ["[CLS]"] * 4 and encoded.columns == [0, 1, 2, 3]
    assert encoded.segments[:8] == [0, 1, 1, 0, 0, 0, 0, 0] and encoded.segments[8:12] == [1] * 4    # 广州 is a cell of 城市
    both = "广州这个城市销售额多少"
    for segments, expected in [(4, [0, 1, 1, 0, 0, 2, 2, 2, 2, 2, 0, 0, 0]), (2, [0, 1, 1] + 10 * [0]), (1, [0] * 13)]:
        encoder = inputs.Encoder(VOCAB, segments=segments)
        encoded = encoder.encode(encoder.prepare(both, SALES))
        assert encoded.segments[:13] == expected
        columns = [encoded.segments[position] for position in encoded.positions]
        assert columns[0] == {4: 3, 2: 1, 1: 0}[segments] and max(columns) < segments       # of 城市 a cell and the name


def test_segments_say_which_characters_belong_to_which_column():
    encoder = inputs.Encoder(VOCAB)
    encoded = encoder.encode(encoder.prepare("销售额在广州这个城市", SALES), [1, 0, 2, 3])
    question, columns = encoded.segments[1:11], [encoded.segments[position] for position in encoded.positions]
    assert question == [2, 2, 2, 0, 4, 4, 0, 0, 5, 5] and columns == [2, 6, 0, 0]   # 销售额 first, then 城市 with its cell
    table = Table(["城市", "年份"], [["广州", "2018年"], ["深圳", "2019年"]])
    for segments in range(1, 30):                                                       # BERTs with whatever they have
        prepared = inputs.Encoder(VOCAB, segments=segments).prepare("城市是广州年份是2018年", table)
        assert max(prepared.linked + prepared.columns) == min(segments - 1, 1 if segments < 4 else 3 if segments < 7 else 6)
    # 气温 is in both names: it goes with the longer match, and where both are as long, with the column named nearest.
    header = ["最高气温", "最低气温", "湿度"]
    assert inputs.named("5万元", ["最高价/万元", "价（万元）"]) == []                 # units are no names
    assert inputs.named("最低气温", header) == [(2, 4, 0), (0, 4, 1)]
    assert inputs.marks([(2, 4, 0, 2), (0, 4, 1, 2)], 4, 3, 8) == ([2] * 4, [5, 2, 0])
    assert inputs.marks([(0, 2, 0, 2), (4, 5, 0, 1), (4, 5, 1, 1), (6, 8, 1, 2)], 8, 2, 8)[0] == [2, 2, 0, 0, 4, 0, 5, 5]
    many = [(i, i + 1, i, 2) for i in range(12)]
    assert inputs.marks(many, 12, 12, 4) == ([2, 5, 8] + [11] * 9,) * 2                 # the last number is for the rest


def test_the_vocabulary_is_the_same_in_every_process_and_on_disk(tmp_path):
    again = inputs.Characters.from_texts(["超过万元", "哪些城市的销售额"])
    assert again.tokens == VOCAB.tokens and len(VOCAB) > 3800 and VOCAB.tokens[0] == "[PAD]"
    VOCAB.save(tmp_path / "vocab.txt")
    assert inputs.Characters.load(tmp_path / "vocab.txt").tokens == VOCAB.tokens
    assert VOCAB.encode("龘") == [VOCAB.unknown]
    with pytest.raises(InputError, match="Missing: \\[MASK\\]"):
        inputs.Characters(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    with pytest.raises(InputError, match="as its first token"):
        inputs.Characters(["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"])


def test_of_three_hundred_columns_those_that_are_named_are_kept():
    table = Table([f"指标{i:03}" for i in range(297)] + ["销售额", "城市", "利润"], [["x"] * 297 + [1, "广州", 2]])
    encoder = inputs.Encoder(VOCAB)
    prepared = encoder.prepare("广州的利润和销售额", table)
    assert {297, 298, 299} <= set(prepared.kept) and prepared.kept == sorted(prepared.kept) and len(prepared.kept) < 60
    encoded = encoder.encode(prepared)
    dropped = next(i for i in range(300) if i not in prepared.kept)
    assert len(encoded.tokens) <= 160 and inputs.labels(encoded, Query(((299, 0),)), []).select[-1] == 0
    assert inputs.labels(encoded, Query(((dropped, 0),)), []) is None          # it cannot be learnt what is not seen


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300), st.lists(st.text(max_size=60), min_size=1, max_size=40))
def test_whatever_comes_fits(question, header):
    encoder = inputs.Encoder(VOCAB)
    encoded = encoder.encode(encoder.prepare(question, Table(header, [["1"] * len(header)])))
    assert len(encoded.tokens) <= 160 and len(encoded.segments) == len(encoded.tokens) and encoded.length <= encoder.longest
    assert len(encoded.columns) == len(encoded.positions) >= 1


def test_padding():
    encoder = inputs.Encoder(VOCAB)
    short, long = (encoder.encode(encoder.prepare(text, SALES)) for text in ("城市", "广州的销售额"))
    batch = inputs.pad([short, long], [inputs.nothing(short), inputs.nothing(long)])
    assert batch["Input-Token"].shape == (2, len(long.tokens))
    assert batch["character_mask"].tolist() == [[1, 1, 0, 0, 0, 0], [1] * 6]
    assert batch["operator_label"][0].tolist() == [4, 4, 0, 0, 0, 0] and batch["select_label"].tolist() == [[6] * 4] * 2


# ------------------------------------------------------------------------------------------------------------- labels

@pytest.mark.parametrize("question, conditions, words", [
    ("广州的销售额", [(0, 2, "广州")], ["广州"]),
    ("销售额超过100万的", [(1, 0, "100")], ["100万"]),
    ("销售额大于10并且利润大于10的城市", [(1, 0, "10"), (2, 0, "10")], ["10", "10"]),
    ("利润大于10并且销售额大于10的城市", [(1, 0, "10"), (2, 0, "10")], ["10", "10"]),
    ("2010年利润超过10的", [(2, 0, "10")], ["10"]),
    ("18年的城市", [(3, 2, "2018")], ["18年"]),
    ("广州深圳的利润", [(0, 2, "广州"), (0, 2, "深圳")], ["广州", "深圳"]),
    ("呼市的利润", [(0, 2, "呼和浩特")], None),                   # two of four characters are not enough to know it
    ("内蒙古呼和浩特市的利润", [(0, 2, "呼和浩特")], ["呼和浩特"]),
    ("全部城市", [(0, 2, "广州")], None),
    ("呼和的利润", [(0, 2, "呼和浩特")], ["呼和"]),
    ("八八年建成或5月2号上线的", [(0, 2, "1988年"), (0, 2, "2018-05-02")], ["八八年", "5月2号"]),
])
def test_alignment(question, conditions, words):
    spans = inputs.align(question, SALES, Query(((0, 0),), tuple(conditions), min(1, len(conditions) - 1)))
    assert (spans and [question[a:b] for a, b in spans]) == words
    if spans:
        assert len(set(spans)) == len(spans)


def test_equal_values_go_to_the_columns_that_are_named_beside_them():
    question = "利润大于10并且销售额大于10的城市"
    spans = inputs.align(question, SALES, Query(((0, 0),), ((1, 0, "10"), (2, 0, "10")), 1))
    assert spans == [(question.rindex("10"), question.rindex("10") + 2), (question.index("10"), question.index("10") + 2)]


def test_labels_are_what_the_article_says():
    encoder, question = inputs.Encoder(VOCAB), "广州的利润"
    encoded = encoder.encode(encoder.prepare(question, SALES), [2, 0, 3, 1])
    answer = inputs.labels(encoded, Query(((2, 1), (2, 2)), ((0, 2, "广州"),), 0), [(0, 2)])
    assert answer.select == [1, 6, 6, 6]                   # one column, one class: of two aggregates the first
    assert answer.operator == [2, 2, 4, 4, 4] and answer.column[:2] == [1, 1] and answer.connector == 0


def test_samples_shuffle_columns_rename_and_ask_wrong_tables(records):
    encoder = inputs.Encoder(VOCAB)
    samples = inputs.Samples(records, encoder, unrelated=0.3, rename=0.5)
    assert len(samples) == len(records) and samples.left_out == 0
    generator, orders, wrong, renamed = np.random.default_rng(0), set(), 0, 0
    for i in range(len(samples)):
        record, prepared, _ = samples.items[i]
        encoded, answer = samples.line(i, generator)
        if all(n == inputs.NO_COLUMN for n in answer.select):
            wrong += 1
            assert set(answer.operator) <= {inputs.NONE} and answer.connector == 0
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
    batches = inputs.by_length(lengths, batch_size, np.random.default_rng(seed))
    assert sorted(itertools.chain(*batches)) == list(range(len(lengths))) and max(map(len, batches)) <= batch_size


# ------------------------------------------------------------------------------------------------------------- decode

def test_a_model_that_is_right_gives_the_gold_query(records):
    encoder = inputs.Encoder(VOCAB)
    for record in records:
        prepared = encoder.prepare(record.question, record.table)
        encoded = encoder.encode(prepared)
        spans = inputs.align(record.question, record.table, record.query)
        parse = decode(right(encoded, inputs.labels(encoded, record.query, spans)), encoded, prepared)
        assert scores.logical_form(parse.query, record.query), (record.question, record.query, parse)
        assert parse.confidence == 1.0


def test_in_doubt_which_column_is_meant_one_of_them_is_selected():
    def heads(*none):
        return np.array([[1 - p, 0, 0, 0, 0, 0, p] for p in none])

    assert selected(heads(0.6, 0.7, 0.99), 2).tolist() == [True, False, False]
    assert selected(heads(0.9, 0.95, 0.99), 2).tolist() == [True, False, False]     # 0.15 that one is meant
    assert selected(heads(0.98, 0.99, 0.99), 2).tolist() == [False] * 3
    assert selected(heads(0.1, 0.4, 0.2), 2).tolist() == [True, False, True]        # 0.4 is the doubt between two
    assert selected(np.array([[0, 0.2, 0.2, 0.2, 0, 0, 0.4]]), 2).tolist() == [True]  # though no aggregate is likelier


def test_a_question_that_names_nothing_of_the_table_has_to_be_sure():
    def heads(none):
        return np.array([[1 - none, 0, 0, 0, 0, 0, none], [0, 0, 0, 0, 0, 0, 1.0]])

    assert selected(heads(0.2), 2).tolist() == [True, False] and selected(heads(0.2), 1).tolist() == [False] * 2
    assert selected(heads(0.05), 0).tolist() == [True, False]
    for question, mentions in {"广州的销售额": 5, "销售额": 3, "年": 0, "今天天气如何": 0}.items():
        for segments in (1, 2, inputs.SEGMENTS):
            assert inputs.Encoder(VOCAB, segments=segments).prepare(question, SALES).mentions == mentions


def decoded(question, spans, table=SALES, select=((1, 0),), connector=0, **how):
    """The Parse of heads that mark spans, given as (words, operator, column)."""
    encoder = inputs.Encoder(VOCAB)
    prepared = encoder.prepare(question, table)
    encoded = encoder.encode(prepared)
    answer = inputs.nothing(encoded)
    for words, operator, column in spans:
        start = question.index(words)
        answer.operator[start:start + len(words)] = [operator] * len(words)
        answer.column[start:start + len(words)] = [column] * len(words)
    for column, aggregate in select:
        answer.select[column] = aggregate
    answer.connector = connector
    return decode(right(encoded, answer), encoded, prepared, **how)


@pytest.mark.parametrize("question, spans, conditions", [
    ("广州深圳的销售额", [("广州深圳", 2, 0)], ((0, 2, "广州"), (0, 2, "深圳"))),         # the article merges neighbours
    ("2018年广州的", [("2018年", 2, 3), ("广州", 2, 0)], ((3, 2, 2018.0), (0, 2, "广州"))),
    ("呼和浩特的", [("呼和", 2, 0)], ((0, 2, "呼和浩特"),)),                           # a part is widened
    ("超过1.5亿的", [("1.5", 0, 1)], ((1, 0, 15000.0),)),
    ("广州的", [("广州", 2, 3)], ((0, 2, "广州"),)),                                   # the column is repaired
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
    table = Table(["日期", "金额"], [["2019-03-01", 1], ["2019-03-15", 2], ["2019-05-02", 5], ["2018-03-15", 3]])
    for question, operator, conditions, connector in [
            ("2019年3月的金额", 2, ["2019-03-01", "2019-03-15"], 2), ("3月15日", 2, ["2018-03-15", "2019-03-15"], 2),
            ("不在2019年3月的", 3, ["2019-03-01", "2019-03-15"], 1), ("2019年3月以后", 0, ["2019-03-15"], 0),
            ("2019年3月以前", 1, ["2019-03-01"], 0), ("2019年4月1日以后", 0, ["2019-04-01"], 0)]:
        words = question.strip("的金额不在以后前")
        query = decoded(question, [(words[:-1], operator, 0)], table).query
        assert query.conditions == tuple((0, operator, day) for day in conditions) and query.connector == connector


def test_a_number_a_date_or_a_time_has_one_operator():
    for question, at, length in [("超过十五万的", 2, 3), ("2019年3月1日的", 0, 9), ("二十三点半关门", 0, 5),
                                 ("超过15.5的", 2, 4)]:
        operator = np.full((len(question), 5), 0.05)
        operator[:, inputs.NONE] = 0.8
        operator[at:at + length, inputs.NONE], operator[at:at + length, 1] = 0.1, 0.7
        operator[at, 1], operator[at, 0] = 0.1, 0.7                   # one character says otherwise
        expected = [1 if at <= i < at + length else inputs.NONE for i in range(len(question))]
        assert whole_values(operator, question).tolist() == expected
        operator[:, inputs.NONE] = 0.9
        assert whole_values(operator, question).tolist() == [inputs.NONE] * len(question)


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
@given(st.text("广州深圳北京呼和浩特销售额利润年0123456789万亿%.，的是; '\"-", min_size=1), st.integers(0, 2**32 - 1))
def test_whatever_a_model_says_is_a_query_that_runs(question, seed):
    encoder, generator = inputs.Encoder(VOCAB), np.random.default_rng(seed)
    prepared = encoder.prepare(question, SALES)
    encoded = encoder.encode(prepared)
    heads = Heads(*(generator.dirichlet([0.3] * n, shape) for n, shape in
                    [(3, None), (7, 4), (5, encoded.length), (4, encoded.length)]))
    parse = decode(heads, encoded, prepared)
    if parse.query:
        parse.query.check(4)
        with Database(SALES) as database:
            database.rows(parse.query)


# ------------------------------------------------------------------------------------------------------------- scores

def test_scores_against_rows_computed_by_hand():
    gold = Query(((1, 0),), ((0, 2, "广州"),))
    record = Record("广州的销售额", SALES, gold)
    same_rows = Query(((1, 0),), ((1, 1, "121"), (1, 0, "100")), 1)             # another query, the same rows
    quoted = Query(((1, 0),), ((0, 2, "《广州》"),))                             # no cell: the same form, no rows
    wrong = Query(((1, 5),), ((0, 2, "广州"), (0, 2, "深圳")), 2)
    for predicted, form, execution in [(gold, 1, 1), (same_rows, 0, 1), (quoted, 1, 0), (wrong, 0, 0), (None, 0, 0)]:
        found = scores.scores([predicted], [record])
        assert (found["logical_form"], found["execution"]) == (form, execution)
    assert scores.parts(wrong, gold) == {"connector": False, "select": True, "aggregate": False, "condition_column": False,
                                         "operator": False, "value": False}
    assert scores.logical_form(Query(((1, 0), (2, 0)), ((0, 2, "a"), (3, 0, "1")), 1),
                               Query(((2, 0), (1, 0)), ((3, 0, "1.0"), (0, 2, "Ａ")), 1))       # order and form do not count
    assert not scores.same_conditions([(0, 2, "a")], [(0, 2, "a"), (0, 2, "a")])


def test_means_over_several_tables(records):
    chosen = records[::7]
    predictions = [record.query if i % 2 else None for i, record in enumerate(chosen)]
    found = scores.scores(predictions, chosen, "x_")
    share = pytest.approx((len(chosen) // 2) / len(chosen))
    assert found["x_logical_form"] == found["x_execution"] == found["x_value"] == share
