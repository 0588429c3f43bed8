"""more/noise_contrastive.py against float64 NumPy, quadrature, and the optimum that equation (14) names."""

import types

import keras
import numpy as np
import pytest
from scipy.special import kve

from more import noise_contrastive
from more.noise_contrastive import LogPartition, QuarticEnergy, SkipGram, nce_loss


def test_the_loss_is_equation_5():
    s = np.random.default_rng(0).normal(size=(3, 4))
    y = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]])
    p = 1 / (1 + np.exp(-s))
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(nce_loss(keras.ops.array(y), keras.ops.array(s)), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="Received: shapes="):
        nce_loss(np.zeros((3, 1)), np.zeros((3, 4)))


def test_log_z_is_the_bessel_function_of_the_formula():
    a, b = 1.0, 0.5
    z = 0.5 * np.sqrt(a / b) * kve(0.25, a ** 2 / (8 * b))            # kve(ν, x) = e^x K_ν(x)
    assert noise_contrastive.exact_log_z(a, b) == pytest.approx(np.log(z), abs=1e-10)
    assert np.log(z) == pytest.approx(0.39630, abs=1e-5)


def test_samples_have_the_moments_of_the_density():
    x = noise_contrastive.quartic_samples(200_000, np.random.default_rng(0))
    grid = np.linspace(-4, 4, 4001)
    p = np.exp(-grid ** 2 - 0.5 * grid ** 4)
    for power in (1, 2, 4):
        assert np.mean(x ** power) == pytest.approx(np.sum(grid ** power * p) / p.sum(), abs=0.01)


@pytest.mark.parametrize("k", [1, 5])
def test_log_z_is_found_and_k_negatives_move_gamma_by_log_k(k):
    config = types.SimpleNamespace(epochs=12)
    a, b, log_z = noise_contrastive.estimate(config, 0, 20_000, 2.0, k)
    assert log_z == pytest.approx(0.3963, abs=0.03)
    assert a == pytest.approx(1, abs=0.2) and b == pytest.approx(0.5, abs=0.1)


def test_maximum_likelihood_has_the_moments_of_its_data():
    x = noise_contrastive.quartic_samples(5000, np.random.default_rng(1))
    a, b, log_z = noise_contrastive.maximum_likelihood(x)
    grid = np.linspace(-5, 5, 5001)
    p = np.exp(-a * grid ** 2 - b * grid ** 4 - log_z)
    step = grid[1] - grid[0]
    assert p.sum() * step == pytest.approx(1, abs=1e-6)
    assert (grid ** 2 * p).sum() * step == pytest.approx(np.mean(x ** 2), abs=1e-6)


@pytest.mark.parametrize("k", [1, 5])
def test_the_best_product_is_pmi_minus_log_k(k):
    """Equation (14): with all counts at once and full rank nothing else minimises the loss."""
    rng = np.random.default_rng(0)
    words = 6
    joint = rng.dirichlet(np.full(words * words, 2.0)).reshape(words, words)
    joint = (joint + joint.T) / 2
    single = joint.sum(axis=0)
    layer = SkipGram(words, words)
    w, c = np.divmod(np.arange(words * words), words)
    x = keras.Input((2,))
    model = keras.Model(x, layer(x))
    rows = np.concatenate([np.stack([w, c], axis=1)] * 2)
    labels = np.repeat([[1.0], [0.0]], words * words, axis=0)
    weights = np.concatenate([joint.ravel(), k * np.outer(single, single).ravel()])
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, 1500)), nce_loss,
                  jit_compile=True, steps_per_execution=100)
    rows_of_all, labels_of_all = np.tile(rows, (1500, 1)), np.tile(labels, (1500, 1))
    model.fit(rows_of_all, labels_of_all, sample_weight=np.tile(weights, 1500), batch_size=len(rows),
              shuffle=False, verbose=0)
    found = model.predict_on_batch(rows[:words * words])[:, 0]
    pmi = np.log(joint / np.outer(single, single)).ravel()
    np.testing.assert_allclose(found, pmi - np.log(k), atol=0.05)


def test_pmi_is_that_of_a_count_by_hand():
    pairs = noise_contrastive.pairs_of(np.array([0, 1, 0, 1, 2, 0]), window=1)
    w, c, pmi = noise_contrastive.pmi_of(pairs, 3, least=1)
    found = {(int(i), int(j)): value for i, j, value in zip(w, c, pmi)}
    # neighbours 01 10 01 12 20, in both directions: ten pairs, 0 and 1 four times each, 2 twice
    assert found[0, 1] == pytest.approx(np.log(0.3 / (0.4 * 0.4)))
    assert found[2, 0] == pytest.approx(np.log(0.1 / (0.2 * 0.4)))
    assert (0, 0) not in found


def test_what_saves_loads(tmp_path):
    x = keras.Input((3,))
    model = keras.Model(x, LogPartition()(QuarticEnergy()(x)))
    model.set_weights([np.array([1.0, 0.5]), np.array(0.25)])
    model.compile("adam", nce_loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    values = np.array([[0.0, 1.0, -2.0]], "float32")
    np.testing.assert_allclose(loaded(values), [[-0.25, -1.75, -12.25]], rtol=1e-6)
