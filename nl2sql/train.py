"""基于Bert的NL2SQL模型：一个简明的Baseline (NL2SQL by BERT, a concise baseline): https://kexue.fm/archives/6771

A question about a table becomes SQL without generating any: BERT reads the question and the names of the columns, one after
another, and four classifiers on top of it fill in the blanks of SELECT agg(column) WHERE column op value AND/OR ...

    article                                      here
    [CLS]问题[SEP] [CLS]列名[SEP] ...             inputs.Encoder
    条件连接符: first [CLS], 3 classes             the output "connector"
    select 的列与聚合: each column's [CLS], 7       "select": 6 aggregates, or not selected
    条件值与运算符: each character, 5               "operator": 4 operators, or no value
    条件列: character × column, softmax           "column": tanh(W₁ x + W₂ y) → Dense(1)
    四个交叉熵之和                                 model.parser_loss
    值的校正                                      values.Matcher, applied by decode.py

    python nl2sql/pretrain.py && python nl2sql/train.py            a small BERT of one's own, on the built-in corpus
    python nl2sql/train.py --recipe article --bert chinese_wwm_L-12_H-768_A-12 --data TableQA --epochs 15 --batch-size 32

The first: logical form 0.83 and execution 0.85 on tables never seen, in 50 minutes on one core of an AMD EPYC.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import dataclasses
import json
from dataclasses import dataclass
from typing import ClassVar, Literal

import keras
import numpy as np

from common import plots, runs
from nl2sql import data, inputs, model
from nl2sql.evaluate import measure
from nl2sql.predict import Parser
from nl2sql.scores import scores


@dataclass
class Config(runs.BaseConfig):
    builtin: ClassVar[str] = "sample"
    epochs: int = 10
    batch_size: int = 16
    learning_rate: float | None = None
    """The peak. By default 1e-3, and the article's 5e-5 for a BERT of 512 channels or more."""
    bert: str = ""
    """Folder of a BERT, see model.py. Empty: what pretrain.py wrote last below --out; none: begin with random weights."""
    recipe: Literal["cosine", "article"] = "cosine"
    """article: 0 to the peak in the first epoch, to a fifth in the second, then constant; no marks; questions as they are,
    to their own tables, whose columns keep their order."""
    width: int = 128
    """Channels of a BERT that begins with random weights."""
    depth: int = 4
    """Its layers."""
    dropout: float = 0.05
    """Of its units and attention; a BERT that is loaded has its own. Its noise is not what it would be without --resume."""
    max_length: int = 160
    """Tokens of a question with its columns. Training leaves longer ones out, prediction drops columns."""
    unrelated: float = 0.1
    """Share of the training questions that are put to a table they have nothing to do with."""
    rename: float = 0.1
    """Share of the headers' characters that training replaces, in the question too."""
    validation: int = 1000
    """Validation questions, at most, that choose the best epoch."""


# ----------------------------------------------------------------------------------------------------------- training

class ArticleRate(keras.optimizers.schedules.LearningRateSchedule):
    """0 to the peak in the first epoch, down to a fifth in the second, constant from then on."""

    def __init__(self, peak, steps):
        self.peak, self.steps = peak, steps

    def __call__(self, step):
        passed = keras.backend.cast(step, "float32") / self.steps
        return self.peak * keras.backend.minimum(passed, keras.backend.maximum(0.2, 1 - 0.8 * (passed - 1)))

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}


class Batches(keras.utils.Sequence):
    """Training batches of one epoch, questions of like length together; their order depends on (seed, epoch) alone."""

    def __init__(self, run, samples):
        self.run, self.samples = run, samples
        self.lengths = [len(prepared.tokens) + sum(len(prepared.headers[i]) + 2 for i in prepared.kept)
                        for _, prepared, _ in samples.items]
        self.on_epoch_end()

    def on_epoch_end(self):
        self.key = [self.run.config.seed, self.run.epoch]
        self.order = inputs.by_length(self.lengths, self.run.config.batch_size, np.random.default_rng(self.key))

    def __len__(self):
        return len(self.order)

    def __getitem__(self, index):
        generator = None if self.run.config.recipe == "article" else np.random.default_rng([*self.key, index])
        return (inputs.pad(*zip(*(self.samples.line(i, generator) for i in self.order[index]))),)


class Validation(keras.callbacks.Callback):
    """After each epoch: logical form and execution accuracy on validation questions, and the first few as SQL."""

    def __init__(self, parser, records):
        super().__init__()
        self.parser, self.records = parser, records

    def on_epoch_end(self, epoch, logs=None):
        parses = self.parser.parse_all([(record.question, record.table) for record in self.records])
        logs |= scores([parse.query for parse in parses], self.records, "val_")
        for record, parse in list(zip(self.records, parses))[:: max(1, len(parses) // 3)][:3]:
            sql = parse.query and parse.query.to_json()
            print(f"    {record.question} → {json.dumps(sql, ensure_ascii=False)}", flush=True)


class Checkpoint(runs.Checkpoint):
    """As everywhere, with the best model in the format of model.py."""

    def __init__(self, run, write, monitor="val_logical_form", best=max):
        super().__init__(run, monitor, best)
        self.write = write

    def save_best(self):
        try:
            self.write()
        except runs.InputError as error:
            raise runs.InputError(f"{error} Received: step {int(self.model.optimizer.iterations):,}") from error


def build_training(parser):
    """The parser with its labels as inputs too, and its loss."""
    shapes = {"connector_label": (), "select_label": (None,), "operator_label": (None,), "column_label": (None,)}
    answers = [keras.Input(shape, dtype="int32", name=name) for name, shape in shapes.items()]
    named = {tensor.name: tensor for tensor in parser.inputs}
    training = keras.Model([*parser.inputs, *answers], parser.outputs, name="training")
    training.add_loss(model.parser_loss(parser.outputs, answers, named["character_mask"], named["header_mask"]))
    return training


def find_bert(config):
    """The folder that --bert names, or what pretrain.py wrote last, or None for random weights."""
    if config.bert == "none":
        return None
    if config.bert:
        return pathlib.Path(config.bert).expanduser()
    found = [path.parent for path in pathlib.Path(config.out).glob("nl2sql/bert-*/results.json")]
    if not found:
        print("NOTE: beginning with random weights; run nl2sql/pretrain.py first, or name a BERT with --bert.", flush=True)
        return None
    return max(found, key=lambda folder: folder.joinpath("results.json").stat().st_mtime)


def small_bert(vocab, width, depth, max_length, dropout=0.1):
    """The configuration of a BERT for two CPU cores, in Google's words.

    A RoFormer (kexue.fm 8265): positions turn queries and keys, so that "the character before" is learnt once and not anew
    for each position, which takes long from random weights.
    """
    if width % (32 if width > 32 else 2):
        raise runs.InputError(f"--width expects a multiple of 32, the size of an attention head. Received: {width}")
    return {"model": "roformer", "vocab_size": len(vocab), "hidden_size": width, "num_hidden_layers": depth,
            "intermediate_size": 4 * width, "num_attention_heads": width // 32 or 1, "hidden_act": "gelu",
            "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout,
            "max_position_embeddings": max_length, "type_vocab_size": inputs.SEGMENTS}


def check(config):
    for name, least, most in [("width", 16, 4096), ("depth", 1, 48), ("max_length", 32, 512), ("dropout", 0, 0.9),
                              ("unrelated", 0, 0.9), ("rename", 0, 0.9), ("validation", 1, 10**9)]:
        if not least <= getattr(config, name) <= most:
            raise runs.InputError(f"{runs.option(name)} expects {least} to {most:g}. Received: {getattr(config, name)}")


def train(config):
    check(config)
    folder = find_bert(config)
    corpus = data.load_corpus(config.data)
    if config.smoke:
        corpus.train, corpus.valid, corpus.test = corpus.train[:128], corpus.valid[:32], corpus.test[:32]
    if folder:
        bert_config, vocab, weights = model.read_bert(folder)
    else:
        vocab = inputs.Characters.from_texts(text for r in corpus.train for text in (r.question, *r.table.header))
        bert_config = small_bert(vocab, config.width, config.depth, config.max_length, config.dropout)
    config = dataclasses.replace(config, bert=str(folder.resolve()) if folder else "none")     # what --resume begins with
    run = runs.start(config, "nl2sql", config.recipe)
    before = run.path("vocab.txt")
    if config.resume and before.exists() and inputs.Characters.load(before).tokens != vocab.tokens:
        raise runs.InputError(f"the questions of {corpus.source} changed since {run.folder} began. Start a new run.")
    vocab.save(before)
    length = min(config.max_length, bert_config.get("max_position_embeddings", 512))
    segments = 1 if config.recipe == "article" else min(bert_config.get("type_vocab_size", 2), inputs.SEGMENTS)
    bert_config["parser"] = {"max_length": length, "segments": segments}
    encoder = inputs.Encoder(vocab, length, segments)
    samples = inputs.Samples(corpus.train, encoder, config.unrelated, config.rename)
    if not len(samples):
        raise runs.InputError(f"none of the {len(corpus.train)} training questions of {corpus.source} can be learnt from: "
                              f"they lack the values of their conditions, or exceed --max-length {config.max_length}")
    print(f"{len(samples):,} training questions; left out are {samples.left_out:,} that are too long, or without a value of "
          f"their conditions", flush=True)

    bert = model.build_bert(bert_config, config.seed)
    if folder:
        print(f"weights: {runs.shown(folder)}", flush=True)
        model.load_weights(bert, weights, folder)
    network = model.build_parser(bert)
    training = build_training(network)
    batches = Batches(run, samples)
    peak = config.learning_rate or (5e-5 if bert_config["hidden_size"] >= 512 else 1e-3)
    rate = (ArticleRate(peak, len(batches)) if config.recipe == "article"
            else runs.cosine_rate(peak, config.epochs * len(batches)))
    training.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))
    order = np.random.default_rng(config.seed).permutation(len(corpus.valid))[:config.validation]
    training.fit(
        batches, shuffle=False, epochs=config.epochs, initial_epoch=run.epoch,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[Validation(Parser(network, encoder), [corpus.valid[i] for i in order]),
                   Checkpoint(run, lambda: model.save(run.folder, bert, bert_config, vocab, network))],
    )
    plots.save_curves(run.state["log"], run.path("loss.png"))
    found, _ = measure(Parser.load(run.folder), corpus.test)
    run.finish({**corpus.describe(), "trained_on": len(samples)}, {f"test_{name}": value for name, value in found.items()})
    return run


if __name__ == "__main__":
    runs.main(train, Config, __doc__)
