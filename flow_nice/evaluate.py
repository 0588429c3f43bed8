"""Prints the numbers of README.md for a trained NICE, by default the small one in flow_nice/weights.

    python flow_nice/evaluate.py                                  the shipped model on MNIST: −2113
    python flow_nice/evaluate.py --run runs/flow_nice/paper-...   nats, bits per dimension of a run of yours
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated, Literal

from common.harness import cli, datasets
from common.harness.folder import print_metrics
from common.harness.writing import ROOT
from flow_nice import report
from flow_nice.sampler import Sampler


@dataclass
class Config:
    run: pathlib.Path = ROOT / "flow_nice/weights/nice-small.keras"
    """Run folder of flow_nice/train.py, or a .keras file from one."""
    data: str = ""
    """The same option as in flow_nice/train.py."""
    protocol: Literal["article", "paper"] | None = None
    """The same option as in flow_nice/train.py. By default article for a gaussian prior, paper for a logistic
    one."""
    draws: Annotated[int, cli.Between(1, 1_000_000)] = 10
    """Draws of the dequantisation noise that the paper's test likelihood averages."""
    seed: cli.Seed = 0
    """Seed of the draws."""


def evaluate(config):
    sampler = Sampler.load(config.run)
    protocol = config.protocol
    if protocol is None:
        protocol = {"gaussian": "article", "logistic": "paper"}[sampler.flow.prior]
    images = datasets.load_images(config.data)
    metrics = report.metrics(sampler, images.x_test, protocol, config.draws, config.seed)
    print_metrics(metrics)
    return metrics


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
