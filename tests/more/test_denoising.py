"""more/denoising.py against numerical derivatives, Gaussians whose denoiser is known, and float64 NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from more import denoising
from more.denoising import DenoisingLoss, EnergyDenoiser, GeneratorLoss, langevin, log_density, posterior_mean

RNG = np.random.default_rng(0)
DATA, POINTS = RNG.normal(size=(30, 2)), RNG.normal(size=(7, 2))


@pytest.mark.parametrize("sigma", [0.1, 0.7, 5.0])
def test_the_exact_denoiser_is_equation_1(sigma):
    """r(x) − x = σ² ∇log p̂, the right side by differences of a density that is summed up point by point."""
    def log_p(x):
        terms = [np.exp(-((x - point) ** 2).sum() / (2 * sigma ** 2)) for point in DATA]
        return np.log(np.mean(terms) / (2 * np.pi * sigma ** 2))

    h = 1e-5 * sigma
    found = posterior_mean(POINTS, DATA, sigma) - POINTS
    for x, value in zip(POINTS[np.abs(POINTS).max(axis=1) < 1.5], found[np.abs(POINTS).max(axis=1) < 1.5]):
        slope = [(log_p(x + step) - log_p(x - step)) / (2 * h) for step in h * np.eye(2)]
        np.testing.assert_allclose(value, sigma ** 2 * np.array(slope), rtol=1e-4, atol=1e-7 * sigma)
        assert log_density(x[None], DATA, sigma)[0] == pytest.approx(log_p(x), rel=1e-9)


def test_no_other_function_of_the_noisy_points_is_a_better_denoiser():
    """E‖r(x + ε) − x‖² by a sum over the data and a grid of noise rises with each change of r."""
    data, sigma = np.array([[-1.0], [0.4], [2.0]]), 0.6
    grid = np.linspace(-5, 5, 2001)[:, None]
    weight = np.exp(-(grid - data.T) ** 2 / (2 * sigma ** 2))                # p(noisy | clean), (grid, data)

    def risk(r):
        return (weight * (r - data.T) ** 2).sum()

    best = posterior_mean(grid, data, sigma)
    for change in (np.ones_like(grid), np.sin(3 * grid), grid):
        assert risk(best) < min(risk(best + 0.01 * change), risk(best - 0.01 * change))


def test_points_far_away_and_tiny_noise_stay_finite():
    x = np.array([[1e3, -1e3], DATA[3] + 1e-4])
    np.testing.assert_allclose(posterior_mean(x, DATA, 1e-3)[1], DATA[3], atol=1e-9)
    assert np.isfinite(posterior_mean(x, DATA, 1e-3)).all() and np.isfinite(log_density(x, DATA, 1e-3)).all()


def test_langevin_reaches_the_noisy_density():
    """For data N(m, s²) the denoiser is known, and the chain is autoregressive: its variance is
    (s² + σ²)/(1 − cσ²/(4(s² + σ²))), which for small c is that of p̂."""
    mean, spread, sigma, c = 1.5, 0.8, 0.5, 0.3
    total = spread ** 2 + sigma ** 2

    def denoise(x, sigma):
        return x + sigma ** 2 * (mean - x) / total

    x = langevin(denoise, np.zeros((100_000, 1), "float32"), [sigma], 250, c)
    assert x.mean() == pytest.approx(mean, abs=0.01)
    assert x.var() == pytest.approx(total / (1 - c * sigma ** 2 / (4 * total)), rel=0.02)
    jumped = denoise(x, sigma)                            # Var E[clean|noisy] = s⁴/(s² + σ²): less than s²
    assert jumped.var() == pytest.approx(spread ** 4 / total / (1 - c * sigma ** 2 / (4 * total)), rel=0.02)


def test_of_a_finite_data_set_the_exact_chain_gives_back_its_points():
    data = np.array([[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]])

    def denoise(x, sigma):
        return posterior_mean(x, data, sigma)

    sigmas = np.geomspace(4, 0.05, 12)
    x = denoise(langevin(denoise, 4 * RNG.normal(size=(300, 2)), sigmas, 10), 0.05)
    distance = np.linalg.norm(x[:, None] - data, axis=2)
    assert distance.min(axis=1).max() < 1e-3
    assert np.bincount(distance.argmin(axis=1), minlength=3).min() > 50


def quadratic(scale):
    """E(x) = scale · x₀²: a model whose gradient is known."""
    x = keras.Input((2,))
    return keras.Model(x, scale * ops.square(x[:, :1]))


def test_the_energy_denoiser_adds_the_gradient():
    x = POINTS.astype("float32")
    expected = x + np.stack([-0.6 * x[:, 0], np.zeros(len(x))], axis=1)
    layer = EnergyDenoiser(quadratic(-0.3))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, rtol=1e-5)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, layer(inputs))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="one number.*Received: shape="):
        EnergyDenoiser(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]))(x)


def test_training_differentiates_the_gradient():
    """One step on E = w x² has the derivative of ‖2wy + ε‖² that differences give, and w comes to the optimum
    −σ²/2(s² + σ²) of Gaussian data."""
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    x = keras.Input((1,))
    energy = keras.Model(x, dense(ops.square(x)))
    model = denoising.training_model(EnergyDenoiser(energy), (1,), [0.5], seed=0)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 400)))
    data = 0.8 * np.random.default_rng(0).standard_normal((200_000, 1), "float32")
    model.fit(data, batch_size=500, verbose=0)
    found = float(ops.convert_to_numpy(dense.kernel)[0, 0])
    assert found == pytest.approx(-0.5 * 0.25 / (0.64 + 0.25), rel=0.03)


def test_relu_has_no_curvature():
    """r − x of a relu energy is the same on either side of a small step, of silu it is not."""
    for activation, constant in (("relu", True), ("silu", False)):
        keras.utils.set_random_seed(0)
        layer = EnergyDenoiser(denoising.build_perceptron(activation=activation))
        x = np.float32([[0.3, 0.4], [0.3001, 0.4001]])
        moved = ops.convert_to_numpy(layer(x)) - x
        assert (np.abs(moved[0] - moved[1]).max() < 2e-7) == constant


def test_the_loss_divides_by_the_variance_of_each_sample():
    """Of r(x) = x the expected loss is the number of dimensions, for each σ."""
    class Same(keras.layers.Layer):
        def call(self, inputs):
            return inputs[0] if isinstance(inputs, list) else inputs

    x = np.zeros((20_000, 2, 3), "float32")
    for sigmas in ([0.1], [0.01, 1.0, 30.0]):
        layer = DenoisingLoss(Same(), sigmas, seed=1)
        layer(x)
        assert float(layer.losses[0]) == pytest.approx(6, rel=0.02)
    with pytest.raises(ValueError, match="sigmas expects.*Received: sigmas="):
        DenoisingLoss(Same(), [0.1, 0.0])


def test_with_the_spread_of_the_data_the_best_denoiser_has_one_loss_for_all_sigma():
    """For data N(0, s²) the best denoiser is known, and so is the variance of its error.

        r(x) = x s²/(s² + σ²)          Var (r(x) − x_clean) = s²σ²/(s² + σ²)
    """
    spread = 0.7

    class Best(keras.layers.Layer):
        def call(self, inputs):
            x, sigma = inputs
            return x * (spread ** 2 / (spread ** 2 + sigma ** 2))[..., None]

    x = spread * np.random.default_rng(0).standard_normal((20_000, 2, 3), "float32")
    for sigmas in ([0.05, 0.1], [1.0, 30.0]):
        layer = DenoisingLoss(Best(), sigmas, spread=spread, seed=1)
        layer(x)
        assert float(layer.losses[0]) == pytest.approx(6, rel=0.02)
    assert DenoisingLoss(Best(), [1.0], spread=spread).get_config()["spread"] == spread
    with pytest.raises(ValueError, match="spread expects.*Received: spread=0"):
        DenoisingLoss(Best(), [0.1], spread=0)


def test_the_generator_loss_is_a_difference_of_energies():
    """E_q = −x₀²·2, E_p = −x₀²·½ of G(z) + ε, by random numbers of our own."""
    generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")])
    z = RNG.normal(size=(50_000, 2)).astype("float32")
    layer = GeneratorLoss(generator, [quadratic(-2.0), quadratic(-0.5)], 0.7, seed=0)
    layer(z)
    second = 1 + 0.7 ** 2                                 # E (G(z) + ε)₀²
    assert float(layer.losses[0]) == pytest.approx(-2 * second + 0.5 * second, rel=0.03)
    with pytest.raises(ValueError, match="energies expects"):
        GeneratorLoss(generator, [], 0.7)


def test_the_loop_fits_a_generator_and_without_e_q_it_collapses():
    """p = N(0, 1) in one dimension with its exact E_p: G is linear, and has to have a slope of 1."""
    sigma = 0.5
    x = keras.Input((1,))
    energy_p = keras.Model(x, -0.5 * sigma ** 2 / (1 + sigma ** 2) * ops.square(x))
    found = {}
    for name in ("both", "alone"):
        keras.utils.set_random_seed(0)
        half = keras.initializers.Constant(0.5)
        generator = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer=half)])
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        energy_q = keras.Model(x, dense(ops.square(x)))
        denoising.fit_generator(generator, energy_p, energy_q if name == "both" else None, sigma, 300,
                                rates=(0.02, 0.01), inner=3)
        found[name] = abs(float(ops.convert_to_numpy(generator.layers[-1].kernel)[0, 0]))
    assert found["both"] == pytest.approx(1, abs=0.15) and found["alone"] < 0.05


def test_what_saves_loads(tmp_path):
    x = keras.Input((2,))
    energy = denoising.build_perceptron(width=4)
    model = keras.Model(x, DenoisingLoss(EnergyDenoiser(energy), [0.2], seed=3)(x))
    model.compile("adam")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inner, again = (part.layers[-1].denoiser for part in (model, loaded))
    points = POINTS.astype("float32")
    found = ops.convert_to_numpy(again(points))
    np.testing.assert_allclose(ops.convert_to_numpy(inner(points)), found, rtol=1e-6)


def test_the_untrained_denoiser_is_the_best_one_of_gaussian_pixels():
    x = RNG.normal(size=(3, 32, 32, 1)).astype("float32")
    found = denoising.denoiser_of(denoising.build_denoiser(4, spread=0.6), size=2)(x, 0.8)
    np.testing.assert_allclose(found, x * 0.36 / (0.36 + 0.64), rtol=1e-5)


def test_pixels_go_there_and_back():
    images = RNG.integers(0, 256, (3, 28, 28), "uint8")
    x = denoising.as_numbers(images)
    assert x.shape == (3, 32, 32, 1)
    np.testing.assert_array_equal(denoising.as_images(x)[:, 2:-2, 2:-2, 0], images)


def test_distances_from_the_nearest_are_those_of_a_loop():
    x, data = RNG.normal(size=(9, 2, 2, 1)), RNG.normal(size=(5, 2, 2, 1))
    expected = [np.sqrt(np.square((data - a) / 2).sum(axis=(1, 2, 3))).min() for a in x]
    np.testing.assert_allclose(denoising.nearest(x, data), expected, rtol=1e-6)
