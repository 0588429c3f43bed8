"""The same short run of each article on TensorFlow and on JAX, as a table: they should agree within what a seed changes.

    python benchmarks/backends.py                            every article, three seeds
    python benchmarks/backends.py --articles vae crf --precision mixed_float16

The runs are those of the command lines below, on the samples that come with the repository: what they learn is little, and
what they compute is everything. Compared is the loss of the last epoch and the article's metric on test data.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Literal

import tyro

ROOT = pathlib.Path(__file__).resolve().parents[1]
RUNS = {    # article → (options, metric)
    "vae": ("--data digits --epochs 5 --iw-images 0", "test_negative_elbo_grey"),
    "flow_nice": ("--data digits --epochs 5 --width 100", "test_loss_without_noise"),
    "crf": ("--data sample --epochs 3", "f1"),
    "dgcnn": ("--data sample --epochs 6 --width 32 --batch-size 16", "test_f1"),
    "gan": ("--data digits --epochs 5 --width 8 --samples 200", "gap"),
    "couplet": ("--data sample --epochs 5", "test_perplexity"),
    "poetry_vae": ("--data sample --epochs 5 --iw-couplets 0", "test_negative_elbo"),
    "capsule": ("--data digits --epochs 12 --shift 0", "test_accuracy_one_digit"),
}


@dataclass
class Config:
    articles: tuple[str, ...] = tuple(RUNS)
    """Which articles."""
    seeds: int = 3
    """Runs of each on each backend."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """--precision of all runs."""


def measure(article, backend, seed, precision):
    """(loss of the last epoch, metric) of one run."""
    options, metric = RUNS[article]
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, str(ROOT / article / "train.py"), *options.split(), "--seed", str(seed),
                   "--precision", precision, "--out", out]
        result = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"{' '.join(command)} on {backend}:\n{result.stderr[-3000:]}")
        folder, = pathlib.Path(out).glob("*/*")
        header, *_, last = (folder / "log.csv").read_text().splitlines()
        loss = dict(zip(header.split(","), map(float, last.split(","))))["loss"]
        return loss, json.loads((folder / "results.json").read_text())["metrics"][metric]


def cell(values):
    """Mean ± standard deviation."""
    return f"{statistics.mean(values):.4g}" + (f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else "")


def main(config):
    print("| article | command | training loss, TensorFlow | JAX | metric | TensorFlow | JAX |")
    print("|---" * 7 + "|")
    for article in config.articles:
        found = {backend: list(zip(*[measure(article, backend, seed, config.precision) for seed in range(config.seeds)]))
                 for backend in ("tensorflow", "jax")}
        cells = [[cell(found[backend][i]) for backend in ("tensorflow", "jax")] for i in (0, 1)]
        options, metric = RUNS[article]
        print(f"| {article} | `{article}/train.py {options}` | {' | '.join(cells[0])} | {metric} | {' | '.join(cells[1])} |",
              flush=True)


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
