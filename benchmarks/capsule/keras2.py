"""The article's formulation in Python 3.7, TensorFlow 1.15, Keras 2.2.4: votes by conv1d, routing by
batch_dot."""

import numpy as np
from keras import backend as K
from keras.layers import AveragePooling2D, Conv2D, Input, Lambda, Layer, Reshape
from keras.models import Model

from benchmarks import clock


class Capsule(Layer):
    def build(self, shape):
        self.W = self.add_weight(name="W", shape=(1, shape[-1], 160), initializer="glorot_uniform")
        super().build(shape)

    def call(self, u):
        votes = K.reshape(K.conv1d(u, self.W), (-1, K.shape(u)[1], 10, 16))
        votes = K.permute_dimensions(votes, (0, 2, 1, 3))
        b = K.zeros_like(votes[:, :, :, 0])
        for i in range(3):
            c = K.permute_dimensions(K.softmax(K.permute_dimensions(b, (0, 2, 1))), (0, 2, 1))
            s = K.batch_dot(c, votes, [2, 2])
            if i < 2:
                b = K.batch_dot(K.l2_normalize(s, -1), votes, [2, 3])
        square = K.sum(K.square(s), -1, keepdims=True) + K.epsilon()
        return K.sqrt(square) / (0.5 + square) * s

    def compute_output_shape(self, shape):
        return (None, 10, 16)


rng = np.random.RandomState(0)
x, y = rng.rand(1280, 28, 28, 1).astype("float32"), np.eye(10, dtype="float32")[rng.randint(0, 10, 1280)]
inputs = Input((None, None, 1))
h = Conv2D(64, 3, activation="relu")(Conv2D(64, 3, activation="relu")(inputs))
h = Conv2D(128, 3, activation="relu")(Conv2D(128, 3, activation="relu")(AveragePooling2D()(h)))
v = Capsule()(Reshape((-1, 128))(h))
model = Model(inputs, Lambda(lambda v: K.sqrt(K.sum(K.square(v), 2) + K.epsilon()), output_shape=(10,))(v))
model.compile("adam", lambda y, p: y * K.relu(0.9 - p) ** 2 + 0.25 * (1 - y) * K.relu(p - 0.1) ** 2)


def work():
    model.fit(x, y, batch_size=128, epochs=1, verbose=0)


clock.report(work, len(x))
