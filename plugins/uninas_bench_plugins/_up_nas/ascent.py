"""Gradient ascent in the autoencoder's space (equations 5 and 6): many starts at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Adam

from uninas_bench import UserError
from uninas_bench_plugins._arch2vec.graphs import INPUT, OUTPUT, Rule

if TYPE_CHECKING:
    from uninas_bench import Architecture
    from uninas_bench_plugins._up_nas.model import UnifiedProxy
    from uninas_bench_plugins._up_nas.settings import UpNasSettings


@dataclass(frozen=True, slots=True)
class Climb:
    """The way up from one start.

    Attributes:
        path: the architectures that the point was decoded to one after the other, the start first.
        scores: of each, predicted from the latent that the encoder gives it, as for any other architecture.
        steps: until it ended.
        invalid: whether that was for a graph that is none.
    """

    path: tuple[Architecture, ...]
    scores: tuple[float, ...]
    steps: int
    invalid: bool

    @property
    def last(self) -> Architecture:
        """The last valid one: what the paper takes."""
        return self.path[-1]

    @property
    def best(self) -> Architecture:
        """The best by score; of equal ones the first."""
        return self.path[self.scores.index(max(self.scores))]


def climb(model: UnifiedProxy, starts: Sequence[Architecture], settings: UpNasSettings) -> list[Climb]:
    """Follow the gradient of the unified proxy from the latents of architectures.

    Each start goes its own way: it ends where its point is decoded to no valid graph, where it has left the
    neighbourhood of the training architectures, or after ``settings.steps``. Nothing is drawn.

    Args:
        model: predicts, encodes and decodes.
        starts: where to begin.
        settings: rule, rate, steps and distance.
    """
    points = model.autoencoder.encode(starts).clone().requires_grad_(True)
    optimizer = Adam([points], settings.rate)
    paths: list[list[Architecture]] = [[start] for start in starts]
    steps = [settings.steps] * len(starts)
    ended = [False] * len(starts)
    invalid = [False] * len(starts)
    reader = _Reader(model, settings)
    for step in range(1, settings.steps + 1):
        optimizer.zero_grad(set_to_none=True)
        # The rows do not meet, neither here nor in Adam: each start climbs as it would alone.
        (-model.objective(points).sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        far = model.distance(points.detach()) > settings.distance if settings.distance else None
        for row, found in enumerate(reader.read(points.detach(), ended)):
            if ended[row]:
                continue
            if found is None or (far is not None and bool(far[row])):
                ended[row], steps[row], invalid[row] = True, step, found is None
            elif found != paths[row][-1]:
                paths[row].append(found)
        if all(ended):
            break
    scores = model.scores_of([architecture for path in paths for architecture in path])
    climbs = []
    for path, taken, wrong in zip(paths, steps, invalid, strict=True):
        climbs.append(Climb(tuple(path), tuple(scores[entry] for entry in path), taken, wrong))
    return climbs


class _Reader:
    """Decodes points, each graph once: for most steps nothing changes."""

    def __init__(self, model: UnifiedProxy, settings: UpNasSettings) -> None:
        self._autoencoder = model.autoencoder
        self._rule: Rule = "operations" if settings.rule == "choices" else settings.rule
        self._framed = settings.rule == "choices"
        if self._framed and model.autoencoder.encoding.edges is None:
            raise UserError("rule=choices: graphs of this space do not all end at the same node")
        self._known: dict[bytes, Architecture | None] = {}

    def read(self, points: Tensor, skipped: Sequence[bool]) -> list[Architecture | None]:
        """An architecture for each row, None where there is none or the row is skipped."""
        found: list[Architecture | None] = []
        for graphs, skip in zip(self._autoencoder.graphs(points), skipped, strict=True):
            if skip:
                found.append(None)
                continue
            operations = self._with_ends(graphs.operations) if self._framed else graphs.operations
            key = operations.tobytes()
            if self._rule == "strict":
                key += graphs.adjacency.tobytes()
            if key not in self._known:
                self._known[key] = self._autoencoder.encoding.decode(operations, graphs.adjacency, self._rule)
            found.append(self._known[key])
        return found

    def _with_ends(self, operations: NDArray[np.int64]) -> NDArray[np.int64]:
        """With the input and the output that every architecture has at these places."""
        names = self._autoencoder.encoding.names
        filled = operations.copy()
        filled[:, 0], filled[:, -1] = names.index(INPUT), names.index(OUTPUT)
        return filled
