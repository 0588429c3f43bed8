"""common/capsule.py against float64 loops written from the articles' equations; degenerate inputs; every backend."""

import itertools
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from common import capsule
from common.capsule import (
    Capsule,
    CapsuleLength,
    ClassCapsules,
    ConvCapsules,
    PrimaryCapsules,
    margin_loss,
    spread_loss,
    spread_margin,
    squash,
)

RNG = np.random.default_rng(0)
OTHER_BACKEND = keras.backend.backend() != "tensorflow"


def array(t):
    return ops.convert_to_numpy(t)


def randomize(layer, shape, scale=1.0):
    layer.build(shape)
    for weight in layer.weights:
        weight.assign(scale * RNG.normal(size=weight.shape))
    return layer


# ------------------------------------------------------------------------------------------------------------ oracles

def routing_loop(votes, routings):
    """Article 5112, its box 动态路由 line by line, for votes û[i][j], one image: v, c."""
    n, k, _ = votes.shape
    c = np.full((n, k), 1 / k)
    v = [sum(votes[i, j] for i in range(n)) / k for j in range(k)]
    for _ in range(routings - 1):
        v = [v_j / math.sqrt(v_j @ v_j) for v_j in v]
        for i in range(n):
            scores = [math.exp(votes[i, j] @ v[j]) for j in range(k)]
            c[i] = [score / sum(scores) for score in scores]
        v = [sum(c[i, j] * votes[i, j] for i in range(n)) for j in range(k)]
    return np.array([v_j @ v_j / (0.5 + v_j @ v_j) * v_j / math.sqrt(v_j @ v_j) for v_j in v]), c.T


def em_loop(votes, activations, beta_u, beta_a, routings, inverse_temperature):
    """Article 5155, 新动态路由（完整版）: votes[i, j] is a vector, absent where child i has no vote for parent j. By
    densities and not their logarithms, so only for votes of few dimensions. beta_u and beta_a by parent."""
    children, parents = sorted({i for i, _ in votes}), sorted({j for _, j in votes})
    score = dict.fromkeys(votes, 1.0)                                   # a_j p_ij; at first all parents are alike
    for _ in range(routings):
        total = {i: sum(score[i, j] for j in parents if (i, j) in votes) for i in children}
        weight = {(i, j): activations[i] * score[i, j] / total[i] for i, j in votes}             # a_i R_ij
        mean, variance, a = {}, {}, {}
        for j in parents:
            mine = [i for i in children if (i, j) in votes]
            amount = sum(weight[i, j] for i in mine)
            mean[j] = sum(weight[i, j] * votes[i, j] for i in mine) / amount
            variance[j] = sum(weight[i, j] * (votes[i, j] - mean[j]) ** 2 for i in mine) / amount
            variance[j] = np.maximum(variance[j], capsule.VARIANCE_FLOOR)
            cost = (beta_u[j] + sum(math.log(math.sqrt(s)) for s in variance[j])) * amount
            a[j] = 1 / (1 + math.exp(-inverse_temperature * (beta_a[j] - cost)))
        score = {(i, j): a[j] * math.prod(math.exp(-(x - m) ** 2 / (2 * s)) / math.sqrt(2 * math.pi * s)
                                          for x, m, s in zip(votes[i, j], mean[j], variance[j])) for i, j in votes}
    return mean, a


# ---------------------------------------------------------------------------------------------------- dynamic routing

@pytest.mark.parametrize("share_weights, routings", list(itertools.product([True, False], [1, 2, 3, 5])))
def test_dynamic_routing_is_the_loop(share_weights, routings):
    layer = randomize(Capsule(4, 3, routings, share_weights), (2, 7, 5), 0.6)
    u = RNG.normal(size=(2, 7, 5))
    kernel = array(layer.kernel).astype("float64")
    v, c = (array(t) for t in layer.route(u.astype("float32")))
    for b in range(2):
        votes = np.zeros((7, 4, 3))
        for i, j in np.ndindex(7, 4):
            w = kernel if share_weights else kernel[i]
            votes[i, j] = u[b, i] @ w.reshape(5, 4, 3)[:, j]
        expected_v, expected_c = routing_loop(votes, routings)
        np.testing.assert_allclose(v[b], expected_v, atol=2e-5)
        np.testing.assert_allclose(c[b], expected_c, atol=2e-5)
    np.testing.assert_allclose(c.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(array(layer(u.astype("float32"))), v)


def test_one_routing_is_the_closed_form():
    layer = randomize(Capsule(4, 3, routings=1), (2, 7, 5))
    u = RNG.normal(size=(2, 7, 5)).astype("float32")
    s = (u.sum(axis=1) @ array(layer.kernel)).reshape(2, 4, 3) / 4
    np.testing.assert_allclose(array(layer(u)), array(squash(s)), rtol=1e-4, atol=1e-6)


def test_squash_and_length():
    half = np.array([[0, 0], [3, 4], [300, 400]], "float16")
    assert np.allclose(array(squash(half)), [[0, 0], [3 / 5.1, 4 / 5.1], [0.6, 0.8]], atol=1e-3)
    assert keras.backend.standardize_dtype(squash(half).dtype) == "float16"
    x = RNG.normal(size=(20, 6))
    square = (x ** 2).sum(axis=1, keepdims=True)
    v = squash(x.astype("float32"))
    np.testing.assert_allclose(array(v), square / (0.5 + square) * x / np.sqrt(square), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(array(CapsuleLength()(v)), (square / (0.5 + square))[:, 0], rtol=1e-5)


def test_masked_inputs_do_not_vote():
    layer = randomize(Capsule(4, 3), (1, 6, 5))
    u = RNG.normal(size=(1, 6, 5)).astype("float32")
    padded = np.concatenate([u, np.full((1, 3, 5), np.nan, "float32")], axis=1)
    mask = np.arange(9)[None] < 6
    np.testing.assert_allclose(array(layer(padded, mask=mask)), array(layer(u)), rtol=1e-5, atol=1e-6)


def test_a_keras_mask_is_taken_and_ends():
    x = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(9, 5, mask_zero=True)(x)
    model = keras.Model(x, Capsule(4, 3)(h))
    long, short = np.array([[3, 1, 2, 0, 0]]), np.array([[3, 1, 2]])
    np.testing.assert_allclose(array(model(long)), array(model(short)), rtol=1e-4, atol=1e-6)
    assert getattr(model.outputs[0], "_keras_mask", None) is None


# --------------------------------------------------------------------------------------------------------- EM routing

@pytest.mark.parametrize("size, strides, routings", [((5, 6), 2, 3), ((4, 5), 1, 3), ((5, 5), 3, 2), ((4, 4), 1, 1)])
def test_conv_capsules_are_the_loop_with_rivals_at_all_places(size, strides, routings):
    """The graph of children and parents is built here from the definition of a convolution, by a dictionary."""
    kernel_size, children, k, scale = 3, 2, 3, 0.2
    layer = randomize(ConvCapsules(k, kernel_size, strides, routings, scale),
                      [(1, *size, children, 2, 2), (1, *size, children)], 0.7)
    poses, a = RNG.normal(size=(1, *size, children, 2, 2)), RNG.uniform(0.1, 1, (1, *size, children))
    kernel = array(layer.kernel).astype("float64").reshape(kernel_size, kernel_size, children, k, 2, 2)
    rows, columns = ((length - kernel_size) // strides + 1 for length in size)
    votes = {}
    for row, column, j, dy, dx, i in np.ndindex(rows, columns, k, kernel_size, kernel_size, children):
        child = (row * strides + dy, column * strides + dx, i)
        votes[child, (row, column, j)] = (poses[0][child] @ kernel[dy, dx, i, j]).reshape(-1)
    activations = {child: a[0][child] for child, _ in votes}
    beta_u, beta_a = ({parent: float(array(weight)[parent[2]]) for _, parent in votes}
                      for weight in (layer.beta_u, layer.beta_a))
    mean, expected_a = em_loop(votes, activations, beta_u, beta_a, routings, scale)
    found_mean, found_a = (array(t)[0] for t in layer([poses.astype("float32"), a.astype("float32")]))
    assert found_a.shape == (rows, columns, k)
    for parent in np.ndindex(rows, columns, k):
        np.testing.assert_allclose(found_a[parent], expected_a[parent], rtol=1e-3)
        np.testing.assert_allclose(found_mean[parent].reshape(-1), mean[parent], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("coordinate_scale", [0.0, 0.3])
def test_class_capsules_are_the_loop_with_coordinates(coordinate_scale):
    size, children, k = (2, 3), 2, 3
    layer = randomize(ClassCapsules(k, 3, 0.2, coordinate_scale), [(1, *size, children, 2, 2), (1, *size, children)], 0.7)
    poses, a = RNG.normal(size=(1, *size, children, 2, 2)), RNG.uniform(0.1, 1, (1, *size, children))
    kernel, votes = array(layer.kernel).astype("float64"), {}
    for y, x, i, j in np.ndindex(*size, children, k):
        vote = poses[0, y, x, i] @ kernel[i, j]
        vote[0, 1] += coordinate_scale * (y + 0.5)
        vote[1, 1] += coordinate_scale * (x + 0.5)
        votes[(y, x, i), j] = vote.reshape(-1)
    mean, expected_a = em_loop(votes, {child: a[0][child] for child, _ in votes}, array(layer.beta_u), array(layer.beta_a),
                               3, 0.2)
    found_mean, found_a = (array(t)[0] for t in layer([poses.astype("float32"), a.astype("float32")]))
    for j in range(k):
        np.testing.assert_allclose(found_a[j], expected_a[j], rtol=1e-3)
        np.testing.assert_allclose(found_mean[j].reshape(-1), mean[j], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("routings", [2, 3])
def test_parents_that_win_next_to_nothing_are_those_of_the_formulas(routings):
    """16 dimensions and votes of another spread for each parent: shares a_i R_ij far below float32's 1e-38 are common. The
    loop's formulas in float64 and logarithms."""
    votes = RNG.normal(size=(5, 8, 40, 16)) * RNG.uniform(0.2, 3, (5, 8, 1, 1)) + RNG.normal(size=(5, 8, 1, 16))
    child, beta = RNG.uniform(0.1, 1, (5, 40)), RNG.normal(size=(2, 8))
    logits, least = np.zeros((5, 8, 40)), 0.0
    for _ in range(routings):
        weights = np.log(child)[:, None] + logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        total = np.logaddexp.reduce(weights, axis=2, keepdims=True)
        r, least = np.exp(weights - total)[..., None], min(least, total.min())
        mean = (r * votes).sum(axis=2)
        variance = np.maximum((r * (votes - mean[:, :, None]) ** 2).sum(axis=2), capsule.VARIANCE_FLOOR)
        cost = (beta[0] + 0.5 * np.log(variance).sum(axis=2)) * np.exp(total[..., 0])
        log_a = -np.logaddexp(0, -0.01 * (beta[1] - cost))
        density = (votes - mean[:, :, None]) ** 2 / variance[:, :, None] + np.log(2 * np.pi * variance)[:, :, None]
        logits = log_a[..., None] - 0.5 * density.sum(axis=3)
    assert least < -20
    arguments = (np.asarray(t, "float32") for t in (votes, child, *beta))
    found_mean, found_a = (array(t) for t in capsule.em_routing(*arguments, routings=routings, inverse_temperature=0.01))
    np.testing.assert_allclose(found_mean, mean, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found_a, np.exp(log_a), rtol=1e-3)


def test_the_likelihood_of_the_mixture_never_falls():
    """With a_j held fixed EM climbs Σ_i a_i ln Σ_j a_j N(V_ij; M_j, σ_j²), as long as no variance is at the floor."""
    votes = RNG.normal(size=(3, 4, 30, 5)).astype("float32") + 2 * RNG.normal(size=(3, 4, 1, 5)).astype("float32")
    child, parent = RNG.uniform(0.1, 1, (3, 1, 30)).astype("float32"), RNG.uniform(0.1, 1, (3, 4, 1)).astype("float32")
    weights, before = child * RNG.dirichlet(np.ones(4), (3, 30)).transpose(0, 2, 1).astype("float32"), -np.inf
    for _ in range(15):
        mean, log_variance, distance, _ = capsule.m_step(votes, np.log(np.maximum(weights, 1e-38)))
        assert array(log_variance).min() > math.log(capsule.VARIANCE_FLOOR) + 1
        logits = np.log(parent) + array(capsule.log_density(distance, log_variance))
        m, s = array(mean).astype("float64")[:, :, None], np.exp(array(log_variance).astype("float64"))[:, :, None]
        exact = np.log(parent) - 0.5 * ((votes - m) ** 2 / s + np.log(2 * np.pi * s)).sum(axis=-1)
        np.testing.assert_allclose(logits, exact, rtol=1e-4, atol=1e-3)
        total = np.log(np.exp(exact - exact.max(axis=1, keepdims=True)).sum(axis=1)) + exact.max(axis=1)
        likelihood = (child[:, 0] * total).sum(axis=1)
        assert (likelihood > before - 1e-3).all()
        before, weights = likelihood, (child * np.exp(exact - total[:, None])).astype("float32")


def test_the_logit_of_a_parent_without_children_is_a_weight_whatever_the_inverse_temperature():
    layer = randomize(ClassCapsules(3, inverse_temperature=1e-4), [(1, 2, 2, 2, 2, 2), (1, 2, 2, 2)])
    layer.lambda_beta_a.assign([-3.0, 0.0, 2.0])
    _, a = layer([RNG.normal(size=(1, 2, 2, 2, 2, 2)).astype("float32"), np.zeros((1, 2, 2, 2), "float32")])
    np.testing.assert_allclose(array(a)[0], 1 / (1 + np.exp([3.0, 0.0, -2.0])), rtol=1e-4)


def test_each_child_is_in_as_many_windows_as_a_convolution_has_it_in():
    a = RNG.uniform(0.1, 1, (2, 5, 5, 3)).astype("float32")
    inside = array(capsule.fold(capsule.unfold(a, 3, 1), 1, 5, 5)).reshape(2, 5, 5, 9, 3)
    number = (inside > -1).sum(axis=3)
    assert number[0, :, :, 0].tolist() == np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]).tolist()
    np.testing.assert_array_equal(np.where(inside > -1, inside, a[:, :, :, None]),
                                  np.broadcast_to(a[:, :, :, None], inside.shape))


def capsule_network(pixels=(None, None), **settings):
    x = keras.Input((*pixels, 1))
    h = keras.layers.Conv2D(6, 5, strides=2, activation="tanh")(x)
    capsules = ConvCapsules(3, 3, strides=2, **settings)(PrimaryCapsules(2)(h))
    return keras.Model(x, ClassCapsules(4, inverse_temperature=0.02)(capsules)[1])


def vector_network(pixels=(None, None), **settings):
    x = keras.Input((*pixels, 1))
    h = keras.layers.Conv2D(6, 5, strides=2, activation="relu")(x)
    return keras.Model(x, CapsuleLength()(Capsule(4, 3, **settings)(keras.layers.Reshape((-1, 6))(h))))


@pytest.mark.parametrize("activation", [1.0, 1e-12, 0.0])
def test_gradients_of_parents_with_a_single_child_are_finite(activation):
    poses, a = keras.Input((1, 1, 1, 2, 2)), keras.Input((1, 1, 1))
    model = keras.Model([poses, a], keras.layers.Flatten()(ConvCapsules(3, 1)([poses, a])[1]))
    model.compile(keras.optimizers.SGD(0.1), spread_loss, run_eagerly=True)
    model.fit([RNG.normal(size=(2, 1, 1, 1, 2, 2)).astype("float32"), np.full((2, 1, 1, 1), activation, "float32")],
              np.eye(3, dtype="float32")[[0, 2]], epochs=2, verbose=0)
    assert all(np.isfinite(array(variable)).all() for variable in model.weights)


@pytest.mark.parametrize("network, loss", [(capsule_network, spread_loss), (vector_network, margin_loss)])
@pytest.mark.parametrize("kind", ["zeros", "random", "few children", "large"])
def test_values_and_gradients_are_finite(network, loss, kind):
    """One step of training on images of zeros (equal votes; for vectors, votes of zero), with activations of 0, with parents
    whose few children agree, with poses in the hundreds."""
    keras.utils.set_random_seed(0)
    model = network((19, 19) if kind != "few children" else (9, 9))     # 9 pixels: 3 × 3 places, one place of parents
    x = np.zeros((2, *model.input_shape[1:]), "float32") if kind == "zeros" else (
        RNG.normal(size=(2, *model.input_shape[1:])).astype("float32"))
    if network is capsule_network:
        bias = model.layers[2].dense.bias
        if kind == "zeros":
            bias.assign([0.0] * 32 + [-1e4] * 2)                        # sigmoid(−1e4) is 0 exactly: no child is there
        if kind == "few children":
            bias.assign([0.0] * 32 + [-1e4, 1e4])
            model.layers[2].dense.kernel.assign(np.zeros(model.layers[2].dense.kernel.shape, "float32"))
    if kind == "large":
        model.layers[1].kernel.assign(model.layers[1].kernel * 1000)
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    model.fit(x, np.eye(4, dtype="float32")[[0, 2]], epochs=2, verbose=0)
    for variable in model.weights:
        assert np.isfinite(array(variable)).all()
    assert np.isfinite(array(model(x))).all()


def test_a_parent_with_one_child_sits_on_its_vote_with_the_floor_as_variance():
    votes = RNG.normal(size=(2, 3, 1, 4)).astype("float32")
    mean, log_variance, _, _ = capsule.m_step(votes, np.zeros((2, 3, 1), "float32"))
    np.testing.assert_allclose(array(mean), votes[:, :, 0], rtol=1e-5)
    np.testing.assert_allclose(array(log_variance), math.log(capsule.VARIANCE_FLOOR), rtol=1e-5)


@pytest.mark.parametrize("network", [capsule_network, vector_network])
def test_the_size_of_images_is_free(network):
    keras.utils.set_random_seed(0)
    free, fixed = network(), network((19, 23))
    fixed.set_weights(free.get_weights())
    x = RNG.normal(size=(2, 19, 23, 1)).astype("float32")
    np.testing.assert_allclose(free.predict(x, verbose=0), array(fixed(x)), rtol=1e-4, atol=1e-6)
    assert free.predict(x[:, :13], verbose=0).shape == (2, 4)


@pytest.mark.parametrize("make, shapes, own_weights", [
    (lambda dtype: Capsule(4, 8, dtype=dtype), [(2, 30, 16)], "bfloat16"),
    (lambda dtype: ConvCapsules(3, 3, dtype=dtype), [(2, 5, 5, 2, 4, 4), (2, 5, 5, 2)], "float32"),
    (lambda dtype: ClassCapsules(4, dtype=dtype), [(2, 3, 3, 5, 4, 4), (2, 3, 3, 5)], "float32"),
])
def test_bfloat16_keeps_the_routing_in_float32(make, shapes, own_weights):
    """Inputs that bfloat16 has exactly: but for the rounding of the outputs the result is that in float32."""
    poses = np.round(8 * RNG.normal(size=shapes[0])) / 8
    inputs = [np.asarray(t, "float32") for t in (poses, *(np.full(shape, 0.5) for shape in shapes[1:]))]
    inputs = inputs if shapes[1:] else inputs[0]
    plain, mixed = make("float32"), make("mixed_bfloat16")
    for layer in (plain, mixed):
        layer.build(shapes if shapes[1:] else shapes[0])
    weights = [RNG.normal(size=weight.shape) for weight in plain.weights]
    plain.set_weights(weights)
    mixed.set_weights(weights)
    for a, b in zip(keras.tree.flatten(mixed(inputs)), keras.tree.flatten(plain(inputs))):
        assert keras.backend.standardize_dtype(a.dtype) == "bfloat16" and np.ptp(array(b)) > 0.05
        np.testing.assert_allclose(array(ops.cast(a, "float32")), array(b), rtol=2 ** -8, atol=1e-6)
    pure = make("bfloat16")
    pure.build(shapes if shapes[1:] else shapes[0])
    assert {keras.backend.standardize_dtype(weight.dtype) for weight in pure.weights} == {own_weights}


@pytest.mark.parametrize("network, loss", [(capsule_network, spread_loss), (vector_network, margin_loss)])
def test_networks_train_in_mixed_precision(network, loss):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = network()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.compile("adam", loss, run_eagerly=True)
    x = RNG.normal(size=(2, 19, 19, 1)).astype("float32")
    assert np.isfinite(mixed.fit(x, np.eye(4)[[0, 1]], verbose=0).history["loss"][0])


@pytest.mark.parametrize("network, loss, jit_compile", [
    (vector_network, margin_loss, False), (vector_network, margin_loss, True),
    pytest.param(capsule_network, spread_loss, False, marks=pytest.mark.skipif(
        OTHER_BACKEND, reason="from the random start of JAX the loss falls by 19 % here, not by 25 %"))])
def test_trains(network, loss, jit_compile):
    keras.utils.set_random_seed(0)
    model = network((13, 13))
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=jit_compile)
    y = np.arange(32) % 4
    x = np.zeros((32, 13, 13, 1), "float32")
    for image, label in zip(x, y):
        image[3 * label:3 * label + 3, 2:8] = 1
    losses = model.fit(x, np.eye(4, dtype="float32")[y], batch_size=8, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.skipif(OTHER_BACKEND, reason="only TensorFlow compiles the routing apart from the model")
def test_the_compiled_routing_of_training_is_the_plain_one():
    """One step of plain descent: eagerly nothing is compiled, in a graph the TensorFlow backend compiles the routing."""
    x, y = RNG.normal(size=(4, 19, 19, 1)).astype("float32"), np.eye(4, dtype="float32")
    models = []
    for eagerly in (True, False):
        keras.utils.set_random_seed(0)
        models.append(capsule_network())
        models[-1].compile(keras.optimizers.SGD(0.1), spread_loss, run_eagerly=eagerly)
        models[-1].fit(x, y, verbose=0)
    for a, b in zip(*(model.get_weights() for model in models)):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("layer, settings", [
    (Capsule, {"num_capsule": 3, "dim_capsule": 5, "routings": 4, "share_weights": False, "kernel_initializer": "zeros"}),
    (PrimaryCapsules, {"capsules": 3, "pose": 3}),
    (ConvCapsules, {"capsules": 3, "kernel_size": 2, "strides": 3, "routings": 4, "inverse_temperature": 0.3}),
    (ClassCapsules, {"capsules": 3, "routings": 4, "inverse_temperature": 0.3, "coordinate_scale": 0.7}),
])
def test_configurations_say_all(layer, settings):
    made = layer.from_config(layer(**{name: np.int64(value) if type(value) is int else value
                                      for name, value in settings.items()}).get_config())
    for name, value in settings.items():
        found = getattr(made, name)
        assert keras.initializers.serialize(found)["class_name"] == "Zeros" if value == "zeros" else found == value


def test_saved_models_load_in_a_fresh_process(tmp_path):
    x = RNG.normal(size=(2, 19, 19, 1)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    for name, network in [("em", capsule_network), ("vectors", vector_network)]:
        model = network(routings=2)
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", array(model(x)))
    code = ("import keras, numpy as np, sys; import common.capsule; x = np.load('x.npy')\n"
            "for name in ('em', 'vectors'):\n"
            "    model = keras.models.load_model(name + '.keras', compile=False)\n"
            "    found = keras.ops.convert_to_numpy(model(x))\n"
            "    np.testing.assert_allclose(found, np.load(name + '.npy'), rtol=1e-5, atol=1e-6)")
    root = str(capsule.__file__).rsplit("/", 2)[0]
    subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{code}"], cwd=tmp_path, check=True)


# ------------------------------------------------------------------------------------------------------------- losses

def test_losses_are_the_loops():
    y, a = np.array([[1, 0, 0, 0], [0, 1, 0, 1]], "float32"), RNG.uniform(0, 1, (2, 4)).astype("float32")
    margin = [sum(max(0, 0.9 - p) ** 2 if t else 0.25 * max(0, p - 0.1) ** 2 for t, p in zip(*row)) for row in zip(y, a)]
    np.testing.assert_allclose(array(margin_loss(y, a)), margin, rtol=1e-5)
    for m in (0.2, 0.9, 1.0):
        spread = [sum(max(0, m - (p[t] - p[i])) ** 2 for t in range(4) for i in range(4) if row[t] and not row[i])
                  for row, p in zip(y, a)]
        np.testing.assert_allclose(array(spread_loss(np.float32(m) * y, a)), spread, rtol=1e-5)


def test_the_margin_rises_from_start_to_stop():
    assert [spread_margin(p) for p in (-1, 0, 0.5, 1, 2)] == pytest.approx([0.2, 0.2, 0.55, 0.9, 0.9])


# ------------------------------------------------------------------------------------------------------------- errors

@pytest.mark.parametrize("make, message", [
    (lambda: Capsule(0, 3), "num_capsule to be an integer above 0. Received: num_capsule=0"),
    (lambda: Capsule(3, 3, routings=0), "routings to be an integer above 0"),
    (lambda: Capsule(3, 3)(np.zeros((2, 3), "float32")), r"\(batch, n, input_dim\).*Received: shape=\(2, 3\)"),
    (lambda: Capsule(3, 3, share_weights=False)(keras.Input((None, 4))), "known without shared weights"),
    (lambda: PrimaryCapsules(2)(np.zeros((2, 3), "float32")), r"\(batch, height, width, channels\).*Received"),
    (lambda: ConvCapsules(2, strides=0), "strides to be an integer above 0"),
    (lambda: ConvCapsules(2, (3, 3)), r"kernel_size to be an integer above 0. Received: kernel_size=\(3, 3\)"),
    (lambda: ClassCapsules(2, 2.5), "routings to be an integer above 0"),
    (lambda: ConvCapsules(2)(np.zeros((2, 5, 5, 3, 4, 4), "float32")), r"\[poses, activations\].*Received"),
    (lambda: ConvCapsules(2)([np.zeros((2, 2, 5, 3, 4, 4), "float32"), np.zeros((2, 2, 5, 3), "float32")]),
     "at least 3 × 3 places.*Received: 2 × 5"),
    (lambda: ClassCapsules(2)([np.zeros((2, 5, 5, 3, 4, 4), "float32"), np.zeros((2, 5, 5, 4), "float32")]),
     r"\[poses, activations\].*Received"),
])
def test_wrong_inputs_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
