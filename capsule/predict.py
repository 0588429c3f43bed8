"""Names the digits in pictures, from the model in capsule/weights or from a run of capsule/train.py; no data needed.

    python capsule/predict.py two_digits.png                       digits whose score is above 0.7, with their scores
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
from PIL import Image, ImageOps

from capsule import evaluate
from common import datasets, runs

SIDE, DIGIT, MARGIN = 28, 20, 4          # pixels of an image of MNIST, of the digit in it and around it
LEAST, LONGEST = 8, 28 * 20
CONTRAST, INK = 30, 64                  # greys: of a picture that shows something, and of a pixel that is no paper


@dataclass
class Config:
    images: Annotated[tuple[pathlib.Path, ...], tyro.conf.Positional]
    """Pictures: digits one below the other or side by side, bright on dark or dark on bright."""
    run: pathlib.Path = runs.ROOT / "capsule/weights/dynamic.keras"
    """Run folder of capsule/train.py, or a .keras file from one."""
    digits: int = 0
    """How many digits to name in each picture; 0: all with a score above --threshold."""
    threshold: float = evaluate.NAMED
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
    """A picture as MNIST has them: bright on black, digits of 20 pixels, 4 black ones around each; uint8 (height, width).

    The digits' size is that of the largest gapless stretch of rows or columns with ink. Wide gaps become narrow: what the
    models see in empty places is a little of every digit.
    """
    image = datasets.open_picture(path).convert("L")
    low, high = image.getextrema()
    if high - low < CONTRAST:
        raise runs.InputError(f"{path} should show digits, bright on dark or dark on bright. Received: one grey from {low} "
                              f"to {high}")
    image = ImageOps.autocontrast(image)
    pixels = np.asarray(image)
    if np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])) > 127:
        image = ImageOps.invert(image)
    ink = np.asarray(image) > INK
    size = max(longest(ink.any(axis=0)), longest(ink.any(axis=1)))
    if size < LEAST:
        raise runs.InputError(f"{path} should show digits of at least {LEAST} pixels. Received: {size}")
    if not 0.8 < DIGIT / size < 1.25:                                 # else as they are: resizing blurs
        width, height = (max(1, round(length * DIGIT / size)) for length in image.size)
        image = ImageOps.autocontrast(image.resize((width, height), Image.Resampling.LANCZOS))     # thin strokes fade
    pixels = np.pad(np.asarray(image), MARGIN)
    ink = pixels > INK
    pixels = pixels[np.ix_(*(np.convolve(ink.any(axis), np.ones(2 * MARGIN + 1), "same") > 0 for axis in (1, 0)))]
    if max(pixels.shape) > LONGEST:
        raise runs.InputError(f"{path} should show at most {LONGEST // SIDE} digits in a row. Received: {max(pixels.shape)} "
                              f"pixels after digits were scaled to {DIGIT}")
    around = [max(0, SIDE - length) for length in pixels.shape]
    return np.pad(pixels, [(missing // 2, missing - missing // 2) for missing in around])


def longest(mask):
    """The length of the longest run of True."""
    ends = np.flatnonzero(np.diff(np.pad(mask.astype(int), 1)))
    return int((ends[1::2] - ends[::2]).max(initial=0))


if __name__ == "__main__":
    runs.main(predict, Config, __doc__)
