"""The same network in PyTorch, a plain loop with fused Adam: couplets per second of three short epochs.

torch.py answers: single answers per second instead, from a line as it is typed to the best second line.
"""

import sys

import numpy as np
import torch
from torch import nn

from benchmarks import clock
from common.harness.vocab import FIRST, Vocab
from couplet.decoding import Decoder, clean


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.dropout, self.logits = (
            nn.Embedding(8000, 128),
            nn.Dropout(0.25),
            nn.Linear(128, 8000),
        )
        self.convolutions = nn.ModuleList([nn.Conv1d(128, 256, 3, padding=1) for _ in range(6)])

    def forward(self, ids):
        h = self.dropout(self.embedding(ids)).transpose(1, 2)
        for convolution in self.convolutions:
            gate, value = convolution(h).chunk(2, 1)
            h = h * gate.sigmoid() + value * (-gate).sigmoid()
        return self.logits(h.transpose(1, 2))


x, y = torch.randint(1, 8000, (2, 6400, 7))
model = Network()
optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
if sys.argv[1:] == ["answers"]:
    model.eval()
    vocab = Vocab(map(chr, range(0x4E00, 0x4E00 + 8000 - FIRST)))
    decoder = Decoder(vocab)
    rng = np.random.default_rng(0)
    lines = ["".join(rng.choice(vocab.characters, 7)) for _ in range(300)]
    with torch.inference_mode():

        def work():
            for line in lines:
                line, _ = clean(line, vocab)
                ids = torch.from_numpy(vocab.encode(line)[None])
                decoder(line, model(ids).log_softmax(-1)[0].numpy(), 1, 1)

        clock.report(work, 300, repeats=5)
else:

    def work():
        for rows in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(model(x[rows]).flatten(0, 1), y[rows].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    clock.report(work, len(x))
