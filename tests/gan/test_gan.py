"""Losses and penalties against float64 NumPy, pairs, the lagged generator, resuming, metrics, data, and wrong
input."""

import dataclasses
import functools
import gzip
import io
import json
import tarfile

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image

from common.harness import cli, datasets
from common.harness.frechet import features_and_classes, frechet_distance
from common.harness.models import save_model
from common.harness.reading import InputError, sha256_of
from common.harness.writing import ROOT
from gan import compare, data, features, frechet, generate, kernels, report, toy, train
from gan.backends import AlternatingModel
from gan.objectives import (
    EPSILONS,
    OBJECTIVES,
    POINTS,
    choose,
    critic_loss,
    distance_l1,
    input_gradient,
    penalty_div,
    penalty_gp,
)
from gan.painter import Painter, round_trip, walk
from gan.train import GAN, Config, build_critic, build_generator

RNG = np.random.default_rng(0)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


# ----------------------------------------------------------------------------------------------------- losses
# The critic here is T(x) = w · tanh(W x), whose gradient in x is written out: no automatic differentiation in
# the oracle.

SHAPE, HIDDEN, BATCH = (2, 2, 1), 5, 6
W, WEIGHT = RNG.normal(size=(4, HIDDEN)), RNG.normal(size=(HIDDEN, 1))
REAL, FAKE, EPSILON = RNG.normal(size=(BATCH, 4)), RNG.normal(size=(BATCH, 4)), RNG.random((BATCH, 1))


def score(x, w, weight):
    return np.tanh(x @ w) @ weight[:, 0]


def score_gradient(x, w, weight):
    return ((1 - np.tanh(x @ w) ** 2) * weight[:, 0]) @ w.T


def log_sigmoid(t):
    return -np.log1p(np.exp(-t))


def expected_critic_loss(name, w, weight):
    """A loop over the pairs, in float64."""
    t_r, t_f = score(REAL, w, weight), score(FAKE, w, weight)
    total = 0.0
    for i in range(BATCH):
        d = t_r[i] - t_f[i]
        if name.startswith("gan_qp"):
            apart = REAL[i] - FAKE[i]
            distance = np.abs(apart).mean() if name == "gan_qp_l1" else np.sqrt((apart ** 2).mean())
            total += -d + d ** 2 / (20 * distance)
        elif name.startswith("wgan"):
            total -= d
        elif name in ("sgan", "sgan_sn"):
            total -= log_sigmoid(t_r[i]) + np.log(1 - 1 / (1 + np.exp(-t_f[i])))
        elif name == "rsgan_sn":
            total -= log_sigmoid(d)
        else:
            total += (t_r[i] - 1) ** 2 / 2 + t_f[i] ** 2 / 2
        if name == "wgan_div":
            norms = [np.linalg.norm(score_gradient(x[i:i + 1], w, weight)) for x in (REAL, FAKE)]
            total += 2 * (norms[0] ** 6 + norms[1] ** 6) / 2
        if name == "wgan_gp":
            between = EPSILON[i] * REAL[i] + (1 - EPSILON[i]) * FAKE[i]
            total += 10 * (np.linalg.norm(score_gradient(between[None], w, weight)) - 1) ** 2
    return total / BATCH


def expected_generator_loss(name, fake):
    t_r, t_f = score(REAL, W, WEIGHT), score(fake, W, WEIGHT)
    if name in ("sgan", "sgan_sn"):
        return -log_sigmoid(t_f).mean()
    if name == "rsgan_sn":
        return -log_sigmoid(t_f - t_r).mean()
    return ((t_f - 1) ** 2 / 2).mean() if name == "lsgan_sn" else -t_f.mean()


def differences(function, value):
    """The gradient of a NumPy function by central differences."""
    result = np.zeros_like(value)
    for index in np.ndindex(value.shape):
        step = np.zeros_like(value)
        step[index] = 1e-5
        result[index] = (function(value + step) - function(value - step)) / 2e-5
    return result


def tensor(x):
    return ops.convert_to_tensor(x.astype("float32"))


@pytest.fixture
def critic():
    model = keras.Sequential([
        keras.Input(SHAPE),
        layers.Flatten(),
        layers.Dense(HIDDEN, "tanh", use_bias=False),
        layers.Dense(1, use_bias=False),
    ])
    model.set_weights([W, WEIGHT])
    return model


def images(x):
    return tensor(x.reshape(-1, *SHAPE))


def epsilon():
    return tensor(EPSILON.reshape(-1, 1, 1, 1))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_critics_loss_and_gradient(name, critic):
    z = keras.Input((1,))
    gan = AlternatingModel(z, z)                 # only its way to gradients, which knows all backends
    gan.critic = critic
    (loss, t_r, t_f), found = gan.gradients(
        lambda: critic_loss(OBJECTIVES[name], critic, images(REAL), images(FAKE), epsilon()),
        critic.trainable_variables)
    assert float(loss) == pytest.approx(expected_critic_loss(name, W, WEIGHT), rel=1e-4)
    np.testing.assert_allclose(numpy(t_r), score(REAL, W, WEIGHT), rtol=1e-4)
    np.testing.assert_allclose(numpy(t_f), score(FAKE, W, WEIGHT), rtol=1e-4)
    expected = [differences(lambda w: expected_critic_loss(name, w, WEIGHT), W),
                differences(lambda weight: expected_critic_loss(name, W, weight), WEIGHT)]
    for a, b in zip(found, expected):
        np.testing.assert_allclose(numpy(a), b, rtol=2e-3, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_generators_loss_and_gradient(name, critic):
    def function(fake):
        scores = [ops.squeeze(critic(x, training=False), -1) for x in (images(REAL), fake)]
        return OBJECTIVES[name].generator(*scores)

    loss, gradient = input_gradient(function, images(FAKE))
    assert float(loss) == pytest.approx(expected_generator_loss(name, FAKE), rel=1e-4)
    expected = differences(lambda fake: expected_generator_loss(name, fake), FAKE)
    np.testing.assert_allclose(numpy(gradient).reshape(BATCH, 4), expected, rtol=1e-3, atol=1e-5)


def test_the_gradient_of_a_critic_against_differences(critic):
    scores, gradient = input_gradient(lambda x: critic(x), images(REAL))
    np.testing.assert_allclose(numpy(gradient).reshape(BATCH, 4),
                               differences(lambda x: score(x, W, WEIGHT).sum(), REAL), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(numpy(scores)[:, 0], score(REAL, W, WEIGHT), rtol=1e-4)


def test_equal_real_and_fake_images_divide_by_no_zero(critic):
    for name, objective in OBJECTIVES.items():
        loss, *_ = critic_loss(objective, critic, images(REAL), images(REAL), epsilon())
        assert np.isfinite(float(loss)), name


def test_the_sixth_power_does_not_overflow_in_float16():
    gradient = ops.cast(np.full((3, 30, 30, 1), 10.0), "float16")                # ‖∇T‖ = 300, 300⁶ = 7.3·10¹⁴
    assert float(penalty_div(gradient)) == pytest.approx(2 * 300.0 ** 6, rel=1e-4)
    assert float(penalty_gp(gradient)) == pytest.approx(10 * 299.0 ** 2, rel=1e-4)


def expected_points(r):
    """The images of r(x) in float64, by the partners that objectives.py names."""
    epsilon = np.concatenate([EPSILON, 1 - EPSILON])
    following = [*range(1, BATCH), 0]
    both = np.concatenate([REAL, FAKE])
    if r == "real_to_fake":
        return [EPSILON[i] * REAL[i] + (1 - EPSILON[i]) * FAKE[i] for i in range(BATCH)]
    if r == "within_kind":
        partners = [*REAL[following], *FAKE[following]]
        return [e * a + (1 - e) * b for e, a, b in zip(epsilon, both, partners)]
    if r == "mixed":
        partners = [both[(i + BATCH // 2) % (2 * BATCH)] for i in range(2 * BATCH)]
        return [e * a + (1 - e) * b for e, a, b in zip(epsilon, both, partners)]
    return {"both": both, "fake": FAKE, "real": REAL}[r]


def expected_with_constants(name, r, weight, k, p, one_sided, w):
    d = score(REAL, w, WEIGHT) - score(FAKE, w, WEIGHT)
    norms = np.array([np.linalg.norm(score_gradient(x[None], w, WEIGHT)) for x in expected_points(r)])
    if name == "wgan_div":
        return -d.mean() + k * (norms ** p).mean()
    excess = np.where(norms > 1, norms - 1, 0) if one_sided else norms - 1
    return -d.mean() + weight * (excess ** 2).mean()


@pytest.mark.parametrize("r", POINTS)
@pytest.mark.parametrize("name, one_sided", [("wgan_div", False), ("wgan_gp", False), ("wgan_gp", True)])
def test_penalties_at_every_r_with_constants_of_ones_own(name, one_sided, r, critic):
    constants = {"weight": 3.0, "k": 0.7, "p": 2.5, "r": r, "one_sided": one_sided}
    objective = choose(name, **constants)
    # both kinds of norm have to occur, or (19) and (20) would be the same
    norms = [np.linalg.norm(score_gradient(x[None], W, WEIGHT)) for x in expected_points(r)]
    assert min(norms) < 1 < max(norms)
    count = EPSILONS.get(r, 1)
    epsilon = tensor(np.concatenate([EPSILON, 1 - EPSILON])[:count * BATCH].reshape(-1, 1, 1, 1))
    z = keras.Input((1,))
    gan = AlternatingModel(z, z)
    gan.critic = critic
    (loss, *_), (found, _) = gan.gradients(
        lambda: critic_loss(objective, critic, images(REAL), images(FAKE), epsilon),
        critic.trainable_variables)
    assert float(loss) == pytest.approx(expected_with_constants(name, w=W, **constants), rel=1e-4)
    expected = differences(lambda w: expected_with_constants(name, w=w, **constants), W)
    np.testing.assert_allclose(numpy(found), expected, rtol=2e-3, atol=1e-3 * np.abs(expected).max())


def test_lambda_of_gan_qp_is_the_option(critic):
    loss, t_r, t_f = critic_loss(choose("gan_qp_l1", weight=4.0), critic, images(REAL), images(FAKE))
    d, distance = numpy(t_r) - numpy(t_f), np.abs(REAL - FAKE).mean(axis=1)
    assert float(loss) == pytest.approx((d ** 2 / (8 * distance) - d).mean(), rel=1e-4)


def test_mixed_pairs_have_the_shares_of_a_choice_by_lot():
    kinds = tensor(np.ones((4, 1))), tensor(np.zeros((4, 1)))
    partners = numpy(POINTS["mixed"](*kinds, tensor(np.zeros((8, 1)))))[:, 0]
    assert list(zip([1] * 4 + [0] * 4, partners)).count((1, 1)) == 2 and sum(partners) == 4


def test_penalties_have_finite_gradients_at_zero():
    zero = tensor(np.zeros((2, 3)))
    below_two = functools.partial(penalty_div, p=1.5)
    for penalty, value in [(penalty_gp, 10.0), (penalty_div, 0.0), (below_two, 0.0)]:
        found, gradient = input_gradient(penalty, zero)
        assert float(found) == pytest.approx(value, rel=1e-3, abs=1e-5) and np.isfinite(numpy(gradient)).all()


# --------------------------------------------------------------------------------------------------- networks

def exact_norms(model):
    """‖W‖₂ of the kernels by singular values in float64."""
    layers_with = [layer for layer in model.layers if hasattr(layer, "kernel")]
    values = [numpy(layer.kernel).astype("float64") for layer in layers_with]
    return [np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2) for kernel in values]


def test_a_constraint_brings_every_norm_near_1_after_a_step():
    keras.utils.set_random_seed(0)
    model = build_critic(28, 1, 2, "constraint")
    before = exact_norms(model)
    GAN(build_generator(28, 1, 2, 6), model, "wgan_sn").update(IMAGES[:16])
    assert max(abs(norm - 1) for norm in before) > 0.2
    # five iterations from ones end below the norm, never above it
    assert all(0.999 < norm < 1.2 for norm in exact_norms(model))


def test_the_spectral_regulariser_against_singular_values():
    keras.utils.set_random_seed(0)
    plain = build_critic(28, 1, 2)
    model = build_critic(28, 1, 2, "regularized", 0.5)
    model.set_weights(plain.get_weights())
    real, fake = (ops.cast(x, "float32") / 127.5 - 1 for x in (IMAGES[:4], IMAGES[4:8]))
    losses = [float(critic_loss(OBJECTIVES["wgan_sn"], critic, real, fake)[0]) for critic in (model, plain)]
    expected = 0.5 * sum(norm ** 2 for norm in exact_norms(plain))
    assert 0.8 * expected < losses[0] - losses[1] <= expected * (1 + 1e-5)
    w = RNG.normal(size=(6, 3)) * [3, 1, 0.1]              # a gap between the norms: five iterations suffice
    _, gradient = input_gradient(kernels.SquaredNorm2(0.5), tensor(w))
    exact = differences(lambda w: 0.5 * np.linalg.norm(w, 2) ** 2, w)
    np.testing.assert_allclose(numpy(gradient), exact, rtol=0.02, atol=0.02 * np.abs(exact).max())


@pytest.mark.parametrize("size, channels", [(28, 1), (32, 3), (44, 1), (64, 3), (128, 3)])
def test_networks_fit_the_image(size, channels):
    generator, critic = build_generator(size, channels, 4, 10), build_critic(size, channels, 4)
    assert generator.output.shape == (None, size, size, channels) and critic.output.shape == (None, 1)
    assert train.halvings(size) == {28: (2, 7), 32: (3, 4), 44: (2, 11), 64: (4, 4), 128: (5, 4)}[size]


def test_parameter_counts():
    assert build_generator().count_params() == (
        128 * 4 * 4 * 128 + 4 * 128 + 16 * 128 * 64 + 4 * 64 + 16 * 64 * 32 + 4 * 32 + 16 * 32 + 1)
    assert build_critic().count_params() == 16 * 32 + 32 + 16 * 32 * 64 + 64 + 16 * 64 * 128 + 128 + 2048
    more = build_critic(kernels="forward").count_params() - build_critic().count_params()
    assert more == 16 + 16 * 32 + 16 * 64 + 2048


def small(objective="gan_qp_l2", seed=0, **options):
    keras.utils.set_random_seed(seed)
    critic = build_critic(28, 1, 2, "forward" if OBJECTIVES[objective].spectral else "")
    return GAN(build_generator(28, 1, 2, 6), critic, objective, **options)


IMAGES = RNG.integers(0, 256, (48, 28, 28, 1), "uint8")
ZEROS = np.zeros(48, "uint8")


# --------------------------------------------------------------------------------------------------- training

@pytest.mark.parametrize("name", ["gan_qp_l2", "wgan_gp", pytest.param("rsgan_sn", marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_ten_losses(name):
    def losses():
        gan, found = small(name), []
        record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: found.append(dict(logs)))
        gan.fit(np.concatenate([IMAGES] * 2)[:80], np.zeros(80), batch_size=8, epochs=1, shuffle=False,
                verbose=0, callbacks=[record])
        return found

    first, second = losses(), losses()
    assert len(first) == 10 and first == second and len({row["loss"] for row in first}) == 10


@pytest.mark.parametrize("count, expected", [(16, 8), (7, 3)])
def test_every_real_image_has_a_fake_partner_in_a_partial_batch_too(monkeypatch, count, expected):
    seen = []

    def spy(objective, critic, real, fake, epsilon):
        seen.append((numpy(real), numpy(fake)))
        return critic_loss(objective, critic, real, fake, epsilon)

    monkeypatch.setattr(train, "critic_loss", spy)
    monkeypatch.setattr(GAN, "gradients", lambda self, function, variables, scale=1.0: (
        function(), [ops.zeros(variable.shape) for variable in variables]))
    small().update(IMAGES[:count])
    assert [(len(real), len(fake)) for real, fake in seen] == [(expected, expected)] * 2
    for step, (real, _) in enumerate(seen):      # each critic step has real images of its own
        np.testing.assert_allclose(real, IMAGES[step * expected:(step + 1) * expected] / 127.5 - 1, atol=1e-6)
    assert np.abs(seen[0][1] - seen[1][1]).max() > 0


def test_the_average_follows_the_generator():
    gan = small(ema=0.5)
    before = [numpy(weight).copy() for weight in gan.average.weights]
    gan.update(IMAGES[:16])
    for average, old, new in zip(gan.average.weights, before, gan.generator.weights):
        decay = min(0.5, 2 / 11)                 # 1 + t over 10 + t after the first update
        expected = decay * old + (1 - decay) * numpy(new)
        np.testing.assert_allclose(numpy(average), expected, rtol=1e-5, atol=1e-6)
    z = np.ones((2, 6), "float32")
    np.testing.assert_array_equal(numpy(gan(z)), numpy(gan.average(z)))


def test_the_term_of_5716_has_a_gradient_between_copies_and_none_at_a_copy():
    gan = small("sgan", vi_regularizer=5.0, vi_lag=3)
    z = tensor(RNG.normal(size=(8, 6)))

    def of_the_term():
        def gradient(weight):
            gan.vi_regularizer = weight
            return gan.gradients(lambda: gan.generator_loss(z), gan.generator.trainable_variables)

        (with_term, with_gradient), (without, without_gradient) = gradient(5.0), gradient(0.0)
        gan.vi_regularizer = 5.0
        return float(with_term[0] - without[0]), max(
            float(np.abs(numpy(a) - numpy(b)).max()) for a, b in zip(with_gradient, without_gradient))

    sizes = []
    for _ in range(6):
        gan.update_generator(tensor(IMAGES[:8] / 127.5 - 1))       # 0 and 3 copy first
        sizes.append(of_the_term())
    assert all(value > 0 and gradient > 1e-6 for value, gradient in sizes)
    assert sizes[2][0] > sizes[0][0] and sizes[3][0] < sizes[2][0]  # G moves away from G°, then G° catches up
    for old, new in zip(gan.old.weights, gan.generator.weights):
        old.assign(new)
    value, largest = of_the_term()
    # what one update for each copy would be left with
    assert value == pytest.approx(0, abs=1e-6) and largest < 1e-5


def test_the_generators_term_is_the_formula():
    gan = small("wgan_sn", vi_regularizer=5.0)
    for weight in gan.generator.trainable_variables:
        weight.assign(weight + 0.01)
    z = RNG.normal(size=(8, 6)).astype("float32")
    fake, old = (numpy(model(z, training=True)).astype("float64") for model in (gan.generator, gan.old))
    expected = -numpy(gan.scores(fake)).mean() + 5 * ((fake - old) ** 2).mean()
    assert float(gan.generator_loss(tensor(z))[0]) == pytest.approx(expected, rel=1e-4)


def config(tmp_path, **options):
    return Config(**{"data": "digits", "out": tmp_path, "width": 2, "latent_dim": 6, "size": 28, "epochs": 3,
                     "batch_size": 64, "samples": 50} | options)


@pytest.mark.parametrize("name", ["gan_qp_l2", pytest.param("sgan_sn", marks=pytest.mark.slow)])
def test_a_resumed_run_ends_as_one_that_was_not_stopped(tmp_path, monkeypatch, name):
    whole = train.train(config(tmp_path / "a", objective=name, vi_regularizer=5.0))

    def stop(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train.SampleSheet, "on_epoch_begin", stop)
        with pytest.raises(KeyboardInterrupt):
            train.train(config(tmp_path / "b", objective=name, vi_regularizer=5.0))
    folder, = (tmp_path / "b/gan").iterdir()
    resumed = train.train(cli.settle(Config(resume=folder)))
    for a, b in zip(whole.state["log"], resumed.state["log"], strict=True):
        assert a | {"seconds": 0} == b | {"seconds": 0}
    z = RNG.normal(size=(3, 6))
    np.testing.assert_array_equal(*(Painter.load(run.folder).paint(z) for run in (whole, resumed)))
    names = {path.name for path in whole.folder.iterdir()}
    assert {"samples.png", "walks.png", "scores.png", "samples"} <= names
    assert {"results.json", "model.keras", "log.csv"} <= names


def test_generate_from_a_file(tmp_path, capsys):
    save_model(small(), tmp_path / "model.keras")
    generate.generate(generate.Config(tmp_path / "model.keras", tmp_path / "out", 3))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"samples.png", "walks.png", "walk.gif"}
    assert Image.open(tmp_path / "out/samples.png").size == (3 * 28 * 2, 3 * 28 * 2)
    assert Image.open(tmp_path / "out/walk.gif").n_frames == 4 * 10
    with pytest.raises(InputError, match=r"--classifier expects one .* for 28 × 28 × 1 images"):
        generate.generate(generate.Config(tmp_path / "model.keras", tmp_path / "out", 3, best_of=2))
    with pytest.raises(InputError, match="--count expects 2 to 100"):
        cli.check(generate.Config(tmp_path / "model.keras", tmp_path / "out", 1))
    with pytest.raises(InputError, match="is not a model|expected a model trained by gan/train.py"):
        Painter.load(ROOT / "vae/weights/vae.keras")


# ---------------------------------------------------------------------------------------------------- metrics

def test_frechet_distance_against_closed_forms():
    from scipy.linalg import sqrtm

    a, b = RNG.normal(size=(300, 7)) @ RNG.normal(size=(7, 7)), 0.5 + RNG.normal(size=(200, 7))
    covariances = [np.cov(x, rowvar=False) for x in (a, b)]
    means_apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected = means_apart + np.trace(sum(covariances) - 2 * sqrtm(np.matmul(*covariances)).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    wide, narrow = 3 * RNG.normal(size=(100_000, 1)) + 2, RNG.normal(size=(100_000, 1))
    assert frechet_distance(wide, narrow) == pytest.approx(2 ** 2 + (3 - 1) ** 2, rel=0.03)
    flat = np.c_[a[:, :3], np.zeros((300, 2))]                       # features that are never on
    assert frechet_distance(flat, flat + 1) == pytest.approx(5, rel=1e-6)


def test_entropy_and_modes():
    real = np.repeat(np.arange(4), 25)
    assert report.class_metrics(real, real) == pytest.approx({"recognised_entropy": np.log(4), "modes": 4})
    one = report.class_metrics(np.full(100, 2), real)
    assert one == {"recognised_entropy": 0, "modes": 1}
    few = np.array([0] * 96 + [1] * 3 + [2])                         # a tenth of a quarter is 2.5 of 100
    assert report.class_metrics(few, real)["modes"] == 2


def test_the_surest_of_each_group():
    """The classifier is a stub: the brighter an image, the surer it is."""
    painter = Painter(small())
    brightness = lambda x: np.c_[np.zeros(len(x)), 50 * x.mean(axis=(1, 2, 3))]                   # noqa: E731
    codes = painter.sample_codes(6, seed=4)
    light = painter.paint(codes).mean(axis=(1, 2)).reshape(2, 3)
    expected = codes.reshape(2, 3, -1)[[0, 1], light.argmax(axis=1)]
    np.testing.assert_array_equal(painter.surest(2, 3, brightness, seed=4), expected)


def test_a_round_trip_comes_by_every_code_and_ends_where_it_began():
    stations = RNG.normal(size=(3, 2, 5))
    way = round_trip(stations, 4)
    assert way.shape == (12, 2, 5)
    np.testing.assert_allclose(way[::4], stations)
    for walker in range(2):
        np.testing.assert_allclose(way[8:, walker], walk(stations[2, walker], stations[0, walker], 5)[:4])


def test_walks_stay_on_the_sphere():
    start, end = RNG.normal(size=(2, 5))
    end *= np.linalg.norm(start) / np.linalg.norm(end)
    codes = walk(start, end, 7)
    np.testing.assert_allclose(codes[[0, -1]], [start, end], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), np.linalg.norm(start))
    np.testing.assert_allclose(walk(start, start, 3), [start] * 3)


def test_the_metrics_of_a_collapsed_and_of_a_perfect_generator(tmp_path):
    """The classifier is a stub: its features are the mean grey of three parts, its class is where the light
    is."""
    x = keras.Input((32, 32, 1))
    parts = layers.Flatten()(layers.AveragePooling2D((32, 8))(x))
    parts = layers.Activation("linear", name="features")(parts)
    logits = layers.Dense(4, kernel_initializer="identity", name="classes")(parts)
    save_model(keras.Model(x, logits, name="gan_features"), tmp_path / "features.keras")
    real = np.zeros((40, 32, 32, 1), "uint8")
    for i, image in enumerate(real):
        image[:, i % 4 * 8:i % 4 * 8 + 8] = 200 + i
    sample = datasets.Images("x", "", "", False, real, None, real, None)
    model = frechet.find_extractor(str(tmp_path / "features.keras"), sample)
    found, classes = features_and_classes(model, real)
    np.testing.assert_array_equal(classes, np.arange(40) % 4)
    assert frechet_distance(found, found) == pytest.approx(0, abs=1e-9)
    black = GAN(build_generator(32, 1, 2, 6), build_critic(32, 1, 2), "sgan")
    black.average.layers[-1].bias.assign([-100.0])
    collapsed = report.metrics(Painter(black), real, model, 30)
    assert collapsed["pixel_deviation"] == 0 and collapsed["modes"] == 1
    assert collapsed["frechet_distance"] > 0.2
    with pytest.raises(InputError, match=r"--features expects a classifier.*for 28 × 28 × 1.*Received"):
        frechet.find_extractor(str(tmp_path / "features.keras"),
                           datasets.Images("x", "", "", False, IMAGES, None, IMAGES, None))


def test_the_shipped_classifier_is_not_for_other_images_of_that_name(capsys):
    colour = np.zeros((4, 32, 32, 3), "uint8")
    other = datasets.Images("mnist", "", "", False, colour, None, colour, None)
    assert frechet.find_extractor("", other) is None
    assert "is for other images" in capsys.readouterr().out


def test_scores_are_float32_under_any_policy():
    """Scores of hundreds whose differences are below one: in bfloat16 they would all be alike."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        for way in ("", "forward"):
            critic = build_critic(32, 1, 4, way)
            last = critic.layers[-1].layer if way else critic.layers[-1]
            images = RNG.uniform(-1, 1, (32, 32, 32, 1)).astype("float32")
            level = np.mean(ops.convert_to_numpy(critic(images)))
            last.kernel.assign(last.kernel * (1 if way else 250 / level))
            scores = ops.convert_to_numpy(critic(images))
            assert scores.dtype == "float32" and len(np.unique(scores)) > 25
    finally:
        keras.config.set_dtype_policy("float32")


# ------------------------------------------------------------------------------------------------------- data

def test_mnist_gets_a_black_edge():
    loaded = data.load("digits", 32)
    plain = datasets.load_images("digits")
    assert loaded.x_train.shape == (1500, 32, 32, 1)
    np.testing.assert_array_equal(loaded.x_train[:, 2:-2, 2:-2, 0], plain.x_train)
    assert not loaded.x_train[:, :2].any() and loaded.builtin


def write(path, **arrays):
    np.savez(path, **{"x_train": IMAGES[..., 0], "x_test": IMAGES[:9, ..., 0]} | arrays)
    return str(path)


def test_npz_files_of_any_size_grey_and_colour(tmp_path):
    colour = RNG.integers(0, 256, (20, 50, 40, 3), "uint8")
    labels = {"y_train": np.arange(20)[:, None] % 3, "y_test": np.arange(5)}
    loaded = data.load(write(tmp_path / "a.npz", x_train=colour, x_test=colour[:5], **labels), 64)
    assert loaded.x_train.shape == (20, 64, 64, 3) and loaded.y_train.tolist() == [i % 3 for i in range(20)]
    np.testing.assert_array_equal(data.load(write(tmp_path / "b.npz"), 28).x_train, IMAGES)


def test_cifar10_from_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KEXUE_DATA", str(tmp_path))
    (tmp_path / "cifar10").mkdir()
    colour = RNG.integers(0, 256, (20, 32, 32, 3), "uint8")
    write(tmp_path / "cifar10/cifar10_11k.npz", x_train=colour, x_test=colour[:5])
    loaded = data.load("cifar10", 32)
    np.testing.assert_array_equal(loaded.x_train, colour)
    assert "subset" in loaded.name


CIFAR10_FILES = [*data.CIFAR10_TRAIN, *data.CIFAR10_TEST]


def cifar10_contents(records=2):
    """The six files of CIFAR-10's archive, but with few records."""
    labels = np.arange(records, dtype="uint8")[:, None] + 3
    pixels = np.arange(records * 3072, dtype="uint32").astype("uint8").reshape(records, 3072)
    return dict.fromkeys(CIFAR10_FILES, np.c_[labels, pixels].tobytes())


def write_archive(path, contents):
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_cifar10_from_its_archive(tmp_path):
    """Read where it is, whatever paths it names."""
    outside = {"../../outside": b"x", str(tmp_path / "absolute"): b"x"}
    path = write_archive(tmp_path / "cifar-10-binary.tar.gz", outside | cifar10_contents())
    loaded = data.from_cifar10_archive(path, records=2)
    assert loaded.x_train.shape == (10, 32, 32, 3) and loaded.x_train.dtype == np.uint8
    assert loaded.x_test.shape == (2, 32, 32, 3)
    assert loaded.y_train.tolist() == [3, 4] * 5 and loaded.y_test.tolist() == [3, 4]
    # the pixels beside and below the first one: the planes R, G, B lie 1,024 bytes apart
    assert loaded.x_test[0, 0, 1].tolist() == [1, 1025 % 256, 2049 % 256]
    assert loaded.x_test[0, 1, 0].tolist() == [32, 1056 % 256, 2080 % 256]
    assert [found.name for found in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]


def test_the_whole_cifar10_in_the_cache(tmp_path, monkeypatch):
    """As many records as the real archive has; another sha256 is refused before anything is unpacked."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KEXUE_DATA", raising=False)
    (tmp_path / "datasets").mkdir()
    path = tmp_path / "datasets/cifar-10-binary.tar.gz"
    write_archive(path, dict.fromkeys(CIFAR10_FILES, bytes(10_000 * 3073)))
    with pytest.raises(InputError, match="is damaged or another version"):
        data.cifar10()
    monkeypatch.setattr(data, "CIFAR10", dataclasses.replace(data.CIFAR10, sha256=sha256_of(path)))
    loaded = data.cifar10()
    assert loaded.x_train.shape == (50_000, 32, 32, 3) and loaded.x_test.shape == (10_000, 32, 32, 3)
    assert loaded.y_train.shape == (50_000,) and loaded.name == "cifar10" and not loaded.builtin


@pytest.mark.parametrize("content, reason", [
    (b"", "has 0 bytes, not 6,146"), (bytes(6145), "has 6,145 bytes"), (bytes(6147), "has 6,147 bytes"),
    (b"\x0a" + bytes(6145), "has a label 10, beyond 9"),
])
def test_an_archive_of_other_records_is_refused(tmp_path, content, reason):
    for name in (CIFAR10_FILES[0], CIFAR10_FILES[-1]):
        path = write_archive(tmp_path / "x.tar.gz", cifar10_contents() | {name: content})
        with pytest.raises(InputError, match=f"archive of CIFAR-10, but cannot be read as it: .*{reason}"):
            data.from_cifar10_archive(path, records=2)


def test_an_archive_that_is_none_or_that_lacks_a_file_is_refused(tmp_path):
    contents = cifar10_contents()
    path = write_archive(tmp_path / "x.tar.gz", contents)
    packed = path.read_bytes()
    del contents[CIFAR10_FILES[-1]]
    write_archive(path, contents)
    with pytest.raises(InputError, match="binary archive of CIFAR-10.*test_batch.bin"):
        data.from_cifar10_archive(path, records=2)
    for content in (b"", b"no archive", packed[:len(packed) // 2], packed[:40] + bytes(9) + packed[49:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="binary archive of CIFAR-10"):
            data.from_cifar10_archive(path, records=2)


def test_an_archive_that_would_fill_the_memory_is_refused_before_it_is_unpacked(tmp_path):
    member = tarfile.TarInfo(data.CIFAR10_TRAIN[0])
    member.size = 1 << 40
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf()))
    with pytest.raises(InputError, match="unpacks to more than"):
        data.from_cifar10_archive(path)


def test_a_folder_of_pictures_of_many_kinds(tmp_path, capsys):
    for i in range(24):
        size = (40 + i, 30 + 2 * i)
        pixels = RNG.integers(0, 256, (*size, 3), "uint8")
        path = tmp_path / ("red" if i % 2 else "blue") / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels if i > 3 else pixels[..., 0]).save(path)
    (tmp_path / "red/broken.png").write_bytes(b"\x89PNG no more")
    (tmp_path / "red/00.jpg").write_bytes((tmp_path / "red/01.png").read_bytes()[:200])
    loaded = data.load(str(tmp_path), 32)
    out = capsys.readouterr().out
    assert loaded.x_train.shape == (22, 32, 32, 3) and len(loaded.x_test) == 2
    assert set(loaded.y_train) == {0, 1}
    assert "left out: " in out and "broken.png" in out and "00.jpg" in out
    assert "2 of 26 pictures were left out" in out
    assert "4 pictures are grey and 20 are in colour: all are taken as colour" in out


def test_a_folder_of_grey_pictures_stays_grey(tmp_path):
    for i in range(12):
        Image.fromarray(IMAGES[i, ..., 0]).save(tmp_path / f"{i}.png")
    loaded = data.load(str(tmp_path), 28)
    assert loaded.x_train.shape == (11, 28, 28, 1) and loaded.y_train is None


@pytest.mark.parametrize("arrays, message", [
    ({"x_train": IMAGES / 255}, "x_train as uint8.*Received: float64"),
    ({"x_train": np.full((9, 28, 28), np.nan)}, "x_train as uint8.*Received: float64"),
    ({"x_test": IMAGES[:9].repeat(3, -1)}, "both grey or both colour"),
    ({"x_test": IMAGES[:9, :14, :, 0]}, "of one size"),
    ({"y_train": np.zeros(5, int)}, "48 labels"),
])
def test_wrong_arrays_are_named(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message):
        data.load(write(tmp_path / "x.npz", **arrays), 28)


@pytest.mark.parametrize("options, message", [
    ({"size": 30}, "--size expects 28 to 128.*Received: 30"),
    ({"size": 132}, "--size expects 28 to 128. Received: 132"),
    ({"k": 0.0}, "--k expects"),
    ({"kernel_weight": -1.0}, "--kernel-weight expects"),
    ({"p": 1.0}, "--p expects more than 1"),
    ({"weight": 0.0}, "--weight expects"),
    ({"data": "/nowhere"}, "--data expects.*Received: /nowhere"),
    ({"data": "EMPTY"}, "at least 10 pictures.*Received: 0"),
    ({"batch_size": 1000}, "at least 2000 images for one update.*Received: 1500"),
    ({"critic_steps": 0}, "--critic-steps expects 1 to 1,000"),
    ({"width": 0}, "--width expects 1 to 65,536"),
    ({"latent_dim": 1}, "--latent-dim expects 2 to 65,536"),
    ({"vi_regularizer": -1.0}, "--vi-regularizer expects 0 to 1,000,000"),
    ({"vi_lag": 1}, "--vi-lag expects 2 to"),
    ({"samples": 1}, "--samples expects 2 to 1,000,000"),
    ({"ema": 1.0}, "--ema expects at least 0 and less than 1"),
    ({"features": "/nowhere.keras"}, "expected a run folder with model.keras"),
])
def test_wrong_options_are_named_before_anything_is_written(tmp_path, options, message):
    (tmp_path / "empty").mkdir()
    if options.get("data") == "EMPTY":
        options = {"data": str(tmp_path / "empty")}
    with pytest.raises(InputError, match=message):
        train.train(cli.settle(config(tmp_path / "out", **options)))
    assert not (tmp_path / "out").exists()


def test_a_backend_without_a_step_of_its_own_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "openvino")
    with pytest.raises(InputError, match="trains on the backends tensorflow, jax and torch.*openvino"):
        train.train(config(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_not_a_number_ends_the_run(tmp_path):
    with pytest.raises(InputError, match="no longer a finite number at step.*smaller --learning-rate"):
        train.train(config(tmp_path, learning_rate=1e30, objective="wgan_div"))


def test_features_need_labels(tmp_path):
    with pytest.raises(InputError, match="needs labels"):
        features.train(features.Config(data=write(tmp_path / "x.npz"), size=28, out=tmp_path / "out"))


# ------------------------------------------------------------------------------------------------------- toys

def dirac_losses(name, phi, theta):
    """The losses of critic and generator in 6583, whose gradients the systems are."""
    t, norm = theta @ phi, np.linalg.norm(phi)
    return {
        "SGAN": (-np.log(1 - toy.sigmoid(t)), -np.log(toy.sigmoid(t))),
        "WGAN": (t / norm, -t / norm),
        "WGAN-GP, c = 0 (WGAN-div)": (t + 0.1 * norm ** 2, -t),
        "WGAN-GP, c = 1": (t + 0.1 * (norm - 1) ** 2, -t),
        "GAN-QP": (t + t ** 2 / (2 * np.linalg.norm(theta)), -t),
        "GAN-QP with L2": (t + t ** 2 / (2 * np.linalg.norm(theta)) + 0.1 * norm ** 2, -t),
    }[name]


@pytest.mark.parametrize("name", toy.SYSTEMS)
def test_dirac_systems_are_the_gradients_of_their_losses(name):
    phi, theta = RNG.normal(size=(2, 2))
    found = toy.SYSTEMS[name][0](phi, theta)
    of_phi = differences(lambda p: dirac_losses(name, p, theta)[0], phi)
    of_theta = differences(lambda t: dirac_losses(name, phi, t)[1], theta)
    np.testing.assert_allclose(found[0], -of_phi, rtol=1e-6)
    np.testing.assert_allclose(found[1], -of_theta, rtol=1e-6)


def test_the_linear_dirac_system_against_its_closed_solution():
    """c = 0: (φ, θ)' = [[−2λ, −1], [1, 0]] (φ, θ), solved by the exponential of the matrix."""
    from scipy.linalg import expm

    path = toy.follow(toy.SYSTEMS["WGAN-GP, c = 0 (WGAN-div)"][0], 40)
    matrix = np.kron(expm(40 * np.array([[-0.2, -1], [1, 0]])), np.eye(2))
    np.testing.assert_allclose(path[-1], matrix @ [0.1, 0.2, 0.2, 0.1], atol=1e-6)


def test_what_the_dirac_systems_show(tmp_path):
    left = {row["system"]: row["radius_left"] for row in toy.dirac(tmp_path / "dirac.png")}
    assert left["WGAN-GP, c = 0 (WGAN-div)"] < 0.1 and left["GAN-QP with L2"] < 0.1
    assert all(left[name] > 0.5 for name in ("SGAN", "WGAN", "WGAN-GP, c = 1", "GAN-QP"))


def test_measures_of_the_toy_on_a_critic_that_is_known():
    critic = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False)])
    critic.set_weights([np.array([[-3.0], [0.0]])])
    x_r, x_f = toy.points(4.0, 50, RNG)
    gradient = toy.generator_gradient(critic, OBJECTIVES["wgan_sn"].generator, x_r, x_f)
    assert gradient == pytest.approx(3, rel=1e-4)
    ratios = [-3 * (a[0] - b[0]) / (10 * np.abs(a - b).mean()) for a in x_r for b in x_f]
    expected = np.mean(ratios), np.max(np.abs(ratios))
    assert toy.bound_ratios(critic, distance_l1, x_r, x_f) == pytest.approx(expected, rel=1e-4)
    # T(x_r, x_f) = −2 x_r − x_f
    of_two = keras.Sequential([keras.Input((4,)), layers.Dense(1, use_bias=False)])
    of_two.set_weights([np.array([[-2.0], [0.0], [-1.0], [0.0]])])
    found = toy.bound_ratios(of_two, distance_l1, x_r, x_f)
    assert found == pytest.approx(tuple(np.divide(expected, 3)), rel=1e-4)


def test_the_toy_writes_pictures_and_a_table(tmp_path, monkeypatch):
    few = {name: OBJECTIVES[name] for name in ("gan_qp_l2", "wgan_gp", "sgan")}
    monkeypatch.setattr(toy, "OBJECTIVES", few)
    toy.toy(toy.Config(tmp_path, steps=100, distances=(2.0,)))
    assert {path.name for path in tmp_path.iterdir()} == {"gradients.png", "dirac.png", "table.json"}
    with pytest.raises(InputError, match="--steps expects"):
        cli.check(toy.Config(tmp_path, steps=0))
    for distances in ((), (1.0, 0.0), (float("inf"),)):
        with pytest.raises(InputError, match="--distances expects"):
            toy.toy(toy.Config(tmp_path, distances=distances))


def test_colour_images_are_shifted_and_mirrored_for_the_classifier():
    image = np.arange(12 * 12 * 3).reshape(12, 12, 3).astype("uint16")
    found = features.shifted_and_mirrored(np.stack([image] * 400), np.random.default_rng(0))
    wide = np.pad(image, [(4, 4), (4, 4), (0, 0)], mode="edge")
    windows = {}
    for down in range(9):
        for right in range(9):
            window = wide[down:down + 12, right:right + 12]
            windows[window.tobytes()] = False
            windows[window[:, ::-1].tobytes()] = True
    mirrored = [windows[moved.tobytes()] for moved in found]
    assert 150 < sum(mirrored) < 250 and len({moved.tobytes() for moved in found}) > 120


@pytest.mark.parametrize("channels", [1, 3])
def test_both_classifiers_have_64_features(channels):
    model = frechet.build_classifier(28, channels, 7)
    assert model.get_layer("features").output.shape == (None, 64) and model.outputs[0].shape == (None, 7)


def test_runs_are_compared_in_one_row_and_one_picture(tmp_path, capsys):
    def folder(name, seed, distance, more=()):
        path = tmp_path / name
        path.mkdir()
        config = {"objective": "wgan_gp", "epochs": 2, "seed": seed}
        (path / "config.json").write_text(json.dumps(config))
        results = {"config": config, "seed": seed, "minutes": 3, "metrics": {"frechet_distance": distance}}
        (path / "results.json").write_text(json.dumps(results | dict(more)))
        (path / "log.csv").write_text(f"epoch,frechet_distance\n1,90\n2,{distance}\n")
        return path

    first, second = folder("a", 0, 10.0), folder("b", 1, 14.0)
    compare.compare(compare.Config((first, second), tmp_path / "out"))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "wgan_gp, seeds 0, 1, minutes 3, 3" in lines and "frechet_distance 12 ± 2.828" in lines
    assert (tmp_path / "out/distances.png").exists()
    (second / "log.csv").write_text("epoch,frechet_distance\n1,x\n")
    wrong = [((), "expects run folders"), ((tmp_path,), "with results.json"), ((second,), "a row of numbers")]
    for number, more in enumerate([{"metrics": [1]}, {"seed": "x"}, {"config": 3}]):
        wrong.append(((folder(f"wrong-{number}", 2, 1.0, more),), "cannot be read"))
    for runs, message in wrong:
        with pytest.raises(InputError, match=message):
            compare.compare(compare.Config(runs, tmp_path / "out"))
