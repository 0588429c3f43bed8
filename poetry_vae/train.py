"""基于CNN和VAE的作诗机器人 (a poetry robot by CNN and VAE): https://kexue.fm/archives/5332

A variational autoencoder over couplets of ten characters: gated convolutions and a mean over positions encode
a couplet as a Gaussian, and a mirrored network restores every character from a sample of it, all ten at once.
What it decodes from noise is verse.

    article                               here
    诗句, ten numbers                      x: rows of numbers from common/harness/vocab.py
    GCNN, A⊗σ(B) + x                      GatedConv1D(combination="residual", use_bias=False)
    μ, log σ² of 64 dimensions             mean, log_var: Dense layers of these names
    重参数                                 z = GaussianSampling()([mean, log_var]), which adds the KL
    交叉熵, summed over ten characters      couplet_loss

    python poetry_vae/train.py                       the article's model and loss
    python poetry_vae/train.py --annealing 0.5       −ELBO 64.3 in 24 minutes on one core
    python poetry_vae/train.py --free-bits 0.1       against a collapse of the posterior
    python poetry_vae/train.py --network deep --annealing 0.5 --learning-rate 4e-3 --epochs 7     see deep.py
    python poetry_vae/train.py --recipe article      as published: 100 epochs at a constant rate
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import keras
import numpy as np
from keras import layers, ops

from common.gated_conv import GatedConv1D
from common.harness import cli, training, tuning
from common.harness.reading import InputError
from common.harness.vocab import Vocab
from common.harness.writing import write_lines
from common.latent import GaussianSampling
from poetry_vae import data, report
from poetry_vae.deep import build_deep_poetry_vae
from poetry_vae.poet import Poet

# ----------------------------------------------------------------------------------------------------- model


def build_poetry_vae(vocabulary, width=64, latent_dim=64, length=10, convolution="gated", **kl_options):
    """Numbers of ten characters → logits of ten characters; the KL is added to the loss on the way."""
    convolve = CONVOLUTIONS[convolution]
    x = keras.Input((length,), dtype="int32", name="couplet")
    h = layers.Embedding(vocabulary, width)(x)
    h = convolve(h)
    h = convolve(h)
    h = layers.GlobalAveragePooling1D()(h)                  # nearly blind for order, but for the neighbours
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    z = GaussianSampling(**kl_options, name="z")([mean, log_var])

    code = keras.Input((latent_dim,))
    h = layers.Dense(length * width)(code)
    h = layers.Reshape((length, width))(h)
    h = convolve(h)
    logits = layers.Dense(vocabulary)(h)                    # the softmax lives in the loss
    decoder = keras.Model(code, logits, name="decoder")
    return keras.Model(x, decoder(z), name="poetry_vae")


def gated(h):
    """GCNN: A⊗σ(B) + x, where one convolution over three characters computes A and B."""
    return GatedConv1D(combination="residual", use_bias=False)(h)


def plain(h):
    """普通的CNN+ReLU, what the article says GCNN is better than: relu(A) + x."""
    a = layers.Conv1D(h.shape[-1], 3, padding="same", use_bias=False, activation="relu")(h)
    return layers.Add()([h, a])


CONVOLUTIONS = {"gated": gated, "relu": plain}


def build(config, vocabulary, steps):
    """The network that --network names, for a training of so many steps."""
    kl_options = {"free_bits": config.free_bits, "warmup_steps": round(config.annealing * steps)}
    if config.network == "deep":
        return build_deep_poetry_vae(vocabulary, config.width, config.latent_dim, **kl_options)
    return build_poetry_vae(vocabulary, config.width, config.latent_dim, convolution=config.convolution,
                            **kl_options)


# ------------------------------------------------------------------------------------------------------ loss

def couplet_loss(x, logits):
    """−ln p(x|z): the sum over ten characters, in nats; Keras takes the batch's mean.

    With a mean over characters the KL would weigh ten times as much beside it: readers who took that saw the
    KL fall to 0 and every code decode to the same couplet."""
    return ops.sum(tuning.cross_entropy(x, logits), axis=-1)


# -------------------------------------------------------------------------------------------------- training

class Poems(keras.callbacks.Callback):
    """Prints the same code's poem after every epoch, two couplets: one sees the model learn."""

    def __init__(self, run, vocab):
        super().__init__()
        self.run, self.vocab = run, vocab
        self.codes = np.random.default_rng(run.config.seed).normal(size=(2, run.config.latent_dim))

    def on_epoch_end(self, epoch, logs=None):
        poem = Poet(self.model, self.vocab).write(self.codes)
        print(f"\n{poem[0]}{poem[1]}", flush=True)
        write_lines(self.run.path(f"samples/epoch-{epoch + 1:03d}.txt"), poem)


RECIPES = {
    "cosine": {"epochs": 10, "min_count": 2, "validation": 5000},
    "article": {"epochs": 100, "min_count": 1, "validation": 0},
}


@dataclass
class Config(cli.BaseConfig):
    builtin: ClassVar[str] = "sample"
    epochs: int | None = None
    """Passes over the training couplets. By default 10, and 100 in the article's recipe."""
    batch_size: int = 64
    learning_rate: float | None = None
    """Peak of the learning rate. By default 2e-3; the article's recipe has a constant 1e-3."""
    recipe: Literal["cosine", "article"] = "cosine"
    """cosine: Adam with a short warm-up and cosine decay. article: Adam at a constant rate, all characters,
    the last of 100 epochs."""
    network: Literal["article", "deep"] = "article"
    """article: the published one. deep: that of deep.py, whose encoder keeps the positions apart."""
    width: Annotated[int, cli.Between(1, 65_536)] = 64
    """Channels of the embedding and of every convolution."""
    latent_dim: Annotated[int, cli.Between(2, 65_536)] = 64
    """Dimensions of the code z."""
    convolution: Literal["gated", "relu"] = "gated"
    """gated: the article's GCNN. relu: a plain convolution with relu. For --network article alone."""
    annealing: Annotated[float, cli.Between(0, 1)] = 0.0
    """Share of the training over which the weight of the KL rises from 0 to 1; the article's is 0."""
    free_bits: Annotated[float, cli.Between(0, 1000)] = 0.0
    """Nats that each dimension of z may carry at no cost; the article's are 0."""
    min_count: Annotated[int, cli.Between(1, 10**9)] | None = None
    """Characters that occur less often in the training couplets are one character, the unknown, which is
    never written. By default 2, and 1 in the article's recipe."""
    validation: Annotated[int, cli.Between(0, 10**9)] | None = None
    """Training couplets held out to choose the best epoch, at most a tenth. 0: train on all of them, keep the
    last epoch. By default 5,000, and 0 in the article's recipe."""
    iw_couplets: Annotated[int, cli.Between(0, 10**9)] = 1000
    """Test couplets for the importance-weighted bound with 100 samples each; 0 leaves it out."""


def train(config):
    config = cli.with_recipe(config, RECIPES)
    poems = load(config)
    vocab = Vocab.from_texts(poems.train, config.min_count)
    run = training.start(config, "poetry_vae", "poetry")
    run.save_vocab(vocab, poems.source)

    batches, x_val = data.batches(run, poems.train, vocab)
    steps = config.epochs * batches.steps
    vae = build(config, len(vocab), steps)
    rate = training.learning_rate(config, steps, cosine=2e-3, article=1e-3)
    vae.compile(keras.optimizers.Adam(rate), couplet_loss, jit_compile="auto")
    validation = (x_val, x_val) if len(x_val) else None
    vae.fit(batches, validation_data=validation, validation_batch_size=500,
            **run.fit_options(Poems(run, vocab)))

    poet = Poet.load(run.folder)
    report.pictures(poet, poems.train, poems.test, run)
    print(*poet.write(poet.sample_codes(10, np.random.default_rng(config.seed + 1))), sep="\n")
    run.finish({**poems.describe(), "vocabulary": len(vocab)},
               report.metrics(poet, poems.train, poems.test, config.iw_couplets))
    return run


def load(config):
    poems = data.load_poems(config.data)
    if len(poems.train) < 20:
        raise InputError("expected at least 20 couplets to train on. "
                         f"Received: {len(poems.train)} in {poems.source}")
    return poems


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
