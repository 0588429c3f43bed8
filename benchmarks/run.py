"""Speed of each article and layer beside what a reader would run instead, as one table.

    make bench                  sets up PyTorch, and the original's Keras 2 where Python 3.7 is installed
    python benchmarks/run.py --rounds 3 --threads 2
    python benchmarks/run.py --article crf
    python benchmarks/run.py --article couplet --task mixers

Contenders are the files of benchmarks/<article>/, each measured by benchmarks/clock.py in a process of its
own. They take turns (A B C A B C ...), so that a machine whose speed drifts is unfair to none. Each runs on
one core and on two, and the better median counts; quoted is the ratio of ours, which is the first, to each,
with the smallest and largest ratio of a round, and the peak of the process's memory. Random data of the real
shape: speed does not depend on the pixels. Writes benchmarks/results.json.
"""

import collections
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
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
ABSENT = "not installed:"
KERAS2 = os.environ.get("KERAS2_PYTHON", str(ROOT / ".venv-keras2/bin/python"))


@dataclass
class Config:
    rounds: Annotated[int, cli.Between(1, 1000)] = 5
    """Processes of each contender on each number of cores; each reports some epochs after a warm-up."""
    threads: tuple[int, ...] = (1, 2)
    """Cores, and so threads, that a contender gets; the better number counts."""
    article: str = ""
    """Run the folders of benchmarks/ whose names begin with this; empty: all."""
    contenders: tuple[str, ...] = ()
    """Run the contenders that have one of these words in tasks.py, such as torch or KERAS_BACKEND=jax, beside
    the first one of each task, which is ours; by default all."""
    task: str = ""
    """Run the tasks of their tasks.py whose names begin with this; empty: all."""


def tasks_of(article):
    """task → (what is counted, contender → its name)."""
    return importlib.import_module(f"benchmarks.{article}.tasks").TASKS


def chosen_of(contenders, words):
    """The contenders that have one of these words, after the first of all; none where no other has one."""
    if not words:
        return contenders
    first, *others = contenders
    others = [contender for contender in others if set(words) & set(contender.split())]
    return {contender: contenders[contender] for contender in ([first, *others] if others else [])}


def parts_of(contender):
    """(environment, file, arguments) of a contender such as "KERAS_BACKEND=jax ours answers"."""
    words = contender.split()
    environment = dict(word.split("=") for word in words if "=" in word)
    file, *arguments = [word for word in words if "=" not in word]
    return environment, file, arguments


def on_cores(count):
    """A function for a new process that leaves it so many cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        chosen = sorted(os.sched_getaffinity(0))[:count]
        return lambda: os.sched_setaffinity(0, chosen)
    return None


def measure(article, contender, threads):
    """(samples per second of each epoch, peak of memory in MB), or the reason why there are none."""
    environment, file, arguments = parts_of(contender)
    interpreter = KERAS2 if file == "keras2" else sys.executable
    command = [interpreter, "-m", f"benchmarks.{article}.{file}", *arguments]
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads)), **environment}
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600,
                                env=environment, preexec_fn=on_cores(threads))
    except FileNotFoundError:
        return f"{ABSENT} {pathlib.Path(interpreter).parent.parent.name}"
    except subprocess.TimeoutExpired:
        return "took more than 600 seconds"
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["failed"])[-1][:80]
        return reason.replace("ModuleNotFoundError: No module named", ABSENT)
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith(("[", "{"))]
    return lines[-1], max((line["peak_mb"] for line in lines if "peak_mb" in line), default=None)


def rounds_of(article, contenders, config):
    """contender → (its (speeds, peak) of each round on the better number of cores; that number), or why it
    has none."""
    found, failed = collections.defaultdict(list), {}
    for _ in range(config.rounds):
        for threads in config.threads:
            for contender in contenders:
                if contender in failed:
                    continue
                outcome = measure(article, contender, threads)
                if isinstance(outcome, str):
                    failed[contender] = outcome
                else:
                    found[contender, threads].append(outcome)
    chosen = dict(failed)
    for contender in contenders:
        if contender not in failed:
            chosen[contender] = better({threads: found[contender, threads] for threads in config.threads})
    return {contender: chosen[contender] for contender in contenders}


def speeds_of(rounds):
    """The speeds of all rounds."""
    return [speed for speeds, _ in rounds for speed in speeds]


def better(rounds):
    """(rounds, threads) with the highest median speed."""
    threads = max(rounds, key=lambda threads: statistics.median(speeds_of(rounds[threads])))
    return rounds[threads], threads


def row_of(rounds, threads, ours):
    """The numbers of a contender, beside the rounds of ours, which took turns with it."""
    speeds = speeds_of(rounds)
    row = {"threads": threads, "rounds": len(rounds), "median": statistics.median(speeds),
           "min": min(speeds), "max": max(speeds), "peak_mb": rounds[0][1]}
    if ours:
        ratios = [statistics.median(mine) / statistics.median(theirs)
                  for (mine, _), (theirs, _) in zip(ours, rounds)]
        row |= {"ours_is_times_as_fast": statistics.median(ratios), "least": min(ratios),
                "most": max(ratios)}
    return row


def rows_of(article, task, contenders, config, absent):
    """Measures one task, prints its table and returns its rows. What is not installed is noted once, in the
    set `absent`."""
    unit, contenders = contenders
    found = rounds_of(article, contenders, config)
    titles = "".join(f"{title:>10}" for title in ("median", "min", "max"))
    print(f"\n{article}, {task}: {unit}\n{'':40}{'cores':>6}{titles}{'MB':>7}   ours is")
    ours = next(iter(found.values()))
    ours = None if isinstance(ours, str) else ours[0]
    rows = []
    for contender, outcome in found.items():
        name = contenders[contender]
        if isinstance(outcome, str):
            if outcome not in absent:
                print(f"{name:40}{outcome}")
            if outcome.startswith(ABSENT):
                absent.add(outcome)
            continue
        row = row_of(*outcome, ours)
        speeds = "".join(f"{row[key]:10,.0f}" for key in ("median", "min", "max"))
        ratio = "" if not ours else (f"{row['ours_is_times_as_fast']:8.2f} times as fast "
                                     f"({row['least']:.2f} to {row['most']:.2f})")
        print(f"{name:40}{row['threads']:6}{speeds}{row['peak_mb'] or '':>7}{ratio}", flush=True)
        rows.append({"article": article, "task": task, "unit": unit, "contender": name} | row)
    return rows


def keep(rows):
    """Writes the rows; those of contenders that are not measured this time stay, if they still exist."""
    def contender_of(row):
        return row["article"], row["task"], row["contender"]

    known = {(article, task, name) for article in ARTICLES
             for task, (_, contenders) in tasks_of(article).items() for name in contenders.values()}
    before = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    stay = known - set(map(contender_of, rows))
    write_json(RESULTS, {"rows": rows + [row for row in before if contender_of(row) in stay]})


def main(config):
    chosen = [article for article in ARTICLES if article.startswith(config.article)]
    if not chosen:
        raise InputError(f"--article expects the beginning of {', '.join(ARTICLES)}. "
                         f"Received: {config.article}")
    measured = []
    for article in chosen:
        for task, (unit, contenders) in tasks_of(article).items():
            contenders = chosen_of(contenders, config.contenders)
            if contenders and task.startswith(config.task):
                measured.append((article, task, (unit, contenders)))
    if not measured:
        raise InputError(f"--task expects the beginning of a task of {', '.join(chosen)}, and --contenders "
                         f"words of its contenders. Received: {config.task!r}, {config.contenders}")
    about = {"commit": provenance.commit(), "machine": provenance.machine(),
             "versions": provenance.versions(["keras", "numpy", "tensorflow"])}
    cores = os.cpu_count() or 1
    config.threads = tuple(count for count in config.threads if count <= cores) or (1,)
    rows, absent = [], set()
    for article, task, contenders in measured:
        new = rows_of(article, task, contenders, config, absent)
        rows += [row | about for row in new]
        keep(rows)
    print(f"\n{about['machine']}; written to {shown(RESULTS)}")


if __name__ == "__main__":
    cli.main(main, Config, __doc__)
