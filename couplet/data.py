"""Couplets: pairs of lines of equal length, from tab-separated files or the public in.txt and out.txt."""

import pathlib

import numpy as np

from common.harness import datasets, streams
from common.harness.batches import LineBatches, ShuffledBatches
from common.harness.download import cache_folder
from common.harness.language import in_users_language
from common.harness.paths import named_path
from common.harness.reading import InputError, parse_rows, read_text, sha256_of, sha256_of_all, too_large
from common.harness.vocab import PADDING, UNKNOWN, is_han

SAMPLE = pathlib.Path(__file__).resolve().parent / "samples/couplets.tsv"
HOME = "https://github.com/wb14123/couplet-dataset/releases/download/1.0/couplet.tar.gz"
# Training first line, second line, test first line, second line; one name alone for tab-separated files.
LAYOUTS = [("couplets_train.tsv", "couplets_test.tsv"), ("train.tsv", "test.tsv"),
           ("train/in.txt", "train/out.txt", "test/in.txt", "test/out.txt"), ("in.txt", "out.txt")]


# ----------------------------------------------------------------------------------------------------- corpus

def load_couplets(data=""):
    """Training and test couplets.

    Args:
        data: "" for the folder couplets or couplet in KEXUE_DATA or the cache, or the built-in sample where
            neither is; "sample" for the sample; or a path: a file with a first line, a tab and a second line
            on each line (every tenth is held out for testing), the same as couplets_train.tsv and
            couplets_test.tsv in a folder, or the folder of the public data set, with train/in.txt,
            train/out.txt, test/in.txt, test/out.txt and blanks between characters. One file of more than
            LARGE bytes is read batch by batch, and its last couplets are held out.

    Raises:
        InputError: nothing usable there, with the file and the line.
    """
    path = datasets.find_text(data, ("couplets", "couplet"), SAMPLE, how_to_get_data())
    if path.is_file() and too_large(path.stat().st_size):
        return streams.large_text(path, couplet_in, "a couplet, two lines with a tab")
    if path.is_dir():
        files = files_in(path)
        parts = [read_pairs(*names) for names in parts_of(files)]
    else:
        files, parts = [path], [read_pairs(path)]
    if len(parts) == 1:
        parts = hold_out(parts[0], max(1, len(parts[0]) // 10))
    train, test = parts
    sha256 = sha256_of(files[0]) if len(files) == 1 else sha256_of_all(files)
    print(in_users_language(
        f"data: {len(train):,} training and {len(test):,} test couplets, from {path}",
        f"数据：训练对联 {len(train):,} 副，测试对联 {len(test):,} 副，来自 {path}"), flush=True)
    return datasets.Texts(path.stem, str(path), sha256, path == SAMPLE, train, test)


def how_to_get_data():
    return in_users_language(
        "NOTE: these are the built-in couplets, too few to learn from. The README's numbers need real\n"
        f"      ones: get {HOME}\n"
        f"      and unpack it in {cache_folder()}, or name your files with --data.",
        "注意：这是自带的少量对联，学不到什么。README 里的数字要用真实的对联：\n"
        f"      请下载 {HOME}\n"
        f"      解压到 {cache_folder()}，或用 --data 指定你的文件。")


def files_in(folder):
    """The files of the first layout that a folder has whole."""
    for names in LAYOUTS:
        files = [folder / name for name in names]
        if all(file.is_file() for file in files):
            return files
    layouts = [" and ".join(names) for names in LAYOUTS]
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:8])
    raise InputError(in_users_language(
        f"{folder} should hold {', or '.join(layouts)}. Received: {found or 'an empty folder'}",
        f"{folder} 里应有 {'，或 '.join(layouts).replace(' and ', ' 和 ')}。收到：{found or '空目录'}"))


def parts_of(files):
    """What read_pairs takes for each part of a corpus: one tab-separated file, or a file of first and one of
    second lines."""
    if files[0].suffix == ".tsv":
        return [(file,) for file in files]
    return list(zip(files[::2], files[1::2]))


def read_pairs(path, second=None):
    """The couplets of a tab-separated file, whose last two columns they are, or of two files with a line
    each.

    Blanks are left out. Up to one line in a hundred that is no couplet is left out with a note: the public
    data have some.
    """
    lines = read_text(path).split("\n")
    wanted = "couplets, two lines of equal length"
    if second is None:
        columns = (columns_of(line) if line else () for line in lines)
        return parse_rows(path, columns, parse_pair, f"{wanted} with a tab between them")
    others = read_text(second).split("\n")
    if len(lines) != len(others):
        raise InputError(f"{path} and {second} should have the same number of lines. "
                         f"Received: {len(lines):,} and {len(others):,}")
    return parse_rows(path, zip(lines, others), parse_pair, wanted)


def columns_of(line):
    """The columns of a tab-separated line in which the couplet stands."""
    return line.split("\t")[-2:]


def couplet_in(line):
    """The couplet of a tab-separated line, or None."""
    couplet, _ = parse_pair(columns_of(line))
    return couplet


def parse_pair(columns):
    """(the couplet, None), or (None, why the columns hold none)."""
    lines = tuple("".join(column.split()) for column in columns)
    if len(lines) < 2:
        return None, "there is no tab"
    if len(lines[0]) != len(lines[1]):
        return None, f"{len(lines[0])} characters against {len(lines[1])}"
    if not all(any(map(is_han, line)) for line in lines):
        return None, "a line without Chinese characters"
    return lines, None


# ------------------------------------------------------------------------------------------------------ parts

def split(couplets, validation, max_length):
    """(training couplets, `validation` couplets, at most a tenth, that choose the best epoch) of a corpus.

    Couplets longer than max_length are left out; those of a file that is read batch by batch lose their end
    instead."""
    if isinstance(couplets.train, streams.Lines):
        count = min(validation, len(couplets.train) // 10)
        return couplets.train[:-count], list(couplets.train[-count:])
    pairs = within(couplets.train, max_length)
    if len(pairs) < 10:
        raise InputError(f"expected at least 10 couplets of at most {max_length} characters a line. "
                         f"Received: {len(pairs)} in {couplets.source}")
    return hold_out(pairs, min(validation, len(pairs) // 10))


def within(pairs, max_length):
    """The couplets whose lines have at most max_length characters."""
    return [pair for pair in pairs if len(pair[0]) <= max_length]


def hold_out(pairs, count):
    """(the rest, at least `count` pairs), drawn with a fixed seed. Couplets that share a line, apart from
    punctuation, stay together: the web has many of them in several versions."""
    groups = {}
    for pair, number in zip(pairs, datasets.groups_of([keys_of(pair) for pair in pairs])):
        groups.setdefault(number, []).append(pair)
    held_out = []
    for number in np.random.default_rng(0).permutation(len(groups)):
        # never all of them: a corpus of one group keeps it for training
        if len(held_out) >= count or len(held_out) + len(groups[number]) == len(pairs):
            break
        held_out += groups.pop(number)
    return [pair for group in groups.values() for pair in group], held_out


def keys_of(pair):
    """The lines of a couplet without their punctuation."""
    return ["".join(filter(is_han, line)) for line in pair]


def extra_couplets(pairs, names, without, max_length):
    """What --extra adds to the training couplets: those of load_extra that are not too long."""
    if not names:
        return []
    if isinstance(pairs, streams.Lines):
        raise InputError(f"--extra expects --data that fits into memory. Received: {pairs.path}")
    return within(load_extra(names, without), max_length)


def load_extra(names, without):
    """Couplets of verse for --extra: those in `names`, blank-separated paths or "verse" for KEXUE_DATA's
    poetry folder, that share no line with the couplets in `without`."""
    held_out = {line for pair in without for line in pair}
    pairs = []
    for name in names.split():
        for path in extra_files(name):
            pairs += [pair for pair in read_pairs(path) if held_out.isdisjoint(pair)]
    print(in_users_language(
        f"extra: {len(pairs):,} couplets that share no line with validation and test",
        f"额外数据：{len(pairs):,} 副对联，与验证集、测试集没有相同的句子"), flush=True)
    return pairs


def extra_files(name):
    """The files that one of the names in --extra stands for."""
    if name == "verse":
        places = [datasets.find(f"poetry/lvshi_couplets_{length}_simp.tsv") for length in (5, 7)]
        files = [path for path in places if path]
    else:
        path = named_path(name, "--extra")
        files = [path] if path.is_file() else []
    if not files:
        raise InputError("--extra expects verse, with the folder poetry in KEXUE_DATA, or files of couplets; "
                         f"poetry_vae/convert.py --couplets makes them from chinese-poetry. Received: {name}")
    return files


# ---------------------------------------------------------------------------------------------------- batches

def arrays(pairs, vocab, width=None):
    """Couplets as numbers x, y, (n, width) each; what is longer than the width loses its end."""
    x = vocab.pad([first[:width] for first, _ in pairs], width)
    y = vocab.pad([second[:width] for _, second in pairs], width)
    return x, targets(y)


def targets(rows):
    """The second lines as the loss takes them: an unknown character is nobody's answer and counts as
    padding."""
    return np.where(rows == UNKNOWN, PADDING, rows)


def batches(run, pairs, vocab, extra=(), parts=1, finish=0):
    """What model.fit trains on, from memory or from a file; see LengthBatches."""
    if isinstance(pairs, streams.Lines):
        return stream_batches(run, pairs, vocab)
    return LengthBatches(run, pairs, vocab, extra, parts, finish)


def stream_batches(run, pairs, vocab):
    """Batches of couplets that do not fit into memory; what is longer than the configuration's max_length
    loses its end."""
    def encode(pairs, width, rng):
        return arrays(pairs, vocab, width)

    def length(pair):
        return min(len(pair[0]), run.config.max_length)

    return LineBatches(run, pairs, encode, length)


class LengthBatches(ShuffledBatches):
    """Shuffled batches of couplets of equal or neighbouring lengths, whatever lengths there are: hardly any
    padding.

    Every epoch has as many couplets as any other, as Keras asks for their number once.

    Args:
        run: the run; see ShuffledBatches.
        pairs: the couplets.
        vocab: their Vocab.
        extra: couplets of another kind, verse.
        parts: epochs that share one pass over `extra`; each of them has all of `pairs`. What a division by
            them leaves over is not seen.
        finish: the last epochs have `pairs` alone, again and again: the model ends with the kind that it is
            for.
    """

    def __init__(self, run, pairs, vocab, extra=(), parts=1, finish=0):
        # encoded once: an epoch's batches then only copy numbers
        self.pairs = [(vocab.encode(first), vocab.encode(second)) for first, second in [*pairs, *extra]]
        self.line_lengths = np.array([len(first) for first, _ in self.pairs])
        self.own, self.parts, self.finish = len(pairs), parts, finish
        super().__init__(run, len(pairs) + len(extra) // parts)

    def plan(self, rng):
        count = self.samples // self.batch_size
        order = rng.permutation(self.rows_of_epoch())[:count * self.batch_size]
        order = order[np.argsort(self.line_lengths[order], kind="stable")]
        # in random order, each batch of the lengths that met in it
        return rng.permutation(order.reshape(count, self.batch_size))

    def rows_of_epoch(self):
        """The couplets that the run's epoch has, by their places in self.pairs."""
        epoch = self.run.epoch
        if self.finish and epoch >= self.run.config.epochs - self.finish:
            return (epoch * self.samples + np.arange(self.samples)) % self.own
        rows = np.arange(self.own, len(self.pairs))
        part = rows[epoch % self.parts::self.parts][:self.samples - self.own]
        return np.concatenate([np.arange(self.own), part])

    def widths(self, rows):
        return [int(self.line_lengths[rows].max())]

    def item(self, rows, rng, width):
        x, y = np.full((2, len(rows), width), PADDING, "int32")
        for place, row in enumerate(rows):
            first, second = self.pairs[row]
            x[place, :len(first)] = first
            y[place, :len(second)] = second
        return x, targets(y)
