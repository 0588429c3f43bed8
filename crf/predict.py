"""Segments Chinese text with a trained model, by default the one in weights/; every character is kept.

    python crf/predict.py 今天天气不错
    python crf/predict.py --file novel.txt > segmented.txt        or: cat novel.txt | python crf/predict.py
    python crf/predict.py 苏剑林的科学空间 --words my_words.txt      a user dictionary, one word a line
    python crf/predict.py 结婚的和尚未结婚的 --confidence          how sure the model is of each word
    python crf/predict.py --file novel.txt --json                  for programs: a line of JSON for each line
    python crf/predict.py 江泽民主席讲话 --standard pku               by the standard of the People's Daily
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Literal

import tyro

from common.harness import cli, console, progress
from common.harness.language import in_users_language
from common.harness.reading import InputError, read_text
from crf.data import read_words
from crf.segmenter import STANDARDS, WEIGHTS, Segmenter, joined

BLOCK = 1 << 17     # characters that are segmented and printed at once


@dataclass
class Config:
    text: tyro.conf.Positional[tuple[str, ...]] = ()
    """Text to segment. Without it and without --file, standard input is read."""
    file: pathlib.Path | None = None
    """A text file in UTF-8 to segment."""
    run: pathlib.Path | None = None
    """Run folder of your own model, to use instead of the shipped one."""
    standard: Literal["sxu", "pku", "nlpcc"] = "sxu"
    """What is a word: as in SXU's newspapers, as in the People's Daily, or as in NLPCC's micro-blogs."""
    fast: bool = False
    """Use the smaller and faster one of the two models of --standard sxu."""
    words: pathlib.Path | None = None
    """A user dictionary: a file of words of 2 to 8 characters, one a line, which the model then knows."""
    wholes: bool = True
    """Keep addresses, telephone numbers, amounts, Latin words and emoji whole, whatever the model says."""
    confidence: bool = False
    """Print one word a line, with the smallest probability among the tags of its characters."""
    json: bool = False
    """Print a line of JSON for each line of text: its words, and with --confidence how sure each is."""
    separator: str = " "
    """What to put between two words that no blank divides."""


def predict(config):
    words = read_words(config.words) if config.words else ()
    segmenter = Segmenter.load(folder_of(config), words, config.wholes)
    text = text_of(config)
    sys.stdout.reconfigure(newline="")
    if not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")           # every character comes out
    # a user who sees the words needs no bar among them
    with progress.bar(total=len(text), unit=(" characters", " 字"), unit_scale=True,
                      disable=sys.stdout.isatty()) as bar:
        for block in blocks(text):
            print_words(segmenter, block, config)
            bar.update(len(block))


def folder_of(config):
    """Where the model is that the options ask for."""
    if config.run:
        return config.run
    if not config.fast:
        return WEIGHTS / STANDARDS[config.standard]
    if config.standard != "sxu":
        raise InputError(in_users_language(
            "--fast expects --standard sxu, the only standard with a smaller model. "
            f"Received: --standard {config.standard}",
            f"--fast 只能与 --standard sxu 同用：别的标准没有小模型。收到：--standard {config.standard}"))
    return WEIGHTS / "fast"


def print_words(segmenter, block, config):
    """The words of a block in the form that the options ask for."""
    if not config.confidence and not config.json:
        print(joined(segmenter.segment(block), config.separator), end="")
        return
    words, sure = segmenter.segment(block, confidence=True)
    if not config.json:
        print_confidence(words, sure)
        return
    for line in lines_of(words, sure):
        content = {"words": [word for word, _ in line]}
        if config.confidence:
            content["confidence"] = [round(p, 4) for _, p in line]
        print(json.dumps(content, ensure_ascii=False))


def lines_of(words, sure):
    """The words of each line with their probabilities, without the blanks between them. Of a line that is
    longer than a block each part is a line here."""
    line = []
    for word, p in zip(words, sure):
        if not word.isspace():
            line.append((word, p))
            continue
        for _ in range(word.count("\n")):
            yield line
            line = []
    if line:
        yield line


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
