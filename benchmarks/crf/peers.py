"""Other segmenters on the text of answers.py: peers.py jieba|rjieba|thulac prints characters per second.

jieba and thulac are Python, rjieba is jieba's algorithm compiled."""

import importlib
import sys

from benchmarks import clock
from crf.data import SAMPLE, read_sentences

name = sys.argv[1]
lines = ["".join(words) for words in read_sentences(SAMPLE)]
peer = importlib.import_module(name)
if name == "thulac":
    model = peer.thulac(seg_only=True)
    text = lines * 3                     # a twentieth of the others' speed, and it takes lines

    def work():
        for line in text:
            model.cut(line, text=True)
else:
    text = ["\n".join(lines) * 100]

    def work():
        " ".join(peer.cut(text[0]))


work()                                   # reads its dictionary
clock.report(work, sum(map(len, text)))
