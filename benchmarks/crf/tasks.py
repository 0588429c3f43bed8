"""What is measured of crf: see benchmarks/vae/tasks.py."""

TASKS = {
    "training": ("sentences/s, embedding 128, 3 convolutions of 128, CRF, 128 sentences of 64 characters", {
        "ours": "python crf/train.py --model article",
        "torch": "PyTorch 2 and pytorch-crf, plain loop",
        "KERAS_BACKEND=jax ours": "python crf/train.py --model article, Keras on JAX",
        "keras2": "original formulation, Keras 2.2.4",
    }),
    "answers": ("characters/s of one long text, segmented", {
        "answers fast": "python crf/predict.py --fast",
        "answers default": "python crf/predict.py",
        "peers jieba": "jieba",
        "peers rjieba": "rjieba, which is compiled",
        "peers thulac": "thulac",
    }),
}
