"""Answers the first line of a couplet, from the models in couplet/weights.

    python couplet/predict.py 晚风摇树树还挺            five answers, the best first
    python couplet/predict.py --interactive            one line after the other
    python couplet/predict.py < lines.txt              the best answer to each line of a file
    python couplet/predict.py --tones old 今天天气不错   answers that keep 平仄
    python couplet/predict.py --json < lines.txt       for programs: a line of JSON for each line
    python couplet/predict.py 今天天气不错 --run runs/couplet/attention-... --no-rerank
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from common.harness import cli, console, progress
from common.harness.language import in_users_language
from common.harness.reading import InputError
from couplet.decoding import LONGEST, Rules, clean
from couplet.robot import RARITY, SCORER, WEIGHTS, Robot, companion
from couplet.scorer import Scorer


@dataclass
class Config:
    lines: tyro.conf.Positional[tuple[str, ...]] = ()
    """First lines to answer. Without any, they are read from standard input."""
    run: pathlib.Path = WEIGHTS
    """Run folder of couplet/train.py, or a .keras file with vocab.json beside it."""
    together: bool = True
    """The article's network answers together with the shipped model. A model of your own answers alone."""
    candidates: Annotated[int, cli.Between(1, 50)] | None = None
    """Answers to each line: 5 by default, and 1 where lines come from standard input."""
    differ: Annotated[int, cli.Between(1, LONGEST)] = 2
    """Characters in which any two answers to one line differ at least."""
    forbid: Literal["none", "position", "line"] = "line"
    """Characters of the first line that an answer may not have: none, the one at the same position, all."""
    repeat: bool = True
    """Answers repeat characters exactly where the first line does."""
    symbols: bool = True
    """Punctuation stands where it stands in the first line, and nowhere else."""
    tones: Literal["off", "modern", "old"] = "off"
    """平仄: answers have the opposite tones of the first line. That holds at even places and at the end of a
    clause; modern: by the sounds of today, old: by those of verse, off: tones are free."""
    rarity: Annotated[float, cli.Between(0, 10)] = RARITY
    """How much answers avoid characters that fit any line."""
    rerank: bool = True
    """The best answers are ordered anew by how well their characters fit each other."""
    scorer: pathlib.Path = SCORER
    """Model that re-ranks: a run folder of couplet/train_scorer.py, or a .keras file with vocab.json beside
    it."""
    json: bool = False
    """Print a line of JSON for each line. It has first, notes and answers (text, log_p and score), or
    error."""
    interactive: bool = False
    """Ask for one line after the other, until an empty one."""


def predict(config):
    rules = Rules(config.forbid, config.repeat, config.symbols, config.tones, config.rarity)
    scorer = Scorer.load(config.scorer) if config.rerank else None
    robot = Robot.load(config.run, rules, scorer, other=companion(config.run, config.together))
    from_file = not config.lines and not config.interactive and not console.is_typed()
    count = config.candidates or (1 if from_file else 5)
    show = show_json if config.json else show_text
    lines = config.lines or console.read_lines("" if from_file else "上联：")
    failed = 0
    # a user who sees the answers needs no bar among them
    for line in progress.bar(lines, unit=(" lines", " 行"), disable=not from_file or sys.stdout.isatty()):
        try:
            show(robot, line, count, config.differ)
        except InputError as error:
            if len(config.lines) == 1 and not config.json:
                raise
            failed += 1
            show_error(line, error, config.json)
    if failed and not config.interactive:
        raise InputError(in_users_language(f"{failed} lines could not be answered",
                                           f"有 {failed} 行无法作对"))


def answers_to(robot, line, count, differ):
    """(the line as it was answered, notes about what was changed in it, the answers)."""
    cleaned, notes = clean(line, robot.vocab)
    # two answers cannot differ in more characters than they choose
    differ = min(differ, len(robot.decoder.groups_of(cleaned)))
    return cleaned, notes, robot.answers(cleaned, count, differ)


def show_text(robot, line, count, differ):
    """Prints the answers to a line, and what had to be changed in it."""
    cleaned, notes, answers = answers_to(robot, line, count, differ)
    for note in notes:
        print(in_users_language(f"note: {note}", f"注意：{note}"), file=sys.stderr)
    if count == 1:
        print(f"{cleaned}\t{answers[0].text}", flush=True)
        return
    print(cleaned)
    for answer in answers:
        print(f"  {answer.text}   {answer.score:.1f}", flush=True)


def show_json(robot, line, count, differ):
    """The same as one line of JSON."""
    cleaned, notes, answers = answers_to(robot, line, count, differ)
    found = [{"text": answer.text, "log_p": round(answer.log_p, 3), "score": round(answer.score, 3)}
             for answer in answers]
    print(json.dumps({"first": cleaned, "notes": notes, "answers": found}, ensure_ascii=False), flush=True)


def show_error(line, error, as_json):
    if as_json:
        # a lone surrogate is no text, and shown as it is escaped
        line = line.encode("utf-8", "backslashreplace").decode("utf-8")
        print(json.dumps({"first": line, "error": str(error)}, ensure_ascii=False), flush=True)
    else:
        console.print_error(error)


if __name__ == "__main__":
    cli.main(predict, Config, __doc__)
