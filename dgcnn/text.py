"""What the model sees of a text: normalised characters, words, and both as numbers, in windows."""

import functools
import pathlib
import re
import unicodedata

import numpy as np

from common.harness.paths import is_there
from common.harness.reading import InputError, read_text
from common.harness.vocab import FIRST, UNKNOWN, Vocab, is_han, to_simplified
from common.harness.writing import write_lines


@functools.cache
def _normal_forms():
    """A table for str.translate that exchanges characters one for one, so that positions stay."""
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    han = [character for character in characters if is_han(character)]
    simplified = dict(zip(han, to_simplified("\n".join(han)).split("\n")))
    forms = {}
    for character in characters:
        form = unicodedata.normalize("NFKC", character)
        form = simplified.get(form, form).lower()
        if len(form) == 1 and form != character:
            forms[ord(character)] = form
    return forms


def normalise(text):
    """A text in half width, lower case and simplified characters, as long as it was."""
    return text.translate(_normal_forms())


def segment(text):
    """The words of a normalised text, by rjieba without its guesses at new ones.

    Digits and Latin letters stand alone, as in 5409."""
    import rjieba

    words = []
    for word in rjieba.cut(text, False):
        if word.isascii():
            words += word                # its characters
        else:
            words.append(word)
    return words


# what segment takes apart: numbers with their points, Latin words, and 三点半
WHOLE = re.compile(r"\d+(?:[.,:]\d+)*|[a-z]+|[\d零〇一二两三四五六七八九十]+[点时年个]半(?![天日夜])")


def word_edges(text):
    """(len(text) + 1,) booleans: where a word of a text begins or ends, numbers and Latin words whole."""
    text = normalise(text)
    edges = np.zeros(len(text) + 1, bool)
    edges[np.cumsum([0, *map(len, segment(text))])] = True
    for match in WHOLE.finditer(text):
        edges[match.start() + 1:match.end()] = False
    return edges


class Encoder:
    """A text as numbers: those of its characters, and at every character that of the word which covers it.

    Args:
        vocab: the known characters, normalised.
        words: the known words, which count from 2 as characters do; none: no numbers of words.
        features: "match" or "kinds" where the model wants such features too, see features.py; "" for none.
    """

    def __init__(self, vocab, words=(), features=""):
        self.vocab, self.words, self.features = vocab, list(words), features
        self.numbers = {word: number for number, word in enumerate(self.words, FIRST)}

    def __call__(self, text):
        """int32 arrays, each as long as the text: [characters] or [characters, words]."""
        text = normalise(text)
        characters = self.vocab.encode(text)
        if not self.words:
            return [characters]
        words = segment(text)
        numbers = np.array([self.numbers.get(word, UNKNOWN) for word in words], "int32")
        lengths = np.array([len(word) for word in words], "int64")
        return [characters, np.repeat(numbers, lengths)]

    def save(self, folder):
        """Writes vocab.json and, where there are words, words.txt."""
        self.vocab.save(folder / "vocab.json")
        self.save_words(folder)

    def save_words(self, folder):
        """Writes words.txt, a word a line, where there are words."""
        if self.words:
            write_lines(folder / "words.txt", self.words)

    @classmethod
    def load(cls, folder, characters, words, features):
        """The Encoder of a run folder or of weights/.

        Args:
            characters, words: rows of the model's two embeddings; 0 for no words.
            features: as above.

        Raises:
            InputError: a file is missing, is none of ours, or belongs to another model.
        """
        folder = pathlib.Path(folder)
        vocab = Vocab.load(folder / "vocab.json", size=characters)
        if not words:
            return cls(vocab, (), features)
        return cls(vocab, _read_words(folder / "words.txt", words - FIRST), features)


def _read_words(path, count):
    if not is_there(path):
        raise InputError(f"the model needs the words of its vectors beside it. Not found: {path}")
    words = read_text(path).split("\n")[:-1]
    if len(words) != count:
        raise InputError(f"{path} does not belong to this model, which expects {count:,} words. "
                         f"Received: {len(words):,}")
    return words


def windows(length, size):
    """(start, stop) of windows over a text, which overlap by half; only that of a short text is shorter."""
    if length <= size:
        return [(0, length)]
    starts = [*range(0, length - size, size // 2), length - size]
    return [(start, start + size) for start in starts]


def pad(rows, length=None):
    """Arrays of different lengths as the rows of one, filled up with zeros to `length`.

    By default that is the length of the longest, and at least 1."""
    if length is None:
        length = max(1, *map(len, rows))
    padded = np.zeros((len(rows), length, *rows[0].shape[1:]), rows[0].dtype)
    for row, values in zip(padded, rows):
        row[:len(values)] = values
    return padded
