"""bert4keras' rotary position embedding (kexue.fm 8265), by products of matrices.

    x₀ → x₀ cos nθ − x₁ sin nθ
    x₁ → x₁ cos nθ + x₀ sin nθ          for each pair of channels (x₀, x₁) at position n

bert4keras takes every second channel by strided slices, whose forward and backward passes were a quarter of
a training step on a CPU. A product with a matrix that has one ±1 in each column moves the same numbers
faster: its sums have one term, so nothing is rounded.

No Keras in here.
"""

import numpy as np


def rotate(sinusoidal, *tensors):
    """Queries and keys turned by their positions; takes bert4keras' apply_rotary_position_embeddings' place.

    Args:
        sinusoidal: sin nθ₀, cos nθ₀, sin nθ₁, …: (batch or 1, time, d).
        *tensors: (batch, time, heads, d).

    Returns:
        The tensors, turned; a list if there are several.
    """
    import tensorflow as tf

    size = tensors[0].shape[-1]
    even, odd = np.arange(0, size, 2), np.arange(1, size, 2)
    sines, cosines, turned = np.zeros((3, size, size), "float32")
    sines[even, even] = sines[even, odd] = 1
    cosines[odd, even] = cosines[odd, odd] = 1
    turned[odd, even], turned[even, odd] = -1, 1              # (x₀, x₁) → (−x₁, x₀)
    cos = tf.tensordot(sinusoidal, cosines, 1)[:, :, None]
    sin = tf.tensordot(sinusoidal, sines, 1)[:, :, None]
    outputs = [tensor * cos + tf.tensordot(tensor, turned, 1) * sin for tensor in tensors]
    return outputs[0] if len(outputs) == 1 else outputs
