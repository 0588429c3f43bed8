"""What is measured of poetry_vae: see benchmarks/vae/tasks.py."""

TASKS = {
    "training": ("couplets/s, gated convolutions of 64, code of 64, vocabulary 5,000, batch 64", {
        "ours": "python poetry_vae/train.py",
        "keras3": "Keras 3 model.fit, defaults",
        "torch": "PyTorch 2, plain loop, fused Adam",
        "KERAS_BACKEND=jax ours": "python poetry_vae/train.py, Keras on JAX",
    }),
}
