"""“让Keras更酷一些！”：层中层与mask, https://kexue.fm/archives/6810, section 层中层

A layer that is made of layers: y = g(f(x W₁ + b₁) W₂ + b₂).

    2018       OurLayer with its method reuse, which collects the weights
    Keras 3    built in: a layer that is an attribute of a layer is tracked. Layers are made in __init__ and
               built in build, or a saved file has weights for which there are no places yet

    python more/keras_tricks/layer_in_layer.py    seconds
"""

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="kexue")
class TwoDense(keras.layers.Layer):
    """The article's OurDense: two Dense layers in one.

    Args:
        hidden_dim, output_dim: widths.
        hidden_activation, output_activation: f and g.
        **kwargs: as for any layer; the dtype holds for both.

    Call arguments: x (..., dim). Output: (..., output_dim).

    Example:
        TwoDense(16, 4, "relu")(np.ones((2, 3)))

    Reference: 苏剑林, “让Keras更酷一些！”：层中层与mask, https://kexue.fm/archives/6810
    """

    def __init__(self, hidden_dim, output_dim, hidden_activation="linear", output_activation="linear",
                 **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(hidden_dim, hidden_activation, dtype=self.dtype_policy)
        self.last = keras.layers.Dense(output_dim, output_activation, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.hidden.build(input_shape)
        self.last.build(self.hidden.compute_output_shape(input_shape))

    def call(self, x):
        return self.last(self.hidden(x))

    def compute_output_shape(self, input_shape):
        return self.last.compute_output_shape(self.hidden.compute_output_shape(input_shape))

    def get_config(self):
        activations = {f"{name}_activation": keras.activations.serialize(layer.activation)
                       for name, layer in (("hidden", self.hidden), ("output", self.last))}
        return {**super().get_config(), "hidden_dim": self.hidden.units, "output_dim": self.last.units,
                **activations}


def check():
    """What holds of the weights and of a copy: a line."""
    model = keras.Sequential([keras.Input((3,)), TwoDense(16, 4, "relu")])
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    w1, b1, w2, b2 = model.get_weights()
    assert np.allclose(model.predict(x, verbose=0), np.maximum(x @ w1 + b1, 0) @ w2 + b2, atol=1e-5)
    copy = keras.models.model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    assert np.array_equal(copy.predict(x, verbose=0), model.predict(x, verbose=0))
    return [f"the four arrays of both layers are weights of the outer one, {model.count_params()} parameters"]


if __name__ == "__main__":
    print(*check(), sep="\n")
