"""What is measured of vae: task → what is counted, and contender → its name in the table; the first one is
ours."""

TASKS = {
    "training": ("samples/s, 784-256-2, batch 100", {
        "ours": "python vae/train.py",
        "keras3": "Keras 3 model.fit, defaults",
        "torch": "PyTorch 2, plain loop",
        "KERAS_BACKEND=jax ours": "python vae/train.py, Keras on JAX",
        "keras2": "original formulation, Keras 2.2.4",
    }),
}
