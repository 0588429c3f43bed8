"""变分自编码器 (variational autoencoder): articles （一）https://kexue.fm/archives/5253 and （四）https://kexue.fm/archives/5887

Each sample X has a normal distribution p(Z|X) of its own, whose mean and variance the encoder computes. A generator
restores X from a Z drawn from it, and a KL term pulls every p(Z|X) towards N(0, I): so Z drawn from N(0, I) generates.

    article                          here
    μ = f₁(X), log σ² = f₂(X)        mean, log_var: Dense layers of these names
    Z = μ + σ ε, eq. (6)             z = GaussianSampling()([mean, log_var]), which adds the KL, eq. (4)
    X̂ = g(Z)                         decoder(z): logits, sigmoid(logits) are the pixels
    μ^Y, eq. (8)                     prior_mean of the conditional model
    μ_y, p(y|z) of （四）            weights of the layer "clusters", output of "classifier"

    python vae/train.py              the article's 784-256-2 network; about a minute for 50 epochs on two cores
    python vae/train.py --model conv|conditional|clustering
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from common import datasets, plots, runs
from common.latent import ClusterPrior, GaussianSampling
from vae import evaluate


@dataclass
class Config(runs.BaseConfig):
    model: Literal["dense", "conv", "conditional", "clustering"] = "dense"
    """dense: 784-256-2. conv: two convolutions. conditional: the class moves the prior. clustering: article （四）."""
    recipe: Literal["cosine", "article"] | None = None
    """cosine: Adam with a short warm-up and cosine decay. article: RMSprop (clustering: Adam) at a constant 1e-3. By default
    cosine, and the article's for clustering, whose clusters stayed merged under the schedule in a trial."""
    learning_rate: float | None = None
    """The peak. By default 1e-3 for the article's recipe, see DEFAULT_RATES for ours."""
    latent_dim: int | None = None
    """Dimensions of Z; the article's by default: 2, and 20 for clustering."""
    clusters: int = 10
    """Clusters of the clustering model."""
    validation: int = 5000
    """Last training images, at most a tenth, that choose the best epoch. 0: train on all of them, keep the last epoch."""
    binarize: bool = False
    """Draw each pixel as 0 or 1 with its grey value as probability, anew in each epoch: the loss is then a likelihood."""
    iw_images: int = 10000
    """Test images for the importance-weighted bound with 500 samples each; 0 leaves it out."""


# ------------------------------------------------------------------------------------------------------------- models

def encode_decode(x, h, decoder, latent_dim):
    """p(Z|X) → Z → q(X|Z), the figure of section 分布标准化."""
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)   # log σ², not σ²: it may be negative and needs no activation
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


def build_dense(latent_dim=2):
    return encode_decode(*dense_encoder_and_decoder(latent_dim), latent_dim)


def build_conv(latent_dim=2):
    x = keras.Input((28, 28, 1), name="x")
    h = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    h = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(h)
    h = layers.Dense(16, activation="relu")(layers.Flatten()(h))
    decoder = keras.Sequential([
        keras.Input((latent_dim,)),
        layers.Dense(7 * 7 * 64, activation="relu"),
        layers.Reshape((7, 7, 64)),
        layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(1, 3, padding="same"),
    ], name="decoder")
    return encode_decode(x, h, decoder, latent_dim)


def build_conditional(latent_dim=2, classes=10):
    """The class moves the mean of the prior and nothing else: the decoder never sees it. Section 条件VAE."""
    x, h, decoder = dense_encoder_and_decoder(latent_dim)
    y = keras.Input((classes,), name="y")                            # one-hot
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    prior_mean = layers.Dense(latent_dim, name="prior_mean")(y)      # μ^Y
    z = GaussianSampling(name="z")([mean, log_var, prior_mean])      # adds KL(p(Z|X) ‖ N(μ^Y, I)), eq. (8)
    return keras.Model([x, y], decoder(z), name="conditional_vae")


def build_clustering(latent_dim=20, clusters=10):
    """Article （四）: the prior of z is one unit Gaussian for each cluster, and a classifier p(y|z) picks the cluster."""
    def convolutions(layer, filters, strides):
        return [part for f, s in zip(filters, strides)
                for part in (layer(f, 3, strides=s, padding="same"), layers.LeakyReLU(0.2))]

    x = keras.Input((28, 28, 1), name="x")
    h = keras.Sequential([*convolutions(layers.Conv2D, (32, 32, 64, 64), (2, 1, 2, 1)), layers.Flatten()])(x)
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    z = GaussianSampling(kl_weight=0, name="z")([mean, log_var])     # only samples: the KL is ClusterPrior's matter

    classifier = keras.Sequential([
        keras.Input((latent_dim,)),
        layers.Dense(256, activation="relu"),
        layers.Dense(clusters, activation="softmax"),
    ], name="classifier")
    decoder = keras.Sequential([
        keras.Input((latent_dim,)),
        layers.Dense(7 * 7 * 64),
        layers.Reshape((7, 7, 64)),
        *convolutions(layers.Conv2DTranspose, (64, 64, 32, 32), (1, 2, 1, 2)),
        layers.Conv2DTranspose(1, 3, padding="same"),
    ], name="decoder")
    z = ClusterPrior(clusters, name="clusters")([z, log_var, classifier(z)])   # z again; adds terms 2 and 3 of eq. (5)
    return keras.Model(x, decoder(z), name="clustering_vae")


# ------------------------------------------------------------------------------------------------------------- losses

def bernoulli_loss(x, logits):
    """−ln q(X|Z) for pixels that are Bernoulli variables: sum over the pixels, in nats; Keras takes the batch's mean.

    keras.losses.binary_crossentropy would be a mean over the pixels, 784 times too small beside the KL."""
    return ops.sum(ops.binary_crossentropy(x, ops.cast(logits, "float32"), from_logits=True), axis=range(1, len(x.shape)))


def gaussian_loss(x, logits):
    """2.5 · ½‖x − x̂‖², the first term of eq. (5) of （四）: a Gaussian with variance 1/2.5 around x̂."""
    return 2.5 * 0.5 * ops.sum(ops.square(x - ops.sigmoid(ops.cast(logits, "float32"))), axis=range(1, len(x.shape)))


# ----------------------------------------------------------------------------------------------------------- training

class SampleSheet(keras.callbacks.Callback):
    """Decodes the same codes after every epoch: one sees the model learn."""

    def __init__(self, run, codes):
        super().__init__()
        self.run, self.codes = run, codes

    def on_epoch_end(self, epoch, logs=None):
        plots.save_sheet(evaluate.decode(self.model, self.codes), self.run.path(f"samples/epoch-{epoch + 1:03d}.png"))


def train(config):
    for name, least in [("latent_dim", 1), ("clusters", 2), ("validation", 0), ("iw_images", 0)]:
        if getattr(config, name) is not None and getattr(config, name) < least:
            raise runs.InputError(f"{runs.option(name)} expects at least {least}. Received: {getattr(config, name)}")
    images = datasets.load_images(config.data, stream=True)
    if config.smoke:
        images = images.first(500)
    if config.model == "conditional" and images.y_train is None:
        raise runs.InputError("--model conditional needs labels: --data with y_train, or with one subfolder a class. "
                                  f"Received: {config.data} without labels")
    run = runs.start(config, "vae", config.model)
    sizes = {"latent_dim": config.latent_dim or (20 if config.model == "clustering" else 2)}
    if config.model == "clustering":
        sizes["clusters"] = config.clusters
    if config.model == "conditional":
        sizes["classes"] = int(images.y_train.max()) + 1
    vae = BUILDERS[config.model](**sizes)

    x = evaluate.inputs(vae, images.x_train, images.y_train)
    held_out = min(config.validation, len(images.x_train) // 10)
    x, x_val = evaluate.split(x, len(images.x_train) - held_out)
    x_val = keras.tree.map_structure(np.asarray, x_val)         # decodes them where the images are Pictures
    if config.binarize:
        x_val = evaluate.binarized(x_val, np.random.default_rng(config.seed))

    steps = config.epochs * max(1, (len(images.x_train) - held_out) // config.batch_size)
    recipe = config.recipe or ("article" if config.model == "clustering" else "cosine")
    if recipe == "cosine":
        optimizer = keras.optimizers.Adam(runs.cosine_rate(config.learning_rate or DEFAULT_RATES[config.model], steps))
    else:
        optimizers = {"clustering": keras.optimizers.Adam}
        optimizer = optimizers.get(config.model, keras.optimizers.RMSprop)(config.learning_rate or 1e-3)
    vae.compile(optimizer, gaussian_loss if config.model == "clustering" else bernoulli_loss, jit_compile="auto")

    codes = plots.quantile_grid(15) if sizes["latent_dim"] == 2 else evaluate.sample_codes(vae, 15)
    pixels, val_pixels = evaluate.pixels_of(x), evaluate.pixels_of(x_val)
    chunk = runs.fuse_steps(vae, evaluate.split(x, 1)[0], pixels[:1]) if pixels.ndim == 2 else 1
    vae.fit(
        runs.Batches(run, x, pixels, chunk, binarize if config.binarize else None), shuffle=False,
        validation_data=(x_val, val_pixels) if held_out else None, validation_batch_size=500,
        epochs=config.epochs, initial_epoch=run.epoch, verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[SampleSheet(run, codes), runs.Checkpoint(run, "val_loss" if held_out else None)],
    )
    best = runs.load_model(run.folder)
    evaluate.pictures(best, images, run)
    run.finish(images.describe(), evaluate.metrics(best, images, config.iw_images))
    return run


def binarize(x, pixels, rng):
    """Fresh binary pixels for a batch, the same ones as input and target."""
    x = evaluate.binarized(x, rng)
    return x, evaluate.pixels_of(x)


BUILDERS = {"dense": build_dense, "conv": build_conv, "conditional": build_conditional, "clustering": build_clustering}

DEFAULT_RATES = {"dense": 8e-3, "conditional": 8e-3, "conv": 2e-3, "clustering": 1e-3}   # peaks of the cosine schedule

if __name__ == "__main__":
    runs.main(train, Config, __doc__)
