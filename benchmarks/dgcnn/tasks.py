"""What is measured of dgcnn: see benchmarks/vae/tasks.py."""


def answers(size):
    return (f"questions/s from text, with a passage of 256 characters, {size} at a time", {
        f"ours answers {size}": "python dgcnn/predict.py",
        f"torch answers {size}": "PyTorch 2, from the same text",
        f"KERAS_BACKEND=jax ours answers {size}": "python dgcnn/predict.py, Keras on JAX",
        f"keras2 answers {size}": "original formulation, Keras 2.2.4, from numbers",
    })


TASKS = {
    "training": ("samples/s, question of 16, passage of 256 characters, 128 channels, batch 128", {
        "ours": "python dgcnn/train.py",
        "torch": "PyTorch 2, plain loop, fused Adam",
        "KERAS_BACKEND=jax ours": "python dgcnn/train.py, Keras on JAX",
        "keras2": "original formulation, Keras 2.2.4",
    }),
    "answers 1": answers(1),
    "answers 128": answers(128),
}
