"""From curves to answers: spans of a passage, the vote of several passages, and the Reader that asks a trained model."""

import contextlib
import dataclasses
import json
import pathlib
import unicodedata
from dataclasses import dataclass

import keras
import numpy as np

from common import runs
from common.attention import AttentionPooling1D  # noqa: F401  registers the layers that the models hold
from common.gated_conv import GatedConv1D  # noqa: F401
from common.losses import ProductLogits  # noqa: F401
from dgcnn import layers  # noqa: F401
from dgcnn.data import Encoder, windows
from dgcnn.features import fold, match_features

THRESHOLD = 0.1       # of start and of end, as in the author's code
LONGEST = 16          # characters of an answer; the author's code has 12


@dataclass
class Span:
    """A part of a passage as answer: text = passage[start:stop], with the product of both probabilities."""

    text: str
    score: float
    start: int
    stop: int
    passage: int = 0


@dataclass
class Answer:
    """A text, the score of the vote, and the spans that voted for it, best first."""

    text: str
    score: float
    spans: list


def normalise(text):
    """What answers are compared by: half width, lower case, simplified, without blanks and punctuation."""
    return "".join(c for c in fold(text) if unicodedata.category(c)[0] not in "PZC") or "".join(text.split())


def key_of(text):
    """What the vote takes for the same answer: as normalise, but 1.5米 is not 15米, nor −3 度 3 度."""
    text = fold(text)
    return "".join(c for i, c in enumerate(text) if unicodedata.category(c)[0] not in "PZC" or text[i + 1:i + 2].isdigit()
                   and (c == "-" or c in ".:/" and text[i - 1:i].isdigit())) or "".join(text.split())


def spans_of(text, start, end, count=5, longest=LONGEST, threshold=THRESHOLD):
    """The best spans of a passage, best first, each text once: in one passage the best place counts, not their sum.

    Args:
        text: the passage.
        start, end: for every character the probability that an answer begins or ends there.
        count: spans at most.
        longest: characters of an answer.
        threshold: both probabilities are above it, or there is no answer.
    """
    firsts = np.flatnonzero(start > threshold)
    ends = np.lib.stride_tricks.sliding_window_view(np.pad(end, (0, longest)), longest)[firsts]        # of each start
    which, lengths = np.nonzero(ends > threshold)
    scores = start[firsts[which]] * ends[which, lengths]
    found = {}
    for i in np.argsort(-scores, kind="stable"):       # best first: a text that was seen had a better place
        first = int(firsts[which[i]])
        stop = first + int(lengths[i]) + 1
        if key := key_of(text[first:stop]):
            found.setdefault(key, Span(text[first:stop], float(scores[i]), first, stop))
        if len(found) == count:
            break
    return list(found.values())


def vote(spans_of_passages, count=5):
    """Answers by the article's vote over the spans of several passages, best first: s_a = Σᵢ s²_{a,i} / (1 + Σᵢ s_{a,i}).

    The squares let one sure passage outweigh several doubtful ones, the 1 is a penalty for few."""
    votes = {}
    for number, spans in enumerate(spans_of_passages):
        for span in spans:
            votes.setdefault(key_of(span.text), []).append(dataclasses.replace(span, passage=number))
    answers = []
    for spans in votes.values():
        spans = sorted(spans, key=lambda span: -span.score)
        scores = np.array([span.score for span in spans])
        answers.append(Answer(spans[0].text, float((scores**2).sum() / (1 + scores.sum())), spans))
    return sorted(answers, key=lambda answer: -answer.score)[:count]


class Reader:
    """A trained model with its Encoder.

    Args:
        model: a model of dgcnn/train.py.
        encode: its Encoder.
        size: characters of a window; longer passages are read in windows that overlap by half.
    """

    def __init__(self, model, encode, size=256):
        self.model, self.encode, self.size = model, encode, size
        self.probabilities = compiled(model)

    @classmethod
    def load(cls, path):
        """From a run folder of dgcnn/train.py, or a .keras file with vocab.json (and words.txt) beside it."""
        path = pathlib.Path(path)
        model = runs.load_model(path)
        if not model.name.startswith("dgcnn"):
            raise runs.InputError("expected a model trained by dgcnn/train.py. "
                                  f"Received: {path}, a model named {model.name}")
        sizes = {layer.name: layer.input_dim for layer in model.layers if isinstance(layer, keras.layers.Embedding)}
        folder, size = path if path.is_dir() else path.parent, 256
        for name in ("config.json", "results.json"):           # of a run folder; of weights/
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                found = json.loads((folder / name).read_text(encoding="utf-8"))
                size = min(4096, max(32, int(found.get("config", found)["max_length"])))
                break
        encode = Encoder.load(folder, sizes["characters"], sizes.get("vectors", 0), len(model.inputs) % 2 == 1)
        return cls(model, encode, size)

    def answers(self, question, passages, count=5):
        """Ranked answers to a question by the vote of its passages; none where no passage has one."""
        [curves] = self.curves([(question, passages)])
        return vote([spans_of(text, *pair.T) for text, pair in zip(passages, curves)], count)

    def curves(self, questions, batch_size=64):
        """For each (question, passages) a list of the probabilities of start and end at every character, (len(passage), 2).

        Passages may be as long as they like: where windows overlap, the one that gives more decides."""
        pairs = [(question, passage) for question, passages in questions for passage in passages]
        shared = [part for question in questions for part in match_features(*question)] if self.encode.features else []
        texts, pieces = {}, []
        for number, (_, passage) in enumerate(pairs):
            pieces += [(number, start, stop) for start, stop in windows(len(passage), self.size)]
        for text in {text for pair in pairs for text in pair}:
            texts[text] = self.encode(text)
        result = [np.zeros((len(passage), 2), "float32") for _, passage in pairs]
        pieces.sort(key=lambda piece: piece[2] - piece[1])            # batches of similar length: hardly any padding
        for i in range(0, len(pieces), batch_size):
            batch = pieces[i:i + batch_size]
            inputs = [_padded([texts[pairs[number][0]][kind] for number, _, _ in batch]) for kind in range(self.kinds)]
            inputs += [_padded([texts[pairs[number][1]][kind][start:stop] for number, start, stop in batch])
                       for kind in range(self.kinds)]
            if shared:
                inputs.append(_padded([shared[number][start:stop] for number, start, stop in batch]))
            for (number, start, stop), curves in zip(batch, self.probabilities(inputs)):
                np.maximum(result[number][start:stop], curves[:stop - start], out=result[number][start:stop])
        result = iter(result)
        return [[next(result) for _ in passages] for _, passages in questions]

    @property
    def kinds(self):
        return len(self.model.inputs) // 2


def _padded(rows):
    result = np.zeros((len(rows), max(1, max(map(len, rows))), *rows[0].shape[1:]), rows[0].dtype)
    for row, numbers in zip(result, rows):
        row[:len(numbers)] = numbers
    return result


def compiled(model):
    """The model as a function of NumPy arrays, → (n, time, 2) probabilities. model.predict takes 40 ms to begin."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
        function = tf.function(lambda *inputs: tf.sigmoid(model(list(inputs), training=False)), input_signature=signature)
        return lambda inputs: function(*inputs).numpy()
    return lambda inputs: keras.ops.convert_to_numpy(keras.ops.sigmoid(model.predict_on_batch(inputs)))
