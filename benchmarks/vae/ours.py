"""vae/train.py's own training loop on random data: samples per second of three epochs.

ours.py fuse, memory or tuning: without that part of what makes it fast.
"""

import sys

import keras
import numpy as np

from benchmarks import clock
from common.harness import cli, tuning
from common.harness.batches import ArrayBatches
from common.harness.folder import RunFolder
from common.harness.memory import keep_freed_memory
from vae.train import bernoulli_loss, build_dense

without = sys.argv[1:]
if "memory" not in without:
    keep_freed_memory()
if "tuning" not in without:
    tuning.disable_autotune()
x = np.random.default_rng(0).random((60_000, 784), "float32")
model = build_dense()
model.compile(keras.optimizers.RMSprop(), bernoulli_loss)
batches = ArrayBatches(RunFolder(None, cli.BaseConfig()), x, x)
if "fuse" not in without:
    batches.fuse(model)


def work():
    model.fit(batches, epochs=1, shuffle=False, verbose=0)


clock.report(work, len(x))
