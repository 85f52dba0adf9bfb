"""Tiny networks in float64 or float32 whose scores a test can work out by itself."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from uninas_bench.subject import NetworkSubject


def batches(n=2, size=6, resolution=8, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    shape = (size, 3, resolution, resolution)
    draws = [(rng.standard_normal(shape, dtype=np.float32), rng.integers(0, classes, size)) for _ in range(n)]
    return [(torch.from_numpy(images), torch.from_numpy(labels)) for images, labels in draws]


def subject(network, proxy, data, *, features=None, seed=0):
    return NetworkSubject(network, data, proxy.settings, init="keep", seed=seed, features=features)


def value(network, proxy, data, **options):
    found = proxy.evaluate(subject(network, proxy, data, **options))
    return found[proxy.name] if proxy.components == (proxy.name,) else found


def seeded(build, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


class Stages(nn.Module):
    """Conv-BN-activation stages under a linear head, with the stages as blocks."""

    def __init__(self, widths=(8, 12, 16), activation=nn.ReLU, classes=5):
        super().__init__()
        pairs = zip((3, *widths[:-1]), widths, strict=True)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), activation())
            for a, b in pairs
        )
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean((2, 3)))


class Function(nn.Module):
    """A network around a function of the images."""

    def __init__(self, function, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.function = function

    def forward(self, x):
        return self.function(self, x)
