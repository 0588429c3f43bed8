"""The numbers of README.md for a trained model, by default the one in dgcnn/weights: every test question
answered, and scored as the competition did (see dgcnn/report.py).

    python dgcnn/evaluate.py --run runs/dgcnn/...          answers.jsonl has a line for each question
    python dgcnn/evaluate.py --data SogouQA.json --all     every question of a file, not its test part alone
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Literal

from common.harness import cli, provenance
from common.harness.folder import as_json, print_metrics
from common.harness.reading import InputError
from common.harness.training import Run
from common.harness.writing import ROOT, shown, write_json
from dgcnn import data, report
from dgcnn.reader import Reader


@dataclass
class Config:
    run: pathlib.Path = ROOT / "dgcnn/weights/dgcnn.keras"
    """Run folder of dgcnn/train.py, or a .keras file with vocab.json beside it."""
    data: str = ""
    """The same option as in dgcnn/train.py."""
    all: bool = False
    """Measure on every question, not on the test part alone. This is for files that the model was not trained
    on."""
    root: bool = False
    """Score a span by the root of p^start · p^end, not by the product."""
    vote: Literal["squares", "plain_squares", "sum", "mean"] = "squares"
    """How the passages vote: Σs² / (1 + Σs), Σs², Σs, or the mean."""
    out: pathlib.Path = ROOT / "runs/dgcnn/evaluation"
    """Folder for answers.jsonl, metrics.json and the picture of one question."""


def evaluate(config):
    reader = Reader.load(config.run)
    questions = data.load_questions(config.data)
    every = questions.test
    if config.all:
        every = [*questions.train, *questions.validation, *questions.test]
    if not every:
        raise InputError(f"{questions.source} has no test questions: --all takes all of them")
    out = pathlib.Path(config.out)
    metrics = report.write(reader, every, out, root=config.root, rule=config.vote)
    write_json(out / "metrics.json", {
        "config": as_json(config), "data": questions.describe(), "machine": provenance.machine(),
        "versions": provenance.versions(Run.packages), "metrics": metrics})
    print_metrics(metrics)
    print(f"answers, metrics and a picture are in {shown(out)}")
    return metrics


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
