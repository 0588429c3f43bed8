"""AAE and ALI of 5716: losses against float64 NumPy, who moves in which update, what is measured."""

import keras
import numpy as np
import pytest
from keras import ops

from common.harness.datasets import Images
from common.harness.frechet import frechet_distance
from common.harness.reading import InputError
from gan import encoders, frechet
from gan.encoders import ALI, EncoderGAN, build_code_critic, build_encoder, build_pair_critic
from gan.train import build_generator

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (16, 28, 28, 1), "uint8")
X = (IMAGES / 127.5 - 1).astype("float32")
Z = RNG.normal(size=(16, 5)).astype("float32")
TENSORS = ops.convert_to_tensor(X), ops.convert_to_tensor(Z)
OBJECTIVES = ["aae", *ALI]


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def small(objective, **options):
    keras.utils.set_random_seed(1)
    critic = build_code_critic(5, 8) if objective == "aae" else build_pair_critic(28, 1, 2, 5, 8)
    return EncoderGAN(build_encoder(28, 1, 2, 5), build_generator(28, 1, 2, 5), critic, objective, **options)


def flat(variables):
    """All their numbers in one array."""
    return np.concatenate([numpy(variable).ravel() for variable in variables])


def log_of_d(t):
    """log D and log(1 − D) for D = σ(t), in float64."""
    d = 1 / (1 + np.exp(-np.asarray(t, "float64")))
    return np.log(d), np.log(1 - d)


def expected_losses(objective, model):
    """The critic's loss and that of E and G, from the models' own outputs."""
    code, fake = (numpy(part(inputs, training=True)) for part, inputs in
                  [(model.encoder, X), (model.generator, Z)])
    pairs = (code, Z) if objective == "aae" else ([X, code], [fake, Z])
    (log_x, log_not_x), (log_z, log_not_z) = (
        log_of_d(numpy(model.critic(inputs, training=False))[:, 0]) for inputs in pairs)
    standard = -(log_x + log_not_z).mean()
    if objective == "aae":
        error = np.square(X - numpy(model.generator(code, training=True))).mean()
        return -(log_z + log_not_x).mean(), -log_x.mean() + 7 * error
    of_both = {"ali": -(log_x + log_z).mean(), "ali_minimax": -standard,
               "ali_swapped": -(log_not_x + log_z).mean()}
    return standard, of_both[objective]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_losses_are_the_formulas(objective):
    model = small(objective, weight=7.0)
    inputs = model.critic_inputs(*TENSORS)
    for _ in range(50):                     # each moves u of the power iteration, until it stands still
        critic_loss, *_ = model.critic_loss(inputs)
    expected = expected_losses(objective, model)
    assert float(critic_loss) == pytest.approx(expected[0], rel=1e-3)
    assert float(model.loss_of_both(*TENSORS)) == pytest.approx(expected[1], rel=1e-4)


def test_the_last_term_of_40_draws_codes_of_generated_images_to_their_z():
    plain, with_term = small("ali"), small("ali", code_weight=3.0)
    fake = numpy(plain.generator(Z, training=True))
    expected = 3 * np.square(Z - numpy(plain.encoder(fake, training=True))).mean()
    losses = [float(model.loss_of_both(*TENSORS)) for model in (plain, with_term)]
    assert losses[1] - losses[0] == pytest.approx(expected, rel=1e-4)
    # log p°(z|x) − log p(z|x) in G: both are the same function of x, so nothing is left
    (_, generator_plain), (_, generator) = gradients_of_both(plain), gradients_of_both(with_term)
    for a, b in zip(generator_plain, generator):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def gradients_of_both(model):
    _, found = model.gradients(lambda: (model.loss_of_both(*TENSORS),), model.variables_of_both)
    count = len(model.encoder.trainable_variables)
    found = [numpy(gradient) for gradient in found]
    return found[:count], found[count:]


def test_the_encoders_of_41_and_of_42_go_opposite_ways():
    """−log D(x, E(x)) in one, + in the other: what is against intuition in the article."""
    derived, minimax = (gradients_of_both(small(name))[0] for name in ("ali", "ali_minimax"))
    for a, b in zip(derived, minimax):
        np.testing.assert_allclose(a, -b, rtol=1e-3, atol=1e-6)
    assert max(np.abs(a).max() for a in derived) > 1e-5


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_both_encoder_and_generator_learn(objective):
    for part in gradients_of_both(small(objective)):
        assert all(np.isfinite(gradient).all() for gradient in part)
        assert max(np.abs(gradient).max() for gradient in part) > 1e-6


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_update_moves_its_own_weights_alone(objective):
    model = small(objective)
    parts = (model.encoder, model.generator, model.critic)

    def weights():
        return [flat(part.trainable_variables) for part in parts]

    def moved(before, after):
        return [(a != b).any() for a, b in zip(before, after)]

    start = weights()
    model.update_critic(TENSORS[0])
    middle = weights()
    model.update_both(TENSORS[0])
    assert moved(start, middle) == [False, False, True]
    assert moved(middle, weights()) == [True, True, False]


def test_the_model_is_the_averaged_encoder_and_generator():
    model = small("ali", ema=0.5)
    model.update(IMAGES)
    codes, decoded = model(X)
    np.testing.assert_allclose(numpy(codes), numpy(model.averages[0](X)), atol=1e-6)
    np.testing.assert_allclose(numpy(decoded), numpy(model.averages[1](codes)), atol=1e-6)
    assert np.abs(numpy(codes) - numpy(model.encoder(X))).max() > 1e-4


def test_metrics_are_those_of_the_test_images():
    model = small("aae")
    images = Images("made up", "here", "", False, IMAGES, np.zeros(16, int), IMAGES[:9], np.arange(9))
    classifier = frechet.build_classifier(28, 1, 10)
    found = encoders.metrics(model, images, classifier, 9)
    codes, decoded = (numpy(part).astype("float64") for part in model(X[:9]))
    assert found["reconstruction_error"] == pytest.approx(np.square(X[:9] - decoded).mean(), rel=1e-4)
    normal = np.random.default_rng(0).normal(size=codes.shape)
    assert found["code_distance"] == pytest.approx(frechet_distance(codes, normal), rel=1e-4)
    logits = numpy(classifier((decoded + 1) / 2))
    assert found["same_class"] == pytest.approx((logits.argmax(axis=-1) == np.arange(9)).mean(), abs=0.12)
    assert {"frechet_distance", "recognised_entropy", "modes"} <= set(found)


@pytest.mark.parametrize("count, shape", [(16, (3 * 2 * 28 * 2, 5 * 28 * 2)), (3, (2 * 28 * 2, 3 * 28 * 2))])
def test_a_sheet_has_images_over_their_reconstructions(tmp_path, count, shape):
    from PIL import Image

    encoders.save_reconstructions(small("ali"), IMAGES[:count], tmp_path / "sheet.png", columns=5)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == shape
    np.testing.assert_array_equal(sheet[:56:2, :56:2], IMAGES[0, ..., 0])


@pytest.mark.parametrize("options, message", [
    ({"weight": 3.0}, "--weight expects --objective to be one of aae"),
    ({"objective": "aae", "code_weight": 1.0}, "--code-weight expects --objective to be one of ali, ali_mi"),
])
def test_options_of_another_objective_are_refused(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        encoders.train(encoders.Config(out=tmp_path / "out", **options))
    assert not (tmp_path / "out").exists()
