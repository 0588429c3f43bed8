"""基于Bert的NL2SQL模型：一个简明的Baseline (NL2SQL by BERT, a concise baseline): https://kexue.fm/archives/6771

A question about a table becomes SQL without generating any: BERT reads the question and the names of the
columns, one after another, and four classifiers on top of it fill in the blanks of SELECT agg(column) WHERE
column op value AND/OR ...

    article                                      here
    [CLS]问题[SEP] [CLS]列名[SEP] ...             encoder.Encoder
    条件连接符: first [CLS], 3 classes             the output "connector" of model.build_parser
    select 的列与聚合: each column's [CLS], 7       "select": 6 aggregates, or not selected
    条件值与运算符: each character, 5               "operator": 4 operators, or no value
    条件列: character × column, softmax           "column": tanh(W₁ x + W₂ y) → Dense(1)
    四个交叉熵之和                                 model.parser_loss
    值的校正                                      matcher.Matcher, applied by decode.py

    python nl2sql/pretrain.py && python nl2sql/train.py     a small BERT of one's own, on the built-in corpus:
        logical form 0.83, execution 0.85 on tables never seen, in 50 minutes on one core of an AMD EPYC
    python nl2sql/train.py --recipe article --bert chinese_wwm_L-12_H-768_A-12
        --data TableQA
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import keras
import numpy as np

from common.harness import cli, plots
from common.harness.language import in_users_language
from common.harness.order import by_length
from common.harness.paths import named_path
from common.harness.reading import InputError
from common.harness.writing import shown
from nl2sql.augment import Samples
from nl2sql.bert import build_bert, load_weights, read_bert, small_bert
from nl2sql.characters import Characters
from nl2sql.corpus import load_corpus
from nl2sql.encoder import SEGMENTS, Encoder
from nl2sql.model import build_parser, parser_loss, save_parser
from nl2sql.parser import Parser
from nl2sql.published import Published
from nl2sql.report import as_json, measure
from nl2sql.scores import scores
from nl2sql.training import BaseConfig, ShuffledBatches, cosine_rate, start

# ------------------------------------------------------------------------------------------------------ model


def build_training(parser):
    """The parser with its labels as inputs too, and its loss."""
    labels = [
        keras.Input((), dtype="int32", name="connector_label"),
        keras.Input((None,), dtype="int32", name="select_label"),
        keras.Input((None,), dtype="int32", name="operator_label"),
        keras.Input((None,), dtype="int32", name="column_label"),
    ]
    named = {tensor.name: tensor for tensor in parser.inputs}
    network = keras.Model([*parser.inputs, *labels], parser.outputs, name="training")
    network.add_loss(parser_loss(parser.outputs, labels, named["character_mask"], named["header_mask"]))
    return network


# --------------------------------------------------------------------------------------------------- training

class ArticleRate(keras.optimizers.schedules.LearningRateSchedule):
    """0 to the peak in the first epoch, down to a fifth in the second, constant from then on."""

    def __init__(self, peak, steps):
        self.peak, self.steps = peak, steps

    def __call__(self, step):
        passed = keras.backend.cast(step, "float32") / self.steps
        return self.peak * keras.backend.minimum(passed, keras.backend.maximum(0.2, 1 - 0.8 * (passed - 1)))

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}


class QuestionBatches(ShuffledBatches):
    """Training batches of labelled lines, questions of like length together.

    Args:
        run: see ShuffledBatches.
        samples: the Samples.
    """

    def __init__(self, run, samples):
        self.samples, self.tokens = samples, samples.lengths()
        super().__init__(run)

    def plan(self, rng):
        return by_length(self.tokens, self.run.config.batch_size, rng)

    def item(self, rows, rng):
        as_it_is = self.run.config.recipe == "article"
        return (self.samples.batch(rows, None if as_it_is else rng),)


class Validation(keras.callbacks.Callback):
    """After each epoch: logical form and execution accuracy on validation questions, and three as SQL."""

    def __init__(self, parser, records):
        super().__init__()
        self.parser, self.records = parser, records

    def on_epoch_end(self, epoch, logs=None):
        parses = self.parser.parse_all([(record.question, record.table) for record in self.records])
        logs |= scores([parse.query for parse in parses], self.records, "val_")
        answered = list(zip(self.records, parses))
        for record, parse in answered[::max(1, len(answered) // 3)][:3]:
            print(f"    {record.question} → {as_json(parse.query)}", flush=True)


RECIPES = {
    "cosine": {"epochs": 10, "batch_size": 16, "unrelated": 0.1, "rename": 0.1},
    "article": {"epochs": 15, "batch_size": 32, "unrelated": 0.0, "rename": 0.0},
}


@dataclass
class Config(BaseConfig):
    epochs: int | None = None
    """Passes over the training questions. By default 10, and 15 in the article's recipe."""
    batch_size: int | None = None
    """Questions in a step. By default 16, and 32 in the article's recipe."""
    learning_rate: float | None = None
    """Peak of the learning rate. By default 1e-3, and the article's 5e-5 for a BERT of 512 channels or
    more."""
    bert: str = ""
    """Folder of a BERT, see bert.py. Empty: what pretrain.py wrote last below --out. none: random weights."""
    recipe: Literal["cosine", "article"] = "cosine"
    """article: the rate rises to its peak in the first epoch, falls to a fifth in the second, then is
    constant; no marks; questions are put as they are, to their own tables, whose columns keep their order;
    measured by published.py."""
    width: Annotated[int, cli.Between(16, 4096)] = 128
    """Channels of a BERT that begins with random weights."""
    depth: Annotated[int, cli.Between(1, 48)] = 4
    """Layers of a BERT that begins with random weights."""
    dropout: Annotated[float, cli.Between(0, 0.9)] = 0.05
    """Dropout rate of a BERT that begins with random weights; one that is loaded has its own. After --resume
    other units are dropped than without the stop."""
    max_length: Annotated[int, cli.Between(32, 512)] = 160
    """Tokens of a question with its columns. Training leaves longer ones out, prediction drops columns."""
    unrelated: Annotated[float, cli.Between(0, 0.9)] | None = None
    """Share of the training questions that are put to a table of another subject. By default 0.1, and 0 in
    the article's recipe."""
    rename: Annotated[float, cli.Between(0, 0.9)] | None = None
    """Share of the headers' characters that training replaces, in the questions too. By default 0.1, and 0 in
    the article's recipe."""
    validation: Annotated[int, cli.Between(1, 10**9)] = 1000
    """Validation questions, at most, that choose the best epoch."""


def train(config):
    config = cli.with_recipe(config, RECIPES)
    folder, corpus = find_bert(config), load(config)
    bert_config, vocab, weights = describe_bert(config, folder, corpus)
    encoder = Encoder(vocab, **bert_config["parser"])
    samples = label(config, corpus, encoder)
    run = start(replace(config, bert=str(folder or "none")), config.recipe)
    run.save_vocab(vocab, corpus.source, "vocab.txt")

    bert = with_weights(build_bert(bert_config, config.seed), weights, folder)
    parser = build_parser(bert)
    network = build_training(parser)
    batches = QuestionBatches(run, samples)
    rate = learning_rate(config, bert_config["hidden_size"], len(batches))
    network.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))
    validation = Validation(decoded(Parser(parser, encoder), config), chosen(corpus.valid, config))
    network.fit(batches, **run.fit_options(
        validation, monitor="val_logical_form", best=max,
        save=lambda: save_parser(run.folder, bert, bert_config, vocab, parser)))

    plots.save_curves(run.state["log"], run.path("loss.png"))
    metrics, _ = measure(decoded(Parser.load(run.folder), config), corpus.test)
    metrics = {f"test_{name}": value for name, value in metrics.items()}
    run.finish({**corpus.describe(), "trained_on": len(samples)}, metrics)
    return run


def find_bert(config):
    """The folder that --bert names, or what pretrain.py wrote last, or None for random weights."""
    if config.bert == "none":
        return None
    if config.bert:
        return named_path(config.bert, "--bert").resolve()
    results = list(pathlib.Path(config.out).glob("nl2sql/bert-*/results.json"))
    if not results:
        print(in_users_language(
            "NOTE: beginning with random weights; run nl2sql/pretrain.py first, or name a BERT with --bert.",
            "注意：从随机权重开始；可先运行 nl2sql/pretrain.py，或用 --bert 指定一个 BERT。"), flush=True)
        return None
    return max(results, key=lambda path: path.stat().st_mtime).parent.resolve()


def load(config):
    """The questions; of each part a few for --smoke."""
    corpus = load_corpus(config.data)
    if config.smoke:
        corpus.train, corpus.valid, corpus.test = corpus.train[:128], corpus.valid[:32], corpus.test[:32]
    return corpus


def describe_bert(config, folder, corpus):
    """(config, Characters, weights) of the BERT to begin with; its config says how lines are encoded."""
    if folder:
        found, vocab, weights = read_bert(folder)
    else:
        vocab = Characters.from_texts(text for r in corpus.train for text in (r.question, *r.table.header))
        found = small_bert(vocab, config.width, config.depth, config.max_length, config.dropout)
        weights = None
    segments = 1 if config.recipe == "article" else min(found.get("type_vocab_size", 2), SEGMENTS)
    length = min(config.max_length, found.get("max_position_embeddings", 512))
    return found | {"parser": {"max_length": length, "segments": segments}}, vocab, weights


def label(config, corpus, encoder):
    """The training questions with their labels: those that can be learnt from."""
    samples = Samples(corpus.train, encoder, config.unrelated, config.rename)
    if not len(samples):
        raise InputError(f"none of the {len(corpus.train)} training questions of {corpus.source} can be "
                         "learnt from: they lack the values of their conditions, or exceed --max-length "
                         f"{config.max_length}")
    print(in_users_language(
        f"{len(samples):,} training questions; {samples.left_out:,} are left out, since they are too long or "
        "lack a value of their conditions",
        f"训练问题 {len(samples):,} 个；略去 {samples.left_out:,} 个：太长，或缺少条件的值"), flush=True)
    return samples


def with_weights(bert, weights, folder):
    """The BERT with the weights that were found in a folder, if there is one."""
    if folder:
        print(f"weights: {shown(folder)}", flush=True)
        load_weights(bert, weights, folder)
    return bert


def learning_rate(config, width, steps):
    """The learning rate of the recipe, for a BERT of `width` channels and epochs of `steps` steps."""
    peak = config.learning_rate or (5e-5 if width >= 512 else 1e-3)
    if config.recipe == "article":
        return ArticleRate(peak, steps)
    return cosine_rate(peak, config.epochs * steps)


def decoded(parser, config):
    """The parser, whose answers are decoded as published in the article's recipe."""
    return Published(parser) if config.recipe == "article" else parser


def chosen(records, config):
    """The validation questions, drawn by the seed."""
    order = np.random.default_rng(config.seed).permutation(len(records))
    return [records[i] for i in order[:config.validation]]


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
