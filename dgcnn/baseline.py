"""What counting words can do: the sentence that shares most words with the question, and in it the word
nearest to them.

Shared words weigh by their inverse document frequency over the training passages, −log(share of passages with
it). An answer is the word of the best sentence, not in the question and no punctuation, that has the largest
sum of weights, each divided by the distance; words of equal rank are longer first. Several passages vote as
for dgcnn/train.py. Also scored is the whole sentence as the answer: how much of the answers such a search
finds at all.

    python dgcnn/baseline.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import collections
import math
import re
from dataclasses import dataclass

from common.harness import cli, provenance
from common.harness.folder import as_json, print_metrics
from common.harness.writing import ROOT, shown, write_json
from dgcnn import data, report
from dgcnn.reader import Span, vote
from dgcnn.text import normalise, segment

SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]*")


@dataclass
class Config:
    data: str = ""
    """The same option as in dgcnn/train.py."""
    out: pathlib.Path = ROOT / "runs/dgcnn/baseline.json"
    """File for the metrics."""


def evaluate(config):
    questions = data.load_questions(config.data)
    weights = weights_of(questions.train or questions.test)
    rows, sentences = [], []
    for question in questions.test:
        found = [best(question.text, passage.text, weights) for passage in question.passages]
        rows.append(report.row_of(question, elected(found)))
        _, _, sentence = max(found)
        sentences.append(report.row_of(question, sentence))
    metrics = {**report.metrics(rows), "test_f1_of_sentences": report.scores(sentences)["f1"]}
    print_metrics(metrics)
    write_json(pathlib.Path(config.out), {
        "config": as_json(config), "data": questions.describe(), "machine": provenance.machine(),
        "versions": provenance.versions(("numpy", "rjieba")), "metrics": metrics})
    print(f"written to {shown(config.out)}")
    return metrics


def weights_of(questions):
    """word → weight over the passages of some questions; a word of none of them weighs as one of a single
    passage."""
    texts = {normalise(passage.text) for question in questions for passage in question.passages}
    counts = collections.Counter()
    for text in texts:
        counts.update(set(segment(text)))
    unseen = math.log(max(2, len(texts)))
    known = {word: math.log(len(texts) / count) + 1e-3 for word, count in counts.items()}
    return collections.defaultdict(lambda: unseen, known)


def best(question, text, weights):
    """(score, answer, sentence) of one passage: the sentence and the word in it."""
    asked = set(segment(normalise(question)))
    found = 0.0, "", ""
    for sentence in SENTENCE.findall(text):
        score, answer = best_word(sentence, asked, weights)
        if answer and score > found[0]:
            found = score, answer, sentence
    return found


def best_word(sentence, asked, weights):
    """(weight of the words that a sentence shares with the question, the word nearest to them); no word:
    ""."""
    words = _with_digits_together(segment(normalise(sentence)))
    shared = {place: weights[word] for place, word in enumerate(words) if word in asked and word.isalnum()}
    others = [place for place, word in enumerate(words) if word not in asked and word.isalnum()]
    if not others:
        return 0.0, ""

    def rank(place):
        near = sum(weight / abs(place - other) for other, weight in shared.items())
        return near, len(words[place]), -place

    once = {words[place]: weight for place, weight in shared.items()}
    return sum(once.values()), words[max(others, key=rank)]


def _with_digits_together(words):
    """Digits and letters, which `segment` separates, as one word again: 1 9 4 9 年 → 1949 年."""
    result = []
    for word in words:
        if result and _is_latin(word) and _is_latin(result[-1]):
            result[-1] += word
        else:
            result.append(word)
    return result


def _is_latin(word):
    return word.isascii() and word.isalnum()


def elected(found):
    """The answer that the passages elect; each votes by its score's share of the best one."""
    top = max(score for score, *_ in found) or 1.0
    spans = [[Span(answer, score / top, 0, 0)] if score else [] for score, answer, _ in found]
    answers = vote(spans, 1)
    return answers[0].text if answers else ""


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
