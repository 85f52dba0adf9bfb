"""What a search depends on besides space, task, proxy and seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from uninas_bench.bounds import Bounds
from uninas_bench.errors import UserError
from uninas_bench.search.latency import LatencyBounds

Strategy = Literal["evolution", "random", "exhaustive", "ascent"]

ITERATIONS = 1024
"""Of the paper's search; the default of every strategy that does not end by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """The strategy and its constants; the defaults are those of the UniNAS paper, section IV.b.

    Attributes:
        strategy: ``evolution``, ``random``, ``exhaustive`` or ``ascent``; see
            `uninas_bench.search.strategies`.
        iterations: after the start; None for ``exhaustive``, which ends with the space.
        population: how many of the best are kept, hence how many candidates there are at the end.
        steps: moves from a parent to its child.
        p_eliminate: probability that a move takes something away, in spaces that know their bounds;
            `SearchSpace.mutate` of the others is as it is.
        children: architectures per iteration; more than one can be scored at the same time.
        n_try: attempts per move, or, in spaces that do not know their bounds, per child.
        bounds: that every architecture keeps to.
        latency: bounds of the measured seconds of one image; every architecture keeps to them, too.
        budget: name of the task that costs are counted for, and latencies measured, where it is not the one
            that is scored on: a search can score at 64 pixels and keep to the FLOPs of 224.
        start: encodings of the first architectures; empty: one is drawn.
    """

    strategy: Strategy = "evolution"
    iterations: int | None = ITERATIONS
    population: int = 64
    steps: int = 5
    p_eliminate: float = 0.3
    children: int = 1
    n_try: int = 64
    bounds: Bounds = field(default_factory=Bounds)
    latency: LatencyBounds = field(default_factory=LatencyBounds)
    budget: str | None = None
    start: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Strategy):
            raise UserError(f'strategy="{self.strategy}": expected {", ".join(get_args(Strategy))}')
        if (self.strategy == "exhaustive") != (self.iterations is None):
            raise UserError(
                f"iterations={self.iterations}: exhaustive search ends with the space, others need a number"
            )
        least = {"population": 1, "steps": 1, "children": 1, "n_try": 1, "iterations": 0}
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise UserError(f"{name}={value}: expected at least {minimum}")
        if not 0 <= self.p_eliminate <= 1:
            raise UserError(f"p_eliminate={self.p_eliminate}: expected a probability between 0 and 1")

    @property
    def limits(self) -> str:
        """All bounds, in words."""
        if self.latency.open:
            return str(self.bounds)
        return f"{self.bounds}, {self.latency}" if self.bounds != Bounds() else str(self.latency)


def search_settings(*, strategy: Strategy, iterations: int | None, **constants: Any) -> SearchSettings:
    """Settings with the strategy's own default for ``iterations``.

    Raises:
        UserError: a constant that cannot be.
    """
    if iterations is None and strategy != "exhaustive":
        iterations = ITERATIONS
    return SearchSettings(strategy=strategy, iterations=iterations, **constants)
