"""The network by its parameter count, losses by their formulas, inpainting by what it may not touch."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from flow_nice import report, train
from flow_nice.sampler import Sampler
from flow_nice.train import build_nice


def test_parameter_count():
    assert build_nice().count_params() == 19_158_352


@pytest.mark.parametrize("prior, scipy_prior", [("gaussian", stats.norm), ("logistic", stats.logistic)])
def test_the_losses_are_those_of_the_formulas(prior, scipy_prior):
    model = build_nice(width=20, hidden=1, prior=prior)
    x = np.random.default_rng(0).random((5, 784), "float32")
    z, log_det = (ops.convert_to_numpy(t).astype("float64") for t in model.get_layer("nice")(x))
    log_q = model(x)
    exact = scipy_prior.logpdf(z).sum(axis=1) + log_det
    found = ops.convert_to_numpy(train.negative_log_likelihood(None, log_q))
    np.testing.assert_allclose(found, -exact, rtol=1e-5)
    if prior == "gaussian":
        article = 0.5 * (z ** 2).sum(axis=1) - log_det                               # eq. (15)
        found = ops.convert_to_numpy(train.article_loss(None, log_q))
        np.testing.assert_allclose(found, article, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("blocks", [2, 3])
def test_scales_stand_where_their_pixels_are(blocks):
    """Couplings that add nothing leave the reversals: a lone bright pixel is a lone code at one place."""
    model = build_nice(blocks=blocks, width=4, hidden=1)
    for coupling in model.get_layer("nice").layers[1:-1:2]:
        last = coupling.network.layers[-1]
        last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    sampler = Sampler(model)
    image = np.zeros((1, 784), "float32")
    image[0, 100] = 1
    z, _ = sampler.flow(image)
    place = int(np.argmax(np.abs(ops.convert_to_numpy(z)[0])))
    scales = np.zeros(784, "float32")
    scales[place] = 7
    sampler.flow.layers[-1].log_scale.assign(scales.reshape(sampler.flow.layers[-1].log_scale.shape))
    assert sampler.log_scale().reshape(-1)[100] == 7


def test_one_number_of_a_code_is_varied():
    sampler = Sampler(build_nice(blocks=1, width=4, hidden=1))
    code = np.random.default_rng(1).normal(size=784).astype("float32")
    images = sampler.vary(code, [3, 5], [-1.0, 0.0, 2.0]).reshape(2, 3, 784)
    codes, _ = sampler.flow(images.reshape(6, 784))
    changed = np.abs(ops.convert_to_numpy(codes).reshape(2, 3, 784) - code) > 1e-3
    assert set(np.nonzero(changed.any(axis=(0, 1)))[0]) == {3, 5}
    np.testing.assert_allclose(ops.convert_to_numpy(codes).reshape(2, 3, 784)[0, :, 3], [-1, 0, 2], atol=1e-4)


def test_narrow_codes_keep_the_dimensions_of_least_s():
    sampler = Sampler(build_nice(blocks=1, width=4, hidden=1))
    scales = np.random.default_rng(2).permutation(784).astype("float32")
    sampler.flow.layers[-1].log_scale.assign(scales.reshape(sampler.flow.layers[-1].log_scale.shape))
    narrow = sampler.narrowed(np.ones((2, 784), "float32"), 10)
    np.testing.assert_array_equal(narrow, np.tile(scales < 10, (2, 1)))
    np.testing.assert_array_equal(sampler.narrowed(narrow, 784), narrow)


def test_noise_lies_where_the_protocols_say():
    grey = np.repeat(np.array([[0, 255]], "float32"), 50_000, axis=0)
    x, _ = report.dequantised(grey, None, np.random.default_rng(0))
    assert 0 <= x.min() and x.max() <= 1
    np.testing.assert_allclose(x.mean(axis=0), [0.5 / 256, 255.5 / 256], atol=1e-4)
    x, _ = train.less_noise(0.01)(grey / 255, None, np.random.default_rng(0))
    assert -0.01 <= x.min() and x[:, 0].max() <= 0 and 0.99 <= x[:, 1].min() and x.max() <= 1
    np.testing.assert_allclose(x.mean(axis=0), [-0.005, 0.995], atol=1e-4)
    np.testing.assert_array_equal(train.less_noise(0.0)(grey, None, np.random.default_rng(0))[0], grey)
    more, _ = train.less_noise(-0.01)(grey / 255, None, np.random.default_rng(0))
    np.testing.assert_allclose(more.mean(axis=0), [0.005, 1.005], atol=1e-4)


def test_scales_start_where_untrained_codes_have_deviation_one():
    keras.utils.set_random_seed(0)
    flow = build_nice(width=20, hidden=1).get_layer("nice")
    x = np.random.default_rng(0).random((2000, 784), "float32") * np.linspace(0.01, 1, 784, dtype="float32")
    train.start_scales_at_data(flow, x)
    np.testing.assert_allclose(ops.convert_to_numpy(flow(x)[0]).std(axis=0), 1, atol=0.05)


def test_metrics_are_averages_over_draws_and_in_bits():
    model = build_nice(width=20, hidden=1, prior="logistic")
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), "uint8")
    pixels = images.reshape(20, 784)
    rng = np.random.default_rng(4)
    noisy = [(pixels + rng.random((20, 784), "float32")) / 256 for _ in range(3)]
    values = [ops.convert_to_numpy(model(x)).mean() for x in noisy]
    found = report.metrics(Sampler(model), images, "paper", draws=3, seed=4)
    assert found["test_log_likelihood"] == pytest.approx(np.mean(values), rel=1e-5)
    bits = 8 - np.mean(values) / 784 / math.log(2)
    assert found["test_bits_per_dimension"] == pytest.approx(bits, rel=1e-5)


def test_inpainting_keeps_the_known_pixels_and_raises_the_density():
    keras.utils.set_random_seed(0)
    sampler = Sampler(build_nice(width=20, hidden=1))
    x = np.random.default_rng(0).random((3, 28, 28), "float32")
    known = np.zeros_like(x)
    known[:, :14] = 1
    few, many = (sampler.inpaint(x, known, steps) for steps in (1, 40))
    np.testing.assert_array_equal(many * known, x * known)
    assert 0 <= many.min() and many.max() <= 1
    assert (sampler.log_q(many) > sampler.log_q(few)).all()


@pytest.mark.parametrize("prior", ["gaussian", "logistic"])
def test_samples_are_decoded_codes_and_codes_are_of_the_prior(prior):
    keras.utils.set_random_seed(0)
    sampler = Sampler(build_nice(width=20, hidden=1, prior=prior))
    codes = sampler.codes(50, 0.5, seed=3)
    deviation = {"gaussian": 1, "logistic": math.pi / 3 ** 0.5}[prior]
    assert codes.std() == pytest.approx(0.5 * deviation, rel=0.02)
    images = sampler.sample(50, 0.5, seed=3)
    np.testing.assert_array_equal(images, sampler.decode(codes))
    x = ops.convert_to_numpy(sampler.flow.sample(50, 0.5, seed=3))
    np.testing.assert_allclose(images.reshape(50, 784), x, rtol=1e-5, atol=1e-5)
    back, _ = sampler.flow(images.reshape(50, 784))
    np.testing.assert_allclose(ops.convert_to_numpy(back), codes, rtol=1e-4, atol=1e-4)
