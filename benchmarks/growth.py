"""How the time of a training step grows with its sizes: CRF log-likelihood, self-attention and capsule
routing, forward and backward, as a log-log picture.

    python benchmarks/growth.py                    a few minutes; draws docs/growth.png and prints the table

One size at a time is halved and doubled around a middle; the others stay. The slope is that of the last
doubling: 1 is linear growth, 2 quadratic.
"""

import pathlib
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Annotated

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from common import crf
from common.attention import SelfAttention
from common.capsule import Capsule
from common.harness import cli, provenance
from common.harness.memory import keep_freed_memory
from common.harness.writing import ROOT


@dataclass
class Config:
    repeats: Annotated[int, cli.Between(1, 1000)] = 7
    """Steps of which the median is taken."""
    doublings: Annotated[int, cli.Between(1, 6)] = 3
    """How often a size is halved and doubled."""


# ------------------------------------------------------------------------------------------------- the layers

def crf_step(batch, length, tags):
    """log Z and its gradients."""
    layer = crf.CRF(tags)
    h = tf.random.normal((batch, length, tags))
    layer.build(h.shape)
    mask, y = tf.ones((batch, length), bool), tf.zeros((batch, length), "int32")

    def loss(h):
        potentials = layer.potentials(h, mask)
        return tf.reduce_mean(crf.fast_log_partition(potentials) - crf.path_score(potentials, y))

    return step_of(loss, h, layer, jit_compile=True)


def attention_step(batch, length, width):
    """SelfAttention with four heads."""
    return layer_step(SelfAttention(4), tf.random.normal((batch, length, width)))


def capsule_step(batch, inputs, capsules):
    """Capsule with inputs of 16 numbers and outputs of 16, three routings."""
    return layer_step(Capsule(capsules, 16), tf.random.normal((batch, inputs, 16)))


def layer_step(layer, x):
    layer.build(x.shape)
    return step_of(lambda x: tf.reduce_sum(tf.square(layer(x))), x, layer)


def step_of(loss, x, layer, jit_compile=False):
    """A compiled function that computes the gradients of the layer's weights and of x, and waits."""
    variables = [variable.value for variable in layer.trainable_variables]

    @tf.function(jit_compile=jit_compile)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(x)
        return tape.gradient(value, [x, *variables])

    return lambda: step(x)[0].numpy()


LAYERS = {                                                  # name → (step, the sizes in the middle)
    "CRF log-likelihood": (crf_step, {"batch": 64, "length": 64, "tags": 16}),
    "self-attention": (attention_step, {"batch": 8, "length": 512, "width": 256}),
    "capsule routing": (capsule_step, {"batch": 32, "inputs": 256, "capsules": 16}),
}


# ------------------------------------------------------------------------------------------ time and picture

def seconds(work, repeats):
    """The median of some calls, after one that compiles."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def growth(build, middle, config):
    """size → ([its values], [seconds])."""
    found = {}
    for name, value in middle.items():
        values = [int(value * 2.0 ** i) for i in range(-config.doublings, config.doublings + 1)]
        times = [seconds(build(**middle | {name: one}), config.repeats) for one in values]
        found[name] = values, times
    return found


def draw(found):
    """A panel for each layer; dashed lines grow linearly."""
    figure = Figure(figsize=(10, 3.3), layout="constrained")
    for axes, (layer, sizes) in zip(figure.subplots(1, len(found), sharey=True), found.items()):
        for name, (values, times) in sizes.items():
            factors = np.array(values) / LAYERS[layer][1][name]
            axes.plot(factors, 1000 * np.array(times), "o-", markersize=3,
                      label=f"{name}, 1 is {LAYERS[layer][1][name]}")
        middle = 1000 * times[len(times) // 2]
        axes.plot(factors, middle * factors, "--", color="0.7")
        axes.set(yscale="log", xlabel="size, as a multiple of the middle", title=layer)
        axes.set_xscale("log", base=2)
        axes.legend(fontsize=7)
    figure.axes[0].set_ylabel("ms of a step")
    figure.savefig(ROOT / "docs/growth.png", dpi=80)


def main(config):
    keep_freed_memory()
    found = {}
    print("| layer | size | from | to | ms | slope at the end |\n|---|---|---|---|---|---|")
    for layer, (build, middle) in LAYERS.items():
        found[layer] = growth(build, middle, config)
        for name, (values, times) in found[layer].items():
            slope = np.log2(times[-1] / times[-2])
            print(f"| {layer} | {name} | {values[0]} | {values[-1]} | "
                  f"{1000 * times[0]:.2f} to {1000 * times[-1]:.2f} | {slope:.2f} |", flush=True)
    draw(found)
    print(f"\n{provenance.machine()}")


if __name__ == "__main__":
    cli.main(main, Config, __doc__)
