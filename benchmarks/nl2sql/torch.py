"""The same network in PyTorch, nn.TransformerEncoder and a plain loop with fused Adam: samples/s of three
epochs.

    python -m benchmarks.nl2sql.torch small             batch 32, lines of 80 tokens
    python -m benchmarks.nl2sql.torch small answers 1   questions/s, from numbers to probabilities
"""

import sys

import torch
from torch import nn
from torch.nn import functional as f

from benchmarks import clock

# as in torch.py, and heads, tokens
SHAPES = {"small": (128, 4, 4, 256, 3855), "base": (768, 12, 12, 32, 21128)}
width, depth, heads, samples, vocab = SHAPES[sys.argv[1]]


class Parser(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.segments, self.places = (nn.Embedding(n, width) for n in (vocab, 2, 160))
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(0.1)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.1, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.connector, self.select, self.operator = (nn.Linear(width, n) for n in (3, 7, 5))
        self.character, self.header, self.column = (
            nn.Linear(width, 256),
            nn.Linear(width, 256),
            nn.Linear(256, 1),
        )

    def forward(self, tokens, segments, headers):
        places = torch.arange(tokens.shape[1])
        h = self.dropout(self.norm(self.tokens(tokens) + self.segments(segments) + self.places(places)))
        h = self.encoder(h, src_key_padding_mask=tokens == 0)
        x, y = h[:, 1:31], h[:, headers]
        column = self.column(torch.tanh(self.character(x)[:, :, None] + self.header(y)[:, None]))[..., 0]
        return self.connector(h[:, 0]), self.select(y), self.operator(x), column


tokens, segments = torch.randint(5, vocab, (samples, 80)), torch.randint(0, 2, (samples, 80))
headers = torch.arange(32, 80, 6)
shapes = [(3, (samples,)), (7, (samples, 8)), (5, (samples, 30)), (8, (samples, 30))]
labels = [torch.randint(0, classes, shape) for classes, shape in shapes]
model = Parser()
if sys.argv[2:3] == ["answers"]:
    model.eval()
    size = int(sys.argv[3])
    count = max(size, samples // 4)
    tokens, segments = (torch.cat([array] * (count // samples + 1))[:count] for array in (tokens, segments))
    with torch.inference_mode():

        def work():
            for i in range(0, count, size):
                [
                    logits.softmax(-1).numpy()
                    for logits in model(tokens[i : i + size], segments[i : i + size], headers)
                ]

        clock.report(work, count)
else:
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)

    def work():
        for rows in torch.randperm(samples).split(32):
            outputs = model(tokens[rows], segments[rows], headers)
            loss = sum(f.cross_entropy(logits.flatten(0, -2), label[rows].flatten())
                       for logits, label in zip(outputs, labels))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    clock.report(work, samples)
