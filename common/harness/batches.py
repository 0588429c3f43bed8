"""Shuffled batches for model.fit on Keras 3: of arrays that fit into memory, and of lines that do not.

Their order is that of common/harness/order.py. Of several processes that train together each takes its share
of every batch. What is left over when the number of samples is not a multiple of the batch size waits for the
next epoch's shuffle.
"""

import keras
import numpy as np

from common.harness import devices, tuning
from common.harness.language import in_users_language
from common.harness.order import EpochBatches, Order
from common.harness.reading import InputError

POOL = 64                     # batches of lines that are sorted by length together


class ShuffledBatches(EpochBatches, keras.utils.PyDataset):
    """The base of all batches that train on Keras 3; see EpochBatches for what a subclass defines.

    Args:
        run: the run; see EpochBatches.
        samples: how many there are.
        batch_size: samples in a batch, made divisible by the devices that share it; by default --batch-size.
    """

    def __init__(self, run, samples, batch_size=None):
        self.samples = samples
        self.batch_size = devices.divisible(min(batch_size or run.config.batch_size, samples))
        if not self.batch_size:
            raise InputError(in_users_language(
                f"expected at least {devices.count()} training samples, one for each device. "
                f"Received: {samples}",
                f"训练样本至少要 {devices.count()} 个，每个设备一个。收到：{samples}"))
        super().__init__(run)

    def shard(self, item):
        return devices.shard(item)

    @property
    def steps(self):
        """Steps of the optimizer in an epoch."""
        return len(self)


class ArrayBatches(ShuffledBatches):
    """Batches of arrays.

    Args:
        run, batch_size: see ShuffledBatches.
        x, y: one array, or a list of arrays with the same length; images.Pictures will do, too.
        transform: function of (x, y, NumPy generator) → (x, y) for noise on the data that is fresh in every
            epoch.
    """

    def __init__(self, run, x, y, transform=None, batch_size=None):
        self.x, self.y, self.transform, self.fused = x, y, transform, 1
        super().__init__(run, len(x[0] if isinstance(x, (list, tuple)) else x), batch_size)

    @property
    def steps(self):
        return self.samples // self.batch_size

    def fuse(self, model):
        """Puts several batches into an item, which the compiled model takes at once: see
        tuning.fuse_steps."""
        self.fused = tuning.fuse_steps(model, _take(self.x, slice(1)), _take(self.y, slice(1)))
        self.on_epoch_begin()

    def plan(self, rng):
        order = rng.permutation(self.samples)[:self.steps * self.batch_size]
        size = self.fused * self.batch_size
        return [order[start:start + size] for start in range(0, len(order), size)]

    def item(self, rows, rng):
        if not self.transform:               # only what is needed here is read: rows may be picture files
            rows = devices.shard(rows)
        x = _take(self.x, rows)
        y = x if self.y is self.x else _take(self.y, rows)         # an autoencoder's input is its target
        if self.transform:
            # what it draws for a batch must not depend on how many processes share the batch
            x, y = devices.shard(self.transform(x, y, rng))
        x, y = _tuples(x), _tuples(y)
        if self.fused > 1:
            x, y = keras.tree.map_structure(self._in_batches, (x, y))
        return x, y

    def shard(self, item):
        return item                          # see above

    def _in_batches(self, array):
        return array.reshape(-1, self.batch_size, *array.shape[1:])          # (batches, batch size, ...)


def _take(arrays, rows):
    """Rows of an array, or of each of several."""
    return [array[rows] for array in arrays] if isinstance(arrays, (list, tuple)) else arrays[rows]


def _tuples(arrays):
    """tf.data takes tuples of arrays and no lists."""
    return tuple(arrays) if isinstance(arrays, list) else arrays


class LineBatches(ShuffledBatches):
    """Batches of samples of similar length that may lie in a file larger than memory.

    The samples of POOL batches at a time are read, sorted by length and cut into batches, which come in
    random order.

    Args:
        run: the run; see EpochBatches.
        lines: the samples, streams.Lines or any sequence that takes arrays of rows.
        encode: function of (samples, width, NumPy generator) → (x, y), arrays padded to the width.
        length: function of a sample → its length.
        allowed_widths: an array of the widths there may be, in ascending order; any by default.
    """

    salt = (1,)              # item 0 and pool 0 would draw the same numbers without it

    def __init__(self, run, lines, encode, length=len, allowed_widths=None):
        self.lines, self.encode, self.length, self.allowed_widths = lines, encode, length, allowed_widths
        super().__init__(run, len(lines))

    def plan(self, rng):
        return _Pools(self.lines, self.length, self.batch_size, self.key)

    def widths(self, samples):
        longest = max(map(self.length, samples))
        if self.allowed_widths is None:
            return [longest]
        return [int(self.allowed_widths[np.searchsorted(self.allowed_widths, longest)])]

    def item(self, samples, rng, width):
        return self.encode(samples, width, rng)


class _Pools:
    """The samples of each batch of an epoch, a pool of batches at a time in memory."""

    def __init__(self, lines, length, batch_size, key):
        self.lines, self.length, self.batch_size, self.key = lines, length, batch_size, key
        self.order, self.number, self.batches = Order(len(lines), key), None, []

    def __len__(self):
        return len(self.lines) // self.batch_size

    def __getitem__(self, index):
        number, place = divmod(index, POOL)
        if number != self.number:
            self.number, self.batches = number, self._read(number)
        return self.batches[place]

    def _read(self, number):
        size, end = POOL * self.batch_size, len(self) * self.batch_size
        rows = self.order[number * size:min((number + 1) * size, end)]
        samples = sorted(self.lines[rows], key=self.length)
        starts = range(0, len(samples), self.batch_size)
        rng = np.random.default_rng([*self.key, number, 0])
        return [samples[start:start + self.batch_size] for start in rng.permutation(starts)]
