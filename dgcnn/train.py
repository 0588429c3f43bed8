"""基于CNN的阅读理解式问答模型：DGCNN: https://kexue.fm/archives/5409, and with code 6906

Reading comprehension: a question and a passage become one sequence, in which the question, pooled to a
vector, stands beside every character of the passage. Gated convolutions of growing dilation read it. At every
character two numbers say whether an answer begins and ends there, and one for the passage says whether it has
an answer at all. A passage may hold an answer several times, or none.

    article                                   here
    Y = X⊗(1−σ) + Conv1D₁(X)⊗σ, eq. (3)       GatedConv1D(combination="highway", open_gate="replace")
    膨胀率 1 2 4 8 16 1                        RATES
    λ = softmax(αᵀ tanh(Wx)), eq. (4)         AttentionPooling1D
    p^global · p^start, eq. (8)               ProductLogits
    focal loss, kexue.fm 4733                 span_loss
    Σs² / (1 + Σs)                            vote in reader.py

    python dgcnn/train.py                          characters, word vectors trained on the training texts, the
                                                   match features of 2018 and kinds of things: a score of
                                                   0.624 on WebQA, in an hour on a shared core
    python dgcnn/train.py --recipe article         as 5409 trains: 6 epochs, and 3 from the best at a tenth
    python dgcnn/train.py --recipe release         as 6906 does: no features, up to 120 epochs
    python dgcnn/train.py --vectors word2vec.txt   with given vectors; or none
    python dgcnn/train.py --without dilation       or gate, focal, global, cropping: what each is worth
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import functools
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import keras
from keras import layers, ops

from common.attention import AttentionPooling1D
from common.gated_conv import gated_conv_stack
from common.harness import cli, plots, training
from common.harness.language import in_users_language
from common.harness.reading import InputError
from common.harness.vocab import FIRST, Vocab
from common.losses import ProductLogits, focal_loss
from dgcnn import data, report, vectors
from dgcnn.batches import PassageBatches
from dgcnn.callbacks import Averages, SecondStage, Validation
from dgcnn.features import COUNTS
from dgcnn.layers import Beside, ResidualConv1D
from dgcnn.reader import Reader
from dgcnn.text import Encoder

QUESTION_RATES, RATES = [1, 2, 1], [1, 2, 4, 8, 16, 1]     # the last 1: after the far the near once more


def build_dgcnn(characters, words=0, vector_dim=0, width=128, dropout=0.1, without="", features="",
                inside=False):
    """Numbers of a question and a passage → logits of start and end, (batch, passage, 2).

    With `inside` a third: that of being in an answer, which spans_of weighs long answers by.

    Inputs: the question's characters, its words' numbers if there are vectors, the passage's characters, its
    words', and its features if there are some."""
    embed = mixed_embedding(characters, words, vector_dim, width)
    convolve = functools.partial(convolutions, dropout=dropout, without=without)

    inputs, q = embed("question")
    q = layers.Dropout(dropout)(q)
    q = AttentionPooling1D(name="question_attention")(convolve(q, QUESTION_RATES))       # eq. (4)

    passage, h = embed("passage")
    inputs += passage
    h = layers.Dropout(dropout)(h)
    merged = [h, q]
    if features:                                                                         # 人工特征, of 2018
        shared = keras.Input((None, COUNTS[features]), name="features")
        inputs.append(shared)
        merged.append(shared)
    h = Beside()(merged)
    h = layers.Dense(width, use_bias=False)(h)
    h = convolve(h, RATES)
    h = Beside()([h, q])
    z = layers.Dense(3 if inside else 2, name="start_end")(h)                            # eq. (7)
    if without != "global":
        o = AttentionPooling1D(name="passage_attention")(h)
        p = layers.Dense(1, name="global")(o)
        z = ProductLogits()([z, p])                                                      # eq. (8)
    z = layers.Activation("linear", dtype="float32")(z)
    return keras.Model(inputs, z, name="dgcnn")


def mixed_embedding(characters, words, vector_dim, width):
    """字词混合Embedding: at each character its own vector, and that of the word which covers it.

    Returns a function: name of a text → its inputs, and the vectors. Both texts share the weights."""
    character = layers.Embedding(characters, width, mask_zero=True, name="characters")
    if words:
        vector = layers.Embedding(words, vector_dim, embeddings_initializer="zeros", mask_zero=True,
                                  trainable=False, name="vectors")
        project = layers.Dense(width, use_bias=False, name="project")

    def embed(name):
        ids = keras.Input((None,), dtype="int32", name=name)
        h = character(ids)
        if not words:
            return [ids], h
        word_ids = keras.Input((None,), dtype="int32", name=f"{name}_words")
        h = layers.Add()([h, project(vector(word_ids))])
        return [ids, word_ids], h

    return embed


def convolutions(h, rates, dropout, without):
    """One gated convolution for each rate, eq. (3)."""
    if without == "dilation":
        rates = [1 for _ in rates]
    if without != "gate":
        return gated_conv_stack(h, rates, combination="highway", open_gate="replace", gate_dropout=dropout)
    for rate in rates:
        h = layers.Dropout(dropout)(ResidualConv1D(h.shape[-1], 3, dilation_rate=rate)(h))
    return h


def span_loss(y, z, focal=True):
    """Focal loss of start plus that of end, and of inside where the model has it, (batch, time).

    The factor 100 is that of the author's code: Adam's ε should not matter. Keras takes the mean over the
    passages' characters without padding."""
    if focal:
        losses = focal_loss(y, z, per_label=True)
    else:
        losses = focal_loss(y, z, alpha=None, gamma=0.0, per_label=True)                 # cross-entropy
    return 100 * ops.sum(losses, axis=-1)


# --------------------------------------------------------------------------------------------------- training

# article is 5409, release 6906 with its code. Neither says how many words are hidden, and 5409 no batch size.
RECIPES = {
    "ours": {
        "epochs": 9, "batch_size": 32, "learning_rate": 2e-3, "fine": 0.25, "restart": False, "patience": 0,
        "average": 0.999, "features": "kinds", "inside": True, "max_length": 256, "exchange": 0.3,
        "hide": 0.1, "min_count": 2, "vector_dim": 48, "max_words": 24_000,
    },
    "article": {
        "epochs": 9, "batch_size": 128, "learning_rate": 1e-3, "fine": 1 / 3, "restart": True, "patience": 0,
        "average": 0.0, "features": "match", "inside": False, "max_length": 100, "exchange": 0.0,
        "hide": 0.1, "min_count": 1, "vector_dim": 128, "max_words": 300_000,
    },
    "release": {
        "epochs": 120, "batch_size": 128, "learning_rate": 1e-3, "fine": 0.75, "restart": True, "patience": 5,
        "average": 0.9999, "features": "none", "inside": False, "max_length": 256, "exchange": 0.0,
        "hide": 0.0, "min_count": 16, "vector_dim": 128, "max_words": 300_000,
    },
}


@dataclass
class Config(cli.BaseConfig):
    builtin: ClassVar[str] = "sample"
    recipe: Literal["ours", "article", "release"] = "ours"
    """ours; article: as 5409 trains; release: as 6906 trains. Options without a default here have the
    recipe's, see RECIPES in train.py."""
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    """Learning rate of Adam. The last part of the training, see --fine, has a tenth of it."""
    fine: Annotated[float, cli.Between(0, 1)] | None = None
    """Share of the training, its last part, that has a tenth of the learning rate."""
    restart: bool | None = None
    """Whether the part of --fine begins anew. It then has the best epoch's weights and a new optimizer."""
    patience: Annotated[int, cli.Between(0, 10 ** 6)] | None = None
    """Epochs without gain after which the part of --fine begins early. That takes --restart and happens from
    the 17th epoch on; a score below 0.5 does it then, too. 0: it does not begin early."""
    average: Annotated[float, cli.Between(0, 0.99999)] | None = None
    """Decay of the moving average of the weights. Validation, the saved model and answers use the average."""
    vectors: str = "train"
    """Word vectors: train, none, or a file in word2vec's text or binary form. With train they are trained
    first, on the training questions and passages; with none the model sees characters alone."""
    vector_dim: Annotated[int, cli.Between(1, 4096)] | None = None
    """Numbers of a word vector, where vectors are trained here."""
    max_words: Annotated[int, cli.Between(1, 10 ** 7)] | None = None
    """Word vectors that the model keeps at most. Those of the data's most frequent words come first."""
    features: Literal["kinds", "match", "none"] | None = None
    """Features that the model sees beside the text. match: the eight match features of the 2018 article,
    which the release of 2019 left out. kinds: these, and where a passage names a person, a date, a length
    ..., and whether the question asks for that kind."""
    without: Literal["", "dilation", "gate", "focal", "global", "cropping"] = ""
    """A part of the model to leave out, to measure what it is worth."""
    inside: bool | None = None
    """Whether a third number says of each character how likely it is in an answer. Start and end alone pair
    the start of one answer with the end of another."""
    width: Annotated[int, cli.Between(2, 4096)] = 128
    """Channels of the embedding and of every convolution."""
    dropout: Annotated[float, cli.Between(0, 0.9)] = 0.1
    """Share of the embedding's values and of the gates that are dropped in training."""
    max_length: Annotated[int, cli.Between(32, 4096)] | None = None
    """Characters of a passage that the model sees at once. Longer passages are cropped in training and read
    in windows."""
    longest: Annotated[int, cli.Between(1, 4096)] | None = None
    """Characters of an answer at most. By default the least number that 99 in 100 training answers of every
    file keep to."""
    exchange: Annotated[float, cli.Between(0, 1)] | None = None
    """Share of training samples that get a passage without their answer. Half of these passages are drawn
    from all, half from those of the most similar questions."""
    hide: Annotated[float, cli.Between(0, 1)] | None = None
    """Share of characters and words that training makes unknown, anew in every epoch."""
    min_count: Annotated[int, cli.Between(1, 10 ** 6)] | None = None
    """A character that occurs less often in the training texts is unknown."""


def train(config):
    config = cli.with_recipe(config, RECIPES)
    questions = load(config)
    vocab = Vocab.from_texts(data.texts_of(questions.train), config.min_count)
    words, table = word_vectors(config, questions.train)
    encode = Encoder(vocab, words, "" if config.features == "none" else config.features)
    config = replace(config, longest=config.longest or data.longest_answer(questions.train))
    run = training.start(config, "dgcnn", name_of(config))
    run.save_vocab(vocab, questions.source)
    encode.save_words(run.folder)

    model = build(config, encode, table)
    batches = PassageBatches(run, questions.train, encode, config.max_length, config.without != "cropping",
                             config.exchange, config.hide, config.inside)
    loss = functools.partial(span_loss, focal=config.without != "focal")
    model.compile(optimizer(config, batches.steps), loss, jit_compile="auto")
    validation = Validation(questions.validation or questions.test, encode, config.max_length, config.longest)
    callbacks = [Averages(run), validation]
    if config.restart:
        last = round(config.epochs * (1 - config.fine))
        callbacks.insert(1, SecondStage(run, last, config.patience))
    model.fit(batches, **run.fit_options(*callbacks, monitor="val_score", best=max))

    plots.save_curves(run.state["log"], run.path("loss.png"))
    reader = Reader.load(run.folder)
    reader.calibration = report.calibrate(reader, questions.validation or questions.test)
    reader.calibration.save(run.folder)
    metrics = report.write(reader, questions.test, run.folder)
    sizes = {"samples": batches.samples, "characters": len(vocab), "words": len(words)}
    run.finish({**questions.describe(), **sizes}, metrics)
    return run


def load(config):
    """The questions, some of them to train on and some to test on."""
    questions = data.load_questions(config.data)
    if not questions.train or not questions.test:
        raise InputError(f"expected questions to train on and to test on. Received: {len(questions.train)} "
                         f"and {len(questions.test)} in {questions.source}")
    if not questions.validation:
        print(in_users_language(
            "NOTE: there are too few questions to hold some out for validation: the test questions choose "
            "the epoch.",
            "注意：问题太少，分不出验证集：由测试问题选择最好的一轮。"), flush=True)
    return questions


def word_vectors(config, questions):
    """(words, their vectors), trained or from a file; ([], None) without."""
    if config.vectors == "none":
        return [], None
    if config.vectors == "train":
        return vectors.train_vectors(questions, config.vector_dim, config.max_words, config.seed)
    return vectors.load_vectors(config.vectors, vectors.word_counts(questions), config.max_words)


def name_of(config):
    """The name of a run: what is special about it."""
    parts = [f"without-{config.without}" if config.without else config.recipe]
    if config.vectors != "none":
        parts.append("vectors")
    if config.features == "match":
        parts.append("features")
    if config.features == "kinds":
        parts.append("kinds")
    return "-".join(parts)


def build(config, encode, table):
    options = {"width": config.width, "dropout": config.dropout, "without": config.without,
               "features": encode.features, "inside": config.inside}
    if not encode.words:
        return build_dgcnn(len(encode.vocab), **options)
    model = build_dgcnn(len(encode.vocab), FIRST + len(encode.words), table.shape[1], **options)
    padded = ops.pad(table, [[FIRST, 0], [0, 0]])                    # unknown words keep a vector of zeros
    model.get_layer("vectors").embeddings.assign(padded)
    return model


def optimizer(config, steps):
    """Adam with averaged weights; its rate falls to a tenth for the last part of the steps, which is
    SecondStage's matter where that part starts from the best epoch."""
    rate = config.learning_rate
    if not config.restart:
        boundary = round(config.epochs * steps * (1 - config.fine))
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([boundary], [rate, rate / 10])
    return keras.optimizers.Adam(rate, use_ema=True, ema_momentum=config.average)


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
