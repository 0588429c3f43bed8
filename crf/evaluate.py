"""Scores of segmenters on test sets: those of crf/weights, or of a run, beside jieba's.

    python crf/evaluate.py                                       both shipped models and jieba on SXU
    python crf/evaluate.py --data msr_slice --run runs/crf/...   a model of yours
    python crf/evaluate.py --words my_words.txt                  what a user dictionary brings
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import time
import unicodedata
from dataclasses import dataclass

import rjieba

from common import runs
from common.metrics import segmentation_scores
from crf import data
from crf.predict import WEIGHTS, Segmenter, read_words


@dataclass
class Config:
    data: str = ""
    """A corpus by name, or a file of segmented sentences; see README.md."""
    test: str = ""
    """Another file of segmented sentences to test on."""
    run: pathlib.Path | None = None
    """Run folder of a model of yours."""
    words: pathlib.Path | None = None
    """A user dictionary: one word a line."""


def segment(cut, sentences):
    """What the function cut: text → words makes of the sentences, all in one text, one a line."""
    lines, words = [], []
    for word in cut("\n".join(map("".join, sentences)) + "\n"):
        if word == "\n":
            lines.append(words)
            words = []
        else:
            words.append(word)
    return lines


def half_width(word):
    """NFKC of each character by itself, so that it is the same in whatever words."""
    return "".join(unicodedata.normalize("NFKC", character) for character in word)


def scores(cut, sentences, known_words):
    """The bakeoff's scores and the article's own type recall, as metrics for results.json. Full width counts as half width:
    corpora differ in it, and a comma is no new word."""
    expected, predicted = ([[half_width(word) for word in words] for words in part]
                           for part in (sentences, segment(cut, sentences)))
    known_words = {half_width(word) for word in known_words}
    shares = [len(set(a) & set(b)) / len(set(a)) for a, b in zip(expected, predicted, strict=True)]
    return {**segmentation_scores(expected, predicted, known_words), "article_type_recall": sum(shares) / len(shares)}


def main(config):
    corpus = data.load_corpus(config.data, config.test)
    known, words = {word for words in corpus.train for word in words}, read_words(config.words) if config.words else ()
    folders = [config.run] if config.run else [WEIGHTS / "default", WEIGHTS / "fast"]
    contenders = {runs.shown(folder): Segmenter.load(folder, words).cut for folder in folders}
    print(f"{'':44}{'P':>8}{'R':>8}{'F1':>8}{'OOV R':>8}{'IV R':>8}{'types':>8}{'char/s':>10}")
    for name, cut in {**contenders, "rjieba": rjieba.cut}.items():
        segment(cut, corpus.test)                                   # compiles
        start = time.perf_counter()
        segment(cut, corpus.test)
        speed = sum(len(word) for words in corpus.test for word in words) / (time.perf_counter() - start)
        row = scores(cut, corpus.test, known)
        print(f"{name!s:44}" + "".join(f"{row[key]:8.4f}" for key in (
            "precision", "recall", "f1", "oov_recall", "iv_recall", "article_type_recall")) + f"{speed:10,.0f}")


if __name__ == "__main__":
    runs.main(main, Config, __doc__)
