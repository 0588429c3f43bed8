"""What makes an answer one that can be trusted: kinds of questions, long answers, calibration and refusal."""

import json

import keras
import numpy as np
import pytest

from common.harness.models import save_model
from common.harness.reading import InputError
from common.harness.vocab import Vocab
from dgcnn import data, kinds, reader, report
from dgcnn.batches import Crop, label, most_similar
from dgcnn.calibration import Calibration, curve, threshold_for
from dgcnn.data import Passage, Question
from dgcnn.features import COUNTS, features_of
from dgcnn.reader import spans_of, with_whole_words
from dgcnn.text import Encoder, word_edges
from dgcnn.train import build_dgcnn
from tests.articles import ROOT

# ------------------------------------------------------------------------------------------------------ kinds

@pytest.mark.parametrize("question, expected", [
    ("白云山海拔多少米", {"length", "number"}), ("工程历时多久", {"duration"}), ("谁写了红楼梦", {"person"}),
    ("地铁几点停运", {"date", "number"}), ("哪年建成", {"date"}), ("门票多少钱", {"money", "number"}),
    ("占地面积多大", {"area", "number"}), ("珠穆朗玛峰多高", {"length"}), ("它的英文缩写是什么", {"letters"}),
    ("哪個國家的首都", {"place"}), ("他在哪所大学读书", {"organisation", "place"}), ("为什么下雨", set()),
])
def test_what_a_question_asks_for(question, expected):
    assert {kinds.NAMES[kind] for kind in np.flatnonzero(kinds.asked_kinds(question))} == expected


@pytest.mark.parametrize("text, kind, expected", [
    ("主峰海拔382米", "length", "382米"), ("历时3年建成", "duration", "3年"),
    ("建于1998年3月5日", "date", "1998年3月5日"), ("早上三点半开门", "date", "三点半"),
    ("门票5元", "money", "5元"), ("占地20.98平方公里", "area", "20.98平方公里"),
    ("重３．５吨", "weight", "３．５吨"), ("气温38℃", "degree", "38℃"),
    ("占百分之三十", "percent", "百分之三十"), ("著有《石头记》一书", "work", "《石头记》"),
    ("迁到广州", "place", "广州"), ("简称nba的", "letters", "nba"),
    ("全长1,318公里", "length", "1,318公里"), ("用了两个半月", "duration", "两个半月"),
])
def test_what_a_passage_names(text, kind, expected):
    found = kinds.kind_features("问", text)[:, kinds.NAMES.index(kind)]
    marked = "".join(character for character, mark in zip(text, found) if mark)
    assert marked == expected


def test_a_distance_is_no_duration():
    distance, duration = "全程382米", "历时三年"
    fits = [kinds.kind_features("这条路要走多久", text)[:, -1].max() for text in (distance, duration)]
    assert fits == [0, 1]
    assert kinds.kind_features("这条路多长", distance)[:, -1].tolist() == [0, 0, 1, 1, 1, 1]


def test_kinds_stand_beside_the_match_features():
    [values, empty] = features_of("kinds", "谁写了红楼梦", ["曹雪芹写了《红楼梦》", ""])
    assert values.shape == (10, COUNTS["kinds"]) and empty.shape == (0, COUNTS["kinds"])
    [match] = features_of("match", "谁写了红楼梦", ["曹雪芹写了《红楼梦》"])
    np.testing.assert_array_equal(values[:, :8], match)


# ----------------------------------------------------------------------------------------------- long answers

def test_inside_weighs_a_span_by_its_mean(monkeypatch):
    """Against the product over every pair, times the mean of inside, pair by pair."""
    monkeypatch.setattr(reader, "word_edges", lambda text: np.ones(len(text) + 1, bool))
    rng, text = np.random.default_rng(0), "白云山坐落在广州主峰海拔米谁写春风水天地"
    for _ in range(20):
        start, end, inside = rng.random((3, len(text)))
        pairs = [(i, j) for i in range(len(text)) for j in range(i, min(len(text), i + 9))]
        every = [(start[i] * end[j] * inside[i:j + 1].mean(), text[i:j + 1]) for i, j in pairs
                 if start[i] > 0.1 and end[j] > 0.1]
        found = spans_of(text, start, end, inside, count=3, longest=9)
        expected = sorted(every, reverse=True)[:3]
        assert [span.text for span in found] == [answer for _, answer in expected]
        np.testing.assert_allclose([span.score for span in found], [score for score, _ in expected])


def test_inside_keeps_start_and_end_of_two_answers_apart():
    text = "甲一二三四五六七八乙"
    start, end, inside = np.zeros((3, 10))
    start[[0, 9]], end[[0, 9]], inside[[0, 9]] = (0.9, 0.8), (0.8, 0.9), 0.9
    assert spans_of(text, start, end)[0].text == text                       # 0.81: from one into the other
    assert spans_of(text, start, end, inside)[0].text in ("甲", "乙")


def test_labels_of_inside_are_all_characters_of_an_answer():
    crop = Crop(0, 0, 2, 9, [(3, 5), (8, 9)])                               # the second one is cut
    assert label(crop, 8, inside=True).T.tolist() == [
        [0, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0, 0, 0]]
    assert label(crop, 8).shape == (8, 2)


def test_the_training_answers_say_how_long_an_answer_may_be():
    short = [Question(str(i), "问", [Passage("答", ("答",))], "a", ("答" * 3, "答" * 9)) for i in range(200)]
    long = [Question(str(i), "问", [Passage("答", ("答",))], "b", ("答" * (i + 1),)) for i in range(100)]
    assert data.longest_answer(short) == 3                               # the shortest of its answers counts
    assert data.longest_answer(long) == data.longest_answer(short + long) == 100
    assert data.longest_answer([Question("1", "问", [Passage("x")], "a")]) == 1


@pytest.mark.parametrize("text, span, kept", [
    ("他三点半起床", "三点", "三点半"), ("到早上三点半夜里", "三点", "三点"), ("高1.5米", ".5米", "1.5米"),
    ("全长1,318公里", ",318公里", "1,318公里"), ("全长1,318公里", "318公里", "318公里"),
    ("高21米", "1米", "21米"), ("在中华人民共和国", "中华", "中华"), ("爱吃西红柿的人", "西红", "西红柿"),
    ("爱吃西红柿的人", "红柿", "西红柿"), ("用linux的人", "inux", "linux"), ("西红柿", "西红", "西红柿"),
])
def test_a_span_takes_the_one_character_of_a_word_that_it_left_out(text, span, kept):
    first = text.index(span)
    start, stop = with_whole_words(word_edges(text), first, first + len(span))
    assert text[start:stop] == kept


# ---------------------------------------------------------------------------------------------------- refusal

def test_similar_passages_are_those_that_share_most():
    found = most_similar(["白云山的海拔"], ["天气很好", "白云山海拔382米", "白云"], count=2)
    assert set(found[0].tolist()) == {1, 2}
    assert most_similar(["山"], ["水"], count=10).tolist() == [[0]]


def test_a_question_is_asked_of_a_passage_without_its_answer():
    every = [Question("1", "白云山多高", [Passage("白云山高382米", ("382米",))], "x", ("382米",)),
             Question("2", "白云山在哪", [Passage("白云山在广州，高382米", ("广州",))], "x", ("广州",)),
             Question("3", "谁写了诗", [Passage("李白写了诗", ("李白",))], "x", ("李白",))]
    found = {question.id: question for question in report.answerless(every)}
    assert found["2"].passages[0].text == "白云山高382米" and found["2"].answers == ()
    assert found["1"].passages[0].text == "李白写了诗"                       # the more similar one has 382米


def test_calibration_finds_the_curve_that_made_the_data():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 1, 20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-1 - 2 * np.log(scores)))
    found = Calibration.fit(scores, right, right * 1.0, np.ones(20_000, bool))
    assert found.intercept == pytest.approx(1, abs=0.1) and found.slope == pytest.approx(2, abs=0.15)
    assert found.probability(0.0) == 0 and 0 < found.probability(1e-9) < 1e-15


def test_the_threshold_costs_what_it_may_and_no_more():
    rng = np.random.default_rng(1)
    probabilities, values = rng.random((2, 1000))
    answerable = rng.random(1000) < 0.5
    best = threshold_for(probabilities, values, answerable, loss=0.05)
    losses = [(values * (probabilities < other))[answerable].mean() for other in sorted(probabilities)]
    allowed = [other for other, lost in zip(sorted(probabilities), losses) if lost <= 0.05]
    assert best == max(other for other in allowed if other in probabilities[answerable])
    thresholds, refused, lost = curve(probabilities, values, answerable)
    place = int(np.searchsorted(thresholds, best))
    assert lost[place] <= 0.05 and refused[place] == (probabilities[~answerable] < best).mean()
    assert refused[0] == 0 and lost[-1] == pytest.approx(values[answerable].mean())


def test_without_right_and_wrong_answers_nothing_is_fitted():
    plain = Calibration.fit([0.5, 0.2], [True, True], [1, 1], [True, True])
    assert plain == Calibration() and plain.probability(0.3) == pytest.approx(0.3)


def test_calibration_is_saved_beside_the_model(tmp_path):
    assert Calibration.load(tmp_path) == Calibration()
    written = Calibration(0.5, 2.0, 0.25, True)
    written.save(tmp_path)
    assert Calibration.load(tmp_path) == written
    for text in ("{}", "[]", '{"intercept": "x", "slope": 1, "threshold": 0, "fitted": true}', "{",
                 '{"intercept": NaN, "slope": 1, "threshold": 0, "fitted": true}'):
        (tmp_path / "reader.json").write_text(text)
        with pytest.raises(InputError, match="reader.json should hold"):
            Calibration.load(tmp_path)


def test_a_reader_has_the_lengths_of_its_training(tmp_path):
    """A run has them in config.json, weights/ in results.json; without either they are the published ones."""
    keras.utils.set_random_seed(0)
    vocab = Vocab("一二三")
    save_model(build_dgcnn(len(vocab), width=8), tmp_path / "model.keras")
    Encoder(vocab).save(tmp_path)
    trained = {"longest": 47, "max_length": 64}
    texts = [("config.json", json.dumps(trained), 47, 64),
             ("results.json", json.dumps({"config": trained}), 47, 64),
             ("config.json", '{"longest": 10000}', 4096, 256), ("config.json", '{"longest": "x"}', 16, 256),
             ("config.json", "[]", 16, 256), ("config.json", "{", 16, 256)]
    for name, text, longest, size in texts:
        (tmp_path / name).write_text(text)
        loaded = reader.Reader.load(tmp_path)
        assert (loaded.longest, loaded.size) == (longest, size), (name, text)
        (tmp_path / name).unlink()
    assert reader.Reader.load(tmp_path).longest == 16


def test_the_shipped_reader_finds_answers_as_long_as_its_training_has():
    shipped = reader.Reader.load(ROOT / "dgcnn/weights/dgcnn.keras")
    config = json.loads((ROOT / "dgcnn/weights/results.json").read_text())["config"]
    assert (shipped.longest, shipped.size) == (config["longest"], config["max_length"])


def row(answer, right, probability=0.5):
    return report.row_of(Question("1", "问", [], "x", right), answer, probability=probability,
                         refused=probability < 0.3, passages=1)


def test_scores_by_the_length_of_the_shortest_right_answer():
    rows = [row("答", ("答", "很长很长的答案")), row("错", ("两字",)), row("五个字的话", ("五个字的话",)),
            row("", ())]
    assert report.scores_by_length(rows) == {
        "answers_of_1_to_4_score": 0.5, "answers_of_1_to_4_count": 2,
        "answers_of_5_to_8_score": 1.0, "answers_of_5_to_8_count": 1}


def test_refusing_loses_the_right_answers_below_the_threshold():
    rows = [row("答", ("答",), 0.2), row("答", ("答",), 0.9), row("错", ("答",), 0.1), row("错", (), 0.1)]
    assert report.lost_by_refusing(rows) == pytest.approx(1 / 3)


def test_reliability_counts_what_is_right_in_each_fifth():
    rows = [row("答", ("答",), 0.95), row("错", ("答",), 1.0), row("答", ("答",), 0.0), row("", ("答",), 0.0)]
    found = report.reliability(rows)
    assert [found[f"probability_{20 * i}_to_{20 * i + 20}_count"] for i in range(5)] == [1, 0, 0, 0, 2]
    assert found["probability_80_to_100_right"] == 0.5 and found["probability_0_to_20_right"] == 1


def test_what_refusing_is_worth_is_drawn(tmp_path):
    rows = [row("答", ("答",), 0.9), row("错", (), 0.1)]
    report.draw_refusal(Calibration(0, 1, 0.5, True), rows, tmp_path / "refusal.png")
    assert (tmp_path / "refusal.png").read_bytes().startswith(b"\x89PNG")
