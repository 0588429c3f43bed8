"""Attention layers over lengths from 128 to 16,384: tokens per second and the memory that a forward pass or a
training step takes, common/attention.py beside keras.layers.MultiHeadAttention and PyTorch's
scaled_dot_product_attention.

    python -m benchmarks.attention.run                      everything, as one table, and results.json
    python -m benchmarks.attention.run --lengths 512 --rounds 1
    python -m benchmarks.attention.run --peak-tflops 989    with the share of the peak, here an H100's
    python -m benchmarks.attention.run ours-jax step 2048   one contender's tokens per second

Each contender is a whole layer, 4 heads of 64 channels from 256 channels to 256, on 8,192 tokens, so in
batches of fewer but longer sequences. A step is the forward pass and the gradients of the weights and the
input. On a GPU, where JAX sees one, in bfloat16 and without the TensorFlow contenders; on a CPU in float32.
Each runs in a process of its own. Its memory is the highest level during the timed calls above that before
the first, of the GPU or of the process; one that would need more than
--memory GB is stopped and has no numbers.
"""

import contextlib
import importlib
import itertools
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
from dataclasses import dataclass, field

import tyro

from benchmarks import clock
from benchmarks.attention.tasks import NAMES
from common.harness import provenance
from common.harness.writing import shown, write_json

FOLDER = pathlib.Path(__file__).resolve().parent
HEADS, SIZE, TOKENS = 4, 64, 8192
WIDTH = HEADS * SIZE


@dataclass
class Config:
    contender: tyro.conf.Positional[str] = ""
    """The contender: ours-tensorflow, keras-tensorflow, ours-jax, keras-jax or torch. Without one, all take
    turns."""
    task: tyro.conf.Positional[str] = "step"
    """What a named contender computes: forward or step."""
    length: tyro.conf.Positional[int] = 512
    """Steps of a sequence, for a named contender."""
    lengths: tuple[int, ...] = field(default=(128, 256, 512, 1024, 2048, 4096, 8192, 16384))
    """Steps of a sequence, where all contenders take turns."""
    rounds: int = 3
    """Processes of each contender."""
    seconds: float = 1.0
    """Seconds that each of three measurements takes at least."""
    dtype: str = ""
    """float32, bfloat16 or float16; by default bfloat16 on a GPU and float32 on a CPU."""
    causal: bool = False
    """Causal attention: no step sees a later one."""
    peak_tflops: float = 0.0
    """Peak of the processor in this dtype: gives the share of it that a contender reaches."""
    memory: float = 12.0
    """GB that a contender may take on a CPU beyond what it starts with."""


def operations(task, length, causal):
    """Floating-point operations a token: four products with W × W matrices, two with the sequence; thrice
    that a step."""
    return (8 * WIDTH ** 2 + 4 * WIDTH * length / (2 if causal else 1)) * (3 if task == "step" else 1)


# ---------------------------------------------------------------------------------------------- one contender

def keras_call(contender, task, shape, dtype, causal):
    """A function that does the work once and waits for its end."""
    import keras
    import numpy as np

    from common.attention import SelfAttention

    policy = dtype if dtype == "float32" else f"mixed_{dtype}"
    x = keras.ops.cast(np.random.default_rng(0).normal(size=shape).astype("float32"), dtype)
    if contender.startswith("ours"):
        layer = SelfAttention(HEADS, SIZE, causal=causal, dtype=policy)
        layer.build(shape)
        arguments, options = 1, {}
    else:
        layer = keras.layers.MultiHeadAttention(HEADS, SIZE, dtype=policy)
        layer.build(shape, shape)
        arguments, options = 2, {"use_causal_mask": causal}
    if keras.backend.backend() == "jax":
        import jax

        weights = [variable.value for variable in layer.trainable_variables]

        def forward(weights, x):
            return layer.stateless_call(weights, [], *[x] * arguments, **options)[0]

        def total(weights, x):
            return (forward(weights, x).astype("float32") ** 2).sum()

        function = jax.jit(forward if task == "forward" else jax.grad(total, (0, 1)))
        return lambda: jax.block_until_ready(function(weights, x))
    import tensorflow as tf

    @tf.function
    def function(x):
        if task == "forward":
            return layer(*[x] * arguments, **options)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(tf.square(tf.cast(layer(*[x] * arguments, **options), "float32")))
        return tape.gradient(total, [*layer.trainable_variables, x])

    return lambda: [
        tensor.numpy().sum() if tensor.shape.rank == 1 else None for tensor in tf.nest.flatten(function(x))
    ]


def torch_call(task, shape, dtype, causal):
    import torch
    from torch import nn
    from torch.nn import functional

    device = "cuda" if torch.cuda.is_available() else "cpu"
    into, out = (nn.Linear(WIDTH, n * WIDTH).to(device, getattr(torch, dtype)) for n in (3, 1))
    x = torch.randn(shape, device=device, dtype=getattr(torch, dtype), requires_grad=True)
    parameters = [*into.parameters(), *out.parameters(), x]

    def forward():
        q, k, v = into(x).view(*shape[:2], 3, HEADS, SIZE).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return out(y.transpose(1, 2).reshape(shape))

    def call():
        if task == "forward":
            with torch.inference_mode():
                forward()
        else:
            torch.autograd.grad(forward().float().square().sum(), parameters)
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def memory_now(contender):
    """(the highest level so far in MB, whether it is a GPU's)."""
    with contextlib.suppress(ImportError, AttributeError, TypeError):
        if contender.endswith("jax"):
            import jax

            return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 1e6, True
        if contender == "torch":
            import torch

            if torch.cuda.is_available():
                return torch.cuda.max_memory_allocated() / 1e6, True
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, False


def measure(config):
    """Prints what run.py reads: first the memory in MB, then tokens per second of three measurements, as
    JSON."""
    if "-" in config.contender:
        os.environ["KERAS_BACKEND"] = config.contender.split("-")[1]
    dtype = config.dtype or ("bfloat16" if gpu(config.contender) else "float32")
    shape = (max(1, TOKENS // config.length), config.length, WIDTH)
    if config.contender == "torch":
        call = torch_call(config.task, shape, dtype, config.causal)
    else:
        call = keras_call(config.contender, config.task, shape, dtype, config.causal)
    before, on_gpu = memory_now(config.contender)
    if not on_gpu:
        with contextlib.suppress(OSError, ValueError):
            used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + int(config.memory * 1e9),) * 2)
    call()
    call()
    speeds = [clock.rate(call, shape[0] * shape[1], config.seconds) for _ in range(3)]
    print(json.dumps({"memory": memory_now(config.contender)[0] - before, "dtype": dtype, "gpu": on_gpu}))
    print(json.dumps(speeds))


def gpu(contender):
    """Whether the contender will compute on a GPU; TensorFlow's never do here."""
    if contender == "torch":
        return importlib.import_module("torch").cuda.is_available()
    return contender.endswith("jax") and importlib.import_module("jax").default_backend() == "gpu"


# --------------------------------------------------------------------------------------------- all contenders

def compare(config):
    on_gpu = (
        subprocess.run(
            [sys.executable, "-c", "import jax; print(jax.default_backend())"], capture_output=True, text=True
        ).stdout.strip()
        == "gpu"
    )
    rows = []
    for task in ("forward", "step"):
        for length in config.lengths:
            found = {name: [] for name in NAMES if not (on_gpu and name.endswith("tensorflow"))}
            for _ in range(config.rounds):
                for contender, outcomes in found.items():
                    if None not in outcomes:
                        outcomes.append(run(config, contender, task, length))
            for contender, outcomes in found.items():
                rows.append(row_of(config, contender, task, length, outcomes))
                print(line_of(rows[-1]), flush=True)
    path, machine = FOLDER / "results.json", provenance.machine()
    versions = provenance.versions(["keras", "numpy", "tensorflow", "jax", "torch"])
    write_json(path, {"machine": machine, "gpu": on_gpu, "versions": versions, "rows": rows})
    print(f"\n{machine}; written to {shown(path)}")


def run(config, contender, task, length):
    """(speeds, information) of one process; None where it came to no end, for want of memory most likely."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.attention.run",
        contender,
        task,
        str(length),
        "--seconds",
        str(config.seconds),
        "--memory",
        str(config.memory),
        "--dtype",
        config.dtype,
        *(["--causal"] if config.causal else []),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        return None
    information, speeds = map(json.loads, result.stdout.strip().splitlines()[-2:])
    return speeds, information


def row_of(config, contender, task, length, outcomes):
    row = {"contender": NAMES[contender], "task": task, "length": length, "causal": config.causal}
    if None in outcomes:
        return row
    speed = statistics.median(itertools.chain(*(speeds for speeds, _ in outcomes)))
    tflops = speed * operations(task, length, config.causal) / 1e12
    row |= {
        "tokens_per_second": speed,
        "memory_mb": statistics.median(about["memory"] for _, about in outcomes),
        "tflops": tflops,
        "dtype": outcomes[0][1]["dtype"],
    }
    return row | ({"share_of_peak": tflops / config.peak_tflops} if config.peak_tflops else {})


def line_of(row):
    start = f"{row['task']:8}{row['length']:7,}  {row['contender']:40}"
    if "tokens_per_second" not in row:
        return f"{start}  not enough memory, or failed"
    share = f"{row['share_of_peak']:8.1%} of the peak" if "share_of_peak" in row else ""
    speed = f"{row['tokens_per_second']:12,.0f} tokens/s"
    return f"{start}{speed}{row['memory_mb']:9,.0f} MB{row['tflops']:9.3f} TFLOP/s{share}"


def main(config):
    for name, known in [("contender", ["", *NAMES]), ("task", ["forward", "step"])]:
        if getattr(config, name) not in known:
            sys.exit(f"error: {name} expects one of {', '.join(filter(None, known))}. Received: "
                     f"{getattr(config, name)}")
    measure(config) if config.contender else compare(config)


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
