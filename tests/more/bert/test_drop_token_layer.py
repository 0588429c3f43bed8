"""more/bert/drop_token_layer.py on Keras 3 against loops, and against attention that does not see what is
dropped."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from common.attention import SelfAttention
from more.bert.drop_token_layer import DropToken


def stays(real, draw, rate, keep_first):
    """The places that stay in a row with so many real tokens, one token after the other."""
    count = min(real, max(keep_first, int(np.ceil(round(real * (1 - rate), 6)))))
    others = sorted(range(keep_first, real), key=lambda place: draw[place])
    return sorted([*range(min(keep_first, real)), *others][:count])


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("keep_first", [0, 1, 2])
def test_chosen_places_are_those_of_the_loop(rate, keep_first):
    rng = np.random.default_rng(0)
    lengths, draw = [10, 7, 3, 1, 0], rng.random((5, 10)).astype("float32")
    mask = np.arange(10) < np.array(lengths)[:, None]
    found = ops.convert_to_numpy(DropToken(rate, keep_first).chosen(ops.convert_to_tensor(mask), draw))
    for row, real, numbers in zip(found, lengths, draw):
        expected = stays(real, numbers, rate, keep_first)
        np.testing.assert_array_equal(row, expected + [10] * (len(row) - len(expected)))
    assert found.shape[1] == len(stays(10, draw[0], rate, keep_first))


def test_attention_behind_it_is_attention_that_sees_nothing_else():
    """The twin of the article: columns of the attention matrix are 0."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 8, 16)).astype("float32")
    mask = np.arange(8) < np.array([8, 6, 3])[:, None]
    layer, attention = DropToken(0.4), SelfAttention(num_heads=2)
    draw = rng.random((3, 8)).astype("float32")
    keras_uniform, keras.random.uniform = keras.random.uniform, lambda shape, seed: draw
    try:
        y, kept = layer(x, mask=mask, training=True)
    finally:
        keras.random.uniform = keras_uniform
    after = ops.convert_to_numpy(attention(y, mask=kept))
    places = [stays(real, numbers, 0.4, 1) for real, numbers in zip((8, 6, 3), draw)]
    seen = np.zeros((3, 8), bool)
    for row, chosen in zip(seen, places):
        row[chosen] = True
    before = ops.convert_to_numpy(attention(x, mask=seen))
    for row, chosen in enumerate(places):
        np.testing.assert_allclose(after[row, :len(chosen)], before[row, chosen], atol=1e-5)
        np.testing.assert_array_equal(kept[row], np.arange(after.shape[1]) < len(chosen))


def test_inference_drops_nothing():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    mask = np.arange(5) < np.array([[5], [3]])
    for y, kept in (DropToken(0.5)(x, mask=mask), DropToken(0.0)(x, mask=mask, training=True)):
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(kept, mask)


def test_the_seed_decides_and_each_call_draws_anew():
    x = np.arange(24, dtype="float32").reshape(1, 12, 2)
    draws = []
    for _ in range(2):
        layer = DropToken(0.5, seed=3)
        draws.append([ops.convert_to_numpy(layer(x, training=True)[0]).tolist() for _ in range(4)])
    assert draws[0] == draws[1] and draws[0][0] != draws[0][1]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_model_with_it_trains_saves_and_loads(jit_compile, tmp_path):
    tokens = keras.Input((9,), dtype="int32")
    x = layers.Embedding(20, 8, mask_zero=True)(tokens)
    x, mask = DropToken(0.3)(x)
    x = SelfAttention(num_heads=2)(x, mask=mask)
    model = keras.Model(tokens, layers.Dense(1)(x[:, 0]))
    model.compile("adam", "mse", jit_compile=jit_compile)
    rng = np.random.default_rng(0)
    numbers = rng.integers(1, 20, (16, 9)).astype("int32")
    numbers[:8, 5:] = 0
    history = model.fit(numbers, rng.normal(size=(16, 1)), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    before, after = (each.predict(numbers, verbose=0) for each in (model, again))
    np.testing.assert_allclose(before, after, atol=1e-6)


@pytest.mark.parametrize("options, message", [
    ({"rate": 1.0}, "rate expects a share from 0 to below 1. Received: rate=1.0"),
    ({"rate": 0.1, "keep_first": -1}, "keep_first expects a whole number, at least 0. Received: .*-1"),
])
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DropToken(**options)
    with pytest.raises(ValueError, match="mask expects"):
        DropToken(0.5)(np.zeros((2, 4, 3)), mask=np.ones((2, 4, 4), bool), training=True)
