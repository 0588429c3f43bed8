"""The same model in PyTorch, a plain loop, channels last: images per second of three short epochs.

    python -m benchmarks.capsule.torch            votes written out, as one would write it
    python -m benchmarks.capsule.torch products   votes never written out, as here
"""

import sys

import torch
from torch import nn

from benchmarks import clock

x = torch.rand(1280, 1, 28, 28)
y = torch.eye(10)[torch.randint(0, 10, (1280,))]
cnn = nn.Sequential(nn.Conv2d(1, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.AvgPool2d(2),
                    nn.Conv2d(64, 128, 3), nn.ReLU(), nn.Conv2d(128, 128, 3), nn.ReLU())
cnn = cnn.to(memory_format=torch.channels_last)
kernel = nn.Parameter(nn.init.xavier_uniform_(torch.empty(128, 160)))
optimizer = torch.optim.Adam([*cnn.parameters(), kernel], 1e-3, fused=True)
products = "products" in sys.argv


def work():
    for rows in torch.randperm(len(x)).split(128):
        h = cnn(x[rows].contiguous(memory_format=torch.channels_last))
        u = h.permute(0, 2, 3, 1).reshape(len(rows), -1, 128)
        b = torch.zeros(len(rows), 10, u.shape[1])
        if not products:
            votes = (u @ kernel).view(len(rows), -1, 10, 16).transpose(1, 2).contiguous()
        for i in range(3):
            if products:
                s = torch.einsum("bki,ikd->bkd", b.softmax(1) @ u, kernel.view(128, 10, 16))
            else:
                s = (b.softmax(1).unsqueeze(2) @ votes).squeeze(2)
            if i < 2:
                direction = nn.functional.normalize(s, dim=-1)
                if products:
                    b = torch.einsum("bkd,ikd->bki", direction, kernel.view(128, 10, 16)) @ u.transpose(1, 2)
                else:
                    b = (votes @ direction.unsqueeze(3)).squeeze(3)
        square = s.square().sum(-1) + 1e-9
        p = square / (0.5 + square)
        loss = (
            (y[rows] * (0.9 - p).relu().square() + 0.25 * (1 - y[rows]) * (p - 0.1).relu().square())
            .sum(1)
            .mean()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


clock.report(work, len(x))
