"""基于CNN的阅读理解式问答模型：DGCNN (reading comprehension by CNN): https://kexue.fm/archives/5409, and with code 6906

A question and a passage become one sequence: the question, pooled to a vector, stands beside every character of the passage.
Gated convolutions of growing dilation read it; at every character two numbers say whether an answer begins and ends there,
and one for the passage says whether it has an answer at all. A passage may hold an answer several times, or none.

    article                                   here
    Y = X⊗(1−σ) + Conv1D₁(X)⊗σ, eq. (3)       GatedConv1D(combination="highway", open_gate="replace")
    膨胀率 1 2 4 8 16 1                        RATES
    λ = softmax(αᵀ tanh(Wx)), eq. (4)         AttentionPooling1D
    p^global · p^start, eq. (8)               ProductLogits
    focal loss, kexue.fm 4733                 span_loss
    Σs² / (1 + Σs)                            vote in reading.py

    python dgcnn/train.py                               characters alone
    python dgcnn/train.py --train-vectors               with word vectors trained on the training passages
    python dgcnn/train.py --vectors word2vec.txt        with given ones
    python dgcnn/train.py --features                    with the match features of 2018
    python dgcnn/train.py --without dilation            or gate, focal, global, cropping: what each is worth
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import functools
from dataclasses import dataclass
from typing import ClassVar, Literal

import keras
from keras import layers, ops

from common import plots, runs
from common.attention import AttentionPooling1D
from common.gated_conv import gated_conv_stack
from common.losses import ProductLogits, focal_loss
from common.vocab import FIRST, Vocab
from dgcnn import data, evaluate, vectors
from dgcnn.data import Encoder
from dgcnn.features import COUNT, fold
from dgcnn.layers import Beside, ResidualConv1D
from dgcnn.reading import Reader

QUESTION_RATES, RATES = [1, 2, 1], [1, 2, 4, 8, 16, 1]     # the last 1: after the far the near once more


@dataclass
class Config(runs.BaseConfig):
    builtin: ClassVar[str] = "sample"
    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 2e-3
    """Rate of Adam; a tenth of it in the last part of the training, see fine."""
    fine: float = 0.25
    """The last share of the steps, with a tenth of the learning rate."""
    average: float = 0.999
    """Decay of the moving average of the weights, which is what validates, is saved and answers."""
    vectors: str = ""
    """A file of word vectors, of word2vec, fastText or gensim. Empty: none."""
    train_vectors: bool = False
    """Trains word vectors on the training questions and passages first."""
    vector_dim: int = 48
    """Numbers of a word vector that is trained here."""
    max_words: int = 24000
    """Word vectors that the model keeps, those of the data's most frequent words first."""
    features: bool = False
    """The eight match features of the 2018 article, which the release of 2019 left out."""
    without: Literal["", "dilation", "gate", "focal", "global", "cropping"] = ""
    """What is left out, to measure its worth."""
    width: int = 128
    """Channels of the embedding and of every convolution."""
    dropout: float = 0.1
    """Share of the embedding's values and of the gates that are dropped in training."""
    max_length: int = 256
    """Characters of a passage that the model sees at once; longer ones are cropped in training and read in windows."""
    exchange: float = 0.1
    """Share of training samples whose passage is exchanged for one without the answer."""
    hide: float = 0.1
    """Share of characters and words that are made unknown in training, anew in every epoch."""
    min_count: int = 2
    """A character that occurs less often in the training texts is unknown."""


# -------------------------------------------------------------------------------------------------------------- model

def build_dgcnn(characters, words=0, vector_dim=0, width=128, dropout=0.1, without="", features=False):
    """Numbers of a question and a passage → logits of start and end, (batch, passage, 2).

    Inputs: the question's characters, its words' numbers if there are vectors, the passage's characters, its words', and
    its features if there are some."""
    character = layers.Embedding(characters, width, mask_zero=True, name="characters")
    if words:                                         # a word's vector stands at each of its characters
        vector = layers.Embedding(words, vector_dim, mask_zero=True, trainable=False, embeddings_initializer="zeros",
                                  name="vectors")
        project = layers.Dense(width, use_bias=False, name="project")

    def text(name):
        ids = [keras.Input((None,), dtype="int32", name=name + part) for part in ["", "_words"][:1 + bool(words)]]
        h = character(ids[0])
        h = layers.Add()([h, project(vector(ids[1]))]) if words else h        # 字词混合Embedding
        return ids, layers.Dropout(dropout)(h)

    encode = functools.partial(convolutions, dropout=dropout, without=without)
    question, q = text("question")
    q = AttentionPooling1D(name="question_attention")(encode(q, QUESTION_RATES))               # eq. (4)

    passage, h = text("passage")
    shared = [keras.Input((None, COUNT), name="features")] * features                          # 人工特征, of 2018
    h = layers.Dense(width, use_bias=False)(Beside()([h, q, *shared]))
    h = Beside()([encode(h, RATES), q])
    z = layers.Dense(2, name="start_end")(h)                                                   # eq. (7)
    if without != "global":
        o = AttentionPooling1D(name="passage_attention")(h)
        z = ProductLogits()([z, layers.Dense(1, name="global")(o)])                            # eq. (8)
    return keras.Model(question + passage + shared, layers.Activation("linear", dtype="float32")(z), name="dgcnn")


def convolutions(h, rates, dropout, without):
    """One gated convolution for each rate, eq. (3)."""
    rates = [1] * len(rates) if without == "dilation" else rates
    if without != "gate":
        return gated_conv_stack(h, rates, combination="highway", open_gate="replace", gate_dropout=dropout)
    for rate in rates:
        h = layers.Dropout(dropout)(ResidualConv1D(h.shape[-1], 3, dilation_rate=rate)(h))
    return h


# --------------------------------------------------------------------------------------------------------------- loss

def span_loss(y, z, focal=True):
    """Focal loss of start plus that of end, (batch, time), times 100 as in the author's code: Adam's ε should not matter.

    Keras takes the mean over the passages' characters without padding."""
    return 100 * ops.sum(focal_loss(y, z) if focal else focal_loss(y, z, alpha=None, gamma=0.0), axis=-1)


# ----------------------------------------------------------------------------------------------------------- training

class Averages(keras.callbacks.SwapEMAWeights):
    """At an epoch's end the averaged weights come into the model and the others aside, until the next one begins."""

    def __init__(self, run):
        super().__init__(swap_on_epoch=True)
        self.run = run

    def on_train_begin(self, logs=None):
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        if self.run.epoch:                            # Checkpoint, after this, restores weights that were swapped
            super().on_epoch_end(0)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if keras.backend.backend() == "jax":          # the last epoch's weights and averages are one array there, which the
            for variable in self.model.optimizer.variables:                  # next prediction would give back to JAX
                variable.assign(ops.copy(variable.value))

    def on_predict_begin(self, logs=None):            # the base class would swap once more
        pass

    on_predict_end = on_test_begin = on_test_end = on_predict_begin


class Validation(keras.callbacks.Callback):
    """Answers the validation questions after every epoch, and shows a few: one sees the model learn."""

    def __init__(self, questions, encode, size):
        super().__init__()
        self.questions, self.encode, self.size = questions, encode, size

    def on_train_begin(self, logs=None):
        self.reader = Reader(self.model, self.encode, self.size)       # once: it compiles the model

    def on_epoch_end(self, epoch, logs=None):
        answered = evaluate.answer_all(self.reader, self.questions)
        logs.update({f"val_{name}": value for name, value in evaluate.mean_scores(answered).items()})
        for row in answered[:4]:
            print(f"    {row['question']} → {row['answer'] or '(none)'}   [{'/'.join(row['right']) or 'none'}]", flush=True)


def train(config):
    for name, least, limit in [("fine", 0, 1), ("average", 0, 0.99999), ("dropout", 0, 0.9), ("exchange", 0, 1),
                               ("hide", 0, 1), ("width", 2, 4096), ("vector_dim", 1, 4096), ("max_words", 1, 10**7),
                               ("max_length", 32, 4096), ("min_count", 1, 10**6)]:
        if not least <= getattr(config, name) <= limit:
            raise runs.InputError(f"{runs.option(name)} expects {least} to {limit:,}. Received: {getattr(config, name)}")
    if config.vectors and config.train_vectors:
        raise runs.InputError("expected --vectors with a file or --train-vectors. Received: both")
    questions = data.load_questions(config.data)
    if not questions.train or not questions.test:
        raise runs.InputError(f"expected questions to train on and to test on. Received: {len(questions.train)} and "
                              f"{len(questions.test)} in {questions.source}")
    texts = dict.fromkeys(fold(text) for q in questions.train for text in (q.text, *(p.text for p in q.passages)))
    vocab = Vocab.from_texts(texts, config.min_count)
    words, table = (vectors.train_vectors(questions.train, config.vector_dim, config.max_words, config.seed)
                    if config.train_vectors else
                    vectors.load_vectors(config.vectors, vectors.word_counts(questions.train), config.max_words)
                    if config.vectors else ([], None))
    encode = Encoder(vocab, words, config.features)
    name = "-".join([f"without-{config.without}" if config.without else "article", *["vectors"] * bool(words),
                     *["features"] * config.features])
    run = runs.start(config, "dgcnn", name)
    if config.resume and run.path("vocab.json").exists() and Vocab.load(run.path("vocab.json")) != vocab:
        raise runs.InputError(f"the questions of {questions.source} changed since {run.folder} began. Start a new run.")
    encode.save(run.folder)
    model = build_dgcnn(len(vocab), len(words) and len(words) + FIRST, len(words) and table.shape[1], config.width,
                        config.dropout, config.without, config.features)
    if words:
        embedding = model.get_layer("vectors")
        embedding.embeddings.assign(ops.pad(table, [[FIRST, 0], [0, 0]]))      # unknown words keep a vector of zeros

    batches = data.Batches(run, questions.train, encode, config.max_length, config.without != "cropping", config.exchange,
                           config.hide)
    steps = config.epochs * len(batches)
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([round(steps * (1 - config.fine))],
                                                             [config.learning_rate, config.learning_rate / 10])
    model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=config.average),
                  functools.partial(span_loss, focal=config.without != "focal"), jit_compile="auto")
    held_out = questions.validation or questions.test
    if not questions.validation:
        print("NOTE: too few questions for a validation of their own; the test questions choose the epoch.", flush=True)
    model.fit(
        batches, shuffle=False, epochs=config.epochs, initial_epoch=run.epoch, verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[Averages(run), Validation(held_out, encode, config.max_length),
                   runs.Checkpoint(run, monitor="val_score", best=max)],
    )
    plots.save_curves(run.state["log"], run.path("loss.png"))
    reader = Reader(runs.load_model(run.folder), encode, config.max_length)
    answered = evaluate.answer_all(reader, questions.test)
    evaluate.write_answers(answered, run.path("answers.jsonl"))
    evaluate.draw_example(reader, questions.test[0], run.path("example.png"))
    run.finish({**questions.describe(), "samples": len(batches.samples), "characters": len(vocab), "words": len(words)},
               evaluate.metrics(answered))
    return run


if __name__ == "__main__":
    runs.main(train, Config, __doc__)
