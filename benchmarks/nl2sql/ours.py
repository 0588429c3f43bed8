"""nl2sql's network on random questions of 30 characters with 8 columns: training samples/s of three short
epochs.

    python -m benchmarks.nl2sql.ours small             or base: 4 layers of 128, or 12 of 768
    python -m benchmarks.nl2sql.ours small answers 1   questions/s, from text to the query
    python -m benchmarks.nl2sql.ours small parts       where the time of one question goes, in ms
    python -m benchmarks.nl2sql.ours small slices      training with bert4keras' own rotary positions
"""

import sys

from nl2sql import legacy_keras  # noqa: F401  (first: from here on `import keras` means tf_keras)

# isort: split

import bert4keras.backend
import bert4keras.layers
import keras

from benchmarks import clock
from benchmarks.nl2sql.data import LENGTH, SHAPES, questions, right_heads
from common.harness.folder import RunFolder
from common.harness.memory import keep_freed_memory
from nl2sql import train
from nl2sql.augment import Samples
from nl2sql.bert import build_bert, small_bert
from nl2sql.decode import decode
from nl2sql.encoder import Encoder, pad
from nl2sql.model import build_parser
from nl2sql.parser import Parser


class Asked(Parser):
    """Computes the probabilities, and answers with the right ones."""

    def heads(self, lines):
        super().heads(lines)
        return [right[tuple(line.tokens)] for line in lines]


if "slices" in sys.argv:
    bert4keras.layers.apply_rotary_position_embeddings = bert4keras.backend.apply_rotary_position_embeddings
width, depth, samples = SHAPES[sys.argv[1]]
keep_freed_memory()
vocab, records = questions(samples)
config = small_bert(vocab, width, depth, LENGTH)
if sys.argv[1] == "base":
    config |= {"model": "bert", "num_attention_heads": 12, "type_vocab_size": 2, "vocab_size": 21128}
encoder = Encoder(vocab, LENGTH, config["type_vocab_size"])
bert = build_bert(config)
parser, right = build_parser(bert), right_heads(records, encoder)
if sys.argv[2:3] == ["parts"]:
    asked, question = Asked(parser, encoder), records[0].question
    prepared = encoder.prepare(question, records[0].table)
    line = encoder.encode(prepared)
    heads, = asked.heads([line])
    parts = {
        "to numbers": lambda: pad([encoder.encode(encoder.prepare(question, records[0].table))]),
        "network, with conversions": lambda: asked.heads([line]),
        "to the query": lambda: decode(heads, line, prepared),
        "all": lambda: asked.parse_all([(question, records[0].table)]),
    }
    for name, part in parts.items():
        part()
        print(f"{name:26}{1000 / clock.rate(part, 1, 2.0):8.2f} ms")
elif sys.argv[2:3] == ["answers"]:
    asked, size = Asked(parser, encoder), int(sys.argv[3])
    pairs = [(record.question, record.table) for record in records * 2][:max(size, samples // 4)]

    def work():
        for i in range(0, len(pairs), size):
            asked.parse_all(pairs[i:i + size], size)

    clock.report(work, len(pairs))
else:
    training = train.build_training(parser)
    training.compile(keras.optimizers.Adam(1e-4, global_clipnorm=1.0))
    run = RunFolder(None, train.Config(batch_size=32))
    batches = train.QuestionBatches(run, Samples(records, encoder))

    def work():
        training.fit(batches, epochs=1, shuffle=False, verbose=0)

    clock.report(work, len(batches.tokens))
