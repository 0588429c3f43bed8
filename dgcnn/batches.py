"""Batches of questions with one passage each, cropped anew in every epoch, with labels and match features."""

from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from common.harness.batches import ShuffledBatches
from common.harness.reading import InputError
from common.harness.vocab import UNKNOWN
from dgcnn.data import find_answers
from dgcnn.features import features_of
from dgcnn.text import normalise, pad, windows

POOL = 8                     # batches whose passages are sorted by length together
AWAY = 0.1                   # share of crops that fall anywhere, not around an answer


@dataclass
class Pair:
    """A question and one of its passages, by the numbers of their texts, and the right answers."""

    question: int
    passage: int
    spans: list              # (first, last) of each place where an answer stands
    answers: list


@dataclass
class Crop:
    """What an epoch shows of a pair: the passage from start to stop."""

    question: int
    passage: int
    start: int
    stop: int
    spans: list

    @property
    def length(self):
        return self.stop - self.start


class PassageBatches(ShuffledBatches):
    """Shuffled batches of crops of similar length.

    Passages longer than `size` are cropped to it, and half of those longer than size / 2 to a length between:
    mostly around an answer, one in ten anywhere, so that the model learns to see nothing too.

    Args:
        run: see ShuffledBatches.
        questions: Questions to train on. Every passage is a sample; one whose answer does not stand in it is
            none.
        encode: an Encoder.
        size: characters of a passage at most.
        crop: False crops nothing short, and of a long passage takes the window of predict.py that holds its
            first answer.
        exchange: share of samples that get another question's passage without their answer: nothing to find
            in it. Half of these passages are drawn from all, half from those most like the question.
        hide: share of the characters, and of the words' numbers, that are replaced by the unknown one.
        inside: whether labels have a third column, 1 at all characters of an answer.
    """

    def __init__(self, run, questions, encode, size=256, crop=True, exchange=0.1, hide=0.0, inside=False):
        self.size, self.crop, self.exchange, self.hide, self.inside = size, crop, exchange, hide, inside
        self.texts = _Texts(encode)
        self.features = _MatchFeatures(self.texts) if encode.features else None
        self.pairs = []
        for question in questions:
            self._add(question)
        if not self.pairs:
            raise InputError("expected training passages that hold their answers. Received: none")
        self.similar = self._similar_passages() if exchange else {}
        super().__init__(run, len(self.pairs))

    def _similar_passages(self):
        """Number of a question → the numbers of the passages most like it."""
        questions = list(dict.fromkeys(pair.question for pair in self.pairs))
        passages = list(dict.fromkeys(pair.passage for pair in self.pairs))
        texts = self.texts.normalised
        found = most_similar([texts[number] for number in questions], [texts[number] for number in passages])
        return {question: np.array(passages)[row] for question, row in zip(questions, found)}

    def _add(self, question):
        """Makes pairs of a question and its passages."""
        if self.features:
            self.features.add(question)
        answers = [normalise(answer) for answer in question.answers]
        for passage in question.passages:
            spans = find_answers(passage)
            if spans or not passage.answers:
                numbers = self.texts.number(question.text), self.texts.number(passage.text)
                self.pairs.append(Pair(*numbers, spans, answers))

    def plan(self, rng):
        order = rng.permutation(self.samples)[:self.samples // self.batch_size * self.batch_size]
        crops = [self._crop(self.pairs[i], rng) for i in order]
        by_length = []
        pool = POOL * self.batch_size              # neighbours in length, yet of all files
        for start in range(0, len(crops), pool):
            by_length += sorted(crops[start:start + pool], key=lambda crop: crop.length)
        starts = range(0, len(crops), self.batch_size)
        batches = [by_length[start:start + self.batch_size] for start in starts]
        return [batches[i] for i in rng.permutation(len(batches))]

    def _crop(self, pair, rng):
        passage, spans = pair.passage, pair.spans
        if rng.random() < self.exchange:
            other = self._other(pair, rng)
            if not any(answer in self.texts.normalised[other] for answer in pair.answers):
                passage, spans = other, []
        length = len(self.texts.normalised[passage])
        if self.crop:
            start, stop = random_crop(rng, length, spans, self.size)
        else:
            start, stop = answer_window(length, spans, self.size)
        return Crop(pair.question, passage, start, stop, spans)

    def _other(self, pair, rng):
        """The passage of another pair."""
        if rng.random() < 0.5:
            return self.pairs[rng.integers(self.samples)].passage
        return int(rng.choice(self.similar[pair.question]))

    def widths(self, crops):
        """The longest question in steps of 8 characters, the longest passage in steps of 32.

        So there are few shapes to compile for."""
        longest_question = max(len(self.texts.normalised[crop.question]) for crop in crops)
        longest_passage = max(crop.length for crop in crops)
        return [-(-longest_question // 8) * 8, -(-longest_passage // 32) * 32]

    def item(self, crops, rng, width, length):
        questions = [self.texts.encoded[crop.question] for crop in crops]
        passages = [self.texts.part(crop) for crop in crops]
        inputs = [self._with_hidden(pad(rows, width), rng) for rows in zip(*questions)]
        inputs += [self._with_hidden(pad(rows, length), rng) for rows in zip(*passages)]
        if self.features:
            inputs.append(pad([self.features.part(crop) for crop in crops], length))
        labels = np.stack([label(crop, length, self.inside) for crop in crops])
        return tuple(inputs), labels

    def _with_hidden(self, numbers, rng):
        """A random share of the numbers made unknown; padding stays padding."""
        hidden = rng.random(numbers.shape) < self.hide
        numbers[hidden & (numbers > 0)] = UNKNOWN
        return numbers


def most_similar(questions, passages, count=10):
    """(questions, count): the passages most like each question, by TF-IDF over characters and pairs."""
    vectoriser = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)
    of_passages = vectoriser.fit_transform(passages).T.tocsr()
    of_questions = vectoriser.transform(questions)
    count = min(count, len(passages))
    found = []
    for start in range(0, len(questions), 500):
        similarity = (of_questions[start:start + 500] @ of_passages).toarray()
        found.append(np.argpartition(-similarity, count - 1, axis=1)[:, :count])
    return np.concatenate(found)


def label(crop, length, inside=False):
    """1 where an answer begins, 1 where one ends, (length, 2), and 1 inside, (length, 3).

    An answer that the crop cuts is none."""
    labels = np.zeros((length, 3), "float32")
    for first, last in crop.spans:
        if crop.start <= first and last < crop.stop:
            labels[first - crop.start, 0] = 1
            labels[last - crop.start, 1] = 1
            labels[first - crop.start:last + 1 - crop.start, 2] = 1
    return labels if inside else labels[:, :2]


def random_crop(rng, length, spans, size):
    """(start, stop) of a random part of a passage; see PassageBatches."""
    if length <= size // 2:
        return 0, length
    if length <= size and rng.random() < 0.5:
        return 0, length
    part = size if length > size else int(rng.integers(size // 2, length + 1))
    low, high = 0, length - part
    if spans and rng.random() > AWAY:
        first, last = spans[rng.integers(len(spans))]
        if last - first < part:
            low, high = max(low, last + 1 - part), min(high, first)
    start = int(rng.integers(low, high + 1))
    return start, start + part


def answer_window(length, spans, size):
    """(start, stop) of the window of a passage that holds its first answer, or of its first window."""
    found = windows(length, size)
    if spans:
        first, last = spans[0]
        for start, stop in found:
            if start <= first and last < stop:
                return start, stop
    return found[0]


class _Texts:
    """Texts by their numbers, each encoded once."""

    def __init__(self, encode):
        self.encode, self.numbers = encode, {}
        self.encoded, self.normalised = [], []

    def number(self, text):
        if text not in self.numbers:
            self.numbers[text] = len(self.numbers)
            self.encoded.append(self.encode(text))
            self.normalised.append(normalise(text))
        return self.numbers[text]

    def part(self, crop):
        """The numbers of a crop's characters, and of its words where the Encoder has them."""
        return [numbers[crop.start:crop.stop] for numbers in self.encoded[crop.passage]]


class _MatchFeatures:
    """The match features of questions and their passages, and of passages that were exchanged."""

    def __init__(self, texts):
        self.texts, self.found, self.passages = texts, {}, {}

    def add(self, question):
        asked = self.texts.number(question.text)
        passages = [self.texts.number(passage.text) for passage in question.passages]
        self.passages.setdefault(asked, passages)
        name = self.texts.encode.features
        features = features_of(name, question.text, [passage.text for passage in question.passages])
        for passage, values in zip(passages, features):
            self.found[asked, passage] = values.astype("float16")

    def part(self, crop):
        """Those of a crop, (characters, COUNTS[...]) in float32."""
        features = self.found.get((crop.question, crop.passage))
        if features is None:
            features = self._of_exchanged(crop)
        return features[crop.start:crop.stop].astype("float32")

    def _of_exchanged(self, crop):
        """Beside the question's other passages, or E-E共现 would tell an exchanged one from them."""
        texts = self.texts.normalised
        numbers = [crop.passage, *self.passages[crop.question][1:]]
        passages = [texts[number] for number in numbers]
        return features_of(self.texts.encode.features, texts[crop.question], passages)[0]
