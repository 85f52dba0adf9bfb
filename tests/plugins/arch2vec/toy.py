"""A workplace such as the harness gives, and settings small enough for seconds."""

from __future__ import annotations

from pathlib import Path

import torch

from uninas_bench.seeds import derive_seed
from uninas_bench.whole_files import write_whole
from uninas_bench_plugins._arch2vec.settings import AutoencoderSettings

SMALL = {"architectures": 200, "epochs": 3, "width": 16, "latent": 8}


def small(**changes) -> AutoencoderSettings:
    return AutoencoderSettings(**{**SMALL, **changes})


class ToyWorkplace:
    """Keeps what it is told."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.seed = seed
        self.reports: list[tuple[int, int, str]] = []

    def generator(self, stream: str = "") -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, stream))

    def write(self, name: str, data: bytes) -> None:
        write_whole(self.folder / name, data)

    def report(self, done: int, total: int, text: str = "") -> None:
        self.reports.append((done, total, text))
