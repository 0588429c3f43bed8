"""capsule/train.py's own training loop on random data: images per second of three short epochs.

    python -m benchmarks.capsule.ours            dynamic routing, 28 × 28
    python -m benchmarks.capsule.ours em 32 56   EM routing, batch 32, 56 × 28, and the peak of memory in MB
"""

import resource
import sys

import keras
import numpy as np

from benchmarks import clock
from capsule.classifier import as_inputs
from capsule.train import BUILDERS, random_shift, targets
from common.capsule import margin_loss
from common.harness import cli, tuning
from common.harness.batches import ArrayBatches
from common.harness.folder import RunFolder
from common.harness.memory import keep_freed_memory
from common.matrix_capsule import spread_loss

routing = sys.argv[1] if len(sys.argv) > 1 else "dynamic"
batch, height = (int(argument) for argument in (sys.argv[2:] or ("128", "28")))
keep_freed_memory()
tuning.disable_autotune()
rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (10 * batch, height, 28), "uint8"), rng.integers(0, 10, 10 * batch)
model = BUILDERS[routing]()
model.compile(keras.optimizers.Adam(), spread_loss if routing == "em" else margin_loss, jit_compile="auto")
run = RunFolder(None, cli.BaseConfig(batch_size=batch))


def prepare(images, labels, rng):
    return as_inputs(random_shift(images, 2, rng)), targets(labels, 10, 1.0)


batches = ArrayBatches(run, x, y, prepare)


def work():
    model.fit(batches, epochs=1, shuffle=False, verbose=0)


clock.report(work, len(x))
print(f"peak of memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB", file=sys.stderr)
