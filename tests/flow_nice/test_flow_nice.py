"""The article's network by its parameter count, the losses by their formulas, inpainting by what it may not touch."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from flow_nice import train
from flow_nice.generate import inpaint
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
    np.testing.assert_allclose(ops.convert_to_numpy(train.negative_log_likelihood(None, log_q)), -exact, rtol=1e-5)
    if prior == "gaussian":
        article = 0.5 * (z ** 2).sum(axis=1) - log_det                               # eq. (15)
        np.testing.assert_allclose(ops.convert_to_numpy(train.article_loss(None, log_q)), article, rtol=1e-4, atol=1e-2)


def test_noise_lies_where_the_protocols_say():
    grey = np.repeat(np.array([[0, 255]], "float32"), 50_000, axis=0)
    x, _ = train.dequantised(grey, None, np.random.default_rng(0))
    assert 0 <= x.min() and x.max() <= 1
    np.testing.assert_allclose(x.mean(axis=0), [0.5 / 256, 255.5 / 256], atol=1e-4)
    x, _ = train.article_noise(grey / 255, None, np.random.default_rng(0))
    assert -0.01 <= x.min() and x[:, 0].max() <= 0 and 0.99 <= x[:, 1].min() and x.max() <= 1
    np.testing.assert_allclose(x.mean(axis=0), [-0.005, 0.995], atol=1e-4)


def test_scales_start_where_untrained_codes_have_deviation_one():
    keras.utils.set_random_seed(0)
    flow = build_nice(width=20, hidden=1).get_layer("nice")
    x = np.random.default_rng(0).random((2000, 784), "float32") * np.linspace(0.01, 1, 784, dtype="float32")
    train.start_scales_at_data(flow, x)
    np.testing.assert_allclose(ops.convert_to_numpy(flow(x)[0]).std(axis=0), 1, atol=0.05)


def test_metrics_are_averages_over_draws_and_in_bits():
    model = build_nice(width=20, hidden=1, prior="logistic")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 784), "uint8")
    config = train.Config(protocol="paper", draws=3, seed=4)
    rng = np.random.default_rng(4)
    values = [ops.convert_to_numpy(model((pixels + rng.random((20, 784), "float32")) / 256)).mean() for _ in range(3)]
    found = train.metrics(model, pixels, config)
    assert found["test_log_likelihood"] == pytest.approx(np.mean(values), rel=1e-5)
    assert found["test_bits_per_dimension"] == pytest.approx(8 - np.mean(values) / 784 / math.log(2), rel=1e-5)


def test_inpainting_keeps_the_known_pixels_and_raises_the_density():
    keras.utils.set_random_seed(0)
    flow = build_nice(width=20, hidden=1).get_layer("nice")
    x = np.random.default_rng(0).random((3, 784), "float32")
    known = np.tile((np.arange(784) < 392).astype("float32"), (3, 1))
    few, many = (inpaint(flow, x, known, steps) for steps in (1, 40))
    np.testing.assert_array_equal(many * known, x * known)
    assert 0 <= many.min() and many.max() <= 1
    assert (ops.convert_to_numpy(flow.log_prob(many)) > ops.convert_to_numpy(flow.log_prob(few))).all()
