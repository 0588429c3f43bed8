"""The numbers of README.md for a trained GAN, by default the one in gan/weights: the Fréchet distance, and
the entropy and number of the classes among its images.

    python gan/evaluate.py                                      the shipped model and MNIST
    python gan/evaluate.py --run runs/gan/wgan_div-...          a run of gan/train.py
    python gan/evaluate.py --run runs/gan/wgan_div-... --data cifar10
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

from common.harness import cli
from common.harness.folder import print_metrics
from common.harness.reading import InputError
from common.harness.writing import ROOT
from gan import data, frechet, report
from gan.painter import Painter


@dataclass
class Config:
    run: pathlib.Path = ROOT / "gan/weights/gan_qp.keras"
    """Run folder of gan/train.py, or a .keras file from one."""
    data: str = ""
    """The images that the model was trained on, named as for gan/train.py."""
    features: str = ""
    """Classifier for the Fréchet distance: one of gan/features.py, or inception. Empty: the one in
    gan/weights for these data."""
    samples: Annotated[int, cli.Between(2, 1_000_000)] = 10000
    """How many generated and how many training images the Fréchet distance compares."""


def evaluate(config):
    painter = Painter.load(config.run)
    height, _, channels = painter.shape
    images = data.load(config.data, height)
    if images.x_train.shape[-1] != channels:
        raise InputError(f"--data expects images of {channels} channels, as the model in {config.run} has. "
                         f"Received: {config.data or images.name} with {images.x_train.shape[-1]}")
    extractor = frechet.find_extractor(config.features, images)
    metrics = report.metrics(painter, images.x_train, extractor, config.samples)
    print_metrics(metrics)
    return metrics


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
