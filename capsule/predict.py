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

from capsule.pairs import NAMED
from capsule.pictures import read
from common.harness import cli
from common.harness.reading import InputError
from common.harness.writing import ROOT


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
    images = [read(path) for path in config.images]               # all of them, before the first answer
    from capsule.classifier import Classifier  # TensorFlow takes seconds: a picture is refused before

    classifier = Classifier.load(config.run)
    classes = classifier.classes
    if config.digits > classes:
        raise InputError(f"--digits expects 0 to {classes}, the model has {classes} classes. "
                         f"Received: {config.digits}")
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


if __name__ == "__main__":
    cli.main(predict, Config, __doc__)
