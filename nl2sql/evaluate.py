"""How well a trained model turns questions into SQL, on the test part of a corpus; with ablations of what follows the model.

    python nl2sql/evaluate.py                                    the shipped model on the built-in corpus, unseen schemas
    python nl2sql/evaluate.py --run runs/nl2sql/cosine-... --data TableQA
    python nl2sql/evaluate.py --without matching                 values stay the words of the question
    python nl2sql/evaluate.py --without repair                   conditions stay in the column that the model chose
    python nl2sql/train.py --bert none                         without pre-training: this ablation is a training

Rows: logical form and execution accuracy, then each part of the query by itself. `refused` is the share of the questions
that the model declines when they are put to a table they have nothing to do with.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np

from common import runs
from nl2sql import data
from nl2sql.inputs import tables_of, wrong_table
from nl2sql.predict import WEIGHTS, Parser
from nl2sql.scores import logical_form, scores


@dataclass
class Config:
    data: str = "sample"
    """sample, or a folder in TableQA's format."""
    run: pathlib.Path = WEIGHTS
    """Run folder of a model of yours, instead of the shipped one."""
    part: Literal["test", "valid", "train"] = "test"
    """Which questions."""
    without: Literal["", "matching", "repair", "both"] = ""
    """What to leave out after the model."""
    errors: int = 0
    """Wrong queries to print."""
    limit: int = 10**9
    """Questions at most."""
    out: pathlib.Path | None = None
    """Folder for predictions.jsonl."""


def unrelated(records, seed=0):
    """(question, table) pairs in which the table has no column that is called like one asked for."""
    generator, tables = np.random.default_rng(seed), tables_of(records)
    pairs = [(record.question, wrong_table(record, tables, generator)) for record in records]
    return [(question, table) for question, table in pairs if table]


def measure(parser, records, **how):
    """(metrics, the Parses that they are of) of a parser on records; how: see decode.decode."""
    parses = parser.parse_all([(record.question, record.table) for record in records], **how)
    found = scores([parse.query for parse in parses], records)
    if pairs := unrelated(records):
        found["refused"] = sum(parse.query is None for parse in parser.parse_all(pairs, **how)) / len(pairs)
    return found, parses


def evaluate(config):
    corpus = data.load_corpus(config.data)
    records = getattr(corpus, config.part)[:config.limit]
    parser = Parser.load(config.run)
    how = {"matching": config.without not in ("matching", "both"), "repair": config.without not in ("repair", "both")}
    found, parses = measure(parser, records, **how)
    print("\n".join(f"{name:>20} {value:.4f}" for name, value in found.items()))
    wrong = [(record, parse) for record, parse in zip(records, parses) if not logical_form(parse.query, record.query)]
    for record, parse in wrong[:config.errors]:
        print(f"\n{record.question}\n  columns   {', '.join(record.table.columns)}\n  expected  "
              f"{json.dumps(record.query.to_json(), ensure_ascii=False)}\n  predicted "
              f"{json.dumps(parse.query and parse.query.to_json(), ensure_ascii=False)}")
    if config.out:
        lines = [json.dumps({"question": record.question, "table_id": record.table.id, "confidence": parse.confidence,
                             "sql": parse.query and parse.query.to_json()}, ensure_ascii=False)
                 for record, parse in zip(records, parses)]
        runs.write_whole(config.out / "predictions.jsonl", ("\n".join(lines) + "\n").encode())
    return found


if __name__ == "__main__":
    runs.main(evaluate, Config, __doc__)
