"""Segments Chinese text with a trained model, by default the one in weights/; every character of the text is kept.

    python crf/predict.py 今天天气不错
    python crf/predict.py --file novel.txt > segmented.txt        or: cat novel.txt | python crf/predict.py
    python crf/predict.py 苏剑林的科学空间 --words my_words.txt      a user dictionary, one word a line
    python crf/predict.py 结婚的和尚未结婚的 --confidence            how sure the model is of each word
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import numpy as np
import tyro

from common import crf, gated_conv, runs  # noqa: F401 (gated_conv holds a layer of the shipped model)
from common.datasets import InputError
from common.vocab import UNKNOWN
from crf.data import LENGTHS, B, E, Features, M, S, codes, decoded, read_text

WEIGHTS = pathlib.Path(__file__).resolve().parent / "weights"
SENTENCE_ENDS, CLOSERS, PAUSES = "。！？!?；;…", "”’」』）)》】\"", "，、,：:"
BATCH = 1 << 14     # characters that the model sees at once
BLOCK = 1 << 20     # characters of a file in memory at once
BONUS = 3.0         # chosen on validation data, see README.md


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
    """A user dictionary: a file with one word a line, which the segmentation then prefers."""
    bonus: float = BONUS
    """How much it prefers them: nats for each character of a user's word."""
    confidence: bool = False
    """Print one word a line, with the smallest probability among the tags of its characters."""
    separator: str = " "
    """What to put between two words that no blank divides."""


class Segmenter:
    """A trained model with its numbers for characters and bigrams.

    Args:
        model: what crf/train.py builds, with inputs [characters, bigrams] and outputs [tags, potentials].
        features: its Features.
        words: words that the user prefers.
        bonus: what each character of such a word adds to the score of a segmentation that has the word, in nats.
    """

    def __init__(self, model, features, words=(), bonus=BONUS):
        self.model, self.features, self.bonus = model, features, bonus
        self.words = {word for word in words if len(word) > 1}
        self.beginnings = {word[:end] for word in self.words for end in range(1, len(word))}
        self.ends, self.closers, self.pauses, self.blanks = np.zeros((4, 0x110000), bool)      # by code point
        for table, members in [(self.ends, SENTENCE_ENDS), (self.closers, CLOSERS), (self.pauses, PAUSES)]:
            table[codes(members)] = True
        self.blanks[[code for code in range(0x3001) if chr(code).isspace()]] = True

    @classmethod
    def load(cls, folder, **options):
        """The segmenter in a run folder or in one of weights/.

        Raises:
            InputError: there is none.
        """
        model, features = runs.load_model(folder), Features.load(pathlib.Path(folder))
        rows = [layer.input_dim for layer in model.layers if layer.__class__.__name__ == "Embedding"]
        if len(model.outputs) != 2 or rows and rows[0] != len(features.vocab):
            raise InputError(f"{folder} holds no segmenter, or a vocabulary of another one. Received: {len(model.outputs)} "
                             f"outputs, embeddings of {rows}, {len(features.vocab)} characters")
        return cls(model, features, **options)

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
        characters, bigrams = self.features.encode(points)
        pieces = self._pieces(points)
        buckets = np.searchsorted(LENGTHS, pieces[:, 1] - pieces[:, 0])
        for bucket, length in enumerate(LENGTHS):
            rows, size = pieces[buckets == bucket], BATCH // length
            for batch in np.split(rows, range(size, len(rows), size)) if len(rows) else ():
                where = batch[:, :1] + np.arange(length)
                real = where < batch[:, 1:]
                where = np.minimum(where, len(points) - 1)
                pairs = np.where(where == batch[:, 1:] - 1, UNKNOWN, bigrams[where])      # the last one ends elsewhere
                tags, potentials = self.model.predict_on_batch((characters[where] * real, pairs * real))
                if self.words:
                    potentials = self._prefer(np.array(potentials), [text[a:b] for a, b in batch])
                    tags = np.asarray(crf.viterbi(potentials))
                starts[where[real]] = np.isin(tags[real], (B, S))
                if confidence:
                    p = np.take_along_axis(np.asarray(crf.marginals(potentials)), np.maximum(tags, 0)[..., None], axis=2)
                    sure[where[real]] = p[real, 0]
        return starts, sure

    def _prefer(self, potentials, texts):
        for row, text in zip(potentials, texts):
            for start, end in self._found(text):
                row[start, B] += self.bonus
                row[start + 1:end - 1, M] += self.bonus
                row[end - 1, E] += self.bonus
        return potentials

    def _found(self, text):
        """The user's words in a text, from left to right, at each place the longest, without overlap."""
        start = 0
        while start < len(text):
            end, longest = start + 1, 0
            while end <= len(text):
                if text[start:end] in self.words:
                    longest = end
                if text[start:end] not in self.beginnings:
                    break
                end += 1
            if longest:
                yield start, longest
            start = longest or start + 1

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
    segmenter = Segmenter.load(folder, words=read_words(config.words) if config.words else (), bonus=config.bonus)
    if config.text:
        text = "\n".join(config.text) + "\n"
    else:
        text = read_text(config.file) if config.file else decoded(sys.stdin.buffer.read(), "standard input")
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
