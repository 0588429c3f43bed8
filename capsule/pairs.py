"""Two digits in one image: the article's test for a model that was trained on one, and a harder one."""

import numpy as np

NAMED = 0.7       # score above which a digit is named: of validation pairs, 0.5 names a third digit too often
MAX_SHIFT = 8     # pixels by which the digits of an overlapping pair are shifted at most, in each direction


def k_hot(labels, classes):
    """Labels (n,) or, for several digits an image, (n, digits) → (n, classes) of 0 and 1."""
    return np.eye(classes, dtype="float32")[labels.reshape(len(labels), -1)].max(axis=1)


def partners(labels, others, count, rng):
    """For each label the rows of `count` among the others, (n, count), such that all the labels differ.

    The others must have at least 1 + count different labels.
    """
    rows, taken = np.empty((len(labels), 0), int), labels[:, None]
    while rows.shape[1] < count:
        column = rng.integers(0, len(others), len(labels))
        same = (taken == others[column][:, None]).any(axis=1)
        while same.any():
            column[same] = rng.integers(0, len(others), same.sum())
            same = (taken == others[column][:, None]).any(axis=1)
        rows = np.concatenate([rows, column[:, None]], axis=1)
        taken = np.concatenate([taken, others[column][:, None]], axis=1)
    return rows


def stacked_pairs(images, labels, seed=0):
    """The article's test: another image from a permutation below each one, pairs of equal digits left out."""
    order = np.random.default_rng(seed).permutation(len(images))
    different = labels != labels[order]
    pairs = np.stack([labels, labels[order]], axis=1)
    return np.concatenate([images, images[order]], axis=1)[different], pairs[different]


def overlapping_pairs(images, labels, seed=0):
    """Both images on one canvas, each shifted by 0 to 8 pixels to the right and down; the brighter pixel is
    seen."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    height, width = images.shape[1:]
    canvas = np.zeros((2, len(images), height + MAX_SHIFT, width + MAX_SHIFT), "uint8")
    for layer, rows in zip(canvas, (np.arange(len(images)), order)):
        shifts = rng.integers(0, MAX_SHIFT + 1, (len(images), 2))
        for image, row, (y, x) in zip(layer, rows, shifts):
            image[y:y + height, x:x + width] = images[row]
    different = labels != labels[order]
    return canvas.max(axis=0)[different], np.stack([labels, labels[order]], axis=1)[different]


def beside_nothing(images, seed=0):
    """Each image above or below an empty one of its size."""
    below = np.random.default_rng(seed).integers(0, 2, len(images)).astype(bool)[:, None, None]
    return np.concatenate([np.where(below, 0, images), np.where(below, images, 0)], axis=1)


PAIRS = {"stacked": stacked_pairs, "overlapping": overlapping_pairs}
