"""Prints the numbers of README.md for a trained model, by default the one in capsule/weights.

    python capsule/evaluate.py                              dynamic routing on MNIST's test images, a minute
    python capsule/evaluate.py --run runs/capsule/em-...    a model of yours; several in one table: compare.py
    python capsule/evaluate.py --routings 1                 the same weights with other rounds of routing
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

from capsule import report
from capsule.classifier import Classifier
from common.capsule import MOST_ROUTINGS
from common.harness import cli, datasets
from common.harness.folder import print_metrics
from common.harness.reading import InputError
from common.harness.writing import ROOT


@dataclass
class Config:
    run: pathlib.Path = ROOT / "capsule/weights/dynamic.keras"
    """Run folder of capsule/train.py, or a .keras file from one."""
    data: str = ""
    """The data whose test part is used, as in capsule/train.py."""
    routings: Annotated[int, cli.Between(0, MOST_ROUTINGS)] = 0
    """How often dynamic routing computes the classes; 0: as in the training."""


def evaluate(config):
    classifier = Classifier.load(config.run)
    if config.routings:
        if not classifier.capsule:
            raise InputError("--routings expects a model with dynamic routing. "
                             f"Received: one with {classifier.routing}")
        classifier.capsule.routings = config.routings          # the weights know nothing of it
    images = datasets.load_images(config.data)
    if images.y_test is None:
        raise InputError("capsule/evaluate.py needs labels: --data with y_test, or with one subfolder a "
                         f"class. Received: {config.data} without labels")
    metrics = report.metrics(classifier, images.x_test, images.y_test)
    print_metrics(metrics)
    return metrics


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
