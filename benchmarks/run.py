"""Training speed of each article beside what a reader would run instead, as one table.

    make bench                                   sets up PyTorch, and the original's Keras 2 where Python 3.7 is installed
    python benchmarks/run.py --rounds 5

Contenders take turns (A B C A B C ...), each in a process of its own, so that a machine whose speed drifts is unfair to
none; quoted are medians over all rounds, and the ratio of ours to each. Random data of the real shape: speed does not
depend on the pixels. Writes benchmarks/results.json.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import tyro

FOLDER = pathlib.Path(__file__).resolve().parent
KERAS2 = os.environ.get("KERAS2_PYTHON", str(FOLDER.parent / ".venv-keras2/bin/python"))
NL2SQL = {"small": "BERT of 4 layers × 128", "base": "BERT of 12 layers × 768"}
# article → what is counted → contender → (interpreter, script). The first contender is ours.
CONTENDERS = {
    "vae": ("training samples/s, 784-256-2, batch 100", {
        "python vae/train.py": (sys.executable, "vae_ours.py"),
        "Keras 3 model.fit, defaults": (sys.executable, "vae_keras3.py"),
        "PyTorch 2, plain loop": (sys.executable, "vae_torch.py"),
        "original formulation, Keras 2.2.4": (KERAS2, "vae_keras2.py"),
    }),
    "flow_nice": ("training samples/s, 4 couplings of 5 × 1000, batch 128", {
        "python flow_nice/train.py": (sys.executable, "nice_ours.py"),
        "Keras 3 model.fit, defaults": (sys.executable, "nice_keras3.py"),
        "PyTorch 2, plain loop, fused Adam": (sys.executable, "nice_torch.py"),
        "original formulation, Keras 2.2.4": (KERAS2, "nice_keras2.py"),
        "its matrix products alone": (sys.executable, "nice_limit.py"),
    }),
    "couplet": ("training couplets/s, 6 gated convolutions of 128, vocabulary 8,000, lines of 7, batch 64", {
        "python couplet/train.py": (sys.executable, "couplet_ours.py"),
        "Keras 3 layers, model.fit, defaults": (sys.executable, "couplet_keras3.py"),
        "PyTorch 2, plain loop, fused Adam": (sys.executable, "couplet_torch.py"),
        "original formulation, Keras 2.2.4": (KERAS2, "couplet_keras2.py"),
    }),
    "couplet answers": ("single answers/s, lines of 7", {
        "python couplet/predict.py": (sys.executable, "couplet_ours.py answers"),
        "PyTorch 2, argmax without rules": (sys.executable, "couplet_torch.py answers"),
    }),
    "gated_conv": ("sequences/s, training steps of six gated convolutions of 128, 64 × 13 steps", {
        name: (sys.executable, f"gated_conv_forms.py {form}") for name, form in [
            ("one convolution, common/gated_conv.py", "one"), ("two convolutions", "two"),
            ("one product of shifted copies", "beside"), ("three products", "three")]
    }),
    "capsule": ("training images/s, CNN and dynamic routing, batch 128", {
        "python capsule/train.py": (sys.executable, "capsule_ours.py"),
        "Keras 3 model.fit, votes written out": (sys.executable, "capsule_keras3.py"),
        "PyTorch 2, channels last, fused Adam": (sys.executable, "capsule_torch.py"),
        "PyTorch 2, votes never written out": (sys.executable, "capsule_torch.py products"),
        "original formulation, Keras 2.2.4": (KERAS2, "capsule_keras2.py"),
    }),
    "dgcnn": ("training samples/s, question of 16, passage of 256 characters, 128 channels, batch 128", {
        "python dgcnn/train.py": (sys.executable, "dgcnn_ours.py"),
        "PyTorch 2, plain loop, fused Adam": (sys.executable, "dgcnn_torch.py"),
        "original formulation, Keras 2.2.4": (KERAS2, "dgcnn_keras2.py"),
    }),
    **{f"dgcnn answers {size}": (f"questions/s with a passage of 256 characters, {size} at a time", {
        "python dgcnn/predict.py": (sys.executable, f"dgcnn_ours.py answers {size}"),
        "PyTorch 2": (sys.executable, f"dgcnn_torch.py answers {size}"),
        "original formulation, Keras 2.2.4": (KERAS2, f"dgcnn_keras2.py answers {size}"),
    }) for size in (1, 128)},
    # Memory, and all lengths to 16,384, by benchmarks/attention.py itself.
    **{f"attention {task} {length}": (f"tokens/s, {task}, 4 heads of 64, sequences of {length}", {
        name: (sys.executable, f"attention.py {contender} {task} {length}") for name, contender in [
            ("common/attention.py, TensorFlow", "ours-tensorflow"), ("MultiHeadAttention, TensorFlow", "keras-tensorflow"),
            ("common/attention.py, JAX", "ours-jax"), ("MultiHeadAttention, JAX", "keras-jax"),
            ("PyTorch, scaled_dot_product_attention", "torch")]
    }) for task in ("forward", "step") for length in (128, 2048)},
    **{f"nl2sql {size}": (f"training samples/s, {shape}, questions of 30 characters and 8 columns, batch 32", {
        "python nl2sql/train.py": (sys.executable, f"nl2sql_ours.py {size}"),
        "PyTorch 2, nn.TransformerEncoder, fused Adam": (sys.executable, f"nl2sql_torch.py {size}"),
    }) for size, shape in NL2SQL.items()},
    **{f"nl2sql {size} answers {count}": (f"questions/s, {shape}, {count} at a time", {
        "python nl2sql/predict.py": (sys.executable, f"nl2sql_ours.py {size} answers {count}"),
        "PyTorch 2, without values and SQL": (sys.executable, f"nl2sql_torch.py {size} answers {count}"),
    }) for size, shape in NL2SQL.items() for count in (1, 64)},
    "gan": ("real images/s, GAN-QP at 32 × 32 × 3, batch 64, two critic updates and one generator update for 128 images", {
        "python gan/train.py": (sys.executable, "gan_ours.py"),
        "PyTorch 2, channels last, fused Adam": (sys.executable, "gan_torch.py"),
        "original formulation, Keras 2.2.4": (KERAS2, "gan_keras2.py"),
    }),
    "gan objectives": ("real images/s, the same networks", {
        name: (sys.executable, f"gan_ours.py {name}") for name in ("gan_qp_l2", "wgan_gp", "wgan_div", "wgan_sn", "sgan_sn")
    }),
    "crf segmenter": ("training sentences/s, embedding 128, 3 convolutions of 128, CRF, 128 sentences of 64 characters", {
        "python crf/train.py --model article": (sys.executable, "segmenter_ours.py"),
        "PyTorch 2 and pytorch-crf, plain loop": (sys.executable, "segmenter_torch.py"),
        "original formulation, Keras 2.2.4": (KERAS2, "segmenter_keras2.py"),
    }),
    "crf predict": ("characters/s of one long text, segmented", {
        "python crf/predict.py --fast": (sys.executable, "predict_ours.py fast"),
        "python crf/predict.py": (sys.executable, "predict_ours.py default"),
        "jieba": (sys.executable, "predict_jieba.py"),
    }),
    **{f"crf {task} {steps}×{tags}": (f"sequences/s, batch 128, {steps} steps, {tags} tags", {
        "common/crf.py": (sys.executable, f"crf_ours.py {steps} {tags} {task}"),
        "pytorch-crf": (sys.executable, f"crf_torch.py {steps} {tags} {task}"),
        **({"article's recursion, automatic gradient": (sys.executable, f"crf_ours.py {steps} {tags} plain")}
           if task == "loss" else {}),
    }) for task in ("loss", "viterbi") for steps in (64, 256) for tags in (4, 32)},
}


@dataclass
class Config:
    rounds: int = 3
    """Processes of each contender; each reports three epochs after a warm-up."""
    article: str = ""
    """Only articles whose name begins so."""


def measure(interpreter, script):
    """Samples per second of each epoch, or the reason why there are none."""
    try:
        script, *arguments = script.split()
        result = subprocess.run([interpreter, FOLDER / script, *arguments], capture_output=True, text=True, timeout=600)
    except FileNotFoundError:
        return "not installed"
    if result.returncode:
        return (result.stderr.strip().splitlines() or ["failed"])[-1][:80]
    return json.loads(result.stdout.strip().splitlines()[-1])


def main(config):
    table = []
    for article, (unit, contenders) in CONTENDERS.items():
        if not article.startswith(config.article):
            continue
        speeds, notes = {name: [] for name in contenders}, {}
        for _ in range(config.rounds):
            for name, (interpreter, script) in contenders.items():
                outcome = measure(interpreter, script) if name not in notes else notes[name]
                if isinstance(outcome, str):
                    notes[name] = outcome
                else:
                    speeds[name] += outcome
        print(f"\n{article}: {unit}\n{'':40}{'median':>10}{'min':>10}{'max':>10}   ours is")
        ours = statistics.median(next(iter(speeds.values())))
        for name, values in speeds.items():
            if not values:
                print(f"{name:40}{notes[name]}")
                continue
            median = statistics.median(values)
            print(f"{name:40}{median:10,.0f}{min(values):10,.0f}{max(values):10,.0f}{ours / median:8.2f} times as fast")
            table.append({"article": article, "unit": unit, "contender": name, "median": median, "min": min(values),
                          "max": max(values), "ours_is_times_as_fast": ours / median})
    from common import runs

    path = FOLDER / "results.json"
    if path.exists() and config.article:                  # the other articles' rows stay
        table += [row for row in json.loads(path.read_text())["rows"] if not row["article"].startswith(config.article)]
    runs.write_json(path, {"machine": runs.machine(), "versions": runs.versions(), "rows": table})
    print(f"\n{runs.machine()}; written to {runs.shown(path)}")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
