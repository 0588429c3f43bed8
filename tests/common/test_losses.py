"""common/losses.py against the articles' formulas in float64, where those formulas can be computed, and
against limits."""

import functools
import inspect
import pathlib
import re
import textwrap

import keras
import numpy as np
import pytest
from keras import ops

from common import losses
from tests.common.helpers import assert_nan_or_refused, load_elsewhere, numpy, run_elsewhere

X = np.concatenate([np.linspace(-12, 12, 97), [0.0, 1e-3, -1e-3]])


def sigmoid(t):
    return 1 / (1 + np.exp(-np.asarray(t, "float64")))


def hard(y, p, threshold):
    of_the_label = p if y == 1 else 1 - p
    return 0.0 if of_the_label > threshold else -np.log(of_the_label)


def soft(y, x, k):
    if y == 1:
        return -sigmoid(-k * x) * np.log(sigmoid(x))
    return -sigmoid(k * x) * np.log(sigmoid(-x))


def focal(y, p, alpha, gamma):
    if y == 1:
        return -alpha * (1 - p) ** gamma * np.log(p)
    return -(1 - alpha) * p ** gamma * np.log(1 - p)


@pytest.mark.parametrize("label", [0, 1])
def test_binary_losses_are_the_formulas(label):
    y = np.full(X.shape, label)
    for threshold in (0.5, 0.6, 0.9):
        edge = np.log(threshold / (1 - threshold))
        x = X[np.abs(np.abs(X) - edge) > 1e-6]       # not on the edge, where rounding decides
        found = numpy(losses.hard_truncated_loss(y[:len(x)], x, threshold))
        expected = [hard(label, sigmoid(t), threshold) for t in x]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    for k in (0.5, 1, 4):
        found = numpy(losses.soft_truncated_loss(y, X, k))
        np.testing.assert_allclose(found, [soft(label, t, k) for t in X], rtol=1e-4)
    for alpha, gamma in [(0.25, 2.0), (0.5, 1.0), (0.9, 0.5), (0.5, 0.0)]:
        found = numpy(losses.focal_loss(y, X, alpha, gamma))
        expected = [focal(label, sigmoid(t), alpha, gamma) for t in X]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    without_alpha, half = losses.focal_loss(y, X, None), losses.focal_loss(y, X, 0.5)
    np.testing.assert_allclose(numpy(without_alpha), 2 * numpy(half), rtol=1e-5)


def test_soft_truncation_lies_between_focal_loss_and_hard_truncation():
    y = np.repeat([0, 1], len(X))
    x = np.tile(X, 2)
    soft_loss, focal_loss = losses.soft_truncated_loss(y, x), losses.focal_loss(y, x, None, 1)
    np.testing.assert_allclose(numpy(soft_loss), numpy(focal_loss), rtol=1e-5)
    far = np.abs(x) > 0.2
    sharp, hard_loss = losses.soft_truncated_loss(y, x, 1e3), losses.hard_truncated_loss(y, x)
    np.testing.assert_allclose(numpy(sharp)[far], numpy(hard_loss)[far], atol=1e-6)


def test_losses_of_many_classes_are_the_formulas():
    rng = np.random.default_rng(0)
    x, y = 3 * rng.normal(size=(50, 7)), rng.integers(0, 7, 50)

    def p(logits):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (powers / powers.sum(axis=1, keepdims=True))[np.arange(50), y]

    found = numpy(losses.categorical_focal_loss(y, x, 2.0))
    np.testing.assert_allclose(found, -(1 - p(x)) ** 2 * np.log(p(x)), rtol=1e-3, atol=1e-6)
    found = numpy(losses.categorical_soft_truncated_loss(y, x, 1.5))
    np.testing.assert_allclose(found, -p(-1.5 * x) * np.log(p(x)), rtol=1e-4)


def test_losses_of_two_classes_are_the_binary_ones():
    two, label = np.stack([np.zeros(len(X)), X], axis=-1), np.arange(len(X)) % 2
    found, expected = losses.categorical_focal_loss(label, two), losses.focal_loss(label, X, None)
    np.testing.assert_allclose(numpy(found), numpy(expected), rtol=1e-2, atol=1e-6)
    found = losses.categorical_soft_truncated_loss(label, two)
    expected = losses.soft_truncated_loss(label, X)
    np.testing.assert_allclose(numpy(found), numpy(expected), rtol=1e-4, atol=1e-6)


def test_the_logit_of_a_product():
    ticks = np.linspace(-9, 9, 37)
    a, b = np.repeat(ticks, 37), np.tile(ticks, 37)
    p = sigmoid(a) * sigmoid(b)
    found = numpy(losses.product_logits(a, b))
    np.testing.assert_allclose(found, np.log(p / (1 - p)), rtol=1e-4, atol=1e-5)
    a, b = np.array([60., -60, 60, 1e4, -1e4]), np.array([60., 60, -60, 1e4, -1e4])
    expected = [60 - np.log(2), -60, -60, 1e4 - np.log(2), -2e4]
    np.testing.assert_allclose(numpy(losses.product_logits(a, b)), expected, rtol=1e-5)


def test_the_layer_keeps_the_mask_and_float32():
    layer = losses.ProductLogits(dtype="mixed_float16")
    x = ops.convert_to_tensor(np.full((2, 3, 2), 40, "float16"))
    g = ops.convert_to_tensor(np.array([[40], [-40]], "float16"))
    z = layer([x, g])
    assert keras.backend.standardize_dtype(z.dtype) == "float32"
    np.testing.assert_allclose(numpy(z)[:, 0, 0], [40 - np.log(2), -40], rtol=1e-5)
    characters = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(5, 4, mask_zero=True)(characters)
    g = keras.layers.Dense(1)(keras.Input((4,)))
    out = losses.ProductLogits()([keras.layers.Dense(2)(h), g])
    assert out.shape == (None, None, 2) and out._keras_mask is not None
    with pytest.raises(ValueError, match=r"\(batch, 1\).*Received: shapes="):
        losses.ProductLogits()([np.zeros((2, 3, 2)), np.zeros((2, 2))])


def test_values_and_gradients_are_finite_at_any_logit():
    """One step of SGD on a logit of any size: what a loss from probabilities turns into NaN."""
    x = np.array([0, 1e-8, 20, -20, 90, -90, 1e4, -1e4, 1e30, -1e30], "float32")
    y = np.arange(10) // 2 % 2
    for loss in (losses.hard_truncated_loss, losses.soft_truncated_loss, losses.focal_loss,
                 functools.partial(losses.focal_loss, gamma=0.5)):
        for labels in (y, 1 - y):
            dense = keras.layers.Dense(1, kernel_initializer="ones")
            model = keras.Sequential([keras.Input((1,)), dense])
            model.compile(keras.optimizers.SGD(1e-38), loss)
            assert np.isfinite(numpy(loss(labels, x))).all()
            model.fit(x[:8, None], labels[:8, None], batch_size=8, verbose=0)
            assert all(np.isfinite(numpy(w)).all() for w in model.weights)
    many = np.stack([x[:8], -x[:8], np.zeros(8)], axis=-1)
    for loss in (losses.categorical_focal_loss, losses.categorical_soft_truncated_loss):
        dense = keras.layers.Dense(3, kernel_initializer="identity")
        model = keras.Sequential([keras.Input((3,)), dense])
        model.compile(keras.optimizers.SGD(1e-38), loss)
        model.fit(many, np.arange(8) % 3, batch_size=8, verbose=0)
        assert all(np.isfinite(numpy(w)).all() for w in model.weights)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_taken_in_float32(dtype):
    x, y = ops.cast(np.array([-60, -3, 0, 3, 60], "float32"), dtype), np.array([1, 0, 1, 0, 1])
    for loss in (losses.hard_truncated_loss, losses.soft_truncated_loss, losses.focal_loss):
        found = loss(y, x)
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        np.testing.assert_allclose(numpy(found), numpy(loss(y, ops.cast(x, "float32"))))


def test_padding_does_not_count_and_the_loss_is_found_again(tmp_path):
    """The mean over a padded batch is the mean over its real steps. A saved model with the layer loads
    elsewhere."""
    keras.utils.set_random_seed(0)
    characters = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(9, 8, mask_zero=True)(characters)
    g = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(h))
    model = keras.Model(characters, losses.ProductLogits()([keras.layers.Dense(2)(h), g]))
    model.compile("sgd", lambda y, z: ops.sum(losses.focal_loss(y, z, per_label=True), axis=-1))
    row, y = np.array([[3, 1, 4, 1, 5]]), np.eye(5)[None, :, :2]
    alone = model.evaluate(row, y, verbose=0)
    padded_row = np.pad(row, [[0, 0], [0, 7]])
    padded_y = np.pad(y, [[0, 0], [0, 7], [0, 0]], constant_values=1)
    assert model.evaluate(padded_row, padded_y, verbose=0) == pytest.approx(alone, rel=1e-5)
    found, _ = load_elsewhere(model, row, "common.losses", tmp_path, compile=False)
    np.testing.assert_allclose(found, numpy(model(row)), atol=1e-5)


@pytest.mark.parametrize("name, options, message", [
    ("hard_truncated_loss", {"threshold": 1}, "threshold expects a probability.*Received: threshold=1"),
    ("soft_truncated_loss", {"sharpness": 0}, "sharpness expects.*Received: sharpness=0"),
    ("focal_loss", {"alpha": 1.5}, "alpha expects.*Received: alpha=1.5"),
    ("focal_loss", {"gamma": -1}, "gamma expects.*Received: gamma=-1"),
    ("focal_loss", {"gamma": "2"}, "gamma expects.*Received: gamma='2'"),
    ("soft_truncated_loss", {"sharpness": np.inf}, "sharpness expects.*Received: sharpness=inf"),
    ("categorical_focal_loss", {"gamma": -1}, "gamma expects"),
    ("categorical_soft_truncated_loss", {"sharpness": -1}, "sharpness expects"),
])
def test_wrong_parameters_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(losses, name)(np.zeros(2), np.zeros(2), **options)
    words = (word.capitalize() for word in name.split("_"))
    with pytest.raises(ValueError, match=message):
        getattr(losses, "".join(words))(**options)


# ----------------------------------------------------------------------------------------- labels

BINARY = {
    "hard_truncated_loss": lambda y, x: y * hard(1, sigmoid(x), 0.5) + (1 - y) * hard(0, sigmoid(x), 0.5),
    "soft_truncated_loss": lambda y, x: y * soft(1, x, 1) + (1 - y) * soft(0, x, 1),
    "focal_loss": lambda y, x: y * focal(1, sigmoid(x), 0.25, 2) + (1 - y) * focal(0, sigmoid(x), 0.25, 2),
}
CLASSES = {
    losses.HardTruncatedLoss: {"threshold": 0.6},
    losses.SoftTruncatedLoss: {"sharpness": 2.0},
    losses.FocalLoss: {"alpha": None, "gamma": 1.0},
    losses.CategoricalFocalLoss: {"gamma": 1.0},
    losses.CategoricalSoftTruncatedLoss: {"sharpness": 2.0},
}
MANY = ("categorical_focal_loss", "categorical_soft_truncated_loss")


def in_a_graph(loss, y, x, sample_weight=None):
    """What `evaluate` of a compiled model says whose outputs are x."""
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Identity()])
    model.compile("sgd", loss)
    return model.evaluate(x, y, sample_weight=sample_weight, batch_size=len(x), verbose=0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.975])
def test_soft_labels_count_as_they_are(share):
    """Against Keras, and for the truncated losses against λ · L_ce; the article says λ of hard labels."""
    x = X[np.abs(X) < 8][:, None]
    y, p = np.full(x.shape, share), sigmoid(x)
    for options, ours in [({"gamma": 2.0}, {"alpha": None}), ({"gamma": 0.5}, {"alpha": None, "gamma": 0.5}),
                          ({"gamma": 2.0, "apply_class_balancing": True, "alpha": 0.3}, {"alpha": 0.3})]:
        expected = keras.losses.binary_focal_crossentropy(y.astype("float32"), x.astype("float32"),
                                                          from_logits=True, **options)
        found = losses.focal_loss(y, x, **ours)
        np.testing.assert_allclose(numpy(found), numpy(expected), rtol=2e-3, atol=1e-6)
    entropy = -share * np.log(p) - (1 - share) * np.log(1 - p)
    for k in (1, 3):
        weight = share * sigmoid(-k * x) + (1 - share) * sigmoid(k * x)
        found = losses.soft_truncated_loss(y, x, k)
        np.testing.assert_allclose(numpy(found), (weight * entropy)[:, 0], rtol=1e-4)
    far = np.abs(x[:, 0]) > 0.2
    weight = np.where(x > 0, 1 - share, share)
    found = numpy(losses.hard_truncated_loss(y, x))
    np.testing.assert_allclose(found[far], (weight * entropy)[far, 0], rtol=1e-4)


@pytest.mark.parametrize("share", [0, 1e-38, 1e-6, 0.5, 0.9, 1])
def test_gradients_of_soft_labels_are_finite_at_any_logit(share):
    x = np.array([0, 1e-8, 20, -20, 90, -90, 1e4, -1e4], "float32")[:, None]
    for name in BINARY:
        dense = keras.layers.Dense(1, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((1,)), dense])
        model.compile(keras.optimizers.SGD(1e-8), getattr(losses, name))
        model.fit(x, np.full(x.shape, share), batch_size=8, verbose=0)
        assert all(np.isfinite(numpy(w)).all() for w in model.weights)


@pytest.mark.parametrize("name", BINARY)
def test_labels_outside_of_0_and_1_are_an_error_or_a_nan(name):
    loss = getattr(losses, name)
    x = np.ones((4, 2), "float32")
    for wrong in (-1, 2, 1.01, -0.01, np.nan):
        y = np.ones((4, 2))
        y[2, 1] = wrong
        for labels in (y, ops.convert_to_tensor(y)):
            with pytest.raises(ValueError, match="y_true expects labels from 0 to 1.*Received: y_true="):
                loss(labels, x)
        assert_nan_or_refused(in_a_graph, loss, y, x)
    rounded = np.float32([[1 + 1e-6, -1e-6]])
    np.testing.assert_allclose(numpy(loss(rounded, x[:1])), numpy(loss([[1, 0]], x[:1])), rtol=1e-4)


def test_numbers_without_a_class_are_an_error_or_a_nan():
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    for loss in (getattr(losses, name) for name in MANY):
        for wrong in (-1, 3, 1.7, np.nan):
            y = np.array([0, 1, 2, wrong])
            with pytest.raises(ValueError, match="classes, whole numbers from 0 to 2.*Received: y_true="):
                loss(y, x)
            assert_nan_or_refused(in_a_graph, loss, y, x)
        rows = np.eye(3)[[0, 1, 2, 2]]
        for wrong in (np.zeros(3), np.ones(3), [2, -1, 0]):
            rows[3] = wrong
            with pytest.raises(ValueError, match="rows that add up to 1.*Received: y_true="):
                loss(rows, x)
            assert_nan_or_refused(in_a_graph, loss, rows, x)


@pytest.mark.parametrize("name", BINARY)
def test_labels_go_with_logits_of_one_more_or_one_less_dimension_of_1(name):
    """(n,) with (n, 1) and the like: one label each, never (n, n). Other shapes are refused."""
    loss, formula = getattr(losses, name), BINARY[name]
    x, y = np.float32([-2, 0.5, 1, 3]), np.array([0, 1, 1, 0])
    expected = [formula(*pair) for pair in zip(y, x)]
    for labels, logits in [(y, x), (y, x[:, None]), (y[:, None], x), (y[:, None], x[:, None])]:
        np.testing.assert_allclose(numpy(loss(labels, logits)), expected, rtol=1e-4)
        assert in_a_graph(loss, labels, logits) == pytest.approx(np.mean(expected), rel=1e-4)
    for shape in [(3,), (1,), (4, 4), (4, 2), (1, 1), (4, 1, 1), ()]:
        with pytest.raises(ValueError, match=r"y_true expects.*Received: shape=\("):
            loss(np.ones(shape), x[:, None] + np.zeros((1, 3)))
    with pytest.raises(ValueError, match="y_true expects"):
        in_a_graph(loss, np.ones((4, 1)), x[:, None] + np.zeros((1, 3), "float32"))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has unknown sizes")
def test_a_graph_that_knows_no_sizes_repeats_no_label():
    import tensorflow as tf

    for loss in (losses.focal_loss, losses.hard_truncated_loss):
        run = tf.function(loss, input_signature=[tf.TensorSpec((None, None)), tf.TensorSpec((None, None))])
        assert run(tf.ones((4, 3)), tf.ones((4, 3))).shape == (4,)
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(tf.ones((4, 1)), tf.ones((4, 3)))


@pytest.mark.parametrize("name", MANY)
def test_classes_are_numbers_a_column_or_one_hot(name):
    rng, loss = np.random.default_rng(0), getattr(losses, name)
    for sizes in [(6,), (2, 3)]:
        x, y = rng.normal(size=(*sizes, 4)).astype("float32"), rng.integers(0, 4, sizes)
        alone = [float(ops.squeeze(loss([k], row[None]))) for k, row in zip(y.ravel(), x.reshape(-1, 4))]
        for labels in (y, y.astype("float32"), y.astype("uint8"), y[..., None], np.eye(4)[y], y.tolist()):
            found = loss(labels, x)
            assert found.shape == sizes
            np.testing.assert_allclose(numpy(found).ravel(), alone, rtol=1e-4)
        soft_rows = rng.dirichlet(np.ones(4), sizes)
        each = [numpy(loss(np.full(sizes, k), x)) for k in range(4)]
        expected = (np.stack(each, axis=-1) * soft_rows).sum(axis=-1)
        np.testing.assert_allclose(numpy(loss(soft_rows, x)), expected, rtol=1e-4)
        for shape in [(*sizes, 5), (*sizes, 3), (sizes[0] + 1, *sizes[1:]), (1, *sizes)]:
            with pytest.raises(ValueError, match=r"y_true expects classes.*Received: shape=\("):
                loss(np.zeros(shape), x)
    with pytest.raises(ValueError, match=r"at least two classes.*Received: shape=\(3, 1\)"):
        loss(np.zeros(3), np.zeros((3, 1)))


# ---------------------------------------------------------------------------------- shapes and weights

@pytest.mark.parametrize("name", BINARY)
def test_a_loss_is_the_mean_over_labels_for_each_sample(name):
    rng, loss = np.random.default_rng(0), getattr(losses, name)
    for sizes in [(5, 3), (2, 5, 3), (2, 2, 2, 3)]:
        x, y = rng.normal(size=sizes).astype("float32"), rng.integers(0, 2, sizes)
        each = np.vectorize(BINARY[name])(y, x)
        np.testing.assert_allclose(numpy(loss(y, x)), each.mean(axis=-1), rtol=1e-4)
        np.testing.assert_allclose(numpy(loss(y, x, per_label=True)), each, rtol=1e-4)


@pytest.mark.parametrize("name", BINARY)
def test_weights_of_samples_mean_what_they_mean_in_keras(name):
    """As many labels as samples, where a weight that counts for a column is not noticed."""
    rng, loss = np.random.default_rng(0), getattr(losses, name)
    x, y = rng.normal(size=(3, 3)).astype("float32"), rng.integers(0, 2, (3, 3))
    weights = np.float32([1, 0, 5])
    each = np.vectorize(BINARY[name])(y, x)
    expected = (each.mean(axis=-1) * weights).mean()
    word = "".join(part.capitalize() for part in name.split("_"))
    for form in (loss, getattr(losses, word)()):
        assert in_a_graph(form, y, x, weights) == pytest.approx(expected, rel=1e-4)
        assert in_a_graph(form, y, x, weights[:, None]) == pytest.approx(expected, rel=1e-4)


def test_weights_of_steps():
    """(n, t) where losses are (n, t), n = t; weights of samples weigh all steps of theirs."""
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(3, 3, 2)).astype("float32"), rng.uniform(0, 2, (3, 3)).astype("float32")
    y = rng.integers(0, 2, (3, 3, 2))
    for loss, labels in [(losses.FocalLoss(), y), (losses.CategoricalFocalLoss(), y[..., 0])]:
        each = numpy(loss.call(labels, x))
        assert each.shape == (3, 3)
        assert in_a_graph(loss, labels, x, weights) == pytest.approx((each * weights).mean(), rel=1e-5)
        of_samples = (each * weights[:, :1]).mean()
        for form in (weights[:, 0], weights[:, :1]):
            assert float(loss(labels, x, form)) == pytest.approx(of_samples, rel=1e-5)
        assert float(loss(labels, x, weights[..., None])) == pytest.approx((each * weights).mean(), rel=1e-5)
        for wrong in [(2,), (3, 2), (3, 3, 2), (3, 3, 1, 1)]:
            with pytest.raises(ValueError, match=r"sample_weight expects.*Received: shape=\("):
                loss(labels, x, np.ones(wrong))
    with pytest.raises(ValueError, match=r"sample_weight expects.*Received: shape=\(3, 3\)"):
        losses.FocalLoss()(y[0, :, :1] + np.zeros((3, 3)), x[0, :, :1] + np.zeros((3, 3)), weights)


@pytest.mark.parametrize("padding", [0, 1, -1, 9])
def test_labels_of_padding_do_not_count_whatever_they_are(padding):
    """For each class, in `fit` and eagerly, also of one label a step, (n, t) for (n, t, 1)."""
    keras.utils.set_random_seed(0)
    rows = np.array([[3, 1, 4, 1], [5, 2, 0, 0]])
    real, y = rows > 0, np.array([[0, 1, 1, 0], [1, 1, 0, 0]])
    characters = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(9, 8, mask_zero=True)(characters)
    one = keras.Model(characters, keras.layers.Dense(1)(h))
    three = keras.Model(characters, keras.layers.Dense(3)(h))
    labels = np.where(real, y, padding)
    cases = [(one, losses.FocalLoss(), labels), (one, losses.FocalLoss(), labels[..., None]),
             (one, losses.HardTruncatedLoss(), labels), (three, losses.CategoricalFocalLoss(), labels),
             (three, losses.CategoricalFocalLoss(), np.where(real[..., None], np.eye(3)[y], padding))]
    for model, loss, targets in cases:
        x = numpy(model(rows))
        expected = numpy(loss.call(y, x))[real].mean()
        for eagerly in (False, True):
            model.compile("sgd", loss, run_eagerly=eagerly)
            assert model.evaluate(rows, targets, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_mask_of_labels_is_refused():
    x = ops.convert_to_tensor(np.ones((3, 3), "float32"))
    x._keras_mask = ops.convert_to_tensor(np.eye(3) > 0)
    for loss in (losses.FocalLoss(), losses.focal_loss, losses.CategoricalFocalLoss()):
        with pytest.raises(ValueError, match=r"mask of steps.*Received: mask shape=\(3, 3\)"):
            loss(np.eye(3), x)


def test_the_scale_of_dgcnn_is_kept():
    """100 times the sum of both focal losses at every step, as before the losses had a mean."""
    from dgcnn.train import span_loss

    rng = np.random.default_rng(0)
    z, y = 3 * rng.normal(size=(4, 7, 2)).astype("float32"), rng.integers(0, 2, (4, 7, 2))
    for options in ((0.25, 2.0), (None, 0.0)):
        expected = np.zeros((4, 7))
        for i in np.ndindex(4, 7, 2):
            one = focal(y[i], sigmoid(z[i]), options[0] or 0.5, options[1])
            expected[i[:2]] += 100 * one if options[0] else 200 * one
        found = span_loss(y, z, focal=options[0] is not None)
        np.testing.assert_allclose(numpy(found), expected, rtol=1e-4)


# --------------------------------------------------------------------------------------- save and load

@pytest.mark.parametrize("loss", CLASSES)
def test_classes_are_the_functions(loss):
    options, rng = CLASSES[loss], np.random.default_rng(0)
    made = loss(**options, name="mine", reduction="sum")
    words = "".join("_" + letter.lower() if letter.isupper() else letter for letter in loss.__name__)[1:]
    x, y = rng.normal(size=(5, 3)).astype("float32"), np.eye(3)[[0, 1, 2, 2, 1]]
    expected = numpy(getattr(losses, words)(y, x, **options))
    again = keras.losses.deserialize(keras.losses.serialize(made))
    for form in (made, loss.from_config(made.get_config()), again):
        assert float(form(y, x)) == pytest.approx(expected.sum(), rel=1e-5)
        assert form.get_config() == made.get_config() and form.name == "mine"
        assert keras.backend.standardize_dtype(form(y, ops.cast(x, "float16")).dtype) == "float32"
    np.testing.assert_allclose(numpy(loss(**options, reduction=None)(y, x)), expected, rtol=1e-5)


def test_compiled_models_load_in_a_fresh_process(tmp_path):
    """Every class and function as the loss of a model: what evaluate says there is what it says here."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)), np.eye(3)[[0, 1, 2, 2, 1, 0]]
    np.save(tmp_path / "inputs.npy", x)
    np.save(tmp_path / "targets.npy", y)
    forms = [loss(**options) for loss, options in CLASSES.items()]
    forms += [getattr(losses, name) for name in (*BINARY, *MANY)]
    expected = []
    for i, loss in enumerate(forms):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.compile("sgd", loss)
        checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / f"{i}.keras"))
        model.fit(x, y, verbose=0, callbacks=[checkpoint])
        expected.append(model.evaluate(x, y, verbose=0))
    printed = run_elsewhere(f"""
import keras, numpy, common.losses
x, y = numpy.load("inputs.npy"), numpy.load("targets.npy")
for i in range({len(forms)}):
    print(keras.models.load_model(f"{{i}}.keras").evaluate(x, y, verbose=0))
""", tmp_path)
    np.testing.assert_allclose([float(line) for line in printed.split()[-len(forms):]], expected, rtol=1e-4)


def recipes():
    """The code of every docstring of the file: indented lines under "Example:", and those of its head."""
    for name, thing in vars(losses).items():
        text = inspect.getdoc(thing) or ""
        if getattr(thing, "__module__", "") == "common.losses" and "Example:\n" in text:
            code = text.split("Example:\n")[1].split("\n\n")[0]
            yield pytest.param(textwrap.dedent(code), id=name)
    for i, block in enumerate(re.findall(r"(?:^    .*\n)+", losses.__doc__, re.MULTILINE)):
        yield pytest.param(textwrap.dedent(block), id=f"head-{i}")


@pytest.mark.parametrize("code", list(recipes()))
def test_recipes_run_as_they_stand(code, tmp_path, monkeypatch):
    """What they save is loaded in a fresh process and trains on; losses that they define are called."""
    monkeypatch.chdir(tmp_path)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    names = {**vars(losses), "np": np, "keras": keras, "model": model}
    exec(code, names)
    if "def loss" in code:
        assert names["loss"](np.ones((2, 5, 3)), np.ones((2, 5, 3))).shape == (2, 5)
    elif "model.compile" in code and "save" not in code:
        names["model"].save("model.keras")
    if pathlib.Path("model.keras").exists():
        run_elsewhere("""
import keras, numpy, common.losses
model = keras.models.load_model("model.keras")
model.fit(numpy.zeros((4, 8)), numpy.array([0, 1, 1, 0]), verbose=0)
""", tmp_path)


def test_a_built_layer_refuses_other_shapes():
    layer = losses.ProductLogits()
    layer([np.zeros((2, 3, 2), "float32"), np.zeros((2, 1), "float32")])
    for x, g in [((2, 3, 2), (2, 2)), ((2, 3, 2), (1, 1)), ((2, 3), (2, 1)), ((2, 3, 2), (2, 3, 1))]:
        for inputs in ([keras.Input(x[1:], x[0]), keras.Input(g[1:], g[0])], [np.zeros(x), np.zeros(g)]):
            with pytest.raises(ValueError, match=r"\(batch, 1\).*Received: shapes="):
                layer(inputs)
