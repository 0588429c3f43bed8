"""Names the digits in pictures, from the model in capsule/weights or from a run of capsule/train.py; no data needed.

    python capsule/predict.py two_digits.png                       digits whose score is above 0.5, with their scores
    python capsule/predict.py photo.jpg --digits 2                 the two most likely ones, whatever their scores
    python capsule/predict.py page.png --run runs/capsule/em-...   another model
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from capsule import evaluate
from common import datasets, runs

SIDE, LONGEST = 28, 28 * 20     # pixels: the shorter side is scaled to what the models were trained on


@dataclass
class Config:
    images: Annotated[tuple[pathlib.Path, ...], tyro.conf.Positional]
    """Pictures: digits one below the other or side by side, bright on dark or dark on bright."""
    run: pathlib.Path = runs.ROOT / "capsule/weights/dynamic.keras"
    """Run folder of capsule/train.py, or a .keras file from one."""
    digits: int = 0
    """How many digits to name in each picture; 0: all with a score above --threshold."""
    threshold: float = 0.5
    """Score above which a digit is there."""


def predict(config):
    if not config.images:
        raise runs.InputError("expected the paths of one or more pictures. Received: none")
    if not 0 <= config.threshold <= 1:
        raise runs.InputError(f"--threshold expects 0 to 1. Received: {config.threshold}")
    model = evaluate.load(config.run)
    classes = model.outputs[0].shape[-1]
    if not 0 <= config.digits <= classes:
        raise runs.InputError(f"--digits expects 0 to {classes}, the model has {classes} classes. Received: {config.digits}")
    for path, image in [(path, read(path)) for path in config.images]:
        found, = evaluate.scores(model, image[None])
        order = np.argsort(-found, kind="stable")
        named = order[:config.digits] if config.digits else order[found[order] > config.threshold]
        print(f"{path}: " + (", ".join(f"{j} ({found[j]:.2f})" for j in named)
                             or f"no digit above {config.threshold}; most likely {order[0]} ({found[order[0]]:.2f})"))


def read(path):
    """A picture as MNIST has them: grey, bright on dark, its shorter side of 28 pixels; uint8 (height, width)."""
    from PIL import Image

    image = datasets.open_picture(path).convert("L")
    width, height = (max(1, round(length * SIDE / min(image.size))) for length in image.size)
    if min(image.size) < SIDE or max(width, height) > LONGEST:
        raise runs.InputError(f"{path} should have at least {SIDE} × {SIDE} pixels and be at most {LONGEST // SIDE} times "
                              f"as long as wide. Received: {image.size[0]} × {image.size[1]} pixels")
    pixels = np.asarray(image if min(image.size) == SIDE else image.resize((width, height), Image.Resampling.LANCZOS))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return 255 - pixels if np.median(edge) > 127 else pixels


if __name__ == "__main__":
    runs.main(predict, Config, __doc__)
