"""common/losses.py against the articles' formulas in float64, where those formulas can be computed, and
against limits."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from common import losses
from tests.common.helpers import load_elsewhere, numpy

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
    model.compile("sgd", lambda y, z: ops.sum(losses.focal_loss(y, z), axis=-1))
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
    ("categorical_focal_loss", {"gamma": -1}, "gamma expects"),
    ("categorical_soft_truncated_loss", {"sharpness": -1}, "sharpness expects"),
])
def test_wrong_parameters_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(losses, name)(np.zeros(2), np.zeros(2), **options)
