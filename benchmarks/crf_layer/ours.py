"""common/crf.py, compiled: ours.py TIME TAGS loss|viterbi|plain prints sequences per second of five repeats.

"loss" is log-likelihood with gradient, "plain" the same by the readable recursion, which is the article's
formulation.
"""

import sys

import numpy as np
import tensorflow as tf

from benchmarks import clock
from common import crf
from common.harness import tuning
from common.harness.memory import keep_freed_memory

keep_freed_memory()
tuning.disable_autotune()
steps, tags, task = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = np.random.default_rng(0)
h = tf.constant(rng.normal(size=(128, steps, tags)).astype("float32"))
mask = tf.constant(np.arange(steps) < rng.integers(steps // 2, steps + 1, 128)[:, None])
y = tf.constant(rng.integers(0, tags, (128, steps)), "int32")
layer = crf.CRF(tags)
layer.build(h.shape)


@tf.function(jit_compile=task != "plain")
def loss(h, mask, y):
    variables = [layer.transitions.value, layer.start.value, layer.end.value]
    with tf.GradientTape() as tape:
        tape.watch(h)
        potentials = layer.potentials(h, mask)
        partition = crf.log_partition if task == "plain" else crf.fast_log_partition
        value = tf.reduce_mean(partition(potentials) - crf.path_score(potentials, y))
    return value, tape.gradient(value, [h, *variables])


@tf.function(jit_compile=True)
def viterbi(h, mask, y):
    return crf.viterbi(layer.potentials(h, mask))


function = viterbi if task == "viterbi" else loss
repeats = max(3, 40_000 // (steps * tags))


def work():
    for _ in range(repeats):
        result = function(h, mask, y)
    tf.nest.flatten(result)[0].numpy()


clock.report(work, 128 * repeats, repeats=5)
