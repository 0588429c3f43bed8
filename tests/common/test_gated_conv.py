"""common/gated_conv.py against loops over steps and channels in float64, and against sequences without
any padding."""

import keras
import numpy as np
import pytest
from keras import ops

from common.gated_conv import GatedConv1D, gated_conv_stack
from tests.common.helpers import COMPILED, built, load_elsewhere, numpy

VARIANTS = [("plain", "keep"), ("residual", "keep"), ("highway", "keep"), ("highway", "replace")]


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def combined(x, a, b, combination, open_gate):
    """One number of the output, by the formulas of the layer's docstring."""
    if combination == "plain":
        return a * sigmoid(b)
    if combination == "residual":
        return a * sigmoid(b) + x
    if open_gate == "keep":
        return x * sigmoid(b) + a * sigmoid(-b)
    return x * sigmoid(-b) + a * sigmoid(b)


def by_loops(x, kernel, bias, combination, open_gate, rate, causal):
    """One sequence (time, channels) by the definition: no convolution, no masks."""
    time, size, filters = len(x), len(kernel), kernel.shape[-1] // 2
    before = size - 1 if causal else (size - 1) // 2
    y = np.zeros((time, filters))
    for t in range(time):
        out = np.array(bias, "float64")
        for k in range(size):
            source = t + (k - before) * rate
            if 0 <= source < time:
                for c in range(x.shape[1]):
                    out += x[source, c] * kernel[k, c]
        for c in range(filters):
            of_x = x[t, c] if filters == x.shape[1] else None
            y[t, c] = combined(of_x, out[c], out[filters + c], combination, open_gate)
    return y


@pytest.mark.parametrize("combination, open_gate, rate, causal, size", [
    ("plain", "keep", 1, False, 3), ("residual", "keep", 2, False, 3), ("highway", "keep", 1, True, 2),
    ("highway", "replace", 3, False, 5), ("plain", "replace", 4, True, 3)])
def test_the_layer_is_the_loop(combination, open_gate, rate, causal, size):
    rng = np.random.default_rng(0)
    filters = 5 if combination == "plain" else None
    layer = built(GatedConv1D(filters, size, combination, open_gate, rate, causal), rng, 4)
    kernel, bias = numpy(layer.kernel).astype("float64"), numpy(layer.bias).astype("float64")
    x = rng.normal(size=(3, 9, 4)).astype("float32")
    lengths = [9, 5, 1]
    mask = np.arange(9) < np.array(lengths)[:, None]
    y = numpy(layer(np.where(mask[..., None], x, np.nan), mask=mask))    # padding may hold anything
    for row, out, length in zip(x, y, lengths):
        row = row[:length].astype("float64")
        expected = by_loops(row, kernel, bias, combination, open_gate, rate, causal)
        np.testing.assert_allclose(out[:length], expected, atol=1e-5)
        assert not out[length:].any()


def test_the_two_highways_differ_by_the_sign_of_the_gate():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 4)).astype("float32")
    keep = built(GatedConv1D(combination="highway", open_gate="keep"), rng, 4)
    replace = built(GatedConv1D(combination="highway", open_gate="replace"), rng, 4)
    for mine, other in zip(replace.weights, keep.weights):
        value, gate = np.split(numpy(other), 2, axis=-1)
        mine.assign(np.concatenate([value, -gate], axis=-1))
    np.testing.assert_allclose(numpy(keep(x)), numpy(replace(x)), atol=1e-6)


@pytest.mark.parametrize("combination, open_gate, expected", [
    ("plain", "keep", "value"), ("highway", "keep", "input"), ("highway", "replace", "value")])
def test_what_an_open_gate_lets_through(combination, open_gate, expected):
    layer = GatedConv1D(combination=combination, open_gate=open_gate)
    layer.build((None, None, 3))
    layer.kernel.assign(np.zeros((3, 3, 6)))
    layer.bias.assign([7, 7, 7, 50, 50, 50])                             # A = 7, σ(B) = 1
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


@pytest.mark.parametrize("causal, rates, seen", [
    (True, [1, 2, 4], range(20, 20 + 15)), (False, [1] * 6, range(14, 27))])
def test_a_causal_stack_does_not_see_the_future_and_the_field_is_as_stated(causal, rates, seen):
    x = np.zeros((1, 41, 2), "float32")
    inputs = keras.Input((None, 2))
    stack = gated_conv_stack(inputs, rates, causal=causal, combination="residual")
    model = keras.Model(inputs, stack)
    other = x.copy()
    other[0, 20] = 1
    changed = np.abs(numpy(model(other)) - numpy(model(x))).max(axis=(0, 2)) > 0
    assert np.flatnonzero(changed).tolist() == list(seen)


def test_dropout_is_on_the_logits_of_the_gates_and_in_training_only():
    layer = GatedConv1D(gate_dropout=0.25, seed=1)
    layer.build((None, None, 500))
    layer.kernel.assign(np.zeros((3, 500, 1000)))
    layer.bias.assign(np.repeat([1, 3], 500))                            # A = 1, B = 3
    x = np.zeros((20, 10, 500), "float32")
    np.testing.assert_allclose(numpy(layer(x)), sigmoid(3), rtol=1e-5)
    y = numpy(layer(x, training=True))
    dropped = np.isclose(y, 0.5)
    np.testing.assert_allclose(y[~dropped], sigmoid(3 / 0.75), rtol=1e-5)
    assert dropped.mean() == pytest.approx(0.25, abs=0.01)
    again = numpy(layer(x, training=True))
    assert np.abs(y - again).max() > 0.1                                 # other gates in the next step


def test_gradients_are_finite_at_zero_and_at_huge_inputs():
    inputs = keras.Input((None, 4))
    branches = []
    for combination, open_gate in VARIANTS:
        branches.append(GatedConv1D(combination=combination, open_gate=open_gate)(inputs))
    model = keras.Model(inputs, keras.layers.Add()(branches))
    model.compile(keras.optimizers.SGD(1e-30), "mse")
    for x in (np.zeros((2, 3, 4), "float32"), np.full((2, 3, 4), 1e6, "float32")):
        model.fit(x, x, verbose=0)
        assert all(np.isfinite(numpy(w)).all() for w in model.weights)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_near_float32(policy):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 16)).astype("float32")
    mask = np.arange(8) < np.array([[8], [3]])
    options = {"combination": "highway", "dilation_rate": 2}
    exact = built(GatedConv1D(**options), rng, 16)
    half = GatedConv1D(**options, gate_dropout=0.1, dtype=policy)
    half.build(x.shape)
    half.kernel.assign(exact.kernel)
    half.bias.assign(exact.bias)
    x_half = ops.cast(x, half.compute_dtype)
    y = half(x_half, mask=mask)
    assert keras.backend.standardize_dtype(y.dtype) == half.compute_dtype
    np.testing.assert_allclose(numpy(ops.cast(y, "float32")), numpy(exact(x, mask=mask)), atol=0.05)
    half(x_half, mask=mask, training=True)


@pytest.mark.parametrize("jit_compile", [COMPILED] if keras.backend.backend() == "jax" else [False, COMPILED])
def test_trains_and_loads_in_a_fresh_process(tmp_path, jit_compile):
    keras.utils.set_random_seed(0)
    characters = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 16, mask_zero=True)(characters)
    x = gated_conv_stack(x, [1, 2], combination="highway", open_gate="replace", gate_dropout=0.1, seed=3)
    model = keras.Model(characters, keras.layers.Dense(9)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=0)
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=jit_compile)
    rng = np.random.default_rng(0)
    y = rng.integers(1, 9, (64, 10)) * (np.arange(10) < rng.integers(3, 11, (64, 1)))
    losses = model.fit(np.roll(y, 1, axis=1) * (y > 0), y, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    if jit_compile:      # once is enough
        return
    found, printed = load_elsewhere(model, y, "common.gated_conv", tmp_path, """
layer = model.layers[3]
print(layer.dilation_rate, layer.open_gate, layer.gate_dropout, layer.seed)
""")
    assert printed.split()[-4:] == ["2", "replace", "0.1", "3"]
    np.testing.assert_allclose(found, numpy(model(y)), atol=1e-5)


@pytest.mark.parametrize("options, message", [
    ({"combination": "glu"}, "one of plain, residual, highway.*Received: combination='glu'"),
    ({"open_gate": "shut"}, "open_gate expects keep or replace.*Received"),
    ({"gate_dropout": 1}, "gate_dropout expects.*Received: gate_dropout=1"),
    ({"kernel_size": 0}, "kernel_size expects.*Received: kernel_size=0"),
    ({"dilation_rate": 1.5}, "dilation_rate expects.*Received: dilation_rate=1.5"),
    ({"filters": 0}, "filters expects an integer of at least 1, or None.*Received: filters=0"),
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


@pytest.mark.parametrize("combination", ["plain", "residual", "highway"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_built_layer_takes_no_other_channels(combination, causal):
    """4 channels on 8 would be a convolution in two groups."""
    layer = GatedConv1D(combination=combination, causal=causal)
    layer(np.zeros((2, 5, 4), "float32"))
    for shape in [(2, 5, 8), (2, 5, 2), (2, 5, 1), (2, 5), (2, 5, 4, 4)]:
        for x in (np.zeros(shape, "float32"), keras.KerasTensor((None, *shape[1:]))):
            with pytest.raises(ValueError, match="[Rr]eceived|found"):
                layer(x)


@pytest.mark.parametrize("symbolic", [False, True])
def test_masks_that_are_not_batch_and_time_are_refused(symbolic):
    layer, x = GatedConv1D(), np.zeros((2, 5, 4), "float32")
    x = keras.KerasTensor((None, 5, 4)) if symbolic else x
    for shape, dtype in [((2, 5, 1), "bool"), ((2, 1), "bool"), ((2, 6), "bool"), ((2, 5), "float32")]:
        mask = keras.KerasTensor((None, *shape[1:]), dtype) if symbolic else np.ones(shape, dtype)
        with pytest.raises(ValueError, match=r"expects a mask \(batch, time\).*Received: mask"):
            layer(x, mask=mask)
    assert layer(np.ones((2, 5, 4), "float32"), mask=np.ones((2, 5), "int32")).shape == (2, 5, 4)


def test_the_words_of_conv1d():
    x = np.random.default_rng(0).normal(size=(2, 7, 4)).astype("float32")
    ours = GatedConv1D(kernel_size=3, dilation_rate=2, causal=True)
    theirs = GatedConv1D(kernel_size=(3,), dilation_rate=[2], padding="causal", strides=(1,))
    expected = numpy(ours(x))
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(numpy(theirs(x)), expected, atol=1e-6)
    again = GatedConv1D.from_config(theirs.get_config())
    assert (again.causal, again.kernel_size, again.dilation_rate) == (True, 3, 2)
    kernel = keras.layers.Conv1D(8, 3, padding="causal", dilation_rate=2)        # Keras' own, value and gate
    kernel.build(x.shape)
    kernel.set_weights(ours.get_weights())
    value, gate = np.split(numpy(kernel(x)), 2, axis=-1)
    np.testing.assert_allclose(expected, value / (1 + np.exp(-gate)), atol=1e-5)


def test_regularizers_add_to_the_loss_and_constraints_hold_after_each_step(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 7, 3)).astype("float32")
    model = keras.Sequential([keras.Input((None, 3)), GatedConv1D(
        2, kernel_regularizer=keras.regularizers.L2(0.1), bias_regularizer="l1", bias_initializer="ones",
        kernel_constraint="non_neg", bias_constraint=keras.constraints.MaxNorm(0.5),
        activity_regularizer=keras.regularizers.L2(0.3))])
    kernel, bias = (numpy(weight).astype("float64") for weight in model.weights)
    np.testing.assert_array_equal(bias, np.ones(4))
    y = numpy(model(x)).astype("float64")
    expected = 0.1 * (kernel ** 2).sum() + 0.01 * np.abs(bias).sum() + 0.3 * (y ** 2).sum() / len(y)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    target = np.full_like(y, 5)
    loss = model.evaluate(x, target, verbose=0)
    assert loss == pytest.approx(expected + ((y - 5) ** 2).mean(), rel=1e-4)
    assert kernel.min() < 0
    model.fit(x, target, verbose=0)
    kernel, bias = (numpy(weight) for weight in model.weights)
    assert kernel.min() == 0 < kernel.max() and np.linalg.norm(bias) == pytest.approx(0.5, rel=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    found, expected = (each.evaluate(x, target, verbose=0) for each in (loaded, model))
    assert found == pytest.approx(expected, rel=1e-5)
    assert isinstance(loaded.layers[0].kernel.constraint, keras.constraints.NonNeg)


def test_models_that_were_saved_before_these_arguments_load():
    config = GatedConv1D(2, name="old").get_config()
    for name in list(config):
        if name.startswith("bias_") or name in ("kernel_regularizer", "kernel_constraint"):
            del config[name]
    again = GatedConv1D.from_config(config)
    again.build((None, None, 3))
    assert again.kernel_regularizer is None and again.kernel_constraint is None
    np.testing.assert_array_equal(numpy(again.bias), np.zeros(4))


@pytest.mark.parametrize("options, message", [
    ({"padding": "valid"}, "padding expects.*Received: padding='valid'"),
    ({"padding": "same", "causal": True}, "padding expects.*Received: padding='same', causal=True"),
    ({"strides": 2}, "strides expects 1.*Received: strides=2"),
    ({"strides": (2,)}, r"strides expects 1.*Received: strides=\(2,\)"),
    ({"kernel_size": (3, 3)}, r"kernel_size expects an integer.*Received: kernel_size=\(3, 3\)"),
])
def test_what_conv1d_has_and_this_layer_cannot(options, message):
    with pytest.raises(ValueError, match=message):
        GatedConv1D(**options)
