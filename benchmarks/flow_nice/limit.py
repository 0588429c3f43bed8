"""The limit of flow_nice/train.py: the matrix products of its training steps alone, in samples per second."""

import tensorflow as tf

from benchmarks import clock
from common.harness.memory import keep_freed_memory
from flow_nice.train import build_nice

BATCH, STEPS = 128, 50
keep_freed_memory()
kernels = [tf.random.normal(w.shape) for w in build_nice().trainable_weights if len(w.shape) == 2]
inputs = [tf.random.normal((BATCH, kernel.shape[0])) for kernel in kernels]
slopes = [tf.random.normal((BATCH, kernel.shape[1])) for kernel in kernels]


@tf.function
def step():
    """Each layer forward, and its gradients for input and kernel."""
    return [(x @ kernel, tf.matmul(g, kernel, transpose_b=True), tf.matmul(x, g, transpose_a=True))
            for x, kernel, g in zip(inputs, kernels, slopes)]


def work():
    for _ in range(STEPS):
        products = step()
    products[-1][-1].numpy()


clock.report(work, BATCH * STEPS)
