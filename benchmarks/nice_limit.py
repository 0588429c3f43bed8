"""The limit of flow_nice/train.py: the matrix products of its training steps alone, in samples per second, as JSON."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import tensorflow as tf

from common import runs
from flow_nice.train import build_nice

BATCH, STEPS = 128, 50
runs.keep_memory()
kernels = [tf.random.normal(w.shape) for w in build_nice().trainable_weights if len(w.shape) == 2]
inputs = [tf.random.normal((BATCH, kernel.shape[0])) for kernel in kernels]
slopes = [tf.random.normal((BATCH, kernel.shape[1])) for kernel in kernels]


@tf.function
def step():
    """Each layer forward, and its gradients for input and kernel."""
    return [(x @ kernel, tf.matmul(g, kernel, transpose_b=True), tf.matmul(x, g, transpose_a=True))
            for x, kernel, g in zip(inputs, kernels, slopes)]


speeds = []
for _ in range(4):
    start = time.perf_counter()
    for _ in range(STEPS):
        products = step()
    products[-1][-1].numpy()
    speeds.append(BATCH * STEPS / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
