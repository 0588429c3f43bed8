"""揭开迷雾，来一顿美味的Capsule盛宴 (capsules): https://kexue.fm/archives/4819, https://kexue.fm/archives/5112, EM: /5155

Each position of a feature map is a capsule, a vector, that votes for the ten classes; routing clusters the votes, and the
length of a cluster's centre says whether its digit is there. Trained on one digit, it finds two in an image: pooling cannot.

    article                                      here
    u_i, û_ij = W_j u_i                          "features" at each position; never written out, see Capsule.route
    动态路由: c_ij = softmax_j ⟨û_ij, v_j⟩       dynamic_routing in common/capsule.py, 3 rounds
    ‖v_j‖, the score of class j                  CapsuleLength
    loss with m⁺ = 0.9, m⁻ = 0.1, λ = 0.25       margin_loss, a sum over the classes
    EM路由 of 5155: M_j, a_j                     ConvCapsules, ClassCapsules; spread_loss on a_j

    python capsule/train.py                      dynamic routing: 99.3 % of single digits, 98.0 % of stacked pairs, 14 min
    python capsule/train.py --routing none       the article's CNN with pooling, the same features
    python capsule/train.py --routing em         matrix capsules with EM routing
    python capsule/train.py --digits 2           trained on images of two digits: then pooling works, too

Minutes are those of one core of an AMD EPYC; more in README.md.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import dataclasses
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import layers

from capsule import evaluate
from common import datasets, plots, runs
from common.capsule import (
    Capsule,
    CapsuleLength,
    ClassCapsules,
    ConvCapsules,
    PrimaryCapsules,
    margin_loss,
    spread_loss,
    spread_margin,
)


@dataclass
class Config(runs.BaseConfig):
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float | None = None
    """The peak, or the constant rate of the article's recipe. By default 1e-3, and 6e-3 for EM routing."""
    routing: Literal["dynamic", "em", "none"] = "dynamic"
    """dynamic: articles 4819 and 5112. em: matrix capsules, article 5155. none: the article's CNN with pooling."""
    digits: int = 1
    """Different digits in each training image, one below the other. The article trains on 1 and tests on 2."""
    recipe: Literal["cosine", "article"] = "cosine"
    """cosine: Adam with a short warm-up and cosine decay. article: Adam at a constant rate."""
    shift: int | None = None
    """Pixels by which training moves an image at random, at most, in both directions. By default 2, and 0 in the article's
    recipe."""
    routings: int | None = None
    """How often the classes are computed from the votes, the first time from uniform couplings. By default 3 times in
    dynamic and twice in EM routing."""
    validation: int = 5000
    """Last training images, at most a tenth, that choose the best epoch. 0: train on all of them, keep the last epoch."""


# ------------------------------------------------------------------------------------------------------------- models

def features():
    """CNN部分，这部分两个模型都一致: 28 × 28 pixels → 8 × 8 positions with 128 numbers each; any size will do."""
    x = keras.Input((None, None, 1), name="x")
    h = layers.Conv2D(64, 3, activation="relu")(x)
    h = layers.Conv2D(64, 3, activation="relu")(h)
    h = layers.AveragePooling2D(2)(h)
    h = layers.Conv2D(128, 3, activation="relu")(h)
    return x, layers.Conv2D(128, 3, activation="relu", name="features")(h)


def build_dynamic(classes=10, routings=3):
    x, h = features()
    u = layers.Reshape((-1, 128))(h)                       # a capsule for each position, and its number may differ
    v = Capsule(classes, 16, routings, name="classes")(u)
    return keras.Model(x, CapsuleLength(name="length")(v), name="capsule_dynamic")


def build_none(classes=10):
    """Global pooling asks how much there is of each feature in the whole image: the digits of a pair are mixed there."""
    x, h = features()
    h = layers.Dense(128, activation="relu")(layers.GlobalAveragePooling2D()(h))
    return keras.Model(x, layers.Dense(classes, activation="sigmoid")(h), name="capsule_none")


def build_em(classes=10, routings=2):
    """The small network of the paper, 64 channels, then 8, 16, 16 capsules at each place, then the classes; and one
    convolution more."""
    h = x = keras.Input((None, None, 1), name="x")
    for channels, strides in (32, 1), (64, 2):                                      # 28 × 28 → 12 × 12
        h = layers.Conv2D(channels, 3, strides=strides, use_bias=False)(h)
        h = layers.ReLU()(layers.BatchNormalization()(h))  # poses of size 1: the votes' variance must not be at its floor
    capsules = PrimaryCapsules(8)(h)
    capsules = ConvCapsules(16, 3, strides=2, routings=routings)(capsules)          # 5 × 5
    capsules = ConvCapsules(16, 3, routings=routings)(capsules)                     # 3 × 3
    _, a = ClassCapsules(classes, routings=routings, name="classes")(capsules)
    return keras.Model(x, a, name="capsule_em")


BUILDERS = {"dynamic": build_dynamic, "none": build_none, "em": build_em}


# --------------------------------------------------------------------------------------------------------------- data

def stack(images, labels, digits, rng, others=None):
    """Each image with digits − 1 of different labels below it, from others = (images, labels), by default from the same
    ones; and the labels of all, (n, digits)."""
    more, their_labels = others or (images, labels)
    rows = evaluate.partners(labels, their_labels, digits - 1, rng)
    return (np.concatenate([images, *(more[column] for column in rows.T)], axis=1),
            np.concatenate([labels[:, None], their_labels[rows]], axis=1))


def moved(images, pixels, rng):
    """Each image moved by up to so many pixels in both directions; black comes in from outside."""
    around = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels)))
    windows = np.lib.stride_tricks.sliding_window_view(around, images.shape[1:], axis=(1, 2))
    top, left = rng.integers(0, 2 * pixels + 1, (2, len(images)))
    return windows[np.arange(len(images)), top, left]


def targets(labels, classes, margin):
    """k-hot; times the margin m for spread_loss, which rises from 0.2 to 0.9 in the first half of the epochs."""
    return margin * evaluate.k_hot(labels, classes)


# ----------------------------------------------------------------------------------------------------------- training

def train(config):
    if config.shift is None:
        config = dataclasses.replace(config, shift=0 if config.recipe == "article" else 2)
    for name, least, most in [("digits", 1, 10**9), ("routings", 1, 10**9), ("validation", 0, 10**9), ("shift", 0, 27)]:
        if (value := getattr(config, name)) is not None and not least <= value <= most:
            raise runs.InputError(f"{runs.option(name)} expects at least {least}{f' and at most {most}' * (most < 10**9)}. "
                                  f"Received: {value}")
    if config.routings and config.routing == "none":
        raise runs.InputError("--routings expects --routing dynamic or em: pooling has no rounds")
    images = datasets.load_images(config.data)
    if images.y_train is None or images.y_test is None:
        raise runs.InputError("capsule/train.py needs labels: --data with y_train and y_test, or with one subfolder a "
                              f"class. Received: {config.data} without labels")
    if config.digits > (different := len(set(images.y_train))):
        raise runs.InputError(f"--digits expects at most {different}, one of each class: the digits of an image differ. "
                              f"Received: {config.digits}")
    classes = int(images.y_train.max()) + 1
    if config.smoke:
        images = images.first(100 if config.routing == "em" else 300)
    held_out = min(config.validation, len(images.x_train) // 10)
    (x, x_val), (y, y_val) = (np.split(part, [len(images.x_train) - held_out]) for part in (images.x_train, images.y_train))
    for part in (y, y_val)[:1 + bool(held_out)]:
        if config.digits > (different := len(set(part.tolist()))):
            raise runs.InputError(f"--digits {config.digits} expects as many classes among the training and among the "
                                  f"validation images: mix their order. Received: {different}")
    run = runs.start(config, "capsule", config.routing)
    model = BUILDERS[config.routing](classes, **({"routings": config.routings} if config.routings else {}))
    x_val, y_val = stack(x_val, y_val, config.digits, np.random.default_rng(config.seed)) if held_out else (x_val, y_val)

    def margin(progress):
        return spread_margin(progress) if config.routing == "em" else 1.0

    def batch(images, labels, rng):                        # partners are new in every epoch
        images, labels = stack(images, labels, config.digits, rng, (x, y))
        images = moved(images, config.shift, rng)
        # The learning rate is small at the end: a margin that rose until then would hardly be learnt.
        return evaluate.as_inputs(images), targets(labels, classes, margin(run.epoch / max(1, config.epochs // 2)))

    steps = config.epochs * max(1, len(x) // config.batch_size)
    rate = config.learning_rate or (6e-3 if config.routing == "em" else 1e-3)
    if config.recipe == "cosine":
        rate = runs.cosine_rate(rate, steps)
    # XLA slows convolutions on CPUs down; "auto" leaves it off there and on for a GPU
    model.compile(keras.optimizers.Adam(rate), spread_loss if config.routing == "em" else margin_loss, jit_compile="auto")
    model.fit(
        runs.Batches(run, x, y, 1, batch), shuffle=False,
        validation_data=(evaluate.as_inputs(x_val), targets(y_val, classes, margin(1.0))) if held_out else None,
        validation_batch_size=100, epochs=config.epochs, initial_epoch=run.epoch, verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[runs.Checkpoint(run, "val_loss" if held_out else None)],
    )
    best = runs.load_model(run.folder)
    plots.save_curves(run.state["log"], run.path("loss.png"))
    evaluate.pictures({config.routing: best}, images.x_test, images.y_test, run.folder)
    run.finish(images.describe(), evaluate.metrics(best, images.x_test, images.y_test))
    return run


if __name__ == "__main__":
    runs.main(train, Config, __doc__)
