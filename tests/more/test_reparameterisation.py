"""more/reparameterisation.py: samples against their exact distributions, and KLs against sums and Bessel
functions."""

import keras
import numpy as np
import pytest
from scipy.special import gammaln, ive

from more.reparameterisation import GumbelSoftmax, SphereSampling, prior, quantiles_of_w, sphere_kl

LOGITS = np.array([0.3, -1.0, 2.0, 0.0])
P = np.exp(LOGITS) / np.exp(LOGITS).sum()


def test_inference_samples_classes_with_their_probabilities():
    layer = GumbelSoftmax(seed=0)
    y = np.array(layer(np.tile(LOGITS.astype("float32"), (40_000, 1)), training=False))
    assert set(np.unique(y)) == {0, 1} and (y.sum(axis=1) == 1).all()
    deviation = np.sqrt(P * (1 - P) / 40_000)
    assert (np.abs(y.mean(axis=0) - P) < 4 * deviation).all()


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_training_softens_the_same_choice(temperature):
    """The largest component has the probabilities of the classes at any τ; only small τ makes it nearly 1."""
    layer = GumbelSoftmax(temperature, seed=0)
    y = np.array(layer(np.tile(LOGITS.astype("float32"), (40_000, 1)), training=True))
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
    counts = np.bincount(y.argmax(axis=1), minlength=4) / 40_000
    assert (np.abs(counts - P) < 4 * np.sqrt(P * (1 - P) / 40_000)).all()
    assert (np.median(y.max(axis=1)) > 0.999) == (temperature < 0.1)


def test_the_kl_is_the_sum_over_variables():
    rng = np.random.default_rng(0)
    o = rng.normal(size=(5, 3, 4))
    p = np.exp(o) / np.exp(o).sum(axis=-1, keepdims=True)
    expected = (p * np.log(p * 4)).sum(axis=(1, 2)).mean()
    layer = GumbelSoftmax(kl_weight=0.5)
    layer(o.astype("float32"))
    assert float(layer.losses[0]) == pytest.approx(0.5 * expected, rel=1e-5)
    layer = GumbelSoftmax()
    layer(np.zeros((5, 3, 4), "float32"))
    assert float(layer.losses[0]) == pytest.approx(0, abs=1e-6)


def test_the_gradient_reaches_the_logits_and_the_temperature_can_change():
    o = keras.Input((4,))
    layer = GumbelSoftmax(0.5, kl_weight=0.0)
    dense = keras.layers.Dense(4)
    model = keras.Model(o, layer(dense(o)))
    model.compile("sgd", "mse")
    before = dense.get_weights()[0]
    model.fit(np.ones((8, 4)), np.eye(4)[np.arange(8) % 4], verbose=0)
    assert np.abs(dense.get_weights()[0] - before).max() > 0
    layer.temperature.assign(1e-3)
    y = np.array(model(np.ones((50, 4)), training=True))
    assert (y.max(axis=1) > 0.99).mean() > 0.9


def bessel_mean(dims, kappa):
    """E[w] = I_{d/2}(κ) / I_{d/2−1}(κ)."""
    return ive(dims / 2, kappa) / ive(dims / 2 - 1, kappa)


@pytest.mark.parametrize("dims", [2, 3, 4, 30])
@pytest.mark.parametrize("kappa", [0.5, 20.0, 300.0])
def test_w_and_the_kl_are_those_of_bessel_functions(dims, kappa):
    w = quantiles_of_w(dims, kappa)
    assert (np.diff(w) >= 0).all() and np.abs(w).max() <= 1
    assert w.mean() == pytest.approx(bessel_mean(dims, kappa), abs=2e-4)
    order = dims / 2 - 1
    # log of C_{d,κ} / C_{d,0}, with the surface 2π^{d/2} / Γ(d/2)
    log_c = order * np.log(kappa) - dims / 2 * np.log(2 * np.pi) - np.log(ive(order, kappa)) - kappa
    log_c0 = gammaln(dims / 2) - np.log(2) - dims / 2 * np.log(np.pi)
    expected = kappa * bessel_mean(dims, kappa) + log_c - log_c0
    assert sphere_kl(dims, kappa) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_samples_lie_on_the_sphere_around_mu():
    mu = np.array([1.0, -2.0, 0.5, 0.3], "float32")
    layer = SphereSampling(20.0, seed=0)
    z = np.array(layer(np.tile(mu, (40_000, 1))), "float64")
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)
    expected = bessel_mean(4, 20.0) * mu / np.linalg.norm(mu)
    np.testing.assert_allclose(z.mean(axis=0), expected, atol=0.006)
    # at right angles to μ all directions are alike
    across = z - (z @ (mu / np.linalg.norm(mu)))[:, None] * mu / np.linalg.norm(mu)
    variances = np.linalg.eigvalsh(np.cov(across.T))
    assert variances[0] < 1e-6 and variances[3] / variances[1] < 1.05
    assert float(layer.losses[0]) == pytest.approx(sphere_kl(4, 20.0), rel=1e-5)


def test_kappa_0_is_uniform():
    z = np.array(SphereSampling(0.0, seed=0)(np.tile(np.array([1.0, 0, 0], "float32"), (40_000, 1))))
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.012)
    np.testing.assert_allclose(np.cov(z.T), np.eye(3) / 3, atol=0.012)
    assert sphere_kl(3, 0.0) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("layer, shape", [
    (GumbelSoftmax(0.7, 0.5, 3), (5, 4)), (SphereSampling(9.0, 0.5, 3), (4,))])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_layers_save_and_load(layer, shape, policy, tmp_path):
    layer = layer.__class__.from_config({**layer.get_config(), "dtype": policy})
    model = keras.Sequential([keras.Input(shape), layer])
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    assert copy.layers[0].get_config() == layer.get_config()
    y = np.array(copy(np.ones((3, *shape), "float32")), "float32")
    assert y.shape == (3, *shape) and np.isfinite(y).all()


@pytest.mark.parametrize("kind", ["Gaussian, 4", "sphere, 4, κ = 20", "classes, 10 of 10"])
def test_priors(kind):
    z = prior(kind, 500, np.random.default_rng(0))
    if kind.startswith("classes"):
        assert (z.reshape(500, 10, 10).sum(axis=2) == 1).all() and z.mean() == pytest.approx(0.1)
    else:
        lengths = np.linalg.norm(z, axis=1)
        assert (np.abs(lengths - 1) < 1e-5).all() == kind.startswith("sphere")


@pytest.mark.parametrize("make, message", [
    (lambda: GumbelSoftmax(0.0), "temperature expects a positive number"),
    (lambda: SphereSampling(-1.0), "kappa expects a number of at least 0"),
    (lambda: SphereSampling()(np.ones((2, 3, 4))), "the layer expects μ"),
    (lambda: SphereSampling()(np.ones((2, 1))), "the layer expects μ")])
def test_what_the_layers_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()
