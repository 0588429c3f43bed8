"""common/capsule.py against float64 loops written from the articles' equations; degenerate inputs; every
backend."""

import itertools
import math
import textwrap

import keras
import numpy as np
import pytest
from keras import ops

from common.capsule import Capsule, CapsuleLength, MarginLoss, Mask, margin_loss, squash
from tests.common.helpers import COMPILED, assert_nan_or_refused, load_elsewhere, numpy

RNG = np.random.default_rng(0)


def randomize(layer, shape, scale=1.0):
    layer.build(shape)
    for weight in layer.weights:
        weight.assign(scale * RNG.normal(size=weight.shape))
    return layer


def network(pixels=(None, None), **settings):
    x = keras.Input((*pixels, 1))
    h = keras.layers.Conv2D(6, 5, strides=2, activation="relu")(x)
    v = Capsule(4, 3, **settings)(keras.layers.Reshape((-1, 6))(h))
    return keras.Model(x, CapsuleLength()(v))


def routing_loop(votes, routings):
    """Article 5112, its box 动态路由 line by line, for votes û[i][j], one image: v, c."""
    n, k, _ = votes.shape
    c = np.full((n, k), 1 / k)
    v = [votes[:, j].sum(axis=0) / k for j in range(k)]
    for _ in range(routings - 1):
        v = [v_j / math.sqrt(v_j @ v_j) for v_j in v]
        for i in range(n):
            scores = [math.exp(votes[i, j] @ v[j]) for j in range(k)]
            c[i] = [score / sum(scores) for score in scores]
        for j in range(k):
            v[j] = sum(c[i, j] * votes[i, j] for i in range(n))
    squashed = [v_j @ v_j / (0.5 + v_j @ v_j) * v_j / math.sqrt(v_j @ v_j) for v_j in v]
    return np.array(squashed), c.T


@pytest.mark.parametrize("share_weights, routings",
                         list(itertools.product([True, False], [1, 2, 3, 5])))
def test_dynamic_routing_is_the_loop(share_weights, routings):
    layer = randomize(Capsule(4, 3, routings, share_weights), (2, 7, 5), 0.6)
    u = RNG.normal(size=(2, 7, 5))
    kernel = numpy(layer.kernel).astype("float64")
    v, c = (numpy(t) for t in layer.route(u.astype("float32")))
    for b in range(2):
        votes = np.zeros((7, 4, 3))
        for i, j in np.ndindex(7, 4):
            w = kernel if share_weights else kernel[i]
            votes[i, j] = u[b, i] @ w.reshape(5, 4, 3)[:, j]
        expected_v, expected_c = routing_loop(votes, routings)
        np.testing.assert_allclose(v[b], expected_v, atol=2e-5)
        np.testing.assert_allclose(c[b], expected_c, atol=2e-5)
    np.testing.assert_allclose(c.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(numpy(layer(u.astype("float32"))), v)


def rule_loop(votes, routings, between, accumulate, constant):
    """The routings of 5112, of 4819 and of Sabour et al. for the votes (n, k, d) of one image."""
    def squashed(v):
        square = (v ** 2).sum(axis=1, keepdims=True)
        return square / (constant + square) * v / np.sqrt(square)

    b = np.zeros(votes.shape[:2])
    for _ in range(routings):
        c = np.exp(b) / np.exp(b).sum(axis=1, keepdims=True)
        s = (c[:, :, None] * votes).sum(axis=0)
        v = squashed(s) if between == "squash" else s / np.linalg.norm(s, axis=1, keepdims=True)
        agreement = (votes * v).sum(axis=2)
        b = b + agreement if accumulate else agreement
    return squashed(s), c.T


@pytest.mark.parametrize("between", ["direction", "squash"])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("constant, routings", [(0.5, 3), (1.0, 4)])
def test_other_rules_are_their_loops(between, accumulate, constant, routings):
    layer = randomize(Capsule(4, 3, routings, between=between, accumulate=accumulate,
                              squash_constant=constant), (2, 7, 5), 0.6)
    u = RNG.normal(size=(2, 7, 5))
    v, c = (numpy(t) for t in layer.route(u.astype("float32")))
    kernel = numpy(layer.kernel).astype("float64").reshape(5, 4, 3)
    for row in range(2):
        votes = np.einsum("ni,ikd->nkd", u[row], kernel)
        expected_v, expected_c = rule_loop(votes, routings, between, accumulate, constant)
        np.testing.assert_allclose(v[row], expected_v, atol=2e-5)
        np.testing.assert_allclose(c[row], expected_c, atol=2e-5)


def test_added_agreements_harden_and_replaced_ones_converge():
    """4819: with b added up c goes to 0 or 1; replaced, more rounds change nothing any more."""
    u = RNG.normal(size=(1, 7, 5)).astype("float32")
    layers = {accumulate: Capsule(4, 3, 100, accumulate=accumulate) for accumulate in (False, True)}
    weights = randomize(layers[False], (1, 7, 5), 0.6).get_weights()
    layers[True].build((1, 7, 5))
    layers[True].set_weights(weights)
    fewer = Capsule(4, 3, 50)
    fewer.build((1, 7, 5))
    fewer.set_weights(weights)
    couplings = {accumulate: numpy(layer.route(u)[1]) for accumulate, layer in layers.items()}
    assert (couplings[True].max(axis=1) > 0.99).all()
    assert (couplings[False].max(axis=1) < 0.99).any()
    np.testing.assert_allclose(couplings[False], numpy(fewer.route(u)[1]), atol=1e-3)


def test_the_plain_twin_in_the_docstring():
    lines = Capsule.__doc__.split("that is\n")[1].split("\n\n    Symbols")[0]
    n, k, d, routings = 7, 4, 3, 3
    layer = randomize(Capsule(k, d, routings), (1, n, 5), 0.6)
    u = RNG.normal(size=(1, n, 5))
    kernel = numpy(layer.kernel).astype("float64").reshape(5, k, d)
    names = {"np": np, "n": n, "k": k, "routings": routings, "votes": np.einsum("ni,ikd->nkd", u[0], kernel)}
    exec(textwrap.dedent(lines), names)
    np.testing.assert_allclose(numpy(layer(u.astype("float32")))[0], names["v"], atol=2e-5)


def test_one_routing_is_the_closed_form():
    layer = randomize(Capsule(4, 3, routings=1), (2, 7, 5))
    u = RNG.normal(size=(2, 7, 5)).astype("float32")
    s = (u.sum(axis=1) @ numpy(layer.kernel)).reshape(2, 4, 3) / 4
    np.testing.assert_allclose(numpy(layer(u)), numpy(squash(s)), rtol=1e-4, atol=1e-6)


def test_squash_and_length():
    half = np.array([[0, 0], [3, 4], [300, 400]], "float16")
    expected = [[0, 0], [3 / 5.1, 4 / 5.1], [0.6, 0.8]]
    np.testing.assert_allclose(numpy(squash(half)), expected, atol=1e-3)
    assert keras.backend.standardize_dtype(squash(half).dtype) == "float16"
    x = RNG.normal(size=(20, 6))
    square = (x ** 2).sum(axis=1, keepdims=True)
    v = squash(x.astype("float32"))
    expected = square / (0.5 + square) * x / np.sqrt(square)
    np.testing.assert_allclose(numpy(v), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(numpy(CapsuleLength()(v)), (square / (0.5 + square))[:, 0], rtol=1e-5)


def test_masked_inputs_do_not_vote():
    layer = randomize(Capsule(4, 3), (1, 6, 5))
    u = RNG.normal(size=(1, 6, 5)).astype("float32")
    padded = np.concatenate([u, np.full((1, 3, 5), np.nan, "float32")], axis=1)
    mask = np.arange(9)[None] < 6
    found = numpy(layer(padded, mask=mask))
    np.testing.assert_allclose(found, numpy(layer(u)), rtol=1e-5, atol=1e-6)


def test_a_keras_mask_is_taken_and_ends():
    x = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(9, 5, mask_zero=True)(x)
    model = keras.Model(x, Capsule(4, 3)(h))
    long, short = numpy(model(np.array([[3, 1, 2, 0, 0]]))), numpy(model(np.array([[3, 1, 2]])))
    np.testing.assert_allclose(long, short, rtol=1e-4, atol=1e-6)
    assert getattr(model.outputs[0], "_keras_mask", None) is None


@pytest.mark.parametrize("kind", ["zeros", "random", "large"])
def test_values_and_gradients_are_finite(kind):
    """Training on images of zeros, whose votes are zero, and with votes in the hundreds."""
    keras.utils.set_random_seed(0)
    model = network((19, 19))
    x = np.zeros((2, 19, 19, 1), "float32")
    if kind != "zeros":
        x = RNG.normal(size=x.shape).astype("float32")
    if kind == "large":
        model.layers[1].kernel.assign(model.layers[1].kernel * 1000)
    model.compile(keras.optimizers.SGD(0.1), margin_loss, run_eagerly=True)
    model.fit(x, np.eye(4, dtype="float32")[[0, 2]], epochs=2, verbose=0)
    assert all(np.isfinite(numpy(weight)).all() for weight in model.weights)
    assert np.isfinite(numpy(model(x))).all()


def test_the_size_of_images_is_free():
    keras.utils.set_random_seed(0)
    free, fixed = network(), network((19, 23))
    fixed.set_weights(free.get_weights())
    x = RNG.normal(size=(2, 19, 23, 1)).astype("float32")
    np.testing.assert_allclose(free.predict(x, verbose=0), numpy(fixed(x)), rtol=1e-4, atol=1e-6)
    assert free.predict(x[:, :13], verbose=0).shape == (2, 4)


def test_bfloat16_keeps_the_routing_in_float32():
    """Inputs that bfloat16 has exactly: but for the rounding of the outputs the result is that in
    float32."""
    u = (np.round(8 * RNG.normal(size=(2, 30, 16))) / 8).astype("float32")
    plain, mixed, pure = (Capsule(4, 8, dtype=dtype) for dtype in ("float32", "mixed_bfloat16", "bfloat16"))
    for layer in (plain, mixed, pure):
        layer.build(u.shape)
    plain.kernel.assign(RNG.normal(size=plain.kernel.shape))
    mixed.kernel.assign(plain.kernel)
    found, expected = mixed(u), numpy(plain(u))
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16" and np.ptp(expected) > 0.05
    found = numpy(ops.cast(found, "float32"))
    np.testing.assert_allclose(found, expected, rtol=2 ** -8, atol=1e-6)
    assert keras.backend.standardize_dtype(pure.kernel.dtype) == "bfloat16"


def test_networks_train_in_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = network()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.compile("adam", margin_loss, run_eagerly=True)
    x = RNG.normal(size=(2, 19, 19, 1)).astype("float32")
    assert np.isfinite(mixed.fit(x, np.eye(4)[[0, 1]], verbose=0).history["loss"][0])


@pytest.mark.parametrize("jit_compile", [False, COMPILED])
def test_trains(jit_compile):
    keras.utils.set_random_seed(0)
    model = network((13, 13))
    model.compile(keras.optimizers.Adam(0.02), margin_loss, jit_compile=jit_compile)
    y = np.arange(32) % 4
    x = np.zeros((32, 13, 13, 1), "float32")
    for image, label in zip(x, y):
        image[3 * label:3 * label + 3, 2:8] = 1
    targets = np.eye(4, dtype="float32")[y]
    losses = model.fit(x, targets, batch_size=8, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.75 * losses[0]


def test_configurations_say_all():
    settings = {"num_capsule": np.int64(3), "dim_capsule": np.int64(5), "routings": np.int64(4),
                "share_weights": False, "kernel_initializer": "zeros", "between": "squash",
                "accumulate": True, "squash_constant": 1}
    made = Capsule.from_config(Capsule(**settings).get_config())
    assert (made.between, made.accumulate, made.squash_constant) == ("squash", True, 1.0)
    assert (made.num_capsule, made.dim_capsule, made.routings, made.share_weights) == (3, 5, 4, False)
    assert isinstance(made.kernel_initializer, keras.initializers.Zeros)


def test_saved_models_load_in_a_fresh_process(tmp_path):
    x = RNG.normal(size=(2, 19, 19, 1)).astype("float32")
    model = network(routings=2)
    found, _ = load_elsewhere(model, x, "common.capsule", tmp_path)
    np.testing.assert_allclose(found, numpy(model(x)), rtol=1e-5, atol=1e-6)


def kept(v, classes):
    """A loop: row b has the numbers of the capsules in classes[b], and zeros for the others."""
    rows = []
    for capsules, there in zip(v, classes):
        rows.append([x if j in there else 0 for j, capsule in enumerate(capsules) for x in capsule])
    return np.array(rows)


def test_mask_keeps_the_given_classes():
    v = RNG.normal(size=(3, 4, 2)).astype("float32")
    numbers, expected = np.array([2, 0, 3]), kept(v, [{2}, {0}, {3}])
    one_hot = np.eye(4)[numbers]
    others = (numbers.astype("uint8"), numbers.astype("float32"), one_hot > 0)
    for y in (numbers, numbers[:, None], one_hot, *others):
        np.testing.assert_array_equal(numpy(Mask()([v, y])), expected)
    two = np.eye(4)[[2, 0, 3]] + np.eye(4)[[1, 3, 2]]
    np.testing.assert_array_equal(numpy(Mask()([v, two])), kept(v, [{1, 2}, {0, 3}, {2, 3}]))
    np.testing.assert_allclose(numpy(Mask()([v, 0.5 * one_hot])), expected / 2)       # soft labels weigh


@pytest.mark.parametrize("longest", [1, 2, 4])
def test_mask_without_classes_keeps_the_longest(longest):
    v = RNG.normal(size=(5, 4, 2)).astype("float32")
    order = np.argsort(-np.linalg.norm(v, axis=-1), axis=1)[:, :longest]
    found = Mask(longest)(v)
    np.testing.assert_array_equal(numpy(found), kept(v, [set(row) for row in order]))
    assert tuple(found.shape) == (5, 8)
    np.testing.assert_array_equal(numpy(Mask(longest)([v])), numpy(found))


def test_mask_of_equal_capsules_keeps_no_more_than_it_should():
    found = numpy(Mask(2)(np.ones((1, 4, 3), "float32")))
    assert found.sum() == 6


def test_mask_compares_lengths_in_float32():
    """In float16 both squares are infinite, in bfloat16 both lengths are 1."""
    for dtype, capsules in [("float16", [[0, 300], [0, 400]]), ("bfloat16", [[1, 0], [1, 0.0625]])]:
        v = ops.cast(np.array([capsules]), dtype)
        found = Mask(dtype=dtype)(v)
        assert keras.backend.standardize_dtype(found.dtype) == dtype
        np.testing.assert_array_equal(numpy(ops.cast(found, "float32"))[0], [0, 0, *capsules[1]])


def test_class_numbers_of_mask_are_not_rounded():
    """bfloat16 has no 257."""
    v = np.ones((1, 300, 1), "float32")
    found = numpy(ops.cast(Mask(dtype="mixed_bfloat16")([v, np.array([257.0], "float32")]), "float32"))
    assert np.flatnonzero(found).tolist() == [257]


def test_the_gradient_reaches_the_kept_capsules_alone():
    """Steps of SGD on the sum of the outputs: kept numbers fall, the others stay."""
    v = keras.Variable(RNG.normal(size=(1, 4, 2)).astype("float32"))

    class Held(keras.layers.Layer):
        def build(self, shape):
            self.v = self.add_weight(shape=(4, 2), initializer=lambda shape, dtype: ops.cast(v[0], dtype))

        def call(self, x):
            return ops.broadcast_to(self.v, (ops.shape(x)[0], 4, 2))

    before = numpy(v)[0]
    x, y = keras.Input((1,)), keras.Input((), dtype="int32")
    held = Held()
    model = keras.Model([x, y], Mask()([held(x), y]))
    model.compile(keras.optimizers.SGD(0.1), lambda _, out: ops.sum(out, axis=-1), run_eagerly=True)
    model.fit([np.zeros((1, 1)), np.array([2])], np.zeros((1, 8)), verbose=0)
    np.testing.assert_allclose(before - numpy(held.v), [[0, 0], [0, 0], [0.1, 0.1], [0, 0]], atol=1e-6)


def test_mask_refuses_classes_that_are_none():
    v = np.ones((2, 4, 3), "float32")
    for wrong in (-1, 4, 1.5, np.nan):
        with pytest.raises(ValueError, match="classes, whole numbers from 0 to 3.*Received: y_true="):
            Mask()([v, np.array([0, wrong])])
        with pytest.raises(ValueError, match="rows, with numbers from 0 to 1.*Received: y_true="):
            Mask()([v, np.array([[0, 1, 0, 0], [0, 0, wrong, 0]])])
        if keras.backend.backend() == "torch":          # whose models run eagerly, and refuse
            continue
        x, y = keras.Input((4, 3)), keras.Input(())
        found = keras.Model([x, y], Mask()([x, y])).predict([v, np.array([0, wrong], "float32")], verbose=0)
        assert np.isfinite(found[0]).all() and np.isnan(found[1]).all()


def test_a_decoder_behind_a_mask_loads_in_a_fresh_process(tmp_path):
    x = keras.Input((4, 3))
    model = keras.Model(x, keras.layers.Dense(5)(Mask(2)(x)))
    v = RNG.normal(size=(2, 4, 3)).astype("float32")
    found, printed = load_elsewhere(model, v, "common.capsule", tmp_path, "print(model.layers[1].longest)")
    np.testing.assert_allclose(found, numpy(model(v)), rtol=1e-5, atol=1e-6)
    assert printed.split()[-1] == "2"


def test_the_loss_is_the_loop():
    y = np.array([[1, 0, 0, 0], [0, 1, 0, 1]], "float32")
    lengths = RNG.uniform(0, 1, (2, 4)).astype("float32")
    expected = np.zeros(2)
    for b, c in np.ndindex(2, 4):
        if y[b, c]:
            expected[b] += max(0, 0.9 - lengths[b, c]) ** 2
        else:
            expected[b] += 0.25 * max(0, lengths[b, c] - 0.1) ** 2
    np.testing.assert_allclose(numpy(margin_loss(y, lengths)), expected, rtol=1e-5)


def evaluated(loss, y, x):
    """What a compiled model says whose outputs are x."""
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Identity()])
    model.compile("sgd", loss)
    return model.evaluate(x, y, batch_size=len(x), verbose=0)


@pytest.mark.parametrize("loss", [margin_loss, MarginLoss()])
def test_class_numbers_are_one_hot(loss):
    """As keras.datasets.cifar10 has them, (n, 1), and (n,): the numbers of one-hot targets."""
    lengths = RNG.uniform(0, 1, (6, 4)).astype("float32")
    y = np.array([3, 0, 1, 2, 3, 1])
    expected = 0
    for b, c in np.ndindex(6, 4):
        if c == y[b]:
            expected += max(0, 0.9 - lengths[b, c]) ** 2 / 6
        else:
            expected += 0.25 * max(0, lengths[b, c] - 0.1) ** 2 / 6
    rows = np.eye(4)[y]
    for labels in (y, y[:, None], y.astype("uint8")[:, None], y.astype("float32"), rows, rows > 0):
        assert np.mean(numpy(loss(labels, lengths))) == pytest.approx(expected, rel=1e-5)
        assert evaluated(loss, labels, lengths) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [margin_loss, MarginLoss()])
def test_targets_that_say_no_classes_are_refused_or_nan(loss):
    lengths = RNG.uniform(0, 1, (4, 4)).astype("float32")
    for shape in [(4, 3), (4, 5), (1, 4), (1, 1), (3,), (4, 1, 1), ()]:
        with pytest.raises(ValueError, match=r"y_true expects rows.*Received: shape=\("):
            loss(np.ones(shape), lengths)
    with pytest.raises(ValueError, match=r"y_true expects rows.*Received: shape=\("):
        evaluated(loss, np.ones((4, 3)), lengths)
    for wrong in (-1, 4, 1.5, np.nan):
        numbers, rows = np.array([0, 1, wrong, 3]), np.eye(4) * [1, 1, wrong, 1]
        for y, message in [(numbers, "classes, whole numbers from 0 to 3"), (rows, "k-hot rows")]:
            with pytest.raises(ValueError, match=f"{message}.*Received: y_true="):
                loss(y, lengths)
            assert_nan_or_refused(evaluated, loss, y, lengths)


def test_a_single_class_is_there_or_not():
    lengths = np.float32([[0.3], [0.8]])
    for y in (np.array([0, 1]), np.array([[0], [1]])):
        np.testing.assert_allclose(numpy(margin_loss(y, lengths)), [0.25 * 0.2 ** 2, 0.1 ** 2], rtol=1e-4)


def test_compiled_models_load_in_a_fresh_process(tmp_path):
    x, y = RNG.normal(size=(4, 19, 19, 1)).astype("float32"), np.arange(4)
    np.save(tmp_path / "targets.npy", y)
    for loss in (margin_loss, MarginLoss(upper=0.8, lower=0.2, weight=0.5)):
        model = network()
        model.compile("sgd", loss)
        checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / "checkpoint.keras"))
        model.fit(x, y, verbose=0, callbacks=[checkpoint])
        _, printed = load_elsewhere(model, x, "common.capsule", tmp_path, """
print(model.evaluate(numpy.load("x.npy"), numpy.load("targets.npy"), verbose=0))
""")
        assert float(printed.split()[-1]) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-4)


def test_the_class_is_the_formula_with_its_options():
    y, p = np.eye(3)[[0, 2]], RNG.uniform(0, 1, (2, 3)).astype("float32")
    made = MarginLoss(upper=0.8, lower=0.2, weight=0.5, reduction="sum", name="mine")
    again = keras.losses.deserialize(keras.losses.serialize(made))
    expected = np.where(y > 0, np.maximum(0, 0.8 - p), np.sqrt(0.5) * np.maximum(0, p - 0.2)) ** 2
    for loss in (made, again):
        assert float(loss(y, p)) == pytest.approx(expected.sum(), rel=1e-5)
        assert loss.get_config() == made.get_config() and loss.name == "mine"
    with pytest.raises(ValueError, match="upper to be a number of at least 0. Received: upper='1'"):
        MarginLoss(upper="1")


@pytest.mark.parametrize("share_weights", [True, False])
def test_a_built_layer_refuses_other_widths(share_weights):
    layer = Capsule(3, 4, share_weights=share_weights)
    layer(np.zeros((2, 7, 5), "float32"))
    shapes = [(2, 7, 1), (2, 7, 6), (2, 7), (2, 7, 5, 1)]
    if not share_weights:
        shapes += [(2, 1, 5), (2, 8, 5)]
    for shape in shapes:
        for call in (layer, layer.route):
            with pytest.raises(ValueError, match=r"(?s)(axis|ndim|expects u).*shape"):
                call(np.zeros(shape, "float32"))
        with pytest.raises(ValueError, match="axis|ndim"):
            layer(keras.Input(shape[1:], shape[0]))
    for shape in [(2, 1), (1, 7), (2, 7, 1), (7,)]:
        with pytest.raises(ValueError, match=r"expects a mask of shape \(2, 7\). Received: mask shape="):
            layer(np.zeros((2, 7, 5), "float32"), mask=np.ones(shape, bool))


@pytest.mark.parametrize("make, message", [
    (lambda: Capsule(0, 3), "num_capsule to be an integer above 0. Received: num_capsule=0"),
    (lambda: Capsule(3, 3, routings=0), "routings to be an integer above 0"),
    (lambda: Capsule(3, 3, 10**9), "routings up to 100: each is a part of the graph. Received: routings="),
    (lambda: Capsule(3, True), "dim_capsule to be an integer above 0"),
    (lambda: Capsule(3, 3, between="none"), "between to be direction or squash. Received: between='none'"),
    (lambda: Capsule(3, 3, squash_constant=-1), "squash_constant to be a number of at least 0. Received"),
    (lambda: Capsule(3, 3)(np.zeros((2, 3), "float32")),
     r"\(batch, n, input_dim\).*Received: shape=\(2, 3\)"),
    (lambda: Capsule(3, 3, share_weights=False)(keras.Input((None, 4))), "known without shared weights"),
    (lambda: Mask(0), "longest to be an integer above 0. Received: longest=0"),
    (lambda: Mask(5)(np.ones((2, 4, 3))), r"at least longest=5 capsules.*Received: shapes=\[\(2, 4, 3\)\]"),
    (lambda: Mask()([np.ones((2, 4, 3)), np.ones((2, 3))]), r"y \(batch, k\).*Received: shapes=.*\(2, 3\)"),
    (lambda: Mask()(keras.Input((None, 3))), r"v \(batch, k, d\).*Received: shapes=\[\(None, None, 3\)\]"),
])
def test_wrong_inputs_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
