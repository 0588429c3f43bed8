"""The same model in PyTorch, a plain loop over shuffled tensors: samples per second of three epochs."""

import torch
from torch import nn
from torch.nn import functional

from benchmarks import clock

x = torch.rand(60_000, 784)
hidden, mean, log_var = nn.Linear(784, 256), nn.Linear(256, 2), nn.Linear(256, 2)
decoder = nn.Sequential(nn.Linear(2, 256), nn.ReLU(), nn.Linear(256, 784))
parameters = [p for part in (hidden, mean, log_var, decoder) for p in part.parameters()]
optimizer = torch.optim.RMSprop(parameters, 1e-3, alpha=0.9)


def work():
    for rows in torch.randperm(len(x)).split(100):
        batch = x[rows]
        h = torch.relu(hidden(batch))
        m, s = mean(h), log_var(h)
        logits = decoder(m + torch.exp(0.5 * s) * torch.randn_like(m))
        kl = 0.5 * (m.square() + s.exp() - s - 1).sum()
        loss = (functional.binary_cross_entropy_with_logits(logits, batch, reduction="sum") + kl) / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


clock.report(work, len(x))
