"""The article's model by its parameters and against padding, labels, crops, splits and windows, the vote by
hand, both file formats, and what a user may get wrong."""

import collections
import dataclasses
import io
import itertools
import json
import pickle
import sys

import keras
import numpy as np
import pytest

from common.harness import cli
from common.harness.folder import RunFolder
from common.harness.models import save_model
from common.harness.reading import InputError
from common.harness.vocab import FIRST, PADDING, UNKNOWN, Vocab
from dgcnn import baseline, data, features, predict, reader, report, vectors
from dgcnn import train as script
from dgcnn.batches import PassageBatches
from dgcnn.calibration import Calibration
from dgcnn.callbacks import SecondStage, second_stage
from dgcnn.data import Passage, Question, find_answers
from dgcnn.reader import VOTES, Reader, Span, spans_of, trimmed, vote
from dgcnn.text import Encoder, normalise, segment, windows
from dgcnn.train import Config, build_dgcnn, span_loss, train
from tests.recipes import configured

VOCAB = Vocab("白云山的海拔是多少坐落在广州主峰米谁写春风水天地，。？12345678")
WORDS = ["白云山", "海拔", "广州", "主峰"]
QUESTION, TEXT = "白云山的海拔是多少", "白云山坐落在广州，主峰海拔382米"


def write(folder, name, value):
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
                    encoding="utf-8")
    return path


def author(*passages, question=QUESTION, name="1"):
    return {"id": name, "question": question, "passages": [{"answer": a, "passage": p} for a, p in passages]}


# ------------------------------------------------------------------------------------------------------ model

def test_parameter_counts():
    gated, pool = 3 * 128 * 256 + 256, 128 * 128 + 128
    whole = 5000 * 128 + 9 * gated + pool + 256 * 128 + (256 * 2 + 2) + (256 * 256 + 256) + (256 + 1)
    assert build_dgcnn(5000).count_params() == whole
    assert build_dgcnn(5000, 900, 64).count_params() == whole + 900 * 64 + 64 * 128
    assert build_dgcnn(5000, without="global").count_params() == whole - (256 * 256 + 256) - (256 + 1)
    assert build_dgcnn(5000, without="dilation").count_params() == whole
    assert build_dgcnn(5000, without="gate").count_params() == whole - 9 * gated // 2


@pytest.mark.parametrize("words, without", [(0, ""), (20, ""), (20, "gate"), (0, "global"), (0, "dilation")])
def test_a_passage_reads_alike_alone_and_padded(words, without):
    keras.utils.set_random_seed(0)
    model, rng = build_dgcnn(30, words, 6, width=8, without=without), np.random.default_rng(0)
    if words:
        model.get_layer("vectors").embeddings.assign(rng.normal(size=(words, 6)))
    inputs = [rng.integers(1, 20, (1, length)) for length in (5, 23) for _ in range(1 + bool(words))]
    padded = [np.pad(ids, [[0, 1], [0, 40]]) for ids in inputs]
    alone, together = (keras.ops.convert_to_numpy(model(x)) for x in (inputs, padded))
    np.testing.assert_allclose(together[:1, :23], alone, atol=1e-5)
    assert np.isfinite(together).all() and together.dtype == np.float32
    assert keras.ops.convert_to_numpy(model(padded)._keras_mask).sum() == 23


def test_the_global_score_multiplies_and_the_loss_is_the_articles():
    """σ of the outputs is p_global · σ(start, end), and fit's loss the masked mean of both focal losses,
    times 100."""
    keras.utils.set_random_seed(0)
    model, rng = build_dgcnn(30, width=8), np.random.default_rng(0)
    q, p = rng.integers(1, 30, (3, 5)), rng.integers(1, 30, (3, 11))
    p[1, 6:] = 0
    parts = keras.Model(model.inputs,
                        [model.get_layer("start_end").output, model.get_layer("global").output, model.output])
    local, whole, z = (keras.ops.convert_to_numpy(t).astype("float64") for t in parts([q, p]))
    sigma = lambda t: 1 / (1 + np.exp(-t))                                             # noqa: E731
    probability = sigma(local) * sigma(whole)[:, None]
    np.testing.assert_allclose(sigma(z), probability, rtol=1e-4)
    y = rng.integers(0, 2, (3, 11, 2)).astype("float32")
    for focal in (True, False):
        right = np.where(y > 0, probability, 1 - probability)
        losses = -np.log(right) * ((1 - right)**2 * np.where(y > 0, 0.25, 0.75) if focal else 1)
        expected = 100 * losses.sum(axis=-1)[p > 0].mean()
        model.compile("sgd", lambda y, z, focal=focal: span_loss(y, z, focal))
        assert model.evaluate([q, p], y, verbose=0) == pytest.approx(expected, rel=1e-4)


def test_a_saved_model_reads_the_same(tmp_path):
    keras.utils.set_random_seed(0)
    for words, without in [(len(WORDS) + FIRST, ""), (0, "gate")]:
        model = build_dgcnn(len(VOCAB), words, 6, width=8, without=without)
        encode = Encoder(VOCAB, WORDS[:words])
        save_model(model, tmp_path / "model.keras")
        encode.save(tmp_path)
        loaded = Reader.load(tmp_path)
        assert loaded.encode.words == WORDS[:words]
        readers = Reader(model, encode), loaded
        [[before]], [[after]] = (reader.curves([(QUESTION, [TEXT])]) for reader in readers)
        np.testing.assert_allclose(before, after, atol=1e-6)


@pytest.mark.slow
def test_learns_what_only_question_and_neighbours_tell():
    """The answer is the character after the question's, in a passage in random order."""
    keras.utils.set_random_seed(0)
    rng, vocab = np.random.default_rng(0), Vocab("甲乙丙丁戊己庚辛壬癸")

    def made(count):
        orders, places = [rng.permutation(vocab.characters) for _ in range(count)], rng.integers(0, 9, count)
        return [Question(str(i), order[k], [Passage("".join(order), (order[k + 1],))], "x", (order[k + 1],))
                for i, (order, k) in enumerate(zip(orders, places))]

    model, run = build_dgcnn(len(vocab), width=64), run_of(128)
    model.compile(keras.optimizers.Adam(0.01), span_loss)
    batches, test = PassageBatches(run, made(5120), Encoder(vocab)), made(100)
    for _ in range(12):
        model.fit(batches, shuffle=False, verbose=0)
        run.state["epoch"] += 1
        if report.scores(report.answer_all(Reader(model, Encoder(vocab)), test))["em"] > 0.6:
            return
    raise AssertionError("12 epochs were not enough for 60 of 100")


@pytest.mark.parametrize("recipe", [pytest.param("ours", marks=pytest.mark.slow), "article"])
def test_a_stopped_training_ends_as_one_that_was_not(tmp_path, monkeypatch, recipe):
    """Weights, their averages, which the checkpoint holds swapped, and Adam's moments: equal to the last
    bit. The article's recipe starts from the best epoch where this one was stopped."""
    sizes = {"epochs": 2, "batch_size": 64, "width": 8, "max_length": 32}
    config = Config(data="sample", out=tmp_path, recipe=recipe, **sizes)
    whole = train(config)

    answer_all, calls = report.answer_all, []

    def stop_at_the_second_epoch(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError("stopped")
        return answer_all(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(report, "answer_all", stop_at_the_second_epoch)
        with pytest.raises(RuntimeError, match="stopped"):
            train(config)
    folder, = (path for path in (tmp_path / "dgcnn").iterdir() if path != whole.folder)
    resumed = train(cli.settle(Config(out=tmp_path, resume=folder)))
    with np.load(whole.path("checkpoint.npz")) as a, np.load(resumed.path("checkpoint.npz")) as b:
        assert len(a.files) == len(b.files) > 50
        scalars = [float(a[name]) for name in a.files if name != "state" and a[name].shape == ()]
        assert (pytest.approx(1e-4) in scalars) == (recipe == "article")
        for name in set(a.files) - {"state"}:
            np.testing.assert_array_equal(a[name], b[name])
    assert len((folder / "answers.jsonl").read_text().splitlines()) == len(data.load_questions("sample").test)


# ---------------------------------------------------------------------------------------------------- recipes

def test_the_recipe_of_5409_is_what_it_says(monkeypatch, tmp_path):
    """Adam at 1e-3 for 6 epochs, 3 at 1e-4 from the best; match features, vectors of 128, 100 at most."""
    model, batches, options = configured(monkeypatch, script, tmp_path, recipe="article")
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3) and options["epochs"] == 9
    [stage] = [callback for callback in options["callbacks"] if isinstance(callback, SecondStage)]
    assert (stage.last, stage.patience) == (6, 0)
    assert model.optimizer.ema_momentum == 0
    assert len(model.inputs) == 5 and model.get_layer("vectors").output_dim == 128
    assert batches.size == 100 and batches.exchange == 0


def test_the_recipe_of_the_release_is_what_its_code_has(monkeypatch, tmp_path):
    """1e-3 for up to 30 of 120 epochs, batches of 128, averages of 0.9999, characters that occur 16 times."""
    model, batches, options = configured(monkeypatch, script, tmp_path, recipe="release")
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3) and options["epochs"] == 120
    [stage] = [callback for callback in options["callbacks"] if isinstance(callback, SecondStage)]
    assert (stage.last, stage.patience) == (30, 5) and model.optimizer.ema_momentum == 0.9999
    assert (batches.size, batches.hide, batches.exchange) == (256, 0, 0)
    assert batches.run.config.batch_size == 128
    assert len(model.inputs) == 4                                                      # no features
    counts = collections.Counter("".join(data.texts_of(data.load_questions("sample").train)))
    assert model.get_layer("characters").input_dim == FIRST + sum(n >= 16 for n in counts.values())


def test_our_recipe_and_what_is_typed(monkeypatch, tmp_path):
    model, batches, options = configured(monkeypatch, script, tmp_path, hide=0.0, epochs=4)
    assert options["epochs"] == 4 and batches.hide == 0 and batches.exchange == 0.3
    rate = model.optimizer._learning_rate                                              # a schedule
    assert [float(rate(step)) for step in (0, 3 * batches.steps, 3 * batches.steps + 1)] == pytest.approx(
        [2e-3, 2e-3, 2e-4])


def released_rule(scores):
    """When the author's release begins its second stage, as its callback would have it, epoch by epoch."""
    for epoch in range(len(scores)):
        metrics = scores[:epoch + 1]
        best = max(range(len(metrics)), key=lambda i: (metrics[i], -i))
        if epoch + 1 == 30 or (epoch > 15 and (metrics[-1] < 0.5 or best < len(metrics) - 5)):
            return epoch + 1
    return None


def test_the_second_stage_begins_when_the_release_says():
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(300):
        scores = np.sort(rng.uniform(0.45, 0.8, rng.integers(1, 40)))
        scores[rng.integers(len(scores)):] -= rng.choice([0, 0, 0.1])
        found.add(second_stage(scores.tolist(), 30, 5))
        assert second_stage(scores.tolist(), 30, 5) == released_rule(scores.tolist())
    assert {None, 17, 30} < found and len(found) > 5
    assert second_stage([0.1] * 40, 30) == 30 and second_stage([0.1] * 6, 6) == 6
    assert second_stage([0.1] * 5, 6) is None


def test_the_second_stage_starts_from_the_best_epoch(tmp_path):
    """The weights of model.keras, no moments, step 0, and a tenth of the rate, once."""
    model = build_dgcnn(20, width=4)
    model.compile(keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9), span_loss)
    model.optimizer.build(model.trainable_variables)
    save_model(model, tmp_path / "model.keras")
    best = model.get_weights()

    def disturbed():
        for variable in (*model.trainable_variables, *model.optimizer.variables):
            variable.assign(keras.ops.ones_like(variable))
        model.optimizer.learning_rate = 1e-3

    run = RunFolder(tmp_path, Config())
    stage = SecondStage(run, last=2)
    stage.set_model(model)
    for epoch in range(4):
        run.state["log"] = [{"val_score": 0.1}] * epoch
        disturbed()
        stage.on_epoch_begin(epoch)
        same = [np.array_equal(a, b) for a, b in zip(model.get_weights(), best)]
        assert all(same) == (epoch == 2)
        assert float(model.optimizer.learning_rate) == pytest.approx(1e-4 if epoch == 2 else 1e-3)
        assert int(model.optimizer.iterations) == (0 if epoch == 2 else 1)
        moments = model.optimizer.variables[2:]
        assert all((moment.numpy() == (0 if epoch == 2 else 1)).all() for moment in moments)


# ------------------------------------------------------------------------------------------------------ texts

def test_normalising_keeps_every_position():
    assert normalise("ＡＢｃ１５，臺灣①㎏é") == "abc15,台湾1㎏é"
    text = "".join(chr(code) for code in range(1, 0x3000, 7)) + "😀龘"
    assert len(normalise(text)) == len(text)


def test_every_occurrence_is_an_answer():
    assert find_answers(Passage("廣州在广州，广 州", ("广州",))) == [(0, 1), (3, 4)]
    assert find_answers(Passage("aaa", ("AA", "a"))) == [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]
    assert find_answers(Passage("水", ("山",))) == find_answers(Passage("水")) == []


def test_a_words_number_stands_at_each_of_its_characters():
    characters, words = Encoder(VOCAB, WORDS)(TEXT)
    assert len(characters) == len(words) == len(TEXT)
    for i, word in enumerate(WORDS):
        place = TEXT.find(word)
        assert words[place:place + len(word)].tolist() == [i + FIRST] * len(word)
    assert words[-1] == UNKNOWN and PADDING not in words
    assert [len(numbers) for numbers in Encoder(VOCAB, WORDS)("")] == [0, 0]
    assert segment("苹果apple382米") == ["苹果", *"apple382", "米"]


@pytest.mark.parametrize("length", [0, 1, 256, 257, 300, 384, 385, 512, 20_000])
def test_windows_cover_everything_and_share_half(length):
    found = windows(length, 256)
    assert found[0][0] == 0 and found[-1][1] == length and all(stop - start <= 256 for start, stop in found)
    for (a, b), (c, d) in itertools.pairwise(found):
        # an answer that one cuts is in the next
        assert a < c <= a + 128 and d - c == 256 and b - c >= 128


# ---------------------------------------------------------------------------------------------------- batches

def questions(count=40):
    rng = np.random.default_rng(0)
    result = []
    for i in range(count):
        text = "".join(rng.choice(list("白云山坐落在广州，。"), int(rng.integers(20, 700))))
        place = int(rng.integers(0, len(text)))
        text = f"{text[:place]}海拔382米{text[place:]}"
        result.append(Question(str(i), QUESTION[:3 + i % 5], [Passage(text, ("382米",))], "x", ("382米",)))
    return result


def run_of(batch_size=8, seed=0):
    return RunFolder(None, cli.BaseConfig(batch_size=batch_size, seed=seed))


def test_crops_label_whole_answers_only():
    samples = questions()
    batches = PassageBatches(run_of(), samples, Encoder(VOCAB), 128, exchange=0.0)
    answer, seen, empty = VOCAB.encode("382米"), 0, 0
    assert len(batches) == 5
    for q, p, y in (batches[i][0] + (batches[i][1],) for i in range(len(batches))):
        assert q.dtype == p.dtype == np.int32 and len(q) == len(p) == len(y) == 8 and p.shape[1] <= 129
        for ids, marks in zip(p, y):
            places = [i for i in range(len(ids) - 3) if (ids[i:i + 4] == answer).all()]
            assert np.flatnonzero(marks[:, 0]).tolist() == places
            assert np.flatnonzero(marks[:, 1]).tolist() == [i + 3 for i in places]
            seen, empty = seen + bool(places), empty + (not places)
    assert seen > 4 * empty
    assert all(a.shape[1] != b.shape[1] for a, b in zip(batches[0][0], batches[1][0]))
    again = PassageBatches(run_of(seed=0), samples, Encoder(VOCAB), 128, exchange=0.0)
    other = PassageBatches(run_of(seed=1), samples, Encoder(VOCAB), 128, exchange=0.0)
    np.testing.assert_array_equal(again[2][0][1], batches[2][0][1])
    assert again[2][0][1].shape != other[2][0][1].shape or (again[2][0][1] != other[2][0][1]).any()


def test_without_cropping_the_window_with_the_answer_comes():
    batches = PassageBatches(run_of(40), questions(), Encoder(VOCAB), 128, crop=False, exchange=0.0)
    _, y = batches[0]
    assert (y.sum(axis=1) == 1).all() and len(batches) == 1


def test_exchanged_passages_have_nothing_to_find():
    answerless = [dataclasses.replace(q, answers=(f"答{i}",),
                                      passages=[Passage(q.passages[0].text, ("382米",))])
                  for i, q in enumerate(questions())]
    batches = PassageBatches(run_of(40), answerless, Encoder(VOCAB), 256, crop=False, exchange=1.0)
    assert not batches[0][1].any()


def test_hidden_characters_are_unknown_and_change_from_epoch_to_epoch():
    run, every = run_of(40), questions()
    plain = PassageBatches(run, every, Encoder(VOCAB, WORDS), 128, exchange=0.0)
    batches = PassageBatches(run, every, Encoder(VOCAB, WORDS), 128, exchange=0.0, hide=0.25)
    (shown, y), (hidden, same) = plain[0], batches[0]
    np.testing.assert_array_equal(y, same)                        # where the answer stands does not change
    for a, b in zip(shown, hidden):
        real = a > UNKNOWN
        np.testing.assert_array_equal(b[~real], a[~real])         # padding stays padding
        assert set(b[b != a].tolist()) <= {UNKNOWN}
        assert (b != a)[real].mean() == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / real.sum())**0.5)
    np.testing.assert_array_equal(batches[0][0][0], hidden[0])    # an interrupted epoch hides the same again
    run.state["epoch"] += 1
    batches.on_epoch_begin()
    assert batches[0][0][2].shape != hidden[2].shape or (batches[0][0][2] != hidden[2]).any()


def test_passages_that_cannot_be_labelled_are_not_trained_on():
    bad = Question("1", QUESTION, [Passage(TEXT, ("黄山",))], "x", ("黄山",))
    none = Question("2", QUESTION, [Passage(TEXT)], "x")
    assert PassageBatches(run_of(), [bad, none], Encoder(VOCAB)).samples == 1
    with pytest.raises(InputError, match="training passages that hold their answers. Received: none"):
        PassageBatches(run_of(), [bad], Encoder(VOCAB))


# --------------------------------------------------------------------------------------------------- features

def test_features_are_those_of_the_articles_example(monkeypatch):
    """白云山 的 海拔 是 多少 ？ and its windows, with the numbers that the article prints."""
    monkeypatch.setattr(features, "segment", str.split)
    monkeypatch.setattr(features, "normalise", lambda text: text)
    tokens = "白云山 坐落 在 广州 ， 主峰 海拔 3 8 2 米".split()
    jaccard = [0.13, 0.11, 0.1, 0.09, 0.09, 0.09, 0.09, 0.09, 0.09, 0.1, 0]
    edit = [0.83, 0.83, 0.83, 0.83, 1, 1, 1, 0.83, 1, 1, 1]
    asked = "白云山 的 海拔 是 多少 ？".split()
    coded = {token: chr(100 + i) for i, token in enumerate(dict.fromkeys(asked + tokens))}
    question = "".join(coded[token] for token in asked)
    text = "".join(coded[token] for token in tokens)
    found = features._match_tokens(question, [text, coded["坐落"], coded["在"], coded["坐落"] * 2])[0]
    np.testing.assert_allclose(found[:, 2], jaccard, atol=0.0051)
    np.testing.assert_allclose(found[:, 3], edit, atol=0.0051)
    assert np.flatnonzero(found[:, 0]).tolist() == [0, 6]
    assert found[:, 1].tolist() == [0, 0.5, 0.25, *[0] * 8]


def test_features_reach_the_model_aligned():
    every = questions(12)
    shared = features.match_features(QUESTION, [TEXT, ""])
    assert [part.shape for part in shared] == [(len(TEXT), 8), (0, 8)]
    # 白云山 and 海拔, at all their characters
    assert shared[0][:, 4].tolist() == [1] * 3 + [0] * 8 + [1, 1] + [0] * 4
    batches = PassageBatches(run_of(12), every, Encoder(VOCAB, WORDS, "match"), 128, exchange=0.0)
    (q, _, p, _, found), _ = batches[0]
    for asked, ids, part in zip(q, p, found):
        np.testing.assert_array_equal(part[:, 0] > 0, np.isin(ids, asked[asked > 0]) & (ids > 0))
    keras.utils.set_random_seed(0)
    model = build_dgcnn(len(VOCAB), len(WORDS) + FIRST, 6, width=8, features="match")
    reader = Reader(model, Encoder(VOCAB, WORDS, "match"), 32)
    [[together], [alone]] = reader.curves([(QUESTION, [TEXT]), (QUESTION[:5], [TEXT * 9])])
    assert together.shape == (len(TEXT), 2) and alone.shape == (9 * len(TEXT), 2)
    np.testing.assert_allclose(reader.curves([(QUESTION, [TEXT])])[0][0], together, atol=1e-6)


def test_features_do_not_tell_that_a_passage_was_exchanged():
    """Beside the question's other passage, an exchanged one has words that occur there, as its own passages
    have."""
    every = [Question(str(i), QUESTION + "谁" * i,
                      [Passage(TEXT + "水" * i, ("382米",)), Passage(f"白云山{i}")], "x")
             for i in range(8)]
    batches = PassageBatches(run_of(16), every, Encoder(VOCAB, (), "match"), 128, crop=False, exchange=1.0)
    (_, _, found), y = batches[0]
    assert not y.any() and (found[:, :, 1].max(axis=1) > 0).all()


# ----------------------------------------------------------------------------------------------------- splits

def test_splits_are_fixed_and_tell_the_test_nothing():
    every = [Question(str(i), f"问题{i % 150}？", [Passage(f"材料{i // 2}", ("材料",))], "x", ("材料",))
             for i in range(300)]
    asked = [Question("ir", "问题 7", [Passage("别的")], "ir")]
    train, validation, test = data.split([(every, False), (asked, True)])
    again = data.split([(every[::-1], False), (asked, True)])
    for a, b in zip((train, validation, test), again):
        assert {q.id for q in a} == {q.id for q in b}
    assert len(train) + len(validation) + len(test) == 301 and len(train) > 200 and validation
    # its wording, and what shares its passage
    assert {"7", "157", "6", "156", "ir"} <= {q.id for q in test}
    parts = [set(data.texts_of(part)) for part in (train, validation, test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    alike = [Question(str(i), f"别问{i}", [Passage(f"材料{j}", ("材料",))], "x", ("材料",))
             for i, j in enumerate(["甲，乙。", "甲乙！"] * 40)]
    # passages that punctuation alone tells apart
    assert sorted(map(len, data.split([(alike, False)]))) == [0, 0, 80]
    # passages of the test under other questions
    told = [Question("ir", "别的", [Passage(f"材料{i}") for i in range(150)], "ir")]
    assert not any(data.split([(every, False), (told, True)])[:2])


# ------------------------------------------------------------------------------------------------------ files

def test_both_formats(tmp_path, capsys):
    path = write(tmp_path, "a.json",
                 [author(("382米", TEXT), ("", "水天"), ("", " ")), author(("广州", TEXT), name="2")])
    first, second = data.read_questions(path)
    assert [p.answers for p in first.passages] == [("382米",), ()]
    assert first.answers == ("382米",) and first.source == "a"
    assert second.id == "2" and "1 empty passages are left out" in capsys.readouterr().out
    qas = [{"id": "q1", "question": QUESTION,
            "answers": [{"text": "三八二"}, {"text": "382米"}, {"text": "382"}]},
           {"id": "q2", "question": "谁写春风", "answers": []}]
    for name, content in [("b", [{"paragraphs": [{"context": TEXT, "qas": qas}]}]),
                          ("c", [{"context": TEXT, "qas": qas}])]:
        found = data.read_questions(write(tmp_path, f"{name}.json", {"version": "1", "data": content}))
        assert [q.passages[0].answers for q in found] == [("382米",), ()]       # what can be learnt
        assert [q.answers for q in found] == [("三八二", "382米", "382"), ()]    # what counts as right


@pytest.mark.parametrize("content, message", [
    ("", "line 1 column 1"), ('[{"id": 1,\n "question" "x"}]', "line 2 column 13, is no JSON: Expecting ':'"),
    ("[]", "should hold questions with passages"), ('"x"', "a list of questions.*Received: str"),
    ([1], "question 1, should be"),
    ([{"question": "x"}], "question 1, should hold 'passages' as a list"),
    ([author(("382米", TEXT)), {"id": 2, "passages": []}], "question 2, should hold 'question' as text"),
    ([author(("382米", TEXT)), author(("382米", TEXT))],
     "each id once. Received: '1' at question 1 and question 2"),
    ([author((None, TEXT))], "question 1, should hold 'answer' as text"),
    ([author(("黄山", TEXT))],
     "answers that stand in their passages. Received: 1 of 1 .* question 1: '黄山'"),
    ([author(("", ""))], "Received: none"),
    ({"data": [{"paragraphs": 3}]}, "article 1, should hold paragraphs"),
    ({"data": [{"paragraphs": [{"context": TEXT}]}]}, "article 1, paragraph 1, should hold 'qas'"),
    ({"x": 1}, "the file, should hold 'data' as a list"),
    ("[" + "1" * 5000 + "]", "should be a JSON file, but cannot"),
    ('[{"question": "山", "passages": [{"answer": "", "passage": "白云\\ud800"}]}]',
     "should be text that UTF-8 can"),
    ('[{"question": "山", "passages": [], "id": "\\ud800"}]',
     "the id of question 1 .* should be text that UTF-8"),
])
def test_files_that_hold_no_questions(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        data.read_questions(write(tmp_path, "x.json", content))


def test_a_few_answers_may_be_missing(tmp_path, capsys):
    rows = [author(("382米", TEXT), name=str(i)) for i in range(9)] + [author(("黄山", TEXT), name="9")]
    assert len(data.read_questions(write(tmp_path, "x.json", rows))) == 10
    assert "1 answers are not in their passages (question 10: '黄山')" in capsys.readouterr().out


def test_where_the_data_are_looked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KEXUE_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    sample = data.load_questions()
    assert sample.builtin and "too few to learn from" in capsys.readouterr().out
    assert len(sample.train) + len(sample.validation) + len(sample.test) >= 100
    assert sample.validation and sample.test
    assert all(find_answers(p) for q in sample.train for p in q.passages if p.answers)
    (tmp_path / "own/mrc").mkdir(parents=True)
    write(tmp_path / "own/mrc", "a.json",
          [author(("382米", TEXT), name=str(i), question=f"问{i}") for i in range(3)])
    write(tmp_path / "own/mrc", "a_ir_1.json", [author(("382米", TEXT), ("", "水"), question="问1？")])
    monkeypatch.setenv("KEXUE_DATA", str(tmp_path / "own"))
    found = data.load_questions()
    # one passage for all
    assert not found.train and {q.text for q in found.test} == {"问0", "问1", "问2", "问1？"}
    for name, message in [("/nowhere", "paths that exist. Received: /nowhere"),
                          (str(tmp_path), "should hold .json files")]:
        with pytest.raises(InputError, match=message):
            data.load_questions(name)


# ---------------------------------------------------------------------------------------------------- vectors

TEXTS = {"plain.txt": "海拔 1 2 3\n主峰 4 5 6\n黄山 7 8 9\n",
         "word2vec.txt": "3 3\n海拔 1 2 3\n主峰 4 5 6\n黄山 7 8 9 \n"}


@pytest.mark.parametrize("name", TEXTS)
def test_vectors_from_text(tmp_path, name):
    path = write(tmp_path, name, TEXTS[name])
    words, table = vectors.load_vectors(path, collections.Counter({"主峰": 3}), 2)
    assert words == ["主峰", "海拔"]
    np.testing.assert_array_equal(table, [[4, 5, 6], [1, 2, 3]])


TRICKY = [("海 拔", "1 2 3"), ("主峰", "4 5 6"), (". . .", "7 8 9"), ("a\tb", "1 0 1"), ("5 6", "2 2 2"),
          ("7", "3 3 3"), ("山\u00a0水", "4 4 4"), ("花\u2028", "5 5 5")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("first", ["", "8 3\n"])
@pytest.mark.parametrize("after_word, between, end", [
    (" ", " ", "\n"), ("\t", "\t", "\n"), ("\t", " ", "\r\n"), (" ", " ", " \n"), ("  ", "  ", "\r\n")])
def test_words_with_blanks_whatever_stands_between_the_numbers(tmp_path, capsys, encoding, first, after_word,
                                                               between, end):
    lines = [word + after_word + numbers.replace(" ", between) for word, numbers in TRICKY]
    path = tmp_path / "x.txt"
    path.write_bytes((first + end.join(lines) + end).encode(encoding))
    words, table = vectors.load_vectors(path, collections.Counter({"主峰": 3}), 9)
    expected = [TRICKY[1], TRICKY[0], *TRICKY[2:]]
    assert words == [normalise(word) for word, _ in expected]
    assert table.tolist() == [list(map(float, numbers.split())) for _, numbers in expected]
    said = capsys.readouterr().out
    assert ("read as GB18030" in said) == (encoding == "gb18030") and "100% of the data's words" in said


@pytest.mark.parametrize("binary, name", [(True, "x.bin"), (False, "x.txt")])
def test_vectors_in_gb18030_are_read_as_such(tmp_path, capsys, binary, name):
    """A few words that are no UTF-8, as in many public files, do not make one of GB18030."""
    from gensim.models import KeyedVectors

    known = ["的", "海拔", "主峰", "白云山", "𠮷", "the"]
    table = np.arange(18, dtype="float32").reshape(6, 3)
    found = KeyedVectors(3)
    found.add_vectors(known, table)
    found.save_word2vec_format(str(tmp_path / name), binary=binary)
    content = (tmp_path / name).read_bytes()
    counts = collections.Counter({"海拔": 2, "，": 5})
    expected = [known[1], known[0], *known[2:]]
    for encoding in ("utf-8", "gb18030"):
        changed = content
        for word in known:
            changed = changed.replace(word.encode(), word.encode(encoding))
        (tmp_path / name).write_bytes(changed)
        words, rows = vectors.load_vectors(tmp_path / name, counts, 9)
        assert words == expected and rows.tolist() == [table[known.index(word)].tolist() for word in words]
        assert ("read as GB18030" in capsys.readouterr().out) == (encoding == "gb18030")
    (tmp_path / name).write_bytes(content.replace("的".encode(), "的".encode()[:2] + b"x"))
    words, _ = vectors.load_vectors(tmp_path / name, counts, 9)
    assert words == [word for word in expected if word != "的"]
    assert "GB18030" not in capsys.readouterr().out


@pytest.mark.parametrize("words, encoding", [
    (["的", "我們", "學習", "天氣", "台灣", "一個", "電腦", "時間"], "big5"),
    (["的", "我們", "學習", "天氣", "台灣", "一個", "電腦", "時間"], "gb18030"),
    (["的", "我们", "学习", "天气", "台湾", "一个", "电脑", "时间", "镕基"], "gb18030")])
def test_big5_and_gb18030_are_told_apart(tmp_path, capsys, words, encoding):
    """The bytes of either are mostly some text in the other."""
    (tmp_path / "x.txt").write_bytes("".join(f"{word} 1 2\n" for word in words).encode(encoding))
    found, _ = vectors.load_vectors(tmp_path / "x.txt", collections.Counter(map(normalise, words)), 99)
    assert found == list(map(normalise, words))
    assert f"read as {encoding.upper()}" in capsys.readouterr().out


def test_vectors_of_other_words_than_the_datas_are_refused(tmp_path):
    """Digits and punctuation, which any file has, do not count where the data are Chinese."""
    path = write(tmp_path, "x.txt", "the 1 2\n, 3 4\n8 5 6\nof 7 8\n")
    chinese = collections.Counter({"海拔": 50, "的": 49, ",": 99, "8": 90})
    with pytest.raises(InputError, match="words of the data. Received: words such as 'the', ',', '8', 'of'; "
                                         "vectors for 0.0% of the data's words with Chinese"):
        vectors.load_vectors(path, chinese, 9)
    with pytest.raises(InputError, match="for 0.0% of the data's words"):
        vectors.load_vectors(path, collections.Counter({"and": 3}), 9)
    write(tmp_path, "x.txt", "the 1 2\n的 3 4\n")
    assert vectors.load_vectors(path, chinese, 9)[0] == ["的", "the"]
    assert vectors.load_vectors(path, collections.Counter({"the": 99, "海": 1}), 9)[0] == ["the", "的"]


def test_vectors_in_utf_16_are_refused(tmp_path):
    (tmp_path / "x.txt").write_bytes(TEXTS["plain.txt"].encode("utf-16"))
    with pytest.raises(InputError, match="UTF-16.*iconv -f utf-16"):
        vectors.load_vectors(tmp_path / "x.txt", collections.Counter(), 9)


def gensim_files(folder):
    """What gensim itself saves, as x.kv and x.model."""
    from gensim.models import KeyedVectors, Word2Vec

    found = KeyedVectors(3)
    found.add_vectors(["海拔", "主峰"], np.arange(6, dtype="float32").reshape(2, 3))
    found.save(str(folder / "x.kv"))
    model = Word2Vec([["海拔", "主峰"]] * 9, vector_size=3, min_count=1, workers=1)
    model.save(str(folder / "x.model"))
    return found, model


@pytest.mark.parametrize("binary, name", [(True, "x.bin"), (False, "x.txt")])
def test_vectors_that_gensim_wrote_in_both_forms(tmp_path, binary, name):
    found, _ = gensim_files(tmp_path)
    found.save_word2vec_format(str(tmp_path / name), binary=binary)
    words, table = vectors.load_vectors(tmp_path / name, collections.Counter({"主峰": 1}), 9)
    assert words == ["主峰", "海拔"] and table.tolist() == [[3, 4, 5], [0, 1, 2]]


@pytest.mark.parametrize("name", ["x.kv", "x.model"])
def test_pickles_are_refused_with_the_way_to_convert_them(tmp_path, monkeypatch, name):
    """gensim's own load() would run what stands in the file; the message's command writes one that is
    read."""
    import gensim.models

    found, model = gensim_files(tmp_path)
    with pytest.raises(InputError, match=f"not a pickle of gensim. .*Received: .*{name}") as error:
        vectors.load_vectors(tmp_path / name, collections.Counter(), 9)
    assert "\n" not in str(error.value)
    monkeypatch.chdir(tmp_path)
    command = str(error.value).partition("in Python by ")[2].partition(". Received")[0]
    exec(command, {"gensim": gensim})
    words, table = vectors.load_vectors("x.bin", collections.Counter(), 9)
    expected = found if name == "x.kv" else model.wv
    np.testing.assert_array_equal(table, [expected[word] for word in words])
    (tmp_path / name).write_bytes(pickle.dumps(print))
    with pytest.raises(InputError, match="not a pickle"):
        vectors.load_vectors(tmp_path / name, collections.Counter(), 9)


def test_trained_vectors_are_the_same_again():
    a, b = (vectors.train_vectors(questions(6), 5, 4, seed=1) for _ in range(2))
    assert len(a[0]) == 4 and a[1].shape == (4, 5)
    more = vectors.train_vectors(questions(6), 5, 9999, seed=1)
    assert more[0][:4] == a[0] and len(more[0]) > 4                # the same training, of which less is kept
    np.testing.assert_array_equal(more[1][:4], a[1])
    np.testing.assert_array_equal(a[1], b[1])


def test_words_that_no_line_can_hold_are_no_words(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xff\xff 1 2\n" + "山 3 4\n水 5 6\n".encode())
    words, table = vectors.load_vectors(tmp_path / "x.txt", collections.Counter(), 9)
    assert words == ["山", "水"] and table.tolist() == [[3, 4], [5, 6]]
    lines = [Question(str(i), QUESTION, [Passage(TEXT.replace("，", "\n"))], "x") for i in range(6)]
    words, table = vectors.train_vectors(lines, 5, 99, seed=1)
    assert len(words) == len(table) and "\n" not in words


@pytest.mark.parametrize("name, text, message", [
    ("x.txt", "山\n水 1 2 3\n", "a word and 3 numbers on each line. Received: 0 numbers in line 1"),
    ("x.txt", "海拔 1 2 3\n主峰 4 5\n", "a word and 3 numbers on each line. Received: 2 numbers in line 2"),
    ("x.txt", "海拔 1 2\n主峰 4 x\n", "line 2 does not"), ("x.txt", "", "no vector"),
    ("x.txt", "海拔\n主峰\n", "a word and its numbers on each line. Received: no vector"),
    ("x.txt", "2 3\n\n \n", "Received: no vector"),
    ("x.kv", "x", "not a pickle of gensim"),
    ("x.bin", "x", "gensim can read"), ("x.txt", "海拔 1 nan\n", "nan or inf in the vector of '海拔'")])
def test_vectors_that_cannot_be_read(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        vectors.load_vectors(write(tmp_path, name, text), collections.Counter({"主峰": 1}), 9)
    with pytest.raises(InputError, match="a file of word vectors. Received: /nowhere"):
        vectors.load_vectors("/nowhere", collections.Counter(), 9)


# ------------------------------------------------------------------------------------------ answers and votes

def test_spans_are_the_best_of_all(monkeypatch):
    monkeypatch.setattr(reader, "word_edges", lambda text: np.ones(len(text) + 1, bool))
    rng, text = np.random.default_rng(0), "白云山坐落在广州主峰海拔米谁写春风水天地"
    for _ in range(20):
        start, end = rng.random((2, len(text)))**3
        pairs = [(i, j) for i in range(len(text)) for j in range(i, min(len(text), i + 6))]
        every = [(start[i] * end[j], text[i:j + 1]) for i, j in pairs if start[i] > 0.1 and end[j] > 0.1]
        found = spans_of(text, start, end, count=3, longest=6)
        assert [(span.score, span.text) for span in found] == sorted(every, reverse=True)[:3]
        assert all(text[span.start:span.stop] == span.text for span in found)
    assert spans_of(text, np.full(len(text), 0.1), np.ones(len(text))) == []


def test_in_one_passage_the_best_place_counts():
    start = end = np.array([0.9, 0, 0.5, 0, 0.2])
    assert [(s.text, s.start) for s in spans_of("１，1。2", start, end, longest=1)] == [("１", 0), ("2", 4)]


@pytest.mark.parametrize("span, kept", [
    ("石头记》", "石头记"), ("《石头记》", "《石头记》"), ("“红楼", "红楼"), ("（1868", "1868"),
    ("-3度", "-3度"),
    ("12%", "12%"), ("。，", ""), ('"a"', '"a"'), ('"a', "a"), ("a）", "a"), (" 1.5米。", "1.5米"),
    ("《甲》和《乙》", "《甲》和《乙》"), ("（甲）乙", "（甲）乙"), ("、-5", "-5"), ("甲》，", "甲"),
])
def test_spans_have_no_unpaired_marks_at_their_ends(span, kept):
    text = f"是{span}的"
    start, stop = trimmed(text, 1, 1 + len(span))
    assert text[start:stop] == kept
    whole = np.zeros((2, len(text)))
    whole[0, 1] = whole[1, len(span)] = 0.9
    expected = [kept] if kept else []
    assert [found.text for found in spans_of(text, *whole)] == expected


def test_numbers_that_differ_in_their_point_are_different_answers():
    answers = vote([[Span("1.5米", 0.3, 0, 4)], [Span("15 米", 0.6, 0, 4)], [Span("１５米。", 0.5, 0, 4)]])
    assert [(answer.text, len(answer.spans)) for answer in answers] == [("15 米", 2), ("1.5米", 1)]


def test_the_vote_of_the_articles_example():
    """One sure passage against four doubtful ones: Σs²/(1 + Σs)."""
    answers = vote([[Span("A", 0.7, 0, 1)], *([Span("B", 0.2, 0, 1)] for _ in range(4))])
    assert [a.text for a in answers] == ["A", "B"]
    assert [a.score for a in answers] == pytest.approx([0.49 / 1.7, 0.16 / 1.8])
    assert [s.passage for s in answers[1].spans] == [1, 2, 3, 4]
    sums = vote([[Span("A", 0.7, 0, 1)], *([Span("B", 0.2, 0, 1)] for _ in range(4))], rule="sum")
    assert [(answer.text, round(answer.score, 6)) for answer in sums] == [("B", 0.8), ("A", 0.7)]
    passages = [[Span("A", 0.5, 0, 1)], [Span("A", 0.25, 0, 1)]]
    rules = {rule: vote(passages, rule=rule)[0].score for rule in VOTES}
    assert rules == {"squares": 0.3125 / 1.75, "plain_squares": 0.3125, "sum": 0.75, "mean": 0.375}
    [span] = spans_of("年", np.array([0.4]), np.array([0.9]), root=True)
    assert span.score == pytest.approx(0.6)
    merged = vote([[Span("15年", 0.5, 0, 3)], [Span("１５年", 0.6, 0, 3)], []])
    assert len(merged) == 1 and merged[0].text == "１５年" and merged[0].score == pytest.approx(0.61 / 2.1)


class Oracle:
    """A model of one thing: 米 ends an answer that the first digit before it begins."""

    inputs, name = [None, None], "dgcnn"


def oracle(size=256):
    reader = Reader.__new__(Reader)
    reader.model, reader.encode, reader.size, reader.longest = Oracle, Encoder(VOCAB), size, 16
    reader.columns, reader.calibration = 2, Calibration()

    def probabilities(inputs):
        _, p = inputs
        return np.stack([p == VOCAB.encode("3")[0], p == VOCAB.encode("米")[0]],
                        axis=-1).astype("float32") * 0.9

    reader.probabilities = probabilities
    return reader


def test_a_passage_of_20_000_characters_is_read_to_its_end():
    text = "白云山坐落在广州，" * 2_222 + "382米"
    for size in (32, 256):
        [answer] = oracle(size).answers(QUESTION, [text])
        assert answer.text == "382米" and answer.spans[0].start == len(text) - 4
    [[curves]] = oracle().curves([(QUESTION, [text])])
    assert curves.shape == (len(text), 2) and oracle().answers(QUESTION, ["白云"]) == []


# ---------------------------------------------------------------------------------------------------- metrics

def test_scores_as_the_competition_counts():
    assert report.normalise_answer("《 Ａbc，１２》臺") == "abc12台" and report.normalise_answer("…") == "…"
    assert report.exact_match("１５年", ["15年。"]) == 1 and report.exact_match("5年", ["15年"]) == 0
    assert report.exact_match("", []) == 1
    assert report.exact_match("x", []) == report.exact_match("", ["x"]) == 0
    assert report.character_f1("广州市", ["广州"]) == pytest.approx(0.8)
    assert report.character_f1("州广", ["广州", "x"]) == 1
    assert report.character_f1("aab", ["ab"]) == pytest.approx(0.8)
    assert report.character_f1("", []) == 1
    assert report.character_f1("水", ["山"]) == report.character_f1("", ["山"]) == 0


@pytest.mark.parametrize("answer, right", [
    ("~30°", "30"), ("3+5", "35"), ("<100>", "100"), ("４×４", "44"), ("±2", "2"), ("＄5", "5"),
    ("５￥", "5"), ("→√2", "2"), ("佐々木", "佐木"), ("★★五星", "五星"), ("№1", "1"), ("3∶2", "32"),
    ("a=b", "AB"),
])
def test_symbols_do_not_count(answer, right):
    """The competition's kit drops them on both sides, before EM and before F1."""
    for given, wanted in [(answer, right), (right, answer)]:
        assert report.exact_match(given, [wanted]) == 1
        assert report.character_f1(given, [wanted]) == 1


@pytest.mark.parametrize("answer, right, same", [
    ("上海 北京", "北京 上海", 1), ("上海、北京", "北京 上海", 1), ("上海、、 北京。", "《北京》上海", 1),
    ("北京 北京", "北京", 1), ("上海　Ｂ", "b 上海", 1), ("5.1", "1.5", 1),       # a point parts, too
    ("上海 北京 天津", "北京 上海", 0), ("上海", "北京 上海", 0), ("海上 北京", "北京 上海", 0),
    ("上海北京", "北京 上海", 0), ("北京上海", "北京 上海", 1),
])
def test_parts_may_stand_in_any_order(answer, right, same):
    assert report.exact_match(answer, [right]) == same
    assert report.exact_match(answer, ["水", right]) == same


def test_what_consists_of_symbols_alone_is_compared_as_it_stands():
    assert report.exact_match("+", ["＋"]) == report.character_f1("+", ["+"]) == 1
    assert report.exact_match("-", ["+"]) == report.exact_match("+", ["水"]) == 0
    assert report.exact_match("5℃", ["5"]) == report.character_f1("-", ["+"]) == 0


def test_rows_and_their_means():
    every = [Question("1", QUESTION, [Passage(TEXT, ("382米",)), Passage("水天")], "a", ("382米",)),
             Question("2", QUESTION, [Passage("白云3米")], "b"),
             Question("3", QUESTION, [Passage("春风")], "b")]
    rows = report.answer_all(oracle(), every)
    # file a has 1, file b one half
    assert report.mean_scores(rows) == {"em": 0.75, "f1": 0.75, "score": 0.75}
    found = report.metrics(rows)
    assert found["test_em"] == found["test_score"] == pytest.approx(2 / 3)
    assert found["a_em"] == 1 and found["b_f1"] == 0.5
    assert found["test_left_unanswered"] == pytest.approx(2 / 3)


def test_the_baseline(tmp_path):
    weights = baseline.weights_of([Question("1", "", [Passage(TEXT), Passage("春风。")])])
    assert baseline.best(QUESTION, f"春风是水。{TEXT}。天地", weights)[2] == f"{TEXT}。"
    found = baseline.evaluate(baseline.Config(data="sample", out=tmp_path / "baseline.json"))
    written = json.loads((tmp_path / "baseline.json").read_text(encoding="utf-8"))
    assert written["metrics"] == pytest.approx(found)
    assert 0 < found["test_f1"] <= 1 and found["test_f1_of_sentences"] > 0


# ---------------------------------------------------------------------------------------------------- predict

@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A run folder as predict.py takes it, with weights that answer by the oracle's rule."""
    keras.utils.set_random_seed(0)
    save_model(build_dgcnn(len(VOCAB), width=4), tmp_path / "model.keras")
    Encoder(VOCAB).save(tmp_path)
    monkeypatch.setattr(reader, "array_function", lambda model, last: oracle().probabilities)
    return predict.Config(question=QUESTION, run=tmp_path)


def test_predict_prints_ranked_answers_and_marks_the_best(trained, tmp_path, capsys, monkeypatch):
    one = write(tmp_path, "one.txt", "白云" * 40 + TEXT + "\n山" * 40)
    two = write(tmp_path, "two.txt", "主峰38米，382米。")
    predict.predict(dataclasses.replace(trained, passage=(one, two)))
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("%  382米") and "【382米】" in out[-1] and f"{two}:" in out
    assert any(line.startswith("…") and "海拔【382米】 山 山" in line and line.endswith("…") for line in out)
    predict.predict(dataclasses.replace(trained, text=("春风",)))
    assert capsys.readouterr().out == "(no answer)\n"
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    Calibration(0.0, 1.0, 0.99, True).save(tmp_path)
    predict.predict(dataclasses.replace(trained, passage=(one,)))
    score = 0.81 ** 2 / 1.81
    assert capsys.readouterr().out == f"（没有答案）\n最接近的是 382米, {score / (1 + score):.0%}\n"
    predict.predict(dataclasses.replace(trained, passage=(one,), threshold=0.0))
    assert capsys.readouterr().out.startswith(f" {score / (1 + score):.0%}  382米\n")      # σ(log s)
    (tmp_path / "reader.json").unlink()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{TEXT}\n\n春风\n".encode())))
    predict.predict(dataclasses.replace(trained, json=True))
    [answer] = json.loads(capsys.readouterr().out)["answers"]
    start = TEXT.index("382")
    assert answer["answer"] == "382米" and answer["spans"] == [
        {"passage": "line 1", "start": start, "stop": start + 4, "text": "382米", "score": 0.81}]


@pytest.mark.parametrize("options, message", [
    ({"question": " "}, "--question expects a question"),
    ({"question": "hello?"}, "expected a question with characters"),
    ({"text": ("",)}, "Received: nothing in text 1"), ({"text": (TEXT, " ")}, "nothing in text 2"),
    ({"answers": 0, "text": ("山",)}, "--answers expects 1 to 100. Received: 0"),
    ({}, "expected a passage.*Received: none"),
    ({"text": ("白\udcff云",)}, "--text should be text that"),
    ({"question": "\udcff"}, "--question should be text that"),
])
def test_predict_names_what_is_wrong(trained, monkeypatch, options, message):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    if "question" in options:
        options = {"text": (TEXT,), **options}
    with pytest.raises(InputError, match=message):
        predict.predict(cli.settle(dataclasses.replace(trained, **options)))


def test_predict_names_files_that_are_wrong(trained, tmp_path, capsys):
    (tmp_path / "bad.txt").write_bytes(TEXT.encode("gb18030"))
    for path, message in [(tmp_path / "bad.txt", "bad.txt should be a text in UTF-8.*iconv -f gb18030"),
                          (tmp_path / "none.txt", "expected a text file. Received: .*none.txt"),
                          ("/dev/zero", "--passage expects a file or folder")]:
        with pytest.raises(InputError, match=message):
            predict.predict(dataclasses.replace(trained, passage=(path,)))
    predict.predict(dataclasses.replace(trained, question=QUESTION + "龘", text=(TEXT,)))
    assert "does not know 龘" in capsys.readouterr().err
    Vocab("山水").save(tmp_path / "vocab.json")
    with pytest.raises(InputError, match="does not belong to this model"):
        predict.predict(dataclasses.replace(trained, text=(TEXT,)))
    keras.utils.clear_session()
    save_model(build_dgcnn(len(VOCAB), 9, 3, width=4), tmp_path / "model.keras")
    VOCAB.save(tmp_path / "vocab.json")
    with pytest.raises(InputError, match="needs the words of its vectors"):
        Reader.load(tmp_path)
    write(tmp_path, "words.txt", "海拔\n")
    with pytest.raises(InputError, match="expects 7 words. Received: 1"):
        Reader.load(tmp_path)
    save_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)], name="other"),
               tmp_path / "model.keras")
    with pytest.raises(InputError, match="trained by dgcnn/train.py.*a model named other"):
        Reader.load(tmp_path)
