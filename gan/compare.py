"""The rows of README.md from runs of gan/train.py or gan/encoders.py, and their distances as curves.

Runs that differ in their seed alone make one row, mean ± standard deviation. Runs with --distances are drawn
into one picture.

    python gan/compare.py runs/gan/wgan_div-* runs/gan/gan_qp_l2-*
"""

import csv
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from dataclasses import dataclass

import numpy as np
import tyro

from common.harness import cli
from common.harness.folder import settings_of
from common.harness.reading import InputError, read_text
from common.harness.writing import ROOT, shown
from gan import report


@dataclass
class Config:
    runs: tyro.conf.Positional[tuple[pathlib.Path, ...]] = ()
    """Folders of finished runs."""
    out: pathlib.Path = ROOT / "runs/gan/compared"
    """Folder for distances.png; a file of that name there is replaced."""


def compare(config):
    if not config.runs:
        raise InputError("gan/compare.py expects run folders of gan/train.py or gan/encoders.py. "
                         "Received: none")
    groups = {}
    for folder in config.runs:
        groups.setdefault(settings_of(folder), []).append(results_of(folder))
    for rows in groups.values():
        print_row(rows)
    logs = {name_of(folder): log_of(folder) for folder in config.runs}
    measured = {name: log for name, log in logs.items() if report.distance_of(log[0])}
    if measured:
        path = pathlib.Path(config.out) / "distances.png"
        report.save_distances(measured, path)
        print(shown(path))


def results_of(folder):
    """What results.json holds."""
    path = folder / "results.json"
    if not path.is_file():
        raise InputError(f"expected the folder of a finished run, with results.json. Received: {folder}")
    try:
        results = json.loads(read_text(path))
        metrics = as_numbers(results["metrics"])
        return {"objective": results["config"]["objective"], "seed": int(results["seed"]),
                "minutes": float(results["minutes"]), "metrics": metrics}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} should hold the results of gan/train.py or gan/encoders.py, but cannot be "
                         f"read: {error!r}") from error


def log_of(folder):
    """The rows of log.csv, name → number."""
    path = folder / "log.csv"
    try:
        rows = [as_numbers(row) for row in csv.DictReader(read_text(path).splitlines())]
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} should hold a row of numbers for each epoch, but cannot be read: "
                         f"{error}") from error
    if not rows or "epoch" not in rows[0]:
        raise InputError(f"{path} should hold a row of numbers for each epoch. Received: {len(rows)} rows")
    return rows


def as_numbers(row):
    return {name: float(value) for name, value in row.items()}


def name_of(folder):
    results = results_of(folder)
    return f"{results['objective']}, seed {results['seed']}"


def print_row(rows):
    """The metrics of runs that differ in their seed alone."""
    rows = sorted(rows, key=lambda row: row["seed"])
    seeds = ", ".join(str(row["seed"]) for row in rows)
    minutes = ", ".join(format(row["minutes"], ".0f") for row in rows)
    print(f"{rows[0]['objective']}, seeds {seeds}, minutes {minutes}")
    for name in rows[0]["metrics"]:
        values = [row["metrics"][name] for row in rows if name in row["metrics"]]
        spread = f" ± {np.std(values, ddof=1):.4g}" if len(values) > 1 else ""
        print(f"{name:>44} {np.mean(values):.4g}{spread}")


if __name__ == "__main__":
    cli.main(compare, Config, __doc__)
