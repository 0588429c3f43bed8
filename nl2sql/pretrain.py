"""Pre-trains a small BERT by masked language modelling, for those who have no checkpoint: 4 layers × 128.

Of each line 15 % of the characters are hidden and guessed again from the rest. A line is a question with its columns, as the
parser will read it, so the hidden character of a column often stands in the question: guessing it teaches what the parser
needs most, to look for the same characters on the other side. Any other text helps as well.

    python nl2sql/pretrain.py                                   the training questions of the built-in corpus
    python nl2sql/pretrain.py --data sample,my_texts.txt        and texts of one's own, a line or a paragraph a line
    python nl2sql/train.py                                      takes what was written last
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nl2sql import legacy_keras  # first: from here on `import keras` means tf_keras

# isort: split

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from common import datasets, plots, runs
from nl2sql import data, inputs, model
from nl2sql.train import Checkpoint, small_bert

HIDDEN = 0.15


@dataclass
class Config(runs.BaseConfig):
    builtin: ClassVar[str] = "sample"
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 1e-3
    data: str = ""
    """Comma-separated: sample, folders in TableQA's format, or text files; of .json files the entry "question" of each
    line. Empty: the built-in corpus, and TableQA's training questions where KEXUE_DATA has them, or, of a copy that has
    nothing else, its validation questions."""
    width: int = 128
    """Channels."""
    depth: int = 4
    """Layers."""
    max_length: int = 160
    """Tokens of a line; longer texts are cut into several."""


@dataclass
class Line:
    """Tokens and segments of a text, and the positions that may be hidden."""

    tokens: list
    segments: list
    places: list


def load_lines(config):
    """(describe() of the data, texts for the vocabulary, a function from an Encoder to the Lines)."""
    names = [name.strip() for name in config.data.split(",") if name.strip()]
    if not names:
        folder = datasets.find("tableqa")
        found = folder if folder and data.is_corpus(folder) else datasets.find("tableqa/val.json")
        names = ["sample"] + ([str(found)] if found else [])
    records, texts, digests = [], [], []
    for name in names:
        path = pathlib.Path(name).expanduser()
        if name == "sample" or path.is_dir():
            corpus = data.load_corpus(name)
            records += corpus.train
            digests.append(corpus.sha256)
        elif path.is_file():
            texts += read_texts(path)
            digests.append(datasets.sha256_of(path))
        else:
            raise runs.InputError(f"--data expects sample, a folder in TableQA's format or text files. Received: {name}")
    if config.smoke:
        records, texts = records[:200], texts[:200]
    described = {"name": "+".join(pathlib.Path(name).name for name in names), "builtin": names == ["sample"],
                 "sha256": hashlib.sha256("".join(digests).encode()).hexdigest(), "train": len(records) + len(texts)}

    def lines(encoder):
        found = []
        for record in records:
            line = encoder.encode(encoder.prepare(record.question, record.table))
            found.append(Line(line.tokens, line.segments, [i for i, n in enumerate(line.tokens) if n > encoder.vocab.mask]))
        for text in texts:
            for at in range(0, len(text), encoder.max_length - 2):      # for [CLS] and [SEP]
                tokens = encoder.vocab.encode(text[at:at + encoder.max_length - 2])
                found.append(Line([encoder.vocab.cls, *tokens, encoder.vocab.sep], [0] * (len(tokens) + 2),
                                  list(range(1, len(tokens) + 1))))
        return [line for line in found if line.places]

    return described, [r.question for r in records] + [c for r in records for c in r.table.header] + texts, lines


def read_texts(path):
    """The lines of a text file, or the questions of a .json file of TableQA's form."""
    if path.suffix in (".json", ".jsonl"):
        return [str(line.get("question", "")) for line, _ in data.json_lines(path)]
    return [text for line in datasets.read_text(path).splitlines() if (text := data.clean(line))]


class Masked(keras.utils.Sequence):
    """Batches of lines with hidden characters: of 100 hidden ones 80 are [MASK], 10 random, and 10 stay as they are.

    Args:
        run: the Run, whose seed and epoch decide which are hidden; None hides the same in every epoch, for validation.
    """

    def __init__(self, run, lines, vocab, batch_size):
        self.run, self.lines, self.vocab, self.batch_size = run, lines, vocab, batch_size
        self.on_epoch_end()

    def on_epoch_end(self):
        self.key = [self.run.config.seed, self.run.epoch] if self.run else [0]
        lengths = [len(line.tokens) for line in self.lines]
        self.order = inputs.by_length(lengths, self.batch_size, np.random.default_rng(self.key))

    def __len__(self):
        return len(self.order)

    def __getitem__(self, index):
        generator = np.random.default_rng([*self.key, index])
        lines = [self.lines[i] for i in self.order[index]]
        chosen = [generator.permutation(line.places)[:max(1, round(HIDDEN * len(line.places)))] for line in lines]
        tokens, segments = (np.zeros((len(lines), max(len(line.tokens) for line in lines)), "int32") for _ in range(2))
        places, answers = (np.zeros((len(lines), max(map(len, chosen))), "int32") for _ in range(2))
        for row, (line, hidden) in enumerate(zip(lines, chosen)):
            tokens[row, :len(line.tokens)], segments[row, :len(line.segments)] = line.tokens, line.segments
            places[row, :len(hidden)], answers[row, :len(hidden)] = hidden, tokens[row, hidden]
            how = generator.random(len(hidden))
            guess = generator.choice(self.vocab.han, len(hidden))
            tokens[row, hidden] = np.where(how < 0.8, self.vocab.mask, np.where(how < 0.9, guess, tokens[row, hidden]))
        return ({"Input-Token": tokens, "Input-Segment": segments, "places": places, "answers": answers},)


def build_masked(bert):
    """BERT with the head that guesses hidden characters; its loss is −log p in nats, the mean over them."""
    places, answers = (keras.Input((None,), dtype="int32", name=name) for name in ("places", "answers"))
    h = tf.gather(bert.model.output, places, batch_dims=1)       # only hidden places: the softmax is most of the work
    h = bert.apply(h, keras.layers.Dense, units=bert.embedding_size, activation=bert.hidden_act,
                   kernel_initializer=bert.initializer, name="MLM-Dense")
    h = bert.apply(h, legacy_keras.layers.LayerNormalization, epsilon=1e-12, name="MLM-Norm")
    h = bert.apply(h, legacy_keras.layers.Embedding, arguments={"mode": "dense"}, name="Embedding-Token")   # tied weights
    logits = bert.apply(h, legacy_keras.layers.ScaleOffset, scale=False, name="MLM-Bias")
    network = keras.Model([*bert.model.inputs, places, answers], logits, name="masked")
    mask = tf.cast(answers > 0, "float32")
    losses = keras.losses.sparse_categorical_crossentropy(answers, logits, from_logits=True)
    right = tf.cast(tf.argmax(logits, -1, "int32") == answers, "float32")
    network.add_loss(tf.reduce_sum(losses * mask) / tf.reduce_sum(mask))
    network.add_metric(tf.reduce_sum(right * mask) / tf.reduce_sum(mask), name="accuracy")
    return network


def pretrain(config):
    for name, least, most in [("width", 16, 4096), ("depth", 1, 48), ("max_length", 32, 512)]:
        if not least <= getattr(config, name) <= most:
            raise runs.InputError(f"{runs.option(name)} expects {least} to {most:g}. Received: {getattr(config, name)}")
    described, texts, lines = load_lines(config)
    vocab = inputs.Characters.from_texts(texts)
    lines = lines(inputs.Encoder(vocab, config.max_length))
    if len(lines) < 10:
        raise runs.InputError(f"expected at least 10 lines of text. Received: {len(lines)} in {config.data}")
    run = runs.start(config, "nl2sql", "bert")
    print(f"{len(lines):,} lines, {len(vocab):,} different characters", flush=True)
    bert_config = small_bert(vocab, config.width, config.depth, config.max_length)
    order = np.random.default_rng(config.seed).permutation(len(lines))
    held_out = max(1, min(1000, len(order) // 50))
    training, held_out = ([lines[i] for i in part] for part in (order[held_out:], order[:held_out]))
    bert = model.build_bert(bert_config, config.seed)
    network = build_masked(bert)
    batches, checks = Masked(run, training, vocab, config.batch_size), Masked(None, held_out, vocab, config.batch_size)
    rate = runs.cosine_rate(config.learning_rate, config.epochs * len(batches))
    network.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))

    checkpoint = Checkpoint(run, lambda: model.save(run.folder, bert, bert_config, vocab), "val_loss", min)
    network.fit(batches, validation_data=checks, shuffle=False, epochs=config.epochs, initial_epoch=run.epoch,
                verbose=1 if sys.stdout.isatty() else 2, callbacks=[checkpoint])
    plots.save_curves(run.state["log"], run.path("loss.png"))
    last = min(run.state["log"], key=lambda row: row["val_loss"])
    run.finish(described, {"val_masked_nats": last["val_loss"], "val_masked_accuracy": last["val_accuracy"]})
    return run


if __name__ == "__main__":
    runs.main(pretrain, Config, __doc__)
