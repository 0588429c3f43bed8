"""dgcnn/train.py's own training loop on random passages of 256 characters: samples/s of three short epochs, as JSON.

dgcnn_ours.py answers N: questions per second instead, N at a time, from text to the curves of start and end.
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
from dgcnn.data import Batches, Encoder, Passage, Question
from dgcnn.reading import Reader
from dgcnn.train import build_dgcnn, span_loss

runs.keep_memory()
runs.leave_input_alone()
vocab = Vocab(map(chr, range(0x4E00, 0x4E00 + 5000 - FIRST)))
model, encode, speeds = build_dgcnn(len(vocab)), Encoder(vocab), []
rng = np.random.default_rng(0)
lines = ["".join(rng.choice(vocab.characters, 256)) for _ in range(512)]
questions = [Question(str(i), text[:16], [Passage(text, (text[60:64],))]) for i, text in enumerate(lines)]
if sys.argv[1:2] == ["answers"]:
    reader, size = Reader(model, encode), int(sys.argv[2])
    pairs = [(question.text, [question.passages[0].text]) for question in questions]
    for _ in range(6):
        start = time.perf_counter()
        for i in range(0, min(len(pairs), 100 * size), size):
            reader.curves(pairs[i:i + size], batch_size=size)
        speeds.append(min(len(pairs), 100 * size) / (time.perf_counter() - start))
else:
    model.compile(keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.999), span_loss, jit_compile="auto")
    batches = Batches(runs.Run(None, runs.BaseConfig(batch_size=128)), questions, encode, crop=False, exchange=0.0)
    for _ in range(4):
        start = time.perf_counter()
        model.fit(batches, epochs=1, shuffle=False, verbose=0)
        speeds.append(len(lines) / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
