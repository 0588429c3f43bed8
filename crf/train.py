"""简明条件随机场CRF介绍 (a concise introduction to conditional random fields): https://kexue.fm/archives/5542

Every character gets a tag: B begins, M is in the middle of, E ends a word, S is a word. A network scores each
tag at each character; a CRF adds scores for neighbouring tags and takes the softmax over all paths of tags at
once, not over tags.

    article                                  here
    h(y_t; x)                                the output of the Dense layer "scores"
    g(y_t, y_{t+1})                          weight "transitions" of the layer "crf"
    f(y; x), eq. (4)                         crf.path_score
    Z(x) by the recursion, eq. (9)           crf.log_partition
    −log P(y|x), eq. (7)                     crf_loss, as a class CRFLoss
    the best path                            the first output of the CRF layer, by Viterbi

    python crf/train.py                      our segmenter: F1 0.960 on SXU, three minutes on two idle cores
    python crf/train.py --model fast         the smallest: 0.959
    python crf/train.py --model article      three convolutions, as in the article
    python crf/train.py --model softmax      the default without the CRF, to see what it is worth
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import keras
from keras import layers, ops

from common.crf import CRF, CRFLoss, tag_constraints
from common.gated_conv import GatedConv1D
from common.harness import cli, plots, training
from common.harness.paths import named_path
from common.harness.vocab import UNKNOWN
from crf import data, report
from crf.features import Features
from crf.segmenter import Segmenter

BMES = tag_constraints(data.LABELS)     # M never follows S: training and decoding both know it


# ----------------------------------------------------------------------------------------------------- models

def build_article(features, dropout=0.0):
    """Three convolutions over embedded characters, and the CRF: the network of word_seg.py, in the
    article's section 使用案例.

    It has no dropout, whatever --dropout says, and sees neither bigrams nor words."""
    x, real = inputs()
    characters, _, _ = x
    h = layers.Embedding(len(features.vocab), 128)(characters)
    for _ in range(3):
        h = convolution(h, real, 128)
    scores = layers.Dense(4, name="scores")(h)                      # h(y_t; x)
    tags, potentials = CRF(4, name="crf")(scores, mask=real)        # potentials: all that the loss needs
    return keras.Model(x, [tags, potentials], name="article")


def inputs():
    """Characters, bigrams and the marks of known words, and the mask (batch, T) of what is not padding."""
    x = keras.Input((None,), dtype="int32", name="characters")
    pairs = keras.Input((None,), dtype="int32", name="bigrams")
    words = keras.Input((None, 8), name="words")
    return [x, pairs, words], ops.not_equal(x, 0)


def convolution(h, real, filters):
    """Padding is zero for every convolution, as if the sentence stood alone.

    Conv1D drops Keras' masks, so this one is handed on by hand."""
    h = h * ops.cast(ops.expand_dims(real, -1), h.dtype)
    return layers.Conv1D(filters, 3, activation="relu", padding="same")(h)


def build_gated(features, dropout):
    """With bigrams, a list of known words, and gated convolutions that see 17 characters."""
    x, scores, real = gated_scores(features, dropout)
    tags, potentials = CRF(4, BMES, name="crf")(scores, mask=real)
    return keras.Model(x, [tags, potentials], name="gated")


def build_softmax(features, dropout):
    """逐帧softmax, what the article's CRF is held against: the same network, and g = 0 for ever. Then P(y|x),
    eq. (5), is a product of one softmax for each character, and the best path has the best tag of each."""
    x, scores, real = gated_scores(features, dropout)
    without_transitions = CRF(4, trainable=False, name="crf")
    tags, potentials = without_transitions(scores, mask=real)
    without_transitions.transitions.assign(ops.zeros((4, 4)))
    return keras.Model(x, [tags, potentials], name="softmax")


def gated_scores(features, dropout):
    """The inputs, the scores h(y_t; x), (batch, T, 4), and the mask."""
    x, real = inputs()
    h = embed(x, features, 64, 32, dropout)
    h = convolution(h, real, 128)
    for rate in (1, 2, 4):
        gated = GatedConv1D(combination="highway", open_gate="replace", dilation_rate=rate, gate_dropout=0.1)
        h = gated(h, mask=real)
    scores = layers.Dense(4, name="scores")(layers.Dropout(dropout)(h))
    return x, scores, real


def build_fast(features, dropout):
    """Two narrow convolutions, 23,000 multiplications a character: for more text than time."""
    x, real = inputs()
    h = embed(x, features, 32, 16, dropout)
    for _ in range(2):
        h = layers.Dropout(dropout)(convolution(h, real, 64))
    scores = layers.Dense(4, name="scores")(h)
    tags, potentials = CRF(4, BMES, name="crf")(scores, mask=real)
    return keras.Model(x, [tags, potentials], name="fast")


def embed(x, features, size, pair_size, dropout):
    """Embeddings of characters and of bigrams, and the marks of known words, side by side."""
    characters, pairs, words = x
    h = layers.Dropout(dropout)(layers.Embedding(len(features.vocab), size)(characters))
    h_pairs = layers.Dropout(dropout)(layers.Embedding(len(features.pairs) + 2, pair_size)(pairs))
    return layers.Concatenate()([h, h_pairs, words])


BUILDERS = {"gated": build_gated, "article": build_article, "fast": build_fast, "softmax": build_softmax}


# --------------------------------------------------------------------------------------------------- training

class Example(keras.callbacks.Callback):
    """Scores the validation sentences after every epoch, and segments a few others: one sees it learn."""

    def __init__(self, features, held_out):
        super().__init__()
        self.features, self.held_out = features, held_out

    def on_epoch_end(self, epoch, logs=None):
        segment = Segmenter(self.model, self.features).segment
        logs["val_f1"] = report.scores(segment, self.held_out, ())["f1"]
        for text in EXAMPLES:
            print("   ", "  ".join(segment(text)), flush=True)


class UnseenAsUnknown(keras.callbacks.Callback):
    """With --lists, characters and bigrams that no training sentence has: they would keep the vectors that
    they were drawn with, so after every epoch they get that of the unknown one."""

    def __init__(self, features, sentences):
        super().__init__()
        self.seen = [set(), set()]
        for words in sentences:
            characters, bigrams, _ = features.encode("".join(words))
            self.seen[0].update(characters.tolist())
            self.seen[1].update(bigrams.tolist())

    def on_epoch_end(self, epoch, logs=None):
        embeddings = [layer for layer in self.model.layers if isinstance(layer, layers.Embedding)]
        for embedding, seen in zip(embeddings, self.seen):
            vectors = ops.convert_to_numpy(embedding.embeddings).copy()
            unseen = sorted(set(range(1, len(vectors))) - seen)
            vectors[unseen] = vectors[UNKNOWN]
            embedding.embeddings.assign(vectors)


@dataclass
class Config(cli.BaseConfig):
    builtin: ClassVar[str] = "sample"
    model: Literal["gated", "article", "fast", "softmax"] = "gated"
    """article: three convolutions over characters. gated, fast: bigrams and words too; fast is smaller.
    softmax: gated without the CRF."""
    epochs: int = 6
    """Passes over the training data."""
    batch_size: int = 64
    """Sentences of 48 characters in a step. Of longer sentences a step has fewer."""
    learning_rate: float | None = None
    """Peak of the learning rate. By default 2e-3; the article's recipe has a constant 1e-3."""
    recipe: Literal["cosine", "article"] = "cosine"
    """cosine: Adam with a short warm-up and cosine decay. article: Adam at a constant rate; its script has
    128 sentences in a step, and 5,000 steps."""
    dropout: Annotated[float, cli.Between(0, 0.99)] = 0.4
    """Share of the embeddings and of the last features that training drops; none in the article's model."""
    rare: Annotated[float, cli.Between(0, 10**9)] = 5.0
    """How strongly training hides rare characters, bigrams and words. Of those with n occurrences it hides a
    share of rare / (rare + n), anew in each epoch."""
    validation: Annotated[int, cli.Between(1, 10**9)] = 1000
    """Training sentences held out to choose the best epoch, at most a tenth."""
    test: str = ""
    """File of segmented sentences to test on. By default the corpus' own, or every tenth sentence of
    --data."""
    lists: str = ""
    """Folder with the vocab.json, bigrams.txt and words.txt to use. crf/lists.py makes such a folder from
    several corpora; by default they are made from the training sentences."""


def train(config):
    corpus = data.load_corpus(config.data, config.test)
    run = training.start(config, "crf", config.model)
    sentences, held_out = data.split(corpus.train, config.validation, config.seed)
    features = features_of(run, sentences, corpus.source)
    model = BUILDERS[config.model](features, config.dropout)

    batches = data.training_batches(run, sentences, features, config.rare)
    val_batches = data.ValidationBatches(run, held_out, features)
    rate = training.learning_rate(config, config.epochs * batches.steps, cosine=2e-3, article=1e-3)
    # jit_compile="auto": on CPUs the recursion alone is compiled
    model.compile(keras.optimizers.Adam(rate), loss=[None, CRFLoss()], jit_compile="auto")
    callbacks = [Example(features, held_out)]
    if config.lists:
        callbacks.insert(0, UnseenAsUnknown(features, sentences))
    model.fit(batches, validation_data=val_batches,
              **run.fit_options(*callbacks, monitor="val_f1", best=max))

    segmenter = Segmenter.load(run.folder)
    report.draw_transitions(segmenter.model.get_layer("crf"), run.path("transitions.png"))
    plots.save_curves(run.state["log"], run.path("loss.png"))
    metrics = report.scores(segmenter.segment, corpus.test, data.words_in(corpus.train))
    metrics["illegal_pairs_per_thousand"] = report.illegal_pairs(segmenter, corpus.test)
    run.finish(corpus.describe(), metrics)
    return run


def features_of(run, sentences, source):
    """The characters, bigrams and words of --lists or of the training sentences, kept in the run folder."""
    if run.config.lists:
        features = Features.load(named_path(run.config.lists, "--lists"))
    else:
        features = Features.of(sentences)
    run.save_vocab(features.vocab, source)
    features.save(run.folder)
    return features


EXAMPLES = [
    "今天天气不错，我们去公园散步吧。",
    "科学空间是一个介绍数学和机器学习的博客。",
    "结婚的和尚未结婚的都来了。",
]

if __name__ == "__main__":
    cli.main(train, Config, __doc__)
