"""Speed of each article and layer beside what a reader would run instead, as one table.

    make bench                  sets up PyTorch, and the original's Keras 2 where Python 3.7 is installed
    python benchmarks/run.py --rounds 5
    python benchmarks/run.py --article crf
    python benchmarks/run.py --article couplet --task mixers

Contenders are the files of benchmarks/<article>/, each measured by benchmarks/clock.py in a process of its
own. They take turns (A B C A B C ...), so that a machine whose speed drifts is unfair to none; quoted are
medians over all rounds, and the ratio of ours, which is the first, to each. Random data of the real shape:
speed does not depend on the pixels. Writes benchmarks/results.json.
"""

import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from common.harness import cli, provenance
from common.harness.reading import InputError
from common.harness.writing import ROOT, shown, write_json

FOLDER = ROOT / "benchmarks"
RESULTS = FOLDER / "results.json"
ARTICLES = sorted(path.parent.name for path in FOLDER.glob("*/tasks.py"))
ABSENT = "not installed:"
KERAS2 = os.environ.get("KERAS2_PYTHON", str(ROOT / ".venv-keras2/bin/python"))


@dataclass
class Config:
    rounds: Annotated[int, cli.Between(1, 1000)] = 3
    """Processes of each contender; each reports some epochs after a warm-up."""
    article: str = ""
    """Run the folders of benchmarks/ whose names begin with this; empty: all."""
    task: str = ""
    """Run the tasks of their tasks.py whose names begin with this; empty: all."""


def tasks_of(article):
    """task → (what is counted, contender → its name)."""
    return importlib.import_module(f"benchmarks.{article}.tasks").TASKS


def measure(article, contender):
    """Samples per second of each epoch, or the reason why there are none."""
    file, *arguments = contender.split()
    interpreter = KERAS2 if file == "keras2" else sys.executable
    command = [interpreter, "-m", f"benchmarks.{article}.{file}", *arguments]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    except FileNotFoundError:
        return f"{ABSENT} {pathlib.Path(interpreter).parent.parent.name}"
    except subprocess.TimeoutExpired:
        return "took more than 600 seconds"
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["failed"])[-1][:80]
        return reason.replace("ModuleNotFoundError: No module named", ABSENT)
    return json.loads(result.stdout.strip().splitlines()[-1])


def rounds_of(article, contenders, rounds):
    """contender → its speeds of all rounds, or why it has none."""
    found = {contender: [] for contender in contenders}
    for _ in range(rounds):
        for contender, speeds in found.items():
            if isinstance(speeds, str):
                continue
            outcome = measure(article, contender)
            found[contender] = outcome if isinstance(outcome, str) else speeds + outcome
    return found


def rows_of(article, task, unit, contenders, rounds, absent):
    """Measures one task, prints its table and returns its rows. What is not installed is noted once, in the
    set `absent`."""
    found, rows = rounds_of(article, contenders, rounds), []
    print(f"\n{article}, {task}: {unit}\n{'':40}{'median':>10}{'min':>10}{'max':>10}   ours is")
    ours = next(iter(found.values()))
    for contender, speeds in found.items():
        name = contenders[contender]
        if isinstance(speeds, str):
            if speeds not in absent:
                print(f"{name:40}{speeds}")
            if speeds.startswith(ABSENT):
                absent.add(speeds)
            continue
        row = {"article": article, "task": task, "unit": unit, "contender": name,
               "median": statistics.median(speeds), "min": min(speeds), "max": max(speeds)}
        if not isinstance(ours, str):
            row["ours_is_times_as_fast"] = statistics.median(ours) / row["median"]
        speeds = "".join(f"{row[name]:10,.0f}" for name in ("median", "min", "max"))
        print(f"{name:40}{speeds}"
              f"{row.get('ours_is_times_as_fast', float('nan')):8.2f} times as fast", flush=True)
        rows.append(row)
    return rows


def main(config):
    chosen = [article for article in ARTICLES if article.startswith(config.article)]
    if not chosen:
        raise InputError(f"--article expects the beginning of {', '.join(ARTICLES)}. "
                         f"Received: {config.article}")
    measured = []
    for article in chosen:
        measured += [(article, task) for task in tasks_of(article) if task.startswith(config.task)]
    if not measured:
        raise InputError(f"--task expects the beginning of a task of {', '.join(chosen)}. "
                         f"Received: {config.task}")
    about = {"commit": provenance.commit(), "machine": provenance.machine(),
             "versions": provenance.versions(["keras", "numpy", "tensorflow"])}
    rows, absent = [], set()
    for article, task in measured:
        unit, contenders = tasks_of(article)[task]
        rows += [row | about for row in rows_of(article, task, unit, contenders, config.rounds, absent)]
    if RESULTS.exists():                                  # the rows of what was not measured stay
        before = json.loads(RESULTS.read_text())["rows"]
        rows += [row for row in before if (row["article"], row["task"]) not in measured]
    write_json(RESULTS, {"rows": rows})
    print(f"\n{about['machine']}; written to {shown(RESULTS)}")


if __name__ == "__main__":
    cli.main(main, Config, __doc__)
