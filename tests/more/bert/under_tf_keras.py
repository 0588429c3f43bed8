"""What more/bert runs on tf_keras; test_bert.py starts this in a process of its own."""

import types

import numpy as np
import pytest

from more.bert import gpt2_ml, legacy_keras
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
    assert legacy_keras.missing() is None


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
