"""Two digits in one image, seen by a model that was trained on one: the article's test, its metrics and its pictures."""

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure

from common import runs
from common.capsule import Capsule

NAMED = 0.7  # score above which predict.py names a digit: of validation pairs, 0.5 names a third digit too often
EDGE = 8     # pixels by which the digits of an overlapping pair are shifted at most, in each direction


def load(path):
    """A model of this folder, from a run folder or a .keras file; anything else is an InputError."""
    model = runs.load_model(path)
    if not model.name.startswith("capsule_") or model.inputs[0].shape[1:] != (None, None, 1):
        raise runs.InputError(f"expected a model trained by capsule/train.py. Received: {path}, a model named {model.name}")
    return model


def scores(model, images):
    """uint8 images (n, height, width) → the score of every class in [0, 1], (n, classes)."""
    return model.predict(as_inputs(images), batch_size=100, verbose=0)


def as_inputs(images):
    """uint8 images (n, height, width) as the models take them: one channel, pixels in [0, 1]."""
    return np.asarray(images, "float32")[..., None] / 255


def k_hot(labels, classes):
    """Labels (n,) or, for several digits an image, (n, digits) → (n, classes) of 0 and 1."""
    return np.eye(classes, dtype="float32")[labels.reshape(len(labels), -1)].max(axis=1)


# -------------------------------------------------------------------------------------------------------------- pairs

def partners(labels, others, count, rng):
    """For each label the rows of `count` among the others, (n, count), such that all the labels differ.

    The others must have at least 1 + count different labels.
    """
    rows, taken = np.empty((len(labels), 0), int), labels[:, None]
    while rows.shape[1] < count:
        column = rng.integers(0, len(others), len(labels))
        while (same := (taken == others[column][:, None]).any(axis=1)).any():
            column[same] = rng.integers(0, len(others), same.sum())
        rows = np.concatenate([rows, column[:, None]], axis=1)
        taken = np.concatenate([taken, others[column][:, None]], axis=1)
    return rows


def stacked_pairs(images, labels, seed=0):
    """The article's test: another image from a permutation below each one, pairs of equal digits left out."""
    order = np.random.default_rng(seed).permutation(len(images))
    different = labels != labels[order]
    return (np.concatenate([images, images[order]], axis=1)[different],
            np.stack([labels, labels[order]], axis=1)[different])


def overlapping_pairs(images, labels, seed=0):
    """Both images on one canvas, each shifted by 0 to 8 pixels to the right and down; the brighter pixel is seen."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    canvas = np.zeros((2, len(images), images.shape[1] + EDGE, images.shape[2] + EDGE), "uint8")
    for layer, rows in zip(canvas, (np.arange(len(images)), order)):
        for image, row, (y, x) in zip(layer, rows, rng.integers(0, EDGE + 1, (len(images), 2))):
            image[y:y + images.shape[1], x:x + images.shape[2]] = images[row]
    different = labels != labels[order]
    return canvas.max(axis=0)[different], np.stack([labels, labels[order]], axis=1)[different]


PAIRS = {"stacked": stacked_pairs, "overlapping": overlapping_pairs}


# ------------------------------------------------------------------------------------------------------------ metrics

def pair_accuracy(found, pairs):
    """Shares of images whose two highest scores are the two digits, where both are above 0.5 besides, and where these two
    digits and no others are above NAMED."""
    top = np.argsort(found, axis=1)[:, -2:]
    right = (np.sort(top, axis=1) == np.sort(pairs, axis=1)).all(axis=1)
    sure = np.take_along_axis(found, top, axis=1).min(axis=1) > 0.5
    exactly = ((found > NAMED) == k_hot(pairs, found.shape[1]).astype(bool)).all(axis=1)
    return right.mean(), (right & sure).mean(), exactly.mean()


def metrics(model, images, labels):
    """Accuracies of one model on test images, for results.json: one digit, two stacked, two overlapping."""
    result = {"test_accuracy_one_digit": (scores(model, images).argmax(axis=1) == labels).mean()}
    for name, make in PAIRS.items():
        pictures, pairs = make(images, labels)
        if len(pairs):
            right, sure, exactly = pair_accuracy(scores(model, pictures), pairs)
            result |= {f"test_accuracy_two_{name}": right, f"test_accuracy_two_{name}_above_half": sure,
                       f"test_accuracy_two_{name}_named_exactly": exactly}
    return result


# ----------------------------------------------------------------------------------------------------------- pictures

def vote_maps(model, images):
    """Where the votes for each class come from, for a model with dynamic routing.

    Returns:
        v: lengths (n, classes).
        couplings: c_ij (n, classes, height, width), which over the classes sum to 1.
        shares: c_ij ⟨û_ij, v_j/‖v_j‖⟩ (n, classes, height, width), which over the positions sum to ‖Σ_i c_ij û_ij‖.
    """
    capsule = next(layer for layer in model.layers if isinstance(layer, Capsule))
    features = keras.Model(model.inputs, [model.get_layer("features").output, capsule.input])
    maps, u = features.predict(as_inputs(images), verbose=0)
    v, c = (ops.convert_to_numpy(t) for t in capsule.route(u))
    kernel = ops.convert_to_numpy(capsule.kernel).reshape(u.shape[-1], *v.shape[1:])
    length = np.linalg.norm(v, axis=-1)
    shares = c * np.einsum("bni,ikd,bkd->bkn", u, kernel, v / (length[..., None] + 1e-9), optimize=True)
    return length, *(t.reshape(len(u), -1, *maps.shape[1:3]) for t in (c, shares))


def pictures(models, images, labels, folder):
    """Answers of the models, a dict by name, to two digits; and where the votes come from in those with dynamic routing."""
    for name, make in PAIRS.items():
        both, pairs = make(images, labels)
        if not len(pairs):
            continue
        save_answers(models, both, pairs, folder / f"{name}.png")
        for model_name, model in models.items():
            if any(isinstance(layer, Capsule) for layer in model.layers):
                save_vote_maps(model, both[:4], folder / f"votes_{model_name}_{name}.png")


def save_vote_maps(model, images, path):
    """For each image: couplings, from 0 to 1, and shares of the two classes with the highest scores."""
    lengths, couplings, shares = vote_maps(model, images)
    figure = Figure(figsize=(8, 1.9 * len(images)), layout="constrained")
    for row, axes in enumerate(figure.subplots(len(images), 5, squeeze=False)):
        axes[0].imshow(images[row], cmap="gray")
        for column, j in enumerate(np.argsort(-lengths[row])[:2]):
            share = f"share in {j}: {lengths[row, j]:.2f}"
            for offset, maps, title, top in [(1, couplings, f"coupling to {j}", 1), (3, shares, share, None)]:
                axes[column + offset].imshow(maps[row, j], "viridis", vmin=0 if top else None, vmax=top)
                axes[column + offset].set_title(title, fontsize="small")
        for axis in axes:
            axis.set_axis_off()
    _save(figure, path)


def save_answers(models, images, pairs, path, columns=10):
    """Two-digit images with the answer of each model below: its two best classes and their scores."""
    answers = {name: scores(model, images[:columns]) for name, model in models.items()}
    figure = Figure(figsize=(1.15 * columns, 1.7 + 0.35 * len(models)), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for column, axis in enumerate(axes[:len(images)]):
        axis.imshow(images[column], cmap="gray")
        lines = []
        for name, found in answers.items():
            best = np.argsort(-found[column])[:2]
            mark = "✓" if set(best) == set(pairs[column]) else "✗"
            lines.append(f"{name} {mark}\n" + " ".join(f"{j}:{found[column, j]:.2f}" for j in best))
        axis.set_title("\n".join(lines), fontsize=7)
    for axis in axes:
        axis.set_axis_off()
    _save(figure, path)


def _save(figure, path):
    runs.write_figure(path, lambda file: figure.savefig(file, format="png", dpi=110))
