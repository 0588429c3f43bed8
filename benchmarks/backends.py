"""The same short run of each article on TensorFlow, JAX and PyTorch, as a table: they should agree within
what a seed changes.

    python benchmarks/backends.py                            every article, three seeds
    python benchmarks/backends.py --backends torch           one backend, which has to be installed
    python benchmarks/backends.py --articles vae crf --precision mixed_float16

The runs are those of BACKENDS in tests/<article>/cases.py, on the samples that come with the repository: what
they learn is little, and what they compute is everything. Compared is the loss of the last epoch and the
article's metric on test data.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Annotated, Literal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from common.harness import cli
from common.harness.reading import InputError
from common.harness.writing import ROOT
from tests.articles import CASES

RUNS = {article: cases.BACKENDS for article, cases in CASES.items() if cases.BACKENDS}      # options, metric
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


@dataclass
class Config:
    articles: tuple[str, ...] = tuple(RUNS)
    """Articles to run."""
    seeds: Annotated[int, cli.Between(1, 1000)] = 3
    """Runs of each article on each backend."""
    backends: tuple[str, ...] = tuple(BACKENDS)
    """Backends to run, in the order of the columns."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """--precision of all runs."""


def measure(article, backend, seed, precision):
    """(loss of the last epoch, metric) of one run."""
    options, metric = RUNS[article]
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, str(ROOT / article / "train.py"), *options.split(), "--seed", str(seed),
                   "--precision", precision, "--out", out]
        environment = {**os.environ, "KERAS_BACKEND": backend}
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        if result.returncode:
            raise InputError(f"{' '.join(command)} on {backend} ended with {result.stderr[-3000:]}")
        folder, = pathlib.Path(out).glob("*/*")
        header, *_, last = (folder / "log.csv").read_text().splitlines()
        loss = dict(zip(header.split(","), map(float, last.split(","))))["loss"]
        return loss, json.loads((folder / "results.json").read_text())["metrics"][metric]


def cell(values):
    """Mean ± standard deviation."""
    deviation = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4g}{deviation}"


def row_of(article, config):
    """The cells of an article: training loss on each backend, then its metric on each."""
    losses, metrics = [], []
    for backend in config.backends:
        found = [measure(article, backend, seed, config.precision) for seed in range(config.seeds)]
        losses.append(cell([loss for loss, _ in found]))
        metrics.append(cell([metric for _, metric in found]))
    options, metric = RUNS[article]
    return [article, f"`{article}/train.py {options}`", *losses, metric, *metrics]


def main(config):
    wrong = [article for article in config.articles if article not in RUNS]
    if wrong:
        raise InputError(f"--articles expects some of {', '.join(RUNS)}. Received: {wrong[0]}")
    unknown = [backend for backend in config.backends if backend not in BACKENDS]
    if unknown:
        raise InputError(f"--backends expects some of {', '.join(BACKENDS)}. Received: {unknown[0]}")
    names = " | ".join(BACKENDS[backend] for backend in config.backends)
    print(f"| article | command | training loss, {names} | metric | {names} |")
    print("|---" * (3 + 2 * len(config.backends)) + "|")
    for article in config.articles:
        print(f"| {' | '.join(row_of(article, config))} |", flush=True)


if __name__ == "__main__":
    cli.main(main, Config, __doc__)
