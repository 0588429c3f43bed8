"""gan/train.py's own training loop on random images: real images per second of three short epochs, as JSON.

    python benchmarks/gan_ours.py            GAN-QP; two updates of the critic and one of the generator for 128 real images
    python benchmarks/gan_ours.py wgan_gp    another objective
"""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np

from common import runs
from gan.objectives import OBJECTIVES
from gan.train import GAN, build_critic, build_generator

objective = sys.argv[1] if len(sys.argv) > 1 else "gan_qp_l2"
runs.keep_memory()
runs.leave_input_alone()
x = np.random.default_rng(0).integers(0, 256, (20 * 128, 32, 32, 3), "uint8")
gan = GAN(build_generator(32, 3), build_critic(32, 3, spectral=OBJECTIVES[objective].spectral), objective)
batches = runs.Batches(runs.Run(None, runs.BaseConfig(batch_size=128)), x, np.zeros(len(x), "uint8"))
speeds = []
for _ in range(4):
    start = time.perf_counter()
    gan.fit(batches, epochs=1, shuffle=False, verbose=0)
    speeds.append(len(x) / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
