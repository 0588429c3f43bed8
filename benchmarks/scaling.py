"""The numbers of docs/scaling.md: what each article's model computes and communicates in a step, and how far
it scales.

    KERAS_BACKEND=jax python benchmarks/scaling.py

Parameters come from the scripts' own builders; the forward pass is counted by XLA (multiply and add are two
operations), a training step is taken as three of it. Nothing is timed.
"""

import math
import os
import pathlib
import sys
import types

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import jax
import keras

from capsule.train import build_dynamic
from couplet.train import build_couplet
from crf.train import build_gated
from dgcnn.train import build_dgcnn
from flow_nice.train import build_nice
from gan.train import build_critic, build_generator
from poetry_vae.train import build_poetry_vae
from vae.train import build_conv, build_dense

# (device and link, operations a second that training reaches, bytes a second that a device sends)
LINKS = [
    ("CPU, 0.1 TFLOP/s, 1 Gbit/s", 1e11, 1.25e8),
    ("CPU, 0.1 TFLOP/s, 10 Gbit/s", 1e11, 1.25e9),
    ("GPU, 10 TFLOP/s, 10 Gbit/s", 1e13, 1.25e9),
    ("GPU, 10 TFLOP/s, PCIe, 20 GB/s", 1e13, 2e10),
    ("GPU, 10 TFLOP/s, NVLink, 300 GB/s", 1e13, 3e11),
]


def forward(model, batch, length=None):
    """Operations of a forward pass over a batch of sequences of that length."""
    def sizes(x):
        return [batch, *(length if size is None else size for size in x.shape[1:])]

    shapes = [jax.ShapeDtypeStruct(sizes(x), x.dtype) for x in model.inputs]
    compute = jax.jit(lambda *x: model(x if len(x) > 1 else x[0]))
    return compute.lower(*shapes).cost_analysis()["flops"]


def parameters_of(model):
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def fit(name, batch, model, length=None):
    """(name, batch, parameters, all-reduced numbers, operations) of a step of model.fit."""
    count = parameters_of(model)
    return name, batch, count, count, 3 * forward(model, batch, length)


def gan(batch):
    """Two updates of the critic, on a batch of real and one of generated images, and one of the generator."""
    generator, critic = build_generator(), build_critic()
    g, t = parameters_of(generator), parameters_of(critic)
    create, score = forward(generator, batch), forward(critic, batch)
    return "gan", batch, g + t, g + 2 * t, 2 * (create + 3 * 2 * score) + 3 * (create + score)


def steps():
    features = types.SimpleNamespace(vocab=range(4700), pairs=range(60_000))        # about those of SXU
    yield fit("vae, dense", 100, build_dense())
    yield fit("vae, convolutions", 100, build_conv())
    yield fit("flow_nice", 128, build_nice())
    yield fit("flow_nice --width 256 --hidden 3", 128, build_nice(width=256, hidden=3))
    yield fit("crf, sentences of 48", 64, build_gated(features, 0.4), 48)
    yield fit("dgcnn, passages of 256", 128, build_dgcnn(6000), 256)
    yield gan(64)
    yield fit("couplet, lines of 9", 64, build_couplet(8000), 9)
    yield fit("poetry_vae", 64, build_poetry_vae(5000))
    yield fit("capsule", 128, build_dynamic(), 28)


def limit(numbers, operations, speed, bandwidth):
    """The devices N whose communication takes as long as computation: 2 (N − 1)/N · 4 P / W = C / (N R)."""
    return 1 + operations * bandwidth / (8 * numbers * speed)


def main():
    keras.utils.set_random_seed(0)
    titles = ["article", "batch", "parameters", "MB all-reduced", "GFLOP a step", "FLOP for each byte"]
    titles += [name for name, *_ in LINKS]
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")
    for name, batch, parameters, numbers, operations in steps():
        cells = [name, str(batch), f"{parameters:,}", f"{4 * numbers / 1e6:.1f}", f"{operations / 1e9:.3g}",
                 f"{operations / (4 * numbers):.0f}"]
        cells += [f"{limit(numbers, operations, speed, bandwidth):.3g}" for _, speed, bandwidth in LINKS]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
