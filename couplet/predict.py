"""Answers the first line of a couplet, from the model in couplet/weights.

    python couplet/predict.py 晚风摇树树还挺            five answers, the best first
    python couplet/predict.py --interactive            one line after the other
    python couplet/predict.py < lines.txt              the best answer to each line of a file
    python couplet/predict.py 今天天气不错 --run runs/couplet/gated_conv-...
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Literal

import tyro

from common import runs
from couplet import decoding, evaluate


@dataclass
class Config:
    lines: tyro.conf.Positional[tuple[str, ...]] = ()
    """First lines. None: they are read from standard input."""
    run: pathlib.Path = runs.ROOT / "couplet/weights/couplet.keras"
    """Run folder of couplet/train.py, or a .keras file with vocab.json beside it."""
    candidates: int | None = None
    """Answers to each line: 5 by default, and 1 where lines come from standard input."""
    differ: int = 2
    """Characters in which answers to one line differ at least."""
    forbid: Literal["none", "position", "line"] = "line"
    """Characters of the first line that an answer may not have: none, the one at the same position, all."""
    repeat: bool = True
    """Answers repeat characters exactly where the first line does."""
    symbols: bool = True
    """Punctuation stands where it stands in the first line, and nowhere else."""
    interactive: bool = False
    """Asks for one line after the other, until an empty one."""


def predict(config):
    """Prints the answers; returns the number of lines that could not be answered."""
    for name, most in [("candidates", 50), ("differ", decoding.LONGEST)]:
        if getattr(config, name) is not None and not 1 <= getattr(config, name) <= most:
            raise runs.InputError(f"{runs.option(name)} expects 1 to {most}. Received: {getattr(config, name)}")
    robot = evaluate.load(config.run, decoding.Rules(config.forbid, config.repeat, config.symbols))
    from_input = not config.lines and not config.interactive and not sys.stdin.isatty()
    count, failed = config.candidates or (1 if from_input else 5), 0
    for line in config.lines or typed(sys.stdin, not from_input):
        try:
            show(robot, line, count, config.differ)
        except runs.InputError as error:
            if len(config.lines) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)
            failed += 1
    if failed and not config.interactive:
        raise runs.InputError(f"{failed} lines could not be answered")


def typed(stream, prompt):
    """Lines of a stream, until an empty one where there is a prompt; empty lines of a file are left out."""
    while True:
        print("上联：", end="", flush=True) if prompt else None
        try:
            line = stream.readline()
            line.encode()
        except UnicodeError as error:
            raise runs.InputError("standard input should be text in UTF-8: convert it, for instance with "
                                  f"iconv -f gb18030 -t utf-8. Received: {error}") from error
        if not line or (prompt and not line.strip()):
            return
        if line.strip():
            yield line


def show(robot, line, count, differ):
    cleaned, notes = decoding.clean(line, robot.vocab)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if count == 1:
        print(f"{cleaned}\t{robot.answers(cleaned, 1)[0].text}", flush=True)
        return
    print(cleaned)
    for answer in robot.answers(cleaned, count, min(differ, len(robot.decoder.groups_of(cleaned)))):
        print(f"  {answer.text}   {answer.log_p:.1f}", flush=True)


if __name__ == "__main__":
    runs.main(predict, Config, __doc__)
