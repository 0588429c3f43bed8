"""Couplets: pairs of lines of equal length, from tab-separated files or from the public in.txt and out.txt."""

import hashlib
import pathlib

import keras
import numpy as np

from common import datasets, devices, streams
from common.datasets import InputError
from common.vocab import PADDING, UNKNOWN, is_han

SAMPLE = pathlib.Path(__file__).resolve().parent / "samples/couplets.tsv"
HOME = "https://github.com/wb14123/couplet-dataset/releases/download/1.0/couplet.tar.gz"
# Training first line, second line, test first line, second line; one name alone for tab-separated files.
LAYOUTS = [("couplets_train.tsv", "couplets_test.tsv"), ("train.tsv", "test.tsv"),
           ("train/in.txt", "train/out.txt", "test/in.txt", "test/out.txt"), ("in.txt", "out.txt")]


def load_couplets(data=""):
    """Training and test couplets.

    Args:
        data: "" for the folder couplets or couplet in KEXUE_DATA or the cache, or the built-in sample where neither is;
            "sample" for the sample; or a path: a file with a first line, a tab and a second line on each line (every tenth
            is held out for testing), the same as couplets_train.tsv and couplets_test.tsv in a folder, or the folder of the
            public data set, with train/in.txt, train/out.txt, test/in.txt, test/out.txt and blanks between characters. One
            file of more than datasets.LARGE bytes is read batch by batch, and its last couplets are held out.

    Raises:
        InputError: nothing usable there, with the file and the line.
    """
    path = SAMPLE if data == "sample" else pathlib.Path(data).expanduser() if data else datasets.find("couplets", "couplet")
    if path is None:
        path = SAMPLE
        print("NOTE: training on the built-in couplets, too few to learn from. The README's numbers need real ones: get\n"
              f"      {HOME}\n"
              f"      and unpack it in {datasets.cache_folder()}, or name your files with --data.", flush=True)
    if not path.exists():
        raise InputError(f"--data expects sample or a path that exists. Received: {data}")
    if path.is_file() and path.stat().st_size > datasets.LARGE:
        return streams.large_text(path, lambda line: pair_of(line.split("\t")[-2:])[0], "a couplet, two lines with a tab")
    if path.is_file():
        files, pairs = [path], read_pairs(path)
        train, test = hold_out(pairs, max(1, len(pairs) // 10))
    else:
        layout = next((names for names in LAYOUTS if all((path / name).is_file() for name in names)), None)
        if layout is None:
            raise InputError(f"{path} should hold {', or '.join(' and '.join(names) for names in LAYOUTS)}. "
                             f"Received: {', '.join(sorted(p.name for p in path.iterdir())[:8]) or 'an empty folder'}")
        files = [path / name for name in layout]
        parts = [read_pairs(file) for file in files] if layout[0].endswith(".tsv") else [
            read_pairs(*files[i:i + 2]) for i in range(0, len(files), 2)]
        train, test = parts if len(parts) == 2 else hold_out(parts[0], max(1, len(parts[0]) // 10))
    sha256 = datasets.sha256_of(files[0]) if len(files) == 1 else hashlib.sha256(
        "".join(map(datasets.sha256_of, files)).encode()).hexdigest()
    print(f"data: {len(train):,} training and {len(test):,} test couplets, from {path}", flush=True)
    return datasets.Texts(path.stem, str(path), sha256, path == SAMPLE, train, test)


def load_extra(names, without):
    """Couplets of verse for --extra: those in `names`, blank-separated paths or "verse" for KEXUE_DATA's poetry folder,
    that share no line with the couplets in `without`."""
    paths = []
    for name in names.split():
        found = [p for length in (5, 7) if (p := datasets.find(f"poetry/lvshi_couplets_{length}_simp.tsv"))] \
            if name == "verse" else [p for p in [pathlib.Path(name).expanduser()] if p.is_file()]
        if not found:
            raise InputError("--extra expects verse, with the folder poetry in KEXUE_DATA, or files of couplets; "
                             f"poetry_vae/convert.py --couplets makes them from chinese-poetry. Received: {name}")
        paths += found
    seen = {line for pair in without for line in pair}
    pairs = [pair for path in paths for pair in read_pairs(path) if not seen.intersection(pair)]
    print(f"extra: {len(pairs):,} couplets that share no line with validation and test", flush=True)
    return pairs


def read_pairs(path, second=None):
    """The couplets of a tab-separated file, whose last two columns they are, or of two files with a line each.

    Blanks are left out. Up to one line in a hundred that is no couplet is left out with a note: the public data have some.
    """
    columns = datasets.read_text(path).split("\n")
    if second is None:
        rows = [line.split("\t")[-2:] for line in columns]
    else:
        other = datasets.read_text(second).split("\n")
        if len(columns) != len(other):
            raise InputError(f"{path} and {second} should have as many lines. Received: {len(columns):,} and {len(other):,}")
        rows = [list(pair) for pair in zip(columns, other)]
    wanted = f"couplets, two lines of equal length{'' if second else ' with a tab between them'}"
    return datasets.parse_rows(path, rows, pair_of, wanted)


def pair_of(row):
    """(the couplet in the columns of a row, None), or (None, why there is none)."""
    row = ["".join(line.split()) for line in row]
    reason = ("there is no tab" if len(row) < 2 else
              f"{len(row[0])} characters against {len(row[1])}" if len(row[0]) != len(row[1]) else
              None if any(map(is_han, row[0])) and any(map(is_han, row[1])) else "a line without Chinese characters")
    return (None, reason) if reason else (tuple(row), None)


def hold_out(pairs, count):
    """(the rest, at least `count` pairs), drawn with a fixed seed. Couplets that share a line, apart from punctuation, stay
    together: the web has many of them in several versions."""
    groups = {}
    for pair, group in zip(pairs, datasets.groups_of([["".join(filter(is_han, line)) for line in pair] for pair in pairs])):
        groups.setdefault(group, []).append(pair)
    groups, held = list(groups.values()), []
    for index in np.random.default_rng(0).permutation(len(groups)):
        if len(held) >= count or len(held) + len(groups[index]) == len(pairs):
            break
        held += groups[index]
        groups[index] = []
    return [pair for group in groups for pair in group], held


def targets(rows):
    """The second lines as the loss takes them: an unknown character is nobody's answer and counts as padding."""
    return np.where(rows == UNKNOWN, PADDING, rows)


def stream_batches(run, pairs, vocab):
    """Batches of couplets that do not fit into memory; what is longer than the configuration's max_length loses its end."""
    def arrays(pairs, width, rng):
        x, y = (vocab.pad([line[:width] for line in lines], width) for lines in zip(*pairs))
        return x, targets(y)

    return streams.LineBatches(run, pairs, arrays, lambda pair: min(len(pair[0]), run.config.max_length))


class LengthBatches(keras.utils.PyDataset):
    """Shuffled batches of couplets of equal or neighbouring lengths, whatever lengths there are: hardly any padding.

    As in runs.Batches the order depends on (seed, epoch) alone, and what is left over waits for the next shuffle.

    Args:
        run: the Run, whose configuration has seed and batch_size and whose epoch is the one to deliver.
        pairs: the couplets.
        vocab: their Vocab.
    """

    def __init__(self, run, pairs, vocab):
        super().__init__()
        self.run = run
        self.lines = [[vocab.encode(line) for line in pair] for pair in pairs]
        self.lengths = np.array([len(first) for first, _ in pairs])
        self.batch_size = devices.whole(min(run.config.batch_size, len(pairs)))
        self.on_epoch_begin()

    def on_epoch_begin(self):
        rng = np.random.default_rng([self.run.config.seed, self.run.epoch])
        order = rng.permutation(len(self.lines))[:len(self) * self.batch_size]
        order = order[np.argsort(self.lengths[order], kind="stable")].reshape(-1, self.batch_size)
        self.order = rng.permutation(order)      # batches in random order, each of the lengths that met in it

    def __len__(self):
        return len(self.lines) // self.batch_size

    def __getitem__(self, index):
        rows = self.order[index]
        # Keras on TensorFlow takes a dimension in which items 0 and 1 agree as fixed for all: item 0 is never as wide as 1.
        widths = self.lengths[self.order[:2]].max(axis=1)
        width = self.lengths[rows].max() + (index == 0 and len(set(widths)) == 1)
        x = np.full((2, len(rows), width), PADDING, "int32")
        for i, row in enumerate(rows):
            x[:, i, :self.lengths[row]] = self.lines[row]
        return devices.share((x[0], targets(x[1])))
