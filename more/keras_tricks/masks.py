"""“让Keras更酷一些！”：层中层与mask, https://kexue.fm/archives/6810, section Mask

Mean, maximum and softmax over steps of which some are padding.

    2018       a Lambda that computes the mask, and arithmetic with it: x − (1 − m) · 10¹⁰
    Keras 3    GlobalAveragePooling1D, Softmax, Attention and recurrent layers take the mask of an embedding
               with mask_zero. GlobalMaxPooling1D does not: masked_max here does. 10¹⁰ is more than float16
               has, so padding is replaced here, not pushed away

    python more/keras_tricks/masks.py    seconds
"""

import keras
import numpy as np
from keras import ops

LEAST = {"float16": -65504.0, "bfloat16": -3.38e38}       # where it is not that of float32


def masked_mean(x, mask):
    """avg(x) = Σ x ⊗ m / Σ m over steps: (batch, time, dim), (batch, time) → (batch, dim); 0 of no step."""
    mask = ops.cast(mask, x.dtype)[:, :, None]
    return ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)


def masked_max(x, mask):
    """The maximum over steps that are no padding: (batch, time, dim), (batch, time) → (batch, dim).

    A row of nothing but padding has about the least number of its type.
    """
    least = LEAST.get(keras.backend.standardize_dtype(x.dtype), -3.4e38)
    return ops.max(ops.where(ops.cast(mask, "bool")[:, :, None], x, ops.cast(least, x.dtype)), axis=1)


def check():
    """What holds of the article's own examples, and of Keras' layers: a line for each."""
    x = np.array([1, 0, 3, 4, 5, 0, 0, 0], "float32").reshape(1, 8, 1)
    mask = np.array([[1, 1, 1, 1, 1, 0, 0, 0]], "bool")
    mean = float(masked_mean(ops.convert_to_tensor(x), mask)[0, 0])
    assert np.isclose(mean, 2.6) and np.isclose(x.mean(), 1.625)
    average = keras.layers.GlobalAveragePooling1D()
    assert np.isclose(average(x, mask=mask)[0, 0], 2.6)
    nothing = np.zeros_like(mask)
    assert np.isnan(average(x, mask=nothing)[0, 0])
    assert masked_mean(ops.convert_to_tensor(x), nothing)[0, 0] == 0
    negative = np.where(mask[:, :, None], -1 - np.arange(8, dtype="float32")[:, None], 0)
    largest = {}
    for dtype in ("float32", "float16"):
        largest[dtype] = float(masked_max(ops.cast(negative, dtype), mask)[0, 0])
    plain = float(keras.layers.GlobalMaxPooling1D()(ops.convert_to_tensor(negative, "float32"))[0, 0])
    assert largest == {"float32": -1, "float16": -1} and plain == 0
    assert not keras.layers.GlobalMaxPooling1D().supports_masking
    p = np.array(keras.layers.Softmax()(x[:, :, 0], mask=mask))[0]
    short = np.exp(x[0, :5, 0]) / np.exp(x[0, :5, 0]).sum()
    assert np.allclose(p[:5], short, atol=1e-6) and not p[5:].any()
    return [f"mean {mean:.1f} with the mask, 1.625 without; GlobalAveragePooling1D has {mean:.1f}, too",
            "of nothing but padding GlobalAveragePooling1D is NaN, masked_mean 0",
            f"maximum {largest['float32']:.0f} with the mask; GlobalMaxPooling1D takes none: {plain:.0f}",
            "Softmax with the mask is that of the five steps, and 0 behind them"]


if __name__ == "__main__":
    print(*check(), sep="\n")
