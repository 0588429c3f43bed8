"""What counting words can do: the sentence that shares most words with the question, and in it the word nearest to them.

Shared words weigh by their inverse document frequency over the training passages, −log(share of passages with it). An answer
is the word of the best sentence, not in the question and no punctuation, that has the largest sum of weights, each divided
by the distance; words of equal rank are longer first. Several passages vote as for dgcnn/train.py. Also scored is the whole
sentence as the answer: how much of the answers such a search finds at all.

    python dgcnn/baseline.py
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import collections
import math
import re
from dataclasses import dataclass

from common import runs
from dgcnn import data, evaluate
from dgcnn.features import cut, fold
from dgcnn.reading import Span, vote

SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]*")


@dataclass
class Config:
    data: str = ""
    """As for dgcnn/train.py."""
    out: pathlib.Path = runs.ROOT / "runs/dgcnn/baseline.json"
    """File for the metrics."""


def weights_of(questions):
    """word → weight over the passages of some questions; a word of none of them weighs as one of a single passage."""
    texts = dict.fromkeys(fold(passage.text) for question in questions for passage in question.passages)
    counts = collections.Counter(word for text in texts for word in set(cut(text)))
    return collections.defaultdict(lambda: math.log(max(2, len(texts))),
                                   {word: math.log(len(texts) / count) + 1e-3 for word, count in counts.items()})


def best(question, text, weights):
    """(score, answer, sentence) of one passage: the sentence and the word in it."""
    asked, found = set(cut(fold(question))), (0.0, "", "")
    for sentence in SENTENCE.findall(text):
        words = _with_digits_together(cut(fold(sentence)))
        shared = {i: weights[word] for i, word in enumerate(words) if word in asked and word.isalnum()}
        score = sum({words[i]: weight for i, weight in shared.items()}.values())
        near = [(sum(weight / abs(i - j) for j, weight in shared.items()), len(word), -i) for i, word in enumerate(words)
                if word not in asked and word.isalnum()]
        if near and score > found[0]:
            found = score, words[-max(near)[2]], sentence
    return found


def _with_digits_together(words):
    """Digits and letters, which `cut` separates, as one word again: 1 9 4 9 年 → 1949 年."""
    result = []
    for word in words:
        if result and word.isascii() and word.isalnum() and result[-1].isascii() and result[-1].isalnum():
            result[-1] += word
        else:
            result.append(word)
    return result


def baseline(config):
    questions = data.load_questions(config.data)
    weights, rows, sentences = weights_of(questions.train or questions.test), [], []
    for question in questions.test:
        found = [best(question.text, passage.text, weights) for passage in question.passages]
        top = max(score for score, *_ in found) or 1.0
        answers = vote([[Span(answer, score / top, 0, 0)] if score else [] for score, answer, _ in found], 1)
        rows.append(evaluate.row_of(question, answers[0].text if answers else ""))
        sentences.append(evaluate.row_of(question, max(found)[2]))
    metrics = {**evaluate.metrics(rows), "test_f1_of_sentences": evaluate.scores(sentences)["f1"]}
    print("\n".join(f"{name:>44} {value:.4g}" for name, value in metrics.items()))
    runs.write_json(pathlib.Path(config.out), {
        "config": runs.as_json(config), "data": questions.describe(), "machine": runs.machine(), "versions": runs.versions(),
        "metrics": metrics})
    print(f"written to {runs.shown(config.out)}")
    return metrics


if __name__ == "__main__":
    runs.main(baseline, Config, __doc__)
