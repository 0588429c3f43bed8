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
from typing import Annotated, Literal

import tyro

from common.harness import cli, console
from common.harness.reading import InputError
from common.harness.writing import ROOT
from couplet.decoding import LONGEST, Rules, clean
from couplet.robot import Robot


@dataclass
class Config:
    lines: tyro.conf.Positional[tuple[str, ...]] = ()
    """First lines. None: they are read from standard input."""
    run: pathlib.Path = ROOT / "couplet/weights/couplet.keras"
    """Run folder of couplet/train.py, or a .keras file with vocab.json beside it."""
    candidates: Annotated[int, cli.Between(1, 50)] | None = None
    """Answers to each line: 5 by default, and 1 where lines come from standard input."""
    differ: Annotated[int, cli.Between(1, LONGEST)] = 2
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
    robot = Robot.load(config.run, Rules(config.forbid, config.repeat, config.symbols))
    from_file = not config.lines and not config.interactive and not console.is_typed()
    count = config.candidates or (1 if from_file else 5)
    failed = 0
    for line in config.lines or console.read_lines("" if from_file else "上联："):
        try:
            show(robot, line, count, config.differ)
        except InputError as error:
            if len(config.lines) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)
            failed += 1
    if failed and not config.interactive:
        raise InputError(f"{failed} lines could not be answered")


def show(robot, line, count, differ):
    """Prints the answers to a line, and what had to be changed in it."""
    cleaned, notes = clean(line, robot.vocab)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if count == 1:
        print(f"{cleaned}\t{robot.answers(cleaned, 1)[0].text}", flush=True)
        return
    print(cleaned)
    # two answers cannot differ in more characters than they choose
    for answer in robot.answers(cleaned, count, min(differ, len(robot.decoder.groups_of(cleaned)))):
        print(f"  {answer.text}   {answer.log_p:.1f}", flush=True)


if __name__ == "__main__":
    cli.main(predict, Config, __doc__)
