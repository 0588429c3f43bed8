"""“让Keras更酷一些！”：层中层与mask, https://kexue.fm/archives/6810, section 结合：双向RNN

A recurrent layer in both directions over padded text: the way back has to begin at the last word, not at the
padding.

    2018       a Bidirectional of one's own, with tf.reverse_sequence
    Keras 3    built in: Bidirectional with the mask of mask_zero gives the steps of the unpadded text, and
               without a mask it does not

    python more/keras_tricks/bidirectional.py    seconds
"""

import keras
import numpy as np


def build_reader(tokens=20, dim=4, units=3, mask_zero=True):
    """Tokens (batch, time), 0 behind the text → states (batch, time, 2 · units)."""
    x = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(tokens, dim, mask_zero=mask_zero)(x)
    return keras.Model(x, keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True))(h))


def check():
    """What holds of a text of 3 and its padding to 8: a line."""
    keras.utils.set_random_seed(0)
    text, found = np.array([[5, 7, 2]]), {}
    padded = np.pad(text, ((0, 0), (0, 5)))
    weights = build_reader().get_weights()
    for mask_zero in (True, False):
        model = build_reader(mask_zero=mask_zero)
        model.set_weights(weights)
        states, expected = (model.predict(part, verbose=0) for part in (padded, text))
        found[mask_zero] = np.abs(states[:, :3] - expected).max()
    assert found[True] < 1e-6 and found[False] > 1e-4, f"Received: {found}"
    return [f"padding changes the states by {found[True]:.1g} with the mask, by {found[False]:.1g} without"]


if __name__ == "__main__":
    print(*check(), sep="\n")
