"""Small networks and subjects for tests of proxies: cells, attention, and one that nothing passes through."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from uninas_bench.api import space
from uninas_bench.architecture import Architecture, Task
from uninas_bench.data.source import ImageSet, Split
from uninas_bench.fitting import FitProgress, cache_folder, fit, fit_configuration, fit_folder
from uninas_bench.host import default_host
from uninas_bench.plan import plan_of
from uninas_bench.provenance import provenance
from uninas_bench.proxy import Proxy
from uninas_bench.seeds import derive_seed
from uninas_bench.subject import CellSubject, NetworkSubject

TASK = Task("conformance", "conformance", 8, 5)
SPACE = space("nasbench201", channels=4, cells=1)
DISCONNECTED = "|none~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|"


def noise_images(images: int = 64) -> ImageSet:
    """Labelled noise in place of a task's images: (images, 3, 8, 8)."""
    rng = np.random.default_rng(0)
    pixels = rng.standard_normal((images, 3, TASK.resolution, TASK.resolution), dtype=np.float32)
    return ImageSet(pixels, rng.integers(0, TASK.classes, images), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class NoiseSource:
    """`noise_images` as an image source: the same ones for training and testing."""

    name = TASK.dataset
    fingerprint = "noise"

    def load(self, split: Split, resolution: int) -> ImageSet:
        """The images, which have the task's resolution."""
        return noise_images()


def fitted(proxy: Proxy, *, run_seed: int = 0, progress: FitProgress | None = None) -> Path | None:
    """The folder of the proxy's fit to the tiny space, fitted where that is not done; None if it needs none.

    It lies in the cache that ``UNINAS_BENCH_CACHE`` names, as every fit does.
    """
    if "fit" not in proxy.needs:
        return None
    host, data = default_host(), {TASK.dataset: NoiseSource()}
    plan = plan_of(host, SPACE, (), [proxy], task=TASK, seed=run_seed, data=data)
    folder = fit_folder(cache_folder(), fit_configuration(proxy, plan.configurations[0]))
    fit(
        plan, 0, folder, progress=progress,
        record=lambda: provenance(host, command="conformance suite", device="cpu", workers=1),
    )  # fmt: skip
    return folder


def cell_subject(proxy: Proxy, architecture: Architecture | str, *, run_seed: int = 0) -> CellSubject:
    """An architecture of a tiny NAS-Bench-201, as the engine would hand it to ``proxy``, which is fitted."""
    found = SPACE.parse(str(architecture).removeprefix("nasbench201:"))
    seed = derive_seed(found, proxy.name, str(proxy.settings), run_seed)
    return CellSubject(
        SPACE, found, TASK, proxy.settings, cell_seed=seed, run_seed=run_seed, images=noise_images(),
        fitted=fitted(proxy, run_seed=run_seed),
    )  # fmt: skip


class WatchedSubject(NetworkSubject):
    """A bare network as `uninas_bench.score_network` hands it over; remembers the copies it gave out."""

    def __init__(self, module: nn.Module, proxy: Proxy, features: Sequence[str] | None = None) -> None:
        rng = np.random.default_rng(1)
        shape = (proxy.settings.batch, 3, TASK.resolution, TASK.resolution)
        batches = [
            (
                torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)),
                torch.from_numpy(rng.integers(0, TASK.classes, shape[0])),
            )
            for _ in range(4)
        ]
        super().__init__(module, batches, proxy.settings, init="proxy", seed=1, features=features)
        self.copies: list[weakref.ref[nn.Module]] = []

    def network(self, resolution: int | None = None) -> nn.Module:
        """A copy, remembered without keeping it alive."""
        network = super().network(resolution)
        self.copies.append(weakref.ref(network))
        return network


class AttentionNetwork(nn.Module):
    """Convolutional patches, then transformer blocks: (B, 3, R, R) -> (B, classes).

    Holds what breaks proxies made for CNNs: GELU, LayerNorm, dropout, a fused attention projection, and
    raw parameters (class token, position embedding).
    """

    def __init__(self, width: int = 16, depth: int = 2) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 2, stride=2)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, (TASK.resolution // 2) ** 2 + 1, width))
        self.blocks = nn.ModuleList(_AttentionBlock(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, TASK.classes)

    def forward(self, images: Tensor) -> Tensor:
        """The logits, read off the class token."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], 1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        logits: Tensor = self.head(self.norm(tokens)[:, 0])
        return logits


class _AttentionBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, dropout=0.1, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        normed = self.norm1(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


def seeded(build: type[nn.Module], seed: int = 0) -> nn.Module:
    """An instance whose weights come from ``seed``; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
