"""The same model in plain model.fit with Keras' defaults, votes computed one by one as the author's code has
them."""

import keras
import numpy as np
from keras import layers, ops

from benchmarks import clock
from capsule.train import features
from common.capsule import margin_loss


class Capsule(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 160), initializer="glorot_uniform")

    def call(self, u):
        votes = ops.reshape(ops.matmul(u, self.kernel), (-1, ops.shape(u)[1], 10, 16))
        votes = ops.transpose(votes, (0, 2, 1, 3))
        b = ops.zeros_like(votes[..., 0])
        for i in range(3):
            s = ops.einsum("bkn,bknd->bkd", ops.softmax(b, axis=1), votes)
            if i < 2:
                b = ops.einsum(
                    "bkd,bknd->bkn", s * ops.rsqrt(ops.sum(s * s, -1, keepdims=True) + 1e-7), votes
                )
        square = ops.sum(s * s, -1) + 1e-7
        return square / (0.5 + square)

    def compute_output_shape(self, shape):
        return (shape[0], 10)


rng = np.random.default_rng(0)
x, y = rng.random((1280, 28, 28, 1), "float32"), np.eye(10, dtype="float32")[rng.integers(0, 10, 1280)]
inputs, h = features()
model = keras.Model(inputs, Capsule()(layers.Reshape((-1, 128))(h)))
model.compile("adam", margin_loss)


def work():
    model.fit(x, y, batch_size=128, epochs=1, verbose=0)


clock.report(work, len(x))
