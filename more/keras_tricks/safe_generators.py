"""“让Keras更酷一些！”：中间变量、权重滑动和安全生成器, https://kexue.fm/archives/6575, section 进程安全生成器

Batches that several workers prepare while the model is trained, each once in an epoch.

    2018       a generator, whose threads could step on each other, or keras.utils.Sequence
    Keras 3    built in: PyDataset, with workers and use_multiprocessing as its own arguments

    python more/keras_tricks/safe_generators.py    seconds
"""

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Batches in an order that changes with the epoch, by number: any worker can make any of them.

    Args:
        x, y: arrays of as many rows.
        batch_size: rows in a batch; the last one may have fewer.
        seed: of the order.
        **kwargs: workers, use_multiprocessing, max_queue_size.

    Example:
        batches = Batches(np.ones((10, 3)), np.ones(10), batch_size=4, workers=2)
        len(batches), batches[2][0].shape

    Reference: 苏剑林, “让Keras更酷一些！”：中间变量、权重滑动和安全生成器, https://kexue.fm/archives/6575
    """

    def __init__(self, x, y, batch_size=32, seed=0, **kwargs):
        super().__init__(**kwargs)
        if len(x) != len(y):
            raise ValueError(f"x and y expect as many rows. Received: {len(x)} and {len(y)}")
        self.x, self.y, self.batch_size, self.seed = x, y, batch_size, seed
        self.on_epoch_begin()

    def on_epoch_begin(self):
        self.epoch = getattr(self, "epoch", -1) + 1
        self.order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.x))

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size:(index + 1) * self.batch_size]
        return self.x[rows], self.y[rows]


def check():
    """What holds of an epoch with three workers: a line."""
    x = np.arange(50, dtype="float32").reshape(-1, 1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    seen = model.predict(Batches(x, x, 8, workers=3), verbose=0)[:, 0].tolist()
    assert sorted(seen) == x[:, 0].tolist() and seen != x[:, 0].tolist()
    return [f"three workers give each of {len(x)} rows once in an epoch, {seen[:4]} first"]


if __name__ == "__main__":
    print(*check(), sep="\n")
