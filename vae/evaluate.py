"""Prints the numbers of README.md for a trained VAE, by default the one in vae/weights.

They are bounds on the likelihood, or the scores of the clusters.

    python vae/evaluate.py                                 the shipped model on MNIST, two minutes
    python vae/evaluate.py --run runs/vae/clustering-...   a model of yours
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

from common.harness import cli, datasets
from common.harness.folder import print_metrics
from common.harness.reading import InputError
from common.harness.writing import ROOT
from vae import report
from vae.autoencoder import Autoencoder


@dataclass
class Config:
    run: pathlib.Path = ROOT / "vae/weights/vae.keras"
    """Run folder of vae/train.py, or a .keras file from one."""
    data: str = ""
    """The same option as in vae/train.py."""
    iw_images: Annotated[int, cli.Between(0, 10**9)] = 10000
    """Test images for the importance-weighted bound with 500 samples each; 0 leaves it out."""


def evaluate(config):
    autoencoder = Autoencoder.load(config.run)
    images = datasets.load_images(config.data)
    if images.y_test is None and autoencoder.centers is not None:
        raise InputError(f"the model in {config.run} needs labels: --data with y_test, or with one subfolder "
                         f"a class. Received: {config.data} without labels")
    metrics = report.metrics(autoencoder, images, config.iw_images)
    print_metrics(metrics)
    return metrics


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
