"""Draws images from a trained GAN, by default the one in gan/weights, in seconds and without any data.

    python gan/generate.py                                a sheet of samples, and walks through the codes
    python gan/generate.py --run runs/gan/gan_qp_l2-...   from a run of gan/train.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

from common.harness import cli, plots
from common.harness.writing import ROOT
from gan.painter import Painter


@dataclass
class Config:
    run: pathlib.Path = ROOT / "gan/weights/gan_qp.keras"
    """Run folder of gan/train.py, or a .keras file from one."""
    out: pathlib.Path = ROOT / "runs/gan/generated"
    """Folder for the pictures; pictures of the same name there are replaced."""
    count: Annotated[int, cli.Between(2, 100)] = 10
    """Pictures in a row and in a column."""
    seed: cli.Seed = 0
    """Seed of the random codes."""


def generate(config):
    painter = Painter.load(config.run)
    codes = {
        "samples": painter.sample_codes(config.count ** 2, config.seed),
        "walks": painter.walks(config.count, config.count, config.seed),
    }
    sheets = {name: painter.paint(codes) for name, codes in codes.items()}
    plots.save_sheets(sheets, config.out, config.count)


if __name__ == "__main__":
    cli.main(generate, Config, __doc__)
