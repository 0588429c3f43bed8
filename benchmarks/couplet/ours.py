"""couplet/train.py's own training loop on random lines of 7 characters: couplets per second of three short
epochs.

ours.py bilstm, ours.py attention: the same with another mixer of --mixer.
ours.py kernel: the same with the softmax of TensorFlow's own kernel.
ours.py answers: single answers per second instead, from a line as it is typed to the best second line.
"""

import sys

import keras
import numpy as np

from benchmarks import clock
from common.harness import cli, tuning
from common.harness.folder import RunFolder
from common.harness.memory import keep_freed_memory
from common.harness.vocab import FIRST, Vocab
from couplet.data import LengthBatches
from couplet.robot import Robot
from couplet.train import build_couplet, character_loss


def by_kernel(y, logits):
    """couplet's loss without XLA."""
    losses = keras.ops.sparse_categorical_crossentropy(y, logits, from_logits=True)
    return keras.ops.where(y > 0, losses, 0.0)


keep_freed_memory()
tuning.disable_autotune()
[task] = sys.argv[1:] or ["gated_conv"]
vocab = Vocab(map(chr, range(0x4E00, 0x4E00 + 8000 - FIRST)))
model = build_couplet(len(vocab), mixer="gated_conv" if task in ("answers", "kernel") else task)
rng = np.random.default_rng(0)
lines = ["".join(rng.choice(vocab.characters, 7)) for _ in range(12800)]
if task == "answers":
    robot = Robot(model, vocab)

    def work():
        for line in lines[:300]:
            robot.answers(line, 1)

    clock.report(work, 300, repeats=5)
else:
    loss = by_kernel if task == "kernel" else character_loss
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile="auto")
    run = RunFolder(None, cli.BaseConfig(batch_size=64))
    batches = LengthBatches(run, list(zip(lines[::2], lines[1::2])), vocab)

    def work():
        model.fit(batches, epochs=1, shuffle=False, verbose=0)

    clock.report(work, len(lines) // 2)
