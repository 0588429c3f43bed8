"""The same network in PyTorch with pytorch-crf, plain loop, fused Adam."""

import numpy as np
import torch
from torch import nn
from torchcrf import CRF

from benchmarks import clock


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.scores, self.crf = (
            nn.Embedding(5000, 128),
            nn.Linear(128, 4),
            CRF(4, batch_first=True),
        )
        self.convolutions = nn.ModuleList(nn.Conv1d(128, 128, 3, padding=1) for _ in range(3))

    def forward(self, x, y):
        mask = x > 0
        h = self.embedding(x).transpose(1, 2)
        for convolution in self.convolutions:
            h = torch.relu(convolution(h * mask[:, None]))
        return -self.crf(self.scores(h.transpose(1, 2)), y, mask, reduction="mean")


rng = np.random.default_rng(0)
lengths = rng.integers(32, 65, (40, 128, 1))
x = torch.tensor(rng.integers(1, 4999, (40, 128, 64)) * (np.arange(64) < lengths))
y = torch.tensor(rng.integers(0, 4, (40, 128, 64)))
model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), fused=True)


def work():
    for x_batch, y_batch in zip(x, y):
        optimizer.zero_grad()
        model(x_batch, y_batch).backward()
        optimizer.step()


clock.report(work, 40 * 128, repeats=5)
