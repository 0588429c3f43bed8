"""What is measured of nl2sql: see benchmarks/vae/tasks.py. tf_keras runs on TensorFlow alone."""

SHAPES = {"small": "BERT of 4 layers × 128", "base": "BERT of 12 layers × 768"}


def training(size):
    return (f"samples/s, {SHAPES[size]}, questions of 30 characters and 8 columns, batch 32", {
        f"ours {size}": "python nl2sql/train.py",
        f"torch {size}": "PyTorch 2, nn.TransformerEncoder, fused Adam",
    })


def answers(size, count):
    return (f"questions/s, {SHAPES[size]}, {count} at a time", {
        f"ours {size} answers {count}": "python nl2sql/predict.py",
        f"torch {size} answers {count}": "PyTorch 2, between the same text and SQL",
    })


TASKS = {
    "training small": training("small"),
    "recipe": ("samples/s, the same, without one part of the recipe of docs/speed.md", {
        "ours small": "python nl2sql/train.py",
        "ours small slices": "rotary positions by strided slices",
    }),
    "training base": training("base"),
    "answers small 1": answers("small", 1),
    "answers small 64": answers("small", 64),
    "answers base 1": answers("base", 1),
    "answers base 64": answers("base", 64),
}
