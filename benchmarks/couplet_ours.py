"""couplet/train.py's own training loop on random lines of 7 characters: couplets per second of three short epochs, as JSON.

couplet_ours.py answers: single answers per second instead, from a line as it is typed to the best second line.
"""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import keras
import numpy as np

from common import runs
from common.vocab import FIRST, Vocab
from couplet.data import LengthBatches
from couplet.evaluate import Robot
from couplet.train import build_couplet, character_loss

runs.keep_memory()
runs.leave_input_alone()
vocab = Vocab(map(chr, range(0x4E00, 0x4E00 + 8000 - FIRST)))
model, speeds = build_couplet(len(vocab)), []
rng = np.random.default_rng(0)
lines = ["".join(rng.choice(vocab.characters, 7)) for _ in range(12800)]
if sys.argv[1:] == ["answers"]:
    robot = Robot(model, vocab)
    for _ in range(6):
        start = time.perf_counter()
        for line in lines[:300]:
            robot.answers(line, 1)
        speeds.append(300 / (time.perf_counter() - start))
else:
    model.compile(keras.optimizers.Adam(1e-3), character_loss, jit_compile="auto")
    run = runs.Run(None, runs.BaseConfig(batch_size=64))
    batches = LengthBatches(run, list(zip(lines[::2], lines[1::2])), vocab)
    for _ in range(4):
        start = time.perf_counter()
        model.fit(batches, epochs=1, shuffle=False, verbose=0)
        speeds.append(len(lines) // 2 / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
