"""What is left of a fit: the loss of every path of every block, and the ratings that are sums of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from uninas_bench import Architecture
from uninas_bench_plugins._bossnas.plan import FIRST, Chain, Path, Reading

Losses = dict[Path, float]
FILE = "ratings.json"


@dataclass
class Table:
    """Ratings by path.

    Attributes:
        blocks: for each block and kind of input the loss of every path, lower is better.
        chains: for each block and kind the best paths up to that block; they make the next block's input.
        notes: training losses, seconds, passes of the traversals, ratings by epoch: for the reader.
    """

    blocks: list[dict[int, Losses]] = field(default_factory=list)
    chains: list[dict[int, Chain]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values; a path is written ``8:16``."""
        return {
            "blocks": [
                {
                    str(kind): {_text(path): loss for path, loss in losses.items()}
                    for kind, losses in block.items()
                }
                for block in self.blocks
            ],
            "chains": [
                {str(kind): [_text(path) for path in chain] for kind, chain in block.items()}
                for block in self.chains
            ],
            "notes": self.notes,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Table:
        """What `to_json` gave."""
        blocks = [
            {
                int(kind): {_path(path): loss for path, loss in losses.items()}
                for kind, losses in block.items()
            }
            for block in data["blocks"]
        ]
        chains = [
            {int(kind): tuple(map(_path, chain)) for kind, chain in block.items()} for block in data["chains"]
        ]
        return cls(blocks, chains, dict(data["notes"]))


def read_table(folder: FilePath) -> Table:
    """The ratings that a fit left in its folder; kept while they are asked for again and again."""
    file = folder / FILE
    return _read(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(file: FilePath, changed: int) -> Table:
    del changed
    return Table.from_json(json.loads(file.read_text()))


def block_weights(block: Mapping[int, Losses], weights: Literal["equal", "spread"]) -> dict[int, float]:
    """Lambda of equation 1 for each kind of input: 1, or one over the standard deviation of its losses."""
    if weights == "equal":
        return dict.fromkeys(block, 1.0)
    spreads = {kind: float(np.std(list(losses.values()))) for kind, losses in block.items()}
    return {kind: 1 / spread if spread > 0 else 0.0 for kind, spread in spreads.items()}


def rate(
    table: Table, reading: Reading, architecture: Architecture, weights: Literal["equal", "spread"]
) -> float:
    """Minus the weighted sum of the losses of an architecture's paths: higher is better.

    NaN where a path was not rated for the input that the architecture gives it.
    """
    kind, total = FIRST, 0.0
    for index, (block, path) in enumerate(zip(table.blocks, reading.split(architecture), strict=True)):
        loss = block.get(kind, {}).get(path, math.nan)
        total -= block_weights(block, weights).get(kind, math.nan) * loss
        kind = reading.kind_after(index, path)
    return total


def outer_sum(blocks: Sequence[Mapping[Path, float]]) -> NDArray[np.float64]:
    """The sums of losses of all combinations of paths, in lexicographic order of their choices.

    For the size space that is the official order of its 32,768 architectures.
    """
    total = np.zeros(1)
    for losses in blocks:
        values = np.array([losses[path] for path in sorted(losses)])
        total = (total[:, None] + values).ravel()
    return total


def _text(path: Path) -> str:
    return ":".join(map(str, path))


def _path(text: str) -> Path:
    return tuple(map(int, text.split(":")))
