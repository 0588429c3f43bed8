"""The same network in PyTorch, nn.TransformerEncoder and a plain loop with fused Adam, between the same text
and the same SQL: samples/s of three epochs.

    python -m benchmarks.nl2sql.torch small             batch 32, lines of 80 tokens
    python -m benchmarks.nl2sql.torch small answers 1   questions/s, from text to the query
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as f

from benchmarks import clock
from benchmarks.nl2sql.data import LENGTH, SHAPES, questions, right_heads
from nl2sql.augment import Samples
from nl2sql.decode import decode
from nl2sql.encoder import SEGMENTS, Encoder, pad

width, depth, samples = SHAPES[sys.argv[1]]
vocab, records = questions(samples)
heads, tokens = {"small": (4, len(vocab)), "base": (12, 21128)}[sys.argv[1]]
encoder = Encoder(vocab, LENGTH, SEGMENTS if sys.argv[1] == "small" else 2)


class Parser(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.segments = nn.Embedding(tokens, width), nn.Embedding(encoder.segments, width)
        self.places = nn.Embedding(LENGTH, width)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(0.1)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.1, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.connector, self.select, self.operator = (nn.Linear(width, n) for n in (3, 7, 5))
        self.character, self.header = nn.Linear(width, 256), nn.Linear(width, 256)
        self.column = nn.Linear(256, 1)

    def forward(self, batch):
        ids = batch["Input-Token"].long()
        places = torch.arange(ids.shape[1])
        h = self.tokens(ids) + self.segments(batch["Input-Segment"].long()) + self.places(places)
        h = self.encoder(self.dropout(self.norm(h)), src_key_padding_mask=ids == 0)
        rows = torch.arange(len(ids))[:, None]
        x, y = h[rows, batch["characters"].long()], h[rows, batch["headers"].long()]
        column = self.column(torch.tanh(self.character(x)[:, :, None] + self.header(y)[:, None]))[..., 0]
        column = column - 1e10 * (1 - batch["header_mask"][:, None])
        return self.connector(h[:, 0]), self.select(y), self.operator(x), column


def tensors(batch):
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def answer(pairs):
    """The Parse of each question, as nl2sql/parser.py makes it, from the right probabilities."""
    prepared = [encoder.prepare(*pair) for pair in pairs]
    lines = [encoder.encode(one) for one in prepared]
    for logits in model(tensors(pad(lines))):
        logits.softmax(-1).numpy()
    return [decode(right[tuple(line.tokens)], line, one) for one, line in zip(prepared, lines)]


def loss_of(batch):
    """The four cross-entropies, each the mean over what its mask leaves."""
    labels = [batch[f"{name}_label"].long() for name in ("connector", "select", "operator", "column")]
    mask = batch["character_mask"]
    masks = [None, batch["header_mask"], mask, mask * (labels[2] < 4)]
    total = 0.0
    for logits, label, mask in zip(model(batch), labels, masks):
        losses = f.cross_entropy(logits.flatten(0, -2), label.flatten(), reduction="none")
        weights = torch.ones_like(losses) if mask is None else mask.flatten()
        total += (losses * weights).sum() / weights.sum().clamp(min=1)
    return total


model = Parser()
if sys.argv[2:3] == ["answers"]:
    model.eval()
    size = int(sys.argv[3])
    right = right_heads(records, encoder)
    pairs = [(record.question, record.table) for record in records * 2][:max(size, samples // 4)]
    with torch.inference_mode():

        def work():
            for i in range(0, len(pairs), size):
                answer(pairs[i:i + size])

        clock.report(work, len(pairs))
else:
    learnt = Samples(records, encoder)
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)

    def work():
        for rows in torch.randperm(samples).split(32):
            loss = loss_of(tensors(learnt.batch(rows.tolist(), rng)))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    clock.report(work, samples)
