"""The roof of each training step: the time of its matrix products alone, by the fastest library of this
machine, and of the bytes that the optimizer moves.

    python benchmarks/roof.py                 five rounds on one core and on two
    python benchmarks/roof.py --works vae flow_nice --threads 1
    python benchmarks/roof.py --library torch        one library, in this process: GFLOP/s as JSON

The backward pass of a product (m, k) × (k, n) is two more, one for the gradient of each factor, with as many
operations each. A convolution counts as the product of its patches with its kernel. Adam and RMSprop read and
write a weight, its gradient and their averages: seven or five numbers of four bytes. What is between the
products (activations, softmax, recursions, noise) is not counted, so no step reaches the roof; a recursion
over time, as CRF's, has no roof of this kind.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks import clock
from benchmarks.run import THREADS, on_cores
from common.harness import cli, provenance

# work → samples of a step, parameters, numbers that the optimizer moves for each, products (count, m, k, n)
WORKS = {
    "vae": (100, 404_244, 5, [(1, 100, 784, 256), (1, 100, 256, 784)]),
    "flow_nice": (128, 19_158_352, 7, [(4, 128, 392, 1000), (16, 128, 1000, 1000), (4, 128, 1000, 392)]),
    "couplet": (64, 2_647_360, 7, [(6, 448, 384, 256), (1, 448, 128, 8000)]),
    "poetry_vae": (64, 768_648, 7, [(3, 640, 192, 128), (1, 640, 64, 5000), (1, 64, 64, 640)]),
    "capsule": (128, 279_488, 7, [(1, 86_528, 9, 64), (1, 73_728, 576, 64), (1, 12_800, 576, 128),
                                  (1, 8192, 1152, 128)]),
    "dgcnn": (128, 1_770_883, 7, [(6, 32_768, 384, 256), (3, 2048, 384, 256), (1, 32_768, 256, 128)]),
    "nl2sql": (32, 1_450_000, 7, [(4, 2560, 128, 384), (4, 2560, 128, 128), (4, 2560, 128, 512),
                                  (4, 2560, 512, 128)]),
    "attention 128": (8192, 262_144, 0, [(1, 8192, 256, 768), (1, 8192, 256, 256)]),
}
LIBRARIES = {
    "numpy": ("NumPy, OpenBLAS", {}),
    "torch": ("PyTorch", {}),
    "jax": ("JAX", {}),
    "tensorflow": ("TensorFlow, oneDNN", {}),
    "eigen": ("TensorFlow, Eigen", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "xla": ("TensorFlow, XLA", {}),
}


@dataclass
class Config:
    works: tuple[str, ...] = tuple(WORKS)
    """Works to measure."""
    library: Literal["", "numpy", "torch", "jax", "tensorflow", "eigen", "xla"] = ""
    """Measure this library alone, in this process."""
    rounds: Annotated[int, cli.Between(1, 1000)] = 5
    """Processes of each library on each number of cores."""
    threads: tuple[int, ...] = (1, 2)
    """Cores; the better number counts."""
    seconds: float = 0.2
    """Time for each product."""


# ------------------------------------------------------------------------------------------------ one library

def forward_and_backward(x, w, g):
    """x w and the gradients of both factors."""
    return x @ w, g @ w.T, x.T @ g


def products_by(library, arrays):
    """A function that computes the three products and waits for them."""
    if library == "numpy":
        return lambda: forward_and_backward(*arrays)
    if library == "torch":
        import torch

        tensors = [torch.from_numpy(array) for array in arrays]
        return lambda: forward_and_backward(*tensors)
    if library == "jax":
        import jax

        function, tensors = jax.jit(forward_and_backward), [jax.numpy.asarray(array) for array in arrays]
        return lambda: jax.block_until_ready(function(*tensors))
    import tensorflow as tf

    @tf.function(jit_compile=library == "xla")
    def function(x, w, g):
        return x @ w, tf.matmul(g, w, transpose_b=True), tf.matmul(x, g, transpose_a=True)

    tensors = [tf.constant(array) for array in arrays]
    return lambda: [product.numpy() for product in function(*tensors)]


def seconds_of(library, shape, seconds):
    """Of the three products of a shape (m, k, n)."""
    m, k, n = shape
    rng = np.random.default_rng(0)
    work = products_by(library, [rng.random(size, "float32") for size in ((m, k), (k, n), (m, n))])
    work()
    return 1 / clock.rate(work, 1, seconds)


def measure(config):
    """Seconds of a step's products, for each work."""
    found = {}
    for work in config.works:
        products = WORKS[work][3]
        found[work] = sum(count * seconds_of(config.library, shape, config.seconds)
                          for count, *shape in products)
    return found


def bandwidth():
    """Bytes a second that NumPy reads and writes in a sum of two large arrays."""
    a, b, out = (np.zeros(20_000_000, "float32") for _ in range(3))
    return clock.rate(lambda: np.add(a, b, out), 3 * a.nbytes, 1.0)


# ------------------------------------------------------------------------------------------------ all of them

def operations(work):
    """Of a step's products, forward and backward."""
    return sum(6 * count * m * k * n for count, m, k, n in WORKS[work][3])


def one_round(library, config, threads):
    command = [sys.executable, __file__, "--library", library, "--works", *config.works,
               "--seconds", str(config.seconds)]
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads)), **LIBRARIES[library][1]}
    result = subprocess.run(command, env=environment, capture_output=True, text=True,
                            preexec_fn=on_cores(threads))
    if result.returncode:
        return None
    return json.loads(result.stdout.strip().splitlines()[-1])


def row(work, seconds, bytes_a_second):
    """The cells of a work, from the seconds of each library, or None."""
    samples, parameters, numbers, _ = WORKS[work]
    best = min(value for value in seconds if value)
    speeds = [f"{operations(work) / value / 1e9:.0f}" if value else "" for value in seconds]
    moved = 4 * numbers * parameters
    return [work, f"{operations(work) / 1e9:.2f}", *speeds, f"{samples / best:,.0f}", f"{moved / 1e6:.1f}",
            f"{1000 * moved / bytes_a_second:.2f}"]


def main(config):
    if config.library:
        print(json.dumps(measure(config)))
        return
    seconds = {(library, work): [] for library in LIBRARIES for work in config.works}
    for threads in config.threads:
        rounds = {key: [] for key in seconds}
        for _ in range(config.rounds):
            for library in LIBRARIES:
                for work, value in (one_round(library, config, threads) or {}).items():
                    rounds[library, work].append(value)
        for key, values in rounds.items():
            seconds[key] += [statistics.median(values)] if values else []
    bytes_a_second = bandwidth()
    titles = ["work", "GFLOP a step", *(name for name, _ in LIBRARIES.values()), "limit, samples/s",
              "MB of the optimizer", "ms of them"]
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")
    for work in config.works:
        cells = row(work, [min(seconds[library, work], default=None) for library in LIBRARIES],
                    bytes_a_second)
        print(f"| {' | '.join(cells)} |")
    print(f"\nGFLOP/s by library; memory {bytes_a_second / 1e9:.1f} GB/s; {provenance.machine()}")


if __name__ == "__main__":
    cli.main(main, Config, __doc__)
