"""Draws images from a trained GAN, by default the one in gan/weights, in seconds and without any data.

    python gan/generate.py                                a sheet of samples, and walks through the latent space
    python gan/generate.py --run runs/gan/gan_qp_l2-...   from a run of gan/train.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

from common import plots, runs
from gan import evaluate


@dataclass
class Config:
    run: pathlib.Path = runs.ROOT / "gan/weights/gan_qp.keras"
    """Run folder of gan/train.py, or a .keras file from one."""
    out: pathlib.Path = runs.ROOT / "runs/gan/generated"
    """Folder for the pictures; pictures of the same name there are replaced."""
    count: int = 10
    """Pictures in a row and in a column."""
    seed: int = 0
    """Seed of the random codes."""


def generate(config):
    if not 2 <= config.count <= 100:
        raise runs.InputError(f"--count expects 2 to 100 pictures in a row. Received: {config.count}")
    model = evaluate.load(config.run)
    for name, codes in [("samples", evaluate.sample_codes(model, config.count ** 2, config.seed)),
                        ("walks", evaluate.walks(model, config.count, config.count, config.seed))]:
        path = pathlib.Path(config.out) / f"{name}.png"
        plots.save_sheet(evaluate.images_of(model, codes), path, config.count)
        print(runs.shown(path))


if __name__ == "__main__":
    runs.main(generate, Config, __doc__)
