"""“让Keras更酷一些！”：精巧的层与花式的回调, https://kexue.fm/archives/5765, section 双输出的层

A layer with two outputs: the halves of a vector.

    2018       a Layer with compute_output_shape for a list
    Keras 3    operations apply to symbolic tensors: keras.ops.split(x, 2, axis=-1) alone, in the model

    python more/keras_tricks/two_outputs.py    seconds
"""

import keras
import numpy as np


def build_halves(dim, first):
    """x → its first components, and the others, as a model that saves and loads."""
    x = keras.Input((dim,))
    return keras.Model(x, list(keras.ops.split(x, [first], axis=-1)))


def check():
    """What holds of the model and of its copy: a line."""
    x = np.arange(10, dtype="float32").reshape(2, 5)
    model = build_halves(5, 2)
    for copy in (model, keras.models.model_from_json(model.to_json())):
        left, right = copy.predict(x, verbose=0)
        assert np.array_equal(left, x[:, :2]) and np.array_equal(right, x[:, 2:])
    return ["keras.ops.split in a functional model gives both parts, and so does the model from its JSON"]


if __name__ == "__main__":
    print(*check(), sep="\n")
