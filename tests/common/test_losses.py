"""common/losses.py against the articles' formulas in float64, where those formulas can be computed, and against limits."""

import functools
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from common import losses

X = np.concatenate([np.linspace(-12, 12, 97), [0.0, 1e-3, -1e-3]])


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def sigmoid(t):
    return 1 / (1 + np.exp(-np.asarray(t, "float64")))


def hard(y, p, threshold):
    rests = (y == 1 and p > threshold) or (y == 0 and p < 1 - threshold)
    return 0.0 if rests else -np.log(p if y == 1 else 1 - p)


def soft(y, x, k):
    return -sigmoid(-k * x) * np.log(sigmoid(x)) if y == 1 else -sigmoid(k * x) * np.log(sigmoid(-x))


def focal(y, p, alpha, gamma):
    return -alpha * (1 - p)**gamma * np.log(p) if y == 1 else -(1 - alpha) * p**gamma * np.log(1 - p)


@pytest.mark.parametrize("label", [0, 1])
def test_binary_losses_are_the_formulas(label):
    y = np.full(X.shape, label)
    for threshold in (0.5, 0.6, 0.9):
        x = X[np.abs(np.abs(X) - np.log(threshold / (1 - threshold))) > 1e-6]      # not on the edge, where rounding decides
        np.testing.assert_allclose(numpy(losses.hard_truncated_loss(y[:len(x)], x, threshold)),
                                   [hard(label, sigmoid(t), threshold) for t in x], rtol=1e-5)
    for k in (0.5, 1, 4):
        np.testing.assert_allclose(numpy(losses.soft_truncated_loss(y, X, k)), [soft(label, t, k) for t in X], rtol=1e-4)
    for alpha, gamma in [(0.25, 2.0), (0.5, 1.0), (0.9, 0.5), (0.5, 0.0)]:
        np.testing.assert_allclose(numpy(losses.focal_loss(y, X, alpha, gamma)),
                                   [focal(label, sigmoid(t), alpha, gamma) for t in X], rtol=1e-4)
    np.testing.assert_allclose(numpy(losses.focal_loss(y, X, None)), 2 * numpy(losses.focal_loss(y, X, 0.5)), rtol=1e-5)


def test_soft_truncation_lies_between_focal_loss_and_hard_truncation():
    y = np.repeat([0, 1], len(X))
    x = np.tile(X, 2)
    np.testing.assert_allclose(numpy(losses.soft_truncated_loss(y, x)), numpy(losses.focal_loss(y, x, None, 1)), rtol=1e-5)
    far = np.abs(x) > 0.2
    np.testing.assert_allclose(numpy(losses.soft_truncated_loss(y, x, 1e3))[far],
                               numpy(losses.hard_truncated_loss(y, x))[far], atol=1e-6)


def test_losses_of_many_classes_are_the_formulas():
    rng = np.random.default_rng(0)
    x, y = 3 * rng.normal(size=(50, 7)), rng.integers(0, 7, 50)

    def p(logits):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (powers / powers.sum(axis=1, keepdims=True))[np.arange(50), y]

    np.testing.assert_allclose(numpy(losses.categorical_focal_loss(y, x, 2.0)), -(1 - p(x))**2 * np.log(p(x)), rtol=1e-3,
                               atol=1e-6)
    np.testing.assert_allclose(numpy(losses.categorical_soft_truncated_loss(y, x, 1.5)), -p(-1.5 * x) * np.log(p(x)),
                               rtol=1e-4)
    two, label = np.stack([np.zeros(len(X)), X], axis=-1), np.arange(len(X)) % 2
    np.testing.assert_allclose(numpy(losses.categorical_focal_loss(label, two)), numpy(losses.focal_loss(label, X, None)),
                               rtol=1e-2, atol=1e-6)
    np.testing.assert_allclose(numpy(losses.categorical_soft_truncated_loss(label, two)),
                               numpy(losses.soft_truncated_loss(label, X)), rtol=1e-4, atol=1e-6)


def test_the_logit_of_a_product():
    a, b = (grid.ravel() for grid in np.meshgrid(np.linspace(-9, 9, 37), np.linspace(-9, 9, 37)))
    p = sigmoid(a) * sigmoid(b)
    np.testing.assert_allclose(numpy(losses.product_logits(a, b)), np.log(p / (1 - p)), rtol=1e-4, atol=1e-5)
    far = numpy(losses.product_logits(np.array([60., -60, 60, 1e4, -1e4]), np.array([60., 60, -60, 1e4, -1e4])))
    np.testing.assert_allclose(far, [60 - np.log(2), -60, -60, 1e4 - np.log(2), -2e4], rtol=1e-5)


def test_the_layer_keeps_the_mask_and_float32():
    layer = losses.ProductLogits(dtype="mixed_float16")
    x = ops.convert_to_tensor(np.full((2, 3, 2), 40, "float16"))
    g = ops.convert_to_tensor(np.array([[40], [-40]], "float16"))
    z = layer([x, g])
    assert keras.backend.standardize_dtype(z.dtype) == "float32"
    np.testing.assert_allclose(numpy(z)[:, 0, 0], [40 - np.log(2), -40], rtol=1e-5)
    characters = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(5, 4, mask_zero=True)(characters)
    out = losses.ProductLogits()([keras.layers.Dense(2)(h), keras.layers.Dense(1)(keras.Input((4,)))])
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
            model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
            model.compile(keras.optimizers.SGD(1e-38), loss)
            assert np.isfinite(numpy(loss(labels, x))).all()
            model.fit(x[:8, None], labels[:8, None], batch_size=8, verbose=0)
            assert all(np.isfinite(numpy(w)).all() for w in model.weights)
    many = np.stack([x[:8], -x[:8], np.zeros(8)], axis=-1)
    for loss in (losses.categorical_focal_loss, losses.categorical_soft_truncated_loss):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, kernel_initializer="identity")])
        model.compile(keras.optimizers.SGD(1e-38), loss)
        model.fit(many, np.arange(8) % 3, batch_size=8, verbose=0)
        assert all(np.isfinite(numpy(w)).all() for w in model.weights)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_taken_in_float32(dtype):
    x = ops.cast(np.array([-60, -3, 0, 3, 60], "float32"), dtype)
    for loss in (losses.hard_truncated_loss, losses.soft_truncated_loss, losses.focal_loss):
        found = loss(np.array([1, 0, 1, 0, 1]), x)
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        np.testing.assert_allclose(numpy(found), numpy(loss(np.array([1, 0, 1, 0, 1]), numpy(ops.cast(x, "float32")))))


def test_padding_does_not_count_and_the_loss_is_found_again(tmp_path):
    """The mean over a padded batch is the mean over its real steps; a saved model with the layer loads elsewhere."""
    keras.utils.set_random_seed(0)
    characters = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(9, 8, mask_zero=True)(characters)
    g = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(h))
    model = keras.Model(characters, losses.ProductLogits()([keras.layers.Dense(2)(h), g]))
    model.compile("sgd", lambda y, z: ops.sum(losses.focal_loss(y, z), axis=-1))
    row, y = np.array([[3, 1, 4, 1, 5]]), np.eye(5)[None, :, :2]
    alone = model.evaluate(row, y, verbose=0)
    padded = model.evaluate(np.pad(row, [[0, 0], [0, 7]]), np.pad(y, [[0, 0], [0, 7], [0, 0]], constant_values=1), verbose=0)
    assert padded == pytest.approx(alone, rel=1e-5)
    model.save(tmp_path / "model.keras")
    code = ("import keras, numpy\nfrom common import losses\nmodel = keras.models.load_model('model.keras', compile=False)\n"
            "numpy.save('y.npy', model(numpy.array([[3, 1, 4, 1, 5]])))")
    root = next(path for path in sys.path if (pathlib.Path(path) / "common/losses.py").exists())
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), numpy(model(row)), atol=1e-5)


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
