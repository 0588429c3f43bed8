"""“让Keras更酷一些！”：层与模型的重用技巧, https://kexue.fm/archives/6985, sections 提取中间层 and 从中间拆开

A model from the input to somewhere inside, and one from there to the output.

    2018       fifty lines that deceive run_internal_graph
    Keras 3    built in: keras.Model(tensor inside, model.output), through residual connections, too

    python more/keras_tricks/cut_in_the_middle.py    seconds
"""

import keras
import numpy as np


def build_residual(dim=6, blocks=4):
    """x → x + f(x), several times, then a Dense."""
    x = h = keras.Input((dim,))
    for i in range(blocks):
        h = keras.layers.Add(name=f"add_{i}")([h, keras.layers.Dense(dim, "relu")(h)])
    return keras.Model(x, keras.layers.Dense(3)(h))


def cut(model, layer):
    """(front, back) with back(front(x)) = model(x), which share the model's weights.

    Args:
        layer: the name of the layer whose output is where it is cut. All ways from input to output have to go
            through it.
    """
    middle = model.get_layer(layer).output
    return keras.Model(model.input, middle), keras.Model(middle, model.output)


def check():
    """What holds of the two halves: a line."""
    model, x = build_residual(), np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    front, back = cut(model, "add_1")
    whole = model.predict(x, verbose=0)
    halves = back.predict(front.predict(x, verbose=0), verbose=0)
    apart = np.abs(halves - whole).max()
    assert apart < 1e-6, f"expected the same output. Received: a difference of {apart}"
    back.layers[-1].bias.assign([1.0, 2.0, 3.0])
    assert np.allclose(model.predict(x, verbose=0) - whole, [1, 2, 3], atol=1e-5)
    return [f"the halves give the output of the whole, up to {apart:.1g}, and share its weights"]


if __name__ == "__main__":
    print(*check(), sep="\n")
