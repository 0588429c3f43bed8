"""Draws images from a trained GAN, by default the one in gan/weights, in seconds and without any data.

    python gan/generate.py                                a sheet of samples, and walks through the codes
    python gan/generate.py --best-of 8                    of eight codes the one whose digit is clearest
    python gan/generate.py --run runs/gan/gan_qp_l2-...   from a run of gan/train.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

from common.harness import cli, plots
from common.harness.language import in_users_language
from common.harness.models import load_model
from common.harness.reading import InputError
from common.harness.writing import ROOT
from gan.painter import Painter, round_trip

STATIONS, WALKERS = 4, 16     # codes that each walk of the animation goes through, and how many walk


@dataclass
class Config:
    run: pathlib.Path = ROOT / "gan/weights/gan_qp.keras"
    """Run folder of gan/train.py, or a .keras file from one."""
    out: pathlib.Path = ROOT / "runs/gan/generated"
    """Folder for the pictures; pictures of the same name there are replaced."""
    count: Annotated[int, cli.Between(2, 100)] = 10
    """Pictures in a row and in a column."""
    best_of: Annotated[int, cli.Between(1, 1000)] = 1
    """Codes drawn for each sample and each station of walk.gif. The one is kept whose image the classifier is
    surest of."""
    classifier: pathlib.Path = ROOT / "gan/weights/features-mnist-32.keras"
    """Classifier for --best-of: one of gan/features.py."""
    frames: Annotated[int, cli.Between(2, 100)] = 10
    """Pictures of walk.gif from one code to the next."""
    json: bool = False
    """Print the names of the pictures as a line of JSON."""
    seed: cli.Seed = 0
    """Seed of the random codes."""


def generate(config):
    painter = Painter.load(config.run)
    codes = {"samples": chosen_codes(painter, config.count ** 2, config),
             "walks": painter.walks(config.count, config.count, config.seed)}
    paths = []
    for name, some in codes.items():
        paths.append(config.out / f"{name}.png")
        plots.save_sheet(painter.paint(some), paths[-1], config.count)
    paths.append(config.out / "walk.gif")
    plots.save_animation(frames_of_walk(painter, config), paths[-1])
    plots.print_paths(paths, config.json)


def chosen_codes(painter, count, config):
    """--best-of: codes that look like something to the classifier."""
    if config.best_of == 1:
        return painter.sample_codes(count, config.seed)
    classifier = load_model(config.classifier)
    if classifier.inputs[0].shape[1:] != painter.shape:
        size = " × ".join(map(str, painter.shape))
        raise InputError(in_users_language(
            f"--classifier expects one of gan/features.py for {size} images. Received: {config.classifier}",
            f"--classifier 需要 gan/features.py 为 {size} 图片训练的分类器。收到：{config.classifier}"))
    return painter.surest(count, config.best_of,
                          lambda x: classifier.predict(x, batch_size=500, verbose=0), config.seed)


def frames_of_walk(painter, config):
    """Images of WALKERS round trips, picture by picture."""
    stations = chosen_codes(painter, STATIONS * WALKERS, config).reshape(STATIONS, WALKERS, -1)
    codes = round_trip(stations, config.frames)                  # (pictures, walkers, dim)
    images = painter.paint(codes.reshape(-1, codes.shape[-1]))
    return images.reshape(len(codes), WALKERS, *images.shape[1:])


if __name__ == "__main__":
    cli.main(generate, Config, __doc__)
