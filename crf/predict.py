"""Segments Chinese text with a trained model, by default the one in weights/; every character is kept.

    python crf/predict.py 今天天气不错
    python crf/predict.py --file novel.txt > segmented.txt        or: cat novel.txt | python crf/predict.py
    python crf/predict.py 苏剑林的科学空间 --words my_words.txt      a user dictionary, one word a line
    python crf/predict.py 结婚的和尚未结婚的 --confidence          how sure the model is of each word
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import tyro

from common.harness import cli, console
from common.harness.reading import read_text
from crf.data import read_words
from crf.segmenter import WEIGHTS, Segmenter, joined

BLOCK = 1 << 20     # characters of a file in memory at once


@dataclass
class Config:
    text: tyro.conf.Positional[tuple[str, ...]] = ()
    """What to segment. Without it and without --file, standard input."""
    file: pathlib.Path | None = None
    """A text file in UTF-8 to segment."""
    run: pathlib.Path | None = None
    """Run folder of a model of yours, instead of the shipped one."""
    fast: bool = False
    """The smaller of the two shipped models."""
    words: pathlib.Path | None = None
    """A user dictionary: a file with one word a line, of 2 to 8 characters. They are known words then."""
    wholes: bool = True
    """Keep addresses, telephone numbers, amounts, Latin words and emoji whole, whatever the model says."""
    confidence: bool = False
    """Print one word a line, with the smallest probability among the tags of its characters."""
    separator: str = " "
    """What to put between two words that no blank divides."""


def predict(config):
    folder = config.run or WEIGHTS / ("fast" if config.fast else "default")
    segmenter = Segmenter.load(folder, read_words(config.words) if config.words else (),
                               config.wholes)
    text = text_of(config)
    sys.stdout.reconfigure(newline="")
    if not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")           # every character comes out
    for block in blocks(text):
        if config.confidence:
            print_confidence(*segmenter.segment(block, confidence=True))
        else:
            print(joined(segmenter.segment(block), config.separator), end="")


def text_of(config):
    """What the user gave: arguments, a file, or standard input."""
    if config.text:
        return "\n".join(config.text) + "\n"
    if config.file:
        return read_text(config.file, keep_mark=True)
    return console.read_all()


def blocks(text):
    """A text in parts of at most BLOCK characters, which end with a line where one ends in them."""
    start = 0
    while len(text) - start > BLOCK:
        end = text.rfind("\n", start, start + BLOCK) + 1 or start + BLOCK
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def print_confidence(words, sure):
    for word, p in zip(words, sure):
        print(word if word.isspace() else f"{word}\t{p:.3f}\n", end="")


if __name__ == "__main__":
    cli.main(predict, Config, __doc__)
