"""Corpora of segmented text, their characters and bigrams as numbers, and batches of sentences of similar length."""

import collections
import dataclasses
import os
import pathlib
import unicodedata

import keras
import numpy as np

from common import datasets, devices, streams
from common.datasets import InputError, Texts, read_text, sha256_of
from common.runs import write_whole
from common.vocab import UNKNOWN, Vocab

SAMPLE = pathlib.Path(__file__).resolve().parent / "samples" / "sentences.txt"
CORPORA = {"sxu": "SIGHAN 2008, Shanxi University", "nlpcc2016": "NLPCC 2016, micro-blogs",
           "msr": "SIGHAN 2005, Microsoft Research (icwb2-data)", "msr_slice": "the last tenth of MSR's training text"}
B, M, E, S = range(4)                                           # begin, middle, end of a word, and a word of one character
LABELS = ["B", "M", "E", "S"]
LONGEST_WORD = 8                                                # that the list of known words takes
FACTOR = np.uint64(0x9E3779B97F4A7C15)                          # of a multiplicative hash
LENGTHS = np.array([24, 40, 64, 96, 160, 256])                  # of padded batches: few, since XLA compiles for each anew


def load_corpus(data="", test=""):
    """A corpus by name or path.

    Args:
        data: "" for SXU, or the built-in sentences where it is not there; a name of CORPORA, looked up in the folder that
            KEXUE_DATA names; "sample"; or a file of sentences, one a line, words separated by blanks.
        test: a file of sentences to test on. By default that of the named corpus, else every tenth sentence of the file.

    Raises:
        InputError: no such file, or one that is no segmented text, with the line.
    """
    name, path, path_test = data or "sxu", pathlib.Path(data).expanduser(), test
    if name in CORPORA:
        folder = pathlib.Path(os.environ.get("KEXUE_DATA", "")) / "cws"
        path, path_test = folder / f"{name}_train.utf8", test or folder / f"{name.removesuffix('_slice')}_test_gold.utf8"
        if not path.is_file() or not os.environ.get("KEXUE_DATA"):
            advice = (f"get {CORPORA[name]} and name its files with --data and --test, or put them into cws/ of the folder "
                      f"that KEXUE_DATA names, as {path.name} and {pathlib.Path(path_test).name}")
            if data:
                raise InputError(f"{name} is not there: {advice}.")
            print(f"NOTE: training on the built-in sentences, not on {name.upper()}.\n      The numbers in the README need "
                  f"it: {advice}.", flush=True)
            name = "sample"
        elif not pathlib.Path(path_test).is_file():
            path_test = ""
    if name == "sample":
        path, path_test = SAMPLE, ""
    if not path.is_file():
        raise InputError(f"--data expects {', '.join(CORPORA)}, sample or a file of segmented sentences. Received: {data}")
    if path.stat().st_size > datasets.LARGE:
        corpus = streams.large_text(path, str.split, "words separated by blanks")
        return dataclasses.replace(corpus, test=read_sentences(pathlib.Path(path_test))) if path_test else corpus
    sentences = read_sentences(path)
    if path_test:
        train, held_out = sentences, read_sentences(pathlib.Path(path_test))
    else:
        train, held_out = [s for i, s in enumerate(sentences) if i % 10 != 9], sentences[9::10]
    name = name if name in CORPORA or name == "sample" else path.stem
    print(f"data: {name}, {len(train):,} training and {len(held_out):,} test sentences, from {path}", flush=True)
    return Texts(name, str(path), sha256_of(path), name == "sample", train, held_out)


def read_sentences(path):
    """The sentences of a SIGHAN file as lists of words: UTF-8, one a line, words separated by one blank or several."""
    text = read_text(path)
    sentences = [words for line in text.split("\n") if (words := line.split())]    # split() knows \r and wide blanks too
    if len(sentences) < 10:
        raise InputError(f"{path} should hold at least 10 sentences, one a line. Received: {len(sentences)}")
    if max(map(len, sentences)) == 1:
        raise InputError(f"{path} should hold words separated by blanks. Received: {len(sentences)} lines without any blank")
    return sentences


def fold(character):
    """What the model sees of a character: half width for full width, one digit for all, one letter for all Latin ones."""
    normal = unicodedata.normalize("NFKC", character)
    if len(normal) != 1:
        return character
    if normal.isdecimal():
        return "0"
    return "a" if normal.isalpha() and unicodedata.name(normal, "").startswith("LATIN") else normal


class Features:
    """What the model sees of a text: numbers of its characters and bigrams, and where known words may begin and end.

    Args:
        vocab: the known characters, folded.
        bigrams: the known pairs of neighbours, folded; a bigram stands at its first character.
        words: the known words, those of the training text and a user's.
    """

    def __init__(self, vocab, bigrams, words):
        self.vocab, self.bigrams, self.words = vocab, sorted(bigrams), sorted(set(words))
        self.folded = np.arange(0x110000, dtype="uint64")                       # by code point: one lookup for a whole text
        self.folded[:0x10000] = [ord(fold(chr(code))) for code in range(0x10000)]
        self.numbers = np.full(0x110000, UNKNOWN, "int32")
        self.numbers[codes("".join(vocab.characters))] = np.arange(2, len(vocab))
        self.pairs = Table(self._hashes("".join(self.bigrams), 2)[::2])
        self.lexicon = {size: Table(self._hashes("".join(w for w in self.words if len(w) == size), size)[::size])
                        for size in range(2, LONGEST_WORD + 1)}

    @classmethod
    def of(cls, sentences, least_characters=2, least_bigrams=4):
        """What occurs at least so often in the sentences, and all their words."""
        bigrams, known = collections.Counter(), set()

        def texts():                     # one pass: the sentences may be a file that is larger than memory
            for words in sentences:
                words = ["".join(map(fold, word)) for word in words]
                text = "".join(words)
                bigrams.update(map("".join, zip(text, text[1:])))
                known.update(word for word in words if 1 < len(word) <= LONGEST_WORD)
                yield text

        vocab = Vocab.from_texts(texts(), least_characters)
        return cls(vocab, [pair for pair, count in bigrams.items() if count >= least_bigrams], known)

    @classmethod
    def load(cls, folder, words=()):
        """From vocab.json, bigrams.txt and words.txt of a run or of weights/, with further words."""
        vocab = Vocab.load(folder / "vocab.json")
        bigrams, known = (read_text(folder / name).splitlines() for name in ("bigrams.txt", "words.txt"))
        if any(len(pair) != 2 for pair in bigrams):
            raise InputError(f"{folder / 'bigrams.txt'} should hold two characters a line. Received: another line")
        return cls(vocab, bigrams, known + ["".join(map(fold, word)) for word in words])

    def save(self, folder):
        self.vocab.save(folder / "vocab.json")
        for name, lines in [("bigrams.txt", self.bigrams), ("words.txt", self.words)]:
            write_whole(folder / name, "".join(f"{line}\n" for line in lines).encode())

    def encode(self, text):
        """(characters, bigrams, words) of a text, or of its code points: int32 of shapes (T,), (T,), (T, LONGEST_WORD − 1).

        characters and bigrams: 1 is unknown, known ones count from 2. words: for each length from 2 on, which known word
        of that length begins here, from 1 on, or 0."""
        points = codes(text) if isinstance(text, str) else text
        words = np.stack([self.lexicon[size].find(self._hashes(points, size)) for size in self.lexicon], axis=1)
        return self.numbers[self.folded[points]], self.pairs.find(self._hashes(points, 2)) + 1, words

    def _hashes(self, text, size):
        """A number for the `size` characters from each place on, as good as unique; where the text ends before, of fewer."""
        points = self.folded[codes(text) if isinstance(text, str) else text]
        result = points.copy()
        for shift in range(1, size):
            result[:-shift] = result[:-shift] * FACTOR + points[shift:]
            result[-shift:] = 0
        return result


class Table:
    """Numbers for 64-bit hashes: 1 … n by their order, 0 for any other."""

    def __init__(self, hashes):
        self.hashes = np.append(np.unique(hashes), np.uint64(2**64 - 1))
        self.seen = np.zeros(1 << 20, bool)                    # most hashes are not in here: one look tells most of them
        self.seen[self.hashes >> np.uint64(44)] = True

    def __len__(self):
        return len(self.hashes) - 1

    def find(self, hashes):
        result = np.zeros(len(hashes), "int32")
        maybe = np.flatnonzero(self.seen[hashes >> np.uint64(44)])
        place = np.searchsorted(self.hashes, hashes[maybe])
        result[maybe] = np.where(self.hashes[place] == hashes[maybe], place + 1, 0)
        return result


def word_features(words):
    """Word numbers (..., T, LONGEST_WORD − 1) → (..., T, 8) of 0 and 1: a known word of 2, 3, 4 or more characters begins
    here, or ends here."""
    known = words > 0
    ends = np.zeros_like(known)
    for i in range(LONGEST_WORD - 1):
        ends[..., i + 1:, i] = known[..., :-i - 1, i]
    return np.concatenate([part for marks in (known, ends)
                           for part in (marks[..., :3], marks[..., 3:].any(-1, keepdims=True))], axis=-1).astype("float32")


def codes(text):
    """The code points of a text, uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def tags_of(words):
    """The tags of a sentence's characters, int32: S for a word of one, else B M ... M E."""
    return np.array([tag for word in words for tag in ([S] if len(word) == 1 else [B, *[M] * (len(word) - 2), E])], "int32")


def cut(words, longest):
    """A sentence in pieces of at most so many characters, between words; a longer word loses its end."""
    pieces, room = [[]], longest
    for word in words:
        if len(word) > room and pieces[-1]:
            pieces.append([])
            room = longest
        pieces[-1].append(word[:longest])
        room -= len(word)
    return pieces


class Sentences(keras.utils.PyDataset):
    """Shuffled batches of sentences of similar length, padded to one of LENGTHS; their order depends on (seed, epoch) alone.

    A batch of longer sentences has fewer of them, so that all batches hold about as many characters. In training, what is
    left over of a length waits for the next epoch's shuffle: a smaller batch would be another shape to compile for.

    Args:
        run: the Run, whose configuration has seed and batch_size (sentences of 48 characters) and whose epoch is delivered.
        sentences: lists of words.
        features: Features.
        training: shuffles, and hides rare numbers: one with n occurrences becomes UNKNOWN at rare / (rare + n) of them. In a
            new text every fourth bigram is unknown, in the training text far fewer: the model has to learn both.
        rare: see training.
    """

    def __init__(self, run, sentences, features, training=True, rare=0.0):
        super().__init__()
        self.run, self.training = run, training
        pieces = [piece for words in sentences for piece in cut(words, LENGTHS[-1])]
        self.rows = [row_of(words, features) for words in pieces]
        self.buckets = np.searchsorted(LENGTHS, [len(tags) for *_, tags in self.rows])
        self.hidden = hidden_shares(self.rows, rare) if training else None
        self.on_epoch_begin()

    def on_epoch_begin(self):
        self.key = [self.run.config.seed, self.run.epoch]
        rng = np.random.default_rng(self.key)
        order = rng.permutation(len(self.rows)) if self.training else np.arange(len(self.rows))
        self.batches = []
        for bucket, length in enumerate(LENGTHS):
            rows = order[self.buckets[order] == bucket]
            size = max(devices.count(), devices.whole(self.run.config.batch_size * 48 // length))
            whole = len(rows) if not self.training else (
                len(rows) - len(rows) % size if len(rows) >= size else devices.whole(len(rows)))
            self.batches += [(length, rows[i:min(i + size, whole)]) for i in range(0, whole, size)]
        if self.training:
            self.batches = [self.batches[i] for i in rng.permutation(len(self.batches))]
        # Keras on TensorFlow takes a length in which the first two batches agree for the length of all.
        other = next((i for i, (length, _) in enumerate(self.batches) if length != self.batches[0][0]), 0)
        self.batches.insert(min(1, other), self.batches.pop(other))

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        length, rows = self.batches[index]
        rng = np.random.default_rng([*self.key, index])
        item = arrays_of([self.rows[row] for row in rows], length, self.hidden, rng)
        return devices.share(item) if self.training else item


def stream_batches(run, sentences, features, rare):
    """Batches of sentences that do not fit into memory: of batch_size sentences each, in which one of more than 256
    characters loses its end. How rare a number is, the first 100,000 sentences tell."""
    hidden = hidden_shares([row_of(words, features) for words in sentences[:100_000]], rare)

    def arrays(sentences, width, rng):
        return arrays_of([row_of(cut(words, LENGTHS[-1])[0], features) for words in sentences], width, hidden, rng)

    return streams.LineBatches(run, sentences, arrays, lambda words: min(sum(map(len, words)), LENGTHS[-1]), LENGTHS)


def row_of(words, features):
    """A sentence as (characters, bigrams, words, tags)."""
    return *features.encode("".join(words)), tags_of(words)


def hidden_shares(rows, rare):
    """For each input and column the share of each number that training hides, rare / (rare + n) of n occurrences."""
    result = []
    for numbers in list(zip(*rows))[:3]:
        columns = np.concatenate(numbers).reshape(sum(map(len, numbers)), -1).T
        counts = [np.bincount(column) for column in columns]
        result.append([rare / np.maximum(rare + count, 1e-9) for count in counts])
    return result


def arrays_of(rows, length, hidden, rng):
    """Rows of sentences as the model takes them, padded to a length; with `hidden`, rare numbers are hidden by chance."""
    characters, bigrams, tags = np.zeros((3, len(rows), length), "int32")
    words = np.zeros((len(rows), length, LONGEST_WORD - 1), "int32")
    arrays = characters, bigrams, words, tags
    for i, row in enumerate(rows):
        for array, values in zip(arrays, row):
            array[i, :len(values)] = values
    for array, shares, instead in zip(arrays, hidden or (), (UNKNOWN, UNKNOWN, 0)):
        columns = array.reshape(len(rows) * length, -1).T
        for column, share in zip(columns, shares):
            known = np.minimum(column, len(share) - 1)          # the last number of a column may be absent from what counted
            column[(rng.random(len(column), "float32") < share[known]) & (column > 0)] = instead
    return (characters, bigrams, word_features(words)), tags
