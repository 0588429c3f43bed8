"""more/initialisation.py against expectations by enumeration and by drawing."""

import itertools

import numpy as np
import pytest

from more import initialisation as init


@pytest.mark.parametrize("m, n", [(2, 2), (3, 2), (2, 3)])
@pytest.mark.parametrize("values", [(-1.0, 1.0), (-2.0, 0.0, 0.0, 2.0)])
def test_the_expected_error_is_the_mean_over_all_matrices(m, n, values):
    """All matrices of so small a size, with entries from values that are equally likely."""
    values = np.array(values)
    kurtosis = np.mean(values ** 4) / np.mean(values ** 2) ** 2
    values = values / np.sqrt(np.mean(values ** 2))
    errors = [init.squared_error(np.reshape(entries, (m, n)) / np.sqrt(m))
              for entries in itertools.product(values, repeat=m * n)]
    assert np.mean(errors) == pytest.approx(init.expected_error(m, n, kurtosis), rel=1e-12)


@pytest.mark.parametrize("name", init.ENTRIES)
def test_the_entries_are_what_they_say(name):
    draw, kurtosis = init.ENTRIES[name]
    values = draw(np.random.default_rng(0), 1_000_000)
    assert values.mean() == pytest.approx(0, abs=0.005) and values.var() == pytest.approx(1, abs=0.01)
    assert np.mean(values ** 4) == pytest.approx(kurtosis, abs=0.05)


@pytest.mark.parametrize("name, expected", [("normal", 0.0101), ("uniform", 0.00998), ("±1", 0.0099)])
def test_errors_of_100_by_100(name, expected):
    draw, kurtosis = init.ENTRIES[name]
    assert init.expected_error(100, 100, kurtosis) == pytest.approx(expected, abs=1e-12)
    errors = [init.squared_error(draw(np.random.default_rng(seed), (100, 100)) / 10) for seed in range(40)]
    assert np.mean(errors) == pytest.approx(expected, rel=0.01)


def test_ratios_by_enumeration():
    x, variance = np.array([3.0, -1.0]), 0.3
    signs = itertools.product([-1, 1], repeat=6)
    ratios = [init.squared_ratio(np.sqrt(variance) * np.reshape(entries, (3, 2)), x) for entries in signs]
    assert np.mean(ratios) == pytest.approx(init.expected_ratio(3, 2, variance), rel=1e-12)


@pytest.mark.parametrize("scheme, tall, wide", [
    ("1/m, the article's", 1, 1), ("LeCun, 1/n", 4, 0.25), ("Xavier, 2/(m + n)", 1.6, 0.4)])
def test_schemes(scheme, tall, wide):
    variance = init.SCHEMES[scheme]
    for (m, n), expected in (((1000, 250), tall), ((250, 1000), wide)):
        assert init.expected_ratio(m, n, variance(m, n)) == pytest.approx(expected)


def test_nearly_orthogonal_is_not_orthogonal():
    """Each entry of WᵀW is near that of I, but singular values run from 0 to 2, so ‖Wx‖ depends on x."""
    w = np.random.default_rng(0).normal(size=(400, 400)) / 20
    singular = np.linalg.svd(w, compute_uv=False)
    assert singular[-1] < 0.02 and singular[0] == pytest.approx(2, abs=0.05)
    assert init.squared_error(w) < 0.003


def test_relu_halves_the_square_that_2_by_m_restores():
    variance = init.SCHEMES["2/m, the article's for relu"]
    squares = [np.square(init.norms_by_depth([50, 300], variance, np.random.default_rng(s))[0][-1])
               for s in range(300)]
    assert np.mean(squares) == pytest.approx(1, abs=0.03)
