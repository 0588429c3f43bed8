"""vae/train.py's own training loop on random data: samples per second of three epochs, as JSON."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import keras
import numpy as np

from common import runs
from vae.train import bernoulli_loss, build_dense

runs.keep_memory()
runs.leave_input_alone()
x = np.random.default_rng(0).random((60_000, 784), "float32")
model = build_dense()
model.compile(keras.optimizers.RMSprop(), bernoulli_loss)
batches = runs.Batches(runs.Run(None, runs.BaseConfig()), x, x, runs.fuse_steps(model, x[:1], x[:1]))
speeds = []
for _ in range(4):
    start = time.perf_counter()
    model.fit(batches, epochs=1, shuffle=False, verbose=0)
    speeds.append(len(x) / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
