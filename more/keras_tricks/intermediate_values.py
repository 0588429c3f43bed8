"""“让Keras更酷一些！”：中间变量、权重滑动和安全生成器, https://kexue.fm/archives/6575, section 输出中间变量

A value inside a layer, such as the weights of attention, of a model that is trained already.

    2018       K.function([x_in], [layer.x_normalized])
    Keras 3    for the output of a layer, a second model; for a value inside of one, the layer's method on the
               output of the layer before it, or a layer that returns the value, too, when it is asked

    python more/keras_tricks/intermediate_values.py    seconds
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kexue")
class Normal(keras.layers.Layer):
    """The article's layer: x / ‖x‖ times one weight. `normalized` is the value inside.

    Args:
        **kwargs: as for any layer.

    Call arguments: x (..., dim). Output: the same shape.

    Example:
        layer = Normal()
        layer(np.ones((2, 3)))
        layer.normalized(np.ones((2, 3)))

    Reference: 苏剑林, “让Keras更酷一些！”：中间变量、权重滑动和安全生成器, https://kexue.fm/archives/6575
    """

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(1,), initializer="ones", name="kernel")

    def normalized(self, x):
        return ops.normalize(ops.convert_to_tensor(x), axis=-1)

    def call(self, x):
        return self.normalized(x) * self.kernel

    def compute_output_shape(self, input_shape):
        return input_shape


def inside(model, layer, method, x):
    """What a method of a layer says of what the layer gets, when the model reads x."""
    layer = model.get_layer(layer)
    before = keras.Model(model.input, layer.input)
    return ops.convert_to_numpy(getattr(layer, method)(before(x)))


def check():
    """What holds of the value inside, and of attention's weights: a line for each."""
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    start = keras.Input((5,))
    h = Normal(name="normal")(keras.layers.Dense(4, name="first")(start))
    model = keras.Model(start, keras.layers.Dense(2)(h))
    model.get_layer("normal").kernel.assign([3.0])
    kernel, bias = model.get_layer("first").get_weights()
    expected = x @ kernel + bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(inside(model, "normal", "normalized", x), expected, atol=1e-5)
    steps = keras.Input((6, 5))
    attention = keras.layers.MultiHeadAttention(2, 4)
    outputs, weights = attention(steps, steps, return_attention_scores=True)
    watched = keras.Model(steps, [outputs, weights])
    found = watched.predict(np.stack([x, x], axis=1).reshape(1, 6, 5), verbose=0)[1]
    assert found.shape == (1, 2, 6, 6) and np.allclose(found.sum(axis=-1), 1, atol=1e-5)
    return ["a model up to the layer, and the layer's method, give the value inside",
            "MultiHeadAttention gives its weights when it is asked, (batch, heads, time, time)"]


if __name__ == "__main__":
    print(*check(), sep="\n")
