"""The same network in PyTorch, a plain loop with fused Adam: couplets per second of three short epochs."""

import torch
from torch import nn
from torch.nn import functional as f

from benchmarks import clock


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(64, 128, 3, padding=1, bias=False)

    def forward(self, h):
        value, gate = self.convolution(h).chunk(2, 1)
        return h + value * gate.sigmoid()


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, 64)
        self.encoder = nn.Sequential(Gated(), Gated())
        self.mean, self.log_var = nn.Linear(64, 64), nn.Linear(64, 64)
        self.code, self.decoder, self.logits = nn.Linear(64, 640), Gated(), nn.Linear(64, 5000)

    def forward(self, x):
        h = self.encoder(self.embedding(x).transpose(1, 2)).mean(2)
        mean, log_var = self.mean(h), self.log_var(h)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        kl = 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum()
        h = self.decoder(self.code(z).view(-1, 10, 64).transpose(1, 2))
        return self.logits(h.transpose(1, 2)), kl


x = torch.randint(1, 5000, (6_400, 10))
model = Network()
optimizer = torch.optim.Adam(model.parameters(), 2e-3, fused=True)


def work():
    for rows in torch.randperm(len(x)).split(64):
        batch = x[rows]
        logits, kl = model(batch)
        loss = (f.cross_entropy(logits.flatten(0, 1), batch.flatten(), reduction="sum") + kl) / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


clock.report(work, len(x))
