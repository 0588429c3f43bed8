"""Segments Chinese text with a trained model, by default the one in weights/; every character of the text is kept.

    python crf/predict.py 今天天气不错
    python crf/predict.py --file novel.txt > segmented.txt        or: cat novel.txt | python crf/predict.py
    python crf/predict.py 苏剑林的科学空间 --words my_words.txt      a user dictionary, one word a line
    python crf/predict.py 结婚的和尚未结婚的 --confidence          how sure the model is of each word
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import keras
import numpy as np
import tyro

from common import crf, gated_conv, runs  # noqa: F401 (gated_conv holds a layer of the shipped model)
from common.datasets import InputError, decoded, read_text
from common.vocab import UNKNOWN
from crf.data import LENGTHS, B, Features, S, codes, word_features

WEIGHTS = pathlib.Path(__file__).resolve().parent / "weights"
SENTENCE_ENDS, CLOSERS, PAUSES = "。！？!?；;…", "”’」』）)》】\"", "，、,：:"
BATCH = 1 << 14     # characters that the model sees at once
BLOCK = 1 << 20     # characters of a file in memory at once


@dataclass
class Config:
    text: tyro.conf.Positional[tuple[str, ...]] = ()
    """What to segment. Without it and without --file, standard input."""
    file: pathlib.Path | None = None
    """A text file in UTF-8 to segment."""
    run: pathlib.Path | None = None
    """Run folder of a model of yours, instead of the shipped one."""
    fast: bool = False
    """The smaller of the two shipped models."""
    words: pathlib.Path | None = None
    """A user dictionary: a file with one word a line, of 2 to 8 characters. The model takes them for known words."""
    confidence: bool = False
    """Print one word a line, with the smallest probability among the tags of its characters."""
    separator: str = " "
    """What to put between two words that no blank divides."""


class Segmenter:
    """A trained model with the Features that it was trained on.

    Args:
        model: what crf/train.py builds, with outputs [tags, potentials].
        features: its Features.
    """

    def __init__(self, model, features):
        self.model, self.features = model, features
        self.ends, self.closers, self.pauses, self.blanks = np.zeros((4, 0x110000), bool)      # by code point
        for table, members in [(self.ends, SENTENCE_ENDS), (self.closers, CLOSERS), (self.pauses, PAUSES)]:
            table[codes(members)] = True
        self.blanks[[code for code in range(0x3001) if chr(code).isspace()]] = True

    @classmethod
    def load(cls, folder, words=()):
        """The segmenter in a run folder or in one of weights/, which knows the user's words too.

        Raises:
            InputError: there is none.
        """
        model, features = runs.load_model(folder), Features.load(pathlib.Path(folder), words)
        rows = [layer.input_dim for layer in model.layers if isinstance(layer, keras.layers.Embedding)]
        if len(model.outputs) != 2 or rows[:1] != [len(features.vocab)] or rows[1:] not in ([], [len(features.pairs) + 2]):
            raise InputError(f"{folder} holds no segmenter, or the vocabulary of another one. "
                             f"Received: embeddings of {rows}, {len(features.vocab)} and {len(features.pairs)} numbers")
        return cls(model, features)

    def cut(self, text, confidence=False):
        """The words of a text, whose concatenation is the text; blanks and line ends are words of their own.

        Args:
            text: any string, of any length.
            confidence: also return for each word the smallest marginal probability among its characters' tags.
        """
        starts, sure = self.word_starts(text, confidence)
        places = [*np.flatnonzero(starts).tolist(), len(text)]
        words = [text[a:b] for a, b in zip(places, places[1:])]
        return (words, [float(sure[a:b].min()) for a, b in zip(places, places[1:])]) if confidence else words

    def word_starts(self, text, confidence=False):
        """(len(text),) booleans, True where a word begins; and the probabilities of the chosen tags, or None."""
        points = codes(text)
        starts = np.ones(len(points), bool)
        sure = np.ones(len(points), "float32") if confidence else None
        characters, bigrams, words = self.features.encode(points)
        pieces = self._pieces(points)
        buckets = np.searchsorted(LENGTHS, pieces[:, 1] - pieces[:, 0])
        for bucket, length in enumerate(LENGTHS):
            rows, size = pieces[buckets == bucket], BATCH // length
            for batch in np.split(rows, range(size, len(rows), size)) if len(rows) else ():
                where = batch[:, :1] + np.arange(length)
                real = where < batch[:, 1:]
                room = batch[:, 1:] - where                                  # a bigram or a word ends in the same piece
                where = np.minimum(where, len(points) - 1)
                tags, potentials = self.model.predict_on_batch((
                    characters[where] * real, np.where(room > 1, bigrams[where], real * UNKNOWN),
                    word_features(words[where] * (room[..., None] >= np.arange(2, words.shape[1] + 2)))))
                starts[where[real]] = np.isin(tags[real], (B, S))
                starts[batch[:, 0]] = True                                   # whatever a model without constraints says
                if confidence:
                    p = np.take_along_axis(np.asarray(crf.marginals(potentials)), np.maximum(tags, 0)[..., None], axis=2)
                    sure[where[real]] = p[real, 0]
        return starts, sure

    def _pieces(self, points):
        """(pieces, 2): where each piece that the model sees at once begins and ends.

        They are sentences, as in training, with their closing quotes and without blanks. One that is longer than the model's
        longest batch ends at its last pause, or where there is none, anywhere."""
        blank, stop = self.blanks[points], self.ends[points]
        stop[1:] |= self.closers[points[1:]] & stop[:-1]
        edge = np.ones(len(points) + 1, bool)
        edge[1:-1] = (blank[1:] != blank[:-1]) | (stop[:-1] & ~stop[1:])
        edges = np.flatnonzero(edge)
        pieces = []
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist()):
            if blank[start]:
                continue
            while end - start > LENGTHS[-1]:
                pauses = np.flatnonzero(self.pauses[points[start:start + LENGTHS[-1]]])
                middle = start + int(pauses[-1] + 1 if len(pauses) else LENGTHS[-1])
                pieces.append((start, middle))
                start = middle
            pieces.append((start, end))
        return np.array(pieces, "int64").reshape(-1, 2)


def joined(words, separator):
    """The words with a separator between any two that no blank divides."""
    return "".join(word if not before or before.isspace() or word.isspace() else separator + word
                   for before, word in zip(["", *words], words))


def read_words(path):
    """The words of a user dictionary, one a line; what follows a blank, such as jieba's counts, is not read."""
    return [line.split()[0] for line in read_text(path).splitlines() if line.strip()]


def main(config):
    folder = config.run or WEIGHTS / ("fast" if config.fast else "default")
    segmenter = Segmenter.load(folder, read_words(config.words) if config.words else ())
    if config.text:
        text = "\n".join(config.text) + "\n"
    elif config.file:
        text = read_text(config.file, keep_mark=True)
    else:
        text = decoded(sys.stdin.buffer.read(), "standard input")
    sys.stdout.reconfigure(encoding="utf-8", newline="")
    while text:
        end = len(text) if len(text) <= BLOCK else text.rfind("\n", 0, BLOCK) + 1 or BLOCK
        block, text = text[:end], text[end:]
        if config.confidence:
            for word, p in zip(*segmenter.cut(block, confidence=True)):
                print(word if word.isspace() else f"{word}\t{p:.3f}\n", end="")
        else:
            print(joined(segmenter.cut(block), config.separator), end="")


if __name__ == "__main__":
    runs.main(main, Config, __doc__)
