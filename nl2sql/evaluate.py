"""The numbers of README.md: how well a trained model turns questions into SQL, and what follows the model.

    python nl2sql/evaluate.py                             the shipped model on the built-in corpus
    python nl2sql/evaluate.py --run runs/nl2sql/cosine-... --data TableQA
    python nl2sql/evaluate.py --without matching          values stay the words of the question
    python nl2sql/evaluate.py --without repair            conditions stay in the column that the model chose
    python nl2sql/evaluate.py --dialect everyday          what people get who ask such questions
    python nl2sql/train.py --bert none                    without pre-training: this ablation is a training

The test part of a corpus has tables that were never seen. Rows: logical form and execution accuracy, then
each part of the query by itself. `refused` is the share of the questions that the model declines when they
are put to a table they have nothing to do with.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import itertools
import json
from dataclasses import dataclass
from typing import Annotated, Literal

from common.harness import cli
from common.harness.folder import print_metrics
from common.harness.writing import write_lines
from nl2sql.corpus import load_corpus
from nl2sql.parser import WEIGHTS, Parser
from nl2sql.report import as_json, measure, measure_dialect
from nl2sql.scores import logical_form


@dataclass
class Config:
    data: str = "sample"
    """sample, or a folder in TableQA's format."""
    run: pathlib.Path = WEIGHTS
    """Run folder of your own model, to use instead of the shipped one."""
    part: Literal["test", "valid", "train"] = "test"
    """Part of the corpus whose questions are put."""
    without: Literal["", "matching", "repair", "both"] = ""
    """What to leave out after the model, to measure what it is worth."""
    dialect: Literal["tableqa", "everyday"] = "tableqa"
    """tableqa: the article's form. everyday: more kinds of questions; its answers are compared by their
    rows."""
    errors: Annotated[int, cli.Between(0, 10**9)] = 0
    """Wrong queries to print."""
    limit: Annotated[int, cli.Between(1, 10**9)] = 10**9
    """Questions to put at most."""
    out: pathlib.Path | None = None
    """Folder for predictions.jsonl."""


def evaluate(config):
    corpus = load_corpus(config.data)
    records = getattr(corpus, config.part)[:config.limit]
    parser = Parser.load(config.run)
    matching = config.without not in ("matching", "both")
    repair = config.without not in ("repair", "both")
    if config.dialect == "everyday":
        metrics, parses = measure_dialect(parser, records)
    else:
        metrics, parses = measure(parser, records, matching=matching, repair=repair)
    print_metrics(metrics)
    answered = list(zip(records, parses))
    wrong = [pair for pair in answered if not logical_form(pair[1].query, pair[0].query)]
    for record, parse in wrong[:config.errors]:
        print(f"\n{record.question}\n  columns   {', '.join(record.table.columns)}")
        print(f"  expected  {as_json(record.query)}\n  predicted {as_json(parse.query)}")
    if config.out:
        write_lines(config.out / "predictions.jsonl", itertools.starmap(prediction, answered))
    return metrics


def prediction(record, parse):
    """A line of predictions.jsonl."""
    line = {"question": record.question, "table_id": record.table.id, "confidence": parse.confidence,
            "sql": parse.query and parse.query.to_json()}
    return json.dumps(line, ensure_ascii=False)


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
