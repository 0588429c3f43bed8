"""The random texts that contenders read: passages of 256 characters, whose questions are their first 16."""

import numpy as np

from common.harness.vocab import FIRST, Vocab

VOCAB = Vocab(map(chr, range(0x4E00, 0x4E00 + 5000 - FIRST)))


def passages(count=512):
    """Texts of 256 characters."""
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(VOCAB.characters, 256)) for _ in range(count)]
