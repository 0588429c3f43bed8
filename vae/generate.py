"""Draws digits from a trained VAE, by default the one in vae/weights, in seconds and without any data.

    python vae/generate.py                                  samples, the manifold and interpolations
    python vae/generate.py --run runs/vae/conditional-...   a run of yours: rows are classes or clusters
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from common.harness import cli, plots
from common.harness.writing import ROOT
from vae.autoencoder import Autoencoder


@dataclass
class Config:
    run: pathlib.Path = ROOT / "vae/weights/vae.keras"
    """Run folder of vae/train.py, or a .keras file from one."""
    out: pathlib.Path = ROOT / "runs/vae/generated"
    """Folder for the pictures; pictures of the same name there are replaced."""
    count: Annotated[int, cli.Between(2, 100)] = 15
    """Pictures in a row."""
    seed: cli.Seed = 0
    """Seed of the random codes."""


def generate(config):
    autoencoder = Autoencoder.load(config.run)
    codes = autoencoder.sample_codes(config.count, config.seed)                  # Z ~ N(0, I), or ~ N(μ_y, I)
    sheets = {"samples": codes}
    if autoencoder.centers is None and autoencoder.latent_dim == 2:
        sheets["manifold"] = plots.quantile_grid(config.count)
    sheets["interpolation"] = walks(codes, config.count, config.seed)
    images = {name: autoencoder.decode(codes) for name, codes in sheets.items()}
    plots.save_sheets(images, config.out, config.count)


def walks(codes, count, seed):
    """Straight lines between at most eight pairs of the codes, `count` codes on each."""
    ends = codes[np.random.default_rng(seed).permutation(len(codes))[:16]].reshape(2, -1, codes.shape[1])
    return np.concatenate([plots.interpolate(start, end, count) for start, end in zip(*ends)])


if __name__ == "__main__":
    cli.main(generate, Config, __doc__)
