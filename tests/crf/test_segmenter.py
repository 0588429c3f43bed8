"""crf/: corpora, features, batches, the models' shapes, and the shipped segmenters: nothing of a text is ever lost."""

import types

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import crf
from common.datasets import InputError
from crf import data, evaluate, predict, train

SENTENCES = data.read_sentences(data.SAMPLE)


@pytest.fixture(scope="module")
def segmenter():
    return predict.Segmenter.load(predict.WEIGHTS / "fast")


# ------------------------------------------------------------------------------------------------------------ corpora

def test_the_built_in_sample():
    assert len(SENTENCES) >= 300 and len({"".join(words) for words in SENTENCES}) == len(SENTENCES)


def test_tags_of_words():
    assert [data.LABELS[tag] for tag in data.tags_of(["他", "来到", "机器学习", "馆"])] == list("SBEBMMES")


@pytest.mark.parametrize("line_end, blank", [("\n", " "), ("\r\n", "  "), ("\n", "\u3000"), ("\n", "    ")])
def test_any_blanks_and_line_ends(tmp_path, line_end, blank):
    lines = [blank.join(words) for words in SENTENCES] + ["", ""]
    (tmp_path / "corpus").write_bytes(line_end.join(lines).encode("utf-8-sig"))
    assert data.read_sentences(tmp_path / "corpus") == SENTENCES


@pytest.mark.parametrize("content, message", [
    (b"\xe4\xbb\x8a  \xe5\xa4\xa9\n\xff\xfe\n", "should be a text in UTF-8, but line 2 is not"),
    (b"", "at least 10 sentences"),
    ("今天天气\n".encode() * 20, "without any blank"),
])
def test_what_is_no_corpus(tmp_path, content, message):
    (tmp_path / "corpus").write_bytes(content)
    with pytest.raises(InputError, match=message):
        data.load_corpus(str(tmp_path / "corpus"))


def test_a_corpus_that_is_not_there(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("KEXUE_DATA", str(tmp_path))
    with pytest.raises(InputError, match="put them into cws/"):
        data.load_corpus("sxu")
    with pytest.raises(InputError, match="--data expects sxu"):
        data.load_corpus("/nowhere")
    assert data.load_corpus().builtin and "NOTE: training on the built-in sentences" in capsys.readouterr().out


def test_a_long_sentence_is_cut_between_words():
    words = ["一二三"] * 100
    pieces = data.cut(words, 256)
    assert sum(pieces, []) == words and max(sum(map(len, piece)) for piece in pieces) <= 256
    assert data.cut(["长" * 300, "短"], 256) == [["长" * 256], ["短"]]


# ----------------------------------------------------------------------------------------------------------- features

def test_features_against_a_plain_lookup(tmp_path):
    features = data.Features.of(SENTENCES)
    folded = ["".join(map(data.fold, "".join(words))) for words in SENTENCES]
    known = {"".join(map(data.fold, word)) for words in SENTENCES for word in words}
    text = "".join("".join(words) for words in SENTENCES[:50]) + "龘ＡＢ７😀"
    characters, bigrams, words = features.encode(text)
    names = {int(features.encode(pair)[1][0]): pair for pair in features.bigrams}
    assert len(names) == len(features.bigrams) == len(features.pairs) and min(names) == 2
    plain = "".join(map(data.fold, text))
    for i in range(len(text)):
        assert characters[i] == features.vocab.numbers.get(plain[i], 1)
        both = plain[i:i + 2] if plain[i:i + 2] in features.bigrams else None
        assert names.get(int(bigrams[i])) == both and (both or bigrams[i] == 1)
        found = [size for size in range(2, data.LONGEST_WORD + 1) if words[i, size - 2]]
        assert found == [size for size in range(2, data.LONGEST_WORD + 1)
                         if plain[i:i + size] in known and i + size <= len(plain)]
    counts = {pair: sum(t.count(pair) for t in folded) for pair in features.bigrams if pair[0] != pair[1]}
    assert min(counts.values()) >= 4
    features.save(tmp_path)
    again = data.Features.load(tmp_path, words=["科学空间站台"])
    assert all((a == b).all() for a, b in zip(features.encode(text), again.encode(text)))
    assert again.encode("科学空间站台")[2][0, 4] and not features.encode("科学空间站台")[2][0, 4]


def test_marks_of_known_words():
    """A word of three characters begins at 1, one of five at 0."""
    words = np.zeros((6, data.LONGEST_WORD - 1), "int32")
    words[1, 1], words[0, 3] = 7, 9
    marks = data.word_features(words)
    assert {(int(i), int(j)) for i, j in zip(*marks.nonzero())} == {(1, 1), (0, 3), (3, 5), (4, 7)}


def test_folding_keeps_places():
    assert [data.fold(c) for c in "７٣ａÉ，。中½😀"] == ["0", "0", "a", "a", ",", "。", "中", "½", "😀"]


@pytest.mark.parametrize("training", [True, False])
def test_batches_hold_every_sentence_once_in_an_order_of_seed_and_epoch(training):
    features = data.Features.of(SENTENCES)
    run = types.SimpleNamespace(config=types.SimpleNamespace(seed=3, batch_size=8), epoch=0)
    batches = data.Sentences(run, SENTENCES, features, training)

    def rows():
        return [tuple(x[x > 0]) for i in range(len(batches)) for x in batches[i][0][0]]

    first = rows()
    every = {tuple(features.encode("".join(words))[0]) for words in SENTENCES}
    assert len(first) == len(set(first)) and set(first) <= every
    shapes = {batches[i][1].shape for i in range(len(batches))}
    if training:    # whole batches only: few shapes
        assert len(first) >= len(every) - 8 * len(data.LENGTHS) * 2 and len(shapes) == len({length for _, length in shapes})
    else:
        assert set(first) == every
    assert batches[0][1].shape[1] != batches[1][1].shape[1]    # else Keras takes the length for fixed
    run.epoch = 1
    batches.on_epoch_begin()
    assert (first != rows()) == training
    run.epoch = 0
    batches.on_epoch_begin()
    assert first == rows()


def test_batches_divide_among_devices_in_lengths_of_few_sentences_too(monkeypatch):
    features = data.Features.of(SENTENCES)
    run = types.SimpleNamespace(config=types.SimpleNamespace(seed=3, batch_size=1000), epoch=0)
    every = data.Sentences(run, SENTENCES, features)
    counts = np.bincount(every.buckets, minlength=len(data.LENGTHS))
    devices = next(n for n in (2, 3, 4, 5) if any(0 < count % n < count for count in counts))
    monkeypatch.setattr(data.devices, "count", lambda: devices)
    found = {length: len(rows) for length, rows in data.Sentences(run, SENTENCES, features).batches}
    assert found == {length: count - count % devices for length, count in zip(data.LENGTHS, counts) if count >= devices}


def test_rare_numbers_are_hidden_as_often_as_said():
    features = data.Features.of(SENTENCES, 1, 1)
    run = types.SimpleNamespace(config=types.SimpleNamespace(seed=0, batch_size=64), epoch=0)
    plain, hiding = data.Sentences(run, SENTENCES, features), data.Sentences(run, SENTENCES, features, rare=2.0)
    expected = hidden = 0
    counts = np.bincount(np.concatenate([pairs for _, pairs, _, _ in plain.rows]))
    for epoch in range(10):
        run.epoch = epoch
        for batches in (plain, hiding):
            batches.on_epoch_begin()
        for i in range(len(plain)):
            (_, pairs, _), tags = plain[i]
            (_, seen, _), tags_too = hiding[i]
            assert (tags == tags_too).all() and ((seen == pairs) | (seen == 1)).all()
            expected += (2 / (2 + counts[pairs[pairs > 1]])).sum()
            hidden += ((seen != pairs) & (pairs > 1)).sum()
    assert hidden == pytest.approx(expected, rel=0.02)


# ------------------------------------------------------------------------------------------------------------- models

@pytest.mark.parametrize("name", train.BUILDERS)
def test_models_do_not_see_padding(name):
    features = data.Features.of(SENTENCES)
    model = train.BUILDERS[name](features, 0.3)
    characters, pairs, words = (array[None] for array in features.encode("今天天气不错，我们去公园。"))
    x = characters, pairs, data.word_features(words)
    longer = [np.pad(array, [[0, 0], [0, 9], [0, 0]][:array.ndim]) for array in x]
    (tags, potentials), (tags_too, potentials_too) = model(x), model(longer)
    np.testing.assert_array_equal(tags, np.asarray(tags_too)[:, :13])
    np.testing.assert_allclose(crf.marginals(potentials), np.asarray(crf.marginals(potentials_too))[:, :13], atol=1e-5)


def test_the_articles_network_has_its_size():
    features = data.Features.of(SENTENCES)
    convolutions = 3 * (3 * 128 * 128 + 128)
    model = train.build_article(features, 0.0)
    assert model.count_params() == len(features.vocab) * 128 + convolutions + 128 * 4 + 4 + 4 * 4 + 4 + 4


# ---------------------------------------------------------------------------------------------------------- segmenter

TEXTS = st.text(st.one_of(st.sampled_from("今天天气不错我们去公园，。！”（）１２３abc \t\r\n\u3000\u200b😀👩🏽‍🔬"),
                          st.characters()), max_size=80)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_every_character_is_kept(segmenter, text):
    words = segmenter.cut(text)
    assert "".join(words) == text and all(words)
    assert all(len(word) == 1 for word in words if set(word) & set(" \t\r\n\u3000"))


def test_a_model_without_constraints_keeps_lines_apart():
    features = data.Features.of(SENTENCES)
    untrained = predict.Segmenter(train.build_article(features, 0.0), features)
    assert [len(line) > 0 for line in evaluate.segment(untrained.cut, SENTENCES[:40])] == [True] * 40


def test_a_line_of_a_megabyte(segmenter):
    text = "今天天气不错我们去公园散步吧" * 25_000      # no punctuation at all: 1 MB in UTF-8
    words = segmenter.cut(text)
    assert "".join(words) == text and words.count("我们") > 24_000


def test_nothing_at_all(segmenter):
    assert segmenter.cut("") == [] and segmenter.cut(" \n") == [" ", "\n"]


def test_a_text_alone_or_amid_others(segmenter):
    lines = ["".join(words) for words in SENTENCES[:80]]
    together = evaluate.segment(segmenter.cut, SENTENCES[:80])
    assert together == [segmenter.cut(line) for line in lines]


def test_confidence_is_a_probability_and_agrees_with_the_words(segmenter):
    words, sure = segmenter.cut("今天天气不错，我们去公园散步吧。", confidence=True)
    assert words == segmenter.cut("今天天气不错，我们去公园散步吧。") and all(0 < p <= 1 for p in sure)


def test_user_words_are_known_words(segmenter):
    text = "我们在蓝莲花谷吃饭，今天天气不错。"
    own = predict.Segmenter.load(predict.WEIGHTS / "fast", words=["蓝莲花谷"])
    assert "蓝莲花谷" in own.cut(text) and own.cut(text)[-5:] == segmenter.cut(text)[-5:]
    assert own.cut("今天天气不错") == segmenter.cut("今天天气不错")


def test_words_are_joined_where_no_blank_divides_them():
    assert predict.joined(["今天", " ", "天气", "\n", "好", "吗"], "/") == "今天 天气\n好/吗"


@pytest.mark.parametrize("name", ["default", "fast"])
def test_shipped_models_segment_well(name):
    """The sample was never trained on; jieba's F1 on it is the mark to beat."""
    import rjieba

    cut = predict.Segmenter.load(predict.WEIGHTS / name).cut
    assert evaluate.scores(cut, SENTENCES, ())["f1"] > evaluate.scores(rjieba.cut, SENTENCES, ())["f1"] + 0.05
    assert sum(path.stat().st_size for path in predict.WEIGHTS.rglob("*")) < 12e6


def test_folders_that_hold_no_segmenter(tmp_path):
    with pytest.raises(InputError, match="expected a run folder"):
        predict.Segmenter.load(tmp_path)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match="vocabulary beside it"):
        predict.Segmenter.load(tmp_path)
    data.Features.of(SENTENCES).save(tmp_path)
    with pytest.raises(InputError, match="holds no segmenter"):
        predict.Segmenter.load(tmp_path)


def test_user_words_files(tmp_path):
    (tmp_path / "words").write_text("蓝莲花谷 5 n\n\n科学空间\r\n", encoding="utf-8")
    assert predict.read_words(tmp_path / "words") == ["蓝莲花谷", "科学空间"]
    (tmp_path / "gbk").write_bytes("科学".encode("gbk"))
    with pytest.raises(InputError, match="should be a text in UTF-8"):
        predict.read_words(tmp_path / "gbk")
    with pytest.raises(InputError, match="expected a text file"):
        predict.read_words(tmp_path)
