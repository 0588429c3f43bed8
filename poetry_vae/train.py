"""基于CNN和VAE的作诗机器人 (a poetry robot by CNN and VAE): https://kexue.fm/archives/5332

A variational autoencoder over couplets of ten characters: gated convolutions and a mean over positions encode a couplet as a
Gaussian, and a mirrored network restores every character from a sample of it, all ten at once. Decoding noise writes verse.

    article                               here
    诗句, ten numbers                      x: rows of numbers from common/vocab.py
    GCNN, A⊗σ(B) + x                      GatedConv1D(combination="residual", use_bias=False)
    μ, log σ² of 64 dimensions             mean, log_var: Dense layers of these names
    重参数                                 z = GaussianSampling()([mean, log_var]), which adds the KL
    交叉熵, summed over ten characters      couplet_loss

    python poetry_vae/train.py                        the article's model and loss
    python poetry_vae/train.py --free-bits 0.1        against a collapse of the posterior; or --annealing 0.5: −ELBO 64.3
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import ClassVar, Literal

import keras
import numpy as np
from keras import layers, ops

from common import plots, runs, streams
from common.gated_conv import GatedConv1D
from common.latent import GaussianSampling
from common.vocab import Vocab
from poetry_vae import data, evaluate


@dataclass
class Config(runs.BaseConfig):
    builtin: ClassVar[str] = "sample"
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float | None = None
    """The peak. By default 2e-3, and the article's constant 1e-3 for its recipe."""
    recipe: Literal["cosine", "article"] = "cosine"
    """cosine: Adam with a short warm-up and cosine decay. article: Adam at a constant rate."""
    width: int = 64
    """Channels of the embedding and of every convolution."""
    latent_dim: int = 64
    """Dimensions of the code z."""
    annealing: float = 0.0
    """Share of the training over which the weight of the KL rises from 0 to 1; the article's is 0."""
    free_bits: float = 0.0
    """Nats that each dimension of z may carry at no cost; the article's are 0."""
    min_count: int = 2
    """Characters that occur less often in the training couplets are one character, the unknown, which is never written."""
    validation: int = 5000
    """Training couplets, at most a tenth, that choose the best epoch."""
    iw_couplets: int = 1000
    """Test couplets for the importance-weighted bound with 100 samples each; 0 leaves it out."""


# -------------------------------------------------------------------------------------------------------------- model

def build_poetry_vae(vocabulary, width=64, latent_dim=64, length=10, **kl_options):
    """Numbers of ten characters → logits of ten characters; the KL is added to the loss on the way."""
    x = keras.Input((length,), dtype="int32", name="couplet")
    h = layers.Embedding(vocabulary, width)(x)
    h = GatedConv1D(combination="residual", use_bias=False)(h)
    h = GatedConv1D(combination="residual", use_bias=False)(h)
    h = layers.GlobalAveragePooling1D()(h)                  # nearly blind for order, but for the neighbours
    mean = layers.Dense(latent_dim, name="mean")(h)
    log_var = layers.Dense(latent_dim, name="log_var")(h)
    z = GaussianSampling(**kl_options, name="z")([mean, log_var])

    decoder = keras.Sequential([
        keras.Input((latent_dim,)),
        layers.Dense(length * width),
        layers.Reshape((length, width)),
        GatedConv1D(combination="residual", use_bias=False),
        layers.Dense(vocabulary),                           # logits: the softmax lives in the loss
    ], name="decoder")
    return keras.Model(x, decoder(z), name="poetry_vae")


# --------------------------------------------------------------------------------------------------------------- loss

def couplet_loss(x, logits):
    """−ln p(x|z): the sum over ten characters, in nats; Keras takes the batch's mean.

    With a mean over characters the KL would weigh ten times as much beside it: readers who took that saw the KL fall to 0
    and every code decode to the same couplet."""
    return ops.sum(ops.sparse_categorical_crossentropy(x, ops.cast(logits, "float32"), from_logits=True), axis=-1)


# ----------------------------------------------------------------------------------------------------------- training

class Poems(keras.callbacks.Callback):
    """Prints the same code's poem after every epoch, two couplets: one sees the model learn."""

    def __init__(self, run, vocab):
        super().__init__()
        self.run, self.vocab = run, vocab
        self.codes = np.random.default_rng(run.config.seed).normal(size=(2, run.config.latent_dim))

    def on_epoch_end(self, epoch, logs=None):
        poem = evaluate.Poet(self.model, self.vocab).write(self.codes)
        print(f"\n{poem[0]}{poem[1]}", flush=True)
        runs.write_whole(self.run.path(f"samples/epoch-{epoch + 1:03d}.txt"), "\n".join([*poem, ""]).encode())


def train(config):
    for name, least in [("width", 1), ("latent_dim", 2), ("annealing", 0), ("free_bits", 0), ("min_count", 1),
                        ("validation", 1), ("iw_couplets", 0)]:
        if not getattr(config, name) >= least:
            raise runs.InputError(f"{runs.option(name)} expects at least {least}. Received: {getattr(config, name)}")
    if config.annealing > 1:
        raise runs.InputError(f"--annealing expects a share of the training, 0 to 1. Received: {config.annealing}")
    poems = data.load_poems(config.data)
    if len(poems.train) < 20:
        raise runs.InputError(f"expected at least 20 couplets to train on. Received: {len(poems.train)} in {poems.source}")
    vocab = Vocab.from_texts(poems.train, config.min_count)
    run = runs.start(config, "poetry_vae", "poetry")
    if config.resume and run.path("vocab.json").exists() and Vocab.load(run.path("vocab.json")) != vocab:
        raise runs.InputError(f"the couplets of {poems.source} changed since {run.folder} began. Start a new run.")
    vocab.save(run.path("vocab.json"))

    held_out = min(config.validation, len(poems.train) // 10)
    if isinstance(poems.train, streams.Lines):
        batches = streams.LineBatches(run, poems.train[:-held_out], lambda couplets, *_: (vocab.pad(couplets),) * 2)
        x_val = vocab.pad(list(poems.train[-held_out:]))
    else:
        x = vocab.pad(poems.train)[np.random.default_rng(0).permutation(len(poems.train))]
        x, x_val = np.split(x, [len(x) - held_out])
        batches = runs.Batches(run, x, x)
    steps = config.epochs * len(batches)
    vae = build_poetry_vae(len(vocab), config.width, config.latent_dim, free_bits=config.free_bits,
                           warmup_steps=round(config.annealing * steps))
    if config.recipe == "cosine":
        rate = runs.cosine_rate(config.learning_rate or 2e-3, steps)
    else:
        rate = config.learning_rate or 1e-3
    vae.compile(keras.optimizers.Adam(rate), couplet_loss, jit_compile="auto")
    vae.fit(
        batches, shuffle=False, validation_data=(x_val, x_val), validation_batch_size=500,
        epochs=config.epochs, initial_epoch=run.epoch, verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[Poems(run, vocab), runs.Checkpoint(run)],
    )
    poet = evaluate.Poet(runs.load_model(run.folder), vocab)
    plots.save_curves(run.state["log"], run.path("loss.png"))
    evaluate.save_latent_picture(poet, poems.test, run)
    print("\n".join(poet.write(np.random.default_rng(config.seed + 1).normal(size=(10, config.latent_dim)))))
    run.finish({**poems.describe(), "vocabulary": len(vocab)},
               evaluate.metrics(poet, poems.train, poems.test, config.iw_couplets))
    return run


if __name__ == "__main__":
    runs.main(train, Config, __doc__)
