"""The article's formulation in Python 3.7, TensorFlow 1.15, Keras 2.2.4: Lambda gates, fit_generator."""

import numpy as np
from keras import backend as K
from keras.layers import Conv1D, Dense, Dropout, Embedding, Input, Lambda
from keras.models import Model

from benchmarks import clock


def combine(parts):
    h, ab = parts
    gate, value = ab[:, :, :128], ab[:, :, 128:]
    return h * K.sigmoid(gate) + value * K.sigmoid(-gate)


def batches(x, y):
    while True:
        rows = np.random.permutation(len(x))
        for i in range(0, len(x), 64):
            yield x[rows[i:i + 64]], np.expand_dims(y[rows[i:i + 64]], 2)


x, y = np.random.RandomState(0).randint(1, 8000, (2, 6400, 7))
inputs = Input(shape=(None,))
h = Dropout(0.25)(Embedding(8000, 128)(inputs))
for _ in range(6):
    h = Lambda(combine)([h, Conv1D(256, 3, padding="same")(h)])
model = Model(inputs, Dense(8000, activation="softmax")(h))
model.compile("adam", "sparse_categorical_crossentropy")
data = batches(x, y)


def work():
    model.fit_generator(data, steps_per_epoch=100, epochs=1, verbose=0)


clock.report(work, len(x))
