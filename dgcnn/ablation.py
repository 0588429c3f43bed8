"""What stands in for the gated convolutions in dgcnn/train.py --without gate."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="kexue")
class ResidualConv1D(layers.Conv1D):
    """x + Conv1D(x): what eq. (2) of the article is without its gate. Masks are kept, and padding is zero for everyone."""

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(filters, kernel_size, **{"padding": "same", "activation": "relu", **kwargs})
        self.supports_masking = True

    def call(self, inputs, mask=None):
        real = ops.ones_like(inputs[..., :1], "bool") if mask is None else mask[..., None]
        x = ops.where(real, inputs, ops.zeros_like(inputs))
        return ops.where(real, x + super().call(x), ops.zeros_like(x))
