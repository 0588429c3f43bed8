"""crf/: corpora, features, batches, models' shapes, and the shipped segmenters, which lose no character."""

import collections
import types

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import crf
from common.harness.reading import InputError
from common.harness.vocab import UNKNOWN
from crf import data, lists, predict, report, train
from crf.features import LONGEST_WORD, Features, codes, normalise, word_features
from crf.segmenter import OWN, WEIGHTS, Segmenter, joined, with_extra_scores

SENTENCES = data.read_sentences(data.SAMPLE)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.load(WEIGHTS / "fast")


# ---------------------------------------------------------------------------------------------------- corpora

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
    assert data.load_corpus().builtin
    assert "NOTE: training on the built-in sentences" in capsys.readouterr().out
    for folder in ("x" * 300, "~nosuchuser/x", "/dev/null"):
        monkeypatch.setenv("KEXUE_DATA", folder)
        with pytest.raises(InputError, match="KEXUE_DATA expects a"):
            data.load_corpus()


def test_a_long_sentence_is_cut_between_words():
    words = ["一二三"] * 100
    pieces = data.split_sentence(words, 256)
    assert sum(pieces, []) == words and max(sum(map(len, piece)) for piece in pieces) <= 256
    assert data.split_sentence(["长" * 300, "短"], 256) == [["长" * 256], ["短"]]


def test_validation_sentences_are_at_most_a_tenth_and_at_least_one():
    for count, expected in [(1000, len(SENTENCES) // 10), (3, 3)]:
        training, held_out = data.split(SENTENCES, count, seed=0)
        assert len(held_out) == expected and sorted(training + held_out) == sorted(SENTENCES)
    training, held_out = data.split(SENTENCES[:9], 1000, seed=0)
    assert (len(training), len(held_out)) == (8, 1)


# --------------------------------------------------------------------------------------------------- features

def test_features_against_a_plain_lookup(tmp_path):
    features = Features.of(SENTENCES)
    normal = [normalise("".join(words)) for words in SENTENCES]
    known = {normalise(word) for words in SENTENCES for word in words}
    text = "".join("".join(words) for words in SENTENCES[:50]) + "龘ＡＢ７😀"
    characters, bigrams, words = features.encode(text)
    names = {int(features.encode(pair)[1][0]): pair for pair in features.bigrams}
    assert len(names) == len(features.bigrams) == len(features.pairs) and min(names) == 2
    plain = normalise(text)
    for i in range(len(text)):
        assert characters[i] == features.vocab.numbers.get(plain[i], 1)
        both = plain[i:i + 2] if plain[i:i + 2] in features.bigrams else None
        assert names.get(int(bigrams[i])) == both and (both or bigrams[i] == 1)
        found = [size for size in range(2, LONGEST_WORD + 1) if words[i, size - 2]]
        assert found == [size for size in range(2, LONGEST_WORD + 1)
                         if plain[i:i + size] in known and i + size <= len(plain)]
    for pair in features.bigrams:
        assert pair[0] == pair[1] or sum(line.count(pair) for line in normal) >= 4
    features.save(tmp_path)
    again = Features.load(tmp_path, words=["科学空间站台"])
    assert all((a == b).all() for a, b in zip(features.encode(text), again.encode(text)))
    assert again.encode("科学空间站台")[2][0, 4] and not features.encode("科学空间站台")[2][0, 4]


def test_marks_of_known_words():
    """A word of three characters begins at 1, one of five at 0."""
    words = np.zeros((6, LONGEST_WORD - 1), "int32")
    words[1, 1], words[0, 3] = 7, 9
    marks = word_features(words)
    assert {(int(i), int(j)) for i, j in zip(*marks.nonzero())} == {(1, 1), (0, 3), (3, 5), (4, 7)}


def test_normalising_keeps_places():
    assert [normalise(c) for c in "７٣ａÉ，。中½😀"] == ["0", "0", "a", "a", ",", "。", "中", "½", "😀"]


@pytest.mark.parametrize("training", [True, False])
def test_batches_hold_every_sentence_once_in_an_order_of_seed_and_epoch(training):
    features = Features.of(SENTENCES)
    run = types.SimpleNamespace(config=types.SimpleNamespace(seed=3, batch_size=8), epoch=0)
    batches = (data.SentenceBatches if training else data.ValidationBatches)(run, SENTENCES, features)

    def rows():
        return [tuple(x[x > 0]) for i in range(len(batches)) for x in batches[i][0][0]]

    first = rows()
    every = {tuple(features.encode("".join(words))[0]) for words in SENTENCES}
    assert len(first) == len(set(first)) and set(first) <= every
    shapes = {batches[i][1].shape for i in range(len(batches))}
    if training:    # whole batches only: few shapes
        assert len(first) >= len(every) - 8 * len(data.LENGTHS) * 2
        assert len(shapes) == len({length for _, length in shapes})
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
    features = Features.of(SENTENCES)
    run = types.SimpleNamespace(config=types.SimpleNamespace(seed=3, batch_size=1000), epoch=0)
    every = data.SentenceBatches(run, SENTENCES, features)
    counts = np.bincount(every.buckets, minlength=len(data.LENGTHS))
    devices = next(n for n in (2, 3, 4, 5) if ((0 < counts % n) & (counts % n < counts)).any())
    monkeypatch.setattr(data.devices, "count", lambda: devices)
    batches = data.SentenceBatches(run, SENTENCES, features)
    found = {batches.widths(rows)[0]: len(rows) for rows in batches.rows}
    expected = {length: count - count % devices for length, count in zip(data.LENGTHS, counts)}
    assert found == {length: count for length, count in expected.items() if count}


def test_rare_numbers_are_hidden_as_often_as_said():
    features = Features.of(SENTENCES, 1, 1)
    run = types.SimpleNamespace(config=types.SimpleNamespace(seed=0, batch_size=64), epoch=0)
    plain = data.SentenceBatches(run, SENTENCES, features)
    hiding = data.SentenceBatches(run, SENTENCES, features, rare=2.0)
    expected = hidden = 0
    counts = np.bincount(np.concatenate([pairs for _, pairs, _, _ in plain.sentences]))
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


# ----------------------------------------------------------------------------------------------------- models

@pytest.mark.parametrize("name", train.BUILDERS)
def test_models_do_not_see_padding(name):
    features = Features.of(SENTENCES)
    model = train.BUILDERS[name](features, 0.3)
    characters, pairs, words = (array[None] for array in features.encode("今天天气不错，我们去公园。"))
    x = characters, pairs, word_features(words)
    longer = [np.pad(array, [[0, 0], [0, 9], [0, 0]][:array.ndim]) for array in x]
    (tags, potentials), (tags_too, potentials_too) = model(x), model(longer)
    np.testing.assert_array_equal(tags, np.asarray(tags_too)[:, :13])
    marginals, marginals_too = crf.marginals(potentials), np.asarray(crf.marginals(potentials_too))
    np.testing.assert_allclose(marginals, marginals_too[:, :13], atol=1e-5)


def test_the_articles_network_has_its_size():
    features = Features.of(SENTENCES)
    convolutions = 3 * (3 * 128 * 128 + 128)
    model = train.build_article(features, 0.0)
    assert model.count_params() == len(features.vocab) * 128 + convolutions + 128 * 4 + 4 + 4 * 4 + 4 + 4


def test_the_softmax_model_is_one_softmax_for_each_character_before_and_after_training():
    features = Features.of(SENTENCES)
    model = train.build_softmax(features, 0.0)
    scores = keras.Model(model.inputs, model.get_layer("scores").output)
    encoded = [data.encode(words, features) for words in SENTENCES[:8]]
    x, tags = data.arrays_of(encoded, 48, None, None)
    real = x[0] > 0
    model.compile("adam", loss=[None, crf.CRFLoss()], jit_compile=False)
    for _ in range(2):
        probability = np.asarray(keras.ops.softmax(scores(x)))
        expected = -np.log(np.take_along_axis(probability, tags[..., None], axis=2)[..., 0])
        found = model.evaluate(x, tags, batch_size=8, verbose=0, return_dict=True)["loss"]
        assert found == pytest.approx((expected * real).sum(axis=1).mean(), rel=1e-4)
        best, _ = model(x)
        np.testing.assert_array_equal(np.asarray(best)[real], probability.argmax(axis=2)[real])
        model.fit(x, tags, verbose=0)


# -------------------------------------------------------------------------------------------------- segmenter

LIKELY = "今天天气不错我们去公园，。！”（）１２３abc \t\r\n\u3000\u200b😀👩🏽‍🔬"
TEXTS = st.text(st.one_of(st.sampled_from(LIKELY), st.characters()), max_size=80)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_every_character_is_kept(segmenter, text):
    words = segmenter.segment(text)
    assert "".join(words) == text and all(words)
    assert all(len(word) == 1 for word in words if set(word) & set(" \t\r\n\u3000"))


def test_a_model_without_constraints_keeps_lines_apart():
    features = Features.of(SENTENCES)
    untrained = Segmenter(train.build_article(features, 0.0), features)
    assert [len(line) > 0 for line in report.segment_lines(untrained.segment, SENTENCES[:40])] == [True] * 40


def test_a_line_of_a_megabyte(segmenter):
    text = "今天天气不错我们去公园散步吧" * 25_000      # no punctuation at all: 1 MB in UTF-8
    words = segmenter.segment(text)
    assert "".join(words) == text and words.count("我们") > 24_000


def test_nothing_at_all(segmenter):
    assert segmenter.segment("") == [] and segmenter.segment(" \n") == [" ", "\n"]


def test_a_text_alone_or_amid_others(segmenter):
    lines = ["".join(words) for words in SENTENCES[:80]]
    together = report.segment_lines(segmenter.segment, SENTENCES[:80])
    assert together == [segmenter.segment(line) for line in lines]


def test_confidence_is_a_probability_and_agrees_with_the_words(segmenter):
    words, sure = segmenter.segment("今天天气不错，我们去公园散步吧。", confidence=True)
    assert words == segmenter.segment("今天天气不错，我们去公园散步吧。") and all(0 < p <= 1 for p in sure)


def test_illegal_pairs_are_counted_within_sentences(segmenter):
    """By hand: of the tags that a model says, those neighbours that tags_of never makes."""
    class Says:
        """Puts out the same tags for any text, in the order of data.LABELS: B B M S E S."""

        def predict_on_batch(self, inputs):
            rows, length = inputs[0].shape
            return np.tile(np.resize([0, 0, 1, 3, 2, 3], length), (rows, 1)), None

    told = Segmenter(Says(), segmenter.features)
    assert told.illegal_pairs("今天天气不错") == (3, 5)                 # B B, M S, S E
    assert told.illegal_pairs("今天\n天气") == (2, 2)                   # no pair across a line's end
    assert told.illegal_pairs("今") == told.illegal_pairs("") == (0, 0)
    illegal, pairs = segmenter.illegal_pairs("结婚的和尚未结婚的都来了。" * 10)
    assert illegal == 0 and pairs > 100


def test_user_words_are_known_words(segmenter):
    text = "我们在蓝莲花谷吃饭，今天天气不错。"
    own = Segmenter.load(WEIGHTS / "fast", words=["蓝莲花谷"])
    assert "蓝莲花谷" in own.segment(text) and own.segment(text)[-5:] == segmenter.segment(text)[-5:]
    assert own.segment("今天天气不错") == segmenter.segment("今天天气不错")


def test_words_are_joined_where_no_blank_divides_them():
    assert joined(["今天", " ", "天气", "\n", "好", "吗"], "/") == "今天 天气\n好/吗"


@pytest.mark.parametrize("name", ["default", "fast", "pku", "nlpcc"])
def test_shipped_models_segment_well(name):
    """The sample was never trained on; jieba's F1 on it is the mark to beat."""
    import rjieba

    segment = Segmenter.load(WEIGHTS / name).segment
    assert report.scores(segment, SENTENCES, ())["f1"] > report.scores(rjieba.cut, SENTENCES, ())["f1"] + 0.05
    assert (WEIGHTS / name / "model.keras").stat().st_size < 7e6


def test_every_standard_has_a_model_of_its_own(capsys):
    text = "江泽民说"
    for standard, words in [("sxu", "江泽民 说\n"), ("pku", "江 泽民 说\n")]:      # surnames apart
        predict.predict(predict.Config((text,), standard=standard))
        assert capsys.readouterr().out == words
    with pytest.raises(InputError, match="--fast expects --standard sxu.* Received: --standard pku"):
        predict.predict(predict.Config((text,), standard="pku", fast=True))


def test_lists_hold_what_several_corpora_have(tmp_path):
    files = []
    for name, half in [("a", SENTENCES[::2]), ("b", SENTENCES[1::2])]:
        files.append(tmp_path / name)
        files[-1].write_text("\n".join(" ".join(words) for words in half))
    written = lists.write_lists(lists.Config(tmp_path / "out", tuple(map(str, files)), bigrams=3))
    read = Features.load(tmp_path / "out")
    assert (read.words, read.bigrams) == (written.words, written.bigrams)
    kept = []
    for path in files:
        kept += data.split(data.load_corpus(str(path)).train, 1000, 0)[0]
    counts = collections.Counter(pair for words in kept for pair in pairs_of(normalise("".join(words))))
    assert read.bigrams == sorted(pair for pair, count in counts.items() if count >= 3)
    known = {normalise(word) for word in data.words_in(kept)}
    assert read.words == sorted(word for word in known if 1 < len(word) <= LONGEST_WORD)


def pairs_of(text):
    return [text[i:i + 2] for i in range(len(text) - 1)]


def test_a_users_words_score_more_at_their_places():
    features = Features.of(SENTENCES)
    own = Features(features.vocab, features.bigrams, features.words, ["蓝莲", "蓝莲花谷"])
    text = "去蓝莲花谷"
    assert sorted(own.own_words(text)) == [(1, 3), (1, 5)] and features.own_words(text) == []
    segmenter = Segmenter(train.build_fast(own, 0.0), own)
    extra = segmenter._extra_scores(codes(text))
    b, m, e, s = (extra / OWN).T.tolist()
    assert (b, m, e, s) == ([0, 2, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 1, 0, 1], [0] * 5)


def test_added_scores_are_decoded_as_a_crf_with_these_scores():
    rng = np.random.default_rng(0)
    h, extra = rng.normal(size=(2, 5, 7, 4)).astype("float32")
    extra[[1, 3]] = 0
    mask = np.ones((5, 7), "float32")
    transitions = rng.normal(size=(4, 4)).astype("float32")
    potentials = np.asarray(crf.pack(h, mask, transitions))
    tags, after = with_extra_scores(crf.viterbi(potentials), potentials, extra)
    expected = crf.pack(h + extra, mask, transitions)
    np.testing.assert_allclose(after, expected, atol=1e-6)
    np.testing.assert_array_equal(tags, crf.viterbi(expected))


def test_what_the_lists_have_and_training_has_not_is_as_the_unknown():
    features = Features.of(SENTENCES, 1, 1)
    model = train.build_fast(features, 0.0)
    callback = train.UnseenAsUnknown(features, SENTENCES[:5])
    callback.set_model(model)
    callback.on_epoch_end(0)
    seen = data.encode([word for words in SENTENCES[:5] for word in words], features)
    embeddings = [layer for layer in model.layers if isinstance(layer, keras.layers.Embedding)]
    for layer, numbers in zip(embeddings, seen[:2]):
        vectors = np.asarray(layer.embeddings)
        same = (vectors == vectors[UNKNOWN]).all(axis=1)
        assert same.sum() > 100 and not same[sorted(set(numbers.tolist()) - {UNKNOWN})].any()


def test_folders_that_hold_no_segmenter(tmp_path):
    with pytest.raises(InputError, match="expected a run folder"):
        Segmenter.load(tmp_path)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match="vocabulary beside it"):
        Segmenter.load(tmp_path)
    Features.of(SENTENCES).save(tmp_path)
    with pytest.raises(InputError, match="holds no segmenter"):
        Segmenter.load(tmp_path)


def test_shipped_models_share_the_folder_above_and_runs_have_files_of_their_own(tmp_path):
    names = {"vocab.json", "bigrams.txt", "words.txt"}
    files = {path.name for path in WEIGHTS.iterdir() if path.is_file()}
    assert files == names | {"new_words.txt", "README.md"}
    assert not names & {path.name for path in WEIGHTS.glob("*/*")}
    own = Features.of(SENTENCES)
    (tmp_path / "run").mkdir()
    own.save(tmp_path / "run")
    Features.of(SENTENCES[:50]).save(tmp_path)
    assert Features.load(tmp_path / "run").words == own.words
    # what one folder lacks is not taken from beside another vocabulary
    (tmp_path / "run" / "words.txt").unlink()
    with pytest.raises(InputError, match="words.txt"):
        Features.load(tmp_path / "run")


def test_long_texts_come_in_blocks_that_end_with_lines(monkeypatch):
    monkeypatch.setattr(predict, "BLOCK", 5)
    assert list(predict.blocks("")) == [] and list(predict.blocks("abcde")) == ["abcde"]
    assert list(predict.blocks("a\nb\ncd\nefghijklm\n")) == ["a\nb\n", "cd\n", "efghi", "jklm\n"]


def test_user_words_files(tmp_path):
    (tmp_path / "words").write_text("蓝莲花谷 5 n\n\n科学空间\r\n", encoding="utf-8")
    assert data.read_words(tmp_path / "words") == ["蓝莲花谷", "科学空间"]
    (tmp_path / "gbk").write_bytes("科学".encode("gbk"))
    with pytest.raises(InputError, match="should be a text in UTF-8"):
        data.read_words(tmp_path / "gbk")
    with pytest.raises(InputError, match="expected a text file"):
        data.read_words(tmp_path)
