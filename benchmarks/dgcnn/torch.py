"""The same network in PyTorch, a plain loop with fused Adam: samples per second of three short epochs.

torch.py answers N: questions per second instead, N at a time, from the same text to the curves of start and
end.
"""

import sys

import torch
from torch import nn
from torch.nn import functional as f

from benchmarks import clock
from benchmarks.dgcnn.data import VOCAB, passages
from dgcnn.text import Encoder, pad


class Pooling(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.w, self.a = nn.Linear(channels, channels, bias=False), nn.Linear(channels, 1, bias=False)

    def forward(self, h, mask):
        scores = self.a(torch.tanh(self.w(h))).masked_fill(~mask[..., None], float("-inf"))
        return (scores.softmax(1) * h).sum(1)


def convolutions(*rates):
    return nn.ModuleList([nn.Conv1d(128, 256, 3, padding=rate, dilation=rate) for rate in rates])


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.dropout = nn.Embedding(5000, 128), nn.Dropout(0.1)
        self.question, self.passage = convolutions(1, 2, 1), convolutions(1, 2, 4, 8, 16, 1)
        self.mix, self.pool_q, self.pool_p = nn.Linear(256, 128, bias=False), Pooling(128), Pooling(256)
        self.start_end, self.whole = nn.Linear(256, 2), nn.Linear(256, 1)

    def encode(self, h, mask, convolutions):
        h, mask = h.transpose(1, 2), mask[:, None]
        for convolution in convolutions:
            value, gate = convolution(h * mask).chunk(2, 1)
            gate = self.dropout(gate).sigmoid()
            h = (h * (1 - gate) + value * gate) * mask
        return h.transpose(1, 2)

    def forward(self, q, p):
        q_mask, p_mask = q > 0, p > 0
        q = self.pool_q(self.encode(self.dropout(self.embedding(q)), q_mask, self.question), q_mask)
        h = self.dropout(self.embedding(p))
        h = self.mix(torch.cat([h, q[:, None].expand(-1, h.shape[1], -1)], -1))
        h = self.encode(h, p_mask, self.passage)
        h = torch.cat([h, q[:, None].expand(-1, h.shape[1], -1)], -1)
        return self.start_end(h).sigmoid() * self.whole(self.pool_p(h, p_mask)).sigmoid()[:, None]


def focal(p, y):
    p = p.clamp(1e-7, 1 - 1e-7)
    return (-0.25 * y * (1 - p)**2 * p.log() - 0.75 * (1 - y) * p**2 * (1 - p).log()).sum(-1)


model = Network()
if sys.argv[1:2] == ["answers"]:
    model.eval()
    size, encode = int(sys.argv[2]), Encoder(VOCAB)
    pairs = [(text[:16], text) for text in passages()][:100 * size]

    def numbers(texts):
        return torch.from_numpy(pad([encode(text)[0] for text in texts]))

    def work():
        for i in range(0, len(pairs), size):
            questions, texts = zip(*pairs[i:i + size])
            model(numbers(questions), numbers(texts)).numpy()

    with torch.inference_mode():
        clock.report(work, len(pairs), repeats=5)
else:
    q, p = torch.randint(2, 5000, (512, 16)), torch.randint(2, 5000, (512, 256))
    y = f.one_hot(torch.tensor([60, 63]), 256).T.float().expand(512, -1, -1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)

    def work():
        for rows in torch.randperm(512).split(128):
            loss = 100 * (focal(model(q[rows], p[rows]), y[rows]) * (p[rows] > 0)).sum() / (p[rows] > 0).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    clock.report(work, 512)
