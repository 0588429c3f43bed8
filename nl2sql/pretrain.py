"""Pre-trains a small BERT by masked language modelling, for those who have no checkpoint: 4 layers × 128.

Of each line 15 % of the characters are hidden and guessed again from the rest. A line is a question with its
columns, as the parser will read it, so the hidden character of a column often stands in the question:
guessing it teaches what the parser needs most, to look for the same characters on the other side. Any other
text helps as well.

    python nl2sql/pretrain.py                               the training questions of the built-in corpus
    python nl2sql/pretrain.py --data sample,my_texts.txt    and texts of one's own, a line or paragraph a line
    python nl2sql/train.py                                  takes what was written last
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nl2sql import legacy_keras  # first: from here on `import keras` means tf_keras

# isort: split

from dataclasses import dataclass
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf

from common.harness import cli, plots
from common.harness.order import by_length
from common.harness.reading import InputError
from nl2sql.bert import build_bert, save_bert, small_bert
from nl2sql.characters import Characters
from nl2sql.encoder import Encoder, padded
from nl2sql.lines import load_material
from nl2sql.training import BaseConfig, ShuffledBatches, cosine_rate, start

HIDDEN = 0.15            # of the characters of a line


def build_masked(bert):
    """BERT with the head that guesses hidden characters; its loss is −log p in nats, the mean over them."""
    places = keras.Input((None,), dtype="int32", name="places")
    answers = keras.Input((None,), dtype="int32", name="answers")
    # only hidden places: the softmax is most of the work
    h = tf.gather(bert.model.output, places, batch_dims=1)
    h = bert.apply(h, keras.layers.Dense, units=bert.embedding_size, activation=bert.hidden_act,
                   kernel_initializer=bert.initializer, name="MLM-Dense")
    h = bert.apply(h, legacy_keras.layers.LayerNormalization, epsilon=1e-12, name="MLM-Norm")
    # tied weights
    h = bert.apply(h, legacy_keras.layers.Embedding, arguments={"mode": "dense"}, name="Embedding-Token")
    logits = bert.apply(h, legacy_keras.layers.ScaleOffset, scale=False, name="MLM-Bias")
    network = keras.Model([*bert.model.inputs, places, answers], logits, name="masked")
    mask = tf.cast(answers > 0, "float32")
    losses = keras.losses.sparse_categorical_crossentropy(answers, logits, from_logits=True)
    right = tf.cast(tf.argmax(logits, -1, "int32") == answers, "float32")
    network.add_loss(tf.reduce_sum(losses * mask) / tf.reduce_sum(mask))
    network.add_metric(tf.reduce_sum(right * mask) / tf.reduce_sum(mask), name="accuracy")
    return network



class MaskedBatches(ShuffledBatches):
    """Batches of lines with hidden characters.

    Args:
        run: see ShuffledBatches; None hides the same characters in every epoch, for validation.
        lines: the lines.Lines.
        vocab: Characters.
        batch_size: lines in a batch.
    """

    def __init__(self, run, lines, vocab, batch_size):
        self.lines, self.vocab, self.batch_size = lines, vocab, batch_size
        super().__init__(run)

    def plan(self, rng):
        return by_length([len(line.tokens) for line in self.lines], self.batch_size, rng)

    def item(self, rows, rng):
        lines = [self.lines[i] for i in rows]
        hidden = [drawn(line.places, rng) for line in lines]
        tokens, answers = padded([line.tokens for line in lines]), []
        for row, places in zip(tokens, hidden):
            answers.append(row[places])
            row[places] = self._disguised(row[places], rng)
        return ({"Input-Token": tokens, "Input-Segment": padded([line.segments for line in lines]),
                 "places": padded(hidden), "answers": padded(answers)},)

    def _disguised(self, tokens, rng):
        """Of 100 hidden characters 80 become [MASK], 10 random ones, and 10 stay as they are."""
        chance = rng.random(len(tokens))
        others = rng.choice(self.vocab.han, len(tokens))
        return np.where(chance < 0.8, self.vocab.mask, np.where(chance < 0.9, others, tokens))


def drawn(places, rng):
    """The places that are hidden: 15 % of them, and one at least."""
    return rng.permutation(places)[:max(1, round(HIDDEN * len(places)))]


@dataclass
class Config(BaseConfig):
    epochs: int = 3
    batch_size: int = 64
    data: str = ""
    """Texts, separated by commas: sample, folders in TableQA's format, or text files; of .json files, the
    entry "question" of each line. Empty: the built-in corpus, and TableQA's training questions where
    KEXUE_DATA has them, or, of a copy that has nothing else, its validation questions."""
    width: Annotated[int, cli.Between(16, 4096)] = 128
    """Channels of the network."""
    depth: Annotated[int, cli.Between(1, 48)] = 4
    """Layers of the network."""
    max_length: Annotated[int, cli.Between(32, 512)] = 160
    """Tokens of a line; longer texts are cut into several."""


def pretrain(config):
    material = load_material(config.data)
    if config.smoke:
        material = material.first(200)
    vocab = Characters.from_texts(material.all_texts())
    lines = material.lines(Encoder(vocab, config.max_length))
    if len(lines) < 10:
        raise InputError(f"expected at least 10 lines of text. Received: {len(lines)} in {config.data}")
    bert_config = small_bert(vocab, config.width, config.depth, config.max_length)
    run = start(config, "bert")
    run.save_vocab(vocab, config.data or "the corpus", "vocab.txt")
    print(f"{len(lines):,} lines, {len(vocab):,} different characters", flush=True)

    training, held_out = split(lines, config.seed)
    bert = build_bert(bert_config, config.seed)
    network = build_masked(bert)
    batches = MaskedBatches(run, training, vocab, config.batch_size)
    rate = cosine_rate(config.learning_rate, config.epochs * len(batches))
    network.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))
    network.fit(batches, validation_data=MaskedBatches(None, held_out, vocab, config.batch_size),
                **run.fit_options(save=lambda: save_bert(run.folder, bert, bert_config, vocab)))

    plots.save_curves(run.state["log"], run.path("loss.png"))
    best = min(run.state["log"], key=lambda row: row["val_loss"])
    run.finish(material.describe(), {"val_masked_nats": best["val_loss"],
                                     "val_masked_accuracy": best["val_accuracy"]})
    return run


def split(lines, seed):
    """(lines to train on, held-out lines): a 50th, and 1,000 at most."""
    order = np.random.default_rng(seed).permutation(len(lines))
    count = max(1, min(1000, len(lines) // 50))
    return [lines[i] for i in order[count:]], [lines[i] for i in order[:count]]


if __name__ == "__main__":
    cli.main(pretrain, Config, __doc__)
