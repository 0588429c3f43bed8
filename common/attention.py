"""Attention over sequences: additive pooling to one vector.

Copy this file into any Keras 3 project; it needs keras alone.

    characters = keras.Input((None,), dtype="int32")                      # 0 is padding
    x = keras.layers.Embedding(5000, 128, mask_zero=True)(characters)
    vector = AttentionPooling1D()(x)                                       # (batch, 128)

Article: 苏剑林, 基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class AttentionPooling1D(keras.layers.Layer):
    """The mean of a sequence's vectors, weighted by a softmax over time that a small network computes.

        y = Σᵢ λᵢ xᵢ
        λᵢ = softmaxᵢ(αᵀ Act(W xᵢ))                                        eq. (4)
        λᵢ = softmaxᵢ(αᵀ Act(W xᵢ + b))                                    eq. (5), with use_bias

    Eq. (5) adds β to every score besides; a softmax does not see a constant, so there is none here.

    Symbols: W = kernel, b = bias, α = direction, λ = the result of `distribution`.

    Args:
        units: rows of W; None, the default, keeps the channels of the input.
        activation: Act. The article takes tanh and advises a bias with swish.
        use_bias: adds b.
        kernel_initializer: initializer of W and α.
        **kwargs: name, dtype and so on, as for any Keras layer.

    Call arguments:
        inputs: (batch, time, channels). time may differ from batch to batch.
        mask: (batch, time), True at real steps. By default the mask that Keras hands on. What padding holds, even NaN, never
            reaches the output; a sequence of padding alone gives zeros.

    Output:
        (batch, channels), without a mask. `distribution(inputs, mask)` gives λ, (batch, time), float32.

    Raises:
        ValueError: units below 1, or an input that is not (batch, time, channels).

    Precision: scores, softmax and the sum over time in float32. Padding is left out of the softmax; adding −10¹² to its
        score instead, as is often done, is −∞ in float16, and NaN where a sequence has no real step.

    Example:
        layer = AttentionPooling1D()
        x, mask = np.random.normal(size=(2, 7, 16)), np.arange(7) < np.array([[7], [4]])
        print(layer(x, mask=mask).shape)             # (2, 16)
        print(layer.distribution(x, mask)[1])        # 4 weights with sum 1, and zeros

    Reference: 苏剑林, 基于CNN的阅读理解式问答模型：DGCNN, https://kexue.fm/archives/5409; Wang et al., Gated Self-Matching
        Networks for Reading Comprehension and Question Answering (R-Net), ACL 2017
    """

    def __init__(self, units=None, activation="tanh", use_bias=False, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        if units is not None and (not isinstance(units, int) or units < 1):
            raise ValueError(f"units expects an integer of at least 1, or None. Received: units={units!r}")
        self.units, self.activation, self.use_bias = units, keras.activations.get(activation), use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(f"{self.name} expects sequences of shape (batch, time, channels). "
                             f"Received: shape={tuple(input_shape)}")
        channels = input_shape[-1]
        units = self.units or channels
        self.kernel = self.add_weight(name="kernel", shape=(channels, units), initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(units,), initializer="zeros") if self.use_bias else None
        self.direction = self.add_weight(name="direction", shape=(units, 1), initializer=self.kernel_initializer)

    def call(self, inputs, mask=None):
        weights, x = self.distribution(inputs, mask), _clean(inputs, mask)
        y = ops.einsum("bt,btc->bc", weights, ops.cast(x, "float32"))
        return ops.cast(y, self.compute_dtype)

    def distribution(self, inputs, mask=None):
        """λ, (batch, time) in float32: sums to 1 over the real steps and is exactly 0 at padding."""
        x = ops.matmul(ops.cast(_clean(inputs, mask), self.compute_dtype), ops.cast(self.kernel, self.compute_dtype))
        hidden = self.activation(x if self.bias is None else x + ops.cast(self.bias, self.compute_dtype))
        scores = ops.matmul(ops.cast(hidden, "float32"), ops.cast(self.direction, "float32"))[..., 0]
        if mask is None:
            return ops.softmax(scores, axis=-1)
        mask = ops.cast(mask, "bool")
        # Padding gets the lowest score there is, so that the largest is a real one and no exp overflows; then it goes.
        scores = ops.where(mask, scores, ops.min(scores, axis=-1, keepdims=True))
        powers = ops.where(mask, ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))), 0.0)
        return powers / ops.maximum(ops.sum(powers, axis=-1, keepdims=True), keras.config.epsilon() ** 4)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "units": self.units, "activation": keras.activations.serialize(self.activation),
                "use_bias": self.use_bias, "kernel_initializer": keras.initializers.serialize(self.kernel_initializer)}


def _clean(x, mask):
    """x with zeros at padding, even where it held NaN."""
    return x if mask is None else ops.where(ops.cast(mask, "bool")[..., None], x, ops.zeros_like(x))
