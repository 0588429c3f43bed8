"""more/em.py against scikit-learn's mixtures and sums written out."""

import numpy as np
import pytest
from sklearn.decomposition import NMF
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


def table_of(seed=0, texts=12, words=9):
    """A table of counts with two topics in it, and its pairs as topics_of takes them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([0.5, 0.5], texts) @ rng.dirichlet(np.full(words, 0.3), 2)
    table = np.array([rng.multinomial(60, row) for row in p])
    table[0, table.sum(axis=0) == 0] = 1
    x, y = np.nonzero(table)
    return table, x, y, table[x, y]


def test_plsa_falls_with_each_half_step_and_ends_normalised():
    _, x, y, counts = table_of()
    of_text, of_topic, path = em.topics_of(x, y, counts, 3, np.random.default_rng(1), 200)
    assert np.diff(path).max() < 1e-12 and path[0] - path[-1] > 0.05
    np.testing.assert_allclose(of_text.sum(axis=1), 1)
    np.testing.assert_allclose(of_topic.sum(axis=1), 1)


def test_one_iteration_of_plsa_is_that_of_loops():
    table, x, y, counts = table_of(1, 4, 5)
    found = em.topics_of(x, y, counts, 2, np.random.default_rng(2), 1)
    rng = np.random.default_rng(2)
    p_z, p_y = rng.dirichlet(np.ones(2), 4), rng.dirichlet(np.ones(5), 2)
    of_text, of_topic = np.zeros((4, 2)), np.zeros((2, 5))
    for i in range(4):
        for j in range(5):
            total = sum(p_z[i, z] * p_y[z, j] for z in range(2))
            for z in range(2):
                weight = table[i, j] * p_z[i, z] * p_y[z, j] / total
                of_text[i, z] += weight
                of_topic[z, j] += weight
    np.testing.assert_allclose(found[0], of_text / of_text.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(found[1], of_topic / of_topic.sum(axis=1, keepdims=True), rtol=1e-12)


def test_plsa_ends_where_scikit_learns_factorisation_stays():
    """pLSA minimises what non-negative factorisation minimises: at its end nothing is left to gain."""
    table, x, y, counts = table_of(2)
    of_text, of_topic, _ = em.topics_of(x, y, counts, 2, np.random.default_rng(0), 3000)
    weights = of_text * table.sum(axis=1, keepdims=True)
    peer = NMF(2, init="custom", solver="mu", beta_loss="kullback-leibler", tol=0, max_iter=500)
    better = peer.fit_transform(table.astype(float), W=weights.copy(), H=of_topic.copy())

    def divergence(product):
        known = table > 0
        return (table[known] * np.log(table[known] / product[known])).sum() - table.sum() + product.sum()

    ours, theirs = divergence(weights @ of_topic), divergence(better @ peer.components_)
    assert ours == pytest.approx(theirs, abs=1e-5)
    start = np.random.default_rng(0).dirichlet(np.ones(2), 12) * table.sum(axis=1, keepdims=True)
    assert ours < divergence(start @ np.full((2, 9), 1 / 9)) - 1


def test_texts_of_a_newspaper_become_pairs():
    texts, words, counts, names = em.read_texts(smoke=True)
    assert len(texts) == len(words) == len(counts) and counts.min() >= 1
    assert len(set(zip(texts, words))) == len(texts) and words.max() == len(names) - 1
