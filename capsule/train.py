"""揭开迷雾，来一顿美味的Capsule盛宴 (capsules): https://kexue.fm/archives/4819
再来一顿贺岁宴：从K-Means到Capsule: https://kexue.fm/archives/5112
三味Capsule：矩阵Capsule与EM路由: https://kexue.fm/archives/5155

Each position of a feature map is a capsule, a vector, that votes for the ten classes; routing clusters the
votes, and the length of a cluster's centre says whether its digit is there. Trained on one digit, the model
finds two in an image: pooling cannot.

    article                                      here
    u_i, û_ij = W_j u_i                          "features" at each position; never written out: Capsule.route
    动态路由: c_ij = softmax_j ⟨û_ij, v_j⟩       dynamic_routing in common/capsule.py, 3 rounds
    ‖v_j‖, the score of class j                  CapsuleLength
    loss with m⁺ = 0.9, m⁻ = 0.1, λ = 0.25       margin_loss, a sum over the classes
    EM路由 of 5155: M_j, a_j                     ConvCapsules, ClassCapsules; spread_loss on a_j

    python capsule/train.py                      99.3 % of digits, 98.0 % of stacked pairs, in 14 minutes
    python capsule/train.py --routing none       the article's CNN with pooling, the same features
    python capsule/train.py --routing em         matrix capsules with EM routing
    python capsule/train.py --digits 2           trained on images of two digits: then pooling works, too
    python capsule/train.py --reconstruction 0.0005    with the 重构网络 that draws the digit from its capsule
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import keras
import numpy as np
from keras import layers, ops

from capsule import report
from capsule.classifier import DARK, WINDOW, Classifier, as_inputs
from capsule.pairs import k_hot, partners
from common.capsule import Capsule, CapsuleLength, Mask, margin_loss
from common.harness import cli, datasets, plots, training
from common.harness.batches import ArrayBatches
from common.harness.reading import InputError
from common.matrix_capsule import ClassCapsules, ConvCapsules, PrimaryCapsules, spread_loss, spread_margin

# ----------------------------------------------------------------------------------------------------- models


def build_dynamic(classes=10, routings=3, skip_empty=True, pixels=None, **rule):
    """A capsule for each position of the features, and one for each class.

    Args:
        pixels: for 全连接版, a matrix W_ji for each position, the (height, width) of all images; None for
            共享版, one W_j for all positions of images of any size.
        skip_empty: whether positions that see nothing but black do not vote. Else each of them votes a little
            for every class, and a digit beside an empty half seems to be several.
        rule: between, accumulate, squash_constant of Capsule.
    """
    x, h = features(pixels)
    u = layers.Reshape((-1, 128))(h)                       # there may be any number of positions
    sees = None
    if skip_empty:
        window = layers.MaxPooling2D(WINDOW, strides=2, name="window")(x)
        sees = ops.greater(layers.Reshape((-1,))(window), DARK)
    v = Capsule(classes, 16, routings, share_weights=pixels is None, name="classes", **rule)(u, mask=sees)
    return keras.Model(x, CapsuleLength(name="length")(v), name="capsule_dynamic")


def features(pixels=None):
    """CNN部分，这部分两个模型都一致: 28 × 28 pixels → 8 × 8 positions with 128 numbers each.

    Images of any size will do, but for (height, width) alone where `pixels` says so.
    """
    x = keras.Input((*(pixels or (None, None)), 1), name="x")
    h = layers.Conv2D(64, 3, activation="relu")(x)
    h = layers.Conv2D(64, 3, activation="relu")(h)
    h = layers.AveragePooling2D(2)(h)
    h = layers.Conv2D(128, 3, activation="relu")(h)
    h = layers.Conv2D(128, 3, activation="relu", name="features")(h)
    return x, h


def build_none(classes=10):
    """Global pooling asks how much of each feature there is in the image: it mixes the digits of a pair."""
    x, h = features()
    h = layers.GlobalAveragePooling2D()(h)
    h = layers.Dense(128, activation="relu")(h)
    return keras.Model(x, layers.Dense(classes, activation="sigmoid")(h), name="capsule_none")


def build_em(classes=10, routings=2):
    """The small network of the paper, 64 channels, then 8, 16, 16 capsules at each place, then the classes;
    and one convolution more."""
    x = h = keras.Input((None, None, 1), name="x")
    for channels, strides in [(32, 1), (64, 2)]:                                # 28 × 28 → 12 × 12
        h = layers.Conv2D(channels, 3, strides=strides, use_bias=False)(h)
        h = layers.BatchNormalization()(h)     # poses of size 1: the votes' variance must not be at its floor
        h = layers.ReLU()(h)
    capsules = PrimaryCapsules(8)(h)
    capsules = ConvCapsules(16, 3, strides=2, routings=routings)(capsules)      # 5 × 5
    capsules = ConvCapsules(16, 3, routings=routings)(capsules)                 # 3 × 3
    _, a = ClassCapsules(classes, routings=routings, name="classes")(capsules)
    return keras.Model(x, a, name="capsule_em")


def with_decoder(model, classes):
    """重构网络 of Sabour et al., 4.1: the capsule of an image's class must be enough to draw the digit."""
    y = keras.Input((classes,), name="y")
    h = Mask(name="mask")([model.get_layer("classes").output, y])
    h = layers.Dense(512, activation="relu")(h)
    h = layers.Dense(1024, activation="relu")(h)
    drawn = layers.Dense(28 * 28, activation="sigmoid", name="drawn")(h)
    return keras.Model([*model.inputs, y], [*model.outputs, drawn], name=model.name)


BUILDERS = {"dynamic": build_dynamic, "none": build_none, "em": build_em}


# ------------------------------------------------------------------------------------------------------- data

def stack(images, labels, digits, rng, others=None):
    """Each image with digits − 1 of different labels below it; and the labels of all, (n, digits).

    Those come from others = (images, labels), by default from the same ones.
    """
    more, their_labels = others or (images, labels)
    rows = partners(labels, their_labels, digits - 1, rng)
    columns = [images, *(more[column] for column in rows.T)]
    return np.concatenate(columns, axis=1), np.concatenate([labels[:, None], their_labels[rows]], axis=1)


def random_shift(images, pixels, rng):
    """Each image moved by up to so many pixels in both directions; black comes in from outside."""
    around = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels)))
    windows = np.lib.stride_tricks.sliding_window_view(around, images.shape[1:], axis=(1, 2))
    top, left = rng.integers(0, 2 * pixels + 1, (2, len(images)))
    return windows[np.arange(len(images)), top, left]


def targets(labels, classes, margin):
    """k-hot, times the margin m for spread_loss."""
    return margin * k_hot(labels, classes)


# --------------------------------------------------------------------------------------------------- training

@dataclass
class Config(cli.BaseConfig):
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float | None = None
    """Peak of the learning rate; with --recipe article, the constant rate. By default 1e-3, and 6e-3 for EM
    routing."""
    routing: Literal["dynamic", "em", "none"] = "dynamic"
    """dynamic: articles 4819 and 5112. em: matrix capsules, article 5155. none: the article's CNN with
    pooling."""
    digits: Annotated[int, cli.Between(1, 100)] = 1
    """Different digits in each training image, one below the other. The article trains on 1, tests on 2."""
    recipe: Literal["cosine", "article"] = "cosine"
    """cosine: Adam with a short warm-up and cosine decay. article: Adam at a constant rate."""
    shift: Annotated[int, cli.Between(0, 27)] | None = None
    """Pixels, at most, by which training moves an image at random in both directions. By default 2, and 0 in
    the article's recipe."""
    routings: Annotated[int, cli.Between(1, 100)] | None = None
    """How often the classes are computed from the votes. The first couplings are uniform; by default 3 times
    in dynamic and twice in EM routing."""
    between: Literal["direction", "squash"] = "direction"
    """What votes are compared with between the rounds of dynamic routing. direction: v/‖v‖ as in 5112.
    squash: squash(v) as in 4819."""
    weights: Literal["shared", "full"] = "shared"
    """shared: one matrix W_j a class, 共享版. full: a matrix W_ji for every position, 全连接版; such a model
    takes images of the size that it was trained on, and no others."""
    accumulate: bool = False
    """Add up the agreements of all rounds, as Sabour et al. do."""
    squash_constant: Annotated[float, cli.Between(0, 1000)] = 0.5
    """Constant beside ‖v‖² in the squash: the author's ½, or the paper's 1."""
    skip_empty: bool | None = None
    """Whether positions that see nothing but black are left out of the vote. By default they are, except in
    the article's recipe."""
    validation: Annotated[int, cli.Between(0, 10**9)] = 5000
    """Training images held out to choose the best epoch. They are the last ones, at most a tenth; 0: train on
    all of them, keep the last epoch."""
    images: Annotated[int, cli.Between(0, 10**9)] = 0
    """Training images to use, those for validation included: the first ones. 0: all of them."""
    reconstruction: Annotated[float, cli.Between(0, 1)] = 0.0
    """Weight of the squared error, a sum over the pixels, of a decoder that draws each training image from
    the capsule of its digit. Sabour et al. have 0.0005; 0: no decoder."""


def train(config):
    config = settled(config)
    images, classes = load(config)
    x, y, x_val, y_val = split(config, images)
    run = training.start(config, "capsule", config.routing)
    model = build(config, classes)
    if config.reconstruction:
        model = with_decoder(model, classes)

    batches = ArrayBatches(run, x, y, preparation(run, x, y, classes))
    peak = 6e-3 if config.routing == "em" else 1e-3
    rate = training.learning_rate(config, config.epochs * batches.steps, cosine=peak, article=peak)
    # XLA slows convolutions on CPUs down; "auto" leaves it off there and on for a GPU
    model.compile(keras.optimizers.Adam(rate), **objective(config), jit_compile="auto")
    monitor = "val_length_loss" if config.reconstruction else "val_loss"       # the classes choose the epoch
    model.fit(batches, validation_data=validation(config, x_val, y_val, classes), validation_batch_size=100,
              **run.fit_options(monitor=monitor))

    best = Classifier.load(run.folder)
    plots.save_curves(run.state["log"], run.path("loss.png"))
    report.pictures({config.routing: best}, images.x_test, images.y_test, run.folder)
    run.finish(images.describe(), report.metrics(best, images.x_test, images.y_test))
    return run


def build(config, classes):
    options = {"routings": config.routings} if config.routings else {}
    if config.routing == "dynamic":
        options |= {name: getattr(config, name) for name in (*RULE, "skip_empty")}
        if config.weights == "full":
            options["pixels"] = (28 * config.digits, 28)
    return BUILDERS[config.routing](classes, **options)


RULE = ("between", "accumulate", "squash_constant")        # what dynamic routing alone has


def settled(config):
    """The configuration with --shift and --skip-empty as the recipe has them by default."""
    for name in (*RULE, "weights"):
        if config.routing != "dynamic" and getattr(config, name) != getattr(Config, name):
            raise InputError(f"{cli.option(name)} expects --routing dynamic. Received: {config.routing}")
    if config.routings and config.routing == "none":
        raise InputError("--routings expects --routing dynamic or em: pooling has no rounds. "
                         f"Received: {config.routings}")
    if config.reconstruction and config.routing != "dynamic":
        raise InputError("--reconstruction expects --routing dynamic, whose capsules are vectors that can be "
                         f"drawn from. Received: {config.routing}")
    if config.reconstruction and config.digits > 1:
        raise InputError("--reconstruction expects --digits 1: it draws an image from the capsule of its one "
                         f"digit. Received: {config.digits}")
    article = config.recipe == "article"
    if config.shift is None:
        config = replace(config, shift=0 if article else 2)
    if config.skip_empty is None:
        config = replace(config, skip_empty=not article)
    return config


def load(config):
    """The images, with labels and enough classes for --digits, and the number of classes."""
    images = datasets.load_images(config.data)
    if images.y_train is None or images.y_test is None:
        raise InputError("capsule/train.py needs labels: --data with y_train and y_test, or with one "
                         f"subfolder a class. Received: {config.data} without labels")
    if config.images:
        first = slice(config.images)
        images = replace(images, x_train=images.x_train[first], y_train=images.y_train[first])
    different = len(set(images.y_train))
    if config.digits > different:
        raise InputError(f"--digits expects at most {different}, one of each class: the digits of an image "
                         f"differ. Received: {config.digits}")
    classes = int(images.y_train.max()) + 1
    if config.smoke:
        images = images.first(100 if config.routing == "em" else 300)
    return images, classes


def split(config, images):
    """Training images and labels, and the held-out ones, at most a tenth."""
    end = len(images.x_train) - min(config.validation, len(images.x_train) // 10)
    (x, x_val), (y, y_val) = np.split(images.x_train, [end]), np.split(images.y_train, [end])
    for part in (y, y_val):
        different = len(set(part.tolist()))
        if len(part) and config.digits > different:
            raise InputError(f"--digits {config.digits} expects as many classes, both among the training and "
                             "among the validation images, which are the last ones: mix the images. "
                             f"Received: {different}")
    return x, y, x_val, y_val


def preparation(run, x, y, classes):
    """Function of a batch of images and labels that makes the model's inputs and targets of it."""
    config = run.config

    def prepare(images, labels, rng):                      # partners are new in every epoch
        images, labels = stack(images, labels, config.digits, rng, (x, y))
        moved = random_shift(images, config.shift, rng)
        # The learning rate is small at the end: a margin that rose until then would hardly be learnt.
        progress = run.epoch / max(1, config.epochs // 2)
        return sample(config, moved, images, targets(labels, classes, margin(config, progress)))

    return prepare


def validation(config, x, y, classes):
    """(inputs, targets) of the held-out images, or None where there are none."""
    if len(x) == 0:
        return None
    x, y = stack(x, y, config.digits, np.random.default_rng(config.seed))
    return sample(config, x, x, targets(y, classes, margin(config, 1.0)))


def sample(config, moved, images, y):
    """(inputs, targets) of the model. A decoder draws the image as it was before it moved: the votes of all
    positions are added, so where a digit stands is nothing that its capsule could know."""
    inputs = as_inputs(moved)
    if not config.reconstruction:
        return inputs, y
    pixels = as_inputs(images).reshape(len(images), -1)
    return (inputs, y), (y, pixels)


def margin(config, progress):
    """m of spread_loss, from 0.2 at the start to 0.9 where progress is 1; 1 for margin_loss."""
    return spread_margin(progress) if config.routing == "em" else 1.0


def objective(config):
    """What compile is given: the loss of the classes and, of a decoder, that of the pixels."""
    loss = spread_loss if config.routing == "em" else margin_loss
    if not config.reconstruction:
        return {"loss": loss}
    pixels = 28 * 28                                       # Keras' loss is their mean, the paper's the sum
    return {"loss": [loss, "mean_squared_error"], "loss_weights": [1, pixels * config.reconstruction]}


if __name__ == "__main__":
    cli.main(train, Config, __doc__)
