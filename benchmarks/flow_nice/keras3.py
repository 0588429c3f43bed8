"""The same model in plain model.fit with Keras' defaults: samples per second of three short epochs."""

import keras
import numpy as np

from benchmarks import clock
from flow_nice.train import article_loss, build_nice

x = np.random.default_rng(0).random((2560, 784), "float32")
model = build_nice()
model.compile(keras.optimizers.Adam(1e-4), article_loss)


def work():
    model.fit(x, np.zeros(len(x), "float32"), batch_size=128, epochs=1, verbose=0)


clock.report(work, len(x))
