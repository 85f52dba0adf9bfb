"""An autoencoder that needs no training: words of three letters as one-hot latents, and folders of fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.engine.toy import Toy
from uninas_bench import Architecture
from uninas_bench.seeds import derive_seed
from uninas_bench_plugins._arch2vec.graphs import Graphs

LETTERS = "abc"


class Words:
    """Encodes and decodes words of `Toy` as an `Autoencoder` does; the letter of the largest number is read.

    A word with a letter in ``forbidden`` is no word; an edge is there where the first two numbers' sum is
    positive, and the strict rule wants one.
    """

    size = 9

    def __init__(self, forbidden: str = "") -> None:
        self.forbidden = forbidden
        self.encoding = self
        self.decoded = 0

    def encode(self, architectures: Sequence[Architecture]) -> Tensor:
        rows = [[letter == other for letter in a.encoding for other in LETTERS] for a in architectures]
        return torch.tensor(rows, dtype=torch.float32).view(-1, self.size)

    def graphs(self, latents: Tensor) -> Iterator[Graphs]:
        for row in latents:
            letters = row.view(3, 3).argmax(1).numpy()[None]
            yield Graphs(letters, np.array([[[bool(row[0] + row[1] > 0)]]]))

    def decode(self, operations: Any, adjacency: Any, rule: str) -> Architecture | None:
        self.decoded += 1
        word = "".join(LETTERS[number] for number in operations[0])
        if set(word) & set(self.forbidden) or (rule == "strict" and not adjacency.all()):
            return None
        return Architecture(Toy.name, word)


@dataclass(frozen=True)
class Workshop:
    """What a training needs of a `FitContext`; fails at the ``last`` report, as if it were killed there."""

    folder: Path
    seed: int = 0
    last: int = 10**9
    reports: list[str] = field(default_factory=list)

    def generator(self, stream: str = "") -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, stream))

    def write(self, name: str, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data)

    def report(self, done: int, total: int, text: str = "") -> None:
        self.reports.append(text)
        if len(self.reports) >= self.last:
            raise KeyboardInterrupt
