"""common/gated_conv.py against loops over steps and channels in float64, and against sequences without any padding."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from common.gated_conv import GatedConv1D, gated_conv_stack

VARIANTS = [("plain", "keep"), ("residual", "keep"), ("highway", "keep"), ("highway", "replace")]


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def by_loops(x, kernel, bias, combination, open_gate, rate, causal):
    """One sequence (time, channels) by the definition: no convolution, no masks."""
    time, size, filters = len(x), len(kernel), kernel.shape[-1] // 2
    y = np.zeros((time, filters))
    for t in range(time):
        out = np.array(bias, "float64")
        for k in range(size):
            before = size - 1 if causal else (size - 1) // 2
            if 0 <= (source := t + (k - before) * rate) < time:
                for c in range(x.shape[1]):
                    out += x[source, c] * kernel[k, c]
        for c in range(filters):
            a, b = out[c], out[filters + c]
            y[t, c] = {"plain": lambda: a * sigmoid(b), "residual": lambda: a * sigmoid(b) + x[t, c],
                       "highway": lambda: x[t, c] * sigmoid(b) + a * sigmoid(-b) if open_gate == "keep"
                       else x[t, c] * sigmoid(-b) + a * sigmoid(b)}[combination]()
    return y


def layer_with_biases(rng, channels, **options):
    layer = GatedConv1D(**options)
    layer.build((None, None, channels))
    if layer.bias is not None:
        layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer


@pytest.mark.parametrize("combination, open_gate, rate, causal, size", [
    ("plain", "keep", 1, False, 3), ("residual", "keep", 2, False, 3), ("highway", "keep", 1, True, 2),
    ("highway", "replace", 3, False, 5), ("plain", "replace", 4, True, 3)])
def test_the_layer_is_the_loop(combination, open_gate, rate, causal, size):
    rng = np.random.default_rng(0)
    filters = 5 if combination == "plain" else None
    layer = layer_with_biases(rng, 4, filters=filters, kernel_size=size, combination=combination, open_gate=open_gate,
                              dilation_rate=rate, causal=causal)
    kernel, bias = (numpy(w).astype("float64") for w in (layer.kernel, layer.bias))
    x = rng.normal(size=(3, 9, 4)).astype("float32")
    lengths = [9, 5, 1]
    mask = np.arange(9) < np.array(lengths)[:, None]
    y = numpy(layer(np.where(mask[..., None], x, np.nan), mask=mask))             # padding may hold anything
    for row, out, length in zip(x, y, lengths):
        expected = by_loops(row[:length].astype("float64"), kernel, bias, combination, open_gate, rate, causal)
        np.testing.assert_allclose(out[:length], expected, atol=1e-5)
        assert not out[length:].any()


def test_the_two_highways_differ_by_the_sign_of_the_gate():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 4)).astype("float32")
    keep, replace = (layer_with_biases(rng, 4, combination="highway", open_gate=way) for way in ("keep", "replace"))
    replace.set_weights([np.concatenate([w[..., :4], -w[..., 4:]], axis=-1) for w in map(numpy, keep.weights)])
    np.testing.assert_allclose(numpy(keep(x)), numpy(replace(x)), atol=1e-6)


@pytest.mark.parametrize("combination, open_gate, expected", [
    ("plain", "keep", "value"), ("highway", "keep", "input"), ("highway", "replace", "value")])
def test_what_an_open_gate_lets_through(combination, open_gate, expected):
    layer = layer_with_biases(np.random.default_rng(0), 3, combination=combination, open_gate=open_gate)
    kernel = np.zeros((3, 3, 6), "float32")
    layer.set_weights([kernel, np.array([7, 7, 7, 50, 50, 50], "float32")])       # A = 7, σ(B) = 1
    x = np.ones((1, 4, 3), "float32")
    np.testing.assert_allclose(numpy(layer(x)), 7 if expected == "value" else 1, rtol=1e-6)


def test_padding_leaks_nowhere_through_a_stack():
    """A row alone, padded, and padded with other rubbish: the same output and the same gradient."""
    keras.utils.set_random_seed(0)
    characters = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(11, 8, mask_zero=True)(characters)
    model = keras.Model(characters, gated_conv_stack(x, [1, 2, 4, 1], combination="highway"))
    row = np.array([[3, 1, 4, 1, 5, 9, 2]])
    padded = np.concatenate([np.pad(row, [[0, 0], [0, 6]]), np.full((1, 13), 7)])
    alone, together = numpy(model(row)), numpy(model(padded))
    np.testing.assert_allclose(together[:1, :7], alone, atol=1e-6)
    assert not together[0, 7:].any()

    dense = keras.Input((None, 8))
    mask = keras.Input((None,), dtype="bool")
    layer = GatedConv1D(combination="residual")
    both = keras.Model([dense, mask], layer(dense, mask=mask))
    x = np.random.default_rng(0).normal(size=(1, 9, 8)).astype("float32")
    real = np.arange(9)[None] < 5
    other = np.where(real[..., None], x, 1e30).astype("float32")
    np.testing.assert_array_equal(numpy(both([x, real])), numpy(both([other, real])))
    np.testing.assert_allclose(numpy(both([x, real]))[:, :5], numpy(layer(x[:, :5])), atol=1e-6)


def test_the_mask_is_handed_on():
    x = keras.layers.Embedding(5, 4, mask_zero=True)(np.array([[1, 2, 0]]))
    y = GatedConv1D(combination="residual")(x)
    np.testing.assert_array_equal(numpy(y._keras_mask), [[True, True, False]])


def test_a_causal_stack_does_not_see_the_future_and_the_field_is_as_stated():
    x = np.zeros((1, 41, 2), "float32")
    for causal, rates, seen in [(True, [1, 2, 4], range(20, 20 + 15)), (False, [1] * 6, range(14, 27))]:
        inputs = keras.Input((None, 2))
        model = keras.Model(inputs, gated_conv_stack(inputs, rates, causal=causal, combination="residual"))
        other = x.copy()
        other[0, 20] = 1
        changed = np.abs(numpy(model(other)) - numpy(model(x))).max(axis=(0, 2)) > 0
        assert np.flatnonzero(changed).tolist() == list(seen)


def test_dropout_is_on_the_logits_of_the_gates_and_in_training_only():
    layer = layer_with_biases(np.random.default_rng(0), 500, combination="plain", gate_dropout=0.25, seed=1)
    layer.set_weights([np.zeros((3, 500, 1000), "float32"), np.repeat([1, 3], 500).astype("float32")])   # A = 1, B = 3
    x = np.zeros((20, 10, 500), "float32")
    np.testing.assert_allclose(numpy(layer(x)), sigmoid(3), rtol=1e-5)
    y = numpy(layer(x, training=True))
    dropped = np.isclose(y, 0.5)
    np.testing.assert_allclose(y[~dropped], sigmoid(3 / 0.75), rtol=1e-5)
    assert dropped.mean() == pytest.approx(0.25, abs=0.01)
    assert np.abs(y - numpy(layer(x, training=True))).max() > 0.1                  # other gates in the next step


def test_gradients_are_finite_at_zero_and_at_huge_inputs():
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, keras.layers.Add()([
        GatedConv1D(combination=combination, open_gate=open_gate)(inputs) for combination, open_gate in VARIANTS]))
    model.compile(keras.optimizers.SGD(1e-30), "mse")
    for x in (np.zeros((2, 3, 4), "float32"), np.full((2, 3, 4), 1e6, "float32")):
        model.fit(x, x, verbose=0)
        assert all(np.isfinite(numpy(w)).all() for w in model.weights)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_near_float32(policy):
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(2, 8, 16)).astype("float32"), np.arange(8) < np.array([[8], [3]])
    exact = layer_with_biases(rng, 16, combination="highway", dilation_rate=2)
    half = GatedConv1D(combination="highway", dilation_rate=2, gate_dropout=0.1, dtype=policy)
    half.build(x.shape)
    half.set_weights([numpy(w) for w in exact.weights] + [numpy(w) for w in half.weights[2:]])
    y = half(ops.cast(x, half.compute_dtype), mask=mask)
    assert keras.backend.standardize_dtype(y.dtype) == half.compute_dtype
    np.testing.assert_allclose(numpy(ops.cast(y, "float32")), numpy(exact(x, mask=mask)), atol=0.05)
    half(ops.cast(x, half.compute_dtype), mask=mask, training=True)


@pytest.mark.parametrize("jit_compile", [True] if keras.backend.backend() == "jax" else [False, True])
def test_trains_and_loads_in_a_fresh_process(tmp_path, jit_compile):
    keras.utils.set_random_seed(0)
    characters = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 16, mask_zero=True)(characters)
    x = gated_conv_stack(x, [1, 2], combination="highway", open_gate="replace", gate_dropout=0.1, seed=3)
    model = keras.Model(characters, keras.layers.Dense(9)(x))
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(True, ignore_class=0),
                  jit_compile=jit_compile)
    rng = np.random.default_rng(0)
    y = rng.integers(1, 9, (64, 10)) * (np.arange(10) < rng.integers(3, 11, (64, 1)))
    losses = model.fit(np.roll(y, 1, axis=1) * (y > 0), y, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    if jit_compile:      # once is enough
        return
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", y)
    code = ("import keras, numpy, sys\nfrom common.gated_conv import GatedConv1D\n"
            "model = keras.models.load_model('model.keras')\nnumpy.save('y.npy', model(numpy.load('x.npy')))\n"
            "layer = model.layers[3]\nprint(layer.dilation_rate, layer.open_gate, layer.gate_dropout, layer.seed)")
    root = next(path for path in sys.path if (pathlib.Path(path) / "common/gated_conv.py").exists())
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-4:] == ["2", "replace", "0.1", "3"]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), numpy(model(y)), atol=1e-5)


@pytest.mark.parametrize("options, message", [
    ({"combination": "glu"}, "combination expects one of plain, residual, highway.*Received: combination='glu'"),
    ({"open_gate": "shut"}, "open_gate expects keep or replace.*Received"),
    ({"gate_dropout": 1}, "gate_dropout expects.*Received: gate_dropout=1"),
    ({"kernel_size": 0}, "kernel_size expects.*Received: kernel_size=0"),
    ({"dilation_rate": 1.5}, "dilation_rate expects.*Received: dilation_rate=1.5"),
    ({"combination": "residual", "filters": 5}, "the 4 channels of the input.*Received: filters=5"),
])
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        GatedConv1D(**options)(np.zeros((1, 3, 4), "float32"))


def test_a_wrong_rank_is_named():
    with pytest.raises(ValueError, match=r"\(batch, time, channels\).*Received: shape=\(3, 4\)"):
        GatedConv1D()(np.zeros((3, 4), "float32"))


def test_parameters_and_shapes_are_those_of_the_articles():
    layer = GatedConv1D(combination="highway")
    layer.build((None, None, 128))
    assert layer.count_params() == 3 * 128 * 256 + 256
    poem = GatedConv1D(combination="residual", use_bias=False)
    poem.build((None, 10, 64))
    assert poem.count_params() == 3 * 64 * 128
    assert GatedConv1D(7).compute_output_shape((None, 5, 3)) == (None, 5, 7)
    assert GatedConv1D(7)(keras.Input((None, 3))).shape == (None, None, 7)
