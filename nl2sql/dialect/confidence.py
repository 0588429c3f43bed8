"""How likely an answer is right, by what it took to read the question: Platt's scaling. No Keras in here.

The weights are those that everyday.py --calibrate fits to the first half of its questions.
"""

import functools
import json
import math
import pathlib

from common.harness.reading import read_text

FILE = pathlib.Path(__file__).with_name("confidence.json")


@functools.cache
def weights():
    """{"reading": {feature: weight}, "network": {feature: weight}}"""
    return json.loads(read_text(FILE))


def features_of(reading, is_tied=False):
    """What lowers the confidence in a reading."""
    return {"base": 1.0, "guesses": len(reading.guesses), "inexact": len(reading.inexact),
            "open": len(reading.open), "unused": len(reading.unused), "tied": float(is_tied)}


def features_of_network(parse, reading):
    """The network's own confidence, as log odds, and how much of the question is not explained."""
    sure = min(max(parse.confidence, 1e-4), 1 - 1e-4)
    return {"base": 1.0, "odds": math.log(sure / (1 - sure)), "unused": len(reading.unused)}


def probability(kind, features):
    """The probability that an answer is right, by its features."""
    score = sum(weights()[kind][name] * value for name, value in features.items())
    return 1 / (1 + math.exp(-score))
