"""A score of whole second lines: how likely is each character, given the first line and all the others?

    score(y) = Σ_t log p(y_t | x, y without y_t)

The network of couplet/train.py puts out p(y_t | x) at each position, and does not know what its neighbours
choose. The scorer is the same network, which also reads a second line: the embedding of its characters is
added to that of the first line's, and those that are hidden are the unknown character's.
"""

import pathlib

import keras
import numpy as np

from common.attention import SelfAttention  # noqa: F401 (a layer that models hold)
from common.gated_conv import GatedConv1D  # noqa: F401 (another one)
from common.harness.models import load_model, not_from
from common.harness.vocab import PADDING, UNKNOWN, Vocab, is_han

ROWS = 256                  # lines that the network reads at once


def hide(x, y, hidden):
    """Second lines as the network reads and as the loss takes them: (seen, targets), int32 as y.

    Args:
        x, y: first and second lines as numbers, (n, time), where UNKNOWN is no answer to learn.
        hidden: (n, time), True at characters that the network must guess.
    """
    padding = x == PADDING
    seen = np.where(hidden | (y == PADDING), UNKNOWN, y)
    targets = np.where(hidden & (y != UNKNOWN), y, PADDING)
    return np.where(padding, PADDING, seen), np.where(padding, PADDING, targets)


class Scorer:
    """A trained scorer and its vocabulary.

    Args:
        model: a model of couplet/train_scorer.py.
        vocab: its Vocab.
    """

    def __init__(self, model, vocab):
        self.vocab = vocab
        last = model.get_layer("logits")
        self.features = keras.Model(model.inputs, last.input)
        self.kernel, self.bias = (keras.ops.convert_to_numpy(weight) for weight in last.weights)

    @classmethod
    def load(cls, path):
        """The scorer in a run folder of couplet/train_scorer.py, or in a .keras file with vocab.json beside
        it."""
        path = pathlib.Path(path)
        model = load_model(path)
        if not model.name.startswith("scorer_couplet"):
            raise not_from("couplet/train_scorer.py", path, model)
        folder = path if path.is_dir() else path.parent
        return cls(model, Vocab.load(folder / "vocab.json", size=model.output.shape[-1]))

    def scores(self, first, seconds):
        """The score of each second line for a first line, in nats, (len(seconds),). Symbols and characters
        that the vocabulary lacks do not count."""
        log_p, owner = self.log_probs_of_characters([(first, second) for second in seconds])
        return np.bincount(owner, log_p, minlength=len(seconds))

    def log_probs_of_characters(self, pairs):
        """(log p(y_t | x, y without y_t) of all Chinese characters of the second lines, the number of the
        couplet that each is from). The couplets have one length."""
        x, y = (self.vocab.pad(lines) for lines in zip(*pairs))
        han = np.array([list(map(is_han, second)) for _, second in pairs])
        owner, place = np.nonzero(han & (y != UNKNOWN))
        log_p = [self._hidden(x[rows], y[rows], places)
                 for rows, places in zip(_parts(owner), _parts(place))]
        return np.concatenate([np.zeros(0), *log_p]), owner

    def _hidden(self, x, y, places):
        """log p of the characters at these places of the lines, one in each line, hidden there alone."""
        rows = np.arange(len(x))
        seen = y.copy()
        seen[rows, places] = UNKNOWN
        features = keras.ops.convert_to_numpy(self.features.predict_on_batch([x, seen]))
        logits = features[rows, places] @ self.kernel + self.bias
        # np.logaddexp.reduce would take longer than the network
        logits -= logits.max(axis=1, keepdims=True)
        return logits[rows, y[rows, places]] - np.log(np.exp(logits).sum(axis=1))


def _parts(array):
    """An array in parts of at most ROWS rows."""
    return np.split(array, range(ROWS, len(array), ROWS))
