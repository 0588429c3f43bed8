"""Three ways to keep ‖W‖₂ of a critic's kernels small, of article 6051: in the forward pass, after each
step, and by a term of the loss."""

import keras
from keras import ops

from common.spectral import SpectralNorm, power_iteration

ITERATIONS = 5       # the article's, from a vector of ones


def norm_from_ones(w):
    """‖W‖₂ by the article's spectral_norm(w, r=5): it keeps no u, so constraints and regularizers can have
    it."""
    matrix = ops.cast(ops.reshape(w, (-1, w.shape[-1])), "float32")
    sigma, _ = power_iteration(matrix, ops.ones((matrix.shape[0],)), ITERATIONS)
    return sigma


@keras.saving.register_keras_serializable(package="kexue")
class UnitNorm2(keras.constraints.Constraint):
    """W ← W/‖W‖₂ after the optimizer's step: the article's kernel_constraint, which the gradient does not
    see."""

    def __call__(self, w):
        return w / ops.cast(ops.maximum(norm_from_ones(w), 1e-12), w.dtype)


@keras.saving.register_keras_serializable(package="kexue")
class SquaredNorm2(keras.regularizers.Regularizer):
    """λ ‖W‖₂², eq. (16) of 6051: 谱正则化."""

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, w):
        return self.weight * ops.square(norm_from_ones(w))

    def get_config(self):
        return {"weight": self.weight}


def normed(layer, way, weight=1e-2):
    """A layer that is not built yet, with its kernel kept small.

    Args:
        layer: Dense or a convolution.
        way: forward, W/‖W‖₂ in place of W; constraint, after each step; regularized, by λ ‖W‖₂² in the
            loss; empty, not at all.
        weight: λ.
    """
    if way == "forward":
        return SpectralNorm(layer, dtype=layer.dtype_policy)
    if way == "constraint":
        layer.kernel_constraint = UnitNorm2()
    if way == "regularized":
        layer.kernel_regularizer = SquaredNorm2(weight)
    return layer
