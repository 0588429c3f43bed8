"""common/attention.py against loops in float64, Keras' own layer, and sequences without any padding."""

import ast
import math
import pathlib
import re

import keras
import numpy as np
import pytest
from keras import ops

from common import attention
from common.attention import (
    AttentionPooling1D,
    CrossAttention,
    SelfAttention,
    attend,
    decode,
    empty_cache,
    rotate,
)
from tests.common.helpers import COMPILED, built, load_elsewhere, numpy


def pooled_by_loops(x, kernel, bias, direction, act):
    """One sequence (time, channels) by the definition: no masks. Returns (λ, y)."""
    scores = []
    for step in x:
        score = 0.0
        for u in range(kernel.shape[1]):
            product = sum(step[c] * kernel[c, u] for c in range(len(step)))
            score += act(product + bias[u]) * direction[u, 0]
        scores.append(score)
    powers = np.exp(np.array(scores) - max(scores))
    weights = powers / powers.sum()
    return weights, sum(weight * step for weight, step in zip(weights, x))


@pytest.mark.parametrize("units, activation, use_bias", [
    (None, "tanh", False), (3, "tanh", True), (6, "silu", True)])
def test_pooling_is_the_loop(units, activation, use_bias):
    rng = np.random.default_rng(0)
    layer = built(AttentionPooling1D(units, activation, use_bias), rng, 4)
    kernel, direction = (numpy(w).astype("float64") for w in (layer.kernel, layer.direction))
    bias = numpy(layer.bias).astype("float64") if use_bias else np.zeros(units or 4)
    act = {"tanh": np.tanh, "silu": lambda t: t / (1 + np.exp(-t))}[activation]
    x, lengths = rng.normal(size=(3, 9, 4)).astype("float32"), [9, 5, 1]
    mask = np.arange(9) < np.array(lengths)[:, None]
    padded = np.where(mask[..., None], x, np.nan).astype("float32")      # padding may hold anything
    y, weights = numpy(layer(padded, mask=mask)), numpy(layer.distribution(padded, mask))
    for row, out, weight, length in zip(x.astype("float64"), y, weights, lengths):
        expected_weights, expected = pooled_by_loops(row[:length], kernel, bias, direction, act)
        np.testing.assert_allclose(out, expected, atol=1e-5)
        np.testing.assert_allclose(weight[:length], expected_weights, atol=1e-6)
        assert not weight[length:].any()
    without_padding = layer(x, mask=np.ones((3, 9), bool))
    np.testing.assert_allclose(numpy(layer(x)), numpy(without_padding), atol=1e-6)


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
    exact = built(AttentionPooling1D(use_bias=True), rng, 8)
    half = AttentionPooling1D(use_bias=True, dtype=policy)
    half.build(x.shape)
    half.set_weights([numpy(w) for w in exact.weights])
    x_half = ops.cast(x, half.compute_dtype)
    y = half(x_half, mask=mask)
    assert keras.backend.standardize_dtype(y.dtype) == half.compute_dtype
    np.testing.assert_allclose(numpy(ops.cast(y, "float32")), numpy(exact(x, mask=mask)), atol=0.03)
    weights = numpy(half.distribution(x_half, mask))
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 0], atol=1e-4)


def test_gradients_are_finite_at_zero_at_huge_inputs_and_without_a_real_step():
    inputs, mask = keras.Input((None, 4)), keras.Input((None,), dtype="bool")
    layer = AttentionPooling1D(activation="silu", use_bias=True)
    model = keras.Model([inputs, mask], layer(inputs, mask=mask))
    model.compile(keras.optimizers.SGD(1e-30), "mse")
    real = np.array([[True, True, False], [False] * 3])
    for x in (np.zeros((2, 3, 4), "float32"), np.full((2, 3, 4), 1e6, "float32")):
        model.fit([x, real], x[:, 0], verbose=0)
        assert all(np.isfinite(numpy(w)).all() for w in model.weights)


@pytest.mark.parametrize("jit_compile", [COMPILED] if keras.backend.backend() == "jax" else [False, COMPILED])
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
    found, printed = load_elsewhere(model, x, "common.attention", tmp_path, """
print(model.layers[1].units, model.layers[1].use_bias)
""")
    assert printed.split()[-2:] == ["8", "False"]
    np.testing.assert_allclose(found, numpy(model(x)), atol=1e-5)


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


# -------------------------------------------------------------------- SelfAttention, CrossAttention

@pytest.fixture
def small_chunks(monkeypatch):
    """Sequences of a few steps have several chunks, and one that is not full."""
    monkeypatch.setattr(attention, "CHUNK", 4)


def attention_by_loops(q, k, v, visible):
    """One sequence (time, heads, d) in float64 by the definition; visible (queries, keys)."""
    y = np.zeros((len(q), *v.shape[1:]))
    for h in range(q.shape[1]):
        for t in range(len(q)):
            keys = np.flatnonzero(visible[t])
            if len(keys):
                scores = np.array([q[t, h] @ k[s, h] for s in keys]) / np.sqrt(q.shape[-1])
                powers = np.exp(scores - scores.max())
                y[t, h] = (powers / powers.sum()) @ v[keys, h]
    return y


def rotated_by_loops(x):
    y = np.zeros_like(x)
    for t in range(len(x)):
        for i in range(x.shape[-1] // 2):
            angle = t * 10000.0 ** (-2 * i / x.shape[-1])
            z = (x[t, :, 2 * i] + 1j * x[t, :, 2 * i + 1]) * np.exp(1j * angle)
            y[t, :, 2 * i], y[t, :, 2 * i + 1] = z.real, z.imag
    return y


def randomized(layer, rng, *shapes):
    """The layer built for these shapes, with biases that are not zero."""
    layer.build(*shapes)
    for weight in layer.trainable_variables:
        weight.assign(rng.normal(size=weight.shape) * 0.5)
    return layer


def float64(*tensors):
    return [numpy(tensor).astype("float64") for tensor in tensors]


def layer_by_loops(layer, x, visible):
    """SelfAttention on one sequence (time, channels) in float64."""
    kernel, bias, out_kernel, out_bias = float64(*layer.trainable_variables)
    parts = np.split(x @ kernel + bias, 3, axis=-1)
    q, k, v = (part.reshape(len(x), layer.num_heads, -1) for part in parts)
    if layer.rotary:
        q, k = rotated_by_loops(q), rotated_by_loops(k)
    return attention_by_loops(q, k, v, visible).reshape(len(x), -1) @ out_kernel + out_bias


def mask_of(kind, rng, batch, time):
    if kind == "none":
        return None
    if kind == "padding":
        return np.arange(time) < np.array([[time], [5], [0]])
    visible = rng.random((batch, time, time)) < 0.5
    visible[0, 2] = False                                         # a query that sees nothing
    visible[1, :, 3] = False                                      # a key that nobody sees
    return visible


@pytest.mark.parametrize("plain_length", [None, 0], ids=["plain", "chunks"])
@pytest.mark.parametrize("causal, rotary, kind", [
    (False, False, "padding"), (True, True, "none"), (True, False, "pairwise"),
    (False, True, "pairwise")])
def test_self_attention_is_the_loop(causal, rotary, kind, plain_length, small_chunks):
    rng = np.random.default_rng(0)
    layer = SelfAttention(2, 4, causal=causal, rotary=rotary, plain_length=plain_length)
    randomized(layer, rng, (None, None, 6))
    x, mask = rng.normal(size=(3, 10, 6)).astype("float32"), mask_of(kind, rng, 3, 10)
    filled = x
    if kind == "padding":                                         # which may hold anything
        filled = np.where(mask[..., None], x, np.nan).astype("float32")
    y = numpy(layer(filled, mask=mask))
    for i, row in enumerate(x.astype("float64")):
        visible = np.ones((10, 10), bool)
        if mask is not None:
            visible &= mask[i]
        expected = layer_by_loops(layer, row, np.tril(visible) if causal else visible)
        if kind == "padding":
            expected[~mask[i]] = 0
        np.testing.assert_allclose(y[i], expected, atol=2e-5)


@pytest.mark.parametrize("plain_length", [None, 0], ids=["plain", "chunks"])
def test_cross_attention_is_the_loop(plain_length, small_chunks):
    rng = np.random.default_rng(0)
    layer = CrossAttention(2, plain_length=plain_length)
    randomized(layer, rng, (None, None, 6), (None, None, 5))
    kernel, bias, context_kernel, context_bias, out_kernel, out_bias = float64(
        *layer.trainable_variables)
    x = rng.normal(size=(3, 5, 6)).astype("float32")
    context = rng.normal(size=(3, 11, 5)).astype("float32")
    mask = np.arange(5) < np.array([[5], [3], [4]])
    context_mask = np.arange(11) < np.array([[11], [2], [0]])
    filled = np.where(mask[..., None], x, np.nan)
    filled_context = np.where(context_mask[..., None], context, np.nan)
    y = numpy(layer(filled, filled_context, inputs_mask=mask, context_mask=context_mask))
    for i in range(3):
        q = (x[i].astype("float64") @ kernel + bias).reshape(5, 2, 3)
        parts = np.split(context[i].astype("float64") @ context_kernel + context_bias, 2, axis=-1)
        k, v = (part.reshape(11, 2, 3) for part in parts)
        heads = attention_by_loops(q, k, v, np.tile(context_mask[i], (5, 1)))
        expected = heads.reshape(5, 6) @ out_kernel + out_bias
        np.testing.assert_allclose(y[i], np.where(mask[i][:, None], expected, 0), atol=2e-5)


def copy_to_keras(layer, other, parts):
    """Our weights into keras.layers.MultiHeadAttention; parts: kernel and bias of q, of k and of v."""
    shape = (layer.num_heads, layer.size)
    weights = []
    for kernel, bias in parts:
        weights += [kernel.reshape(-1, *shape), bias.reshape(shape)]
    output_kernel = numpy(layer.output_kernel).reshape(*shape, -1)
    other.set_weights([*weights, output_kernel, numpy(layer.output_bias)])


def split(kernel, bias, parts):
    """A fused kernel and bias as a list of pairs."""
    return zip(np.split(numpy(kernel), parts, axis=-1), np.split(numpy(bias), parts, axis=-1))


@pytest.mark.parametrize("causal", [False, True])
def test_self_attention_is_that_of_keras_by_the_same_formula(causal):
    rng = np.random.default_rng(1)
    layer = randomized(SelfAttention(3, 4, causal=causal), rng, (2, 9, 12))
    other = keras.layers.MultiHeadAttention(3, 4)
    x, lengths = rng.normal(size=(2, 9, 12)).astype("float32"), np.array([[9], [4]])
    other.build(x.shape, x.shape)
    copy_to_keras(layer, other, split(layer.kernel, layer.bias, 3))
    expected = numpy(other(x, x, use_causal_mask=causal))
    np.testing.assert_allclose(numpy(layer(x)), expected, atol=1e-5)
    mask = np.arange(9) < lengths
    expected = numpy(other(x, x, attention_mask=mask[:, None], use_causal_mask=causal))
    np.testing.assert_allclose(numpy(layer(x, mask=mask)), expected * mask[..., None], atol=1e-5)


def test_cross_attention_is_that_of_keras_by_the_same_formula():
    rng = np.random.default_rng(1)
    layer = randomized(CrossAttention(2, 5), rng, (2, 4, 7), (2, 9, 6))
    other = keras.layers.MultiHeadAttention(2, 5)
    x = rng.normal(size=(2, 4, 7)).astype("float32")
    context = rng.normal(size=(2, 9, 6)).astype("float32")
    other.build(x.shape, context.shape)
    parts = [*split(layer.kernel, layer.bias, 1), *split(layer.context_kernel, layer.context_bias, 2)]
    copy_to_keras(layer, other, parts)
    np.testing.assert_allclose(numpy(layer(x, context)), numpy(other(x, context)), atol=1e-5)


def gradients(function, *tensors):
    """The value, and the gradients of Σ function · fixed numbers, compiled: on TensorFlow with every length
    unknown."""
    def scalar(*tensors):
        y = ops.cast(function(*tensors), "float32")
        numbers = ops.cos(ops.arange(ops.size(y), dtype="float32"))
        return ops.sum(y * ops.reshape(numbers, ops.shape(y))), y

    if keras.backend.backend() == "jax":
        import jax

        both = jax.value_and_grad(scalar, tuple(range(len(tensors))), has_aux=True)
        (_, y), found = jax.jit(both)(*tensors)
    elif keras.backend.backend() == "torch":
        import torch

        inputs = [ops.convert_to_tensor(t).requires_grad_() for t in tensors]
        total, y = scalar(*inputs)
        found = torch.autograd.grad(total, inputs)
    else:
        import tensorflow as tf

        signature = [tf.TensorSpec((None, None, *t.shape[2:]), t.dtype) for t in tensors]

        @tf.function(input_signature=signature)
        def both(*tensors):
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                total, y = scalar(*tensors)
            return y, tape.gradient(total, tensors)

        y, found = both(*map(tf.constant, tensors))
    return [numpy(tensor) for tensor in (y, *found)]


def gradients_of_attend(q, k, v, *options, plain_length):
    def function(q, k, v):
        return attend(q, k, v, *options, plain_length=plain_length)

    return gradients(function, q, k, v)


@pytest.mark.parametrize("kind, causal", [
    ("none", True), ("padding", False), ("padding", True), ("pairwise", False)])
def test_chunks_and_their_gradients_are_those_of_the_plain_formula(kind, causal, small_chunks):
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 3, 10, 2, 4)).astype("float32")
    q, k, mask = 3 * q, 3 * k, mask_of(kind, rng, 3, 10)
    plain = gradients_of_attend(q, k, v, mask, causal, plain_length=None)
    chunks = gradients_of_attend(q, k, v, mask, causal, plain_length=0)
    short = gradients_of_attend(q, k, v, mask, causal, plain_length=10)
    for a, b in zip(plain, chunks):
        np.testing.assert_allclose(b, a, atol=1e-5)
        assert np.abs(a).max() > 0.1
    np.testing.assert_array_equal(short[0], plain[0])             # not above the threshold
    if kind == "none" and keras.backend.backend() != "torch":     # whose kernel takes any length
        assert np.abs(short[0] - chunks[0]).max() > 0             # so the two are two


def test_chunks_of_cross_attention_and_their_gradients_are_those_of_the_plain_formula(small_chunks):
    rng = np.random.default_rng(0)
    q = rng.normal(size=(2, 3, 2, 4)).astype("float32")
    k, v = rng.normal(size=(2, 2, 13, 2, 4)).astype("float32")
    plain = gradients_of_attend(q, k, v, plain_length=None)
    chunks = gradients_of_attend(q, k, v, plain_length=0)
    for a, b in zip(plain, chunks):
        np.testing.assert_allclose(b, a, atol=1e-5)


def hlo_of_gradients(time, plain_length):
    """XLA's program for attention and its gradients at this length."""
    q, k, v = np.random.default_rng(0).normal(size=(3, 1, time, 1, 2)).astype("float32")

    def total(q, k, v):
        return ops.sum(ops.square(attend(q, k, v, causal=True, plain_length=plain_length)))

    if keras.backend.backend() == "jax":
        import jax

        compiled = jax.jit(jax.grad(total, (0, 1, 2))).lower(q, k, v).compile()
        return compiled.as_text()
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def found(q, k, v):
        with tf.GradientTape() as tape:
            tape.watch((q, k, v))
            value = total(q, k, v)
        return tape.gradient(value, (q, k, v))

    program = found.experimental_get_compiler_ir(*map(tf.constant, (q, k, v)))
    return program(stage="optimized_hlo")


def largest_tensor(program):
    """How many elements it has."""
    shapes = re.findall(r"(?:f32|bf16|pred|s32)\[([\d,]+)\]", program)
    return max(math.prod(map(int, shape.split(","))) for shape in shapes)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="reads a program of XLA")
def test_chunks_grow_linearly_with_the_length_by_definition(monkeypatch):
    """No tensor of the compiled program, forward and backward, has an element for each pair of steps."""
    monkeypatch.setattr(attention, "CHUNK", 16)
    plain = [largest_tensor(hlo_of_gradients(time, None)) for time in (256, 512)]
    chunks = [largest_tensor(hlo_of_gradients(time, 128)) for time in (256, 512)]
    assert plain == [256 ** 2, 512 ** 2]
    assert chunks[1] <= 2 * chunks[0] <= 4 * 2 * 256


@pytest.mark.parametrize("plain_length", [None, 0], ids=["plain", "chunks"])
def test_dropout_of_weights_by_the_formula_in_chunks_too(plain_length, small_chunks):
    """With the unit matrix for V the output is the weights themselves: dropped, scaled, and so in the
    gradient."""
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 2, 12, 1, 12)).astype("float32")
    v = rng.normal(size=(2, 12, 1, 12)).astype("float32")
    unit = np.tile(np.eye(12, dtype="float32")[:, None], (2, 1, 1, 1))
    seed = keras.random.SeedGenerator(3).next()
    exact = numpy(attend(q, k, unit))[:, :, 0]

    def dropped(q, k, v):
        return attend(q, k, v, dropout=0.25, seed=seed, plain_length=plain_length)

    weights = numpy(dropped(q, k, unit))[:, :, 0]
    kept = weights != 0
    np.testing.assert_allclose(weights[kept], exact[kept] / 0.75, rtol=1e-4)
    assert 0.6 < kept.mean() < 0.9
    assert len({row.tobytes() for row in kept.reshape(-1, 12)}) > 12
    y, dq, dk, dv = gradients(dropped, q, k, v)
    np.testing.assert_allclose(y[:, :, 0], weights @ v[:, :, 0], atol=1e-5)
    upstream = np.cos(np.arange(y.size)).reshape(y.shape)
    expected = weights.swapaxes(1, 2) @ upstream[:, :, 0]
    np.testing.assert_allclose(dv[:, :, 0], expected, atol=1e-4)

    def total(q, k):
        return (numpy(dropped(q, k, v)) * upstream).sum()

    step = rng.normal(size=q.shape).astype("float32") * 0.01
    of_q = (total(q + step, k) - total(q - step, k)) / 2
    of_k = (total(q, k + step) - total(q, k - step)) / 2
    assert (dq * step).sum() == pytest.approx(of_q, rel=0.02, abs=1e-4)
    assert (dk * step).sum() == pytest.approx(of_k, rel=0.02, abs=1e-4)


def test_dropout_only_in_training_and_other_weights_each_time():
    layer = SelfAttention(2, dropout=0.3, seed=1)
    x = np.random.default_rng(0).normal(size=(2, 9, 8)).astype("float32")
    np.testing.assert_array_equal(numpy(layer(x)), numpy(layer(x)))
    first, second = numpy(layer(x, training=True)), numpy(layer(x, training=True))
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("plain_length", [None, 0], ids=["plain", "chunks"])
def test_padding_has_no_influence_even_where_it_is_nan(plain_length, small_chunks):
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(1, 9, 6)).astype("float32"), np.arange(9)[None] < 5
    layer = randomized(SelfAttention(2, plain_length=plain_length), rng, (None, None, 6))
    filled = np.where(mask[..., None], x, np.nan).astype("float32")
    y, dx = gradients(lambda x: layer(x, mask=mask), filled)
    y_alone, dx_alone = gradients(layer, x[:, :5])
    np.testing.assert_allclose(y[:, :5], y_alone, atol=1e-5)
    np.testing.assert_allclose(dx[:, :5], dx_alone, atol=1e-4)
    assert not y[:, 5:].any() and not dx[:, 5:].any()


@pytest.mark.parametrize("plain_length", [None, 0], ids=["plain", "chunks"])
def test_a_key_that_is_nan_reaches_those_who_see_it_alone(plain_length, small_chunks):
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 1, 9, 2, 4)).astype("float32")
    k[0, 6], v[0, 6, 0, 1] = np.nan, np.inf
    finite_k, finite_v = np.nan_to_num(k), np.nan_to_num(v, posinf=7)
    even = np.arange(9) % 2 == 0
    visible = even[None, :, None] == even
    for options, hit in [({"causal": True}, np.arange(9) >= 6), ({"mask": visible}, even)]:
        options["plain_length"] = plain_length
        y = numpy(attend(q, k, v, **options))
        assert np.isnan(y[0, hit]).all()
        other = numpy(attend(q, finite_k, finite_v, **options))
        np.testing.assert_array_equal(y[0, ~hit], other[0, ~hit])


def test_a_causal_layer_ignores_the_future_to_the_last_bit(small_chunks):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 9, 8)).astype("float32")
    for length in (None, 0):
        layer = SelfAttention(2, causal=True, rotary=True, plain_length=length)
        y = numpy(layer(x))
        changed = np.concatenate([x[:, :6], x[:, 6:] * 100], axis=1)
        np.testing.assert_array_equal(numpy(layer(changed))[:, :6], y[:, :6])


@pytest.mark.parametrize("plain_length", [None, 0], ids=["plain", "chunks"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_near_the_numpy_formula_where_float16_overflows(
        dtype, plain_length, small_chunks):
    """Products of 300 · 300 · 8 are beyond float16's 65,504."""
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 1, 12, 2, 8)).astype("float32")
    q, k, v = ops.cast(300 * q, dtype), ops.cast(300 * k, dtype), ops.cast(v, dtype)
    mask = np.arange(12)[None] < 9
    y = attend(q, k, v, mask, causal=True, plain_length=plain_length)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    exact = float64(*(ops.cast(x[0], "float32") for x in (q, k, v)))
    expected = attention_by_loops(*exact, np.tril(np.tile(mask, (12, 1))))
    np.testing.assert_allclose(numpy(ops.cast(y, "float32"))[0], expected, atol=0.05)


@pytest.mark.parametrize("plain_length", [None, 0], ids=["plain", "chunks"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_sums_many_weights(dtype, plain_length):
    """A sum of 3,000 weights in half precision would stop growing."""
    zeros, ones = ops.zeros((1, 3000, 1, 8), dtype), ops.ones((1, 3000, 1, 8), dtype)
    y = attend(zeros, zeros, ones, plain_length=plain_length)
    np.testing.assert_allclose(numpy(ops.cast(y, "float32")), 1, atol=0.01)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_layers_run_under_mixed_policies(policy):
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(2, 8, 16)).astype("float32"), np.arange(8) < np.array([[8], [3]])
    exact, half = SelfAttention(4, rotary=True), SelfAttention(4, rotary=True, dropout=0.1, dtype=policy)
    exact.build(x.shape)
    half.build(x.shape)
    for a, b in zip(half.trainable_variables, exact.trainable_variables):
        a.assign(b)
    y = half(x, mask=mask)
    assert keras.backend.standardize_dtype(y.dtype) == half.compute_dtype
    np.testing.assert_allclose(numpy(ops.cast(y, "float32")), numpy(exact(x, mask=mask)), atol=0.05)
    half(x, mask=mask, training=True)
    cross = CrossAttention(4, dtype=policy)(x, x)
    assert keras.backend.standardize_dtype(cross.dtype) == half.compute_dtype


def test_rotary_products_depend_on_the_distance_alone_and_numpy_agrees():
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 1, 1, 1, 8)).astype("float32")

    def product(t, s):
        query, key = numpy(rotate(q, np.array([t]))), numpy(rotate(k, np.array([s])))
        return float((query * key).sum())

    for distance in (0, 1, 7, -3):
        assert product(40 + distance, 40) == pytest.approx(product(5 + distance, 5), abs=1e-4)
    assert abs(product(41, 40) - product(47, 40)) > 0.01
    assert product(9, 9) == pytest.approx(float((q * k).sum()), abs=1e-4)
    x = rng.normal(size=(1, 30, 2, 6)).astype("float32")
    np.testing.assert_allclose(numpy(rotate(x))[0], rotated_by_loops(x[0].astype("float64")), atol=1e-5)
    far = rotate(ops.ones((1, 1, 1, 8), "float16"), np.array([4097]))    # 4,097 is 4,096 in float16
    expected = [np.cos(4097) - np.sin(4097), np.sin(4097) + np.cos(4097)]
    np.testing.assert_allclose(numpy(far)[0, 0, 0, :2], expected, atol=2e-3)


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_step_by_step_is_the_whole_sequence_by_definition(rotary, policy):
    rng = np.random.default_rng(0)
    layer = SelfAttention(2, 4, causal=True, rotary=rotary, dtype=policy)
    randomized(layer, rng, (None, None, 6))
    x = rng.normal(size=(3, 7, 6)).astype("float32")
    whole = numpy(ops.cast(layer(x), "float32"))
    tolerance = 1e-5 if policy == "float32" else 0.05
    for widths in ([1] * 7, [4, 1, 2]):
        cache, start, outputs = empty_cache(layer, 3, 9), 0, []
        for width in widths:
            y, cache = decode(layer, x[:, start:start + width], cache, start)
            outputs.append(numpy(ops.cast(y, "float32")))
            start += width
        np.testing.assert_allclose(np.concatenate(outputs, axis=1), whole, atol=tolerance)
    with pytest.raises(ValueError, match="decode expects a causal layer"):
        decode(SelfAttention(2), x, None, 0)


def test_decoding_in_a_compiled_loop_is_the_whole_sequence_by_definition():
    rng = np.random.default_rng(0)
    layer = randomized(SelfAttention(2, causal=True, rotary=True), rng, (None, None, 8))
    x = ops.convert_to_tensor(rng.normal(size=(2, 6, 8)).astype("float32"))

    def loop():
        def step(t, state):
            outputs, cache = state
            y, cache = decode(layer, ops.slice(x, (0, t, 0), (2, 1, 8)), cache, t)
            return ops.slice_update(outputs, (0, t, 0), y), cache

        return ops.fori_loop(0, 6, step, (ops.zeros((2, 6, 8)), empty_cache(layer, 2, 6)))[0]

    if keras.backend.backend() == "jax":
        import jax

        loop = jax.jit(loop)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        loop = tf.function(loop)
    np.testing.assert_allclose(numpy(loop()), numpy(layer(x)), atol=1e-5)


# plain_length and jit_compile; what takes long is in test-slow. JAX has only compiled models.
TRAINED = [(2048, keras.backend.backend() != "torch"), (0, keras.backend.backend() == "jax")]
TRAINED_LONG = [] if keras.backend.backend() == "jax" else [
    pytest.param(2048, keras.backend.backend() == "torch", marks=pytest.mark.slow),
    pytest.param(0, True, marks=pytest.mark.slow)]


@pytest.mark.parametrize("plain_length, jit_compile", TRAINED + TRAINED_LONG)
def test_attention_trains_saves_and_loads_in_a_fresh_process(
        tmp_path, jit_compile, plain_length, small_chunks):
    """Each step answers with the symbol before its own symbol's first place: only attention over positions
    can find it."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    symbols = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 16, mask_zero=True)(symbols)
    options = {"rotary": True, "dropout": 0.02, "seed": 3, "plain_length": plain_length}
    y = SelfAttention(2, name="attention", **options)(x)
    y = CrossAttention(2, plain_length=plain_length)(keras.layers.Add()([x, y]), x)
    model = keras.Model(symbols, keras.layers.Dense(9)(keras.layers.Add()([x, y])))
    loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=0)
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=jit_compile)
    x = rng.integers(1, 9, (64, 10)) * (np.arange(10) < rng.integers(3, 11, (64, 1)))
    y = np.roll(x, 1, axis=1) * (x > 0)
    losses = model.fit(x, y, epochs=15, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    if jit_compile:      # once is enough
        return
    found, printed = load_elsewhere(model, x, "common.attention", tmp_path, """
layer = model.get_layer("attention")
print(layer.rotary, layer.causal, layer.dropout, layer.seed, layer.plain_length)
""")
    assert printed.split()[-5:] == ["True", "False", "0.02", "3", str(plain_length)]
    np.testing.assert_allclose(found, numpy(model(x)), atol=1e-5)


def test_masks_are_handed_on():
    x = keras.layers.Embedding(5, 4, mask_zero=True)(np.array([[1, 2, 0]]))
    y = SelfAttention(2)(x)
    np.testing.assert_array_equal(numpy(y._keras_mask), [[True, True, False]])
    y = CrossAttention(2)(x, np.ones((1, 5, 3), "float32"))
    np.testing.assert_array_equal(numpy(y._keras_mask), [[True, True, False]])
    assert not numpy(y)[0, 2].any()
    y = SelfAttention(2)(np.ones((1, 3, 4)), mask=np.ones((1, 3, 3), bool))
    assert getattr(y, "_keras_mask", None) is None


@pytest.mark.parametrize("plain_length", [None, 0], ids=["plain", "chunks"])
def test_gradients_of_attention_are_finite_at_zero_at_huge_inputs_and_without_a_real_step(
        plain_length, small_chunks):
    mask = np.array([[True, True, False, False, False], [False] * 5])
    layer = SelfAttention(2, plain_length=plain_length)
    randomized(layer, np.random.default_rng(0), (None, None, 4))
    for x in (np.zeros((2, 5, 4), "float32"), np.full((2, 5, 4), 1e6, "float32")):
        y, dx = gradients(lambda x: layer(x, mask=mask), x)
        assert np.isfinite(y).all() and np.isfinite(dx).all()


@pytest.mark.parametrize("options, message", [
    ({"num_heads": 0}, "num_heads expects.*Received: num_heads=0"),
    ({"num_heads": 2, "head_dim": 0}, "head_dim expects.*Received: head_dim=0"),
    ({"num_heads": 2, "plain_length": -1}, "plain_length expects.*Received: plain_length=-1"),
    ({"num_heads": 2, "dropout": 1}, "dropout expects a share.*Received: dropout=1"),
    ({"num_heads": 3}, "multiple of num_heads=3.*Received: channels=8"),
    ({"num_heads": 2, "head_dim": 3, "rotary": True}, "even head_dim.*Received: head_dim=3"),
])
def test_wrong_arguments_of_attention_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SelfAttention(**options)(np.zeros((1, 3, 8), "float32"))


def test_wrong_ranks_and_common_positions_are_named():
    with pytest.raises(ValueError, match=r"\(batch, time, channels\).*Received: shape=\(3, 4\)"):
        SelfAttention(2)(np.zeros((3, 4), "float32"))
    with pytest.raises(ValueError, match="causal expects.*use SelfAttention"):
        CrossAttention(2, causal=True)


def test_the_core_is_short_and_its_parameters_are_those_of_the_formula():
    tree = ast.parse(pathlib.Path(attention.__file__).read_text())
    first = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    assert first.name == "SelfAttention" and first.end_lineno - first.lineno + 1 <= 110
    layer = SelfAttention(4)
    layer.build((None, None, 128))
    assert layer.count_params() == 4 * 128 * 128 + 4 * 128
    assert layer.compute_output_shape((None, 5, 128)) == (None, 5, 128)
    assert CrossAttention(4)(keras.Input((None, 128)), keras.Input((7, 64))).shape == (None, None, 128)


X, CONTEXT = np.zeros((2, 5, 8), "float32"), np.zeros((2, 6, 4), "float32")
MASKED = {
    "SelfAttention": (lambda: SelfAttention(2), "mask"),
    "CrossAttention": (lambda: CrossAttention(2), "inputs_mask"),
    "context": (lambda: CrossAttention(2), "context_mask"),
    "AttentionPooling1D": (lambda: AttentionPooling1D(), "mask"),
}


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("symbolic", [False, True])
def test_masks_that_mean_something_else_are_refused(name, built, symbolic):
    make, argument = MASKED[name]
    layer, keys = make(), 6 if name == "context" else 5
    inputs = [X, CONTEXT] if isinstance(layer, CrossAttention) else [X]
    if built:
        layer(*inputs)
    if symbolic:
        inputs = [keras.KerasTensor((None, *x.shape[1:])) for x in inputs]
    shapes = [(2, 1, keys, keys), (2, 1, 1, keys), (2, keys, 1), (2, 1), (2, keys + 1), (2,)]
    wrong = [np.ones(shape, "bool") for shape in shapes]
    wrong += [np.zeros((2, keys), "float32"), np.full((2, keys, keys), -1e9, "float32")]
    if name != "SelfAttention":
        wrong += [np.ones((2, keys, keys), "bool")]
    for mask in wrong:
        if symbolic:
            mask = keras.KerasTensor((None, *mask.shape[1:]), mask.dtype)
        if symbolic and len(mask.shape) == 1:
            mask = keras.KerasTensor((None,), "float32")
        with pytest.raises(ValueError, match=f"expects {argument} of shape.*Received: {argument}.shape="):
            layer(*inputs, **{argument: mask})
    assert layer(*inputs, **{argument: np.ones((2, keys), "int32")}) is not None


def test_built_layers_take_no_other_channels():
    for layer in (SelfAttention(2), CrossAttention(2), AttentionPooling1D()):
        cross = isinstance(layer, CrossAttention)
        layer(X, CONTEXT) if cross else layer(X)
        rest = [CONTEXT] if cross else []
        for shape in [(2, 5, 16), (2, 5, 4), (2, 8), (2, 5, 1, 8)]:
            for x in (np.zeros(shape, "float32"), keras.KerasTensor((None, *shape[1:]))):
                with pytest.raises(ValueError, match="[Rr]eceived|found"):
                    layer(x, *rest)
    layer = CrossAttention(2)
    layer(X, CONTEXT)
    for shape in [(2, 6, 8), (2, 6, 2), (2, 4), (1, 6, 4), (4, 6, 4)]:
        with pytest.raises(ValueError, match="Received: "):
            layer(X, np.zeros(shape, "float32"))


def test_one_mask_of_pairs_for_all_sequences():
    layer, x = SelfAttention(2), np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    mask = np.tril(np.ones((1, 5, 5), "bool"))
    expected = numpy(layer(x, mask=np.repeat(mask, 2, axis=0)))
    np.testing.assert_allclose(numpy(layer(x, mask=mask)), expected, atol=1e-6)
