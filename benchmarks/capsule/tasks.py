"""What is measured of capsule: see benchmarks/vae/tasks.py."""

TASKS = {
    "training": ("images/s, CNN and dynamic routing, batch 128", {
        "ours": "python capsule/train.py",
        "keras3": "Keras 3 model.fit, votes written out",
        "torch": "PyTorch 2, channels last, fused Adam",
        "torch products": "PyTorch 2, votes never written out",
        "KERAS_BACKEND=jax ours": "python capsule/train.py, Keras on JAX",
        "keras2": "original formulation, Keras 2.2.4",
    }),
}
