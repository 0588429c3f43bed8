"""What more/bert runs on tf_keras; test_bert.py starts this in a process of its own."""

import sys
import types

import numpy as np
import pytest

from more.bert import drop_token, gpt2_ml, legacy_keras, question_answer, triples
from tests.more.bert import oracle

# isort: split

import keras
import tensorflow as tf

from common.harness.reading import InputError

TOKENS = np.array([[3, 1, 4, 1, 5, 9, 2], [2, 7, 1, 8, 2, 8, 1]], "int32")


@pytest.fixture(scope="module")
def weights():
    return oracle.weights(np.random.default_rng(0))


@pytest.fixture(scope="module")
def gpt(weights):
    _, built = gpt2_ml.build_gpt(11, width=8, depth=2, heads=2, positions=9)
    legacy_keras.put_weights(built, weights)
    return built


# ----------------------------------------------------------------------------------------------- legacy_keras

def test_keras_here_is_tf_keras():
    assert keras.__name__.endswith("keras") and not hasattr(keras, "ops")


def test_random_kernels_of_one_attention_differ():
    _, built = gpt2_ml.build_gpt(11, width=8, depth=2, heads=2, positions=9)
    arrays = legacy_keras.arrays_of(built)
    kernels = [array for name, array in arrays.items() if array.shape == (8, 8)]
    assert len(kernels) == 8 and len({float(kernel[0, 0]) for kernel in kernels}) == 8


def test_arrays_go_out_and_in(gpt, weights, tmp_path):
    arrays = legacy_keras.arrays_of(gpt)
    assert arrays.keys() == weights.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(array, weights[name], atol=1e-6)
    legacy_keras.save_arrays(tmp_path / "x.npz", arrays)
    assert set(np.load(tmp_path / "x.npz")) == set(weights)
    with pytest.raises(InputError, match="the archive does not hold the weights of this model"):
        legacy_keras.put_weights(gpt, {"newslm/embeddings/word_embed": np.zeros((11, 8))})
    with pytest.raises(InputError, match="describes no model that can be built"):
        legacy_keras.build("gpt2_ml", {"vocab_size": 3})


def test_a_folder_of_weights_is_looked_at_before_it_is_loaded(tmp_path, gpt, weights):
    with pytest.raises(InputError, match="--weights expects a folder with one .json file"):
        legacy_keras.read_folder(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n。\n", "utf-8")
    (tmp_path / "config.json").write_text('{"vocab_size": 11}', "utf-8")
    variables = {name: tf.Variable(array.astype("float32")) for name, array in weights.items()}
    saver = tf.compat.v1.train.Saver(variables)
    saver.save(None, str(tmp_path / "model.ckpt"), write_meta_graph=False, write_state=False)
    with pytest.raises(InputError, match="expected whole numbers for hidden_size"):
        legacy_keras.read_folder(tmp_path)
    text = ('{"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, '
            '"intermediate_size": 32, "hidden_act": "gelu", "max_position_embeddings": 9}')
    (tmp_path / "config.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match="should have the sha256 4a6e5124.* Received: .*Download it again"):
        legacy_keras.read_folder(tmp_path, gpt2_ml.SHA256)
    config, numbers, checkpoint = legacy_keras.read_folder(tmp_path)
    assert numbers == {"[PAD]": 0, "[UNK]": 1, "。": 2}
    again = legacy_keras.build("gpt2_ml", config, final_activation="linear")
    legacy_keras.put_weights(again, checkpoint)
    np.testing.assert_allclose(again.model(TOKENS), gpt.model(TOKENS), atol=1e-5)


def test_vocabulary_and_padding():
    assert legacy_keras.vocabulary(["乙甲乙", "丙。"], ["。"]) == dict(zip(
        [*legacy_keras.SPECIAL, "。", "乙", "丙", "甲"], range(9)))
    assert list(legacy_keras.vocabulary(["乙甲乙"], least=2))[5:] == ["乙"]
    np.testing.assert_array_equal(legacy_keras.padded([[1], [2, 3]]), [[1, 0], [2, 3]])


# ---------------------------------------------------------------------------------------------------- gpt2_ml

def test_logits_are_those_of_the_loops(gpt, weights):
    np.testing.assert_allclose(gpt.model.predict(TOKENS, verbose=0), oracle.logits(TOKENS, weights, 2, 2),
                               atol=1e-4)


def test_a_later_token_changes_no_earlier_logits(gpt):
    before = gpt.model.predict(TOKENS, verbose=0)
    for t in range(1, TOKENS.shape[1]):
        other = TOKENS.copy()
        other[:, t] = 10 - other[:, t]
        after = gpt.model.predict(other, verbose=0)
        np.testing.assert_allclose(after[:, :t], before[:, :t], atol=1e-6)
        assert np.abs(after[:, t] - before[:, t]).max() > 1e-2


def test_log_probabilities_are_those_of_the_loops(gpt, weights):
    rows = [TOKENS[0], TOKENS[1][:4], TOKENS[1][:2]]
    for row, found in zip(rows, gpt2_ml.log_probabilities(gpt, rows, batch_size=2)):
        logits = oracle.logits([row], weights, 2, 2)[0]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found, np.log(p[np.arange(len(row) - 1), row[1:]]), atol=1e-4)


def test_perplexities_count_what_they_say(monkeypatch):
    """With p = 1/2 for characters of the first line, 1/4 for those of the second and 1 for marks."""
    numbers = legacy_keras.vocabulary(["春风秋雨；。"])
    texts = ["春风；秋雨。", "春；冬。"]

    def halves(gpt, rows):
        return [np.log([0.5, 0.5, 1, 0.25, 0.25, 1]), np.log([0.5, 1, 0.1, 1])]

    monkeypatch.setattr(gpt2_ml, "log_probabilities", halves)
    found = gpt2_ml.perplexities(None, numbers, {"couplets": texts})
    # 冬 is unknown, and does not count in the second lines
    assert found["couplets: perplexity of second lines"] == pytest.approx(4)
    expected = np.log([2, 2, 4, 4, 2, 10])
    assert found["couplets: perplexity of characters"] == pytest.approx(np.exp(expected.mean()))
    assert found["couplets: nats a text, of its characters"] == pytest.approx(expected.sum() / 2)
    assert found["couplets: unknown share"] == pytest.approx(1 / 12)


def test_of_long_texts_the_beginning_counts(gpt, monkeypatch):
    monkeypatch.setattr(gpt2_ml, "POSITIONS", 9)
    numbers = {"[UNK]": 1, "。": 2, "春": 3}
    found = [gpt2_ml.perplexities(gpt, numbers, {"texts": ["春" * count]}) for count in (9, 30)]
    assert found[0] == pytest.approx(found[1])


def test_a_continuation_is_sampled_from_the_likeliest_and_ends_late_enough():
    def logits(tokens):
        """3 after each text, less often 4, which is the end, and 5."""
        found = np.zeros((*tokens.shape, 6))
        found[:, :, 3], found[:, :, 4], found[:, :, 5] = 3.0, 2.0, 1.0
        return found

    np.random.seed(0)
    decoder = gpt2_ml.Continuation(logits, end=4, least=5, most=9)
    results = decoder.random_sample([[1, 2]], 200, topk=2)
    assert {int(token) for ids in results for token in ids} == {3, 4}
    lengths = [len(ids) for ids in results]
    assert min(lengths) == 5 and max(lengths) == 9
    assert all(ids[-1] == 4 for ids in results if len(ids) < 9)
    share = np.mean([ids[0] == 3 for ids in results])
    assert share == pytest.approx(np.exp(3) / (np.exp(3) + np.exp(2)), abs=0.1)
    # p(3) = .59 of all, so 0.5 is reached by token 3 alone
    nucleus = decoder.random_sample([[1, 2]], 20, topp=0.5)
    assert {int(token) for ids in nucleus for token in ids} == {3}


def test_a_small_model_learns_a_text_by_heart():
    numbers = legacy_keras.vocabulary(["春风秋雨夏云冬雪。"], ["。"])
    texts = [gpt2_ml.encode(text, numbers) for text in ("春风秋雨。", "夏云冬雪。")] * 300
    _, gpt = gpt2_ml.build_gpt(len(numbers), width=16, depth=1)
    curve = gpt2_ml.train(gpt, texts, 8, 2, 1e-2, seed=0)
    assert curve[-1][1] < 0.3 < curve[0][1]
    assert len(curve) == 80 and curve[-1][0] == 8 * 23 * 128
    tests = {"texts": ["春风秋雨。", "夏云冬雪。"]}
    found = gpt2_ml.perplexities(gpt, numbers, tests)
    # log 2 for which of the two, and hardly anything for the rest
    assert np.log(2) - 0.05 < found["texts: nats a text, with its marks"] < 1.2


def test_options_that_do_not_fit():
    config = types.SimpleNamespace(least=9, most=8, seed=0)
    with pytest.raises(InputError, match="--least expects at most --most, 8. Received: 9"):
        gpt2_ml.demo(config)


# ------------------------------------------------------------------------------------------------- drop_token

BERT = {**drop_token.small_bert(20, 32, 2, positions=12), "hidden_dropout_prob": 0.0}


def hidden(draw, rate, shorten):
    """A small BERT whose DropToken draws these numbers, as a function of tokens in training."""
    bert = legacy_keras.build(drop_token.bert_with(rate, shorten), BERT, seed=1)
    layer = bert.layers["Drop-Token"]
    layer.draw = lambda shape: tf.constant(draw, "float32")
    return layer, lambda tokens: bert.model([tokens, np.zeros_like(tokens)], training=True)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.8])
def test_shorter_sequences_and_masked_columns_have_the_same_outputs(rate):
    """The twin: every token is there, and those that are dropped are hidden from all attention."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 20, (3, 10)).astype("int32")
    tokens[1, 6:] = tokens[2, 3:] = 0                                           # padding
    draw = rng.random((3, 10))
    layer, short = hidden(draw, rate, True)
    _, whole = hidden(draw, rate, False)
    places = layer.chosen(tf.constant(tokens > 0)).numpy()
    after, before = short(tokens).numpy(), whole(tokens).numpy()
    assert after.shape[1] == places.shape[1] == np.ceil(10 * (1 - rate)) and before.shape[1] == 10
    for row, real in enumerate((10, 6, 3)):
        stays = [place for place in places[row] if place < 10]
        assert len(stays) == max(1, np.ceil(real * (1 - rate) - 1e-9))
        assert stays[0] == 0 and stays == sorted(set(stays)) and max(stays) < real
        # those with the smallest numbers, besides the first
        others = sorted(range(1, real), key=lambda place: draw[row, place])
        assert set(stays) == {0, *others[:len(stays) - 1]}
        np.testing.assert_allclose(after[row, :len(stays)], before[row, stays], atol=1e-5)


def test_positions_stay_and_tokens_change_nothing_once_dropped():
    """Outputs depend on the tokens that stay, and on where they stand."""
    draw = np.array([[0.9, 0.1, 0.8, 0.2, 0.7, 0.3]])
    _, short = hidden(draw, 0.5, True)
    tokens = np.array([[2, 7, 8, 9, 10, 11]], "int32")                           # 0, 1 and 3 stay
    before = short(tokens).numpy()
    np.testing.assert_allclose(short(np.array([[2, 7, 15, 9, 16, 17]], "int32")).numpy(), before, atol=1e-6)
    _, shifted = hidden(np.array([[0.9, 0.1, 0.2, 0.8, 0.7, 0.3]]), 0.5, True)
    moved = shifted(np.array([[2, 7, 9, 8, 10, 11]], "int32")).numpy()           # 9 stays at place 2
    assert np.abs(moved - before).max() > 1e-3


def test_inference_drops_nothing_and_training_draws_anew():
    layer, x = drop_token.DropToken(0.5), tf.random.normal((2, 8, 4))
    np.testing.assert_array_equal(layer(x, training=False), x)
    found = {tuple(layer(x, training=True).numpy()[0, :, 0]) for _ in range(20)}
    assert len(found) > 5 and {len(row) for row in found} == {4}
    first = {row[0] for row in found}
    assert len(first) == 1                                                       # [CLS]
    np.testing.assert_array_equal(drop_token.DropToken(0.0)(x, training=True), x)


def test_every_token_but_the_first_stays_equally_often():
    layer = drop_token.DropToken(0.4)
    places = layer.chosen(tf.ones((20_000, 10), bool)).numpy()
    shares = np.bincount(places.ravel(), minlength=11) / 20_000
    assert shares[0] == 1 and shares[10] == 0
    np.testing.assert_allclose(shares[1:10], 5 / 9, atol=0.02)


@pytest.mark.parametrize("options, message", [
    ({"rate": 1.0}, "rate expects a share from 0 to below 1. Received: rate=1.0"),
    ({"rate": 0.1, "keep_first": -1}, "keep_first expects at least 0. Received: keep_first=-1"),
])
def test_what_the_layer_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        drop_token.DropToken(**options)


def test_the_layer_is_saved_with_a_model(tmp_path):
    x = keras.Input((None, 4))
    model = keras.Model(x, drop_token.DropToken(0.25, keep_first=2)(x))
    model.save(tmp_path / "model.keras")
    layer = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    assert (layer.rate, layer.keep_first, layer.shorten) == (0.25, 2, True)


def test_expected_embeddings_are_the_mean_of_mlm_corruption():
    rng = np.random.default_rng(0)
    embeddings, mask_id = rng.normal(size=(6, 3)), 4
    found = drop_token.expected_embeddings(embeddings, mask_id)
    count = 400_000
    for token in (0, 4, 5):
        chosen, kind = rng.random(count) < 0.15, rng.random(count)
        shown = np.full(count, token)
        shown[chosen & (kind < 0.8)] = mask_id
        replaced = chosen & (kind >= 0.9)
        shown[replaced] = rng.integers(0, 6, replaced.sum())
        deviation = embeddings.std(axis=0).max() / np.sqrt(count)
        np.testing.assert_allclose(found[token], embeddings[shown].mean(axis=0), atol=5 * deviation)
    some = drop_token.expected_embeddings(embeddings, mask_id, averaged=[5])
    np.testing.assert_allclose(some - found, 0.015 * (embeddings[5] - embeddings.mean(axis=0)) + 0 * found,
                               atol=1e-12)


def test_a_classifier_takes_weights_and_corrects_them(tmp_path):
    config = {**BERT, "vocab_size": 6}
    bert = legacy_keras.build("bert", config, seed=3)
    arrays = legacy_keras.arrays_of(bert)
    model = drop_token.build_classifier(config, 0.5, checkpoint=arrays, expected=4)
    before = arrays["bert/embeddings/word_embeddings"]
    after = next(w for w in model.weights if w.shape == before.shape).numpy()
    np.testing.assert_allclose(after, drop_token.expected_embeddings(before, 4), atol=1e-6)
    assert model(np.array([[2, 1, 3]], "int32")).shape == (1, 1)


# -------------------------------------------------------------------------------------------- question_answer

TRIPLE = triples.Triple("白云山在广州", "广州", "山在哪")


def pairs_numbers():
    return legacy_keras.vocabulary(["".join(TRIPLE)])


@pytest.fixture(scope="module")
def network():
    numbers = pairs_numbers()
    config = {**question_answer.small_config(len(numbers), 32, 2), "hidden_dropout_prob": 0.0}
    return question_answer.build_network(config, seed=1)[1]


def test_unilm_mask_is_its_definition():
    segments = [0, 0, 0, 1, 1]
    seen = {(i, j) for i in range(5) for j in range(5) if j < 3 or 3 <= j <= i}
    found = question_answer.unilm_mask(np.array([segments, [0, 1, 1, 1, 1]]))
    assert {tuple(place) for place in np.argwhere(found[0])} == seen
    assert {tuple(place) for place in np.argwhere(found[1])} == {
        (i, j) for i in range(5) for j in range(5) if j == 0 or j <= i}


def test_the_network_sees_what_the_mask_says(network):
    """Another token at j changes what is written after i where the mask lets i see j, and only there."""
    encoded = question_answer.encode(TRIPLE, pairs_numbers())
    tokens, segments = (np.array([encoded[name]], "int32") for name in ("tokens", "segments"))
    places = np.arange(tokens.shape[1], dtype="int32")[None]
    mask = question_answer.unilm_mask(segments[0])
    before = network.predict_on_batch([tokens, segments, places])[0]
    for j in range(tokens.shape[1]):
        other = tokens.copy()
        other[0, j] = 4 + (other[0, j] + 3) % 8
        changed = np.abs(network.predict_on_batch([other, segments, places])[0] - before).max(axis=1)
        # two layers of attention: i sees j through any k that it sees
        np.testing.assert_array_equal(changed > 1e-7, (mask @ mask)[:, j])


def test_a_triple_as_tokens():
    numbers = pairs_numbers()
    names = {number: token for token, number in numbers.items()}
    for order, written in (("aq", ["广州", "山在哪"]), ("qa", ["山在哪", "广州"])):
        encoded = question_answer.encode(TRIPLE, numbers, order)
        expected = ["[CLS]", *"白云山在广州", "[SEP]", *written[0], "[SEP]", *written[1], "[SEP]"]
        assert [names[number] for number in encoded["tokens"]] == expected
        assert encoded["segments"] == [0] * 8 + [1] * 7 and encoded["first"] == len(written[0]) + 1
        assert encoded["targets"] == [encoded["tokens"][place + 1] for place in encoded["places"]]
        assert [encoded["segments"][place + 1] for place in encoded["places"]] == [1] * 7


def test_nats_are_those_of_the_softmax(network):
    numbers = pairs_numbers()
    other = triples.Triple("广州", "州", "哪山在州")
    for order in ("aq", "qa"):
        encoded = [question_answer.encode(triple, numbers, order) for triple in (TRIPLE, other)]
        found, tokens = question_answer.nats(network, encoded, order)
        assert tokens == {"answer": 3 + 2, "question": 4 + 5}
        for row, (triple, one) in enumerate(zip((TRIPLE, other), encoded)):
            x, y = question_answer.arrays([one])
            logits = network.predict_on_batch(x)[0].astype("float64")
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            losses = -np.log(p[np.arange(len(y[0])), y[0]])
            answer = slice(len(triple.answer) + 1) if order == "aq" else slice(len(triple.question) + 1, None)
            assert found["answer"][row] == pytest.approx(losses[answer].sum(), abs=1e-4)
            assert found["question"][row] == pytest.approx(losses.sum() - losses[answer].sum(), abs=1e-4)


def test_padding_changes_no_loss(network):
    numbers = pairs_numbers()
    long = question_answer.encode(TRIPLE, numbers)
    short = question_answer.encode(triples.Triple("广州", "州", "哪"), numbers)
    alone, _ = question_answer.nats(network, [short], "aq")
    both, _ = question_answer.nats(network, [long, short], "aq")
    assert both["question"][1] == pytest.approx(alone["question"][0], abs=1e-4)
    y, logits = np.array([[3, 1, 0]], "int32"), np.zeros((1, 3, 5), "float32")
    assert float(question_answer.masked_loss(y, logits)) == pytest.approx(np.log(5))


def test_allowed_next_is_what_keeps_a_span_possible():
    passage = list("abcabd")
    spans = {tuple(passage[i:j]) for i in range(6) for j in range(i + 1, 7)}
    for begun in [(), *spans]:
        longer = {span[len(begun)] for span in spans if span[:len(begun)] == begun and len(span) > len(begun)}
        expected = longer | {"end"} if begun else longer
        assert question_answer.allowed_next(passage, list(begun), "end") == expected


def test_pairs_come_from_the_network_and_spans_from_the_passage(network):
    numbers = pairs_numbers()
    np.random.seed(0)
    for spans in (False, True):
        decoder = question_answer.Pairs(network, numbers, spans)
        found = [pair for _ in range(3) for pair in decoder.pairs(TRIPLE.passage, 5, beam=2)]
        assert found and all("[" not in answer + question for answer, question in found)
        if spans:
            assert all(answer in TRIPLE.passage for answer, _ in found)


def test_a_network_learns_pairs_by_heart_and_writes_them():
    numbers = legacy_keras.vocabulary(["甲乙丙丁哪里谁"])
    known = [triples.Triple("甲在乙", "乙", "甲哪里"), triples.Triple("丙在丁", "丙", "谁丁")]
    config = {**question_answer.small_config(len(numbers), 32, 2), "hidden_dropout_prob": 0.0}
    settings = types.SimpleNamespace(seed=0, batch_size=8, epochs=12, learning_rate=5e-3)
    trained = question_answer.train_order("aq", known * 60, numbers, settings, config, None)
    for triple in known:
        pairs = question_answer.Pairs(trained, numbers).pairs(triple.passage, 3)
        assert pairs == [(triple.answer, triple.question)]


def test_templates_ask_for_a_span():
    rng = np.random.default_rng(0)
    for _ in range(50):
        answer, question = question_answer.templates("白云山坐落在广州，主峰海拔382米。", rng)
        word = "多少" if answer.isdigit() else "什么"
        assert question.replace(word, answer)[:-1] in ("白云山坐落在广州", "主峰海拔382米")
        assert answer == "382" if word == "多少" else 2 <= len(answer) <= 4


def test_same_answer_ignores_marks():
    assert question_answer.same_answer("《广州》", "广州") == (1.0, 1.0)
    assert question_answer.same_answer("广州市", "广州") == (0.0, 0.8)
    assert question_answer.same_answer("", "广州") == (0.0, 0.0)


def test_order_metrics():
    measured = {order: ({"answer": np.array([1.0, 3.0]), "question": np.array([values, 6.0])},
                        {"answer": 4, "question": 8}) for order, values in (("aq", 4.0), ("qa", 8.0))}
    found = question_answer.order_metrics(measured)
    assert found["aq: nats of both"] == pytest.approx(7)
    assert found["qa − aq: nats of both"] == pytest.approx(2)
    assert found["aq: perplexity of the answer"] == pytest.approx(np.e)
    assert found["qa − aq: standard error"] == pytest.approx(2)


@pytest.mark.parametrize("content, message", [
    ("[]", "Received: 0 questions, 0 to train on"),
    ('[{"question": 3, "passages": []}]', "should hold questions with answers|as dgcnn reads them"),
    ('{"data": 3}', "in the author's format or SQuAD's"),
    ("[", "in the author's format or SQuAD's"),
])
def test_files_that_are_no_questions(content, message, tmp_path):
    (tmp_path / "a.json").write_text(content, "utf-8")
    with pytest.raises(InputError, match=message):
        triples.load_triples(str(tmp_path / "a.json"))


def test_pieces_are_whole_clauses_around_the_answer():
    passage = "一二三。四五六七，八九。十一十二"
    for most in range(3, 17):
        piece = triples.piece_around(passage, 5, 7, most)                        # 五六
        if most < 5:
            assert piece is None
        else:
            assert "五六" in piece and len(piece) <= most and piece in passage
            assert piece[-1] in "，。二" and piece[0] in "一四"
    assert triples.piece_around(passage, 5, 7, 100) == passage


@pytest.mark.parametrize("script, options, message", [
    (gpt2_ml, "--epochs 0", "--epochs expects 1 to 1,000. Received: 0"),
    (gpt2_ml, "--data /nowhere", "expected a text file. Received: /nowhere"),
    (drop_token, "--limit 1", "--limit expects 40 to 10,000,000. Received: 1"),
    (question_answer, "--longest 5", "--longest expects 20 to 126. Received: 5"),
])
def test_options_that_cannot_be_used_are_one_line(tmp_path, monkeypatch, capsys, script, options, message):
    monkeypatch.setattr(sys, "argv", ["script.py", *options.split(), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="^2$"):
        script.main()
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())
