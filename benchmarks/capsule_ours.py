"""capsule/train.py's own training loop on random data: images per second of three short epochs, as JSON.

    python benchmarks/capsule_ours.py            dynamic routing, 28 × 28
    python benchmarks/capsule_ours.py em 32 56   EM routing, batch 32, 56 × 28 pixels, and the peak of memory in MB after it
"""

import json
import pathlib
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import keras
import numpy as np

from capsule import evaluate
from capsule.train import BUILDERS, moved, targets
from common import runs
from common.capsule import margin_loss, spread_loss

routing = sys.argv[1] if len(sys.argv) > 1 else "dynamic"
batch, height = (int(argument) for argument in (sys.argv[2:] or ("128", "28")))
runs.keep_memory()
runs.leave_input_alone()
rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (20 * batch, height, 28), "uint8"), rng.integers(0, 10, 20 * batch)
model = BUILDERS[routing]()
model.compile(keras.optimizers.Adam(), spread_loss if routing == "em" else margin_loss, jit_compile="auto")
run = runs.Run(None, runs.BaseConfig(batch_size=batch))
batches = runs.Batches(run, x, y, 1, lambda x, y, rng: (evaluate.as_inputs(moved(x, 2, rng)), targets(y, 10, 1.0)))
speeds = []
for _ in range(4):
    start = time.perf_counter()
    model.fit(batches, epochs=1, shuffle=False, verbose=0)
    speeds.append(len(x) / (time.perf_counter() - start))
print(f"peak of memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB", file=sys.stderr)
print(json.dumps(speeds[1:]))
