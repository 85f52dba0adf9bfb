"""Architectures that may be scored: how they are made, and which are let in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.space import LISTABLE, BoundedSpace
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import numpy as np

    from uninas_bench.architecture import Architecture, Costs, Task
    from uninas_bench.search.latency import Latencies
    from uninas_bench.search.settings import SearchSettings
    from uninas_bench.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Proposal:
    """An architecture to score: new, and within the bounds.

    Attributes:
        iteration: that proposed it, 0 for the start; in exhaustive search its place in the space's order.
        parent: the encoding of what it was made from; empty where it was drawn or given.
        latency: seconds of one image, where they are bounded.
    """

    architecture: Architecture
    costs: Costs
    iteration: int
    parent: str = ""
    latency: float | None = None


class Ground:
    """The part of a space that a search may still enter; ``task`` is the one that costs are counted for.

    Outside are what breaks the bounds, and what shares its `SearchSpace.canonical` text with something that
    was let in: a network is scored once, under the first of its encodings that came. ``latencies`` measures
    what is within all other bounds; it is asked only where the settings bound the latency.
    """

    def __init__(
        self, space: SearchSpace, task: Task, settings: SearchSettings, latencies: Latencies | None = None
    ) -> None:
        self.space = space
        self.scored_on = task
        self.task = task if settings.budget is None else find_task(settings.budget)
        self.settings = settings
        self.latencies = None if settings.latency.open else latencies
        self._seen: set[str] = set()

    def propose(self, architecture: Architecture, iteration: int, parent: str = "") -> Proposal | None:
        """A proposal, which closes the ground for its like; None where it is closed already."""
        costs = self.space.costs(architecture, self.task)
        if not self.settings.bounds.allows(costs) or not self._exists(architecture):
            return None
        canonical = self.space.canonical(architecture)
        if canonical in self._seen:
            return None
        self._seen.add(canonical)
        latency = self.latencies.of(architecture) if self.latencies is not None else None
        if not self.settings.latency.allows(latency):
            return None
        return Proposal(architecture, costs, iteration, parent, latency)

    def _exists(self, architecture: Architecture) -> bool:
        """Whether what was made for the budget's task can be built for the other one, too."""
        if self.scored_on is self.task:
            return True
        try:
            self.space.costs(architecture, self.scored_on)
        except InvalidArchitecture:
            return False
        return True

    def child(self, parent: Architecture, rng: np.random.Generator) -> Architecture | None:
        """What ``steps`` moves make of ``parent`` within the bounds; None where ``n_try`` attempts fail.

        A space that knows its bounds keeps to them in every move (Algorithm 1 of the UniNAS paper). In the
        others a child is ``steps`` mutations, of which only the last has to be within.
        """
        settings = self.settings
        if isinstance(self.space, BoundedSpace):
            return self.space.step(
                parent,
                rng,
                self.task,
                settings.bounds,
                steps=settings.steps,
                p_eliminate=settings.p_eliminate,
                n_try=settings.n_try,
            )
        for _ in range(settings.n_try):
            child = parent
            for _ in range(settings.steps):
                child = self.space.mutate(child, rng)
            if settings.bounds.allows(self.space.costs(child, self.task)):
                return child
        return None


def is_listable(space: SearchSpace) -> bool:
    """Whether all of the space can be drawn, in which case `draws` ends."""
    return space.size is not None and space.size <= LISTABLE


def draws(space: SearchSpace, rng: np.random.Generator) -> Iterator[Architecture]:
    """Uniform draws: without repetition where the space is finite and listable, else for ever."""
    if is_listable(space):
        assert space.size is not None
        yield from space.sample(space.size, rng)
        return
    while True:
        yield from space.sample(1, rng)
