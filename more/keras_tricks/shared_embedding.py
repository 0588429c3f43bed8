"""“让Keras更酷一些！”：层与模型的重用技巧, https://kexue.fm/archives/6985, section 交叉引用

The layer of a language model's output has the transposed matrix of its embedding.

    2018       EmbeddingDense, a layer that takes K.transpose(embedding_layer.embeddings)
    Keras 3    built in: ReversibleEmbedding, called with reverse=True at the end; it has no bias

    python more/keras_tricks/shared_embedding.py    seconds
"""

import keras
import numpy as np
from keras import ops


def build_language_model(tokens, dim, time):
    """Tokens (batch, time) → logits (batch, time, tokens), with one matrix at both ends."""
    x = keras.Input((time,), dtype="int32")
    embedding = keras.layers.ReversibleEmbedding(tokens, dim, name="embedding")
    h = keras.layers.GRU(dim, return_sequences=True)(embedding(x))
    return keras.Model(x, embedding(h, reverse=True))


def check():
    """What holds of the parameters and of a step of training: a line."""
    model = build_language_model(50, 8, 3)
    embedding, inner = model.get_layer("embedding"), model.layers[2]
    assert model.count_params() == 50 * 8 + inner.count_params()
    x = np.array([[1, 2, 3]])
    h = ops.convert_to_numpy(inner(embedding(x)))
    assert np.allclose(model.predict(x, verbose=0), h @ embedding.get_weights()[0].T, atol=1e-5)
    before = embedding.get_weights()[0]
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(x, np.array([[2, 3, 4]]))
    moved = np.abs(embedding.get_weights()[0] - before).max(axis=1) > 0
    assert moved.all()
    return [f"{model.count_params()} parameters, of which 400 serve both ends; a step moves all "
            f"{moved.sum()} words, not the three that were read"]


if __name__ == "__main__":
    print(*check(), sep="\n")
