"""The contract of a search space: enumerate, sample, mutate, parse, price and build architectures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import UnknownName, UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from uninas_bench.bounds import Bounds

LISTABLE = 1_000_000
"""Up to that size a finite space may be listed as a whole: to be shuffled, or sorted into classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The macro parameters that a space's architectures don't choose; each space adds its fields.

    ``str(scale)`` is part of a cell's key: ``channels=16,cells=5``.
    """

    def __str__(self) -> str:
        return ",".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))

    def updated(self, overrides: Mapping[str, object]) -> Self:
        """A copy with some parameters replaced; texts are read as integers.

        Raises:
            UserError: an unknown parameter, or a value that is no positive integer.
        """
        known = {field.name for field in fields(self)}
        values: dict[str, int] = {}
        for name, value in overrides.items():
            if name not in known:
                raise UnknownName("scale parameter", name, known)
            try:
                number = int(str(value))
            except ValueError:
                number = 0
            if number < 1:
                raise UserError(f"scale {name}={value}: expected an integer of at least 1")
            values[name] = number
        return replace(self, **values)


class SearchSpace(Protocol):
    """What the harness needs of a space. Everything but `build` and `blocks` works without torch."""

    name: str
    version: int
    """Bump when a network, an encoding or a cost can change: old rows become "not comparable"."""
    size: int | None
    """How many architectures it has; None when there is no end of them."""
    tasks: tuple[Task, ...]

    @property
    def scale(self) -> Scale:
        """The macro parameters in force; each space has its own kind."""
        ...

    def scaled(self, **overrides: object) -> Self:
        """The same space at another scale."""
        ...

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture, lazily, in the official index order where one exists."""
        ...

    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        """``n`` architectures drawn uniformly, without repetition where the space is finite.

        Raises:
            UserError: ``n`` is below 1 or exceeds the size of the space.
        """
        ...

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A neighbour that differs in one choice."""
        ...

    def parse(self, text: str) -> Architecture:
        """The architecture of any accepted spelling: canonical, official index, operation tuple.

        Raises:
            InvalidArchitecture: with the position of the fault and what is known there.
        """
        ...

    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        """Every spelling of the architecture that `parse` accepts, by the name of its form.

        ``string`` is the encoding, ``index`` the official index where there is one.
        """
        ...

    def canonical(self, architecture: Architecture) -> str:
        """A text that architectures share only if they compute the same function graph.

        Where the space's authors published a construction, it is theirs: its classes can be finer
        than equality of functions, as the space then says.
        """
        ...

    def costs(self, architecture: Architecture, task: Task) -> Costs:
        """Parameters and FLOPs in closed form: no network is built."""
        ...

    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        """A network with fresh weights from the torch generator in force; (B, 3, R, R) -> (B, classes)."""
        ...

    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The blocks of a network that `build` made, in forward order; stem and head are no blocks.

        The features of a network are the input of its first block and the output of every block.
        """
        ...


@runtime_checkable
class BoundedSpace(Protocol):
    """A space that knows how to move within bounds, so that a search need not try moves blindly."""

    def step(
        self,
        architecture: Architecture,
        rng: np.random.Generator,
        task: Task,
        bounds: Bounds,
        *,
        steps: int = 1,
        p_eliminate: float = 0.3,
        n_try: int = 64,
    ) -> Architecture | None:
        """What ``steps`` random moves make of an architecture, without leaving ``bounds``.

        Args:
            architecture: within the bounds, where they are to hold afterwards.
            rng: decides everything.
            task: what the costs are counted for.
            bounds: of parameters and FLOPs.
            steps: moves.
            p_eliminate: probability that a move takes something away; it adds otherwise.
            n_try: attempts per move.

        Returns:
            The last architecture; None where a move found nothing to do in ``n_try`` attempts.
        """
        ...


SMALLEST_FAMILY = 20
"""Boards do not rank on families of fewer architectures: their taus would be noise."""


@runtime_checkable
class StratifiedSpace(Protocol):
    """A space that knows kinds among its architectures, so that a board can look at each kind alone."""

    def families(self, architecture: Architecture) -> Mapping[str, str]:
        """The kind of an architecture in every respect that the space knows: ``{"attention": "none"}``."""
        ...
