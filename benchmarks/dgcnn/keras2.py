"""The article's formulation in Python 3.7, TensorFlow 1.15, Keras 2.2.4: Lambda layers, masks as floats.

keras2.py answers N: questions per second instead, N at a time, by predict_on_batch.
"""

import sys

import numpy as np
from keras import backend as K
from keras.layers import Activation, Conv1D, Dense, Dropout, Embedding, Input, Lambda, Multiply
from keras.models import Model
from keras.optimizers import Adam

from benchmarks import clock


def gated(h, mask, rate):
    ab = Conv1D(256, 3, padding="same", dilation_rate=rate)(Multiply()([h, mask]))
    value, gate = Lambda(lambda t: t[:, :, :128])(ab), Lambda(lambda t: t[:, :, 128:])(ab)
    gate = Activation("sigmoid")(Dropout(0.1)(gate))
    return Lambda(lambda t: (t[0] * (1 - t[2]) + t[1] * t[2]) * t[3])([h, value, gate, mask])


def pool(h, mask, channels):
    scores = Dense(1, use_bias=False)(Dense(channels, use_bias=False, activation="tanh")(h))
    return Lambda(lambda t: K.sum(K.softmax(t[0] - (1 - t[2]) * 1e12, 1) * t[1], 1))([scores, h, mask])


def beside(h, q):
    return Lambda(lambda t: K.concatenate([t[0], K.zeros_like(t[0][:, :, :1]) + K.expand_dims(t[1], 1)], 2),
                  output_shape=(None, 256))([h, q])


def focal(y, p):
    p = K.clip(p, 1e-7, 1 - 1e-7)
    return 100 * K.mean(K.sum(-0.25 * y * (1 - p)**2 * K.log(p) - 0.75 * (1 - y) * p**2 * K.log(1 - p), 2))


rng = np.random.RandomState(0)
x = [rng.randint(2, 5000, (512, 16)), rng.randint(2, 5000, (512, 256))]
y = np.zeros((512, 256, 2), "float32")
y[:, 60, 0] = y[:, 63, 1] = 1
inputs = [Input(shape=(None,)), Input(shape=(None,))]
embedding = Embedding(5000, 128)
masks = [Lambda(lambda t: K.cast(K.greater(K.expand_dims(t, 2), 0), "float32"))(t) for t in inputs]
q, h = (Dropout(0.1)(embedding(t)) for t in inputs)
for rate in [1, 2, 1]:
    q = gated(q, masks[0], rate)
q = pool(q, masks[0], 128)
h = Dense(128, use_bias=False)(beside(h, q))
for rate in [1, 2, 4, 8, 16, 1]:
    h = gated(h, masks[1], rate)
h = beside(h, q)
whole = Dense(1, activation="sigmoid")(pool(h, masks[1], 256))
p = Lambda(lambda t: t[0] * K.expand_dims(t[1], 1))([Dense(2, activation="sigmoid")(h), whole])
model = Model(inputs, p)
model.compile(Adam(1e-3), focal)
if sys.argv[1:2] == ["answers"]:
    size = int(sys.argv[2])

    def work():
        for i in range(0, min(512, 100 * size), size):
            model.predict_on_batch([part[i:i + size] for part in x])

    clock.report(work, min(512, 100 * size), repeats=5)
else:

    def work():
        model.fit(x, y, batch_size=128, epochs=1, verbose=0)

    clock.report(work, 512)
