"""make stress: everything that can go wrong, to every article, counted. Hours on two cores; each part runs
alone, too.

    python tests/stress/run.py                                    all, into tests/stress/results.json
    python tests/stress/run.py --parts kill --articles vae crf --kills 5 --out try.json
    python tests/stress/run.py --page                             writes the figures into docs/reliability.md

Parts: kill, surroundings, diverge, twice, ends (training scripts), models (model files), readers (fuzzing),
limits (memory and seconds of readers), downloads, layers, visitors (of the page of make demo, which needs
requirements-demo.txt). A part that runs replaces its figures in the file, each with its own commit and
machine.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import collections
import json
import time
from dataclasses import dataclass
from typing import Annotated

from common.harness import cli, provenance
from common.harness.reading import InputError, read_text
from common.harness.writing import ROOT, shown, write_json
from tests.stress import downloads, processes
from tests.stress.ends import ends
from tests.stress.guided import guided
from tests.stress.readers import READERS
from tests.stress.scripts import SCRIPTS
from tests.stress.visitors import visitors
from tests.stress.warm import Warm

COMMON = ("limits", "downloads", "layers", "visitors")        # parts that belong to no article
PARTS = ("kill", "surroundings", "diverge", "twice", "ends", "models", "readers", *COMMON)
RESULTS, PAGE = ROOT / "tests/stress/results.json", ROOT / "docs/reliability.md"
SHIPPED = ["vae/weights/vae.keras", "flow_nice/weights/nice-small.keras", "crf/weights/fast/model.keras"]
PACKAGES = ("keras", "numpy", "tensorflow")


@dataclass
class Config:
    parts: tuple[str, ...] = PARTS
    """Which parts."""
    articles: tuple[str, ...] = tuple(SCRIPTS)
    """Which articles."""
    kills: Annotated[int, cli.Between(1, 10**6)] = 30
    """Kills of each script."""
    seconds: Annotated[int, cli.Between(1, 3600)] = 60
    """After which a run with an option at one of its ends is stopped, if it trains by then."""
    flips: Annotated[int, cli.Between(1, 10**6)] = 200
    """Bits that are flipped in each article's model, one at a time."""
    inputs: Annotated[int, cli.Between(1, 10**9)] = 100_000
    """Inputs for each reader."""
    shapes: Annotated[int, cli.Between(1, 10**6)] = 10
    """Random shapes for each layer and promise."""
    visitors: Annotated[int, cli.Between(1, 1000)] = 50
    """Visitors of the page at once."""
    minutes: Annotated[float, cli.Between(above=0, most=1000)] = 1
    """For how long they ask."""
    out: pathlib.Path = RESULTS
    """Where the figures go."""
    page: bool = False
    """Runs nothing: writes the figures into docs/reliability.md."""


# --------------------------------------------------------------------------------------------------- parts

def of_article(part, script, warm, place, config):
    """The figures of one part for one article."""
    if part == "kill":
        return processes.kill(script, warm, place, config.kills)
    if part == "ends":
        return ends(script, warm, place, config.seconds)
    if part == "models":
        return models(script, warm, place, config)
    if part == "readers":
        return readers(script, warm, place, config)
    return getattr(processes, part)(script, warm, place)


def models(script, warm, place, config):
    run, _ = processes.uninterrupted(script, warm, place / "whole")
    others = [ROOT / path for path in SHIPPED if not path.startswith(script.article + "/")]
    folder = place / "models"
    folder.mkdir()
    arguments = (script.article, run, others, config.flips, folder)
    return warm.call("tests.stress.models:attack", *arguments, folder=folder)


def readers(script, warm, place, config):
    names = [name for name, (article, _) in READERS.items() if article == script.article]
    found = {"inputs": 0, "refused": 0, "guided": 0, "readers": len(names), "faults": []}
    for name in names:
        edited = warm.call("tests.stress.readers:fuzz", name, config.inputs, folder=place)
        led = guided(name, config.inputs)
        found["inputs"] += edited["inputs"]
        found["refused"] += edited["refused"]
        found["guided"] += led["guided"]
        found["faults"] += [f"{name}: {fault}" for fault in edited["faults"] + led["faults"]]
    return found


def of_all(part, place, config):
    """The figures of a part that belongs to no article."""
    if part == "downloads":
        return downloads.downloads(place)
    if part == "visitors":
        return visitors(place, config.visitors, 60 * config.minutes)
    if part == "limits":
        with Warm("tests.stress.limits") as warm:
            return warm.call("tests.stress.limits:limits", place, folder=place)
    with Warm("tests.stress.layers") as warm:
        return warm.call("tests.stress.layers:promises", config.shapes, folder=place)


class Figures:
    """What the parts have found, written to the file after each."""

    def __init__(self, path):
        self.path, self.faults = path, 0
        self.found = figures_in(path) if path.exists() else {}

    def keep(self, part, article, function, *arguments):
        start = time.monotonic()
        try:
            figures = function(*arguments)
        except (RuntimeError, OSError) as error:        # the other parts can still run
            figures = {"faults": [f"it could not be tried: {str(error)[-600:]}"]}
        figures["seconds"] = round(time.monotonic() - start, 1)
        self.faults += len(figures["faults"])
        figures |= {"commit": provenance.commit(), "machine": provenance.machine(),
                    "versions": provenance.versions(PACKAGES)}
        self.found.setdefault(part, {})[article] = figures
        write_json(self.path, self.found)
        report(part, article, figures)


def figures_in(path):
    """part → article → figures, of a file of results.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path} should be a file of results, but is no JSON: {error}") from error


def report(part, article, figures):
    about = ("faults", "commit", "machine", "versions")
    numbers = [f"{name} {value}" for name, value in figures.items() if name not in about]
    print(f"{part:>12} {article:>11} {', '.join(numbers)}", flush=True)
    for fault in figures["faults"]:
        print(f"             FAULT {fault}", flush=True)


def run(config):
    """Runs the parts; returns the number of faults."""
    for name in (*config.parts, *config.articles):
        if name not in (*PARTS, *SCRIPTS):
            raise InputError(f"expected parts of {', '.join(PARTS)} and articles of {', '.join(SCRIPTS)}. "
                             f"Received: {name}")
    figures = Figures(config.out)
    parts = [part for part in config.parts if part not in COMMON]
    for article in config.articles if parts else ():
        with Warm(f"{article}.train") as warm, processes.scratch_folder() as place:
            for part in parts:
                figures.keep(part, article, of_article, part, SCRIPTS[article], warm, place, config)
    for part in config.parts:
        if part in COMMON:
            with processes.scratch_folder() as place:
                figures.keep(part, "all", of_all, part, place, config)
    print(f"{figures.faults} faults; the figures are in {shown(config.out)}")
    return figures.faults


# -------------------------------------------------------------------------------------------------- the page

ROWS = [  # what is promised; part; what stands in the table, from the sums of its figures over the articles
    (
        "A training that is killed at any moment continues with `--resume` and ends as if nothing had been",
        "kill",
        "{kills:,} kills, {resumes:,} resumed, {losses:,} losses; {bit for bit:,} of {runs:,} runs ended bit "
        "for bit the same",
    ),
    (
        "A full disk, a folder that is read-only or removed, two processes in one folder: one line, the "
        "files stay",
        "surroundings",
        "{cases:,} cases",
    ),
    (
        "A loss that explodes or is no longer a number ends the training within the epoch, with the step",
        "diverge",
        "{articles:,} scripts",
    ),
    (
        "The same seed gives the same results, to the last bit (TensorFlow, CPU)",
        "twice",
        "{metrics:,} metrics of {articles:,} scripts",
    ),
    (
        "A number among the options at its least or greatest value trains, or is refused with one line",
        "ends",
        "{runs:,} runs: {ended:,} ended, {stopped:,} trained until they were stopped, {refused:,} refused",
    ),
    (
        "A model file that is damaged, another's or an attack is refused with one line, and nothing of it "
        "is run",
        "models",
        "{refused:,} refused; {harmless:,} taken, whose damage changed no weight",
    ),
    (
        "Whatever stands in a file, its reader takes it or says what is wrong",
        "readers",
        "{inputs:,} inputs to {readers:,} readers, {refused:,} refused; {guided:,} more that coverage led to",
    ),
    (
        "No file of up to 10 MB takes a reader more than 500 MB or 5 s, whatever it unpacks to or computes",
        "limits",
        "{files:,} files, {refused:,} refused; {megabytes:,} MB and {milliseconds:,} ms at most",
    ),
    (
        "A download is the right file or none, and writes nowhere but in the cache",
        "downloads",
        "{downloads:,} downloads, {refused:,} refused",
    ),
    (
        "A layer gives the same numbers in whatever way it is used, on both backends",
        "layers",
        "{layers:,} layers, {trials:,} trials",
    ),
    (
        "Many visitors at once on the page of `make demo` are all answered, and its memory does not grow",
        "visitors",
        "{visitors:,} visitors for {lasted:,} s, {answers:,} answers, {answers a second:.1f} a second, "
        "{errors:,} errors; {megabytes at half:,} MB after half the time, {megabytes:,} MB at the end",
    ),
]
BEGIN, END = "<!-- figures of tests/stress/results.json -->\n", "<!-- end of the figures -->\n"


def table(figures):
    """The figures as the page shows them; cells of parts that have not run are empty."""
    rows = ["| promise | tested by | figures | faults |", "|---|---|---|---|"]
    for promise, part, pattern in ROWS:
        command = f"`make stress ARGS=\"--parts {part}\"`"
        rows.append(f"| {promise} | {command} | {' | '.join(cells(pattern, figures.get(part, {})))} |")
    return "\n".join(rows) + "\n"


def cells(pattern, found):
    """[what was counted, how many faults] of a part, over its articles."""
    if not found:
        return ["", ""]
    sums = collections.Counter(articles=len(found))
    for figures in found.values():
        sums.update({name: value for name, value in figures.items() if isinstance(value, (int, float))})
    faults = sum(len(figures["faults"]) for figures in found.values())
    return [pattern.format_map(sums), str(faults)]


def write_page(figures, path=PAGE):
    """Puts the table between the two marks of the page."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    path.write_text(before + BEGIN + table(figures) + END + after, encoding="utf-8")


def main(config):
    if config.page:
        write_page(figures_in(config.out))
    elif run(config):
        raise SystemExit(1)


if __name__ == "__main__":
    cli.main(main, Config, __doc__)
