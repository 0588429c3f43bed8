"""The articles' networks by their parameter counts, and the metrics against brute force."""

import itertools
import math

import keras
import numpy as np
import pytest
from scipy.stats import norm

from common.latent import GaussianSampling
from vae import evaluate
from vae.train import BUILDERS, bernoulli_loss, gaussian_loss

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 28, 28), "uint8")
LABELS = np.arange(30) % 10


@pytest.mark.parametrize("name, parameters", [
    ("dense", 404_244),                    # article 5253
    ("conditional", 404_244 + 22),         # μ^Y: 10 classes × 2, and a bias
    ("conv", 134_165),
    ("clustering", 366_331),               # counted again in the next test
])
def test_parameter_counts(name, parameters):
    assert BUILDERS[name]().count_params() == parameters


def test_clustering_has_the_layers_of_the_article():
    """Kernels 3×3 with biases: 1→32→32→64→64, heads 3136→20, classifier 20→256→10, means 10×20, decoder
    20→3136, 64→64→64→32→32→1."""
    def convolution(*channels):
        return sum(9 * a * b + b for a, b in itertools.pairwise(channels))

    expected = (convolution(1, 32, 32, 64, 64) + 2 * (3136 * 20 + 20) + 20 * 256 + 256 + 256 * 10 + 10 + 200
                + 20 * 3136 + 3136 + convolution(64, 64, 64, 32, 32, 1))
    model = BUILDERS["clustering"]()
    assert model.count_params() == expected
    assert not keras.ops.convert_to_numpy(model.get_layer("clusters").means).any()


def test_losses_are_sums_over_pixels():
    x, logits = np.random.default_rng(0).random((2, 3, 28, 28, 1))
    logits = 8 * logits - 4
    p = 1 / (1 + np.exp(-logits))
    bernoulli = -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=(1, 2, 3))
    gaussian = 1.25 * ((x - p) ** 2).sum(axis=(1, 2, 3))
    for loss, expected in [(bernoulli_loss, bernoulli), (gaussian_loss, gaussian)]:
        found = loss(keras.ops.convert_to_tensor(x.astype("float32")), keras.ops.convert_to_tensor(logits.astype("float32")))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-5)


def test_an_untrained_model_starts_at_784_ln_2():
    model = BUILDERS["dense"]()
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    model.compile("sgd", bernoulli_loss)
    x = evaluate.inputs(model, IMAGES)
    assert model.evaluate(x, x, verbose=0) == pytest.approx(784 * math.log(2), rel=1e-4)


@pytest.mark.parametrize("name", ["dense", "conditional"])
def test_the_bounds_against_integration_over_the_latent_plane(name):
    """log q(x) = log ∫ q(x|z) q(z) dz by a fine grid; the bound with many samples reaches it, the ELBO stays below."""
    keras.utils.set_random_seed(1)
    model = BUILDERS[name]()
    model.get_layer("decoder").layers[-1].kernel.assign(model.get_layer("decoder").layers[-1].kernel * 3)
    model.get_layer("log_var").bias.assign([0.3, -0.2])
    x = evaluate.inputs(model, IMAGES[:3], LABELS[:3])
    centers = np.zeros((3, 2)) if name == "dense" else evaluate.centers_of(model)[LABELS[:3]]
    ticks = np.linspace(-5, 5, 81)
    offsets = np.array([(a, b) for a in ticks for b in ticks])
    exact = []
    for pixels, center in zip(evaluate.pixels_of(x).astype("float64"), centers):
        p = evaluate.decode(model, offsets + center).reshape(-1, 784)
        joint = (pixels * np.log(p) + (1 - pixels) * np.log1p(-p)).sum(axis=1) + norm.logpdf(offsets).sum(axis=1)
        exact.append(joint.max() + np.log(np.exp(joint - joint.max()).sum() * (ticks[1] - ticks[0]) ** 2))
    _, kl, weighted = evaluate.bound(model, 20_000).predict(x, batch_size=1, verbose=0)
    np.testing.assert_allclose(weighted, exact, atol=0.05)
    many = [np.repeat(part, 300, 0) for part in (x if isinstance(x, list) else [x])]
    one = evaluate.bound(model, 1).predict(many if isinstance(x, list) else many[0], batch_size=900, verbose=0)[0]
    assert (-one.reshape(3, 300).mean(axis=1) - kl < np.array(exact) + 0.05).all()
    mean, log_var = evaluate.encoder(model).predict(x, verbose=0)[:2]
    np.testing.assert_allclose(
        kl, 0.5 * ((mean - centers) ** 2 + np.exp(log_var) - log_var - 1).sum(axis=1), rtol=1e-4)


def test_binarised_pixels_have_the_grey_values_as_mean():
    x = np.tile(np.array([0, 0.25, 1], "float32"), (40_000, 1))
    binary = evaluate.binarized([x, "labels"], np.random.default_rng(0))
    assert binary[1] == "labels" and set(np.unique(binary[0])) == {0, 1}
    np.testing.assert_allclose(binary[0].mean(axis=0), [0, 0.25, 1], atol=0.01)


def test_cluster_metrics_are_the_best_assignments():
    rng = np.random.default_rng(0)
    labels, clusters = rng.integers(0, 4, (2, 200))
    clusters[:120] = (labels[:120] + 1) % 4
    table = {(c, y): np.sum((clusters == c) & (labels == y)) for c in range(4) for y in range(4)}
    purity = sum(max(table[c, y] for y in range(4)) for c in range(4)) / 200
    hungarian = max(sum(table[c, order[c]] for c in range(4)) for order in itertools.permutations(range(4))) / 200
    assert evaluate.cluster_metrics(clusters, labels) == pytest.approx(
        {"test_purity": purity, "test_hungarian_accuracy": hungarian})


@pytest.mark.parametrize("name", list(BUILDERS))
def test_codes_and_pictures_of_every_model(name):
    model = BUILDERS[name]()
    codes = evaluate.sample_codes(model, 3, seed=1)
    images = evaluate.decode(model, codes)
    assert images.shape == (len(codes), 28, 28) and 0 <= images.min() and images.max() <= 1
    assert evaluate.encode(model, evaluate.inputs(model, IMAGES, LABELS)).shape == (30, codes.shape[1])
    np.testing.assert_array_equal(codes, evaluate.sample_codes(model, 3, seed=1))


def test_kl_of_the_layer_and_of_the_metrics_agree():
    model = BUILDERS["dense"]()
    x = evaluate.inputs(model, IMAGES)
    _, kl, _ = evaluate.bound(model, 2).predict(x, verbose=0)
    mean, log_var = evaluate.encoder(model).predict(x, verbose=0)
    layer = GaussianSampling()
    layer([mean, log_var])
    assert float(layer.losses[0]) == pytest.approx(kl.mean(), rel=1e-4)
