"""基于CNN和序列标注的对联机器人 (a couplet robot by sequence tagging): https://kexue.fm/archives/6270

The second line of a couplet is as long as the first, and its characters answer those of the first one by one.
So it is tagged, not translated: a network of gated convolutions reads the first line and puts out, at every
position, a probability for each character that could stand there in the second.

    article                                here
    上联, 下联                              x, y: rows of numbers from common/harness/vocab.py
    门卷积 y = x⊗σ(a) + b⊗σ(−a)             GatedConv1D(combination="highway"): an open gate keeps the input
    six of them, 13 characters wide         gated_convolutions
    softmax over all characters             logits; the softmax lives in the loss
    不许下联用上联同位置的字                  Rules(forbid="position") in decoding.py

    python couplet/train.py                      the article's: perplexity 426 in ten minutes on one core
    python couplet/train.py --extra verse        with couplets from Tang and Song verse besides
    python couplet/train.py --mixer bilstm       what the article found worse and slower
    python couplet/train.py --mixer attention    a small Transformer of the same size
    python couplet/train.py --mixer attention --extra verse --epochs 7 --extra-epochs 3 --finish 1
                                                 the shipped one: 329, the last epoch without verse
    python couplet/train.py --recipe article     as published: 100 × 1,000 steps at a constant rate
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import itertools
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import keras
from keras import layers, ops

from common.attention import SelfAttention
from common.gated_conv import GatedConv1D
from common.harness import cli, plots, training, tuning
from common.harness.vocab import Vocab
from common.harness.writing import write_lines
from couplet import data, report
from couplet.robot import Robot

# ------------------------------------------------------------------------------------------------------ model


def build_couplet(vocabulary, width=128, blocks=6, dropout=0.25, mixer="gated_conv"):
    """First line → logits of the second line's characters, (batch, time) → (batch, time, vocabulary)."""
    # the article's Input was of floats, cast later
    x = keras.Input((None,), dtype="int32", name="first_line")
    h = layers.Embedding(vocabulary, width, mask_zero=True)(x)
    h = layers.Dropout(dropout)(h)
    h = MIXERS[mixer](h, width, blocks)
    logits = layers.Dense(vocabulary, name="logits")(h)
    return keras.Model(x, logits, name=f"couplet_{mixer}")


def gated_convolutions(h, width, blocks):
    """The article's: y = x⊗σ(a) + b⊗σ(−a), where one convolution over three characters computes a and b."""
    for _ in range(blocks):
        h = GatedConv1D(combination="highway", open_gate="keep")(h)
    return h


def bilstms(h, width, blocks):
    """Two layers with as many parameters as six gated convolutions, to 1 %: 585,632 against 591,360 for a
    width of 128."""
    h = layers.Bidirectional(layers.LSTM(round(1.28 * width), return_sequences=True))(h)
    return layers.Bidirectional(layers.LSTM(width // 2, return_sequences=True))(h)


def attentions(h, width, blocks):
    """Half as many Transformer blocks, normalised before each part, as one of them has the parameters of two
    gated convolutions, to 1 %: 595,072 in three against 591,360 in six for a width of 128."""
    for _ in range(max(1, blocks // 2)):
        mixed = layers.LayerNormalization()(h)
        # Heads of 32 channels; lines are short, so all scores of a batch fit at once.
        mixed = SelfAttention(max(1, width // 32), head_dim=32, rotary=True, plain_length=None)(mixed)
        h = layers.Add()([h, mixed])
        wide = layers.LayerNormalization()(h)
        wide = layers.Dense(4 * width, activation="gelu")(wide)
        wide = layers.Dense(width)(wide)
        h = layers.Add()([h, wide])
    return layers.LayerNormalization()(h)


MIXERS = {"gated_conv": gated_convolutions, "bilstm": bilstms, "attention": attentions}


# ------------------------------------------------------------------------------------------------------- loss

def character_loss(y, logits):
    """−log p(character) in nats, (batch, time); 0 where y is 0: an unknown character is nobody's answer.

    Keras takes the mean over the mask that the logits carry, so over the characters of a batch without its
    padding. Its own SparseCategoricalCrossentropy(ignore_class=0) multiplies all logits by the mask: a pass
    over the largest tensor."""
    return ops.where(y > 0, tuning.cross_entropy(y, logits), 0.0)


# --------------------------------------------------------------------------------------------------- training

class Examples(keras.callbacks.Callback):
    """Answers the article's five lines after every epoch: one sees the model learn."""

    LINES = ["晚风摇树树还挺", "今天天气不错", "鱼跃此时海", "只有香如故", "科学空间"]

    def __init__(self, run, vocab):
        super().__init__()
        self.run, self.vocab = run, vocab

    def on_epoch_end(self, epoch, logs=None):
        robot = Robot(self.model, self.vocab)
        couplets = [f"{line} → {robot.answers(line, 1)[0].text}" for line in self.LINES]
        print("", *couplets, sep="\n", flush=True)
        write_lines(self.run.path(f"samples/epoch-{epoch + 1:03d}.txt"), couplets)


RECIPES = {"cosine": {"epochs": 6, "max_length": 32}, "article": {"max_length": 16}}
ARTICLE_STEPS = 100 * 1000              # the article's epochs are 1,000 steps each


@dataclass
class Config(cli.BaseConfig):
    builtin: ClassVar[str] = "sample"
    epochs: int | None = None
    """Passes over the training couplets. By default 6, and in the article's recipe as many as make its
    100,000 steps."""
    batch_size: int = 64
    learning_rate: float | None = None
    """Peak of the learning rate. By default 2e-3; the article's recipe has a constant 1e-3."""
    mixer: Literal["gated_conv", "bilstm", "attention"] = "gated_conv"
    """What carries information between positions: the article's six gated convolutions, or, of their size,
    two BiLSTMs or three blocks of self-attention."""
    recipe: Literal["cosine", "article"] = "cosine"
    """cosine: Adam with a short warm-up and cosine decay. article: Adam at a constant rate for 100,000 steps,
    on lines of at most 16 characters."""
    extra: str = ""
    """More couplets to train on: verse, for those in KEXUE_DATA, or files of couplets. The vocabulary does
    not grow with them."""
    extra_epochs: Annotated[int, cli.Between(1, 10**6)] = 1
    """Epochs that share one pass over --extra. Each epoch has all training couplets besides."""
    finish: Annotated[int, cli.Between(0, 10**6)] = 0
    """Last epochs with the training couplets alone. They take as many steps as the other epochs."""
    width: Annotated[int, cli.Between(2, 65_536)] = 128
    """Channels of the embedding and of every convolution."""
    blocks: Annotated[int, cli.Between(1, 100)] = 6
    """Gated convolutions of the network; of attention there are half as many blocks."""
    dropout: Annotated[float, cli.Between(0, below=1)] = 0.25
    """Share of the embedding's values that are dropped in training."""
    min_count: Annotated[int, cli.Between(1, 10**9)] = 2
    """A character that occurs less often in the training couplets is unknown."""
    max_length: Annotated[int, cli.Between(1, 10**9)] | None = None
    """Couplets with longer lines are left out of training. By default 32, and 16 in the article's recipe."""
    validation: Annotated[int, cli.Between(1, 10**9)] = 2000
    """Training couplets held out to choose the best epoch, at most a tenth."""


def train(config):
    config = cli.with_recipe(config, RECIPES)
    couplets = data.load_couplets(config.data)
    pairs, held_out = data.split(couplets, config.validation, config.max_length)
    vocab = Vocab.from_texts(itertools.chain.from_iterable(pairs), config.min_count)
    extra = data.extra_couplets(pairs, config.extra, [*held_out, *couplets.test], config.max_length)
    samples = len(pairs) + len(extra) // config.extra_epochs
    run = training.start(with_epochs(config, samples), "couplet", config.mixer)
    run.save_vocab(vocab, couplets.source)
    model = build_couplet(len(vocab), config.width, config.blocks, config.dropout, config.mixer)

    batches = data.batches(run, pairs, vocab, extra, config.extra_epochs, config.finish)
    rate = training.learning_rate(config, run.config.epochs * batches.steps, cosine=2e-3, article=1e-3)
    model.compile(keras.optimizers.Adam(rate), character_loss, jit_compile="auto")
    model.fit(batches, validation_data=data.arrays(held_out, vocab), validation_batch_size=250,
              **run.fit_options(Examples(run, vocab)))

    plots.save_curves(run.state["log"], run.path("loss.png"))
    best = Robot.load(run.folder)
    run.finish({**couplets.describe(), "trained_on": len(pairs) + len(extra), "vocabulary": len(vocab)},
               report.metrics(best.log_probs, vocab, couplets.test))
    return run


def with_epochs(config, samples):
    """The configuration with the passes over the training couplets that make the article's steps, where
    --epochs says nothing else."""
    steps = max(1, samples // config.batch_size)
    return replace(config, epochs=config.epochs or max(1, round(ARTICLE_STEPS / steps)))


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
