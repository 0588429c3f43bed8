"""What counting alone can do: each character of the second line translated from the one above it, without any
context.

    p(b | a) = (n(a, b) + s · p(b)) / (n(a) + s)

n(a, b) counts how often b stands below a in the training couplets, p(b) how often it stands anywhere in a
second line; the strength s of p(b) is the best of a few on the validation couplets. The metrics are those of
couplet/train.py.

    python couplet/baseline.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import itertools
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import scipy.sparse

from common.harness import cli, provenance
from common.harness.folder import as_json, print_metrics
from common.harness.vocab import FIRST, Vocab
from common.harness.writing import ROOT, shown, write_json
from couplet import data, report

STRENGTHS = (10, 30, 100, 300, 1000, 3000)


class Counts:
    """The counts n(a, b) and p(b) of some couplets; called like a model, numbers (n, time) → log p
    (n, time, vocabulary)."""

    def __init__(self, pairs, vocab, strength=10):
        firsts, seconds = zip(*pairs)
        above, below = vocab.encode("".join(firsts)), vocab.encode("".join(seconds))
        known = below >= FIRST
        shape = (len(vocab), len(vocab))
        ones = np.ones(known.sum(), "float32")
        self.counts = scipy.sparse.csr_matrix((ones, (above[known], below[known])), shape)
        self.totals = np.asarray(self.counts.sum(axis=1))[:, 0]
        p = np.bincount(below[known], minlength=len(vocab)) + 0.5                 # no character is impossible
        p[:FIRST] = 0
        self.p, self.strength = p / p.sum(), strength

    def __call__(self, ids):
        above = ids.reshape(-1)
        counts = self.counts[above].toarray() + self.strength * self.p
        with np.errstate(divide="ignore"):
            log_p = np.log(counts / (self.totals[above] + self.strength)[:, None])
        return log_p.reshape(*ids.shape, -1)


@dataclass
class Config:
    data: str = ""
    """The same option as in couplet/train.py."""
    extra: str = ""
    """The same option as in couplet/train.py."""
    out: pathlib.Path = ROOT / "runs/couplet/baseline.json"
    """File for the metrics."""
    min_count: Annotated[int, cli.Between(1, 10**9)] = 2
    """A character that occurs less often in the training couplets is unknown."""
    max_length: Annotated[int, cli.Between(1, 10**9)] = 32
    """The same option as in couplet/train.py."""
    validation: Annotated[int, cli.Between(1, 10**9)] = 2000
    """Training couplets held out to choose s, at most a tenth."""


def count(config):
    """Counts, writes the metrics and returns them."""
    couplets = data.load_couplets(config.data)
    couplets.train = list(couplets.train)     # a file that train.py reads batch by batch is counted in memory
    pairs, held_out = data.split(couplets, config.validation, config.max_length)
    vocab = Vocab.from_texts(itertools.chain.from_iterable(pairs), config.min_count)
    pairs = pairs + data.extra_couplets(pairs, config.extra, [*held_out, *couplets.test], config.max_length)
    counts = Counts(pairs, vocab)
    counts.strength = best_strength(counts, vocab, held_out)
    metrics = {"strength": counts.strength, **report.metrics(counts, vocab, couplets.test)}
    print_metrics(metrics)
    write_json(config.out, {
        "config": as_json(config),
        "data": {**couplets.describe(), "trained_on": len(pairs), "vocabulary": len(vocab)},
        "machine": provenance.machine(), "versions": provenance.versions(("numpy", "scipy")),
        "metrics": {name: float(value) for name, value in metrics.items()},
    })
    print(f"written to {shown(config.out)}")
    return metrics


def best_strength(counts, vocab, held_out):
    losses = {}
    for counts.strength in STRENGTHS:
        losses[counts.strength] = report.cross_entropy(counts, vocab, held_out)
    return min(losses, key=losses.get)


if __name__ == "__main__":
    cli.main(count, Config, __doc__)
