"""crf/predict.py on one long text: answers.py default|fast prints characters per second of five repeats."""

import sys

from benchmarks import clock
from crf.data import SAMPLE, read_sentences
from crf.segmenter import WEIGHTS, Segmenter, joined

text = "\n".join("".join(words) for words in read_sentences(SAMPLE)) * 100
segmenter = Segmenter.load(WEIGHTS / sys.argv[1])


def work():
    joined(segmenter.segment(text), " ")


clock.report(work, len(text))
