"""What is measured of common/crf.py: see benchmarks/vae/tasks.py."""

SIZES = [(64, 4), (64, 32), (256, 4), (256, 32)]         # steps and tags


def loss(steps, tags):
    return (f"sequences/s, log-likelihood and gradient, batch 128, {steps} steps, {tags} tags", {
        f"ours {steps} {tags} loss": "common/crf.py",
        f"torch {steps} {tags} loss": "pytorch-crf",
        f"ours {steps} {tags} plain": "article's recursion, automatic gradient",
    })


def viterbi(steps, tags):
    return (f"sequences/s, best path, batch 128, {steps} steps, {tags} tags", {
        f"ours {steps} {tags} viterbi": "common/crf.py",
        f"torch {steps} {tags} viterbi": "pytorch-crf",
    })


TASKS = {f"loss {steps}×{tags}": loss(steps, tags) for steps, tags in SIZES}
TASKS |= {f"viterbi {steps}×{tags}": viterbi(steps, tags) for steps, tags in SIZES}
