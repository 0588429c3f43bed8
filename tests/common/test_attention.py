"""common/attention.py against loops in float64 and sequences without any padding."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from common.attention import AttentionPooling1D


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def pooled_by_loops(x, kernel, bias, direction, act):
    """One sequence (time, channels) by the definition: no masks. Returns (λ, y)."""
    scores = []
    for step in x:
        hidden = [act(sum(step[c] * kernel[c, u] for c in range(len(step))) + bias[u]) for u in range(kernel.shape[1])]
        scores.append(sum(h * direction[u, 0] for u, h in enumerate(hidden)))
    powers = np.exp(np.array(scores) - max(scores))
    weights = powers / powers.sum()
    return weights, sum(weight * step for weight, step in zip(weights, x))


def layer_with_biases(rng, channels, **options):
    layer = AttentionPooling1D(**options)
    layer.build((None, None, channels))
    if layer.bias is not None:
        layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer


@pytest.mark.parametrize("units, activation, use_bias", [(None, "tanh", False), (3, "tanh", True), (6, "silu", True)])
def test_pooling_is_the_loop(units, activation, use_bias):
    rng = np.random.default_rng(0)
    layer = layer_with_biases(rng, 4, units=units, activation=activation, use_bias=use_bias)
    kernel, direction = (numpy(w).astype("float64") for w in (layer.kernel, layer.direction))
    bias = numpy(layer.bias).astype("float64") if use_bias else np.zeros(units or 4)
    act = {"tanh": np.tanh, "silu": lambda t: t / (1 + np.exp(-t))}[activation]
    x, lengths = rng.normal(size=(3, 9, 4)).astype("float32"), [9, 5, 1]
    mask = np.arange(9) < np.array(lengths)[:, None]
    padded = np.where(mask[..., None], x, np.nan).astype("float32")                # padding may hold anything
    y, weights = numpy(layer(padded, mask=mask)), numpy(layer.distribution(padded, mask))
    for row, out, weight, length in zip(x.astype("float64"), y, weights, lengths):
        expected_weights, expected = pooled_by_loops(row[:length], kernel, bias, direction, act)
        np.testing.assert_allclose(out, expected, atol=1e-5)
        np.testing.assert_allclose(weight[:length], expected_weights, atol=1e-6)
        assert not weight[length:].any()
    np.testing.assert_allclose(numpy(layer(x)), numpy(layer(x, mask=np.ones((3, 9), bool))), atol=1e-6)


def test_padding_changes_nothing_and_nothing_but_padding_gives_zeros():
    keras.utils.set_random_seed(0)
    characters = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(11, 8, mask_zero=True)(characters)
    pooled = AttentionPooling1D()(x)
    assert getattr(pooled, "_keras_mask", None) is None and pooled.shape == (None, 8)
    model = keras.Model(characters, pooled)
    row = np.array([[3, 1, 4, 1, 5]])
    padded = np.concatenate([np.pad(row, [[0, 0], [0, 40]]), np.zeros((1, 45), int)])
    y = numpy(model(padded))
    np.testing.assert_allclose(y[:1], numpy(model(row)), atol=1e-6)
    assert not y[1].any()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_near_float32_whatever_is_padded(policy):
    """A sum in float16 would lose small weights of a long sequence, and −10¹² is −∞ there."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 3000, 8)).astype("float32")
    mask = np.arange(3000) < np.array([[3000], [3], [0]])
    exact = layer_with_biases(rng, 8, use_bias=True)
    half = AttentionPooling1D(use_bias=True, dtype=policy)
    half.build(x.shape)
    half.set_weights([numpy(w) for w in exact.weights])
    y = half(ops.cast(x, half.compute_dtype), mask=mask)
    assert keras.backend.standardize_dtype(y.dtype) == half.compute_dtype
    np.testing.assert_allclose(numpy(ops.cast(y, "float32")), numpy(exact(x, mask=mask)), atol=0.03)
    weights = numpy(half.distribution(ops.cast(x, half.compute_dtype), mask))
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 0], atol=1e-4)


def test_gradients_are_finite_at_zero_at_huge_inputs_and_without_a_real_step():
    inputs, mask = keras.Input((None, 4)), keras.Input((None,), dtype="bool")
    model = keras.Model([inputs, mask], AttentionPooling1D(activation="silu", use_bias=True)(inputs, mask=mask))
    model.compile(keras.optimizers.SGD(1e-30), "mse")
    for x in (np.zeros((2, 3, 4), "float32"), np.full((2, 3, 4), 1e6, "float32")):
        model.fit([x, np.array([[True, True, False], [False] * 3])], x[:, 0], verbose=0)
        assert all(np.isfinite(numpy(w)).all() for w in model.weights)


@pytest.mark.parametrize("jit_compile", [True] if keras.backend.backend() == "jax" else [False, True])
def test_learns_where_to_look_and_loads_in_a_fresh_process(tmp_path, jit_compile):
    """The vector beside the mark, wherever it stands: only attention can find it."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, marked = rng.normal(size=(256, 12, 4)).astype("float32"), rng.integers(0, 12, 256)
    x[..., 0] = np.arange(12) == marked[:, None]
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, AttentionPooling1D(units=8)(inputs))
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=jit_compile)
    losses = model.fit(x, x[np.arange(256), marked], epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0]
    if jit_compile:      # once is enough
        return
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    code = ("import keras, numpy\nfrom common.attention import AttentionPooling1D\n"
            "model = keras.models.load_model('model.keras')\nnumpy.save('y.npy', model(numpy.load('x.npy')))\n"
            "print(model.layers[1].units, model.layers[1].use_bias)")
    root = next(path for path in sys.path if (pathlib.Path(path) / "common/attention.py").exists())
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-2:] == ["8", "False"]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), numpy(model(x)), atol=1e-5)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="units expects.*Received: units=0"):
        AttentionPooling1D(units=0)
    with pytest.raises(ValueError, match=r"\(batch, time, channels\).*Received: shape=\(3, 4\)"):
        AttentionPooling1D()(np.zeros((3, 4), "float32"))


def test_parameters_are_those_of_the_article():
    layer = AttentionPooling1D()
    layer.build((None, None, 128))
    assert layer.count_params() == 128 * 128 + 128
    assert AttentionPooling1D().compute_output_shape((None, 5, 3)) == (None, 3)
