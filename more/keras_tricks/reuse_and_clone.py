"""“让Keras更酷一些！”：层与模型的重用技巧, https://kexue.fm/archives/6985, section 基础

A layer or a model that is called twice has one set of weights; a clone has its own.

    2018       layer(layer(x)); clone_model, then set_weights(K.batch_get_value(model.weights))
    Keras 3    as then, and set_weights(model.get_weights()); clone_function of clone_model exchanges layers

    python more/keras_tricks/reuse_and_clone.py    seconds
"""

import keras
import numpy as np
from keras import ops


def build_shared(dim=4):
    """x → f(f(x)) with one f."""
    x = keras.Input((dim,))
    f = keras.layers.Dense(dim, "tanh")
    return keras.Model(x, f(f(x)))


def without_dropout(layer):
    """The layer anew, but for dropout, which lets all pass."""
    if isinstance(layer, keras.layers.Dropout):
        return keras.layers.Identity(name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def check():
    """What holds of weights and outputs: a line for each trick."""
    model, x = build_shared(), np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    assert model.count_params() == 4 * 4 + 4
    clone = keras.models.clone_model(model)
    expected = model.predict(x, verbose=0)
    apart = np.abs(clone.predict(x, verbose=0) - expected).max()
    clone.set_weights(model.get_weights())
    assert apart > 0 and np.array_equal(clone.predict(x, verbose=0), expected)
    noisy = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(3)])
    calm = keras.models.clone_model(noisy, clone_function=without_dropout)
    calm.set_weights(noisy.get_weights())
    trained = ops.convert_to_numpy(calm(x, training=True))
    assert np.allclose(trained, noisy.predict(x, verbose=0), atol=1e-6)
    return ["a layer that is called twice has its 20 parameters once",
            f"a clone differs by up to {apart:.2f} until it is given the weights, then not at all",
            "a clone_function takes dropout out of a model that is built"]


if __name__ == "__main__":
    print(*check(), sep="\n")
