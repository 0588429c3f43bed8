"""pytorch-crf: python torch.py TIME TAGS loss|viterbi prints sequences per second of five repeats."""

import sys

import numpy as np
import torch
from torchcrf import CRF

from benchmarks import clock

steps, tags, task = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = np.random.default_rng(0)
h = torch.tensor(rng.normal(size=(128, steps, tags)).astype("float32"), requires_grad=True)
mask = torch.tensor(np.arange(steps) < rng.integers(steps // 2, steps + 1, 128)[:, None])
y = torch.tensor(rng.integers(0, tags, (128, steps)))
crf = CRF(tags, batch_first=True)
repeats = max(1, 10_000 // (steps * tags))


def work():
    for _ in range(repeats):
        if task == "viterbi":
            with torch.no_grad():
                crf.decode(h, mask)
        else:
            (-crf(h, y, mask, reduction="mean")).backward()


clock.report(work, 128 * repeats, repeats=5)
