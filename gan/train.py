"""不用L约束又不会梯度消失的GAN (GAN-QP), https://kexue.fm/archives/6163, and the GANs it is compared with.

A critic T learns to score real images higher than generated ones, a generator G to raise the score of its
own. What keeps T from growing without end makes the difference: GAN-QP's parabola, a penalty on ∇T (WGAN-GP,
https://kexue.fm/archives/4439, WGAN-div, /6139), kernels of norm 1 (spectral normalisation, /6051), or a
sigmoid.

    article                                   here
    T(x), G(z)                                critic, generator
    min_T, min_G                              GAN.update_critic, GAN.update_generator
    eq. (15) of 6163, and the other losses    gan/objectives.py
    W/‖W‖₂ of 6051                            normed in gan/kernels.py
    ‖G(z) − G°(z)‖² of 5716, eq. (26)         --vi-regularizer, GAN.old
    权重滑动平均 of 6583                      move_average; GAN.average is what is saved and drawn

    python gan/train.py                                        GAN-QP with L2 distance, MNIST at 32 × 32:
                                                               Fréchet distance 27, 14 minutes on one core
    python gan/train.py --objective wgan_div|wgan_gp|wgan_sn|sgan_sn|rsgan_sn|lsgan_sn|sgan|gan_qp_l1
    python gan/train.py --data cifar10 --epochs 60             or --data FOLDER with your own pictures
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated, Literal

import keras
import numpy as np
from keras import layers, ops

from common.harness import cli, plots, training
from common.harness.batches import ArrayBatches
from common.harness.reading import InputError
from gan import data, frechet, report
from gan.backends import BACKENDS, AlternatingModel
from gan.kernels import normed
from gan.objectives import EPSILONS, OBJECTIVES, choose, critic_loss, options_of
from gan.painter import Painter

# ----------------------------------------------------------------------------------------------------- models


def build_generator(size=32, channels=1, width=32, latent_dim=128):
    """DCGAN's: z → 4 × 4 → transposed convolutions, each twice as large, to pixels in (−1, 1)."""
    count, base = halvings(size)
    z = keras.Input((latent_dim,), name="z")
    h = layers.Dense(base * base * width * 2 ** (count - 1), use_bias=False)(z)
    h = layers.Reshape((base, base, -1))(h)
    for i in reversed(range(count - 1)):
        h = layers.BatchNormalization(epsilon=1e-5)(h)
        h = layers.ReLU()(h)
        h = layers.Conv2DTranspose(width * 2 ** i, 4, strides=2, padding="same", use_bias=False)(h)
    h = layers.BatchNormalization(epsilon=1e-5)(h)
    h = layers.ReLU()(h)
    x = layers.Conv2DTranspose(channels, 4, strides=2, padding="same", activation="tanh")(h)
    return keras.Model(z, x, name="generator")


def build_critic(size=32, channels=1, width=32, kernels="", kernel_weight=1e-2):
    """DCGAN's without batch normalisation, which would make T(x) depend on the other images of the batch:
    neither ∇T nor a Lipschitz constant would mean anything then."""
    x = h = keras.Input((size, size, channels), name="x")
    for i in range(halvings(size)[0]):
        h = normed(layers.Conv2D(width * 2 ** i, 4, strides=2, padding="same"), kernels, kernel_weight)(h)
        h = layers.LeakyReLU(0.2)(h)
    h = layers.Flatten()(h)
    # float32 under any policy: scores drift to hundreds while their differences stay at a few, less than
    # bfloat16 resolves
    score = normed(layers.Dense(1, use_bias=False, dtype="float32"), kernels, kernel_weight)(h)
    return keras.Model(x, score, name="critic")


def halvings(size):
    """How often the images are halved, and the size that is left, 4 to 15: 28 → 2, 7; 32 → 3, 4;
    64 → 4, 4."""
    count = 0
    while size % 2 == 0 and size > 7:
        size, count = size // 2, count + 1
    return count, size


# --------------------------------------------------------------------------------------------------- training

class GAN(AlternatingModel):
    """Critic and generator, trained by one compiled step; as a model: z → image of the averaged generator.

    An update is `critic_steps` updates of the critic, each on fresh real images and fresh z, and one of the
    generator.

    Args:
        generator, critic: functional models.
        objective: a key of OBJECTIVES.
        critic_steps, ema, vi_regularizer, vi_lag, learning_rate, seed: see Config.
        **constants: see objectives.choose.
    """

    def __init__(self, generator, critic, objective, critic_steps=2, ema=0.999, vi_regularizer=0.0, vi_lag=5,
                 learning_rate=2e-4, seed=0, **constants):
        average = copy_of(generator)
        average.trainable = False
        super().__init__(average.inputs[0], average.outputs[0], name=f"gan_{objective}")
        self.generator, self.critic, self.average = generator, critic, average
        self.objective, self.critic_steps, self.ema = choose(objective, **constants), critic_steps, ema
        self.vi_regularizer, self.vi_lag = vi_regularizer, vi_lag
        if vi_regularizer:
            # G°. Not frozen: a frozen BatchNormalization takes its moving averages, and G(z) − G°(z) would
            # never be 0
            self.old = copy_of(generator)
        self.seeds = keras.random.SeedGenerator(seed)
        names = ("loss", "generator_loss", "gap", "score_real", "score_fake")
        self.means = [keras.metrics.Mean(name) for name in names]
        optimizer, self.critic_optimizer = adam(learning_rate), adam(learning_rate)
        optimizer.build(generator.trainable_variables)
        self.critic_optimizer.build(critic.trainable_variables)
        self.critic_memory = self.critic_optimizer.variables     # this model's weights: checkpoints hold them
        # XLA is ten times slower for transposed convolutions on CPUs; "auto" leaves it off there
        self.compile(optimizer, jit_compile="auto")

    def update(self, images):
        """One update from critic_steps batches of uint8 images; returns the means of this epoch so far."""
        x_r = ops.cast(images, "float32") / 127.5 - 1
        count = ops.shape(x_r)[0] // self.critic_steps
        for i in range(self.critic_steps):
            loss, t_r, t_f = self.update_critic(x_r[i * count:(i + 1) * count])
        generator_loss = self.update_generator(x_r[:count])
        move_average(self.average, self.generator, self.ema, self.optimizer.iterations)
        values = [loss, generator_loss, ops.mean(t_r) - ops.mean(t_f), ops.mean(t_r), ops.mean(t_f)]
        for mean, value in zip(self.means, values):
            mean.update_state(value)
        return {mean.name: mean.result() for mean in self.means}

    def update_critic(self, x_r):
        """min_T; a z for each real image, so that a batch of any size makes pairs (x_r, x_f)."""
        x_f = ops.stop_gradient(self.generate(self.codes(x_r)))
        epsilon = self.epsilon(x_r) if self.objective.r in EPSILONS else None
        return self.minimize(lambda: critic_loss(self.objective, self.critic, x_r, x_f, epsilon),
                             self.critic.trainable_variables, self.critic_optimizer)

    def update_generator(self, x_r):
        """min_G; T(x_r) matters to the relativistic GAN alone."""
        z = self.codes(x_r)
        t_r = self.scores(x_r) if self.objective.relativistic else None
        self.renew_old()
        loss, = self.minimize(lambda: self.generator_loss(z, t_r),
                              self.generator.trainable_variables, self.optimizer)
        return loss

    def generator_loss(self, z, t_r=None):
        """The objective's, and λ ‖G(z) − G°(z)‖² of eq. (26) of 5716; a tuple of one."""
        x_f = self.generate(z)
        loss = self.objective.generator(t_r, self.scores(x_f))
        if self.vi_regularizer:
            before = ops.stop_gradient(ops.cast(self.old(z, training=True), "float32"))
            loss = loss + self.vi_regularizer * ops.mean(ops.square(x_f - before))
        return (loss,)

    def renew_old(self):
        """G° ← G in every vi_lag-th update. Right after it the term of 5716 and its gradient are 0."""
        if self.vi_regularizer:
            due = ops.equal(self.optimizer.iterations % self.vi_lag, 0)
            for old, new in zip(self.old.weights, self.generator.weights):
                old.assign(ops.where(due, new.value, old.value))

    def codes(self, x_r):
        """z ~ N(0, I), one for each real image."""
        return keras.random.normal((ops.shape(x_r)[0], self.generator.inputs[0].shape[-1]), seed=self.seeds)

    def epsilon(self, x_r):
        """Where between two images ∇T is looked at: uniform in [0, 1), one for each two."""
        count = ops.shape(x_r)[0] * EPSILONS[self.objective.r]
        return keras.random.uniform((count, 1, 1, 1), seed=self.seeds)

    def generate(self, z):
        return ops.cast(self.generator(z, training=True), "float32")

    def scores(self, x):
        return ops.cast(ops.squeeze(self.critic(x, training=False), -1), "float32")


def adam(learning_rate):
    """DCGAN's optimizer, with a memory of half as many gradients as by default."""
    optimizer = keras.optimizers.Adam(learning_rate, beta_1=0.5)
    if keras.config.dtype_policy().name == "mixed_float16":
        # small gradients are 0 there: the loss is scaled up
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def move_average(average, model, ema, updates):
    """权重滑动平均: the weights of a copy, normalisation statistics included, follow the model's. At first
    the memory is short: the start fades."""
    step = ops.cast(updates, "float32")
    decay = ops.minimum(ema, (1 + step) / (10 + step))
    for old, new in zip(average.weights, model.weights):
        old.assign(decay * old + (1 - decay) * new)


def copy_of(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


class SampleSheet(keras.callbacks.Callback):
    """Draws the images of the same codes after every epoch, and the curves so far."""

    def __init__(self, run, painter):
        super().__init__()
        self.run, self.painter, self.codes = run, painter, painter.sample_codes(100)

    def on_epoch_end(self, epoch, logs=None):
        plots.save_sheet(self.painter.paint(self.codes), self.run.path(f"samples/epoch-{epoch + 1:03d}.png"))
        log = [*self.run.state["log"], {"epoch": epoch + 1, **logs}]
        report.save_scores(log, self.run.path("scores.png"))


@dataclass
class Config(cli.BaseConfig):
    objective: Literal["gan_qp_l2", "gan_qp_l1", "wgan_div", "wgan_gp", "wgan_sn", "sgan_sn", "rsgan_sn",
                       "lsgan_sn", "sgan"] = "gan_qp_l2"
    """Kind of GAN, see gan/objectives.py."""
    epochs: int = 10
    batch_size: int = 64
    """Real images, and as many generated ones, in one update of the critic."""
    learning_rate: float = 2e-4
    """Learning rate of Adam with β₁ = 0.5, for both networks."""
    critic_steps: Annotated[int, cli.Between(1, 1000)] = 2
    """Updates of the critic for each update of the generator."""
    weight: Annotated[float, cli.Between(1e-6, 1_000_000)] = 10.0
    """λ of GAN-QP and of WGAN-GP's penalty."""
    k: Annotated[float, cli.Between(1e-6, 1_000_000)] = 2.0
    """k of WGAN-div's penalty k ‖∇T‖ᵖ, eq. (9) of 6139."""
    p: Annotated[float, cli.Between(above=1, most=12)] = 6.0
    """p of WGAN-div's penalty k ‖∇T‖ᵖ."""
    r: Literal["", "real_to_fake", "within_kind", "mixed", "both", "fake", "real"] = ""
    """Where the penalties of WGAN-GP and WGAN-div look at ∇T. Empty: real_to_fake and both, as published."""
    one_sided: bool = False
    """For WGAN-GP: max(‖∇T‖ − 1, 0)², eq. (20) of 6051, in place of (‖∇T‖ − 1)²."""
    kernels: Literal["forward", "constraint", "regularized"] = "forward"
    """How objectives with _sn bound the kernels. forward: W/‖W‖₂ in the forward pass. constraint: the same
    after each step. regularized: λ ‖W‖₂² in the loss, eq. (16) of 6051."""
    kernel_weight: Annotated[float, cli.Between(0, 1_000_000)] = 1e-2
    """λ of eq. (16) of 6051, for --kernels regularized."""
    size: Annotated[int, cli.Between(28, 128)] = 32
    """Height and width of the images, 28 to 128 pixels, a multiple of 4."""
    width: Annotated[int, cli.Between(1, 65_536)] = 32
    """Channels at half the size; each halving doubles them."""
    latent_dim: Annotated[int, cli.Between(2, 65_536)] = 128
    """Dimensions of z."""
    ema: Annotated[float, cli.Between(0, below=1)] = 0.999
    """Decay of the running average of the generator's weights, from which samples are drawn."""
    vi_regularizer: Annotated[float, cli.Between(0, 1_000_000)] = 0.0
    """Weight of the mean of (G(z) − G°(z))², article 5716 (there 5); 0 leaves it out."""
    vi_lag: Annotated[int, cli.Between(2, 10**9)] = 5
    """Updates of G between two copies into G°, at least 2. Right after a copy the term and its gradient are
    0."""
    features: str = ""
    """Classifier for the Fréchet distance: one of gan/features.py, or inception. Empty: the one in
    gan/weights for these data."""
    samples: Annotated[int, cli.Between(2, 1_000_000)] = 10000
    """How many generated and how many training images the Fréchet distance compares."""
    distances: bool = False
    """Measure the Fréchet distance after every epoch, too. It goes into log.csv and distance.png."""


def train(config):
    check_backend(config)
    check_options(config)
    images = load(config)
    extractor = frechet.find_extractor(config.features, images, quiet=config.smoke)
    run = training.start(config, "gan", config.objective)
    gan = build(config, images.x_train.shape[-1])
    no_targets = np.zeros(len(images.x_train), "uint8")
    batches = ArrayBatches(run, images.x_train, no_targets, batch_size=images_of_an_update(config))
    if config.smoke and extractor is None:
        extractor = frechet.quick_classifier(images)
    samples = 200 if config.smoke else config.samples
    callbacks = [SampleSheet(run, Painter(gan))]
    if config.distances and extractor:
        callbacks.append(report.DistanceCurve(run, Painter(gan), images.x_train, extractor, samples))
    gan.fit(batches, **run.fit_options(*callbacks))

    painter = Painter.load(run.folder)
    report.pictures(painter, run)
    log, updates = run.state["log"], config.epochs * batches.steps
    run.finish(images.describe(), {
        **{name: log[-1][name] for name in ("gap", "score_real", "score_fake")},
        "generator_updates": updates, "updates_per_second": updates / run.state["seconds"],
        **report.metrics(painter, images.x_train, extractor, samples),
    })
    return run


def check_backend(config):
    backend = keras.backend.backend()
    if backend not in BACKENDS:
        raise InputError(f"gan trains on the backends {', '.join(BACKENDS[:-1])} and {BACKENDS[-1]}. "
                         f"Received: KERAS_BACKEND={backend}")
    if config.devices != 1 and backend == "tensorflow":
        raise InputError("--devices expects 1 for gan on TensorFlow: MirroredStrategy cannot run a step of "
                         f"two optimizers. KERAS_BACKEND=jax can share batches. Received: {config.devices}")


def check_options(config):
    """Refuses what the chosen objective has no use for, and would ignore without a word."""
    used = options_of(config.objective)
    for name in ("weight", "k", "p", "r", "one_sided", "kernels", "kernel_weight"):
        if name not in used and getattr(config, name) != getattr(Config, name):
            users = ", ".join(other for other in OBJECTIVES if name in options_of(other))
            raise InputError(f"{cli.option(name)} expects --objective to be one of {users}. "
                             f"Received: {config.objective}")
    if config.kernels != "regularized" and config.kernel_weight != Config.kernel_weight:
        raise InputError(f"--kernel-weight expects --kernels regularized. Received: {config.kernels}")
    if not config.vi_regularizer and config.vi_lag != Config.vi_lag:
        raise InputError("--vi-lag expects a --vi-regularizer above 0. Received: 0")


def load(config):
    """The images, enough for one update."""
    images = data.load(config.data, config.size)
    if config.smoke:
        images = images.first(300)
    needed = images_of_an_update(config)
    if len(images.x_train) < needed:
        raise InputError(f"--batch-size {config.batch_size} with --critic-steps {config.critic_steps} "
                         f"expects at least {needed} images for one update. "
                         f"Received: {len(images.x_train)} training images")
    return images


def images_of_an_update(config):
    """Each update of the critic has real images of its own."""
    return config.batch_size * config.critic_steps


def build(config, channels):
    generator = build_generator(config.size, channels, config.width, config.latent_dim)
    kernels = config.kernels if OBJECTIVES[config.objective].spectral else ""
    critic = build_critic(config.size, channels, config.width, kernels, config.kernel_weight)
    return GAN(generator, critic, config.objective, config.critic_steps, config.ema, config.vi_regularizer,
               config.vi_lag, config.learning_rate, config.seed, weight=config.weight, k=config.k, p=config.p,
               r=config.r, one_sided=config.one_sided)


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
