"""Trains the small classifier in whose feature space generated and real images are compared, see
gan/frechet.py.

    python gan/features.py                                MNIST at 32 × 32, five epochs
    python gan/features.py --data cifar10 --epochs 30     colour images are shifted and mirrored
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from common.harness import cli, plots, training
from common.harness.batches import ArrayBatches
from common.harness.frechet import as_inputs
from common.harness.models import load_model
from common.harness.reading import InputError
from gan import data
from gan.frechet import classifier_for


@dataclass
class Config(cli.BaseConfig):
    epochs: int = 5
    batch_size: int = 128
    size: Annotated[int, cli.Between(28, 128)] = 32
    """Height and width of the images, 28 to 128 pixels, a multiple of 4."""


def train(config):
    images = load(config)
    run = training.start(config, "gan", "features")
    model = classifier_for(images, config.learning_rate)
    at = len(images.x_train) - max(1, len(images.x_train) // 12)
    x, x_val = images.x_train[:at], images.x_train[at:]
    y, y_val = images.y_train[:at], images.y_train[at:]

    def augmented(x, y, rng):
        return as_inputs(x if x.shape[-1] == 1 else shifted_and_mirrored(x, rng)), y

    batches = ArrayBatches(run, x, y, transform=augmented)
    model.fit(batches, validation_data=(as_inputs(x_val), y_val), **run.fit_options())

    best = load_model(run.folder)
    plots.save_curves(run.state["log"], run.path("loss.png"))
    found = best.predict(as_inputs(images.x_test), batch_size=500, verbose=0).argmax(axis=-1)
    run.finish(images.describe(), {"test_accuracy": (found == images.y_test).mean()})
    return run


def shifted_and_mirrored(images, rng, pixels=4):
    """Each image moved by up to so many pixels, its edge repeated, and mirrored in half the cases."""
    height, width = images.shape[1:3]
    edges = [(0, 0), (pixels, pixels), (pixels, pixels), (0, 0)]
    wide = np.pad(images, edges, mode="edge")
    moved = np.empty_like(images)
    for i, (down, right) in enumerate(rng.integers(0, 2 * pixels + 1, (len(images), 2))):
        moved[i] = wide[i, down:down + height, right:right + width]
    mirrored = rng.random(len(images)) < 0.5
    moved[mirrored] = moved[mirrored, :, ::-1]
    return moved


def load(config):
    """The images, with labels that a classifier can have."""
    images = data.load(config.data, config.size)
    if images.y_train is None or images.y_test is None:
        raise InputError("gan/features.py needs labels: --data with y_train and y_test, or with one "
                         f"subfolder a class. Received: {config.data} without labels")
    if config.smoke:
        images = images.first(300)
    highest = int(images.y_train.max())
    if highest >= len(images.x_train):
        raise InputError("gan/features.py expects labels that count the classes from 0, fewer than there are "
                         f"training images. Received: a label {highest} with {len(images.x_train)} images")
    return images


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
