"""Text larger than memory: files of lines of any size, of which batches.LineBatches reads what a batch needs.

    lines = Lines("corpus.txt", parse)                # a sequence of samples; keeps half a byte of each
    batches = LineBatches(run, lines, encode, len)    # what model.fit trains on

Loaders take Lines in place of lists where a file exceeds reading.LARGE bytes; pictures: see Pictures in
images.py.

No Keras in here.
"""

import codecs
import copy
import hashlib
import pathlib

import numpy as np

from common.harness.datasets import Texts
from common.harness.language import in_users_language
from common.harness.reading import TESTED, InputError, byte_lines, decoded

EVERY = 16                    # lines between two whose places in the file are kept


class Lines:
    """The samples in the lines of a UTF-8 file, as a sequence of which only every 16th one's place is kept.

    lines[row] is a sample, lines[rows] with an array a list of samples, lines[2:5] a part, which reads no
    more than the whole; iteration reads from front to back.

    Args:
        path: the file.
        parse: function of a line without its end → the sample, or None for a line that is left out.
        wanted: what a line should be, for the message.

    Raises:
        InputError: no such file, no UTF-8, or more than one line in a hundred, apart from empty ones, that is
            left out.
    """

    def __init__(self, path, parse, wanted=""):
        wanted = wanted or in_users_language("a sample", "一个样本")
        self.path, self.parse = pathlib.Path(path), parse
        self.start, self.stop, self.places = 0, 0, []
        digest, place, wrong = hashlib.sha256(), 0, 0
        first_wrong = in_users_language("no line", "没有内容")
        for number, line in enumerate(byte_lines(path), 1):
            digest.update(line)
            if number == 1 and line.startswith(codecs.BOM_UTF8):
                place = len(codecs.BOM_UTF8)                     # samples begin behind the mark
                line = line[place:]
            text = decoded(line, path, number)
            if self._sample(text) is not None:
                if self.stop % EVERY == 0:
                    self.places.append(place)
                self.stop += 1
            elif text.strip():
                wrong += 1
                if wrong == 1:
                    first_wrong = in_users_language("line {}: {}", "第 {} 行：{}").format(
                        number, text.strip()[:30])
            place += len(line)
        if wrong * 100 > self.stop + wrong or not self.stop:
            others = max(0, wrong - 1)
            raise InputError(in_users_language(
                f"{path} should hold {wanted} on each line. Received: {first_wrong}, and {others:,} more "
                "such lines",
                f"{path} 每行应是{wanted}。收到：{first_wrong}，这样的行还有 {others:,} 行"))
        if wrong:
            print(in_users_language(f"note: {wrong:,} lines of {path} are left out ({first_wrong})",
                                    f"注意：{path} 中略去 {wrong:,} 行（{first_wrong}）"), flush=True)
        self.sha256 = digest.hexdigest()
        self.places = np.array([*self.places, place])
        self.file = open(self.path, "rb")        # read by place: mapped pages would count as memory

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
        self.file.seek(int(begin))
        lines = self.file.read(int(end - begin)).decode().split("\n")
        return [sample for line in lines if (sample := self._sample(line)) is not None]

    def _sample(self, line):
        return self.parse(line.rstrip("\r\n")) if line.strip() else None


def large_text(path, parse, wanted):
    """A file of lines as Texts whose training samples are Lines; at most a tenth of them, the last TESTED,
    are for testing.

    Args:
        path, parse, wanted: see Lines.
    """
    lines = Lines(path, parse, wanted)
    test = max(1, min(TESTED, len(lines) // 10))
    print(in_users_language(
        f"data: {len(lines) - test:,} training and {test:,} test samples, from {path}, read batch by batch",
        f"数据：训练样本 {len(lines) - test:,} 个，测试样本 {test:,} 个，来自 {path}，逐批读取"), flush=True)
    return Texts(path.stem, str(path), lines.sha256, False, lines[:-test], list(lines[-test:]))
