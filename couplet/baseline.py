"""What counting alone can do: each character of the second line translated from the one above it, without any context.

    p(b | a) = (n(a, b) + s · p(b)) / (n(a) + s)

n(a, b) counts how often b stands below a in the training couplets, p(b) how often it stands anywhere in a second line; the
strength s of p(b) is the best of a few on the validation couplets. The metrics are those of couplet/train.py.

    python couplet/baseline.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from common import runs
from common.vocab import FIRST, Vocab
from couplet import data, evaluate

STRENGTHS = (10, 30, 100, 300, 1000, 3000)


@dataclass
class Config:
    data: str = ""
    """As for couplet/train.py."""
    extra: str = ""
    """As for couplet/train.py."""
    out: pathlib.Path = runs.ROOT / "runs/couplet/baseline.json"
    """File for the metrics."""
    min_count: int = 2
    """A character that occurs less often in the training couplets is unknown."""
    max_length: int = 32
    """As for couplet/train.py."""
    validation: int = 2000
    """Training couplets, at most a tenth, that choose s."""


class Counts:
    """The table n(a, b) and p(b) of some couplets; called like a model, numbers (n, time) → log p (n, time, vocabulary)."""

    def __init__(self, pairs, vocab, strength=10):
        above, below = (np.concatenate([vocab.encode(line) for line in lines]) for lines in zip(*pairs))
        known = below >= FIRST
        shape = (len(vocab), len(vocab))
        self.table = scipy.sparse.csr_matrix((np.ones(known.sum(), "float32"), (above[known], below[known])), shape)
        self.totals = np.asarray(self.table.sum(axis=1))[:, 0]
        p = np.bincount(below[known], minlength=len(vocab)) + 0.5                  # no character is impossible
        p[:FIRST] = 0
        self.p, self.strength = p / p.sum(), strength

    def __call__(self, ids):
        counts = self.table[ids.reshape(-1)].toarray() + self.strength * self.p
        with np.errstate(divide="ignore"):
            log_p = np.log(counts / (self.totals[ids.reshape(-1)] + self.strength)[:, None])
        return log_p.reshape(*ids.shape, -1)


def baseline(config):
    couplets = data.load_couplets(config.data)
    short = [pair for pair in couplets.train if len(pair[0]) <= config.max_length]
    pairs, held_out = data.hold_out(short, min(config.validation, len(short) // 10))
    vocab = Vocab.from_texts((line for pair in pairs for line in pair), config.min_count)
    if config.extra:
        pairs += [pair for pair in data.load_extra(config.extra, [*held_out, *couplets.test])
                  if len(pair[0]) <= config.max_length]
    counts = Counts(pairs, vocab)
    losses = {}
    for counts.strength in STRENGTHS:
        losses[counts.strength] = evaluate.cross_entropy(counts, vocab, held_out)
    counts.strength = min(losses, key=losses.get)
    metrics = {"strength": counts.strength, **evaluate.metrics(counts, vocab, couplets.test)}
    print("\n".join(f"{name:>44} {value:.4g}" for name, value in metrics.items()))
    runs.write_json(pathlib.Path(config.out), {
        "config": runs.as_json(config), "data": {**couplets.describe(), "trained_on": len(pairs), "vocabulary": len(vocab)},
        "machine": runs.machine(), "versions": runs.versions(), "metrics": {name: float(v) for name, v in metrics.items()}})
    print(f"written to {runs.shown(config.out)}")
    return metrics


if __name__ == "__main__":
    runs.main(baseline, Config, __doc__)
