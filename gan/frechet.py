"""The features in which generated and real images are compared, by the distance of
common/harness/frechet.py.

They are those of a small classifier, which gan/features.py trains; the FID has Inception in its place.
Numbers from one classifier compare models with each other; they are not comparable with a FID or with another
classifier's.
"""

import keras
from keras import layers

from common.harness.frechet import as_inputs
from common.harness.language import in_users_language
from common.harness.models import load_model
from common.harness.reading import InputError
from common.harness.writing import ROOT, shown

FOLDER = ROOT / "gan/weights"


# --------------------------------------------------------------------------------------------- the classifier

def build_classifier(size=32, channels=1, classes=10):
    """Pixels in [0, 1] → 64 features (layer "features") → logits; the network is for grey or for colour
    images."""
    x = keras.Input((size, size, channels), name="x")
    h = grey_features(x) if channels == 1 else colour_features(x)
    h = layers.Dense(64, activation="relu", name="features")(h)
    # the seed of the last weights is drawn before the dropout's: another order, other numbers
    logits = layers.Dense(classes, name="classes")(layers.Dropout(0.3)(h))
    return keras.Model(x, logits, name="gan_features")


def grey_features(h):
    """Enough for digits."""
    for filters in (32, 64, 64):
        h = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(h)
    return layers.Flatten()(h)


def colour_features(h):
    """Two convolutions for each halving, and a mean over places: objects are anywhere."""
    for filters in (32, 64, 128):
        for strides in (1, 2):
            h = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(h)
            h = layers.BatchNormalization()(h)
            h = layers.ReLU()(h)
    return layers.GlobalAveragePooling2D()(h)


def classifier_for(images, learning_rate=1e-3):
    """A new classifier for these images, ready to fit."""
    model = build_classifier(images.x_train.shape[1], images.x_train.shape[-1], int(images.y_train.max()) + 1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(learning_rate), loss, metrics=["accuracy"], jit_compile="auto")
    return model


def quick_classifier(images):
    """A classifier after a few seconds, for smoke runs; None without labels."""
    if images.y_train is None:
        return None
    model = classifier_for(images)
    model.fit(as_inputs(images.x_train), images.y_train, epochs=1, verbose=0)
    return model


# ----------------------------------------------------------------------------------------- which one compares

def find_extractor(name, images, quiet=False):
    """The model whose features are compared, or None.

    Args:
        name: a file of gan/features.py, "inception", or "" for the shipped classifier of these images.
        images: Images; their name and shape say which classifier is theirs.
        quiet: says nothing where there is none.
    """
    if name == "inception":
        return inception(images.x_train.shape[2])
    return chosen_classifier(name, images) if name else shipped_classifier(images, quiet)


def chosen_classifier(path, images):
    """The classifier that --features names; an InputError where it is for other images."""
    model = load_model(path)
    if model.name != "gan_features" or model.inputs[0].shape[1:] != images.x_train.shape[1:]:
        size = " × ".join(map(str, images.x_train.shape[1:]))
        raise InputError(f"--features expects a classifier of gan/features.py for {size} images. "
                         f"Received: {path}, a model named {model.name} for {model.inputs[0].shape[1:]}")
    return model


def shipped_classifier(images, quiet=False):
    """The classifier in gan/weights for images of this name, size and colour, or None."""
    size = images.x_train.shape[2]
    path = FOLDER / f"features-{images.name.split(',')[0]}-{size}.keras"
    if not path.exists():
        if not quiet:
            command = f"python gan/features.py --data ... --size {size}"
            print(in_users_language(
                f"NOTE: there is no {shown(path)}, so the Fréchet distance is left out. {command} trains "
                "such a classifier; name it with --features.",
                f"注意：没有 {shown(path)}，不算 Fréchet 距离。可用 {command} 训练，再用 --features 指定。"),
                flush=True)
        return None
    model = load_model(path)
    if model.inputs[0].shape[1:] != images.x_train.shape[1:]:                 # another data set of that name
        print(in_users_language(
            f"NOTE: {shown(path)} is for other images, so the Fréchet distance is left out.",
            f"注意：{shown(path)} 用于别的图片，不算 Fréchet 距离。"), flush=True)
        return None
    return model


def inception(size):
    """InceptionV3's last pooling layer after scaling to 299 × 299, as for the FID. Keras downloads the
    weights.
    They are not those of the usual FID programs: compare the numbers with each other only."""
    try:
        network = keras.applications.InceptionV3(include_top=False, pooling="avg")
    except Exception as error:      # Keras raises a bare Exception for a download that fails
        raise InputError("--features inception needs the network, for InceptionV3's weights: "
                         f"{error}") from error
    x = keras.Input((size, size, 3), name="x")
    h = layers.Resizing(299, 299)(x)
    return keras.Model(x, network(h * 2 - 1), name="inception")
