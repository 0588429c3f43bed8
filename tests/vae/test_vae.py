"""The articles' networks by their parameter counts, and the metrics against brute force."""

import itertools
import math

import keras
import numpy as np
import pytest
from scipy.stats import norm

from common.harness.images import Pictures
from common.harness.reading import InputError
from common.harness.writing import ROOT
from common.latent import GaussianSampling
from vae import geometry, report
from vae.autoencoder import Autoencoder, binarized, pixels_of, split
from vae.train import (
    BUILDERS,
    Config,
    bernoulli_loss,
    build,
    build_dense,
    changed,
    gaussian_loss,
    optimizer,
    validation,
)

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
    tensors = [keras.ops.convert_to_tensor(array.astype("float32")) for array in (x, logits)]
    for loss, expected in [(bernoulli_loss, bernoulli), (gaussian_loss, gaussian)]:
        found = loss(*tensors)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-5)


def test_an_untrained_model_starts_at_784_ln_2():
    model = BUILDERS["dense"]()
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    model.compile("sgd", bernoulli_loss)
    x = Autoencoder(model).inputs(IMAGES)
    assert model.evaluate(x, x, verbose=0) == pytest.approx(784 * math.log(2), rel=1e-4)


@pytest.mark.parametrize("name", ["dense", pytest.param("conditional", marks=pytest.mark.slow)])
def test_the_bounds_against_integration_over_the_latent_plane(name):
    """log q(x) = log ∫ q(x|z) q(z) dz by a fine grid: the bound with many samples reaches it."""
    keras.utils.set_random_seed(1)
    model = BUILDERS[name]()
    autoencoder = Autoencoder(model)
    model.get_layer("decoder").layers[-1].kernel.assign(model.get_layer("decoder").layers[-1].kernel * 3)
    model.get_layer("log_var").bias.assign([0.3, -0.2])
    x = autoencoder.inputs(IMAGES[:3], LABELS[:3])
    centers = np.zeros((3, 2)) if name == "dense" else autoencoder.centers[LABELS[:3]]
    ticks = np.linspace(-5, 5, 81)
    offsets = np.array([(a, b) for a in ticks for b in ticks])
    exact = []
    for pixels, center in zip(pixels_of(x).astype("float64"), centers):
        p = autoencoder.decode(offsets + center).reshape(-1, 784)
        likelihood = (pixels * np.log(p) + (1 - pixels) * np.log1p(-p)).sum(axis=1)
        joint = likelihood + norm.logpdf(offsets).sum(axis=1)
        exact.append(joint.max() + np.log(np.exp(joint - joint.max()).sum() * (ticks[1] - ticks[0]) ** 2))
    np.testing.assert_allclose(report.log_likelihood(autoencoder, x), exact, atol=1e-3)
    _, kl, weighted = report.bound(autoencoder, 20_000).predict(x, batch_size=1, verbose=0)
    np.testing.assert_allclose(weighted, exact, atol=0.05)
    many = keras.tree.map_structure(lambda part: np.repeat(part, 300, 0), x)
    one, _, _ = report.bound(autoencoder, 1).predict(many, batch_size=900, verbose=0)
    assert (-one.reshape(3, 300).mean(axis=1) - kl < np.array(exact) + 0.05).all()
    mean, log_var = autoencoder.encoder().predict(x, verbose=0)[:2]
    by_hand = 0.5 * ((mean - centers) ** 2 + np.exp(log_var) - log_var - 1).sum(axis=1)
    np.testing.assert_allclose(kl, by_hand, rtol=1e-4)


@pytest.mark.slow
def test_the_step_of_the_quadrature_is_fine_enough():
    """For the shipped model: half the step gives the same log q(x)."""
    autoencoder = Autoencoder.load(ROOT / "vae/weights/vae.keras")
    x = autoencoder.inputs(autoencoder_digits())
    found = [report.log_likelihood(autoencoder, x, step) for step in (report.STEP, report.STEP / 2)]
    np.testing.assert_allclose(*found, atol=0.01)


def autoencoder_digits():
    """Images that the shipped model draws: the built-in digits are of another kind."""
    images = Autoencoder.load(ROOT / "vae/weights/vae.keras").decode([[0, 0], [1, -1], [-2, 0.5], [0.3, 2]])
    return np.round(images * 255).astype("uint8")


def test_the_aggregate_of_all_codes_against_samples():
    keras.utils.set_random_seed(1)
    autoencoder = Autoencoder(BUILDERS["dense"]())
    x = autoencoder.inputs(IMAGES)
    mean, log_var = autoencoder.encoder().predict(x, verbose=0)
    noise = np.random.default_rng(0).normal(size=(40_000, *mean.shape))
    z = (mean + noise * np.exp(0.5 * log_var)).reshape(-1, 2)
    variances = np.linalg.eigvalsh(np.cov(z.T))
    found = report.aggregate_metrics(autoencoder, x)
    assert found["test_length_of_mean_z"] == pytest.approx(np.linalg.norm(z.mean(axis=0)), abs=0.02)
    # over all of 16 images: np.cov divides by n − 1
    assert found["test_least_variance_of_z"] == pytest.approx(variances[0], rel=0.05)
    assert found["test_greatest_variance_of_z"] == pytest.approx(variances[1], rel=0.05)


def test_the_squared_error_of_the_geometry():
    x, logits = np.random.default_rng(2).random((2, 5, 784))
    expected = ((x - 1 / (1 + np.exp(-logits))) ** 2).sum(axis=1)
    np.testing.assert_allclose(geometry.squared_error(x, logits), expected, rtol=1e-5)


def test_both_models_of_the_geometry_are_trained_as_if_alone():
    """The first step of the pair moves the autoencoder as its own first step does."""
    x = IMAGES.reshape(30, 784).astype("float32") / 255
    keras.utils.set_random_seed(3)
    both = geometry.build_both()
    autoencoder = both.get_layer("autoencoder")
    alone = keras.models.clone_model(autoencoder)
    alone.set_weights(autoencoder.get_weights())
    both.compile(keras.optimizers.Adam(0.01), [geometry.squared_error, geometry.squared_error])
    alone.compile(keras.optimizers.Adam(0.01), geometry.squared_error)
    both.train_on_batch(x, [x, x])
    alone.train_on_batch(x, x)
    for ours, theirs in zip(autoencoder.get_weights(), alone.get_weights()):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_two_networks_for_mean_and_variance_share_nothing():
    model = build_dense(separate=True)
    hidden = [layer for layer in model.layers if layer.name.startswith("dense")]
    assert len(hidden) == 2 and model.count_params() == 404_244 + 785 * 256
    with pytest.raises(InputError, match="--separate expects --model dense. Received: --model conv"):
        build(Config(model="conv", separate=True), None)


def test_draws_repeat_every_image_of_a_batch():
    change = changed(Config(draws=3))
    x, target = change(IMAGES[:2].astype("float32"), None, None)
    np.testing.assert_array_equal(x, IMAGES[[0, 0, 0, 1, 1, 1]])
    assert target is x and changed(Config()) is None
    x, target = changed(Config(draws=2, binarize=True))(
        np.full((1, 4), 0.5, "float32"), None, np.random.default_rng(1))
    assert x.shape == (2, 4) and set(np.unique(x)) == {0, 1} and not np.array_equal(*x)


def test_binarised_pixels_have_the_grey_values_as_mean():
    x = np.tile(np.array([0, 0.25, 1], "float32"), (40_000, 1))
    binary = binarized([x, "labels"], np.random.default_rng(0))
    assert binary[1] == "labels" and set(np.unique(binary[0])) == {0, 1}
    np.testing.assert_allclose(binary[0].mean(axis=0), [0, 0.25, 1], atol=0.01)


def test_cluster_metrics_are_the_best_assignments():
    rng = np.random.default_rng(0)
    labels, clusters = rng.integers(0, 4, (2, 200))
    clusters[:120] = (labels[:120] + 1) % 4
    counts = [np.sum((clusters == c) & (labels == y)) for c, y in np.ndindex(4, 4)]
    table = np.reshape(counts, (4, 4))
    purity = table.max(axis=1).sum() / 200
    hungarian = max(table[range(4), order].sum() for order in itertools.permutations(range(4))) / 200
    assert report.cluster_metrics(clusters, labels) == pytest.approx(
        {"test_purity": purity, "test_hungarian_accuracy": hungarian})


@pytest.mark.parametrize("name", list(BUILDERS))
def test_codes_and_pictures_of_every_model(name):
    autoencoder = Autoencoder(BUILDERS[name]())
    codes = autoencoder.sample_codes(3, seed=1)
    images = autoencoder.decode(codes)
    assert images.shape == (len(codes), 28, 28) and 0 <= images.min() and images.max() <= 1
    assert autoencoder.encode(autoencoder.inputs(IMAGES, LABELS)).shape == (30, codes.shape[1])
    np.testing.assert_array_equal(codes, autoencoder.sample_codes(3, seed=1))


def test_kl_of_the_layer_and_of_the_metrics_agree():
    autoencoder = Autoencoder(BUILDERS["dense"]())
    x = autoencoder.inputs(IMAGES)
    _, kl, _ = report.bound(autoencoder, 2).predict(x, verbose=0)
    mean, log_var = autoencoder.encoder().predict(x, verbose=0)
    layer = GaussianSampling()
    layer([mean, log_var])
    assert float(layer.losses[0]) == pytest.approx(kl.mean(), rel=1e-4)


def test_the_schedule_falls_to_zero_at_the_end_of_the_last_epoch():
    ours = optimizer(Config(epochs=20), 30)
    for step, expected in [(0, 0), (24, 8e-3), (312, 4e-3), (600, 0)]:
        ours.iterations.assign(step)
        assert float(ours.learning_rate) == pytest.approx(expected, abs=1e-6)
    article = optimizer(Config(recipe="article"), 30)
    assert isinstance(article, keras.optimizers.RMSprop)
    assert float(article.learning_rate) == pytest.approx(1e-3)
    assert isinstance(optimizer(Config(model="clustering"), 30), keras.optimizers.Adam)


def test_no_validation_where_nothing_is_held_out():
    assert validation(Config(), np.zeros((0, 784))) is None
    streamed = Pictures([0, 1, 2], IMAGES.__getitem__)
    x, x_val = split(streamed, 3)
    assert len(x) == 3 and validation(Config(), x_val) is None
    x = np.full((2, 784), 0.5, "float32")
    binary, target = validation(Config(binarize=True), x)
    assert binary is target and set(np.unique(binary)) == {0, 1}
