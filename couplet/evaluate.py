"""The numbers of README.md for a trained model, by default the one in couplet/weights, on the test couplets.

    python couplet/evaluate.py                                      the shipped model
    python couplet/evaluate.py --run runs/couplet/gated_conv-...    a model of yours
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

from common.harness import cli
from common.harness.folder import print_metrics
from common.harness.writing import ROOT
from couplet import data, report
from couplet.robot import Robot


@dataclass
class Config:
    run: pathlib.Path = ROOT / "couplet/weights/couplet.keras"
    """Run folder of couplet/train.py, or a .keras file with vocab.json beside it."""
    data: str = ""
    """As for couplet/train.py."""


def evaluate(config):
    robot = Robot.load(config.run)
    couplets = data.load_couplets(config.data)
    metrics = report.metrics(robot.log_probs, robot.vocab, couplets.test)
    print_metrics(metrics)
    return metrics


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
