"""简明条件随机场CRF介绍 (a concise introduction to conditional random fields): https://kexue.fm/archives/5542

Every character gets a tag: B begins, M is in the middle of, E ends a word, S is a word. A network scores each tag at each
character; a CRF adds scores for neighbouring tags and takes the softmax over all paths of tags at once, not over tags.

    article                                  here
    h(y_t; x)                                the output of the Dense layer "scores"
    g(y_t, y_{t+1})                          weight "transitions" of the layer "crf"
    f(y; x), eq. (4)                         crf.path_score
    Z(x) by the recursion, eq. (9)           crf.log_partition
    −log P(y|x), eq. (7)                     crf_loss
    the best path                            the first output of the CRF layer, by Viterbi

    python crf/train.py                      the repository's segmenter: F1 0.960 on SXU, in three minutes on two idle cores
    python crf/train.py --model fast         the smallest: 0.959
    python crf/train.py --model article      three convolutions, as in the article
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import ClassVar, Literal

import keras
import numpy as np
from keras import layers, ops
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure

from common import plots, runs, streams
from common.crf import CRF, crf_loss, tag_constraints
from common.gated_conv import GatedConv1D
from crf import data, evaluate
from crf.predict import Segmenter


@dataclass
class Config(runs.BaseConfig):
    builtin: ClassVar[str] = "sample"
    model: Literal["gated", "article", "fast"] = "gated"
    """article: three convolutions over characters. gated, fast: bigrams and known words too; fast is the smaller."""
    epochs: int = 6
    """Passes over the training data."""
    batch_size: int = 64
    """Sentences of 48 characters in one step; of longer ones fewer."""
    learning_rate: float = 2e-3
    """Peak of the learning rate, with a short warm-up and cosine decay."""
    dropout: float = 0.4
    """Share of the embeddings' and the last features' entries that training drops; none in the article's model."""
    rare: float = 5.0
    """Training hides what is rare: of a character, bigram or word with n occurrences rare / (rare + n), anew each epoch."""
    validation: int = 1000
    """Training sentences, at most a tenth, that choose the best epoch."""
    test: str = ""
    """A file of segmented sentences to test on, beside --data."""


# ------------------------------------------------------------------------------------------------------------- models

def embed(features, size, pair_size, dropout):
    """Inputs, mask (batch, T), and embeddings of characters and bigrams and the marks of known words side by side."""
    x, pairs = keras.Input((None,), dtype="int32", name="characters"), keras.Input((None,), dtype="int32", name="bigrams")
    words = keras.Input((None, 8), name="words")
    real = ops.not_equal(x, 0)                       # Conv1D drops Keras' masks, so this one is handed on by hand
    h = layers.Dropout(dropout)(layers.Embedding(len(features.vocab), size)(x))
    if pair_size:
        pairs_h = layers.Dropout(dropout)(layers.Embedding(len(features.pairs) + 2, pair_size)(pairs))
        h = layers.Concatenate()([h, pairs_h, words])
    return [x, pairs, words], real, h


def convolution(h, real, filters):
    """Padding is zero for every convolution, as if the sentence stood alone."""
    h = h * ops.cast(ops.expand_dims(real, -1), h.dtype)
    return layers.Conv1D(filters, 3, activation="relu", padding="same")(h)


def build_article(features, dropout):
    """Three convolutions over embedded characters, and the CRF: the network of the article's section 例子."""
    inputs, real, h = embed(features, 128, 0, 0)
    for _ in range(3):
        h = convolution(h, real, 128)
    return keras.Model(inputs, CRF(4, name="crf")(layers.Dense(4, name="scores")(h), mask=real), name="article")


def build_gated(features, dropout):
    """With bigrams, a list of known words, and gated convolutions that see 17 characters."""
    inputs, real, h = embed(features, 64, 32, dropout)
    h = convolution(h, real, 128)
    for rate in (1, 2, 4):
        h = GatedConv1D(combination="highway", open_gate="replace", dilation_rate=rate, gate_dropout=0.1)(h, mask=real)
    scores = layers.Dense(4, name="scores")(layers.Dropout(dropout)(h))
    return keras.Model(inputs, CRF(4, BMES, name="crf")(scores, mask=real), name="gated")


def build_fast(features, dropout):
    """Two narrow convolutions, 23,000 multiplications a character: for more text than time."""
    inputs, real, h = embed(features, 32, 16, dropout)
    for _ in range(2):
        h = layers.Dropout(dropout)(convolution(h, real, 64))
    return keras.Model(inputs, CRF(4, BMES, name="crf")(layers.Dense(4, name="scores")(h), mask=real), name="fast")


# ----------------------------------------------------------------------------------------------------------- training

class Example(keras.callbacks.Callback):
    """Segments a few sentences after every epoch, and scores the validation sentences: one sees the model learn."""

    def __init__(self, run, features, held_out):
        super().__init__()
        self.run, self.features, self.held_out = run, features, held_out

    def on_epoch_end(self, epoch, logs=None):
        cut = Segmenter(self.model, self.features).cut
        logs["val_f1"] = evaluate.scores(cut, self.held_out, ())["f1"]
        for text in EXAMPLES:
            print("   ", "  ".join(cut(text)), flush=True)


def draw_transitions(layer, path):
    """The learnt g(y_t, y_{t+1}) as a picture; what constraints forbid stays empty."""
    g = np.where(layer.penalties["transitions"] < 0, np.nan, keras.ops.convert_to_numpy(layer.transitions))
    figure = Figure(figsize=(4.2, 3.6), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(g, cmap="RdBu", norm=CenteredNorm())
    for (i, j), value in np.ndenumerate(g):
        axes.text(j, i, "–" if np.isnan(value) else f"{value:.1f}", ha="center", va="center",
                  color="white" if abs(value) > 0.6 * np.nanmax(np.abs(g)) else "black")
    axes.set(xticks=range(4), xticklabels=data.LABELS, yticks=range(4), yticklabels=data.LABELS,
             xlabel="next tag", ylabel="tag", title="learnt transitions, nats")
    figure.colorbar(shown)
    runs.write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))


def train(config):
    for name, least, limit in [("validation", 1, 10**9), ("dropout", 0, 0.99), ("rare", 0, 10**9)]:
        if not least <= getattr(config, name) <= limit:
            raise runs.InputError(f"{runs.option(name)} expects {least} to {limit:g}. Received: {getattr(config, name)}")
    corpus = data.load_corpus(config.data, config.test)
    run = runs.start(config, "crf", config.model)
    held_out = min(config.validation, len(corpus.train) // 10)
    if stream := isinstance(corpus.train, streams.Lines):
        training, held_out = corpus.train[:-held_out], list(corpus.train[-held_out:])
    else:
        order = np.random.default_rng(config.seed).permutation(len(corpus.train))
        training, held_out = ([corpus.train[i] for i in part] for part in (order[held_out:], order[:held_out]))
    features = data.Features.of(training)
    features.save(run.folder)
    model = BUILDERS[config.model](features, config.dropout)

    batches = (data.stream_batches(run, training, features, config.rare) if stream else
               data.Sentences(run, training, features, True, config.rare))
    val_batches = data.Sentences(run, held_out, features, False)
    steps = config.epochs * len(batches)
    optimizer = keras.optimizers.Adam(runs.cosine_rate(config.learning_rate, steps))
    model.compile(optimizer, loss=[None, crf_loss], jit_compile="auto")    # on CPUs the recursion alone is compiled
    model.fit(
        batches, shuffle=False, validation_data=val_batches, epochs=config.epochs, initial_epoch=run.epoch,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[Example(run, features, held_out), runs.Checkpoint(run, "val_f1", max)],
    )
    segmenter = Segmenter.load(run.folder)
    draw_transitions(segmenter.model.get_layer("crf"), run.path("transitions.png"))
    plots.save_curves(run.state["log"], run.path("loss.png"))
    run.finish(corpus.describe(), evaluate.scores(segmenter.cut, corpus.test, {word for s in corpus.train for word in s}))
    return run


BUILDERS = {"gated": build_gated, "article": build_article, "fast": build_fast}
BMES = tag_constraints(data.LABELS)     # M never follows S: training and decoding both know it
EXAMPLES = ["今天天气不错，我们去公园散步吧。", "科学空间是一个介绍数学和机器学习的博客。", "结婚的和尚未结婚的都来了。"]

if __name__ == "__main__":
    runs.main(train, Config, __doc__)
