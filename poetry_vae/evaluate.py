"""The numbers of README.md for a trained model, by default the one in poetry_vae/weights, on the test
couplets.

    python poetry_vae/evaluate.py                                  the shipped model
    python poetry_vae/evaluate.py --run runs/poetry_vae/poetry-... a model of yours
    python poetry_vae/evaluate.py --picture somewhere              the plane of its codes, too
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

from common.harness import cli
from common.harness.folder import print_metrics
from common.harness.writing import ROOT
from poetry_vae import data, report
from poetry_vae.poet import Poet


@dataclass
class Config:
    run: pathlib.Path = ROOT / "poetry_vae/weights/poetry.keras"
    """Run folder of poetry_vae/train.py, or a .keras file with vocab.json beside it."""
    data: str = ""
    """The same option as in poetry_vae/train.py."""
    iw_couplets: Annotated[int, cli.Between(0, 10**9)] = 1000
    """Test couplets for the importance-weighted bound with 100 samples each; 0 leaves it out."""
    picture: pathlib.Path | None = None
    """Folder for latent.png and latent.txt; without one they are not drawn."""


def evaluate(config):
    poet = Poet.load(config.run)
    poems = data.load_poems(config.data)
    metrics = report.metrics(poet, poems.train, poems.test, config.iw_couplets)
    print_metrics(metrics)
    if config.picture:
        report.save_latent_picture(poet, list(poems.train[:report.LEARNT]), list(poems.test[:report.SHOWN]),
                                   config.picture)
    return metrics


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
