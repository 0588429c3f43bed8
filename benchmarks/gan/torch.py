"""The same networks and steps in PyTorch, a plain loop, channels last, fused Adam: real images per second."""

import torch
from torch import nn

from benchmarks import clock

x = torch.rand(20 * 128, 3, 32, 32) * 2 - 1


class Reshape(nn.Module):
    def forward(self, h):
        return h.view(-1, 128, 4, 4)


generator = nn.Sequential(
    nn.Linear(128, 128 * 16, bias=False), Reshape(), nn.BatchNorm2d(128), nn.ReLU(),
    nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
    nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
    nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh()).to(memory_format=torch.channels_last)
critic = nn.Sequential(
    nn.Conv2d(3, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2),
    nn.Conv2d(64, 128, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(128 * 16, 1, bias=False),
).to(memory_format=torch.channels_last)
average = [p.detach().clone() for p in generator.parameters()]
optimizers = [torch.optim.Adam(m.parameters(), 2e-4, (0.5, 0.999), fused=True) for m in (generator, critic)]


def work():
    for rows in torch.randperm(len(x)).split(128):
        for part in rows.split(64):
            real = x[part].contiguous(memory_format=torch.channels_last)
            with torch.no_grad():
                fake = generator(torch.randn(len(part), 128))
            t_r, t_f = critic(torch.cat([real, fake])).squeeze(1).split(len(part))
            d = t_r - t_f
            distance = (real - fake).square().mean(dim=(1, 2, 3)).sqrt() + 1e-6
            loss = (d.square() / (20 * distance) - d).mean()
            optimizers[1].zero_grad()
            loss.backward()
            optimizers[1].step()
        critic.requires_grad_(False)
        loss = -critic(generator(torch.randn(64, 128))).mean()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        critic.requires_grad_(True)
        torch._foreach_lerp_(average, [p.detach() for p in generator.parameters()], 0.001)


clock.report(work, len(x))
