"""flow_nice/train.py's own training loop on random data: samples per second of three short epochs."""

import keras
import numpy as np

from benchmarks import clock
from common.harness import cli, tuning
from common.harness.batches import ArrayBatches
from common.harness.folder import RunFolder
from common.harness.memory import keep_freed_memory
from flow_nice.train import article_loss, build_nice, less_noise

keep_freed_memory()
tuning.disable_autotune()
x = np.random.default_rng(0).random((2560, 784), "float32")
target = np.zeros(len(x), "float32")
model = build_nice()
model.compile(keras.optimizers.Adam(1e-4), article_loss)
run = RunFolder(None, cli.BaseConfig(batch_size=128))
batches = ArrayBatches(run, x, target, less_noise(0.01))
batches.fuse(model)


def work():
    model.fit(batches, epochs=1, shuffle=False, verbose=0)


clock.report(work, len(x))
