"""The article's formulation in Python 3.7, TensorFlow 1.15, Keras 2.2.4: K.rnn over log-sum-exp,
model.fit."""

import numpy as np
from keras import backend as K
from keras.layers import Conv1D, Dense, Embedding, Input, Layer
from keras.models import Model

from benchmarks import clock


class CRF(Layer):
    def build(self, shape):
        self.transitions = self.add_weight(name="transitions", shape=(4, 4), initializer="glorot_uniform")

    def call(self, h):
        return h

    def step(self, inputs, states):
        h, mask = inputs[:, :-1], inputs[:, -1:]
        before = K.expand_dims(states[0], 2)
        after = K.logsumexp(before + K.expand_dims(self.transitions, 0), 1) + h
        after = mask * after + (1 - mask) * states[0]
        return after, [after]

    def loss(self, y_true, h):                       # y_true: one-hot with a fifth class for padding
        mask, y = 1 - y_true[:, :, 4:], y_true[:, :, :4]
        pairs = K.expand_dims(y[:, :-1], 3) * K.expand_dims(y[:, 1:], 2)
        score = K.sum(h * y, [1, 2]) + K.sum(
            pairs * K.expand_dims(K.expand_dims(self.transitions, 0), 0), [1, 2, 3]
        )
        log_z, _, _ = K.rnn(self.step, K.concatenate([h[:, 1:], mask[:, 1:]]), [h[:, 0]])
        return K.logsumexp(log_z, 1) - score


rng = np.random.RandomState(0)
lengths = rng.randint(32, 65, (40 * 128, 1))
x = rng.randint(1, 4999, (40 * 128, 64)) * (np.arange(64) < lengths)
y = np.eye(5, dtype="float32")[np.where(x > 0, rng.randint(0, 4, x.shape), 4)]
inputs = Input(shape=(None,))
h = Embedding(5000, 128)(inputs)
for _ in range(3):
    h = Conv1D(128, 3, activation="relu", padding="same")(h)
crf = CRF()
model = Model(inputs, crf(Dense(4)(h)))
model.compile("adam", crf.loss)


def work():
    model.fit(x, y, batch_size=128, epochs=1, verbose=0)


clock.report(work, len(x), repeats=5)
