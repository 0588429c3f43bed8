"""用变分推断统一理解生成模型（VAE、GAN、AAE、ALI）, https://kexue.fm/archives/5716: AAE and ALI.

The adversarial autoencoder exchanges x and z of a GAN: D(z) learns to tell codes E(x) from z ~ N(0, I), and
G(E(x)) to be x. Adversarially learned inference lets D(x, z) tell pairs (x, E(x)) from pairs (G(z), z).
For E and G the article derives a loss that is no minimax game, and says that it does as well.

    article                                   here
    E(x), G(z), D(z) or D(x, z)               encoder, generator, σ of the critic's T
    eq. (30), (38)                            EncoderGAN.critic_loss
    eq. (34)                                  aae
    eq. (41), ours                            ali
    eq. (42), (43), the standard ones         ali_minimax, ali_swapped
    the last term of (40)                     --code-weight, EncoderGAN.code_term

    python gan/encoders.py                                     ALI as derived, MNIST at 32 × 32
    python gan/encoders.py --objective aae|ali_minimax|ali_swapped
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
from common.harness.frechet import features_and_classes, frechet_distance
from common.harness.models import load_model
from common.harness.reading import InputError
from gan import frechet, report
from gan.backends import AlternatingModel
from gan.kernels import normed
from gan.objectives import cross_entropy, not_saturating
from gan.painter import Painter
from gan.train import (
    adam,
    build_generator,
    check_backend,
    copy_of,
    halvings,
    images_of_an_update,
    load,
    move_average,
)

# ----------------------------------------------------------------------------------------------------- models


def build_encoder(size=32, channels=1, width=32, latent_dim=16):
    """The generator's mirror image: x → convolutions, each half as large → z = E(x), p(z|x) = δ(z − E(x))."""
    x = h = keras.Input((size, size, channels), name="x")
    for i in range(halvings(size)[0]):
        h = layers.Conv2D(width * 2 ** i, 4, strides=2, padding="same", use_bias=False)(h)
        h = layers.BatchNormalization(epsilon=1e-5)(h)
        h = layers.LeakyReLU(0.2)(h)
    z = layers.Dense(latent_dim, dtype="float32")(layers.Flatten()(h))
    return keras.Model(x, z, name="encoder")


def build_code_critic(latent_dim=16, units=512):
    """T(z) of AAE."""
    z = keras.Input((latent_dim,), name="z")
    return keras.Model(z, score_of(z, units), name="critic")


def build_pair_critic(size=32, channels=1, width=32, latent_dim=16, units=512):
    """T(x, z) of ALI; its kernels have norm 1, since without that the first GAN loses digits."""
    x = h = keras.Input((size, size, channels), name="x")
    for i in range(halvings(size)[0]):
        h = normed(layers.Conv2D(width * 2 ** i, 4, strides=2, padding="same"), "forward", 0.0)(h)
        h = layers.LeakyReLU(0.2)(h)
    z = keras.Input((latent_dim,), name="z")
    h = layers.Concatenate()([layers.Flatten()(h), z])
    return keras.Model([x, z], score_of(h, units), name="critic")


def score_of(h, units):
    """Two hidden layers, and T in float32 under any policy."""
    for _ in range(2):
        h = normed(layers.Dense(units), "forward", 0.0)(h)
        h = layers.LeakyReLU(0.2)(h)
    return normed(layers.Dense(1, use_bias=False, dtype="float32"), "forward", 0.0)(h)


# ----------------------------------------------------------------------------------------------------- losses
# D = σ(T). t_x is the critic's score of what the encoder made, t_z of what began as z ~ N(0, I).

def derived(t_x, t_z):
    """−log D(x, E(x)) − log D(G(z), z), eq. (41)."""
    return ops.mean(ops.softplus(-t_x)) + ops.mean(ops.softplus(-t_z))


def minimax(t_x, t_z):
    """log D(x, E(x)) + log(1 − D(G(z), z)), eq. (42): what D makes small, E and G make large."""
    return -cross_entropy(t_x, t_z, None, None)


def swapped(t_x, t_z):
    """−log(1 − D(x, E(x))) − log D(G(z), z), eq. (43): D's loss with the two kinds exchanged."""
    return cross_entropy(t_z, t_x, None, None)


ALI = {"ali": derived, "ali_minimax": minimax, "ali_swapped": swapped}


# --------------------------------------------------------------------------------------------------- training

class EncoderGAN(AlternatingModel):
    """Encoder, generator and critic, trained by one compiled step; as a model: x → E(x), G(E(x)) of the
    averaged two.

    Args:
        encoder, generator, critic: functional models; the critic is of z for aae, else of (x, z).
        objective: aae, or a key of ALI.
        weight, code_weight, critic_steps, ema, learning_rate, seed: see Config.
    """

    def __init__(self, encoder, generator, critic, objective, weight=20.0, code_weight=0.0, critic_steps=1,
                 ema=0.999, learning_rate=2e-4, seed=0):
        averages = copy_of(encoder), copy_of(generator)
        for average in averages:
            average.trainable = False
        x = keras.Input(encoder.inputs[0].shape[1:], name="x")
        z = averages[0](x)
        super().__init__(x, [z, averages[1](z)], name=f"gan_{objective}")
        self.encoder, self.generator, self.critic, self.averages = encoder, generator, critic, averages
        self.objective, self.weight, self.code_weight = objective, weight, code_weight
        self.critic_steps, self.ema = critic_steps, ema
        self.seeds = keras.random.SeedGenerator(seed)
        names = ("loss", "critic_loss", "score_x", "score_z")
        self.means = [keras.metrics.Mean(name) for name in names]
        self.variables_of_both = encoder.trainable_variables + generator.trainable_variables
        optimizer, self.critic_optimizer = adam(learning_rate), adam(learning_rate)
        optimizer.build(self.variables_of_both)
        self.critic_optimizer.build(critic.trainable_variables)
        self.critic_memory = self.critic_optimizer.variables     # this model's weights: checkpoints hold them
        self.compile(optimizer, jit_compile="auto")              # see gan/train.py

    def update(self, images):
        """One update of E and G after critic_steps of D, from as many batches of uint8 images; returns the
        means of this epoch so far."""
        x = ops.cast(images, "float32") / 127.5 - 1
        count = ops.shape(x)[0] // self.critic_steps
        for i in range(self.critic_steps):
            critic_loss, t_x, t_z = self.update_critic(x[i * count:(i + 1) * count])
        loss, = self.update_both(x[:count])
        for average, model in zip(self.averages, (self.encoder, self.generator)):
            move_average(average, model, self.ema, self.optimizer.iterations)
        for mean, value in zip(self.means, (loss, critic_loss, ops.mean(t_x), ops.mean(t_z))):
            mean.update_state(value)
        return {mean.name: mean.result() for mean in self.means}

    def update_critic(self, x):
        """min_D of eq. (30) or (38)."""
        inputs = self.critic_inputs(x, self.codes(x))
        inputs = keras.tree.map_structure(ops.stop_gradient, inputs)
        return self.minimize(lambda: self.critic_loss(inputs), self.critic.trainable_variables,
                             self.critic_optimizer)

    def update_both(self, x):
        """min_{E, G} of eq. (34), (41), (42) or (43)."""
        z = self.codes(x)
        return self.minimize(lambda: (self.loss_of_both(x, z),), self.variables_of_both, self.optimizer)

    def critic_loss(self, inputs):
        """(30): −log(1 − D(E(x))) − log D(z). (38): −log D(x, E(x)) − log(1 − D(G(z), z))."""
        t_x, t_z = self.scores(inputs, training=True)
        if self.objective == "aae":
            return cross_entropy(t_z, t_x, None, None), t_x, t_z
        return cross_entropy(t_x, t_z, None, None), t_x, t_z

    def loss_of_both(self, x, z):
        """(34): −log D(E(x)) + λ ‖x − G(E(x))‖², the norm as a mean over pixels; or one of ALI."""
        inputs = self.critic_inputs(x, z)
        t_x, t_z = self.scores(inputs, training=False)
        if self.objective == "aae":
            code = inputs[:ops.shape(x)[0]]
            distance = ops.mean(ops.square(x - self.generate(code)))
            return not_saturating(None, t_x) + self.weight * distance
        loss = ALI[self.objective](t_x, t_z)
        if self.code_weight:
            loss = loss + self.code_weight * self.code_term(z, inputs[0][ops.shape(x)[0]:])
        return loss

    def code_term(self, z, x):
        """‖z − E(x)‖² at x = G(z), as a mean over the dimensions: what E has a say in of the last term of
        (40), E log p°(z|x)/p(z|x), where p(z|x) is a Gaussian around E(x). For G the two cancel."""
        code = ops.cast(self.encoder(ops.stop_gradient(x), training=True), "float32")
        return ops.mean(ops.square(z - code))

    def critic_inputs(self, x, z):
        """What the encoder made, then what began as z: codes for aae, else pairs (x, z)."""
        codes = ops.concatenate([ops.cast(self.encoder(x, training=True), "float32"), z])
        if self.objective == "aae":
            return codes
        return [ops.concatenate([x, self.generate(z)]), codes]

    def scores(self, inputs, training):
        """T of both kinds, from one pass of the critic."""
        t = ops.cast(ops.squeeze(self.critic(inputs, training=training), -1), "float32")
        count = ops.shape(t)[0] // 2
        return t[:count], t[count:]

    def generate(self, z):
        return ops.cast(self.generator(z, training=True), "float32")

    def codes(self, x):
        """z ~ N(0, I), one for each image."""
        return keras.random.normal((ops.shape(x)[0], self.generator.inputs[0].shape[-1]), seed=self.seeds)


# -------------------------------------------------------------------------------------------------- reporting

def metrics(model, images, extractor, samples):
    """For results.json: report.metrics of G(z), and of test images x

    - reconstruction_error: the mean of (x − G(E(x)))² over pixels in [−1, 1];
    - code_distance: the Fréchet distance between the codes E(x) and as many z ~ N(0, I);
    - same_class: in how many of G(E(x)) the classifier recognises the class of x.
    """
    painter = Painter(model.get_layer("generator"))
    x = images.x_test[:samples]
    codes, decoded = encode_and_decode(model, x)
    result = report.metrics(painter, images.x_train, extractor, samples)
    result["reconstruction_error"] = np.square(x / np.float32(127.5) - 1 - decoded).mean()
    result["code_distance"] = frechet_distance(codes, painter.sample_codes(len(codes)))
    if "modes" in result and images.y_test is not None:
        pictures = ((decoded + 1) * 127.5).round().astype("uint8")
        _, found = features_and_classes(extractor, pictures)
        result["same_class"] = (found == images.y_test[:samples]).mean()
    return result


def encode_and_decode(model, x):
    """uint8 images → E(x), (n, latent_dim), and G(E(x)), shaped as x, in (−1, 1)."""
    return model.predict(x / np.float32(127.5) - 1, batch_size=500, verbose=0)


def save_reconstructions(model, x, path, columns=10):
    """A sheet of uint8 images, and below each row of them what G makes of E of them."""
    columns = min(columns, len(x))
    x = x[:len(x) // columns * columns]
    _, decoded = encode_and_decode(model, x)
    rows = [pictures.reshape(-1, columns, *x.shape[1:]) for pictures in (x / 255, decoded / 2 + 0.5)]
    sheet = np.stack(rows, axis=1).reshape(-1, *x.shape[1:])
    if sheet.shape[-1] == 1:
        sheet = sheet[..., 0]
    plots.save_sheet(sheet, path, columns)


class Reconstructions(keras.callbacks.Callback):
    """Draws the same test images and their reconstructions after every epoch."""

    def __init__(self, run, x):
        super().__init__()
        self.run, self.x = run, x[:50]

    def on_epoch_end(self, epoch, logs=None):
        save_reconstructions(self.model, self.x, self.run.path(f"samples/epoch-{epoch + 1:03d}.png"))


@dataclass
class Config(cli.BaseConfig):
    objective: Literal["aae", "ali", "ali_minimax", "ali_swapped"] = "ali"
    """aae: eq. (34). ali: with the loss that the article derives, (41). ali_minimax, ali_swapped: with the
    standard losses, (42) and (43)."""
    epochs: int = 10
    batch_size: int = 64
    """Images in one update."""
    learning_rate: float = 2e-4
    """Learning rate of Adam with β₁ = 0.5, for critic, encoder and generator."""
    critic_steps: Annotated[int, cli.Between(1, 1000)] = 1
    """Updates of the critic for each update of encoder and generator."""
    weight: Annotated[float, cli.Between(0, 1_000_000)] = 20.0
    """λ of eq. (34), for aae: the weight of the mean squared error of a pixel."""
    code_weight: Annotated[float, cli.Between(0, 1_000_000)] = 0.0
    """Weight of the last term of eq. (40), for ALI; 0 leaves it out, as the article does."""
    size: Annotated[int, cli.Between(28, 128)] = 32
    """Height and width of the images, 28 to 128 pixels, a multiple of 4."""
    width: Annotated[int, cli.Between(1, 65_536)] = 32
    """Channels at half the size; each halving doubles them."""
    latent_dim: Annotated[int, cli.Between(2, 65_536)] = 16
    """Dimensions of z."""
    ema: Annotated[float, cli.Between(0, below=1)] = 0.999
    """Decay of the running averages of encoder and generator, which are measured and saved."""
    features: str = ""
    """Classifier for the Fréchet distance, named as for gan/train.py."""
    samples: Annotated[int, cli.Between(2, 1_000_000)] = 10000
    """How many generated images, training images and test images are measured."""


def train(config):
    check_backend(config)
    for name, used in (("weight", config.objective == "aae"), ("code_weight", config.objective in ALI)):
        if not used and getattr(config, name) != getattr(Config, name):
            raise InputError(f"{cli.option(name)} expects --objective to be one of "
                             f"{'aae' if name == 'weight' else ', '.join(ALI)}. Received: {config.objective}")
    images = load(config)
    extractor = frechet.find_extractor(config.features, images, quiet=config.smoke)
    run = training.start(config, "gan", config.objective)
    model = build(config, images.x_train.shape[-1])
    no_targets = np.zeros(len(images.x_train), "uint8")
    batches = ArrayBatches(run, images.x_train, no_targets, batch_size=images_of_an_update(config))
    model.fit(batches, **run.fit_options(Reconstructions(run, images.x_test)))

    best = load_model(run.folder)
    painter = Painter(best.get_layer("generator"))
    report.pictures(painter, run)
    save_reconstructions(best, images.x_test[:50], run.path("reconstructions.png"))
    if config.smoke and extractor is None:
        extractor = frechet.quick_classifier(images)
    run.finish(images.describe(), {
        **{name: run.state["log"][-1][name] for name in ("score_x", "score_z")},
        "updates": config.epochs * batches.steps,
        **metrics(best, images, extractor, 200 if config.smoke else config.samples),
    })
    return run


def build(config, channels):
    generator = build_generator(config.size, channels, config.width, config.latent_dim)
    encoder = build_encoder(config.size, channels, config.width, config.latent_dim)
    if config.objective == "aae":
        critic = build_code_critic(config.latent_dim)
    else:
        critic = build_pair_critic(config.size, channels, config.width, config.latent_dim)
    return EncoderGAN(encoder, generator, critic, config.objective, config.weight, config.code_weight,
                      config.critic_steps, config.ema, config.learning_rate, config.seed)


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
