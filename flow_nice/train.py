"""细水长flow之NICE：流模型的基本概念与实现 (NICE: a flow model): https://kexue.fm/archives/5776

A flow takes every sample x to a code z = f(x) of the same size by steps that can all be undone and whose determinants are
known. So the density of x is exact, eq. (6), the loss is minus its logarithm, and f⁻¹ of Gaussian noise is a new sample.

    article                                   here
    h₁ = x₁, h₂ = x₂ − m(x₁), eq. (9)         AdditiveCoupling(m), interleaved split: even and odd dimensions
    reversal before each coupling, eq. (13)   Reverse()
    z = s ⊗ h, eq. (14)                       Scale(): the logarithm of s is trained
    log q(x), eq. (6), (15)                   prior_log_prob(z) + log_det
    退火参数 0.75                             temperature of flow.sample

    python flow_nice/train.py                          loss −1957 on noise-free test images (article: −2200), 25 minutes
    python flow_nice/train.py --width 256 --hidden 3 --weight-decay 0.3    a smaller one: −2113 in 3 minutes on two cores
    python flow_nice/train.py --protocol paper         the paper's likelihood: nats on images dequantised by noise of 1/256
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import math
from dataclasses import dataclass, replace
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from common import datasets, plots, runs
from common.flow import PRIORS, AdditiveCoupling, Flow, Reverse, Scale


@dataclass
class Config(runs.BaseConfig):
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float | None = None
    """The peak. By default 4e-3, and the article's constant 1e-3 for its recipe."""
    protocol: Literal["article", "paper"] = "article"
    """article: pixels in [0, 1], training noise in [−0.01, 0], tests without noise. paper: pixels dequantised by 1/256."""
    prior: Literal["gaussian", "logistic"] | None = None
    """Distribution of z. By default the protocol's own: gaussian for the article, logistic for the paper."""
    recipe: Literal["cosine", "article"] = "cosine"
    """cosine: Adam with warm-up and cosine decay, scales start at the data's own. article: Adam at a constant 1e-3."""
    blocks: int = 4
    """Couplings."""
    hidden: int = 5
    """Hidden layers of each coupling's network m."""
    width: int = 1000
    """Units of each hidden layer."""
    weight_decay: float = 0.0
    """Decoupled weight decay of the couplings' networks, a share of the learning rate (AdamW). They overfit without."""
    dropout: float = 0.0
    """Share of the units that each hidden layer drops in training."""
    temperature: float = 0.75
    """退火参数: factor on z for the sample sheets."""
    validation: int = 5000
    """Last training images, at most a tenth, that choose the best epoch. 0: train on all of them, keep the last epoch."""
    draws: int = 10
    """Draws of the dequantisation noise over which the paper's test likelihood is averaged."""


# -------------------------------------------------------------------------------------------------------------- model

def build_nice(dim=784, blocks=4, hidden=5, width=1000, prior="gaussian", dropout=0.0):
    """x → (reverse, couple) × 4 → scale → z, and log q(x): section 模型细节."""
    def m():
        units = [part for _ in range(hidden) for part in (layers.Dense(width, activation="relu"),
                                                          *([layers.Dropout(dropout)] if dropout else []))]
        return keras.Sequential([*units, layers.Dense(dim // 2, activation="relu")])   # ≥ 0: the generator only adds light

    steps = [layer for _ in range(blocks) for layer in (Reverse(), AdditiveCoupling(m()))]
    flow = Flow([*steps, Scale("glorot_normal")], prior, name="nice")
    x = keras.Input((dim,), name="x")
    z, log_det = flow(x)
    return keras.Model(x, PRIORS[prior][0](z) + log_det, name="nice_log_q")      # log q(x) in nats, eq. (6)


def start_scales_at_data(flow, x):
    """s = 1/σ with the deviation σ of each dimension over a sample: eq. (17) already solved for the untrained couplings.

    The article's scales start at 1 and grow by at most the learning rate a step; a pixel that is always black needs 340."""
    h = x
    for layer in flow.layers[:-1]:
        h = layer(h)[0]
    flow.layers[-1].log_scale.assign(-ops.log(ops.std(h, axis=0) + 1e-4))


# --------------------------------------------------------------------------------------------------------------- loss

def article_loss(_, log_q):
    """½‖s ⊗ f(x)‖² − Σ log s, eq. (15): −log q(x) without ½ D log 2π, which is 720.45 for 784 dimensions."""
    return -log_q - CONSTANT


def negative_log_likelihood(_, log_q):
    """−log q(x) in nats, eq. (6). Keras gives a loss two arguments; a density has no target."""
    return -log_q


CONSTANT = 0.5 * 784 * math.log(2 * math.pi)


# --------------------------------------------------------------------------------------------------------------- data

def article_noise(x, target, rng):
    """Training pixels minus uniform noise of 0.01, so that clipping a sample removes the noise. Tests have none."""
    return x - np.float32(0.01) * rng.random(x.shape, "float32"), target


def dequantised(pixels, target, rng):
    """Grey values 0 … 255 as a density sees them: (v + u)/256 with u ~ U[0, 1)."""
    return (pixels + rng.random(pixels.shape, "float32")) / np.float32(256), target


# ----------------------------------------------------------------------------------------------------------- training

class SampleSheet(keras.callbacks.Callback):
    """Draws from the same z after every epoch: one sees the model learn."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch, logs=None):
        flow, temperature = self.model.get_layer("nice"), self.run.config.temperature
        save_digits(flow.sample(225, temperature, seed=1), self.run.path(f"samples/epoch-{epoch + 1:03d}.png"))


def save_digits(x, path, columns=None):
    """Rows of 784 pixels as a sheet; values outside [0, 1] are clipped."""
    plots.save_sheet(ops.convert_to_numpy(x).reshape(-1, 28, 28), path, columns)


def train(config):
    for name, least in [("blocks", 1), ("hidden", 0), ("width", 1), ("validation", 0), ("draws", 1)]:
        if getattr(config, name) < least:
            raise runs.InputError(f"{runs.option(name)} expects at least {least}. Received: {getattr(config, name)}")
    if not 0 < config.temperature <= 10:
        raise runs.InputError(f"--temperature expects a number above 0, at most 10. Received: {config.temperature}")
    images = datasets.load_images(config.data)
    if config.smoke:
        images, config = images.first(500), replace(config, width=min(config.width, 100))
    run = runs.start(config, "flow_nice", config.protocol)
    paper = config.protocol == "paper"
    model = build_nice(784, config.blocks, config.hidden, config.width, config.prior or PROTOCOL_PRIORS[config.protocol],
                       config.dropout)

    x = images.x_train.reshape(-1, 784).astype("float32") / (1 if paper else 255)
    noise = dequantised if paper else article_noise
    x, x_val = np.split(x, [len(x) - min(config.validation, len(x) // 10)])
    x_val = dequantised(x_val, None, np.random.default_rng(config.seed))[0] if paper else x_val

    steps = config.epochs * (len(x) // config.batch_size)
    if config.recipe == "cosine":
        start_scales_at_data(model.get_layer("nice"), noise(x[:2000], None, np.random.default_rng(config.seed))[0])
        rate = runs.cosine_rate(config.learning_rate or 4e-3, steps)
    else:
        rate = config.learning_rate or 1e-3
    optimizer = keras.optimizers.Adam(rate, weight_decay=config.weight_decay or None)
    optimizer.exclude_from_weight_decay(var_names=["log_scale"])
    model.compile(optimizer, negative_log_likelihood if paper else article_loss, jit_compile="auto")
    chunk = runs.fuse_steps(model, x[:1], x[:1, 0])
    model.fit(
        runs.Batches(run, x, np.zeros(len(x), "float32"), chunk, noise), shuffle=False,
        validation_data=(x_val, np.zeros(len(x_val))) if len(x_val) else None, validation_batch_size=500,
        epochs=config.epochs, initial_epoch=run.epoch, verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[SampleSheet(run), runs.Checkpoint(run, "val_loss" if len(x_val) else None)],
    )
    best = runs.load_model(run.folder)
    save_digits(best.get_layer("nice").sample(225, config.temperature, seed=0), run.path("samples.png"))
    plots.save_curves(run.state["log"], run.path("loss.png"))
    run.finish(images.describe(), metrics(best, images.x_test.reshape(-1, 784), config))
    return run


def metrics(model, pixels, config):
    """Means over the test images: the article's loss without noise, or the paper's log-likelihood, averaged over draws."""
    def log_q(x):
        return model.predict(x, batch_size=500, verbose=0).mean(dtype="float64")

    if config.protocol == "article":
        return {"test_loss_without_noise": -log_q(pixels.astype("float32") / 255) - CONSTANT}
    rng = np.random.default_rng(config.seed)
    values = [log_q(dequantised(pixels, None, rng)[0]) for _ in range(config.draws)]
    nats = np.mean(values)
    return {"test_log_likelihood": nats, "test_log_likelihood_std_over_draws": np.std(values),
            "test_bits_per_dimension": (784 * math.log(256) - nats) / (784 * math.log(2))}


PROTOCOL_PRIORS = {"article": "gaussian", "paper": "logistic"}

if __name__ == "__main__":
    runs.main(train, Config, __doc__)
