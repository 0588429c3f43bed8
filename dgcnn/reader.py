"""A trained model as something that answers questions: from curves of start and end to spans of a passage,
and to the answers for which several passages vote.

    Reader.load("runs/dgcnn/...").answers("白云山的海拔是多少", ["白云山坐落在广州，主峰海拔382米"])
"""

import contextlib
import functools
import json
import pathlib
import unicodedata
from dataclasses import dataclass, replace

import keras
import numpy as np

from common.attention import AttentionPooling1D  # noqa: F401  registers the layers that the models hold
from common.gated_conv import GatedConv1D  # noqa: F401
from common.harness import progress
from common.harness.models import array_function, load_model, not_from
from common.harness.reading import InputError, read_text
from common.losses import ProductLogits  # noqa: F401
from dgcnn import layers  # noqa: F401
from dgcnn.calibration import Calibration
from dgcnn.features import COUNTS, features_of
from dgcnn.text import Encoder, normalise, pad, windows, word_edges

THRESHOLD = 0.1       # of start and of end, as in the author's code
LONGEST = 16          # characters of an answer where the training did not say; the author's code has 12
UNITS = "%％‰"
OPENING, CLOSING = "《〈（(［[【『「“‘\"", "》〉）)］]】』」”’\""
# an end of a span → a mark that may stand there → what has to be in the span with it
PARTNERS = {0: dict(zip(OPENING, CLOSING)), -1: dict(zip(CLOSING, OPENING))}
# What the scores of one answer's spans become in the vote. The article weighs three of them, and takes the
# first: one sure passage should outweigh several doubtful ones, and yet many count more than one.
VOTES = {
    "squares": lambda s: (s ** 2).sum() / (1 + s.sum()),
    "plain_squares": lambda s: (s ** 2).sum(),
    "sum": lambda s: s.sum(),
    "mean": lambda s: s.mean(),
}


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
    """A text, the score of the vote, the spans that voted for it, best first, and how likely it is right."""

    text: str
    score: float
    spans: list
    probability: float = 0.0


# ------------------------------------------------------------------------------------------ spans and answers

def spans_of(text, start, end, inside=None, count=5, longest=LONGEST, threshold=THRESHOLD, root=False):
    """The best spans of a passage, best first, each text once.

    In one passage the best place of a text counts, not the sum over its places.

    Args:
        text: the passage.
        start, end: for every character the probability that an answer begins or ends there.
        inside: that it is in an answer. A span's score is then the product times its mean over the span.
        count: spans at most.
        longest: characters of an answer.
        threshold: both probabilities are above it, or there is no answer.
        root: whether a span's score is the square root of the product, which the article tried first.
    """
    firsts = np.flatnonzero(start > threshold)
    # for each start the probabilities of an end at the `longest` characters from it on
    ends = np.lib.stride_tricks.sliding_window_view(np.pad(end, (0, longest)), longest)[firsts]
    which, lengths = np.nonzero(ends > threshold)
    scores = start[firsts[which]] * ends[which, lengths]                   # 积: p^start · p^end
    if root:
        scores = np.sqrt(scores)
    if inside is not None:
        sums = np.concatenate([[0], np.cumsum(inside)])
        starts = firsts[which]
        scores = scores * (sums[np.minimum(starts + lengths + 1, len(inside))] - sums[starts]) / (lengths + 1)
    found, edges = {}, word_edges(text) if len(scores) else None
    for i in np.argsort(-scores, kind="stable"):       # best first: a text that was seen had a better place
        first = int(firsts[which[i]])
        first, stop = trimmed(text, *with_whole_words(edges, first, first + int(lengths[i]) + 1))
        key = vote_key(text[first:stop])
        if any(map(str.isalnum, key)):                 # marks and blanks alone answer nothing
            found.setdefault(key, Span(text[first:stop], float(scores[i]), first, stop))
        if len(found) == count:
            break
    return list(found.values())


def with_whole_words(edges, first, stop):
    """A span that leaves out one character of a word, or of 三点半, with that character.

    Where more is left out, the model means a part."""
    if not edges[first] and edges[first - 1]:
        first -= 1
    if not edges[stop] and edges[stop + 1]:
        stop += 1
    return first, stop


def trimmed(text, first, stop):
    """The span text[first:stop] without blanks and punctuation at its ends: 石头记》 → 石头记.

    A bracket or quotation mark stays where its partner is in the span, and so does what belongs to a number:
    its sign, and 百分号."""
    while first < stop and not stays(text[first:stop], 0):
        first += 1
    while first < stop and not stays(text[first:stop], -1):
        stop -= 1
    return first, stop


def stays(span, end):
    """Whether the character at an end of a span, 0 or −1, belongs to the answer."""
    character = span[end]
    if not is_mark(character) or character in UNITS:
        return True
    if end == 0 and _belongs_to_number(span, 0):
        return True
    partner, others = PARTNERS[end].get(character), span[1:] if end == 0 else span[:-1]
    return partner is not None and partner in others


def vote(spans_of_passages, count=5, rule="squares"):
    """Answers by the article's vote over the spans of several passages, best first.

    An answer a has the score s_a = Σᵢ s²_{a,i} / (1 + Σᵢ s_{a,i}) over its spans i.
    The squares let one sure passage outweigh several doubtful ones, the 1 is a penalty for few.

    Args:
        rule: a key of VOTES.
    """
    votes = {}
    for number, spans in enumerate(spans_of_passages):
        for span in spans:
            votes.setdefault(vote_key(span.text), []).append(replace(span, passage=number))
    answers = []
    for spans in votes.values():
        spans.sort(key=lambda span: -span.score)
        scores = np.array([span.score for span in spans])
        score = float(VOTES[rule](scores))
        answers.append(Answer(spans[0].text, score, spans))
    return sorted(answers, key=lambda answer: -answer.score)[:count]


def vote_key(text):
    """What the vote takes for the same answer: a text without blanks and punctuation.

    Signs and points of numbers stay: 1.5米 is not 15米, nor −3 度 3 度."""
    text = normalise(text)
    kept = [character for place, character in enumerate(text)
            if not is_mark(character) or _belongs_to_number(text, place)]
    return "".join(kept) or "".join(text.split())


def is_mark(character):
    """Whether it is a blank, punctuation or a control character."""
    return unicodedata.category(character)[0] in "PZC"


def _belongs_to_number(text, place):
    """Whether the mark at a place is a sign before a digit, or a point between two."""
    if not text[place + 1:place + 2].isdigit():
        return False
    return text[place] == "-" or (text[place] in ".:/" and text[place - 1:place].isdigit())


# ----------------------------------------------------------------------------------------------------- reader

@dataclass
class Window:
    """A question with as much of a passage as the model sees at once, and that part of its curves."""

    question: list                   # arrays of numbers
    passage: list
    features: np.ndarray | None
    curves: np.ndarray               # (length, 2 or 3), a view into those of the passage


class Reader:
    """A trained model with its Encoder.

    Args:
        model: a model of dgcnn/train.py.
        encode: its Encoder.
        size: characters of a window; longer passages are read in windows that overlap by half.
        longest: characters of an answer at most.
        calibration: a Calibration; by default a score is its own probability and nothing is refused.
    """

    def __init__(self, model, encode, size=256, longest=LONGEST, calibration=None):
        self.model, self.encode, self.size, self.longest = model, encode, size, longest
        self.calibration = calibration or Calibration()
        self.columns = model.outputs[0].shape[-1]
        self.probabilities = array_function(model, keras.ops.sigmoid)

    @classmethod
    def load(cls, path):
        """The model in a run folder of dgcnn/train.py, or in a .keras file with vocab.json (and words.txt)
        beside it."""
        path = pathlib.Path(path)
        model = load_model(path)
        if not model.name.startswith("dgcnn"):
            raise not_from("dgcnn/train.py", path, model)
        embeddings = [layer for layer in model.layers if isinstance(layer, keras.layers.Embedding)]
        rows = {layer.name: layer.input_dim for layer in embeddings}
        # questions and passages have as many inputs each; one more is that of the features
        columns = model.inputs[-1].shape[-1] if len(model.inputs) % 2 == 1 else 0
        features = {count: name for name, count in COUNTS.items()}.get(columns, "")
        folder = path if path.is_dir() else path.parent
        encode = Encoder.load(folder, rows["characters"], rows.get("vectors", 0), features)
        size = _saved(folder, "max_length", 256)
        longest = _saved(folder, "longest", LONGEST)
        return cls(model, encode, min(4096, max(32, size)), min(4096, max(1, longest)),
                   Calibration.load(folder))

    def answers(self, question, passages, count=5, threshold=None):
        """Ranked answers to a question by the vote of its passages; none where no passage has one.

        Args:
            threshold: there is an answer if the best one is right at least so likely; by default what the
                training chose.
        """
        [curves] = self.curves([(question, passages)])
        answers = self.ranked([self.spans(*pair) for pair in zip(passages, curves)], count)
        if threshold is None:
            threshold = self.calibration.threshold
        if not answers or answers[0].probability < threshold:
            return []
        return answers

    def spans(self, passage, curves, root=False):
        """The best spans of a passage, given its curves."""
        return spans_of(passage, *curves.T, longest=self.longest, root=root)

    def ranked(self, spans_of_passages, count=5, rule="squares"):
        """Answers by the vote, and how likely each is right."""
        answers = vote(spans_of_passages, count, rule)
        for answer in answers:
            answer.probability = float(self.calibration.probability(answer.score))
        return answers

    def curves(self, questions, batch_size=64):
        """For each (question, passages) a list of the probabilities of start and end at every character,
        (len(passage), 2), and of inside where the model has it, (len(passage), 3).

        Passages may be as long as they like: where windows overlap, the one that gives more decides."""
        encode = functools.cache(self.encode)
        curves_of_all, every = [], []
        for question, passages in questions:
            curves = [np.zeros((len(passage), self.columns), "float32") for passage in passages]
            features = [None] * len(passages)
            if self.encode.features:
                features = features_of(self.encode.features, question, passages)
            for passage, values, target in zip(passages, features, curves):
                every += self._windows(encode(question), encode(passage), values, target)
            curves_of_all.append(curves)
        every.sort(key=lambda window: len(window.curves))      # batches of similar length: hardly any padding
        with progress.bar(total=len(every), unit=(" windows", " 段")) as bar:
            for start in range(0, len(every), batch_size):
                batch = every[start:start + batch_size]
                self._read(batch)
                bar.update(len(batch))
        return curves_of_all

    def _windows(self, question, passage, features, curves):
        """The windows of one passage."""
        found = []
        for start, stop in windows(len(curves), self.size):
            part = [numbers[start:stop] for numbers in passage]
            shared = None if features is None else features[start:stop]
            found.append(Window(question, part, shared, curves[start:stop]))
        return found

    def _read(self, batch):
        """Raises the curves of some windows to what the model says."""
        questions = zip(*[window.question for window in batch])
        passages = zip(*[window.passage for window in batch])
        inputs = [pad(rows) for rows in (*questions, *passages)]
        if self.encode.features:
            inputs.append(pad([window.features for window in batch]))
        for window, values in zip(batch, self.probabilities(inputs)):
            np.maximum(window.curves, values[:len(window.curves)], out=window.curves)


def _saved(folder, name, default):
    """An option of the training, from the config.json of a run or the results.json of weights/."""
    for file in ("config.json", "results.json"):
        with contextlib.suppress(InputError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            saved = json.loads(read_text(folder / file))
            return int(saved.get("config", saved)[name])
    return default
