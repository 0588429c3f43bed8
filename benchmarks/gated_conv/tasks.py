"""What is measured of gated convolutions: see benchmarks/vae/tasks.py."""

TASKS = {
    "training": ("sequences/s, training steps of six gated convolutions of 128, 64 × 13 steps", {
        "forms one": "one convolution, common/gated_conv.py",
        "forms two": "two convolutions",
        "forms beside": "one product of shifted copies",
        "forms three": "three products",
    }),
}
