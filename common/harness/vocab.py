"""Characters as numbers: a vocabulary in a fixed order, kept in vocab.json beside the weights that were
trained with it.

    vocab = Vocab.from_texts(lines, min_count=2)
    ids = vocab.pad(["晚风摇树", "今天"])         # (2, 4) int32, 0 is padding
    vocab.save(run.path("vocab.json"))           # and Vocab.load, in whatever process

The article's scripts number characters in the order of an unordered set: in another process the weights mean
nothing.

No Keras in here.
"""

import collections
import functools
import json

import numpy as np

from common.harness.language import in_users_language
from common.harness.paths import is_there
from common.harness.reading import InputError, read_text
from common.harness.writing import write_json

PADDING, UNKNOWN = 0, 1
FIRST = 2                     # the number of the first character


class Vocab:
    """Characters and their numbers: 0 is padding, 1 is any character that is not in here, characters count
    from 2.

    Args:
        characters: the characters in their order, each once.

    Raises:
        InputError: no characters, one that occurs twice, or something longer than a character.
    """

    def __init__(self, characters):
        self.characters = list(characters)
        self.numbers = {character: number for number, character in enumerate(self.characters, FIRST)}
        if not self.characters:
            raise InputError("a vocabulary expects at least one character. Received: none")
        if wrong := [c for c in self.characters if not isinstance(c, str) or len(c) != 1]:
            raise InputError(f"a vocabulary expects single characters. Received: {wrong[0]!r}")
        if len(self.numbers) < len(self.characters):
            twice = next(c for c, count in collections.Counter(self.characters).items() if count > 1)
            raise InputError(f"a vocabulary expects each character once. Received: {twice!r} twice")

    @classmethod
    def from_texts(cls, texts, min_count=1):
        """The characters that occur at least min_count times in the texts, by (−count, character): the same
        text gives the same numbers in every process, and rare characters come last."""
        counts = collections.Counter()
        for text in texts:
            counts.update(text)
        kept = sorted((-count, character) for character, count in counts.items() if count >= min_count)
        if not kept:
            raise InputError(f"expected text with characters that occur at least {min_count} times. "
                             f"Received: {len(counts)} different characters, none of them as often")
        return cls(character for _, character in kept)

    def __len__(self):
        """Rows of an embedding for it: the characters, padding and the unknown."""
        return FIRST + len(self.characters)

    def __contains__(self, character):
        return character in self.numbers

    def __eq__(self, other):
        return isinstance(other, Vocab) and self.characters == other.characters

    def encode(self, text):
        """The numbers of a text's characters, (len(text),) int32; UNKNOWN for those that are not in here."""
        return np.fromiter((self.numbers.get(character, UNKNOWN) for character in text), "int32", len(text))

    def pad(self, texts, length=None):
        """Texts as rows of numbers, (len(texts), length) int32, filled up with PADDING; the longest text's
        length by default, and longer texts are an error rather than cut."""
        longest = max(map(len, texts), default=0)
        if length is not None and longest > length:
            raise ValueError(f"length expects at least {longest}, as the longest text has. Received: "
                             f"length={length}")
        rows = np.full((len(texts), longest if length is None else length), PADDING, "int32")
        for row, text in zip(rows, texts):
            row[:len(text)] = self.encode(text)
        return rows

    def decode(self, numbers, unknown="□"):
        """The text of a row of numbers; padding is left out."""
        names = {PADDING: "", UNKNOWN: unknown}
        return "".join(names[n] if n < FIRST else self.characters[n - FIRST] for n in map(int, numbers))

    def unknown_in(self, text):
        """The characters of a text that are not in here, each once, in their order."""
        return "".join(dict.fromkeys(character for character in text if character not in self))

    def save(self, path):
        """Writes vocab.json, whole or not at all."""
        characters = "".join(self.characters)
        write_json(path, {"padding": PADDING, "unknown": UNKNOWN, "first": FIRST, "characters": characters})

    @classmethod
    def load(cls, path, size=None):
        """The vocabulary in vocab.json.

        Args:
            path: the file.
            size: rows of the embedding or classes of the softmax that it must fit; None does not check.

        Raises:
            InputError: no such file, not a vocabulary, or one of another size than the model's.
        """
        if not is_there(path):
            raise InputError(in_users_language(
                f"a trained model needs its vocabulary beside it. Not found: {path}",
                f"训练好的模型旁边要有它的词表。没有找到：{path}"))
        text = read_text(path)
        try:
            content = json.loads(text)
            if (content["padding"], content["unknown"], content["first"]) != (PADDING, UNKNOWN, FIRST):
                raise ValueError("its numbers begin elsewhere")
            vocab = cls(content["characters"])
        except (ValueError, KeyError, TypeError, RecursionError, InputError) as error:
            raise InputError(f"{path} should be a vocab.json of this repository, with padding {PADDING}, "
                             f"unknown {UNKNOWN} and characters counted from {FIRST}, but cannot be read as "
                             f"one: {error!r:.200}") from error
        if size is not None and len(vocab) != size:
            raise InputError(f"{path} does not belong to this model: the model expects a vocabulary of "
                             f"{size:,} numbers. Received: {len(vocab):,}")
        return vocab


HAN = [("\u3007", "\u3007"), ("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\uf900", "\ufaff"),
       ("\U00020000", "\U000323af")]


@functools.cache                   # of every character of a corpus
def is_han(character):
    """Whether it is a Chinese character, of whatever plane: no punctuation, digit, letter or emoji."""
    return any(first <= character <= last for first, last in HAN)


@functools.cache
def _converter(direction):
    import opencc

    return opencc.OpenCC(direction)


def to_simplified(text):
    """Traditional characters → simplified ones, by OpenCC; simplified text stays as it is."""
    return _converter("t2s").convert(text)
