"""more/gradient_clipping.py against formulas, counted steps and float64 NumPy."""

import keras
import numpy as np
import pytest

from more.gradient_clipping import SoftClippedAdam, hard_factor, soft_clip, soft_factor, steps_to_minimum


def test_soft_is_within_a_factor_of_two_of_hard():
    norms = np.concatenate([[0.0], np.geomspace(1e-9, 1e9, 500)])
    for limit in (0.01, 1.0, 10.0):
        norms[1] = limit
        ratio = soft_factor(norms, limit) / hard_factor(norms, limit)
        assert ratio.min() >= 0.5 - 1e-12 and ratio.max() <= 1
        assert ratio.min() == pytest.approx(0.5)                         # reached where |g| = γ


@pytest.mark.parametrize("start, rate, plain, hard, soft", [
    (10, 0.001, 12_492, 13_293, 13_485), (10, 0.01, None, 1326, 1345), (10, 0.1, None, 129, 131),
    (3, 0.03, 345, 416, 422), (3, 0.1, None, 122, 124)])
def test_steps_to_the_minimum(start, rate, plain, hard, soft):
    found = [steps_to_minimum(start, rate, factor) for factor in (None, hard_factor, soft_factor)]
    assert found == [plain, hard, soft]


def test_theta_4_is_smooth_as_the_article_needs_it():
    """|f''| ≤ L₀ + L₁|f'| with L₀ = 16 / L₁², which is the smallest L₀; f'' itself has no bound."""
    theta = np.linspace(-50, 50, 200_001)
    for l1 in (0.1, 1.0, 7.0):
        excess = 12 * theta ** 2 - l1 * np.abs(4 * theta ** 3)
        assert excess.max() == pytest.approx(16 / l1 ** 2, rel=1e-4)


def test_the_norm_is_of_all_gradients_together():
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(3, 2)).astype("float32"), None, rng.normal(size=4).astype("float32")]
    norm = np.sqrt(sum(np.square(g).sum() for g in gradients if g is not None))
    found = soft_clip([None if g is None else keras.ops.convert_to_tensor(g) for g in gradients], 0.5)
    assert found[1] is None
    for i in (0, 2):
        np.testing.assert_allclose(found[i], gradients[i] * 0.5 / (norm + 0.5), rtol=1e-5)


def test_the_optimizer_is_adam_on_clipped_gradients_and_saves():
    optimizer = SoftClippedAdam(0.1, soft_clipnorm=2.0)
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(optimizer, SoftClippedAdam) and optimizer.soft_clipnorm == 2.0
    variable, peer = keras.Variable([1.0, -2.0]), keras.Variable([1.0, -2.0])
    adam = keras.optimizers.Adam(0.1)
    for gradient in (np.array([3.0, 4.0], "float32"), np.array([-0.3, 0.1], "float32")):
        clipped = gradient * 2.0 / (np.linalg.norm(gradient) + 2.0)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        adam.apply([keras.ops.convert_to_tensor(clipped)], [peer])
    np.testing.assert_allclose(variable.numpy(), peer.numpy(), rtol=1e-5)
    assert np.abs(variable.numpy() - [1, -2]).min() > 0.01


@pytest.mark.parametrize("options, message", [
    ({"soft_clipnorm": 0}, "soft_clipnorm expects a positive number"),
    ({"soft_clipnorm": float("nan")}, "soft_clipnorm expects a positive number"),
    ({"gradient_accumulation_steps": 2}, "gradient_accumulation_steps expects None")])
def test_what_it_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        SoftClippedAdam(**options)
