"""poetry_vae/train.py's own training loop on random couplets: couplets per second of three short epochs."""

import keras
import numpy as np

from benchmarks import clock
from common.harness import cli, tuning
from common.harness.batches import ArrayBatches
from common.harness.folder import RunFolder
from common.harness.memory import keep_freed_memory
from poetry_vae.train import build_poetry_vae, couplet_loss

keep_freed_memory()
tuning.disable_autotune()
x = np.random.default_rng(0).integers(1, 5000, (6_400, 10)).astype("int32")
model = build_poetry_vae(5000)
model.compile(keras.optimizers.Adam(2e-3), couplet_loss, jit_compile="auto")
batches = ArrayBatches(RunFolder(None, cli.BaseConfig(batch_size=64)), x, x)


def work():
    model.fit(batches, epochs=1, shuffle=False, verbose=0)


clock.report(work, len(x))
