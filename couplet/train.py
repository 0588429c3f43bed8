"""基于CNN和序列标注的对联机器人 (a couplet robot by sequence tagging): https://kexue.fm/archives/6270

The second line of a couplet is as long as the first, and its characters answer those of the first one by one. So it is
tagged, not translated: a network of gated convolutions reads the first line and puts out, at every position, a probability
for each character that could stand there in the second.

    article                                here
    上联, 下联                              x, y: rows of numbers from common/vocab.py
    门卷积 y = x⊗σ(a) + b⊗σ(−a)             GatedConv1D(combination="highway"): an open gate keeps the input
    six of them, 13 characters wide         gated_conv_stack(x, [1] * 6)
    softmax over all characters             logits; the softmax lives in the loss
    不许下联用上联同位置的字                  Rules(forbid="position") in decoding.py

    python couplet/train.py                      the article's network
    python couplet/train.py --extra verse        with couplets from Tang and Song verse besides
    python couplet/train.py --mixer bilstm       what the article found worse and slower
    python couplet/train.py --mixer attention    a small Transformer of the same size
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import ClassVar, Literal

import keras
from keras import layers, ops

from common import plots, runs, streams
from common.attention import SelfAttention
from common.gated_conv import gated_conv_stack
from common.vocab import Vocab
from couplet import data, evaluate

EXAMPLES = ["晚风摇树树还挺", "今天天气不错", "鱼跃此时海", "只有香如故", "科学空间"]    # those of the article


@dataclass
class Config(runs.BaseConfig):
    builtin: ClassVar[str] = "sample"
    epochs: int = 6
    batch_size: int = 64
    learning_rate: float | None = None
    """The peak. By default 2e-3, and the article's constant 1e-3 for its recipe."""
    mixer: Literal["gated_conv", "bilstm", "attention"] = "gated_conv"
    """What carries information between positions: the article's six gated convolutions, or, of their size, two BiLSTMs or
    three blocks of self-attention."""
    recipe: Literal["cosine", "article"] = "cosine"
    """cosine: Adam with a short warm-up and cosine decay. article: Adam at a constant rate."""
    extra: str = ""
    """More couplets to train on: verse, for those in KEXUE_DATA, or files of couplets. They add no character."""
    width: int = 128
    """Channels of the embedding and of every convolution."""
    blocks: int = 6
    """Gated convolutions; of attention there are half as many blocks."""
    dropout: float = 0.25
    """Share of the embedding's values that are dropped in training."""
    min_count: int = 2
    """A character that occurs less often in the training couplets is unknown."""
    max_length: int = 32
    """Couplets with longer lines are left out of training."""
    validation: int = 2000
    """Training couplets, at most a tenth, that choose the best epoch."""


# -------------------------------------------------------------------------------------------------------------- model

def build_couplet(vocabulary, width=128, blocks=6, dropout=0.25, mixer="gated_conv"):
    """First line → logits of the second line's characters, (batch, time) → (batch, time, vocabulary)."""
    x = keras.Input((None,), dtype="int32", name="first_line")       # the article's Input was of floats, cast on the way
    h = layers.Embedding(vocabulary, width, mask_zero=True)(x)
    h = layers.Dropout(dropout)(h)
    h = MIXERS[mixer](h, width, blocks)
    return keras.Model(x, layers.Dense(vocabulary, name="logits")(h), name=f"couplet_{mixer}")


def gated_convolutions(h, width, blocks):
    return gated_conv_stack(h, [1] * blocks, combination="highway", open_gate="keep")


def bilstms(h, width, blocks):
    """Two layers with as many parameters as six gated convolutions, to 1 %: 585,632 against 591,360 for a width of 128."""
    h = layers.Bidirectional(layers.LSTM(round(1.28 * width), return_sequences=True))(h)
    return layers.Bidirectional(layers.LSTM(width // 2, return_sequences=True))(h)


def attentions(h, width, blocks):
    """Half as many Transformer blocks, normalised before each part, as one of them has the parameters of two gated
    convolutions, to 1 %: 595,072 in three against 591,360 in six for a width of 128."""
    for _ in range(max(1, blocks // 2)):
        mixed = layers.LayerNormalization()(h)
        # Heads of 32 channels; lines are short, so all scores of a batch fit at once.
        mixed = SelfAttention(max(1, width // 32), head_dim=32, rotary=True, plain_length=None)(mixed)
        h = layers.Add()([h, mixed])
        wide = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(h))
        h = layers.Add()([h, layers.Dense(width)(wide)])
    return layers.LayerNormalization()(h)


MIXERS = {"gated_conv": gated_convolutions, "bilstm": bilstms, "attention": attentions}


# --------------------------------------------------------------------------------------------------------------- loss

def character_loss(y, logits):
    """−log p(character) in nats, (batch, time); 0 where y is 0: an unknown character is nobody's answer.

    Keras takes the mean over the mask that the logits carry, so over the characters of a batch without its padding. Its own
    SparseCategoricalCrossentropy(ignore_class=0) multiplies all logits by the mask: a pass over the largest tensor."""
    losses = ops.sparse_categorical_crossentropy(y, ops.cast(logits, "float32"), from_logits=True)
    return ops.where(y > 0, losses, 0.0)


# ----------------------------------------------------------------------------------------------------------- training

class Examples(keras.callbacks.Callback):
    """Answers the article's five lines after every epoch: one sees the model learn."""

    def __init__(self, run, vocab):
        super().__init__()
        self.run, self.vocab = run, vocab

    def on_epoch_end(self, epoch, logs=None):
        robot = evaluate.Robot(self.model, self.vocab)
        text = "".join(f"{line} → {robot.answers(line, 1)[0].text}\n" for line in EXAMPLES)
        print(f"\n{text}", end="", flush=True)
        runs.write_whole(self.run.path(f"samples/epoch-{epoch + 1:03d}.txt"), text.encode())


def train(config):
    for name, least in [("width", 2), ("blocks", 1), ("min_count", 1), ("max_length", 1), ("validation", 1)]:
        if getattr(config, name) < least:
            raise runs.InputError(f"{runs.option(name)} expects at least {least}. Received: {getattr(config, name)}")
    if not 0 <= config.dropout < 1:
        raise runs.InputError(f"--dropout expects a share from 0 to below 1. Received: {config.dropout}")
    couplets = data.load_couplets(config.data)
    stream = isinstance(couplets.train, streams.Lines)
    if stream:
        count = min(config.validation, len(couplets.train) // 10)
        pairs, held_out = couplets.train[:-count], list(couplets.train[-count:])
    else:
        pairs = [pair for pair in couplets.train if len(pair[0]) <= config.max_length]
        if len(pairs) < 10:
            raise runs.InputError(f"expected at least 10 couplets of at most {config.max_length} characters a line. "
                                  f"Received: {len(pairs)} in {couplets.source}")
        pairs, held_out = data.hold_out(pairs, min(config.validation, len(pairs) // 10))
    vocab = Vocab.from_texts((line for pair in pairs for line in pair), config.min_count)
    if config.extra:
        if stream:
            raise runs.InputError(f"--extra goes with couplets that fit into memory. Received: {couplets.source}")
        pairs = pairs + [pair for pair in data.load_extra(config.extra, [*held_out, *couplets.test])
                         if len(pair[0]) <= config.max_length]
    run = runs.start(config, "couplet", config.mixer)
    if config.resume and run.path("vocab.json").exists() and Vocab.load(run.path("vocab.json")) != vocab:
        raise runs.InputError(f"the couplets of {couplets.source} changed since {run.folder} began. Start a new run.")
    vocab.save(run.path("vocab.json"))
    model = build_couplet(len(vocab), config.width, config.blocks, config.dropout, config.mixer)

    batches = data.stream_batches(run, pairs, vocab) if stream else data.LengthBatches(run, pairs, vocab)
    if config.recipe == "cosine":
        rate = runs.cosine_rate(config.learning_rate or 2e-3, config.epochs * len(batches))
    else:
        rate = config.learning_rate or 1e-3
    model.compile(keras.optimizers.Adam(rate), character_loss, jit_compile="auto")
    x_val, y_val = (vocab.pad(lines) for lines in zip(*held_out))
    model.fit(
        batches, shuffle=False, validation_data=(x_val, data.targets(y_val)), validation_batch_size=250,
        epochs=config.epochs, initial_epoch=run.epoch, verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[Examples(run, vocab), runs.Checkpoint(run)],
    )
    plots.save_curves(run.state["log"], run.path("loss.png"))
    robot = evaluate.Robot(runs.load_model(run.folder), vocab)
    run.finish({**couplets.describe(), "trained_on": len(pairs), "vocabulary": len(vocab)},
               evaluate.metrics(robot.log_probs, vocab, couplets.test))
    return run


if __name__ == "__main__":
    runs.main(train, Config, __doc__)
