"""nl2sql's network on random questions of 30 characters with 8 columns: training samples/s of three short epochs, as JSON.

nl2sql_ours.py small|base            training, batch 32: 4 layers of 128 channels, or BERT-base's 12 of 768
nl2sql_ours.py small|base answers N  questions/s instead, N at a time, from text to the query
"""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import keras
import numpy as np

from common import runs
from nl2sql import inputs, model, train
from nl2sql.data import Record, Table
from nl2sql.predict import Parser
from nl2sql.sql import Query

SHAPES = {"small": (128, 4, 256), "base": (768, 12, 32)}          # channels, layers, samples of an epoch
width, depth, samples = SHAPES[sys.argv[1]]
runs.keep_memory()
runs.leave_input_alone()
vocab = inputs.Characters.from_texts([])
rng = np.random.default_rng(0)
han = [vocab.tokens[i] for i in vocab.han]
header = ["".join(rng.choice(han, 4)) for _ in range(8)]
table = Table(header, [["".join(rng.choice(han, 3)), *map(float, rng.integers(1, 1000, 7))] for _ in range(20)])
records = []
for i in range(samples):
    cell, number = table.rows[i % 20][0], int(rng.integers(1, 1000))
    question = f"{''.join(rng.choice(han, 12))}{cell}的{header[1]}超过{number}"
    records.append(Record(question + "".join(rng.choice(han, 30 - len(question))), table,
                          Query(((2, 0),), ((0, 2, cell), (1, 0, str(number))), 1)))
config = train.small_bert(vocab, width, depth, 160)
if sys.argv[1] == "base":
    config |= {"model": "bert", "num_attention_heads": 12, "type_vocab_size": 2, "vocab_size": 21128}
encoder = inputs.Encoder(vocab, 160, config["type_vocab_size"])
bert = model.build_bert(config)
parser, speeds = model.build_parser(bert), []
if sys.argv[2:3] == ["answers"]:
    asked, size = Parser(parser, encoder), int(sys.argv[3])
    pairs = [(record.question, table) for record in records * 2][:max(size, samples // 4)]
    for _ in range(4):
        start = time.perf_counter()
        for i in range(0, len(pairs), size):
            asked.parse_all(pairs[i:i + size], size)
        speeds.append(len(pairs) / (time.perf_counter() - start))
else:
    training = train.build_training(parser)
    training.compile(keras.optimizers.Adam(1e-4, global_clipnorm=1.0))
    batches = train.Batches(runs.Run(None, train.Config(batch_size=32)), inputs.Samples(records, encoder))
    for _ in range(4):
        start = time.perf_counter()
        training.fit(batches, epochs=1, shuffle=False, verbose=0)
        speeds.append(len(batches.lengths) / (time.perf_counter() - start))
print(json.dumps(speeds[1:]))
