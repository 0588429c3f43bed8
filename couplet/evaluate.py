"""The numbers of README.md for a trained model, by default the one in couplet/weights, on the test couplets.

    python couplet/evaluate.py                                      the shipped models together
    python couplet/evaluate.py --no-together                        the first of them alone
    python couplet/evaluate.py --run runs/couplet/gated_conv-...    a model of yours
    python couplet/evaluate.py --answers                            what predict.py answers, re-ranked
    python couplet/evaluate.py --answers --no-rerank --tones old    the same with other rules
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated, Literal

from common.harness import cli
from common.harness.folder import print_metrics
from couplet import data, report
from couplet.decoding import Rules
from couplet.robot import RARITY, SCORER, WEIGHT, WEIGHTS, Robot, companion
from couplet.scorer import Scorer

VALIDATION, LONGEST = 2000, 32         # as couplet/train.py holds them out by default


@dataclass
class Config:
    run: pathlib.Path = WEIGHTS
    """Run folder of couplet/train.py, or a .keras file with vocab.json beside it."""
    together: bool = True
    """The same option as in couplet/predict.py."""
    data: str = ""
    """The same option as in couplet/train.py."""
    answers: bool = False
    """Measure the answers of predict.py rather than the model alone. This takes minutes where answers are
    re-ranked."""
    rerank: bool = True
    """The same option as in couplet/predict.py."""
    scorer: pathlib.Path = SCORER
    """The same option as in couplet/predict.py."""
    rarity: Annotated[float, cli.Between(0, 10)] = RARITY
    """The same option as in couplet/predict.py."""
    tones: Literal["off", "modern", "old"] = "off"
    """The same option as in couplet/predict.py."""
    weight: Annotated[float, cli.Between(0, 100)] = WEIGHT
    """Weight of the scorer's nats beside the model's, where answers are re-ranked."""
    validation: bool = False
    """Measure on the 2,000 validation couplets, by which --rarity and --weight were chosen."""


def evaluate(config):
    rules = Rules(tones=config.tones, rarity=config.rarity)
    scorer = Scorer.load(config.scorer) if config.answers and config.rerank else None
    robot = Robot.load(config.run, rules, scorer, config.weight, companion(config.run, config.together))
    couplets = data.load_couplets(config.data)
    pairs = couplets.test
    if config.validation:
        _, pairs = data.split(couplets, VALIDATION, LONGEST)
    if config.answers:
        metrics = report.metrics_of_answers(robot, pairs)
    else:
        metrics = report.metrics(robot.log_probs, robot.vocab, pairs)
    part = "validation" if config.validation else "test"
    metrics = {name.replace("test_", f"{part}_"): value for name, value in metrics.items()}
    print_metrics(metrics)
    return metrics


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
