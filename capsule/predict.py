"""Names the digits in pictures, by the model in capsule/weights or a run of capsule/train.py; needs no data.

    python capsule/predict.py two_digits.png                       digits with a score above 0.7
    python capsule/predict.py photo.jpg --digits 2                 the two most likely ones
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

from capsule.classifier import NAMED, Classifier
from common.harness import cli
from common.harness.images import open_picture
from common.harness.reading import InputError
from common.harness.writing import ROOT

SIDE, DIGIT, MARGIN = 28, 20, 4         # pixels of an image of MNIST, of the digit in it and around it
LEAST, LONGEST = 8, 28 * 20
CONTRAST, INK = 30, 64                  # greys: of a picture that shows something, of a pixel with ink


@dataclass
class Config:
    images: Annotated[tuple[pathlib.Path, ...], tyro.conf.Positional] = ()
    """Pictures: digits one below the other or side by side, bright on dark or dark on bright."""
    run: pathlib.Path = ROOT / "capsule/weights/dynamic.keras"
    """Run folder of capsule/train.py, or a .keras file from one."""
    digits: Annotated[int, cli.Between(0, 1000)] = 0
    """How many digits to name in each picture; 0: all with a score above --threshold."""
    threshold: Annotated[float, cli.Between(0, 1)] = NAMED
    """Score above which a digit is there."""


def predict(config):
    if not config.images:
        raise InputError("expected the paths of one or more pictures. Received: none")
    classifier = Classifier.load(config.run)
    classes = classifier.classes
    if config.digits > classes:
        raise InputError(f"--digits expects 0 to {classes}, the model has {classes} classes. "
                         f"Received: {config.digits}")
    images = [read(path) for path in config.images]               # all of them, before the first answer
    for path, image in zip(config.images, images):
        scores, = classifier.scores(image[None])
        print(f"{path}: {answer(scores, config)}")


def answer(scores, config):
    """The digits that are there, with their scores."""
    order = np.argsort(-scores, kind="stable")
    there = order[scores[order] > config.threshold]
    if config.digits:
        there = order[:config.digits]
    if len(there):
        return ", ".join(f"{j} ({scores[j]:.2f})" for j in there)
    likely = order[0]
    return f"no digit above {config.threshold}; most likely {likely} ({scores[likely]:.2f})"


def read(path):
    """A picture as MNIST has them: bright on black, digits of 20 pixels, 4 black ones around each; uint8
    (height, width).

    The digits' size is that of the largest gapless stretch of rows or columns with ink. Wide gaps become
    narrow: what the models see in empty places is a little of every digit.
    """
    image = bright_on_black(open_picture(path).convert("L"), path)
    ink = np.asarray(image) > INK
    size = max(longest(ink.any(axis=0)), longest(ink.any(axis=1)))
    if size < LEAST:
        raise InputError(f"{path} should show digits of at least {LEAST} pixels. Received: {size}")
    if not 0.8 < DIGIT / size < 1.25:                                 # else as they are: resizing blurs
        width, height = (max(1, round(length * DIGIT / size)) for length in image.size)
        resized = image.resize((width, height), Image.Resampling.LANCZOS)
        image = ImageOps.autocontrast(resized)                        # thin strokes fade
    pixels = without_gaps(np.pad(np.asarray(image), MARGIN))
    if max(pixels.shape) > LONGEST:
        raise InputError(f"{path} should show at most {LONGEST // SIDE} digits in a row. "
                         f"Received: {max(pixels.shape)} pixels after digits were scaled to {DIGIT}")
    around = [max(0, SIDE - length) for length in pixels.shape]
    return np.pad(pixels, [(missing // 2, missing - missing // 2) for missing in around])


def bright_on_black(image, path):
    """A grey image with its contrast stretched, inverted where the ground, seen at the edge, is bright."""
    low, high = image.getextrema()
    if high - low < CONTRAST:
        raise InputError(f"{path} should show digits, bright on dark or dark on bright. "
                         f"Received: one grey from {low} to {high}")
    image = ImageOps.autocontrast(image)
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return ImageOps.invert(image) if np.median(edge) > 127 else image


def without_gaps(pixels):
    """Without the rows and the columns that are more than MARGIN away from any ink."""
    ink = pixels > INK
    near = np.ones(2 * MARGIN + 1)
    rows = np.convolve(ink.any(axis=1), near, "same") > 0
    columns = np.convolve(ink.any(axis=0), near, "same") > 0
    return pixels[np.ix_(rows, columns)]


def longest(mask):
    """The length of the longest run of True."""
    ends = np.flatnonzero(np.diff(np.pad(mask.astype(int), 1)))
    return int((ends[1::2] - ends[::2]).max(initial=0))


if __name__ == "__main__":
    cli.main(predict, Config, __doc__)
