"""Two small layers of dgcnn/train.py, with the masks that Keras' own Concatenate and Conv1D would lose."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class Beside(keras.layers.Layer):
    """The vector q beside each step of h: (batch, time, a) and (batch, b) → (batch, time, a + b).

    The mask is that of h: Keras' Concatenate takes a step as real where any of its inputs is, and q is
    everywhere. More sequences may follow, as long as h."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        h, q, *more = inputs
        return ops.concatenate([h, ops.zeros_like(h[..., :1]) + ops.expand_dims(q, 1), *more], axis=-1)

    def compute_mask(self, inputs, mask=None):
        return mask[0] if mask else None

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], sum(shape[-1] for shape in input_shape))


@keras.saving.register_keras_serializable(package="kexue")
class ResidualConv1D(keras.layers.Conv1D):
    """x + relu(Conv1D(x)): what eq. (2) of the article is without its gate. Padding is zero."""

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(filters, kernel_size, **{"padding": "same", "activation": "relu", **kwargs})
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return inputs + super().call(inputs)
        x = ops.where(mask[..., None], inputs, ops.zeros_like(inputs))
        return ops.where(mask[..., None], x + super().call(x), ops.zeros_like(x))
