"""不用L约束又不会梯度消失的GAN (GAN-QP), https://kexue.fm/archives/6163, and the GANs that it is compared with.

A critic T learns to score real images higher than generated ones, a generator G to raise the score of its own. What keeps T
from growing without end makes the difference: GAN-QP's parabola, a penalty on ∇T (WGAN-GP, https://kexue.fm/archives/4439,
WGAN-div, /6139), kernels of norm 1 (spectral normalisation, /6051), or a sigmoid.

    article                                   here
    T(x), G(z)                                critic, generator
    eq. (15) of 6163, and the other losses    gan/objectives.py
    W/‖W‖₂ of 6051                            SpectralNorm in build_critic
    ‖G(z) − G°(z)‖² of 5716, eq. (26)         --vi-regularizer, GAN.old
    权重滑动平均 of 6583                      GAN.average, what is saved and drawn

    python gan/train.py                                        GAN-QP with L2 distance, MNIST at 32 × 32
    python gan/train.py --objective wgan_div|wgan_gp|wgan_sn|sgan_sn|rsgan_sn|lsgan_sn|sgan|gan_qp_l1
    python gan/train.py --data cifar10 --epochs 60             or --data FOLDER with your own pictures
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from common import plots, runs
from common.spectral import SpectralNorm
from gan import data, evaluate, features
from gan.objectives import OBJECTIVES, critic_loss


@dataclass
class Config(runs.BaseConfig):
    objective: Literal["gan_qp_l2", "gan_qp_l1", "wgan_div", "wgan_gp", "wgan_sn", "sgan_sn", "rsgan_sn", "lsgan_sn",
                       "sgan"] = "gan_qp_l2"
    """Which GAN, see gan/objectives.py."""
    epochs: int = 10
    batch_size: int = 64
    """Real images, and as many generated ones, in one update of the critic."""
    learning_rate: float = 2e-4
    """Of Adam with β₁ = 0.5, for both networks."""
    critic_steps: int = 2
    """Updates of the critic for each one of the generator."""
    size: int = 32
    """Height and width of the images, 28 to 64 pixels, a multiple of 4."""
    width: int = 32
    """Channels at half the size; each halving doubles them."""
    latent_dim: int = 128
    """Dimensions of z."""
    ema: float = 0.999
    """Decay of the running average of the generator's weights, from which samples are drawn."""
    vi_regularizer: float = 0.0
    """Weight of the mean of (G(z) − G°(z))², article 5716 (there 5); 0 leaves it out."""
    vi_lag: int = 5
    """Updates of G between two copies into G°, at least 2: right after a copy the term and its gradient are 0."""
    features: str = ""
    """For the Fréchet distance: a classifier of gan/features.py, or inception. Empty: the data's one in gan/weights."""
    samples: int = 10000
    """Generated images, and training images, for the Fréchet distance."""


# ------------------------------------------------------------------------------------------------------------- models

def halvings(size):
    """How often the images are halved, and the size that is left, 4 to 15: 28 → 2, 7; 32 → 3, 4; 64 → 4, 4."""
    count = 0
    while size % 2 == 0 and size > 7:
        size, count = size // 2, count + 1
    return count, size


def build_generator(size=32, channels=1, width=32, latent_dim=128):
    """DCGAN's: z → 4 × 4 → transposed convolutions, each twice as large, to pixels in (−1, 1)."""
    count, base = halvings(size)
    z = keras.Input((latent_dim,), name="z")
    h = layers.Dense(base * base * width * 2 ** (count - 1), use_bias=False)(z)
    h = layers.Reshape((base, base, -1))(h)
    for i in reversed(range(count - 1)):
        h = layers.ReLU()(layers.BatchNormalization(epsilon=1e-5)(h))
        h = layers.Conv2DTranspose(width * 2 ** i, 4, strides=2, padding="same", use_bias=False)(h)
    h = layers.ReLU()(layers.BatchNormalization(epsilon=1e-5)(h))
    x = layers.Conv2DTranspose(channels, 4, strides=2, padding="same", activation="tanh")(h)
    return keras.Model(z, x, name="generator")


def build_critic(size=32, channels=1, width=32, spectral=False):
    """DCGAN's without batch normalisation, which would make T(x) depend on the other images of the batch: neither ∇T nor a
    Lipschitz constant would mean anything then."""
    def normed(layer):
        return SpectralNorm(layer, dtype=layer.dtype_policy) if spectral else layer

    x = h = keras.Input((size, size, channels), name="x")
    for i in range(halvings(size)[0]):
        h = layers.LeakyReLU(0.2)(normed(layers.Conv2D(width * 2 ** i, 4, strides=2, padding="same"))(h))
    # float32 under any policy: scores drift to hundreds while their differences stay at a few, less than bfloat16 resolves
    return keras.Model(x, normed(layers.Dense(1, use_bias=False, dtype="float32"))(layers.Flatten()(h)), name="critic")


# ----------------------------------------------------------------------------------------------------------- training

class GAN(keras.Model):
    """Critic and generator, trained by one compiled step; as a model: z → image of the averaged generator.

    An update is `critic_steps` updates of the critic, each on fresh real images and fresh z, and one of the generator.

    Args:
        generator, critic: functional models.
        objective: a key of OBJECTIVES.
        critic_steps, ema, vi_regularizer, vi_lag, learning_rate, seed: see Config.
    """

    def __init__(self, generator, critic, objective, critic_steps=2, ema=0.999, vi_regularizer=0.0, vi_lag=5,
                 learning_rate=2e-4, seed=0):
        average = keras.models.clone_model(generator)
        average.set_weights(generator.get_weights())
        average.trainable = False
        super().__init__(average.inputs[0], average.outputs[0], name=f"gan_{objective}")
        self.generator, self.critic, self.average = generator, critic, average
        self.objective, self.critic_steps, self.ema = OBJECTIVES[objective], critic_steps, ema
        self.vi_regularizer, self.vi_lag = vi_regularizer, vi_lag
        if vi_regularizer:
            # G°. Not frozen: a frozen BatchNormalization takes its moving averages, and G(z) − G°(z) would never be 0
            self.old = keras.models.clone_model(generator)
            self.old.set_weights(generator.get_weights())
        self.seeds = keras.random.SeedGenerator(seed)
        self.means = [keras.metrics.Mean(name) for name in ("loss", "generator_loss", "gap", "score_real", "score_fake")]
        optimizer, self.critic_optimizer = (keras.optimizers.Adam(learning_rate, beta_1=0.5) for _ in range(2))
        if self.dtype_policy.name == "mixed_float16":             # small gradients are 0 there: both losses are scaled up
            optimizer, self.critic_optimizer = map(keras.optimizers.LossScaleOptimizer, (optimizer, self.critic_optimizer))
        optimizer.build(generator.trainable_variables)
        self.critic_optimizer.build(critic.trainable_variables)
        self.critic_memory = self.critic_optimizer.variables      # weights of this model, so that checkpoints hold them
        # XLA is ten times slower for transposed convolutions on CPUs; "auto" leaves it off there
        self.compile(optimizer, jit_compile="auto")

    def train_step(self, *arguments):
        """Called by model.fit: with (data) on TensorFlow, with (state, data) on JAX."""
        *state, (x, _) = arguments
        if not state:
            return self.update(x)
        groups = (self.trainable_variables, self.non_trainable_variables, self.optimizer.variables, self.metrics_variables)
        pairs = [pair for group, values in zip(groups, state[0]) for pair in zip(group, values)]
        with keras.StatelessScope(pairs) as scope:
            logs = self.update(x)
        return logs, tuple([scope.get_current_value(variable) for variable in group] for group in groups)

    def update(self, images):
        """One update from uint8 images, critic_steps batches of them; returns the means of this epoch so far."""
        real = ops.cast(images, "float32") / 127.5 - 1
        count = ops.shape(real)[0] // self.critic_steps
        for i in range(self.critic_steps):
            loss, t_r, t_f = self.update_critic(real[i * count:(i + 1) * count])
        generator_loss = self.update_generator(real[:count])
        self.average_weights()
        values = [loss, generator_loss, ops.mean(t_r) - ops.mean(t_f), ops.mean(t_r), ops.mean(t_f)]
        for mean, value in zip(self.means, values):
            mean.update_state(value)
        return {mean.name: mean.result() for mean in self.means}

    def codes(self, count):
        return keras.random.normal((count, self.generator.inputs[0].shape[-1]), seed=self.seeds)

    def update_critic(self, real):
        """min_T; a z for each real image, so that a batch of any size makes pairs."""
        count = ops.shape(real)[0]
        fake = ops.stop_gradient(ops.cast(self.generator(self.codes(count), training=True), "float32"))
        epsilon = keras.random.uniform((count, 1, 1, 1), seed=self.seeds) if self.objective.penalty == "gp" else None
        return self.descend(self.critic_optimizer, self.critic.trainable_variables,
                            lambda: critic_loss(self.objective, self.critic, real, fake, epsilon))

    def update_generator(self, real):
        """min_G."""
        z = self.codes(ops.shape(real)[0])
        t_r = self.scores(real) if self.objective.relativistic else None
        if self.vi_regularizer:
            due = ops.equal(self.optimizer.iterations % self.vi_lag, 0)
            for old, new in zip(self.old.weights, self.generator.weights):
                old.assign(ops.where(due, new.value, old.value))
        return self.descend(self.optimizer, self.generator.trainable_variables, lambda: self.generator_loss(z, t_r))[0]

    def generator_loss(self, z, t_r=None):
        """The objective's, and λ ‖G(z) − G°(z)‖² of eq. (26) of 5716; a tuple of one."""
        fake = ops.cast(self.generator(z, training=True), "float32")
        loss = self.objective.generator(t_r, self.scores(fake))
        if self.vi_regularizer:
            before = ops.stop_gradient(ops.cast(self.old(z, training=True), "float32"))
            loss = loss + self.vi_regularizer * ops.mean(ops.square(fake - before))
        return (loss,)

    def scores(self, x):
        return ops.cast(ops.squeeze(self.critic(x, training=False), -1), "float32")

    def average_weights(self):
        """权重滑动平均, normalisation statistics included; its memory is short at first, or the start would stay in it."""
        step = ops.cast(self.optimizer.iterations, "float32")
        decay = ops.minimum(self.ema, (1 + step) / (10 + step))
        for average, new in zip(self.average.weights, self.generator.weights):
            average.assign(decay * average + (1 - decay) * new)

    def descend(self, optimizer, variables, function):
        """One step on the first part of function(), a tuple; returns the tuple."""
        outputs, gradients = self.gradients(function, variables, optimizer.scale_loss(1.0))
        if keras.backend.backend() != "jax":
            optimizer.apply(gradients, variables)
            return outputs
        # A LossScaleOptimizer branches on whether the gradients are finite; JAX allows no assignment inside a branch.
        groups = variables, optimizer.variables
        values, memory = ([variable.value for variable in group] for group in groups)
        for group, new in zip(groups, optimizer.stateless_apply(memory, gradients, values)):
            for variable, value in zip(group, new):
                variable.assign(value)
        return outputs

    def gradients(self, function, variables, scale=1.0):
        """function(), a tuple, and the gradients of its first part times scale; what the call assigns elsewhere is kept."""
        if keras.backend.backend() == "jax":
            import jax

            chosen = {id(variable) for variable in variables}
            rest = [variable for variable in self.variables if id(variable) not in chosen]

            def stateless(values, others):
                with keras.StatelessScope([*zip(variables, values), *zip(rest, others)]) as scope:
                    outputs = function()
                return outputs[0] * scale, (outputs, [scope.get_current_value(variable) for variable in rest])

            (_, (outputs, others)), gradients = jax.value_and_grad(stateless, has_aux=True)(
                [variable.value for variable in variables], [variable.value for variable in rest])
            for variable, value in zip(rest, others):
                variable.assign(value)
            return outputs, gradients
        import tensorflow as tf

        with tf.GradientTape() as tape:
            outputs = function()
            loss = outputs[0] * scale
        return outputs, tape.gradient(loss, [variable.value for variable in variables])


class SampleSheet(keras.callbacks.Callback):
    """Draws the images of the same codes after every epoch, and the curves so far."""

    def __init__(self, run, codes):
        super().__init__()
        self.run, self.codes = run, codes

    def on_epoch_end(self, epoch, logs=None):
        plots.save_sheet(evaluate.images_of(self.model, self.codes), self.run.path(f"samples/epoch-{epoch + 1:03d}.png"))
        evaluate.save_scores([*self.run.state["log"], {"epoch": epoch + 1, **logs}], self.run.path("scores.png"))


def train(config):
    for name, least in [("critic_steps", 1), ("width", 1), ("latent_dim", 2), ("vi_regularizer", 0), ("vi_lag", 2),
                        ("samples", 2)]:
        if getattr(config, name) < least:
            raise runs.InputError(f"{runs.option(name)} expects at least {least}. Received: {getattr(config, name)}")
    if not 0 <= config.ema < 1:
        raise runs.InputError(f"--ema expects a decay from 0 to below 1. Received: {config.ema}")
    if config.devices != 1 and keras.backend.backend() == "tensorflow":
        raise runs.InputError("--devices expects 1 for gan on TensorFlow: MirroredStrategy cannot run its step of two "
                              f"optimizers. KERAS_BACKEND=jax shares its batches. Received: {config.devices}")
    images = data.load(config.data, config.size)
    if config.smoke:
        images = images.first(300)
    needed = config.batch_size * config.critic_steps
    if len(images.x_train) < needed:
        raise runs.InputError(f"--batch-size {config.batch_size} with --critic-steps {config.critic_steps} expects at least "
                              f"{needed} images for one update. Received: {len(images.x_train)} training images")
    extractor = evaluate.extractor(config.features, images, config.smoke)
    run = runs.start(config, "gan", config.objective)
    if config.smoke and extractor is None:
        extractor = features.quick(images)
    channels = images.x_train.shape[-1]
    gan = GAN(build_generator(config.size, channels, config.width, config.latent_dim),
              build_critic(config.size, channels, config.width, OBJECTIVES[config.objective].spectral), config.objective,
              config.critic_steps, config.ema, config.vi_regularizer, config.vi_lag, config.learning_rate, config.seed)

    update = runs.Run(run.folder, runs.BaseConfig(batch_size=needed, seed=config.seed), run.state)   # batches of an update
    batches = runs.Batches(update, images.x_train, np.zeros(len(images.x_train), "uint8"))
    gan.fit(
        batches, shuffle=False, epochs=config.epochs, initial_epoch=run.epoch, verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[SampleSheet(run, evaluate.sample_codes(gan, 100)), runs.Checkpoint(run, monitor=None)],
    )
    final = runs.load_model(run.folder)
    evaluate.pictures(final, run)
    updates = config.epochs * len(batches)
    run.finish(images.describe(), {
        **{name: run.state["log"][-1][name] for name in ("gap", "score_real", "score_fake")},
        "generator_updates": updates, "updates_per_second": updates / run.state["seconds"],
        **evaluate.metrics(final, images.x_train, extractor, 200 if config.smoke else config.samples),
    })
    return run


if __name__ == "__main__":
    runs.main(train, Config, __doc__)
