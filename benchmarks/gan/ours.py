"""gan/train.py's own training loop on random images: real images per second of three short epochs.

python -m benchmarks.gan.ours            GAN-QP: two updates of the critic and one of the generator for 128
python -m benchmarks.gan.ours wgan_gp    another objective
"""

import sys

import numpy as np

from benchmarks import clock
from common.harness import cli, tuning
from common.harness.batches import ArrayBatches
from common.harness.folder import RunFolder
from common.harness.memory import keep_freed_memory
from gan.objectives import OBJECTIVES
from gan.train import GAN, build_critic, build_generator

objective = sys.argv[1] if len(sys.argv) > 1 else "gan_qp_l2"
keep_freed_memory()
tuning.disable_autotune()
x = np.random.default_rng(0).integers(0, 256, (20 * 128, 32, 32, 3), "uint8")
kernels = "forward" if OBJECTIVES[objective].spectral else ""
gan = GAN(build_generator(32, 3), build_critic(32, 3, kernels=kernels), objective)
batches = ArrayBatches(RunFolder(None, cli.BaseConfig(batch_size=128)), x, np.zeros(len(x), "uint8"))


def work():
    gan.fit(batches, epochs=1, shuffle=False, verbose=0)


clock.report(work, len(x))
