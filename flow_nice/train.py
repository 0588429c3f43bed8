"""细水长flow之NICE：流模型的基本概念与实现 (NICE: a flow model): https://kexue.fm/archives/5776

A flow takes every sample x to a code z = f(x) of the same size by steps that can all be undone and whose
determinants are known. So the density of x is exact, eq. (6), the loss is minus its logarithm, and f⁻¹ of
Gaussian noise is a new sample.

    article                                   here
    h₁ = x₁, h₂ = x₂ − m(x₁), eq. (9)         AdditiveCoupling(m), interleaved split: even and odd dimensions
    reversal before each coupling, eq. (13)   Reverse()
    z = s ⊗ h, eq. (14)                       Scale(): the logarithm of s is trained
    log q(x), eq. (6), (15)                   log p(z) of the prior + log_det
    退火参数 0.75                             temperature of Sampler.sample

    python flow_nice/train.py                     −1957 on noise-free test images, 25 minutes
    python flow_nice/train.py --recipe article --noise 0      the article's −2200: −2206 in 24 minutes
    python flow_nice/train.py --width 256 --hidden 3 --weight-decay 0.3    smaller: −2113, 3 minutes
    python flow_nice/train.py --protocol paper    the paper's likelihood: nats, images dequantised by 1/256
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import keras
import numpy as np
from keras import layers, ops

from common.flow import PRIORS, AdditiveCoupling, Flow, Reverse, Scale
from common.harness import cli, datasets, plots, training
from common.harness.batches import ArrayBatches
from flow_nice import report
from flow_nice.report import CONSTANT, dequantised
from flow_nice.sampler import Sampler

# ------------------------------------------------------------------------------------------------------ model


def build_nice(dim=784, blocks=4, hidden=5, width=1000, prior="gaussian", dropout=0.0):
    """x → (reverse, couple) × 4 → scale → z, and log q(x): section 模型细节."""
    chain = []
    for _ in range(blocks):
        chain.append(Reverse())
        chain.append(AdditiveCoupling(build_coupling(dim // 2, hidden, width, dropout)))
    chain.append(Scale("glorot_normal"))
    flow = Flow(chain, prior, name="nice")
    x = keras.Input((dim,), name="x")
    z, log_det = flow(x)
    log_prior, _ = PRIORS[prior]
    return keras.Model(x, log_prior(z) + log_det, name="nice_log_q")     # log q(x) in nats, eq. (6)


def build_coupling(dim, hidden, width, dropout):
    """The network m of eq. (9)."""
    m = keras.Sequential()
    for _ in range(hidden):
        m.add(layers.Dense(width, activation="relu"))
        if dropout:
            m.add(layers.Dropout(dropout))
    m.add(layers.Dense(dim, activation="relu"))                          # ≥ 0: the generator only adds light
    return m


def start_scales_at_data(flow, x):
    """s = 1/σ with the deviation σ of each dimension over a sample: eq. (17) for the untrained couplings.

    The article's scales start at 1 and grow by at most the learning rate a step; a pixel that is always black
    needs 340.
    """
    h = x
    for layer in flow.layers[:-1]:
        h, _ = layer(h)
    flow.layers[-1].log_scale.assign(-ops.log(ops.std(h, axis=0) + 1e-4))


# ------------------------------------------------------------------------------------------------ loss, noise

def article_loss(_, log_q):
    """½‖s ⊗ f(x)‖² − Σ log s, eq. (15): −log q(x) without ½ D log 2π, which is 720.45 for 784 dimensions."""
    return -log_q - CONSTANT


def negative_log_likelihood(_, log_q):
    """−log q(x) in nats, eq. (6). Keras gives a loss two arguments; a density has no target."""
    return -log_q


def less_noise(amount):
    """Training pixels minus uniform noise of at most this amount: clipping a sample removes such noise. Tests
    have none."""
    def noise(x, target, rng):
        return x - np.float32(amount) * rng.random(x.shape, "float32"), target

    return noise


# --------------------------------------------------------------------------------------------------- training

class SampleSheet(keras.callbacks.Callback):
    """Draws from the same z after every epoch, and logs the largest log s: one sees the model learn, and the
    scales of always-black pixels grow."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch, logs=None):
        logs["max_log_s"] = float(ops.max(self.model.get_layer("nice").layers[-1].log_scale))
        images = Sampler(self.model).sample(225, self.run.config.temperature, seed=1)
        plots.save_sheet(images, self.run.path(f"samples/epoch-{epoch + 1:03d}.png"))


@dataclass
class Config(cli.BaseConfig):
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float | None = None
    """Peak of the learning rate. By default 4e-3; the article's recipe has a constant 1e-3."""
    protocol: Literal["article", "paper"] = "article"
    """article: pixels in [0, 1], training noise in [−noise, 0], tests without noise. paper: pixels
    dequantised by 1/256."""
    noise: Annotated[float, cli.Between(-1, 1)] = 0.01
    """The article's training noise: 0.01 as in its later script (带负噪声训练), 0 as in its first numbers
    (无噪声训练), less than 0 for noise that adds light."""
    prior: Literal["gaussian", "logistic"] | None = None
    """Distribution of z. By default the protocol's own: gaussian for the article, logistic for the paper."""
    recipe: Literal["cosine", "article"] = "cosine"
    """cosine: Adam with warm-up and cosine decay, scales start at the data's own. article: Adam at a constant
    1e-3."""
    blocks: Annotated[int, cli.Between(1, 100)] = 4
    """Coupling layers of the flow."""
    hidden: Annotated[int, cli.Between(0, 100)] = 5
    """Hidden layers of each coupling's network m."""
    width: Annotated[int, cli.Between(1, 65_536)] = 1000
    """Units of each hidden layer."""
    weight_decay: Annotated[float, cli.Between(0, 1_000_000)] = 0.0
    """Decoupled weight decay of the couplings' networks. It is a share of the learning rate (AdamW); without
    it they overfit."""
    dropout: Annotated[float, cli.Between(0, below=1)] = 0.0
    """Share of the units that each hidden layer drops in training."""
    temperature: Annotated[float, cli.Between(above=0, most=10)] = 0.75
    """退火参数: the factor by which z is multiplied for the sample sheets."""
    validation: Annotated[int, cli.Between(0, 10**9)] = 5000
    """Training images held out to choose the best epoch. They are the last ones, at most a tenth; 0: train on
    all of them, keep the last epoch."""
    draws: Annotated[int, cli.Between(1, 1_000_000)] = 10
    """Draws of the dequantisation noise that the paper's test likelihood averages."""


def train(config):
    images = datasets.load_images(config.data)
    if config.smoke:
        images, config = images.first(500), replace(config, width=min(config.width, 100))
    run = training.start(config, "flow_nice", config.protocol)
    model = build(config)

    paper = config.protocol == "paper"
    noise = dequantised if paper else less_noise(config.noise)
    loss = negative_log_likelihood if paper else article_loss
    x, x_val = split(config, images.x_train)
    if config.recipe == "cosine":
        some, _ = noise(x[:2000], None, np.random.default_rng(config.seed))
        start_scales_at_data(model.get_layer("nice"), some)
    batches = ArrayBatches(run, x, np.zeros(len(x), "float32"), noise)     # a density has no target
    model.compile(optimizer(config, config.epochs * batches.steps), loss, jit_compile="auto")
    batches.fuse(model)
    model.fit(batches, validation_data=(x_val, np.zeros(len(x_val))) if len(x_val) else None,
              validation_batch_size=500, **run.fit_options(SampleSheet(run)))

    best = Sampler.load(run.folder)
    report.pictures(best, config.temperature, run)
    metrics = report.metrics(best, images.x_test, config.protocol, config.draws, config.seed)
    run.finish(images.describe(), metrics)
    return run


def build(config):
    """The network of these sizes, with the protocol's prior by default."""
    prior = config.prior or {"article": "gaussian", "paper": "logistic"}[config.protocol]
    return build_nice(784, config.blocks, config.hidden, config.width, prior, config.dropout)


def split(config, images):
    """Rows of pixels for training and for validation, as the protocol has them before the training noise."""
    x = images.reshape(len(images), -1).astype("float32")
    if config.protocol == "article":
        x /= 255
    x, x_val = np.split(x, [len(x) - min(config.validation, len(x) // 10)])
    if config.protocol == "paper":
        x_val, _ = dequantised(x_val, None, np.random.default_rng(config.seed))
    return x, x_val


def optimizer(config, steps):
    """Adam; weight decay spares the scales, which are no network."""
    rate = training.learning_rate(config, steps, cosine=4e-3, article=1e-3)
    adam = keras.optimizers.Adam(rate, weight_decay=config.weight_decay or None)
    adam.exclude_from_weight_decay(var_names=["log_scale"])
    return adam


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
