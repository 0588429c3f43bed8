"""dgcnn/train.py's own training loop on random passages of 256 characters: samples/s of three short epochs.

ours.py answers N: questions per second instead, N at a time, from text to the curves of start and end.
"""

import sys

import keras

from benchmarks import clock
from benchmarks.dgcnn.data import VOCAB, passages
from common.harness import cli, tuning
from common.harness.folder import RunFolder
from common.harness.memory import keep_freed_memory
from dgcnn.batches import PassageBatches
from dgcnn.data import Passage, Question
from dgcnn.reader import Reader
from dgcnn.text import Encoder
from dgcnn.train import build_dgcnn, span_loss

keep_freed_memory()
tuning.disable_autotune()
model, encode = build_dgcnn(len(VOCAB)), Encoder(VOCAB)
lines = passages()
questions = [Question(str(i), text[:16], [Passage(text, (text[60:64],))]) for i, text in enumerate(lines)]
if sys.argv[1:2] == ["answers"]:
    reader, size = Reader(model, encode), int(sys.argv[2])
    pairs = [(question.text, [question.passages[0].text]) for question in questions]

    def work():
        for i in range(0, min(len(pairs), 100 * size), size):
            reader.curves(pairs[i:i + size], batch_size=size)

    clock.report(work, min(len(pairs), 100 * size), repeats=5)
else:
    model.compile(
        keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.999), span_loss, jit_compile="auto"
    )
    batches = PassageBatches(
        RunFolder(None, cli.BaseConfig(batch_size=128)), questions, encode, crop=False, exchange=0.0
    )

    def work():
        model.fit(batches, epochs=1, shuffle=False, verbose=0)

    clock.report(work, len(lines))
