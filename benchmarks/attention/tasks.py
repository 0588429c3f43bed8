"""What is measured of attention here; memory, and all lengths to 16,384: python -m
benchmarks.attention.run."""

NAMES = {
    "ours-tensorflow": "common/attention.py, TensorFlow",
    "keras-tensorflow": "MultiHeadAttention, TensorFlow",
    "ours-jax": "common/attention.py, JAX",
    "keras-jax": "MultiHeadAttention, JAX",
    "torch": "PyTorch, scaled_dot_product_attention",
}


def task(kind, length):
    return (f"tokens/s, {kind}, 4 heads of 64, sequences of {length}",
            {f"run {contender} {kind} {length}": name for contender, name in NAMES.items()})


TASKS = {
    "forward 128": task("forward", 128),
    "forward 2048": task("forward", 2048),
    "step 128": task("step", 128),
    "step 2048": task("step", 2048),
}
