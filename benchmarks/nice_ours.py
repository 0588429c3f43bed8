"""flow_nice/train.py's own training loop on random data: samples per second of three short epochs, as JSON."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import keras
import numpy as np

from common import runs
from flow_nice.train import article_loss, article_noise, build_nice

runs.keep_memory()
runs.leave_input_alone()
x = np.random.default_rng(0).random((6400, 784), "float32")
target = np.zeros(len(x), "float32")
model = build_nice()
model.compile(keras.optimizers.Adam(1e-4), article_loss)
run = runs.Run(None, runs.BaseConfig(batch_size=128))
batches = runs.Batches(run, x, target, runs.fuse_steps(model, x[:1], target[:1]), article_noise)
speeds = []
for _ in range(4):
    start = time.perf_counter()
    model.fit(batches, epochs=1, shuffle=False, verbose=0)
    speeds.append(len(x) / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
