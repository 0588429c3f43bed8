"""crf/train.py --model article in model.fit, 128 sentences of 64 characters: sentences per second of five epochs."""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import keras
import numpy as np

from common import runs
from common.crf import crf_loss
from crf import train

runs.keep_memory()
runs.leave_input_alone()


class Size:
    vocab = pairs = range(4999)


class Batches(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        lengths = rng.integers(32, 65, (40, 128, 1))
        self.x = rng.integers(1, 4999, (40, 128, 64)).astype("int32") * (np.arange(64) < lengths)
        self.y = rng.integers(0, 4, (40, 128, 64)).astype("int32")

    def __len__(self):
        return 40

    def __getitem__(self, i):
        return (self.x[i], self.x[i], np.zeros((128, 64, 8), "float32")), self.y[i]


model = train.build_article(Size, 0)
model.compile("adam", loss=[None, crf_loss], jit_compile=False)
speeds = []
for _ in range(6):
    start = time.perf_counter()
    model.fit(Batches(), epochs=1, verbose=0, shuffle=False)
    speeds.append(40 * 128 / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
