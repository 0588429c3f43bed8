"""common/latent.py against oracles that share no code with it: float64 NumPy loops, integration by a
fine grid."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from common.latent import ClusterPrior, GaussianSampling
from tests.common.helpers import COMPILED


def added_loss(layer, inputs):
    layer([ops.convert_to_tensor(t) for t in inputs])
    return float(layer.losses[0])


def kl_by_integration(mean, variance, prior_mean):
    """KL(N(mean, variance) ‖ N(prior_mean, 1)) in one dimension, by the definition."""
    deviation = math.sqrt(variance)
    grid = np.linspace(mean - 12 * deviation, mean + 12 * deviation, 200_001)
    log_p = -0.5 * (grid - mean) ** 2 / variance - 0.5 * math.log(2 * math.pi * variance)
    log_q = -0.5 * (grid - prior_mean) ** 2 - 0.5 * math.log(2 * math.pi)
    return np.sum(np.exp(log_p) * (log_p - log_q)) * (grid[1] - grid[0])


@pytest.mark.parametrize("with_prior", [False, True])
def test_kl_is_that_of_the_definition(with_prior):
    rng = np.random.default_rng(0)
    mean, log_var, prior = rng.normal(size=(3, 4, 3))
    inputs = [mean, log_var, prior] if with_prior else [mean, log_var]
    inputs = [t.astype("float32") for t in inputs]
    if not with_prior:
        prior = np.zeros((4, 3))
    expected = 0.0
    for i, j in np.ndindex(4, 3):
        expected += kl_by_integration(mean[i, j], math.exp(log_var[i, j]), prior[i, j]) / 4
    assert added_loss(GaussianSampling(), inputs) == pytest.approx(expected, rel=1e-5)
    half = added_loss(GaussianSampling(kl_weight=0.5), inputs)
    assert half == pytest.approx(expected / 2, rel=1e-5)


def test_kl_keeps_its_digits_where_sigma_is_almost_one():
    log_var = np.full((1, 1), 1e-3, "float32")
    exact = 0.5 * (math.expm1(float(log_var[0, 0])) - float(log_var[0, 0]))
    found = added_loss(GaussianSampling(), [np.zeros_like(log_var), log_var])
    assert found == pytest.approx(exact, rel=1e-3)


def test_samples_have_the_given_mean_and_deviation():
    mean = np.full((200_000, 2), [1.0, -2.0], "float32")
    log_var = np.full((200_000, 2), [0.0, math.log(9)], "float32")
    z = ops.convert_to_numpy(GaussianSampling(seed=1)([mean, log_var]))
    np.testing.assert_allclose(z.mean(axis=0), [1, -2], atol=0.03)
    np.testing.assert_allclose(z.std(axis=0), [1, 3], rtol=0.01)


def test_the_same_seed_gives_the_same_noise_and_the_next_call_other_noise():
    inputs = [np.zeros((5, 2), "float32")] * 2
    first, second = GaussianSampling(seed=3), GaussianSampling(seed=3)
    a, b, c = (ops.convert_to_numpy(layer(inputs)) for layer in (first, second, first))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.1


@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 2, 3, 2)], ids=["sequences", "images"])
def test_the_kl_is_a_sum_over_steps_and_pixels_too(shape):
    rng = np.random.default_rng(0)
    mean, log_var = rng.normal(size=(2, *shape)).astype("float32")
    each = np.zeros(shape[1:])
    for index in np.ndindex(*shape):
        each[index[1:]] += kl_by_integration(float(mean[index]), math.exp(log_var[index]), 0) / shape[0]
    expected, floor = each.sum(), np.maximum(each, 0.9).sum()
    assert added_loss(GaussianSampling(), [mean, log_var]) == pytest.approx(expected, rel=1e-4)
    layer = GaussianSampling(free_bits=0.9)
    layer([mean, log_var], training=True)
    assert float(layer.losses[0]) == pytest.approx(floor, rel=1e-4)


def test_padding_adds_nothing_to_the_kl_even_where_it_is_nan():
    rng = np.random.default_rng(0)
    mean, log_var = rng.normal(size=(2, 1, 4, 3)).astype("float32")
    alone = added_loss(GaussianSampling(), [mean, log_var])
    padded = [np.concatenate([t, np.full((1, 2, 3), np.nan, "float32")], axis=1) for t in (mean, log_var)]
    mask = ops.convert_to_tensor(np.arange(6)[None] < 4)
    layer = GaussianSampling()
    z = ops.convert_to_numpy(layer(padded, mask=[mask, mask]))
    assert float(layer.losses[0]) == pytest.approx(alone, rel=1e-6)
    assert np.isfinite(z).all() and not z[:, 4:].any() and z[:, :4].all()


def test_a_model_hands_the_mask_on():
    x = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(5, 3, mask_zero=True)(x)
    z = GaussianSampling()([keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    model = keras.Model(x, z)
    y = ops.convert_to_numpy(model(np.array([[1, 2, 0], [3, 0, 0]])))
    assert (y[..., 0] != 0).tolist() == [[True, True, False], [True, False, False]]
    assert z._keras_mask is not None
    vectors = GaussianSampling()
    inputs = [np.zeros((2, 3), "float32")] * 2             # a mask of steps says nothing about vectors
    assert vectors(inputs, mask=[np.zeros((2, 7), "bool")] * 2).shape == (2, 3)


def test_a_batch_without_rows_adds_nothing():
    empty = np.zeros((0, 3), "float32")
    assert added_loss(GaussianSampling(), [empty, empty]) == 0
    layer = GaussianSampling(free_bits=0.5)
    assert layer([empty, empty], training=True).shape == (0, 3)
    assert np.isfinite(float(layer.losses[0]))
    assert added_loss(ClusterPrior(4), [empty, empty, np.zeros((0, 4), "float32")]) == 0


def test_a_bottleneck_is_the_mean_in_inference_and_a_sample_in_training():
    mean, log_var = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    bottleneck = GaussianSampling(kl_weight=0.1, noise_in_inference=False, seed=4)
    z = ops.convert_to_numpy(bottleneck([mean, log_var], training=False))
    np.testing.assert_array_equal(z, mean)
    in_inference = float(bottleneck.losses[0])
    always = GaussianSampling(kl_weight=0.1, seed=4)
    np.testing.assert_array_equal(bottleneck([mean, log_var], training=True),
                                  always([mean, log_var], training=True))
    # one KL, with or without noise, and no second one
    assert in_inference == float(bottleneck.losses[0]) == float(always.losses[0]) and len(always.losses) == 1


def test_a_bottleneck_keeps_padding_at_zero():
    mean = np.full((1, 3, 2), np.nan, "float32")
    mean[:, :2] = 7
    mask = ops.convert_to_tensor([[True, True, False]])
    z = GaussianSampling(noise_in_inference=False)([mean, np.zeros_like(mean)], mask=[mask, mask])
    np.testing.assert_array_equal(z, [[[7, 7], [7, 7], [0, 0]]])


def test_without_kl_weight_there_is_no_loss():
    layer = GaussianSampling(kl_weight=0)
    layer([np.zeros((2, 2), "float32")] * 2)
    assert layer.losses == []


def test_free_bits_and_warm_up_change_the_training_loss_alone():
    rng = np.random.default_rng(0)
    mean = (0.5 * rng.normal(size=(6, 4))).astype("float32")
    log_var = rng.normal(size=(6, 4)).astype("float32")
    log_var[:, 1], mean[:, 1] = 0, 0                                     # a collapsed dimension
    each = np.zeros(4)                                                   # KL of each dimension
    for i, j in np.ndindex(6, 4):
        each[j] += kl_by_integration(mean[i, j], math.exp(log_var[i, j]), 0) / 6
    layer = GaussianSampling(free_bits=0.3, warmup_steps=4)
    for step in range(6):
        layer([mean, log_var], training=True)
        expected = min(1, step / 4) * sum(max(0.3, kl) for kl in each)
        assert float(layer.losses[-1]) == pytest.approx(expected, rel=1e-3, abs=1e-6)
    layer([mean, log_var])
    assert float(layer.losses[-1]) == pytest.approx(sum(each), rel=1e-3) and int(layer.steps) == 6


def test_warm_up_survives_saving(tmp_path):
    x = keras.Input((3,))
    sampling = GaussianSampling(warmup_steps=100, free_bits=0.1, name="z")
    model = keras.Model(x, sampling([x, keras.layers.Dense(3)(x)]))
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 3)), batch_size=2, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").get_layer("z")
    assert (int(again.steps), again.warmup_steps, again.free_bits) == (4, 100, 0.1)


def test_cluster_loss_is_the_loop_over_clusters():
    rng = np.random.default_rng(0)
    z, log_var = rng.normal(size=(2, 6, 4))
    p = rng.dirichlet(np.ones(3), size=6)
    means = rng.normal(size=(3, 4))
    expected = 0.0
    for i in range(6):
        for y in range(3):
            distance = sum((z[i, j] - means[y, j]) ** 2 for j in range(4))
            ratio = -0.5 * sum(log_var[i]) + 0.5 * distance
            expected += p[i, y] * (ratio + math.log(p[i, y])) / 6
    layer = ClusterPrior(3)
    layer.build([(6, 4), (6, 4), (6, 3)])
    layer.means.assign(means)
    found = added_loss(layer, [t.astype("float32") for t in (z, log_var, p)])
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("p", [[1.0, 0.0], [0.5, 0.5]])
def test_cluster_gradient_is_finite_at_certainty_and_at_equal_means(p):
    classifier = keras.layers.Dense(2, kernel_initializer="zeros", activation="softmax")
    classifier.build((None, 2))
    classifier.bias.assign([200.0 if p[0] == 1 else 0.0, 0.0])
    z, log_var = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([z, log_var], ClusterPrior(2, name="clusters")([z, log_var, classifier(z)]))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    data = [np.ones((4, 2), "float32"), np.zeros((4, 2), "float32")]
    model.fit(data, np.zeros((4, 2), "float32"), epochs=1, verbose=0)
    for variable in model.trainable_variables:
        assert np.isfinite(ops.convert_to_numpy(variable)).all()
    assert np.abs(ops.convert_to_numpy(model.get_layer("clusters").means)).max() > 0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_the_loss_is_float32_under_any_policy(policy):
    mean = np.full((1, 300), 30.0, "float16")          # Σ μ² = 270,000 is more than float16 can hold
    layer = GaussianSampling(dtype=policy)
    z = layer([ops.convert_to_tensor(mean), ops.zeros((1, 300), "float16")])
    assert keras.backend.standardize_dtype(layer.losses[0].dtype) == "float32"
    assert float(layer.losses[0]) == pytest.approx(135_000, rel=1e-3)
    assert keras.backend.standardize_dtype(z.dtype) == keras.DTypePolicy(policy).compute_dtype


def small_model():
    x = keras.Input((5,))
    mean, log_var = keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)
    z = GaussianSampling(kl_weight=0, seed=7)([mean, log_var])
    z = ClusterPrior(4)([z, log_var, keras.layers.Dense(4, activation="softmax")(z)])
    return keras.Model(x, keras.layers.Dense(5)(z))


@pytest.mark.parametrize("jit_compile", [False, COMPILED])
def test_trains_saves_and_loads(tmp_path, jit_compile):
    keras.utils.set_random_seed(0)
    model = small_model()
    model.compile(keras.optimizers.Adam(0.03), "mse", jit_compile=jit_compile)
    x = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    losses = model.fit(x, x, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.2
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    for a, b in zip(model.weights, again.weights):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))
    sampling = next(layer for layer in again.layers if isinstance(layer, GaussianSampling))
    assert (sampling.kl_weight, sampling.seed) == (0, 7)


def test_sequences_keep_their_shape():
    z = GaussianSampling()([np.zeros((2, 7, 3), "float32")] * 2)
    assert z.shape == (2, 7, 3)
    assert GaussianSampling().compute_output_shape([(None, 7, 3), (None, 7, 3)]) == (None, 7, 3)


def zeros(shapes):
    return [np.zeros(shape, "float32") for shape in shapes]


def symbols(shapes):
    return [keras.KerasTensor((None, *shape[1:])) for shape in shapes]


WRONG = [[(2, 3)], [(2, 3), (2, 4)], [(2, 3)] * 4, [(2, 3), (2, 1)], [(2, 3), (2, 7, 3)], [(2,), (2,)]]


@pytest.mark.parametrize("inputs", [zeros, symbols])
@pytest.mark.parametrize("shapes", [*WRONG, [(2, 3), (2, 3), (2, 1)]], ids=str)
@pytest.mark.parametrize("built", [False, True])
def test_wrong_inputs_are_named(shapes, inputs, built):
    layer = GaussianSampling()
    if built:
        layer(zeros([(2, 3), (2, 3)]))
    with pytest.raises(ValueError, match=r"expects a list \[mean, log_var, prior_mean\].*Received"):
        layer(inputs(shapes))


@pytest.mark.parametrize("built", [False, True])
def test_rows_are_not_broadcast(built):
    layer = GaussianSampling()
    if built:
        layer(zeros([(2, 3), (2, 3)]))
    with pytest.raises(ValueError, match="of one shape.*Received"):
        layer(zeros([(4, 3), (1, 3)]))


@pytest.mark.parametrize("built", [False, True])
def test_inputs_that_are_no_list_are_named(built):
    layer, mean = GaussianSampling(), np.zeros((2, 3), "float32")
    if built:
        layer([mean, mean])
    for call in (lambda: layer(mean, mean), lambda: layer(mean), lambda: layer(np.zeros((2, 4, 3)))):
        with pytest.raises(ValueError, match=r"expects a list \[mean, log_var, prior_mean\].*Received"):
            call()


@pytest.mark.parametrize("inputs", [zeros, symbols])
@pytest.mark.parametrize("shapes", [
    [(2, 3), (2, 3), (2, 5)], [(2, 3), (2, 3), (2, 1)], [(2, 3), (2, 1), (2, 4)], [(2, 3), (2, 3)],
    [(2, 6, 3), (2, 6, 3), (2, 6, 4)],
], ids=str)
def test_wrong_cluster_inputs_are_named(shapes, inputs):
    with pytest.raises(ValueError, match="each of its 4 clusters.*Received|of one shape.*Received"):
        ClusterPrior(4)(inputs(shapes))
    layer = ClusterPrior(4)
    layer(zeros([(2, 3), (2, 3), (2, 4)]))
    with pytest.raises(ValueError, match="[Rr]eceived|found"):
        layer(inputs(shapes))


def test_cluster_inputs_are_not_broadcast():
    layer = ClusterPrior(4)
    layer(zeros([(2, 3), (2, 3), (2, 4)]))
    for shapes in ([(2, 3), (2, 3), (1, 4)], [(2, 5), (2, 5), (2, 4)], [(1, 3), (2, 3), (2, 4)]):
        with pytest.raises(ValueError, match="[Rr]eceived"):
            layer(zeros(shapes))


@pytest.mark.parametrize("make, message", [
    (lambda: GaussianSampling(kl_weight=-1), "kl_weight expects.*Received: kl_weight=-1"),
    (lambda: GaussianSampling(free_bits=-0.1), "free_bits expects.*Received"),
    (lambda: GaussianSampling(warmup_steps=1.5), "warmup_steps expects.*Received"),
    (lambda: ClusterPrior(0), "num_clusters expects.*Received: num_clusters=0"),
    (lambda: ClusterPrior("4"), "num_clusters expects.*Received: num_clusters='4'"),
])
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
