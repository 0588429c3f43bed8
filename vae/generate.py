"""Draws digits from a trained VAE, by default the one in vae/weights, in seconds and without any data.

    python vae/generate.py                                  samples, the manifold and interpolations
    python vae/generate.py --run runs/vae/conditional-...   from a run of vae/train.py: rows are its classes or clusters
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import numpy as np

from common import plots, runs
from vae import evaluate


@dataclass
class Config:
    run: pathlib.Path = runs.ROOT / "vae/weights/vae.keras"
    """Run folder of vae/train.py, or a .keras file from one."""
    out: pathlib.Path = runs.ROOT / "runs/vae/generated"
    """Folder for the pictures; pictures of the same name there are replaced."""
    count: int = 15
    """Pictures in a row."""
    seed: int = 0
    """Seed of the random codes."""


def generate(config):
    if not 2 <= config.count <= 100:
        raise runs.InputError(f"--count expects 2 to 100 pictures in a row. Received: {config.count}")
    model = evaluate.load(config.run)
    codes = evaluate.sample_codes(model, config.count, config.seed)                    # Z ~ N(0, I), or ~ N(μ_y, I)
    sheets = {"samples": (codes, config.count)}
    if evaluate.centers_of(model) is None and codes.shape[1] == 2:
        sheets["manifold"] = (plots.quantile_grid(config.count), config.count)
    ends = codes[np.random.default_rng(config.seed).permutation(len(codes))[:16]].reshape(2, -1, codes.shape[1])
    lines = [plots.interpolate(start, end, config.count) for start, end in zip(*ends)]
    sheets["interpolation"] = (np.concatenate(lines), config.count)
    for name, (codes, columns) in sheets.items():
        path = pathlib.Path(config.out) / f"{name}.png"
        plots.save_sheet(evaluate.decode(model, codes), path, columns)
        print(runs.shown(path))


if __name__ == "__main__":
    runs.main(generate, Config, __doc__)
