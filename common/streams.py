"""Text larger than memory: files of lines of any size, read batch by batch.

    lines = Lines("corpus.txt", parse)                # a sequence of samples; keeps half a byte of each
    order = Order(len(lines), [seed, epoch])          # a permutation that is computed, not stored
    batches = LineBatches(run, lines, encode, len)    # what model.fit trains on, resumable as runs.Batches is

Loaders take these in place of lists where a file exceeds datasets.LARGE bytes; pictures: see Pictures in datasets.py.
"""

import copy
import hashlib
import os
import pathlib

import keras
import numpy as np

from common import devices
from common.datasets import TESTED, InputError, Texts

EVERY = 16                    # lines between two whose places in the file are kept
POOL = 64                     # batches that are sorted by length together


class Order:
    """A random permutation of 0 … size − 1 that needs no memory: a Feistel network whose round function is keyed.

    It permutes the numbers of 2·half bits, at most four times as many as `size`; what lands beyond is sent on until it is
    back (cycle walking), which makes a permutation of the smaller range.

    Args:
        size: how many.
        key: a list of integers, such as [seed, epoch]: another key, another permutation.
    """

    ROUNDS = 6

    def __init__(self, size, key):
        self.size = size
        self.half = np.uint64(max(1, -(-max(1, size - 1).bit_length() // 2)))
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
            mixed = (right + key) * np.uint64(0xBF58476D1CE4E5B9)               # of SplitMix64, as is the shift
            mixed = (mixed ^ mixed >> np.uint64(31)) * np.uint64(0x94D049BB133111EB)
            left, right = right, left ^ (mixed >> np.uint64(32) & self.mask)
        return left << self.half | right


class Lines:
    """The samples in the lines of a UTF-8 file, as a sequence of which only every 16th one's place is kept.

    lines[row] is a sample, lines[rows] with an array a list of samples, lines[2:5] a part, which reads no more than the
    whole; iteration reads from front to back.

    Args:
        path: the file.
        parse: function of a line without its end → the sample, or None for a line that is left out.
        wanted: what a line should be, for the message.

    Raises:
        InputError: no such file, no UTF-8, or more than one line in a hundred, apart from empty ones, that is left out.
    """

    def __init__(self, path, parse, wanted="a sample"):
        self.path, self.parse = pathlib.Path(path), parse
        self.places, digest, count, wrong, first_wrong, place = [], hashlib.sha256(), 0, 0, None, 0
        for number, line in enumerate(self._open(), 1):
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise InputError(f"{path} should be a text in UTF-8, but line {number} is not ({error.reason}). Convert it, "
                                 f"for instance with iconv -f gb18030 -t utf-8") from error
            if self._sample(text) is not None:
                if count % EVERY == 0:
                    self.places.append(place)
                count += 1
            elif text.strip():
                wrong, first_wrong = wrong + 1, first_wrong or f"line {number}: {text.strip()[:30]}"
            digest.update(line)
            place += len(line)
        if wrong * 100 > count + wrong or not count:
            raise InputError(f"{path} should hold {wanted} on each line. Received: {first_wrong or 'no line'}, and "
                             f"{max(0, wrong - 1):,} more such lines")
        if wrong:
            print(f"note: {wrong:,} lines of {path} are left out ({first_wrong})", flush=True)
        self.sha256 = digest.hexdigest()
        self.places = np.array([*self.places, place])
        self.start, self.stop = 0, count
        self.file = os.open(self.path, os.O_RDONLY)      # read by place: no mapped pages, which would count as memory

    def __len__(self):
        return self.stop - self.start

    def __getitem__(self, rows):
        if isinstance(rows, slice):
            first, last, step = rows.indices(len(self))
            if step != 1:
                raise ValueError(f"Lines expects slices without a step. Received: {rows}")
            part = copy.copy(self)
            part.start, part.stop = self.start + first, self.start + max(first, last)
            return part
        if np.ndim(rows) == 0:
            return self[np.array([rows])][0]
        rows = np.asarray(rows)
        if len(rows) and not (-len(self) <= rows.min() and rows.max() < len(self)):
            raise IndexError(f"expected rows below {len(self)}. Received: {rows.min()} to {rows.max()}")
        rows = self.start + np.where(rows < 0, rows + len(self), rows)
        samples = {}
        for group in np.unique(rows // EVERY):
            samples[group] = self._group(group)
        return [samples[row // EVERY][row % EVERY] for row in rows]

    def __iter__(self):
        for group in range(self.start // EVERY, -(-self.stop // EVERY)):
            for row, sample in enumerate(self._group(group), group * EVERY):
                if self.start <= row < self.stop:
                    yield sample

    def _group(self, group):
        """The samples from one whose place is kept up to the next."""
        begin, end = self.places[group:group + 2]
        lines = os.pread(self.file, int(end - begin), int(begin)).decode().split("\n")
        return [sample for line in lines if (sample := self._sample(line)) is not None]

    def _sample(self, line):
        return self.parse(line.rstrip("\r\n")) if line.strip() else None

    def _open(self):
        try:
            with open(self.path, "rb") as file:
                yield from file
        except OSError as error:
            raise InputError(f"expected a text file. Received: {self.path} ({error.strerror})") from error


def large_text(path, parse, wanted):
    """A file of lines as Texts whose training samples are Lines; at most a tenth of them, the last TESTED, are for testing.

    Args:
        path, parse, wanted: see Lines.
    """
    lines = Lines(path, parse, wanted)
    test = max(1, min(TESTED, len(lines) // 10))
    print(f"data: {len(lines) - test:,} training and {test:,} test samples, from {path}, read batch by batch", flush=True)
    return Texts(path.stem, str(path), lines.sha256, False, lines[:-test], list(lines[-test:]))


class LineBatches(keras.utils.PyDataset):
    """Shuffled batches of samples of similar length, whose order depends on (seed, epoch) alone.

    The samples of POOL batches at a time are read, sorted by length and cut into batches, which come in random order.
    What is left over when the number of samples is not a multiple of the batch size waits for the next epoch's shuffle.

    Args:
        run: the Run, whose configuration has seed and batch_size and whose epoch is the one to deliver.
        lines: the samples, Lines or any sequence that takes arrays of rows.
        encode: function of (samples, width, NumPy generator) → (x, y), arrays padded to the width.
        length: function of a sample → its length.
        widths: an array of the widths there may be, in ascending order; any by default.
    """

    def __init__(self, run, lines, encode, length=len, widths=None):
        super().__init__()
        self.run, self.lines, self.encode, self.length, self.widths = run, lines, encode, length, widths
        self.batch_size = devices.whole(min(run.config.batch_size, len(lines)))
        self.on_epoch_begin()

    def on_epoch_begin(self):
        self.key = [self.run.config.seed, self.run.epoch]
        self.order, self.pool, self.batches = Order(len(self.lines), self.key), None, []

    def __len__(self):
        return len(self.lines) // self.batch_size

    def __getitem__(self, index):
        pool, place = divmod(index, POOL)
        if pool != self.pool:
            self.pool, self.batches = pool, self._read(pool)
        samples, width = self.batches[place], self._width(self.batches[place])
        # Keras on TensorFlow takes a dimension in which items 0 and 1 agree as fixed for all: item 0 is wider than item 1.
        if index == 0 and len(self) > 1 and width == self._width(self.batches[1]):
            width = width + 1 if self.widths is None else min([w for w in self.widths if w > width], default=width)
        return devices.share(self.encode(samples, width, np.random.default_rng([*self.key, index, 1])))

    def _read(self, pool):
        size, last = POOL * self.batch_size, len(self) * self.batch_size
        samples = sorted(self.lines[self.order[pool * size:min((pool + 1) * size, last)]], key=self.length)
        batches = [samples[i:i + self.batch_size] for i in range(0, len(samples), self.batch_size)]
        return [batches[i] for i in np.random.default_rng([*self.key, pool, 0]).permutation(len(batches))]

    def _width(self, samples):
        longest = max(map(self.length, samples))
        return longest if self.widths is None else int(self.widths[np.searchsorted(self.widths, longest)])
