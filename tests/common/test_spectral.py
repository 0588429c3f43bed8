"""common/spectral.py against NumPy's singular values, finite differences, and convolutions written out
as matrices."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from common.spectral import SpectralNorm, power_iteration
from tests.common.helpers import COMPILED, load_elsewhere, numpy

RNG = np.random.default_rng(0)
LAYERS = {
    "dense": (lambda: layers.Dense(9), (12,)),
    "conv": (lambda: layers.Conv2D(5, 4, strides=2, padding="same"), (8, 8, 3)),
    "conv valid": (lambda: layers.Conv1D(4, 3, padding="valid", dilation_rate=2), (9, 2)),
    "transposed": (lambda: layers.Conv2DTranspose(3, 4, strides=2, padding="same"), (4, 4, 5)),
}


def make(name, seed=0, **options):
    """The wrapped layer with a kernel that is not nearly orthogonal, and the shape of an input."""
    keras.utils.set_random_seed(seed)
    layer, shape = LAYERS[name][0](), LAYERS[name][1]
    normed = SpectralNorm(layer, **options)
    normed.build((None, *shape))
    layer.kernel.assign(3 * np.random.default_rng(seed).normal(size=layer.kernel.shape))
    return normed, shape


def settle(normed, shape, calls=50):
    for _ in range(calls):
        normed(np.zeros((1, *shape), "float32"), training=True)
    return normed


def sigma(kernel):
    matrix = np.asarray(kernel, "float64").reshape(-1, kernel.shape[-1])
    return np.linalg.svd(matrix, compute_uv=False)[0]


def linear_map(layer, shape):
    """The layer without its bias as a matrix, one column for each number of the input."""
    size = int(np.prod(shape))
    unit, zero = np.eye(size, dtype="float32").reshape(size, *shape), np.zeros((1, *shape), "float32")
    columns = numpy(layer(unit)) - numpy(layer(zero))
    return columns.reshape(size, -1).T.astype("float64")


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_after_50_updates_is_within_one_percent_of_the_svd(name, seed):
    normed, shape = make(name, seed)
    raw = numpy(normed.layer.kernel).copy()
    settle(normed, shape)
    found, _ = power_iteration(raw.reshape(-1, raw.shape[-1]), numpy(normed.u), 1)
    assert 0.99 * sigma(raw) < float(found) <= sigma(raw) * (1 + 1e-5)
    np.testing.assert_array_equal(numpy(normed.layer.kernel), raw)       # the raw kernel is kept


@pytest.mark.parametrize("name", LAYERS)
def test_the_output_is_that_of_the_kernel_over_its_norm(name):
    normed, shape = make(name)
    settle(normed, shape, 300)
    twin = LAYERS[name][0]()
    twin.build((None, *shape))
    bias = RNG.normal(size=twin.bias.shape)
    normed.layer.bias.assign(bias)
    twin.set_weights([numpy(normed.layer.kernel) / sigma(normed.layer.kernel), bias])
    x = RNG.normal(size=(3, *shape)).astype("float32")
    for training in (False, True):                                       # it holds at inference, too
        y = numpy(normed(x, training=training))
        np.testing.assert_allclose(y, numpy(twin(x)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_the_linear_map_stays_below_the_bound(name):
    normed, shape = make(name)
    settle(normed, shape, 300)
    assert np.linalg.norm(linear_map(normed, shape), 2) <= normed.bound * (1 + 1e-4)


def test_bounds():
    assert [make(name)[0].bound for name in LAYERS] == [1.0, 2.0, pytest.approx(3 ** 0.5), 2.0]


def test_the_bound_of_a_convolution_is_reached():
    """A kernel of ones on a constant image: every window sees the same, and the reshaped σ alone would be
    half of it."""
    normed = SpectralNorm(layers.Conv2D(1, 4, strides=2, kernel_initializer="ones"))
    settle(normed, (62, 62, 1))
    matrix = linear_map(normed, (22, 22, 1))
    assert 1.8 < np.linalg.norm(matrix, 2) <= 2


def critic():
    x = keras.Input((8, 8, 1))
    h = layers.LeakyReLU(0.2)(SpectralNorm(layers.Conv2D(6, 4, strides=2, padding="same"))(x))
    h = layers.LeakyReLU(0.2)(SpectralNorm(layers.Conv2D(12, 4, strides=2, padding="same"))(h))
    return keras.Model(x, SpectralNorm(layers.Dense(1))(layers.Flatten()(h)))


def test_the_lipschitz_constant_of_a_critic_stays_below_the_product_of_its_bounds():
    model = critic()
    for layer in model.layers:
        if isinstance(layer, SpectralNorm):
            layer.layer.kernel.assign(5 * RNG.normal(size=layer.layer.kernel.shape))
    for _ in range(300):
        model(np.zeros((1, 8, 8, 1), "float32"), training=True)
    x = RNG.normal(size=(300, 8, 8, 1)).astype("float32")
    near = x + 0.01 * RNG.normal(size=x.shape).astype("float32")
    distance = np.linalg.norm((x - near).reshape(300, -1), axis=1)
    found = np.abs(numpy(model(x) - model(near)))[:, 0] / distance
    bound = np.prod([layer.bound for layer in model.layers if isinstance(layer, SpectralNorm)])
    assert bound == 4.0 and 0 < found.max() < bound


def gradient(function, value):
    """dL/dvalue of L = function(variable) on any backend, for a Keras variable."""
    if keras.backend.backend() == "torch":
        import torch

        loss = function()
        return numpy(torch.autograd.grad(loss, value.value)[0])
    if keras.backend.backend() == "jax":
        import jax

        def loss(tensor):
            with keras.StatelessScope([(value, tensor)]):
                return function()

        return numpy(jax.grad(loss)(value.value))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = function()
    return numpy(tape.gradient(loss, value.value))


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_flows_through_sigma(name):
    """Finite differences of the same function with NumPy's σ: the built-in layer, which stops its gradient,
    would fail."""
    normed, shape = make(name)
    settle(normed, shape, 500)
    x = RNG.normal(size=(2, *shape)).astype("float32")
    w = numpy(normed.layer.kernel).astype("float64")
    # Along it the loss depends on the size of the kernel: σ has its share.
    target = ops.stop_gradient(normed(x))
    found = gradient(lambda: ops.sum(normed(x) * target), normed.layer.kernel)
    plain = LAYERS[name][0]()
    plain.build((None, *shape))

    def inner(kernel):
        """The loss is linear in the kernel: ⟨G, kernel⟩ with G from the layer without a norm."""
        return (G * kernel).sum()

    plain.kernel.assign(w)
    G = gradient(lambda: ops.sum(plain(x) * target), plain.kernel).astype("float64")
    for index in np.random.default_rng(1).integers(0, w.size, 8):
        step = np.zeros(w.size)
        step[index] = 1e-4
        step = step.reshape(w.shape)
        up, down = (inner((w + s) / sigma(w + s)) for s in (step, -step))
        assert found.flat[index] == pytest.approx((up - down) / 2e-4, rel=2e-3, abs=2e-4 * np.abs(G).max())
    without = G / sigma(w)      # what a projection follows
    assert np.abs(found - without).max() > 0.05 * np.abs(without).max()
    along_w = np.abs((found * w).sum())                         # scaling W changes nothing
    assert along_w < 1e-3 * np.abs(found).max() * np.abs(w).sum()


def test_the_difference_to_keras_own_layer():
    """Keras' SpectralNormalization overwrites the kernel in training and leaves a grown kernel as it is at
    inference."""
    x = RNG.normal(size=(4, 12)).astype("float32")
    theirs, ours = layers.SpectralNormalization(layers.Dense(9)), SpectralNorm(layers.Dense(9))
    for normed in (theirs, ours):
        normed.build((None, 12))
        normed.layer.kernel.assign(3 * np.random.default_rng(0).normal(size=(12, 9)))
        for _ in range(50):
            normed(x, training=True)
    assert sigma(numpy(theirs.layer.kernel)) == pytest.approx(1, rel=0.01)      # the raw kernel is gone
    assert sigma(numpy(ours.layer.kernel)) > 10
    for normed in (theirs, ours):
        normed.layer.kernel.assign(7 * numpy(normed.layer.kernel))      # as a step of an optimizer may
    assert np.linalg.norm(linear_map(theirs, (12,)), 2) == pytest.approx(7, rel=0.01)
    assert np.linalg.norm(linear_map(ours, (12,)), 2) == pytest.approx(1, rel=0.01)


def test_the_layers_activity_regulariser_counts():
    normed = SpectralNorm(layers.Dense(3, activity_regularizer="l2"))
    y = numpy(normed(np.ones((2, 4), "float32")))
    [loss] = normed.losses
    assert float(loss) == pytest.approx(0.01 * (y ** 2).sum() / 2, rel=1e-5)


def test_zero_kernels_stay_zero_with_a_finite_gradient():
    normed = SpectralNorm(layers.Dense(3, kernel_initializer="zeros"))
    x = np.ones((2, 4), "float32")
    assert not numpy(normed(x, training=True)).any()
    found = gradient(lambda: ops.sum(ops.square(normed(x) - 1)), normed.layer.kernel)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy):
    """A kernel whose squares overflow in float16 (Σ = 6·10⁵)."""
    normed = SpectralNorm(layers.Dense(16, use_bias=False, dtype=policy), dtype=policy)
    normed.build((None, 24))
    raw = 40 * np.random.default_rng(0).normal(size=(24, 16))
    normed.layer.kernel.assign(raw)
    settle(normed, (24,))
    y = normed(np.eye(24))
    assert keras.backend.standardize_dtype(y.dtype) == keras.DTypePolicy(policy).compute_dtype
    np.testing.assert_allclose(numpy(ops.cast(y, "float32")), raw / sigma(raw), atol=0.01)


@pytest.mark.parametrize("jit_compile", [False, COMPILED])
def test_trains_saves_and_loads_in_a_fresh_process(tmp_path, jit_compile):
    keras.utils.set_random_seed(0)
    model = critic()
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit_compile)
    x = RNG.normal(size=(32, 8, 8, 1)).astype("float32")
    y = 0.3 * x.mean(axis=(1, 2)) * 8
    losses = model.fit(x, y, epochs=15, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    first = next(layer for layer in model.layers if isinstance(layer, SpectralNorm))
    kernel = numpy(first.layer.kernel)
    estimate, _ = power_iteration(kernel.reshape(-1, 6), numpy(first.u))
    assert float(estimate) == pytest.approx(sigma(kernel), rel=0.02)
    found, _ = load_elsewhere(model, x, "common.spectral", tmp_path, """
assert model.layers[1].iterations == 1 and numpy.abs(model.layers[1].u).max() > 0
""", compile=False)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", [pytest.param(None, marks=pytest.mark.slow), "relu"])
def test_a_quantised_model_is_within_a_tenth_of_the_float_one(tmp_path, activation):
    keras.utils.set_random_seed(0)
    x = keras.Input((24,))
    h = SpectralNorm(layers.Dense(32, activation, bias_initializer="random_normal"))(x)
    model = keras.Model(x, SpectralNorm(layers.Dense(8))(h))
    for layer in model.layers[1:]:
        layer.layer.kernel.assign(5 * RNG.normal(size=layer.layer.kernel.shape))
    data = RNG.normal(size=(50, 24)).astype("float32")
    for _ in range(100):
        model(data, training=True)
    expected = numpy(model(data))
    model.quantize("int8")
    assert keras.backend.standardize_dtype(model.layers[1].layer.kernel.dtype) == "int8"
    found = numpy(model(data))
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max() and found.any()
    again, _ = load_elsewhere(model, data, "common.spectral", tmp_path, compile=False)
    np.testing.assert_allclose(again, found, atol=1e-4)


def test_other_quantisation_is_refused():
    x = keras.Input((24,))
    model = keras.Model(x, SpectralNorm(layers.Dense(32))(x))
    with pytest.raises(ValueError, match="with int8.*Received: layer.quantization_mode='int4'"):
        model.quantize("int4")
        model(np.zeros((1, 24), "float32"))


@pytest.mark.parametrize("name, int8", [
    ("dense", True), ("conv", False),
    *(pytest.param(*row, marks=pytest.mark.slow) for row in
      [("dense", False), ("conv", True), ("conv valid", False), ("conv valid", True)])])
def test_lora_counts_in_sigma(name, int8):
    if int8 and name != "dense":
        pytest.skip("Keras quantises no convolution")
    normed, shape = make(name)
    normed.layer.enable_lora(2, lora_alpha=3)
    if int8:
        normed.layer.quantize("int8")
    a, b = normed.layer.lora_kernel_a, normed.layer.lora_kernel_b
    a.assign(RNG.normal(size=a.shape))
    b.assign(3 * RNG.normal(size=b.shape))
    normed.layer.bias.assign(RNG.normal(size=normed.layer.bias.shape))
    zero = np.zeros((1, *shape), "float32")
    plain = make(name)[0].layer
    raw = numpy(plain.kernel) + 1.5 * numpy(a) @ numpy(b)
    settle(normed, shape, 300)
    plain.kernel.assign(raw / sigma(raw))
    plain.bias.assign(normed.layer.bias)
    x = RNG.normal(size=(6, *shape)).astype("float32")
    expected = numpy(plain(x))
    found = numpy(normed(x))
    tolerance = 0.05 if int8 else 1e-3
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()
    np.testing.assert_allclose(numpy(normed(zero)), numpy(plain(zero)), rtol=1e-5, atol=1e-6)


def test_lora_weights_learn_through_sigma_and_merge_when_saved(tmp_path):
    keras.utils.set_random_seed(0)
    x = keras.Input((6,))
    model = keras.Model(x, SpectralNorm(layers.Dense(4))(x))
    model.layers[1].layer.enable_lora(2)
    data = RNG.normal(size=(64, 6)).astype("float32")
    before = numpy(model.layers[1].layer._kernel)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = model.fit(data, data[:, :4], epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    np.testing.assert_array_equal(numpy(model.layers[1].layer._kernel), before)
    found, _ = load_elsewhere(model, data, "common.spectral", tmp_path, compile=False)
    np.testing.assert_allclose(found, numpy(model(data)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_a_built_layer_takes_no_other_channels(name):
    normed, shape = make(name)
    normed(np.zeros((1, *shape), "float32"))
    for channels in (1, 2 * shape[-1]):
        for x in (np.zeros((1, *shape[:-1], channels), "float32"),
                  keras.KerasTensor((None, *shape[:-1], channels))):
            with pytest.raises(ValueError, match="[Rr]eceived"):
                normed(x)


def test_config_round_trip():
    normed = SpectralNorm(layers.Conv2D(3, 2), iterations=4, name="n")
    again = SpectralNorm.from_config(normed.get_config())
    assert (again.iterations, again.name, again.layer.filters) == (4, "n", 3)
    assert again.compute_output_shape((None, 5, 5, 1)) == (None, 4, 4, 3)


@pytest.mark.parametrize("make_layer, message", [
    (lambda: SpectralNorm(layers.Embedding(3, 4)), "expects a Dense.*Received: layer"),
    (lambda: SpectralNorm(layers.Dense(3), iterations=0),
     "at least one power iteration.*Received: iterations=0"),
])
def test_wrong_arguments_are_named(make_layer, message):
    with pytest.raises(ValueError, match=message):
        make_layer()
