"""What a model sees of a text: its characters and bigrams as numbers, and where known words begin and end."""

import collections
import pathlib
import unicodedata

import numpy as np

from common.harness.reading import InputError, read_text
from common.harness.vocab import UNKNOWN, Vocab
from common.harness.writing import write_lines

LONGEST_WORD = 8                           # that the list of known words takes
FACTOR = np.uint64(0x9E3779B97F4A7C15)     # of a multiplicative hash
CODE_POINTS = 0x110000


def normalise(text):
    """Half width for full width, one digit for all, one letter for all Latin ones; no character moves."""
    return "".join(map(_normalise_character, text))


def _normalise_character(character):
    normal = unicodedata.normalize("NFKC", character)
    if len(normal) != 1:
        return character
    if normal.isdecimal():
        return "0"
    if normal.isalpha() and unicodedata.name(normal, "").startswith("LATIN"):
        return "a"
    return normal


def codes(text):
    """The code points of a text, uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


class Features:
    """Texts as the numbers that a model takes.

    Args:
        vocab: the known characters, normalised.
        bigrams: the known pairs of neighbours, normalised; a bigram stands at its first character.
        words: the known words of the training text.
        own: further known words, a user's, which the training text may lack.
    """

    def __init__(self, vocab, bigrams, words, own=()):
        self.vocab, self.bigrams, self.words = vocab, sorted(bigrams), sorted({*words, *own})
        # by code point: one lookup for a whole text
        self.normal = np.arange(CODE_POINTS, dtype="uint64")
        self.normal[:0x10000] = [ord(_normalise_character(chr(code))) for code in range(0x10000)]
        self.numbers = np.full(CODE_POINTS, UNKNOWN, "int32")
        self.numbers[codes("".join(vocab.characters))] = np.arange(2, len(vocab))
        self.pairs = HashTable(self._hashes("".join(self.bigrams), 2)[::2])
        self.lexicon, self.own = self._lexicon(self.words), self._lexicon(set(own))

    def _lexicon(self, words):
        """length → the words of that length, as a HashTable."""
        tables = {}
        for size in range(2, LONGEST_WORD + 1):
            known = [word for word in words if len(word) == size]
            tables[size] = HashTable(self._hashes("".join(known), size)[::size])
        return tables

    @classmethod
    def of(cls, sentences, least_characters=2, least_bigrams=4):
        """What occurs at least so often in the sentences, and all their words."""
        counts, known = collections.Counter(), set()

        def texts():      # in one pass: the sentences may be a file that is larger than memory
            for words in sentences:
                words = [normalise(word) for word in words]
                text = "".join(words)
                counts.update(map("".join, zip(text, text[1:])))
                known.update(word for word in words if 1 < len(word) <= LONGEST_WORD)
                yield text

        vocab = Vocab.from_texts(texts(), least_characters)
        return cls(vocab, [pair for pair, count in counts.items() if count >= least_bigrams], known)

    @classmethod
    def load(cls, folder, words=()):
        """From vocab.json, bigrams.txt and words.txt, and new_words.txt if there is one, with further words.

        Args:
            folder: a run folder, or one of weights/. The shipped models share these files: where a folder has
                no vocab.json and the folder above it has, all three are read there.
            words: further known words.

        Raises:
            InputError: one of the files is missing or is something else.
        """
        folder = _folder_of_the_vocabulary(pathlib.Path(folder))
        vocab = Vocab.load(folder / "vocab.json")
        bigrams = read_text(folder / "bigrams.txt").splitlines()
        known = read_text(folder / "words.txt").splitlines()
        own = [normalise(word) for word in words]
        if (folder / "new_words.txt").is_file():       # younger than the corpus, written by hand
            own += map(normalise, read_text(folder / "new_words.txt").splitlines())
        if any(len(pair) != 2 for pair in bigrams):
            wrong = next(pair for pair in bigrams if len(pair) != 2)
            raise InputError(f"{folder / 'bigrams.txt'} should hold two characters a line. "
                             f"Received: {wrong[:30]!r}")
        return cls(vocab, bigrams, known, own)

    def save(self, folder):
        """Writes the three files that load reads."""
        self.vocab.save(folder / "vocab.json")
        write_lines(folder / "bigrams.txt", self.bigrams)
        write_lines(folder / "words.txt", self.words)

    def encode(self, text):
        """(characters, bigrams, words) of a text, or of its code points; int32 of shapes (T,), (T,) and
        (T, LONGEST_WORD − 1).

        characters and bigrams: 1 is unknown, known ones count from 2. words: for each length from 2 on, which
        known word of that length begins here, from 1 on, or 0.
        """
        points = codes(text) if isinstance(text, str) else text
        words = [table.find(self._hashes(points, size)) for size, table in self.lexicon.items()]
        pairs = self.pairs.find(self._hashes(points, 2)) + 1
        return self.numbers[self.normal[points]], pairs, np.stack(words, axis=1)

    def own_words(self, text):
        """(start, stop) of every place where one of the user's words stands in a text or its code points."""
        points = codes(text) if isinstance(text, str) else text
        places = []
        for size, table in self.own.items():
            if len(table):
                starts = np.flatnonzero(table.find(self._hashes(points, size)))
                places += [(int(start), int(start) + size) for start in starts]
        return places

    def _hashes(self, text, size):
        """A number for the `size` characters from each place on, as good as unique.

        The last places, where the text ends before, get 0."""
        points = self.normal[codes(text) if isinstance(text, str) else text]
        result = points.copy()
        for shift in range(1, size):
            result[:-shift] = result[:-shift] * FACTOR + points[shift:]
            result[-shift:] = 0
        return result


def _folder_of_the_vocabulary(folder):
    above = folder.absolute().parent
    if not (folder / "vocab.json").is_file() and (above / "vocab.json").is_file():
        return above
    return folder


class HashTable:
    """Numbers for 64-bit hashes: 1 … n by their order, 0 for any other."""

    def __init__(self, hashes):
        self.hashes = np.append(np.unique(hashes), np.uint64(2**64 - 1))
        # most hashes are not in here: one look at their first 20 bits tells most of them
        self.seen = np.zeros(1 << 20, bool)
        self.seen[self.hashes >> np.uint64(44)] = True

    def __len__(self):
        return len(self.hashes) - 1

    def find(self, hashes):
        """The numbers of an array of hashes, int32."""
        result = np.zeros(len(hashes), "int32")
        maybe = np.flatnonzero(self.seen[hashes >> np.uint64(44)])
        place = np.searchsorted(self.hashes, hashes[maybe])
        result[maybe] = np.where(self.hashes[place] == hashes[maybe], place + 1, 0)
        return result


def word_features(words):
    """Word numbers (..., T, LONGEST_WORD − 1) → (..., T, 8) of 0 and 1: a known word of 2, 3, 4 or more
    characters begins here, or ends here."""
    begins = words > 0
    ends = np.zeros_like(begins)
    for i in range(LONGEST_WORD - 1):
        ends[..., i + 1:, i] = begins[..., :-i - 1, i]
    parts = []
    for marks in (begins, ends):
        parts += [marks[..., :3], marks[..., 3:].any(-1, keepdims=True)]
    return np.concatenate(parts, axis=-1).astype("float32")
