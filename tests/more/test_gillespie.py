"""more/gillespie.py against the master equation, binomial coefficients and exact moments."""

import math

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import chisquare, ks_2samp

from more import gillespie
from more.gillespie import System, gene_expression


def dimerisation(rate=1.0):
    system = System(2)
    system.add_reaction(rate, [2, 0], [0, 1])
    return system


def test_propensities_count_sets_of_molecules():
    system = System(3)
    system.add_reaction(0.5, [3, 1, 0], [0, 0, 1])
    states = np.array([[5, 4, 0], [2, 4, 0], [3, 0, 9]])
    expected = [[0.5 * math.comb(n, 3) * m] for n, m, _ in states.tolist()]
    np.testing.assert_allclose(system.propensities(states), expected)
    assert dimerisation().propensities(np.array([[10, 0]])) == 45               # n(n-1)/2, not n²


@pytest.mark.parametrize("method", ["direct", "first"])
def test_dimerisation_follows_its_master_equation(method):
    generator = np.zeros((4, 4))                                # of 6 molecules A, by the number of B
    for b in range(3):
        generator[b, b] = -math.comb(6 - 2 * b, 2)
        generator[b, b + 1] = math.comb(6 - 2 * b, 2)
    expected = expm(0.1 * generator)[0] * 20_000
    _, states = dimerisation().run(np.tile([6, 0], (20_000, 1)), 10, seed=3, method=method, until=0.1)
    assert chisquare(np.bincount(states[-1, :, 1], minlength=4), expected).pvalue > 1e-3


def test_it_stops_where_nothing_can_happen():
    times, states = dimerisation().run([[7, 0]], 100, seed=1)
    assert states[-1].tolist() == [[1, 3]]
    assert np.isfinite(times[:4]).all() and np.isinf(times[4:]).all()
    durations, visited = gillespie.time_weights(times[:, 0], states[:, 0])
    assert len(durations) == len(visited) == 3 and np.isfinite(durations).all()
    empty = System(1)
    empty.add_reaction(0.0, [0], [1])
    assert empty.run([[1]], 5)[1].max() == 1


def test_enzymes_are_kept():
    system = System(4)                                                          # S, E, SE, P
    system.add_reaction(1.66e-3, [1, 1, 0, 0], [0, 0, 1, 0])
    system.add_reaction(1e-4, [0, 0, 1, 0], [1, 1, 0, 0])
    system.add_reaction(0.1, [0, 0, 1, 0], [0, 1, 0, 1])
    _, states = system.run([[300, 121, 0, 0]], 2000, seed=0)
    assert (states[:, 0, 1] + states[:, 0, 2] == 121).all() and states[-1, 0, 3] == 300


def test_stationary_moments_by_time_and_the_bias_of_counting_events():
    means = {"by time": [], "by events": []}
    for seed in range(3):
        _, _, found = gillespie.both_countings(60_000, seed)
        for key, value in zip(means, found["mean n"]):
            means[key].append(value)
    # 2 (50 + 2 · 62.5) / T is the variance of a mean over the time T, about 410 here: 0.55 with three seeds
    assert np.mean(means["by time"]) == pytest.approx(50, abs=2.2)
    assert np.mean(means["by events"]) / np.mean(means["by time"]) == pytest.approx(1.026, abs=0.006)
    times, states = gene_expression().run(np.zeros((2000, 2), int), 5000, seed=5, until=8.0)
    mean, variance = gillespie.moments(states[-1, :, 1])
    assert mean == pytest.approx(50, rel=0.02) and variance == pytest.approx(112.5, rel=0.1)


def test_both_methods_have_one_distribution():
    start, last = np.zeros((1000, 2), int), []
    for method in ("direct", "first"):
        last.append(gene_expression().run(start, 2000, 7, method, until=2.0)[1][-1, :, 1])
    assert ks_2samp(*last).pvalue > 1e-3


@pytest.mark.parametrize("arguments, message", [
    ((1.0, [1], [0, 0]), "takes expects 2 whole numbers"),
    ((1.0, [1, 0], [0, -1]), "gives expects 2 whole numbers"),
    ((-1.0, [1, 0], [0, 0]), "rate expects a finite number"),
])
def test_what_is_no_reaction(arguments, message):
    with pytest.raises(ValueError, match=message):
        System(2).add_reaction(*arguments)


def test_unknown_method():
    with pytest.raises(ValueError, match="method expects 'direct' or 'first'. Received: method='next'"):
        dimerisation().run([[2, 0]], 1, method="next")
