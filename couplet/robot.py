"""A trained couplet model as something that answers first lines."""

import dataclasses
import itertools
import pathlib

import numpy as np
from keras import ops

from common.attention import SelfAttention  # noqa: F401 (a layer that models hold)
from common.gated_conv import GatedConv1D  # noqa: F401 (another one)
from common.harness.models import array_function, load_model, not_from
from common.harness.reading import InputError
from common.harness.vocab import Vocab
from common.harness.writing import ROOT
from couplet.data import SAMPLE, read_pairs
from couplet.decoding import Decoder, choose, clean

WEIGHTS = ROOT / "couplet/weights/attention.keras"
ARTICLE = ROOT / "couplet/weights/couplet.keras"          # the article's network, which WEIGHTS answers with
SCORER = ROOT / "couplet/weights/scorer.keras"
POOL = 16                   # answers that a scorer re-ranks
# What predict.py takes for Rules.rarity and for a nat of the scorer, chosen on validation couplets.
RARITY, WEIGHT = 0.3, 0.25
SHARE = 0.4                 # that of the second network, see together; chosen in the same way


class Robot:
    """A trained model and its vocabulary, answering one line at a time.

    Args:
        model: a model of couplet/train.py.
        vocab: its Vocab.
        rules: the Rules of the answers.
        scorer: a Scorer with the same vocabulary that re-ranks the best POOL answers.
        weight: what a nat of its score is worth beside one of the model's.
        other: a second model with the same vocabulary, which answers together with the first.
    """

    def __init__(self, model, vocab, rules=None, scorer=None, weight=WEIGHT, other=None):
        self.model, self.vocab, self.scorer, self.weight = model, vocab, scorer, weight
        self.log_probs = log_probs_of(model)
        if other:
            self.log_probs = together(self.log_probs, log_probs_of(other))
        if scorer and scorer.vocab != vocab:
            raise InputError("re-ranking expects a model and a scorer with the same characters; --no-rerank "
                             f"needs no scorer. Received: a model with {len(vocab):,} and a scorer with "
                             f"{len(scorer.vocab):,} characters, not the same ones")
        log_prior = self.log_prior() if rules and rules.rarity else None
        self.decoder = Decoder(vocab, rules, log_prior=log_prior)

    @classmethod
    def load(cls, path, rules=None, scorer=None, weight=WEIGHT, other=None):
        """The robot in a run folder of couplet/train.py, or in a .keras file with vocab.json beside it; with
        `other` a second such path, whose model answers together with the first."""
        model, vocab = load_tagger(path)
        second = None
        if other:
            second, others = load_tagger(other)
            if others != vocab:
                raise InputError("two models that answer together expect the same characters. "
                                 f"Received: {len(vocab):,} of {path}, {len(others):,} of {other}")
        return cls(model, vocab, rules, scorer, weight, second)

    def answers(self, line, count=5, differ=1):
        """The best answers to a line as it is typed; InputError where there is nothing to answer."""
        line, _ = clean(line, self.vocab)
        log_p, = self.log_probs(self.vocab.encode(line)[None])
        if not self.scorer:
            return self.decoder(line, log_p, count, differ)
        candidates = self.decoder.candidates(line, log_p, max(2, count))
        chosen = []
        # the next ones come in only where the best POOL are too much alike: the first answer is always theirs
        for start in range(0, len(candidates), POOL):
            chosen = choose(self.scored(line, candidates[start:start + POOL]), count, differ, chosen)
            if len(chosen) == count:
                break
        return chosen

    def scored(self, line, answers):
        """Answers with what the scorer says of them in their scores."""
        scores = self.scorer.scores(line, [answer.text for answer in answers])
        return [dataclasses.replace(answer, score=float(answer.score + self.weight * score))
                for answer, score in zip(answers, scores)]

    def log_prior(self):
        """log p(y) of each character: the mean of what the model puts out below the built-in first lines, and
        a little for those that it puts out nowhere."""
        lines = sorted((self.vocab.encode(first) for first, _ in read_pairs(SAMPLE)), key=len)
        batches = [np.stack(list(group)) for _, group in itertools.groupby(lines, len)]
        rows = [np.exp(self.log_probs(batch)).reshape(-1, len(self.vocab)) for batch in batches]
        return np.log(np.concatenate(rows).mean(axis=0) + 1e-5)


def load_tagger(path):
    """A model of couplet/train.py and its Vocab."""
    path = pathlib.Path(path)
    model = load_model(path)
    if not model.name.startswith("couplet"):
        raise not_from("couplet/train.py", path, model)
    folder = path if path.is_dir() else path.parent
    return model, Vocab.load(folder / "vocab.json", size=model.output.shape[-1])


def companion(run, wanted=True):
    """The second network that answers with the model at a path: the article's with the shipped one, where
    that is wanted, and none with any other."""
    return ARTICLE if wanted and pathlib.Path(run) == WEIGHTS else None


def together(log_probs, others):
    """Two networks as one: log p = (1 − s) log p₁ + s log p₂ − log Z, with s = SHARE and Z such that p sums
    to 1. They err in different places, so p fits better than either."""
    def pooled(ids):
        mixed = (1 - SHARE) * log_probs(ids) + SHARE * others(ids)
        mixed -= mixed.max(axis=-1, keepdims=True)
        return mixed - np.log(np.exp(mixed).sum(axis=-1, keepdims=True))

    return pooled


def log_probs_of(model):
    """The model as a function of an array, (n, time) numbers → (n, time, vocabulary) log-probabilities."""
    log_probs = array_function(model, lambda logits: ops.log_softmax(ops.cast(logits, "float32")))
    return lambda ids: log_probs([ids])
