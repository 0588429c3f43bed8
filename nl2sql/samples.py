"""Writes the built-in corpus in the format of TableQA: questions to tables, made for this repository.

    python nl2sql/samples.py --out DIR       writes train.json, train.tables.json, val..., test... there

Nobody's data is in it: nl2sql/grammar makes tables, questions and the SQL that answers them from 126 schemas
of ten fields, words for their cells and wordings of questions. The schemas of validation and test are not
those of training.
"""

import pathlib
import sys
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))      # runs from any working directory

import json

from common.harness.cli import Seed, main
from common.harness.reading import InputError
from common.harness.writing import write_lines
from nl2sql.corpus import FILES
from nl2sql.grammar import builtin


@dataclass
class Config:
    out: pathlib.Path
    """Folder for the six files; none of them may be in it already."""
    seed: Seed = 0
    """Another seed gives other tables and questions to the same schemas; 0 is the corpus of the results."""


def write_corpus(config):
    """Writes the six files of TableQA, one JSON object a line.

    Raises:
        InputError: one of them is there, which may be TableQA's own, or it cannot be written.
    """
    taken = [path for name in FILES.values() for path in config.out.glob(f"{name}*.json")]
    if taken:
        raise InputError(f"--out expects a folder for new files: {taken[0]} exists, and is not written over")
    sizes = []
    for part, (records, tables) in builtin.generate(config.seed).items():
        write_objects(config.out / f"{FILES[part]}.json", records)
        write_objects(config.out / f"{FILES[part]}.tables.json", tables)
        sizes.append(f"{len(records):,} {part}")
    print(f"wrote {', '.join(sizes)} questions to {config.out}")


def write_objects(path, objects):
    """Writes one JSON object a line."""
    write_lines(path, [json.dumps(item, ensure_ascii=False) for item in objects])


if __name__ == "__main__":
    main(write_corpus, Config, __doc__)
