"""Scores of segmenters on test sets: those of crf/weights, or of a run, beside jieba's and, where it is
installed, thulac's.

    python crf/evaluate.py                                       the shipped models and jieba on SXU
    python crf/evaluate.py --data pku                            and on another standard
    python crf/evaluate.py --data msr_slice --run runs/crf/...   a model of yours
    python crf/evaluate.py --words my_words.txt                  what a user dictionary brings
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import contextlib
import importlib.util
import io
import time
from dataclasses import dataclass

import rjieba

from common.harness import cli
from common.harness.writing import shown
from crf import report
from crf.data import load_corpus, read_words, words_in
from crf.segmenter import WEIGHTS, Segmenter

COLUMNS = {"precision": "P", "recall": "R", "f1": "F1", "oov_recall": "OOV R", "iv_recall": "IV R",
           "article_type_recall": "types"}


@dataclass
class Config:
    data: str = ""
    """Corpus to test on: its name, or a file of segmented sentences; see README.md."""
    test: str = ""
    """Another file of segmented sentences to test on."""
    run: pathlib.Path | None = None
    """Run folder of your own model, to use instead of the shipped one."""
    words: pathlib.Path | None = None
    """A user dictionary: one word a line."""
    wholes: bool = True
    """Keep addresses, numbers, Latin words and emoji whole, as crf/predict.py does."""


def evaluate(config):
    corpus = load_corpus(config.data, config.test)
    known = words_in(corpus.train)
    rows = {}
    contenders = load(config)
    print(f"{'':44}" + "".join(f"{title:>8}" for title in [*COLUMNS.values()]) + f"{'char/s':>10}")
    for name, segment in contenders.items():
        speed = characters_per_second(segment, corpus.test)
        rows[name] = report.scores(segment, corpus.test, known)
        numbers = "".join(f"{rows[name][key]:8.4f}" for key in COLUMNS)
        print(f"{name:44}{numbers}{speed:10,.0f}")
    return rows


def load(config):
    """Functions of a text → its words, by the name to print: the models, jieba and thulac."""
    words = read_words(config.words) if config.words else ()
    folders = [config.run] if config.run else sorted(path.parent for path in WEIGHTS.glob("*/model.keras"))
    models = {str(shown(folder)): Segmenter.load(folder, words, config.wholes).segment for folder in folders}
    return {**models, "rjieba": rjieba.cut, **with_thulac()}


def with_thulac():
    """{"thulac": function of a text → its words}, where thulac is installed; it cuts line by line."""
    if importlib.util.find_spec("thulac") is None:
        return {}
    import thulac

    with contextlib.redirect_stdout(io.StringIO()):           # it says that it is loaded
        segmenter = thulac.thulac(seg_only=True)

    def segment(text):
        words = []
        for line in text.splitlines():
            words += [word for word, _ in segmenter.cut(line)]
            words.append("\n")
        return words

    return {"thulac": segment}


def characters_per_second(segment, sentences):
    report.segment_lines(segment, sentences)                        # compiles
    start = time.perf_counter()
    report.segment_lines(segment, sentences)
    seconds = time.perf_counter() - start
    return sum(len(word) for words in sentences for word in words) / seconds


if __name__ == "__main__":
    cli.main(evaluate, Config, __doc__)
