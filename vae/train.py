"""变分自编码器 (variational autoencoder): articles （一）https://kexue.fm/archives/5253 and
（四）https://kexue.fm/archives/5887

Each sample X has a normal distribution p(Z|X) of its own, whose mean and variance the encoder computes. A
generator restores X from a Z drawn from it, and a KL term pulls every p(Z|X) towards N(0, I): so Z drawn from
N(0, I) generates.

    article                          here
    μ = f₁(X), log σ² = f₂(X)        mean, log_var: Dense layers of these names
    Z = μ + σ ε, eq. (6)             z = GaussianSampling()([mean, log_var]), which adds the KL, eq. (4)
    X̂ = g(Z)                         decoder(z): logits, sigmoid(logits) are the pixels
    μ^Y, eq. (8)                     prior_mean of the conditional model
    μ_y, p(y|z) of （四）            weights of the layer "clusters", output of "classifier"

    python vae/train.py              the article's 784-256-2 network: −ELBO 149, in a minute on two cores
    python vae/train.py --model conv|conditional|clustering
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated, Literal

import keras
import numpy as np
from keras import layers, ops

from common.harness import cli, datasets, plots, training
from common.harness.batches import ArrayBatches
from common.harness.reading import InputError
from common.latent import ClusterPrior, GaussianSampling
from vae import report
from vae.autoencoder import Autoencoder, binarized, pixels_of, split

# ----------------------------------------------------------------------------------------------------- models


def build_dense(latent_dim=2, separate=False):
    """p(Z|X) → Z → q(X|Z), the figure at the end of section VAE初现."""
    x, h, decoder = dense_encoder_and_decoder(latent_dim)
    mean = layers.Dense(latent_dim, name="mean")(h)
    if separate:                                            # f₂ shares nothing with f₁
        h = layers.Dense(256, activation="relu")(x)
    # log σ², not σ²: it may be negative and needs no activation
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    z = GaussianSampling(name="z")([mean, log_var])         # z = μ + σε; adds KL(p(Z|X) ‖ N(0, I)), eq. (4)
    return keras.Model(x, decoder(z), name="vae")


def dense_encoder_and_decoder(latent_dim):
    x = keras.Input((784,), name="x")
    h = layers.Dense(256, activation="relu")(x)
    decoder = keras.Sequential([
        keras.Input((latent_dim,)),
        layers.Dense(256, activation="relu"),
        layers.Dense(784),                                  # logits: the sigmoid lives in the loss
    ], name="decoder")
    return x, h, decoder


def build_conditional(latent_dim=2, classes=10):
    """The class moves the mean of the prior and nothing else: the decoder never sees it. Section 条件VAE."""
    x, h, decoder = dense_encoder_and_decoder(latent_dim)
    y = keras.Input((classes,), name="y")                            # one-hot
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    prior_mean = layers.Dense(latent_dim, name="prior_mean")(y)      # μ^Y
    z = GaussianSampling(name="z")([mean, log_var, prior_mean])      # adds KL(p(Z|X) ‖ N(μ^Y, I)), eq. (8)
    return keras.Model([x, y], decoder(z), name="conditional_vae")


def build_conv(latent_dim=2):
    """The dense model with two convolutions on each side."""
    x = keras.Input((28, 28, 1), name="x")
    h = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    h = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(h)
    h = layers.Flatten()(h)
    h = layers.Dense(16, activation="relu")(h)
    decoder = keras.Sequential([
        keras.Input((latent_dim,)),
        layers.Dense(7 * 7 * 64, activation="relu"),
        layers.Reshape((7, 7, 64)),
        layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(1, 3, padding="same"),
    ], name="decoder")
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    z = GaussianSampling(name="z")([mean, log_var])
    return keras.Model(x, decoder(z), name="vae")


def build_clustering(latent_dim=20, clusters=10):
    """Article （四）: each cluster is a unit Gaussian of z, and a classifier p(y|z) picks the cluster."""
    x = h = keras.Input((28, 28, 1), name="x")
    for filters, strides in [(32, 2), (32, 1), (64, 2), (64, 1)]:
        h = layers.Conv2D(filters, 3, strides=strides, padding="same")(h)
        h = layers.LeakyReLU(0.2)(h)
    h = layers.Flatten()(h)
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    # only samples: the KL is ClusterPrior's matter
    z = GaussianSampling(kl_weight=0, name="z")([mean, log_var])

    classifier = keras.Sequential([
        keras.Input((latent_dim,)),
        layers.Dense(256, activation="relu"),
        layers.Dense(clusters, activation="softmax"),
    ], name="classifier")
    decoder = keras.Sequential([
        keras.Input((latent_dim,)),
        layers.Dense(7 * 7 * 64),
        layers.Reshape((7, 7, 64)),
    ], name="decoder")
    for filters, strides in [(64, 1), (64, 2), (32, 1), (32, 2)]:
        decoder.add(layers.Conv2DTranspose(filters, 3, strides=strides, padding="same"))
        decoder.add(layers.LeakyReLU(0.2))
    decoder.add(layers.Conv2DTranspose(1, 3, padding="same"))
    z = ClusterPrior(clusters, name="clusters")([z, log_var, classifier(z)])    # z; adds terms 2, 3 of (5)
    return keras.Model(x, decoder(z), name="clustering_vae")


BUILDERS = {
    "dense": build_dense, "conv": build_conv,
    "conditional": build_conditional, "clustering": build_clustering,
}


# ----------------------------------------------------------------------------------------------------- losses

def bernoulli_loss(x, logits):
    """−ln q(X|Z) for pixels that are Bernoulli variables, in nats: a sum over the pixels.

    keras.losses.binary_crossentropy would be a mean over the pixels, 784 times too small beside the KL.
    """
    losses = ops.binary_crossentropy(x, ops.cast(logits, "float32"), from_logits=True)
    return ops.sum(losses, axis=tuple(range(1, len(x.shape))))


def gaussian_loss(x, logits):
    """2.5 · ½‖x − x̂‖², the first term of eq. (5) of （四）: a Gaussian with variance 1/2.5 around x̂."""
    errors = ops.square(x - ops.sigmoid(ops.cast(logits, "float32")))
    return 2.5 * 0.5 * ops.sum(errors, axis=tuple(range(1, len(x.shape))))


# --------------------------------------------------------------------------------------------------- training

PEAKS = {"dense": 8e-3, "conditional": 8e-3, "conv": 2e-3, "clustering": 1e-3}   # of the cosine schedule


class SampleSheet(keras.callbacks.Callback):
    """Decodes the same codes after every epoch: one sees the model learn."""

    def __init__(self, run, autoencoder):
        super().__init__()
        self.run, self.autoencoder = run, autoencoder
        self.codes = plots.quantile_grid(15) if autoencoder.latent_dim == 2 else autoencoder.sample_codes(15)

    def on_epoch_end(self, epoch, logs=None):
        images = self.autoencoder.decode(self.codes)
        plots.save_sheet(images, self.run.path(f"samples/epoch-{epoch + 1:03d}.png"))


@dataclass
class Config(cli.BaseConfig):
    model: Literal["dense", "conv", "conditional", "clustering"] = "dense"
    """dense: 784-256-2. conv: two convolutions. conditional: the class moves the prior. clustering: see
    article （四）."""
    recipe: Literal["cosine", "article"] | None = None
    """cosine: Adam with a short warm-up and cosine decay. article: RMSprop (clustering: Adam) at a constant
    1e-3. By default cosine, and the article's for clustering, whose clusters stayed merged under the schedule
    in a trial."""
    separate: bool = False
    """Give μ and log σ² a network each, f₁ and f₂ of section 分布标准化. By default they share the hidden
    layer, as in the author's script. For the dense model."""
    draws: Annotated[int, cli.Between(1, 100)] = 1
    """Samples z drawn for each image in a step, (23) of （二）. A batch holds each image that many times."""
    learning_rate: float | None = None
    """Peak of the learning rate. By default a constant 1e-3 in the article's recipe; for ours see PEAKS in
    train.py."""
    latent_dim: Annotated[int, cli.Between(1, 65_536)] | None = None
    """Dimensions of Z; the article's by default: 2, and 20 for clustering."""
    clusters: Annotated[int, cli.Between(2, 65_536)] = 10
    """Clusters of the clustering model."""
    validation: Annotated[int, cli.Between(0, 10**9)] = 5000
    """Training images held out to choose the best epoch. They are the last ones, at most a tenth; 0: train on
    all of them, keep the last epoch."""
    binarize: bool = False
    """Draw each pixel as 0 or 1 with its grey value as probability. They are drawn anew in each epoch, and
    the loss is a likelihood."""
    iw_images: Annotated[int, cli.Between(0, 10**9)] = 10000
    """Test images for the importance-weighted bound with 500 samples each; 0 leaves it out."""


def train(config):
    images = load(config)
    run = training.start(config, "vae", config.model)
    vae = build(config, images)
    autoencoder = Autoencoder(vae)

    held_out = min(config.validation, len(images.x_train) // 10)
    x, x_val = split(autoencoder.inputs(images.x_train, images.y_train), len(images.x_train) - held_out)
    batches = ArrayBatches(run, x, pixels_of(x), changed(config))
    loss = gaussian_loss if config.model == "clustering" else bernoulli_loss
    vae.compile(optimizer(config, batches.steps), loss, jit_compile="auto")
    if config.model in ("dense", "conditional") and config.draws == 1:
        batches.fuse(vae)
    vae.fit(batches, validation_data=validation(config, x_val), validation_batch_size=500,
            **run.fit_options(SampleSheet(run, autoencoder)))

    best = Autoencoder.load(run.folder)
    report.pictures(best, images, run)
    run.finish(images.describe(), report.metrics(best, images, iw_images(config)))
    return run


def load(config):
    """The images, with labels where the model needs them."""
    images = datasets.load_images(config.data, stream=True)
    if config.model == "conditional" and images.y_train is None:
        raise InputError("--model conditional needs labels: --data with y_train, or one subfolder a class. "
                         f"Received: {config.data} without labels")
    return images.first(500) if config.smoke else images


def build(config, images):
    sizes = {"latent_dim": config.latent_dim} if config.latent_dim else {}
    if config.separate and config.model != "dense":
        raise InputError(f"--separate expects --model dense. Received: --model {config.model}")
    if config.separate:
        sizes["separate"] = True
    if config.model == "clustering":
        sizes["clusters"] = config.clusters
    if config.model == "conditional":
        sizes["classes"] = int(images.y_train.max()) + 1
    return BUILDERS[config.model](**sizes)


def optimizer(config, steps):
    """What --recipe names. `steps` is the length of an epoch."""
    clustering = config.model == "clustering"
    by_default = "article" if clustering else "cosine"
    if (config.recipe or by_default) == "cosine":
        peak = config.learning_rate or PEAKS[config.model]
        return keras.optimizers.Adam(training.cosine_rate(peak, config.epochs * steps))
    article = keras.optimizers.Adam if clustering else keras.optimizers.RMSprop
    return article(config.learning_rate or 1e-3)


def validation(config, x):
    """(inputs, target) of the held-out images, or None where there are none."""
    x = keras.tree.map_structure(np.asarray, x)            # where they are Pictures, they are decoded now
    if len(pixels_of(x)) == 0:
        return None
    if config.binarize:
        x = binarized(x, np.random.default_rng(config.seed))
    return x, pixels_of(x)


def iw_images(config):
    """Images for the importance-weighted bound, which takes 500 samples of each: a few in a smoke run."""
    return min(config.iw_images, 20) if config.smoke else config.iw_images


def changed(config):
    """What is done to each batch: images repeated for --draws, and fresh binary pixels for --binarize, the
    same ones as input and target."""
    def change(x, _, rng):
        x = keras.tree.map_structure(lambda part: np.repeat(part, config.draws, axis=0), x)
        if config.binarize:
            x = binarized(x, rng)
        return x, pixels_of(x)

    return change if config.binarize or config.draws > 1 else None


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
