"""crf/train.py --model article in model.fit, 128 sentences of 64 characters: sentences per second of five
epochs."""

import keras
import numpy as np

from benchmarks import clock
from common.crf import crf_loss
from common.harness import tuning
from common.harness.memory import keep_freed_memory
from crf import train

keep_freed_memory()
tuning.disable_autotune()


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


model = train.build_article(Size)
model.compile("adam", loss=[None, crf_loss], jit_compile=False)


def work():
    model.fit(Batches(), epochs=1, verbose=0, shuffle=False)


clock.report(work, 40 * 128, repeats=5)
