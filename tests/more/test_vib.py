"""more/vib.py against quadrature, random numbers and the sizes of the article's networks."""

import keras
import numpy as np
import pytest

from more import vib


def test_nats_are_the_divergence_by_quadrature():
    mean, log_var = np.array([[0.3, -1.2]]), np.array([[0.5, -0.7]])
    z = np.linspace(-12, 12, 20_001)
    expected = 0.0
    for m, v in zip(mean[0], np.exp(log_var[0])):
        log_p = -0.5 * (z - m) ** 2 / v - 0.5 * np.log(v)
        p = np.exp(log_p - 0.5 * np.log(2 * np.pi))
        expected += np.trapezoid(p * (log_p + 0.5 * z ** 2), z)
    assert vib.nats(mean, log_var) == pytest.approx(expected, abs=1e-8)


def test_the_loss_has_lambda_times_these_nats():
    model = vib.build_classifier(20, 8, "noise", 0.3)
    x = np.array([[0, 0, 3, 4, 5, 6, 7, 8], [0, 1, 2, 3, 4, 5, 6, 9]], "int32")
    model(x)
    outputs = keras.Model(model.input, [model.get_layer(name).output for name in ("mean", "log_var")])(x)
    assert float(model.losses[0]) == pytest.approx(0.3 * vib.nats(*map(np.array, outputs)), rel=1e-5)


def test_inference_has_no_noise_and_training_has():
    model = vib.build_classifier(20, 8, "noise", 0.1)
    x = np.array([[0, 0, 3, 4, 5, 6, 7, 8]], "int32")
    still = [float(model(x)[0, 0]) for _ in range(2)]
    moving = [float(model(x, training=True)[0, 0]) for _ in range(2)]
    assert still[0] == still[1] and moving[0] != moving[1]


@pytest.mark.parametrize("kind", ["nothing", "dense", "dropout", "noise"])
def test_padding_does_not_win_the_maximum(kind):
    """The same text behind more padding has the same logit."""
    text = np.array([[5, 3, 7, 2, 9]])
    short, long = (vib.build_classifier(20, length, kind) for length in (7, 12))
    long.set_weights(short.get_weights())
    logits = [model(np.pad(text, [(0, 0), (padding, 0)])) for model, padding in ((short, 2), (long, 7))]
    assert float(logits[0][0, 0]) == pytest.approx(float(logits[1][0, 0]), abs=1e-6)


def test_parameters_are_those_of_the_articles_networks():
    assert vib.build_classifier(5000, 400, "noise").count_params() == 352_135
    assert vib.build_classifier(5000, 400, "nothing").count_params() == 288_001


def test_the_arc_keeps_the_normal_distribution_and_the_line_does_not():
    z, other = np.random.default_rng(0).normal(size=(2, 50_000, 2))
    middle = vib.interpolate(z, other, np.array([0.0, np.pi / 4, np.pi / 2]))
    np.testing.assert_allclose(middle[0], z)
    np.testing.assert_allclose(middle[2], other, atol=1e-12)
    assert middle[1].var() == pytest.approx(1, abs=0.02)
    assert ((z + other) / 2).var() == pytest.approx(0.5, abs=0.02)


def test_reviews_become_padded_numbers_of_the_training_part():
    texts = [f"好{chr(0x4e00 + i)}" for i in range(40)]
    parts, rows = vib.review_parts(texts, np.arange(40) % 2, 0, length=4, most=12)
    assert [x.shape for x, _ in parts] == [(24, 4), (6, 4), (10, 4)]
    for (x, y), chosen in zip(parts, rows):
        assert (x[:, :2] == 0).all() and (x[:, 2] == 2).all()       # padding, then 好, the most frequent one
        assert (x[:, 3] > 0).all() and x.max() < 12
        np.testing.assert_array_equal(y, chosen % 2)
    assert (parts[2][0][:, 3] == 1).all()                             # not seen in training
