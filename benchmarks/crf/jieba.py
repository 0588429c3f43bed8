"""jieba, the Python package, on the same text: characters per second."""

import pathlib

import jieba

from benchmarks import clock

sample = pathlib.Path(__file__).resolve().parents[1] / "crf/samples/sentences.txt"
text = sample.read_text(encoding="utf-8").replace(" ", "").rstrip("\n") * 100
jieba.initialize()


def work():
    " ".join(jieba.cut(text))


clock.report(work, len(text))
