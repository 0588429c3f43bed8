"""The order of a training's batches, which depends on (seed, epoch) alone: a resumed run sees what it would
have seen.

No Keras in here.

common/harness/batches.py gives EpochBatches to Keras 3, and nl2sql to tf_keras.

Why not grain, whose data sets Keras 3 takes in fit: grain chooses rows one by one in Python. That takes 0.6 s
of CPU for an epoch of MNIST, where this takes 0.04 s (benchmarks/order.py), and the dense VAE trains that
epoch in 1.3 s. Keras' adapter for it delivers the same order in every epoch, infers shapes from two items as
well, see EpochBatches, and leaves tf.data's tuning on, see tuning.py.
"""

import numpy as np


class EpochBatches:
    """What all batches of a training have in common. A subclass says what an epoch holds:

        plan(rng)                   the rows of each batch, as a sequence
        item(rows, rng, *widths)    (x, y) of one of them
        widths(rows)                the widths it needs where they differ from batch to batch; none by default

    Both generators are NumPy's. That of an item depends on its place in the epoch, so that what is random in
    a batch does not depend on which batches were read before.

    Keras on TensorFlow infers the shape of all items from items 0 and 1: where these two agree in a
    dimension, it takes that dimension for fixed, and a later item of another size fails. So item 0 is made
    wider than item 1 here, and no subclass has to think of it.

    Args:
        run: the run, whose configuration has the seed and whose epoch is the one to deliver. None: the order
            is the same in every epoch.
    """

    allowed_widths = None    # in ascending order; None: any
    salt = ()                # what the seed of an item ends with. NumPy ignores zeros at the end of a seed

    def __init__(self, run):
        super().__init__()
        self.run = run
        self.on_epoch_begin()

    def on_epoch_begin(self):
        self.key = [self.run.config.seed, self.run.epoch] if self.run else [0]
        self.rows = self.plan(np.random.default_rng(self.key))
        if self.allowed_widths is not None and isinstance(self.rows, list):
            self._two_widths_first()

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        rows = self.rows[index]
        widths = self.widths(rows)
        if index == 0 and len(self) > 1:
            widths = self._wider_than(self.widths(self.rows[1]), widths)
        rng = np.random.default_rng([*self.key, index, *self.salt])
        return self.shard(self.item(rows, rng, *widths))

    def widths(self, rows):
        return ()

    def shard(self, item):
        """This process's part of a batch."""
        return item

    def _two_widths_first(self):
        """Where only some widths are allowed, brings a batch of another one to the second place: so no batch
        has to be padded to a shape more to compile for."""
        first = self.widths(self.rows[0])
        other = next((i for i, rows in enumerate(self.rows) if self.widths(rows) != first), 0)
        if other:
            self.rows.insert(1, self.rows.pop(other))

    def _wider_than(self, second, widths):
        """The widths of item 0, each made to differ from that of item 1, where that is allowed."""
        return [self._next(width) if width == other else width for width, other in zip(widths, second)]

    def _next(self, width):
        """The next larger width; the largest that is allowed stays."""
        if self.allowed_widths is None:
            return width + 1
        return min((int(allowed) for allowed in self.allowed_widths if allowed > width), default=width)


def by_length(lengths, batch_size, rng):
    """Batches of indices whose lengths are alike, in random order: little padding, and every sample once."""
    order = rng.permutation(len(lengths))
    batches = []
    for pool in np.split(order, range(50 * batch_size, len(order), 50 * batch_size)):
        pool = pool[np.argsort(np.asarray(lengths)[pool], kind="stable")]
        batches += np.split(pool, range(batch_size, len(pool), batch_size))
    return [batches[i] for i in rng.permutation(len(batches))]


class Order:
    """A random permutation of 0 … size − 1 that needs no memory: a Feistel network whose round function is
    keyed.

    It permutes the numbers of 2·half bits, at most four times as many as `size`; what lands beyond is sent on
    until it is back (cycle walking), which makes a permutation of the smaller range.

    Args:
        size: how many.
        key: a list of integers, such as [seed, epoch]: another key, another permutation.
    """

    ROUNDS = 6

    def __init__(self, size, key):
        self.size = size
        bits = max(1, size - 1).bit_length()
        self.half = np.uint64(max(1, -(-bits // 2)))
        self.mask = np.uint64((1 << int(self.half)) - 1)
        self.keys = np.random.default_rng(key).integers(0, 2 ** 64, self.ROUNDS, dtype="uint64")

    def __len__(self):
        return self.size

    def __getitem__(self, places):
        """The rows at a slice or an array of places, int64."""
        places = np.arange(*places.indices(self.size)) if isinstance(places, slice) else np.asarray(places)
        rows = self._network(places.astype("uint64"))
        while (beyond := rows >= self.size).any():
            rows[beyond] = self._network(rows[beyond])
        return rows.astype("int64")

    def _network(self, x):
        left, right = x >> self.half, x & self.mask
        for key in self.keys:
            mixed = (right + key) * np.uint64(0xBF58476D1CE4E5B9)             # of SplitMix64, as is the shift
            mixed = (mixed ^ mixed >> np.uint64(31)) * np.uint64(0x94D049BB133111EB)
            left, right = right, left ^ (mixed >> np.uint64(32) & self.mask)
        return left << self.half | right
