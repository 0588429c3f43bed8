"""make faults: everything that can go wrong, to every article, counted. Hours on two cores; each part runs alone, too.

    python faults/run.py                                       all, into faults.json
    python faults/run.py --parts kill --articles vae crf --kills 5 --out try.json
    python faults/run.py --readme                              writes the figures of faults.json into README.md

Parts: kill, surroundings, diverge, twice (training scripts), models (model files), readers (fuzzing), downloads, layers.
A part that runs replaces its figures in the file, each with its own commit and machine.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import collections
import json
import time
from dataclasses import dataclass

from faults import downloads, processes
from faults.guided import guided
from faults.readers import READERS
from faults.scripts import ROOT, SCRIPTS
from faults.warm import Warm

COMMON = ("downloads", "layers")                    # parts that belong to no article
PARTS = ("kill", "surroundings", "diverge", "twice", "models", "readers", *COMMON)
SHIPPED = ["vae/weights/vae.keras", "flow_nice/weights/nice-small.keras", "crf/weights/fast/model.keras"]


@dataclass
class Config:
    parts: tuple[str, ...] = PARTS
    """Which parts."""
    articles: tuple[str, ...] = tuple(SCRIPTS)
    """Which articles."""
    kills: int = 30
    """Kills of each script."""
    flips: int = 200
    """Bits that are flipped in each article's model, one at a time."""
    inputs: int = 100_000
    """Inputs for each reader."""
    shapes: int = 10
    """Random shapes for each layer and promise."""
    out: pathlib.Path = ROOT / "faults.json"
    """Where the figures go."""
    readme: bool = False
    """Runs nothing: writes the figures into README.md."""


def one(part, script, warm, place, config):
    """The figures of one part for one article."""
    if part == "kill":
        return processes.kill(script, warm, place, config.kills)
    if part == "models":
        run, _ = processes.uninterrupted(script, warm, place / "whole")
        others = [ROOT / path for path in SHIPPED if not path.startswith(script.article + "/")]
        (folder := place / "models").mkdir()
        return warm.call("faults.models:attack", script.article, run, others, config.flips, folder, folder=folder)
    if part == "readers":
        names = [name for name, (article, _) in READERS.items() if article == script.article]
        found = [warm.call("faults.readers:fuzz", name, config.inputs, folder=place) for name in names]
        more = [guided(name, config.inputs) for name in names]
        return {"inputs": sum(f["inputs"] for f in found), "refused": sum(f["refused"] for f in found),
                "guided": sum(f["guided"] for f in more), "readers": len(names),
                "faults": [f"{name}: {fault}" for name, f in zip(names * 2, found + more) for fault in f["faults"]]}
    return getattr(processes, part)(script, warm, place)


def common(part, place, config):
    if part == "downloads":
        return downloads.downloads(place)
    with Warm("faults.layers") as warm:
        return warm.call("faults.layers:promises", config.shapes, folder=place)


def run(config):
    """Runs the parts and writes the file after each; returns the number of faults."""
    from common import runs

    wrong = [name for name in (*config.parts, *config.articles) if name not in (*PARTS, *SCRIPTS)]
    if wrong:
        raise runs.InputError(f"expected parts of {', '.join(PARTS)} and articles of {', '.join(SCRIPTS)}. "
                              f"Received: {wrong[0]}")
    figures = json.loads(config.out.read_text()) if config.out.exists() else {}
    faults = 0

    def keep(part, article, function, *arguments):
        nonlocal faults
        start = time.monotonic()
        try:
            found = function(*arguments)
        except (RuntimeError, OSError) as error:        # the other parts can still run
            found = {"faults": [f"it could not be tried: {str(error)[-600:]}"]}
        found["seconds"] = round(time.monotonic() - start, 1)
        faults += len(found["faults"])
        made = {"commit": runs.commit(), "machine": runs.machine(), "versions": runs.versions()}
        figures.setdefault(part, {})[article] = {**found, **made}
        runs.write_json(config.out, figures)
        print(f"{part:>12} {article:>11}", ", ".join(f"{name} {value}" for name, value in found.items() if name != "faults"))
        print("".join(f"             FAULT {fault}\n" for fault in found["faults"]), end="", flush=True)

    for article in config.articles:
        if parts := [part for part in config.parts if part not in COMMON]:
            with Warm(f"{article}.train") as warm, processes.scratch_folder() as place:
                for part in parts:
                    keep(part, article, one, part, SCRIPTS[article], warm, place, config)
    for part in config.parts:
        if part in COMMON:
            with processes.scratch_folder() as place:
                keep(part, "all", common, part, place, config)
    print(f"{faults} faults; the figures are in {runs.shown(config.out)}")
    return faults


# -------------------------------------------------------------------------------------------------------------- README

ROWS = [      # what is promised; part; what stands in the table, from the sums of its figures over the articles
    ("A training that is killed at any moment continues with `--resume` and ends as if nothing had been", "kill",
     "{kills:,} kills, {resumes:,} resumed, {losses:,} losses; {bit for bit:,} of {runs:,} runs ended bit for bit the same"),
    ("A full disk, a folder that is read-only or removed, two processes in one folder: one line, the files stay",
     "surroundings", "{cases:,} cases"),
    ("A loss that explodes or is no longer a number ends the training within the epoch, with the step", "diverge",
     "{articles:,} scripts"),
    ("The same seed gives the same results, to the last bit (TensorFlow, CPU)", "twice",
     "{metrics:,} metrics of {articles:,} scripts"),
    ("A model file that is damaged, another\'s or an attack is refused with one line, and nothing of it is run", "models",
     "{refused:,} refused; {harmless:,} taken, whose damage changed no weight"),
    ("Whatever stands in a file, its reader takes it or says what is wrong", "readers",
     "{inputs:,} inputs to {readers:,} readers, {refused:,} refused; {guided:,} more that coverage led to"),
    ("A download is the right file or none, and writes nowhere but in the cache", "downloads",
     "{downloads:,} downloads, {refused:,} refused"),
    ("A layer gives the same numbers in whatever way it is used, on both backends", "layers",
     "{layers:,} layers, {trials:,} trials"),
]
BEGIN, END = "<!-- figures of faults.json -->\n", "<!-- end of the figures -->\n"


def table(figures):
    """The figures as the README shows them; cells of parts that have not run are empty."""
    rows = ["| promise | tested by | figures | faults |", "|---|---|---|---|"]
    for promise, part, pattern in ROWS:
        found = list(figures.get(part, {}).values())
        sums = {name: sum(f.get(name) or 0 for f in found) for f in found for name in f if isinstance(f[name], int)}
        sums = collections.defaultdict(int, articles=len(found), **sums)
        cells = [pattern.format_map(sums) if found else "",
                 sum(len(f["faults"]) for f in found) if found else ""]
        rows.append("| " + " | ".join(map(str, [promise, f"`make faults ARGS=\"--parts {part}\"`", *cells])) + " |")
    return "\n".join(rows) + "\n"


def readme(figures, path=ROOT / "README.md"):
    """Puts the table between the two marks of README.md."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    path.write_text(before + BEGIN + table(figures) + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    import tyro

    from common.runs import InputError

    config = tyro.cli(Config, description=__doc__)
    try:
        if config.readme:
            readme(json.loads(config.out.read_text()))
        elif run(config):
            raise SystemExit(1)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
