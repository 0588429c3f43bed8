"""Trains the score by which answers are re-ranked: a network that reads the first line, and the second one
with hidden characters, which it guesses. See couplet/scorer.py for the formula.

It begins as a network of couplet/train.py. Each couplet hides another share of its characters in each epoch,
drawn from 0 to 1, but at least one.

    python couplet/train_scorer.py --extra verse --extra-epochs 3 --finish 1
    python couplet/train_scorer.py --tagger runs/couplet/attention-...        begins with a model of yours
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated, ClassVar

import keras
import numpy as np
from keras import layers

from common.attention import SelfAttention
from common.gated_conv import GatedConv1D
from common.harness import cli, plots, training
from common.harness.reading import InputError
from common.harness.streams import Lines
from common.harness.writing import ROOT
from couplet import data, report
from couplet.robot import Robot
from couplet.scorer import Scorer, hide
from couplet.train import MIXERS, character_loss

# ------------------------------------------------------------------------------------------------------ model


def build_scorer(tagger):
    """(first lines, second lines with hidden characters) → logits of the second lines' characters.

    It has the layers and the weights of a model of couplet/train.py, and puts out what that one does until it
    is trained: the second embedding begins at zero. Its layers are built anew, since the masks of the old
    ones come from their first embedding."""
    (_, embedding, dropout, *others) = tagger.layers
    mixer, width = tagger.name.removeprefix("couplet_"), embedding.output_dim
    blocks = (sum(isinstance(layer, GatedConv1D) for layer in others)
              or 2 * sum(isinstance(layer, SelfAttention) for layer in others))
    x = keras.Input((None,), dtype="int32", name="first_line")
    y = keras.Input((None,), dtype="int32", name="second_line")
    of_x = layers.Embedding(embedding.input_dim, width, mask_zero=True)
    of_y = layers.Embedding(embedding.input_dim, width, mask_zero=True, name="second_embedding")
    h = layers.Dropout(dropout.rate)(layers.Add()([of_x(x), of_y(y)]))
    h = MIXERS[mixer](h, width, blocks)
    logits = layers.Dense(embedding.input_dim, name="logits")(h)
    model = keras.Model([x, y], logits, name=f"scorer_{tagger.name}")
    first, *weights = tagger.get_weights()
    model.set_weights([first, np.zeros_like(first), *weights])
    return model


# --------------------------------------------------------------------------------------------------- training

@dataclass
class Config(cli.BaseConfig):
    builtin: ClassVar[str] = "sample"
    epochs: int = 3
    """Passes over the training couplets."""
    batch_size: int = 64
    learning_rate: float = 1e-3
    """Peak of the learning rate. It rises in the first steps, then falls to 0 as a cosine."""
    tagger: pathlib.Path = ROOT / "couplet/weights/couplet.keras"
    """The model of couplet/train.py to begin with: its run folder, or a .keras file with vocab.json beside
    it."""
    extra: str = ""
    """The same option as in couplet/train.py."""
    extra_epochs: Annotated[int, cli.Between(1, 10**6)] = 1
    """The same option as in couplet/train.py."""
    finish: Annotated[int, cli.Between(0, 10**6)] = 0
    """The same option as in couplet/train.py."""
    max_length: Annotated[int, cli.Between(1, 10**9)] = 32
    """The same option as in couplet/train.py."""
    validation: Annotated[int, cli.Between(1, 10**9)] = 2000
    """The same option as in couplet/train.py. Both scripts hold out the same couplets."""


class HiddenBatches(data.LengthBatches):
    """Batches of (first lines, second lines with hidden characters), and the hidden characters to guess."""

    def item(self, rows, rng, width):
        x, y = super().item(rows, rng, width)
        seen, targets = hide(x, y, hidden_places(x, rng))
        return (x, seen), targets


def hidden_places(x, rng):
    """Which characters to hide, (n, time): of each line a share from 0 to 1, and at least one."""
    hidden = rng.random(x.shape) < rng.random((len(x), 1))
    lengths = (x > 0).sum(axis=1)
    hidden[np.arange(len(x)), rng.integers(lengths)] = True
    return hidden


def train(config):
    robot = Robot.load(config.tagger)
    vocab = robot.vocab
    couplets = data.load_couplets(config.data)
    if isinstance(couplets.train, Lines):
        raise InputError(f"the scorer learns from couplets that fit into memory. Received: {couplets.source}")
    pairs, held_out = data.split(couplets, config.validation, config.max_length)
    extra = data.extra_couplets(pairs, config.extra, [*held_out, *couplets.test], config.max_length)
    run = training.start(config, "couplet", "scorer")
    run.save_vocab(vocab, couplets.source)
    model = build_scorer(robot.model)

    batches = HiddenBatches(run, pairs, vocab, extra, config.extra_epochs, config.finish)
    rate = training.cosine_rate(config.learning_rate, config.epochs * batches.steps)
    model.compile(keras.optimizers.Adam(rate), character_loss, jit_compile="auto")
    x, y = data.arrays(held_out, vocab)
    seen, targets = hide(x, y, hidden_places(x, np.random.default_rng(0)))
    model.fit(batches, validation_data=((x, seen), targets), validation_batch_size=250, **run.fit_options())

    plots.save_curves(run.state["log"], run.path("loss.png"))
    scorer = Scorer.load(run.folder)
    run.finish({**couplets.describe(), "trained_on": len(pairs) + len(extra), "vocabulary": len(vocab)},
               report.metrics_of_scorer(scorer, couplets.test))
    return run


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
