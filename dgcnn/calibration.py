"""How likely an answer is right, from the score that the vote gives it, and from when on to give none.

    P(right) = σ(a + b log s)

Both numbers are fitted to the validation questions, each asked twice: of its own passage, and of the passage
of another question that resembles it most and has no answer. So the number printed with an answer means: of
such answers to such questions, half of which cannot be answered, that share was right.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np

from common.harness.reading import InputError, read_text
from common.harness.writing import write_json

FILE = "reader.json"
LOSS = 0.04        # of the validation questions' score, the most that refusing may cost


@dataclass
class Calibration:
    """P(right) = σ(intercept + slope · log score); an answer below the threshold is none.

    By default the score itself, and nothing is refused."""

    intercept: float = 0.0
    slope: float = 1.0
    threshold: float = 0.0
    fitted: bool = False

    def probability(self, score):
        """That an answer with this score is right, or an array of them; 0 for a score of 0."""
        score = np.asarray(score, "float64")
        if not self.fitted:
            return np.minimum(score, 1.0)
        with np.errstate(divide="ignore", over="ignore"):
            return 1 / (1 + np.exp(-self.intercept - self.slope * np.log(score)))

    @classmethod
    def fit(cls, scores, right, values, answerable):
        """From what a model answered.

        Args:
            scores: of the vote, 0 where there was no answer, (n,).
            right: whether the answer was exactly right, (n,).
            values: what the answer counts, the mean of EM and F1, (n,).
            answerable: whether there was an answer to find, (n,).
        """
        from sklearn.linear_model import LogisticRegression  # which no answer needs

        scores, right, values = np.asarray(scores), np.asarray(right, bool), np.asarray(values)
        answerable = np.asarray(answerable, bool)
        given = scores > 0
        if len(set(right[given].tolist())) < 2:          # all right or all wrong: nothing to tell apart
            return cls()
        model = LogisticRegression(C=1e6).fit(np.log(scores[given])[:, None], right[given])
        found = cls(float(model.intercept_[0]), float(model.coef_[0, 0]), fitted=True)
        found.threshold = threshold_for(found.probability(scores), values, answerable)
        return found

    def save(self, folder):
        """Writes reader.json."""
        write_json(folder / FILE, asdict(self))

    @classmethod
    def load(cls, folder):
        """Of a run folder or of weights/; the default where there is no reader.json."""
        path = folder / FILE
        if not path.is_file():
            return cls()
        try:
            saved = json.loads(read_text(path))
            numbers = [float(saved[name]) for name in ("intercept", "slope", "threshold")]
            if not np.isfinite(numbers).all():
                raise ValueError("a number is not finite")
            return cls(*numbers, fitted=bool(saved["fitted"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{path} should hold what dgcnn/train.py wrote: intercept, slope and threshold. "
                             f"Received: {error}") from None


def threshold_for(probabilities, values, answerable, loss=LOSS):
    """The largest threshold that costs the answerable questions at most so much of their mean value."""
    allowed = loss * answerable.sum()
    order = np.argsort(probabilities[answerable], kind="stable")
    lost = np.cumsum(values[answerable][order])
    count = int(np.searchsorted(lost, allowed, side="right"))        # as many may be refused
    if count == len(order):
        return float(probabilities[answerable].max())
    return float(probabilities[answerable][order][count])


def curve(probabilities, values, answerable):
    """(thresholds, share of unanswerable passages refused, loss of the answerable ones' mean value)."""
    thresholds = np.unique(np.append(probabilities, [0.0, 1.0]))
    refused = [float((probabilities[~answerable] < threshold).mean()) for threshold in thresholds]
    lost = [float((values * (probabilities < threshold))[answerable].mean()) for threshold in thresholds]
    return thresholds, np.array(refused), np.array(lost)
