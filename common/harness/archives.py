"""Archives that a user names: whatever of them is unpacked is counted, and nothing is written to the disk.

The directory of a zip says how large its members are. It is asked first, and not believed: members are read
in pieces, and no reader goes on beyond what the directory said or the limit allows.

No Keras in here.
"""

import contextlib
import gzip
import zipfile

import numpy as np

from common.harness.reading import PIECE, InputError, check_unpacked, model_limit, unpacked_limit

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)      # the readers of others unpack a whole piece at once
MEMBERS = 20_000


@contextlib.contextmanager
def open_archive(path, most, advice=""):
    """Gives the Archive in a zip file, from which at most so many bytes are read.

    Args:
        most: bytes in all that are read.
        advice: what a user can do about a file that holds more, for the message.

    Raises:
        InputError: what is read unpacks to more.
        Exception: zipfile's many kinds, and ValueError, for a file that is no such archive.
    """
    with zipfile.ZipFile(path) as file:
        yield Archive(file, path, most, advice)


class Archive:
    """The members of a zip file; `names` are theirs."""

    def __init__(self, file, path, most, advice=""):
        self.file, self.path, self.most, self.room, self.advice = file, path, most, most, advice
        members = file.infolist()
        self.names = [member.filename for member in members]
        if len(members) > MEMBERS or len(set(self.names)) < len(members):
            raise ValueError(f"expected at most {MEMBERS:,} members, each name once. "
                             f"Received: {len(members):,}")
        if any(member.compress_type not in METHODS or member.flag_bits & 1 for member in members):
            raise ValueError("expected members that are stored or deflated, without a password")

    def pieces(self, name):
        """The content of a member, piece by piece."""
        member = self._admitted(name)
        with self.file.open(member) as content:
            while piece := content.read(PIECE):
                yield piece

    def read(self, name):
        """The content of a member."""
        return b"".join(self.pieces(name))

    def start(self, name, size):
        """The first bytes of a member, at most so many: only these count against the limit."""
        with self.file.open(self._admitted(name, size)) as content:
            return content.read(size)

    def array(self, name):
        """The NumPy array that a member holds, and nothing besides it."""
        with self.file.open(self._admitted(name)) as content:
            array = np.lib.format.read_array(content, allow_pickle=False)
            if content.read(1):
                raise ValueError(f"{name} is longer than the array in it")
        return array

    def _admitted(self, name, size=None):
        """A member of which no more is read, up to `size`, than may still be; its reader stops at the size it
        claims."""
        member = self.file.getinfo(name)
        wanted = member.file_size if size is None else min(size, member.file_size)
        if wanted > self.room:
            others = f" after {self.most - self.room:,} of other members" if self.room < self.most else ""
            raise InputError(f"{self.path} unpacks to more than {self.most:,} bytes, the limit for a file of "
                             f"its kind and size. Received: {name} with {wanted:,}{others}{self.advice}")
        self.room -= wanted
        return member


def read_arrays(path, wanted=None, model=False):
    """name → array of an .npz file.

    Args:
        wanted: the names that are read, where they are there; None for all.
        model: whether we wrote the file ourselves. Those are not packed, so hardly anything is unpacked.

    Raises:
        InputError: it unpacks to more than data or models do.
        Exception: the many kinds of zipfile and NumPy for a file that is not theirs.
    """
    most = model_limit(path) if model else unpacked_limit(path)
    with open_archive(path, most) as archive:
        names = [name for name in archive.names if wanted is None or name.removesuffix(".npy") in wanted]
        return {name.removesuffix(".npy"): archive.array(name) for name in names}


class Gzip(gzip.GzipFile):
    """A file packed by gzip, of which no more is unpacked than data may be: InputError beyond that."""

    def __init__(self, path):
        super().__init__(path)
        self.path, self.most = path, unpacked_limit(path)

    def read(self, size=-1):
        room = self.most - self.tell()
        content = super().read(room + 1 if size < 0 else min(size, room + 1))
        check_unpacked(self.path, self.tell())
        return content

    def seek(self, offset, whence=0):
        if whence == 0:
            check_unpacked(self.path, offset)
        return super().seek(offset, whence)
