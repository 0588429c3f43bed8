"""A small classifier in whose feature space generated and real images are compared; the FID has Inception in its place.

    python gan/features.py                                MNIST at 32 × 32, five epochs
    python gan/features.py --data cifar10 --epochs 15

The Fréchet distance to the real images, https://arxiv.org/abs/1706.08500, is between Gaussians fitted to 64 features.
Numbers from one classifier compare models with each other; they are not comparable with a FID or another classifier's.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from common import plots, runs
from gan import data


@dataclass
class Config(runs.BaseConfig):
    epochs: int = 5
    batch_size: int = 128
    size: int = 32
    """Height and width of the images."""


def build_classifier(size=32, channels=1, classes=10):
    """Pixels in [0, 1] → 64 features (layer "features") → logits."""
    x = h = keras.Input((size, size, channels), name="x")
    for filters in (32, 64, 64):
        h = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(h)
    features = layers.Dense(64, activation="relu", name="features")(layers.Flatten()(h))
    return keras.Model(x, layers.Dense(classes, name="classes")(layers.Dropout(0.3)(features)), name="gan_features")


def as_inputs(images):
    """uint8 images → pixels in [0, 1]."""
    return np.asarray(images, "float32") / 255


def compiled(images, learning_rate=1e-3):
    """A new classifier for these images, ready to fit."""
    model = build_classifier(images.x_train.shape[1], images.x_train.shape[-1], int(images.y_train.max()) + 1)
    model.compile(keras.optimizers.Adam(learning_rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"], jit_compile="auto")
    return model


def quick(images):
    """A classifier after a few seconds, for smoke runs; None without labels."""
    if images.y_train is None:
        return None
    model = compiled(images)
    model.fit(as_inputs(images.x_train), images.y_train, epochs=1, verbose=0)
    return model


def train(config):
    images = data.load(config.data, config.size)
    if images.y_train is None or images.y_test is None:
        raise runs.InputError("gan/features.py needs labels: --data with y_train and y_test, or with one subfolder a class. "
                              f"Received: {config.data} without labels")
    if config.smoke:
        images = images.first(300)
    if (highest := int(images.y_train.max())) >= len(images.x_train):
        raise runs.InputError("gan/features.py expects labels that count the classes from 0, fewer than there are training "
                              f"images. Received: a label {highest} with {len(images.x_train)} images")
    run = runs.start(config, "gan", "features")
    model = compiled(images, config.learning_rate)
    cut = len(images.x_train) - max(1, len(images.x_train) // 12)
    (x, x_val), (y, y_val) = ((part[:cut], part[cut:]) for part in (images.x_train, images.y_train))
    model.fit(
        runs.Batches(run, x, y, transform=lambda x, y, rng: (as_inputs(x), y)), shuffle=False,
        validation_data=(as_inputs(x_val), y_val), epochs=config.epochs, initial_epoch=run.epoch,
        verbose=1 if sys.stdout.isatty() else 2, callbacks=[runs.Checkpoint(run)],
    )
    best = runs.load_model(run.folder)
    plots.save_curves(run.state["log"], run.path("loss.png"))
    found = best.predict(as_inputs(images.x_test), batch_size=500, verbose=0).argmax(axis=-1)
    run.finish(images.describe(), {"test_accuracy": (found == images.y_test).mean()})
    return run


if __name__ == "__main__":
    runs.main(train, Config, __doc__)
