"""A trained segmenter: text in, words out, whose concatenation is the text.

    segmenter = Segmenter.load(WEIGHTS / "default")
    segmenter.segment("今天天气不错")                      # ["今天", "天气", "不错"]
"""

import pathlib
import re

import keras
import numpy as np

from common import crf, gated_conv  # noqa: F401 (gated_conv holds a layer of the shipped model)
from common.harness.models import load_model
from common.harness.reading import InputError
from common.harness.vocab import UNKNOWN, to_simplified
from crf.data import LABELS, LENGTHS, B, E, M, S, in_batches
from crf.features import CODE_POINTS, Features, codes, word_features
from crf.wholes import whole_places

WEIGHTS = pathlib.Path(__file__).resolve().parent / "weights"
STANDARDS = {"sxu": "default", "pku": "pku", "nlpcc": "nlpcc"}       # the folder in weights/ of each
INVISIBLE = "\u200b\u2060\ufeff"
SENTENCE_ENDS, CLOSERS, PAUSES = "。！？!?；;…", "”’」』）)》】\"", "，、,：:"
LEGAL = crf.tag_constraints(LABELS)["transitions"]
OWN = 2.0           # how much more a user's word scores at each of its characters: e² = 7 times as likely
BATCH = 1 << 14     # characters that the model sees at once


class Segmenter:
    """A trained model with the Features that it was trained on.

    Args:
        model: what crf/train.py builds, with outputs [tags, potentials].
        features: its Features.
        wholes: whether addresses, numbers, Latin words and emoji stay whole, see crf/wholes.py.
    """

    def __init__(self, model, features, wholes=True):
        self.model, self.features, self.wholes = model, features, wholes
        # by code point, as in Features
        self.ends, self.closers, self.pauses, self.blanks = np.zeros((4, CODE_POINTS), bool)
        self.ends[codes(SENTENCE_ENDS)] = True
        self.closers[codes(CLOSERS)] = True
        self.pauses[codes(PAUSES)] = True
        self.blanks[[code for code in range(0x3001) if chr(code).isspace()]] = True
        self.blanks[codes(INVISIBLE)] = True

    @classmethod
    def load(cls, folder, words=(), wholes=True):
        """The segmenter in a run folder or in one of weights/, which knows the user's words too.

        Raises:
            InputError: there is none.
        """
        model, features = load_model(folder), Features.load(folder, words)
        embeddings = [layer for layer in model.layers if isinstance(layer, keras.layers.Embedding)]
        rows = [layer.input_dim for layer in embeddings]
        # the article's model has no embedding of bigrams
        expected = [len(features.vocab), len(features.pairs) + 2][:max(1, len(rows))]
        if len(model.outputs) != 2 or rows != expected:
            received = f"embeddings of {rows}, {len(features.vocab)} and {len(features.pairs)} numbers"
            raise InputError(f"{folder} holds no segmenter, or the vocabulary of another one. "
                             f"Received: {received}")
        return cls(model, features, wholes)

    def segment(self, text, confidence=False):
        """The words of a text, whose concatenation is the text; blanks and line ends are words of their own.

        Args:
            text: any string, of any length.
            confidence: also return for each word the smallest probability among the tags of its characters.
        """
        starts, sure = self.word_starts(text, confidence)
        places = [*np.flatnonzero(starts).tolist(), len(text)]
        words = [text[start:end] for start, end in zip(places, places[1:])]
        if not confidence:
            return words
        return words, [float(sure[start:end].min()) for start, end in zip(places, places[1:])]

    def word_starts(self, text, confidence=False):
        """(len(text),) booleans, True where a word begins; and the chosen tags' probabilities, or None."""
        starts = np.ones(len(text), bool)
        sure = np.ones(len(text), "float32") if confidence else None
        for where, real, tags, potentials in self._predicted(text):
            starts[where[real]] = np.isin(tags[real], (B, S))
            starts[where[:, 0]] = True                   # whatever a model without constraints says
            if confidence:
                p = np.asarray(crf.marginals(potentials))
                p = np.take_along_axis(p, np.maximum(tags, 0)[..., None], axis=2)
                sure[where[real]] = p[real, 0]
        if self.wholes:
            keep_whole(text, starts, sure)
        return starts, sure

    def illegal_pairs(self, text):
        """(illegal, all): pairs of neighbouring tags, of which those such as B B are in no segmentation."""
        legal = np.array(LEGAL)
        illegal, pairs = 0, 0
        for _, real, tags, _ in self._predicted(text):
            inside = real[:, 1:]
            illegal += int((~legal[tags[:, :-1], tags[:, 1:]] & inside).sum())
            pairs += int(inside.sum())
        return illegal, pairs

    def _predicted(self, text):
        """Yields, batch by batch, the places of characters in the text, (pieces, length), which of them are
        no padding, their tags, and the potentials."""
        points = codes(as_simplified(text))
        encoded, extra = self.features.encode(points), self._extra_scores(points)
        for pieces, length in bucketed(self._pieces(points)):
            where = pieces[:, :1] + np.arange(length)
            real = where < pieces[:, 1:]
            room = pieces[:, 1:] - where
            where = np.minimum(where, len(points) - 1)
            tags, potentials = self.model.predict_on_batch(model_inputs(*encoded, where, real, room))
            if extra is not None and extra[where].any():
                tags, potentials = with_extra_scores(tags, potentials, extra[where] * real[..., None])
            yield where, real, tags, potentials

    def _extra_scores(self, points):
        """(len(points), 4): what the user's words add to the tags' scores; None where there are none."""
        places = self.features.own_words(points)
        if not places:
            return None
        extra = np.zeros((len(points), len(LABELS)), "float32")
        for start, stop in places:
            extra[start, B] += OWN
            extra[start + 1:stop - 1, M] += OWN
            extra[stop - 1, E] += OWN
        return extra

    def _pieces(self, points):
        """(pieces, 2): where each piece that the model sees at once begins and ends.

        They are sentences, as in training, with their closing quotes and without blanks. One that is longer
        than the model's longest batch ends at its last pause, or where there is none, anywhere."""
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


def with_extra_scores(tags, potentials, extra):
    """(tags, potentials) after scores were added, (pieces, length, 4); only what changes is decoded again."""
    changed = np.flatnonzero(extra.any(axis=(1, 2)))
    h, mask, transitions = crf.unpack(potentials[changed])
    again = crf.pack(h + extra[changed], mask, transitions)
    tags, potentials = np.array(tags), np.array(potentials)
    tags[changed], potentials[changed] = np.asarray(crf.viterbi(again)), np.asarray(again)
    return tags, potentials


def keep_whole(text, starts, sure=None):
    """Changes where words begin, (len(text),) booleans, so that what whole_places finds is in one word."""
    for start, end, exact in whole_places(text):
        starts[start + 1:end] = False
        if exact:
            starts[start] = True
            starts[end:end + 1] = True
            if sure is not None:
                sure[start:end] = 1


def as_simplified(text):
    """The text as the models know it, character for character: they were trained on simplified ones."""
    sound = re.sub("[\0\ud800-\udfff]", "\ufffd", text)       # OpenCC takes no half of a character
    simplified = to_simplified(sound)
    if len(simplified) == len(text):
        return simplified
    return "".join(map(as_simplified_character, sound))


def as_simplified_character(character):
    simplified = to_simplified(character)
    return simplified if len(simplified) == 1 else character


def bucketed(pieces):
    """(pieces, the one of LENGTHS that they are padded to), of about BATCH characters each."""
    buckets = np.searchsorted(LENGTHS, pieces[:, 1] - pieces[:, 0])
    for bucket, length in enumerate(LENGTHS):
        for batch in in_batches(pieces[buckets == bucket], BATCH // length):
            yield batch, length


def model_inputs(characters, bigrams, words, where, real, room):
    """What the model takes of an encoded text, for a batch of its pieces.

    Args:
        characters, bigrams, words: see Features.encode.
        where: places in the text, (pieces, length).
        real: which of them are in the piece, not padding.
        room: characters of the piece from there on: a bigram or a word ends in the same piece.
    """
    pairs = np.where(room > 1, bigrams[where], real * UNKNOWN)
    known = words[where] * (room[..., None] >= np.arange(2, words.shape[1] + 2))
    return characters[where] * real, pairs, word_features(known)


def joined(words, separator):
    """The words with a separator between any two that no blank divides."""
    parts = []
    for before, word in zip(["", *words], words):
        divided = not before or before.isspace() or word.isspace()
        parts.append(word if divided else separator + word)
    return "".join(parts)
