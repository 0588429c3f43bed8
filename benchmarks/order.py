"""Why the batches are ours: CPU seconds of an epoch of 60,000 rows of 784 numbers in shuffled batches of 100,
beside grain.

    pip install grain && python benchmarks/order.py

Keras 3 takes grain's data sets in fit. Nothing is trained here: only the rows of each batch are chosen and
gathered.
"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import grain
import numpy as np

from common.harness import cli
from common.harness.batches import ArrayBatches
from common.harness.folder import RunFolder

X = np.random.default_rng(0).random((60_000, 784), "float32")


def seconds(function, repeats=3):
    """The least CPU time of several epochs: what else the machine does counts little."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        found.append(time.process_time() - start)
    return min(found)


def read(batches):
    batches.on_epoch_begin()
    for i in range(len(batches)):
        batches[i]


def of_rows():
    """grain's shuffle of row numbers, and a gather of each batch."""
    rows = grain.MapDataset.range(len(X)).shuffle(seed=0).batch(100, drop_remainder=True)
    return rows.map(lambda batch: X[batch])


def of_samples():
    """grain as its documentation has it: samples one by one, stacked to batches."""
    return grain.MapDataset.source(X).shuffle(seed=0).batch(100, drop_remainder=True)


def each(dataset):
    for i in range(len(dataset)):
        dataset[i]


if __name__ == "__main__":
    ours = ArrayBatches(RunFolder(None, cli.BaseConfig()), X, X)
    print(f"common/harness/batches.py {seconds(lambda: read(ours)):.3f} s")
    print(f"grain, rows               {seconds(lambda: each(of_rows())):.3f} s")
    print(f"grain, samples            {seconds(lambda: each(of_samples())):.3f} s")
