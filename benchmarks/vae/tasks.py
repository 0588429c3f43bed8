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
    "recipe": ("samples/s, the same, without one part of the recipe of docs/speed.md", {
        "ours": "python vae/train.py",
        "ours fuse": "a step at a time",
        "ours memory": "freed memory goes back to the system",
        "ours tuning": "tf.data tunes what fit reads",
    }),
}
