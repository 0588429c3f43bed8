"""more/optimiser_dynamics.py against solutions in closed form and SciPy's integrator."""

import keras
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from more import optimiser_dynamics as dynamics


def test_the_oscillator_is_scipys():
    def derivative(_, state):
        return [state[1], -0.7 * state[1] - np.sin(state[0])]

    exact = solve_ivp(derivative, (0, 5), [1.0, 0.0], rtol=1e-11, atol=1e-12).y[0, -1]
    assert dynamics.oscillator(np.sin, 1.0, 0.7, 5.0, 2000) == pytest.approx(exact, abs=1e-9)


def test_momentum_is_of_order_two_and_the_others_of_order_one():
    slopes = {name: np.log2(errors[0] / errors[-1]) / 2 for name, errors in dynamics.orders().items()}
    first, *others = slopes.values()
    assert first == pytest.approx(2, abs=0.15)
    assert all(order == pytest.approx(1, abs=0.25) for order in others)


def test_the_standard_form_is_keras_own():
    """Keras keeps Θ = θ + βv, so what is compared is that; both begin at rest."""
    theta, friction, step, steps = 1.0, 1.0, 0.1, 20
    beta, alpha, v = 1 - friction * step, step ** 2, 0.0
    variable = keras.Variable(theta)
    optimizer = keras.optimizers.SGD(alpha, momentum=beta, nesterov=True)
    for _ in range(steps):
        optimizer.apply([keras.ops.sin(variable)], [variable])
        v = beta * v - alpha * np.sin(theta + beta * v)
        theta = theta + v
    assert float(variable.numpy()) == pytest.approx(theta + beta * v, rel=1e-5)
    # nesterov() differs by its first speed alone, which is forgotten as fast as the friction is
    assert abs(dynamics.nesterov(np.sin, 1.0, friction, step, 200, 1.0)) < 0.05


def test_the_slope_is_the_derivative():
    x = np.linspace(-1, 5, 50)
    central = (dynamics.f(x + 1e-5) - dynamics.f(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(dynamics.f_slope(x), central, atol=1e-6)


def test_the_articles_run_ends_at_the_global_minimum():
    path = dynamics.value_descent(4.0)
    assert path[-1] == pytest.approx(0.407, abs=1e-3) and dynamics.f(path[-1]) < 1e-5
    grid = np.linspace(-2, 6, 800_001)
    assert grid[dynamics.f(grid).argmin()] == pytest.approx(path[-1], abs=2e-3)


def test_two_of_three_neighbours_get_there_and_rounding_decides():
    starts = np.linspace(3.5, 5, 2001)
    shares = {most: dynamics.crossings(most, starts)[1] for most in (1000.0, 10.0, 1.0)}
    assert 0.6 < shares[1000.0] < 0.8 and shares[10.0] == shares[1.0] == 0
    ends = dynamics.crossings(1000.0, 4 + 1e-12 * np.arange(300))[0]
    assert np.ptp(ends) > 2                                     # starts that differ by 3e-10 at most
    expanded = np.poly1d([4, -21, 30, -9])
    np.testing.assert_allclose(expanded(starts), dynamics.f_slope(starts), atol=1e-12)
    paths = [dynamics.value_descent(4.0, slope=slope) for slope in (dynamics.f_slope, expanded)]
    assert np.abs(paths[0] - paths[1]).max() > 0.1


def test_gradient_descent_stays_and_with_noise_does_not():
    quiet = dynamics.noisy_descent(4.0, 0.0, np.random.default_rng(0), count=2500)
    assert quiet[-1] == pytest.approx(3, abs=1e-6)
    noisy = dynamics.noisy_descent(4.0, 10.0, np.random.default_rng(0))
    assert (np.abs(noisy - 0.41) < 1).mean() > 0.95


def test_the_stationary_density_has_the_factor_two():
    """Of the discrete process the variance is σ²γ / (1 − (1 − γ)²), near σ²/2 and far from σ²."""
    found = dynamics.langevin_variance(1.5, np.random.default_rng(0))
    assert found == pytest.approx(1.5 ** 2 / (2 - 0.01), rel=0.04)


def test_sign_descent_never_stops():
    first, second = dynamics.sign_descent(1.03, 0.1, 1001)
    assert abs(first - second) == pytest.approx(0.1) and first * second < 0
