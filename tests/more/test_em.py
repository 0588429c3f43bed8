"""more/em.py against scikit-learn's mixtures and sums written out."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from more import em


@pytest.fixture(scope="module")
def fitted():
    x, which = em.plane(np.random.default_rng(0))
    first = em.k_means(x, 3, np.random.default_rng(0))
    return x, which, first, em.fit(x, first, 400, floor=0.0)


def test_every_half_step_lowers_the_joint_divergence(fitted):
    path = fitted[3][2]
    assert np.diff(path).max() < 1e-12 and path[0] - path[-1] > 0.01


def test_the_divergence_after_an_e_step_is_the_cross_entropy(fitted):
    x, _, _, (posterior, theta, path) = fitted
    assert em.joint_divergence(x, posterior, *theta) == pytest.approx(path[-1], abs=1e-12)


def test_joint_divergence_is_the_sum_of_17():
    rng = np.random.default_rng(1)
    x, posterior = rng.normal(size=(4, 2)), rng.dirichlet([1, 1], size=4)
    posterior[0] = [1, 0]
    means, covariances, weights = rng.normal(size=(2, 2)), [np.eye(2), np.diag([2.0, 0.5])], [0.3, 0.7]
    total = 0.0
    for i in range(4):
        for k in range(2):
            delta, p = x[i] - means[k], posterior[i, k]
            root = 2 * np.pi * np.sqrt(np.linalg.det(covariances[k]))
            density = np.exp(-0.5 * delta @ np.linalg.inv(covariances[k]) @ delta) / root
            total += p * np.log(p / (density * weights[k])) / 4 if p else 0.0
    assert em.joint_divergence(x, posterior, weights, means, covariances) == pytest.approx(total, rel=1e-12)


def test_each_step_is_scikit_learns(fitted):
    x, _, first, (_, theta, path) = fitted
    weights, means, covariances = em.m_step(x, first, 0.0)
    peer = GaussianMixture(3, tol=0, max_iter=400, reg_covar=0, weights_init=weights, means_init=means,
                           precisions_init=np.linalg.inv(covariances)).fit(x)
    assert peer.score(x) == pytest.approx(-path[-1], abs=1e-8)
    np.testing.assert_allclose(peer.weights_, theta[0], atol=1e-5)
    np.testing.assert_allclose(peer.means_, theta[1], atol=1e-4)


def test_weights_and_means_are_found(fitted):
    theta = fitted[3][1]
    np.testing.assert_allclose(np.sort(theta[0]), [0.2, 0.3, 0.5], atol=0.04)
    for mean in ([0, 0], [3, 1], [0, 4]):
        assert np.abs(theta[1] - mean).max(axis=1).min() < 0.2


def test_a_point_far_from_everything_has_a_finite_posterior():
    posterior, log_likelihood = em.e_step(np.full((1, 2), 1e4), [0.5, 0.5], np.zeros((2, 2)), [np.eye(2)] * 2)
    np.testing.assert_allclose(posterior, [[0.5, 0.5]])
    assert np.isfinite(log_likelihood)


def test_purity_by_hand():
    assert em.purity(np.array([0, 0, 1, 1, 1]), np.array([3, 2, 2, 2, 0]), 2) == pytest.approx(3 / 5)
