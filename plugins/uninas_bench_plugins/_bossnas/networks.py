"""The pair of supernets: the online one that is trained, and its moving average that sets the targets."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from uninas_bench_plugins._bossnas.heads import predictor, projector
from uninas_bench_plugins._bossnas.plan import Path
from uninas_bench_plugins._bossnas.supernet import Supernet


class Side(nn.Module):
    """A supernet with a projector for each block."""

    def __init__(self, supernet: Supernet, hidden: int, out: int) -> None:
        super().__init__()
        self.supernet = supernet
        self.projectors = nn.ModuleList(projector(features, hidden, out) for features in supernet.features)

    def features(self, block: int, path: Path, x: Tensor, previous: int | None) -> Tensor:
        """What the neck says of a path's output: (B, features)."""
        return self.supernet.neck(block, path[-1], self.supernet.run(block, path, x, previous))

    def forward(self, block: int, path: Path, x: Tensor, previous: int | None) -> Tensor:
        """The representation of a block's input by a path: (B, out)."""
        out: Tensor = self.projectors[block](self.features(block, path, x, previous))
        return out

    def enter(self, chain: Sequence[Path], images: Tensor) -> Tensor:
        """A block's input; no gradient reaches the blocks before, which are trained no further."""
        with torch.no_grad():
            return self.supernet.enter(chain, images)

    def of_block(self, block: int) -> Iterator[nn.Parameter]:
        """The weights of a block, with its neck (of every width) and its projector."""
        for parts in (self.supernet.bodies, self.supernet.necks, self.projectors):
            yield from parts[block].parameters()


class Siamese(nn.Module):
    """Both sides, the online side's predictors, and linear heads where the training is supervised.

    Args:
        supernet: freshly initialised.
        hidden: of projectors and predictors.
        out: of representations.
        targets: outputs of the supervised head of each block; none without supervision.
    """

    def __init__(self, supernet: Supernet, hidden: int, out: int, targets: Sequence[int] = ()) -> None:
        super().__init__()
        self.online = Side(supernet, hidden, out)
        self.predictors = nn.ModuleList(predictor(out, hidden) for _ in range(supernet.plan.blocks))
        sizes = zip(supernet.features, targets, strict=True) if targets else ()
        self.heads = nn.ModuleList(nn.Linear(features, n) for features, n in sizes)
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    def trained(self, block: int) -> list[nn.Parameter]:
        """What the optimizer of a block's stage moves."""
        found = [*self.online.of_block(block), *self.predictors[block].parameters()]
        return found + (list(self.heads[block].parameters()) if self.heads else [])

    @torch.no_grad()
    def follow(self, block: int, momentum: float) -> None:
        """Target = momentum target + (1 - momentum) online; statistics of batch norms are not averaged."""
        pairs = zip(self.target.of_block(block), self.online.of_block(block), strict=True)
        for target, online in pairs:
            target.lerp_(online, 1 - momentum)
