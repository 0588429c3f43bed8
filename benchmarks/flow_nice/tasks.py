"""What is measured of flow_nice: see benchmarks/vae/tasks.py."""

TASKS = {
    "training": ("samples/s, 4 couplings of 5 × 1000, batch 128", {
        "ours": "python flow_nice/train.py",
        "keras3": "Keras 3 model.fit, defaults",
        "torch": "PyTorch 2, plain loop, fused Adam",
        "KERAS_BACKEND=jax ours": "python flow_nice/train.py, Keras on JAX",
        "keras2": "original formulation, Keras 2.2.4",
        "limit": "its matrix products alone",
    }),
}
