"""What is measured of couplet: see benchmarks/vae/tasks.py."""

TASKS = {
    "training": ("couplets/s, 6 gated convolutions of 128, vocabulary 8,000, lines of 7, batch 64", {
        "ours": "python couplet/train.py",
        "keras3": "Keras 3 layers, model.fit, defaults",
        "torch": "PyTorch 2, plain loop, fused Adam",
        "KERAS_BACKEND=jax ours": "python couplet/train.py, Keras on JAX",
        "keras2": "original formulation, Keras 2.2.4",
    }),
    "recipe": ("couplets/s, the same, without one part of the recipe of docs/speed.md", {
        "ours": "python couplet/train.py",
        "ours kernel": "the softmax by TensorFlow's own kernel",
    }),
    "mixers": ("couplets/s, three networks of the same size, vocabulary 8,000, lines of 7, batch 64", {
        "ours": "python couplet/train.py",
        "ours bilstm": "python couplet/train.py --mixer bilstm",
        "ours attention": "python couplet/train.py --mixer attention",
    }),
    "answers": ("single answers/s with the rules, from a typed line of 7 characters", {
        "ours answers": "python couplet/predict.py",
        "torch answers": "PyTorch 2, with the same rules",
        "KERAS_BACKEND=jax ours answers": "python couplet/predict.py, Keras on JAX",
    }),
}
