"""The same model in plain model.fit with Keras' defaults: samples per second of three short epochs, as JSON."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import keras
import numpy as np

from flow_nice.train import article_loss, build_nice

x = np.random.default_rng(0).random((6400, 784), "float32")
model = build_nice()
model.compile(keras.optimizers.Adam(1e-4), article_loss)
speeds = []
for _ in range(4):
    start = time.perf_counter()
    model.fit(x, np.zeros(len(x), "float32"), batch_size=128, epochs=1, verbose=0)
    speeds.append(len(x) / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
