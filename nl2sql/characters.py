"""Characters: one form for all ways to write the same one, and BERT's vocabulary. No Keras in here.

    normalise("Ｇ101次")                            g101次, each character at its place
    plain("《明史演义》")                            明史演义
    Characters.load("vocab.txt").encode("广州")     a number for each character
"""

import functools
import pathlib
import unicodedata

import numpy as np

from common.harness.reading import InputError, read_text
from common.harness.vocab import is_han
from common.harness.writing import write_lines

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@functools.lru_cache(2**16)      # cells and questions come again and again
def normalise(text):
    """Text whose full and half width, upper and lower case look alike; every character stays at its place."""
    if text.isascii():
        return text.lower()
    return "".join(map(_normal_form, text))


@functools.cache
def _normal_form(character):
    form = unicodedata.normalize("NFKC", character).lower()
    return form if len(form) == 1 else character


def plain(text):
    """A text by its letters, digits and characters alone: 《明史演义》 and 明史演义 are the same."""
    return "".join(c for c in normalise(text) if c.isalnum() or c in "+-.%/:")


class Characters:
    """BERT's vocab.txt, read character by character.

    Args:
        tokens: the vocabulary's tokens in their order.

    Raises:
        InputError: BERT's special tokens are not among them, or [PAD] is not the first.
    """

    def __init__(self, tokens):
        self.tokens = list(tokens)
        self.numbers = {token: number for number, token in enumerate(self.tokens)}
        if missing := [token for token in SPECIAL if token not in self.numbers]:
            raise InputError(f"a BERT vocabulary expects {' '.join(SPECIAL)}. Missing: {' '.join(missing)}")
        if self.tokens[0] != "[PAD]":
            raise InputError("a BERT vocabulary expects [PAD] as its first token. "
                             f"Received: {self.tokens[0]!r}")
        self.unknown, self.cls, self.sep, self.mask = (self.numbers[token] for token in SPECIAL[1:])
        self.numbers[" "] = self.numbers.get("[unused1]", self.unknown)
        characters = [token for token in self.numbers if len(token) == 1]
        self.han = np.array([self.numbers[token] for token in characters if is_han(token)], int)
        self.is_han = np.isin(np.arange(len(self.tokens)), self.han)

    @classmethod
    def load(cls, path):
        return cls(line.rstrip("\r") for line in read_text(path).removesuffix("\n").split("\n"))

    @classmethod
    def from_texts(cls, texts):
        """Special tokens, ASCII, the 3,755 common characters of GB 2312, and what occurs in the texts.

        A character that no text has keeps its first, random vector, which still tells it from every other:
            that is
        enough to see that a header and a question share it.
        """
        ascii_ = [c for c in map(chr, range(33, 127)) if not c.isupper()]
        found = {c for text in texts for c in normalise(text)}
        visible = sorted(c for c in found if c.isprintable() and not c.isspace())
        special = ["[PAD]", "[unused1]", *SPECIAL[1:]]
        return cls(dict.fromkeys([*special, *ascii_, *common_characters(), *visible]))

    def __len__(self):
        return len(self.tokens)

    def __eq__(self, other):
        return isinstance(other, Characters) and self.tokens == other.tokens

    def encode(self, text):
        return [self.numbers.get(c, self.unknown) for c in normalise(text)]

    def save(self, path):
        write_lines(pathlib.Path(path), self.tokens)


def common_characters():
    """The 3,755 characters of the first level of GB 2312, in its order."""
    codes = (bytes([row, cell]) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF))
    decoded = [code.decode("gb2312", "ignore") for code in codes]
    return [character for character in decoded if character]
