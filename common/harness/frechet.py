"""The Fréchet distance between generated and real images, https://arxiv.org/abs/1706.08500: the distance
between Gaussians fitted to features of the images, which a small classifier of gan/features.py gives."""

import keras
import numpy as np

from common.harness.models import PredictionBar


def as_inputs(images):
    """uint8 images → pixels in [0, 1]."""
    return np.asarray(images, "float32") / 255


def features_and_classes(extractor, images):
    """uint8 images → features (n, dim), and the most likely classes (n,), or None from Inception."""
    x = as_inputs(images)
    if extractor.name == "inception":
        if x.shape[-1] == 1:
            x = np.repeat(x, 3, axis=-1)
        found = extractor.predict(x, batch_size=50, verbose=0, callbacks=[PredictionBar()])
        return found.astype("float64"), None
    both = keras.Model(extractor.inputs, [extractor.get_layer("features").output, extractor.outputs[0]])
    found, logits = both.predict(x, batch_size=500, verbose=0, callbacks=[PredictionBar()])
    return found.astype("float64"), logits.argmax(axis=-1)


def frechet_distance(a, b):
    """‖μ₁ − μ₂‖² + Tr(C₁ + C₂ − 2 (C₁C₂)^½) for Gaussians fitted to the rows of a and of b.

    Tr (C₁C₂)^½ is the sum of the roots of the eigenvalues of C₁^½ C₂ C₁^½, which is symmetric: no complex
    roots to leave out.
    """
    c_1, c_2 = (np.cov(rows, rowvar=False).reshape(rows.shape[1], -1) for rows in (a, b))
    values, vectors = np.linalg.eigh(c_1)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ c_2 @ root).clip(0)).sum()
    return np.square(a.mean(axis=0) - b.mean(axis=0)).sum() + np.trace(c_1) + np.trace(c_2) - 2 * cross
