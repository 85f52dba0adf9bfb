"""What spaces share whose architectures fit into one list: the official order, indices, sampling."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.space import Scale

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

ScaleT = TypeVar("ScaleT", bound=Scale)
_INTEGER = re.compile(r"[+-]?\d+")
_ITEM = re.compile(r"""[^\s,()\[\]"']+""")


class FiniteSpace(ABC, Generic[ScaleT]):
    """A `SearchSpace` of ``size`` architectures, each a fixed number of choices (its genes).

    A subclass names itself, says in which order its encodings come, reads its own spellings and
    prices and builds. Instances are immutable values: safe to pickle and to share.
    """

    name: str
    version: int
    size: int | None
    tasks: tuple[Task, ...]

    def __init__(self, scale: ScaleT) -> None:
        self._scale = scale

    @property
    def scale(self) -> ScaleT:
        """The macro parameters that the architectures do not choose."""
        return self._scale

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._scale})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), self._scale))

    def scaled(self, **overrides: object) -> Self:
        """The same space at another scale."""
        return type(self)(self._scale.updated(overrides))

    @abstractmethod
    def encodings(self) -> Sequence[str]:
        """Every encoding in the official index order."""

    @abstractmethod
    def index(self, architecture: Architecture) -> int:
        """The official index.

        Raises:
            InvalidArchitecture: the architecture is not of this space.
        """

    @abstractmethod
    def spellings(self, architecture: Architecture) -> Mapping[str, str]:
        """Every spelling that `parse` accepts for the architecture, by the name of its form."""

    @abstractmethod
    def choices(self, architecture: Architecture) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """The architecture's choices, and for each of them all that could have been chosen."""

    @abstractmethod
    def assemble(self, choices: Sequence[str]) -> Architecture:
        """The architecture of a full list of choices, the inverse of `choices`."""

    @abstractmethod
    def parse(self, text: str) -> Architecture:
        """The architecture of any accepted spelling."""

    @abstractmethod
    def canonical(self, architecture: Architecture) -> str:
        """The text that architectures of one class share."""

    @abstractmethod
    def costs(self, architecture: Architecture, task: Task) -> Costs:
        """Parameters and FLOPs in closed form."""

    @abstractmethod
    def build(self, architecture: Architecture, task: Task) -> nn.Module:
        """A network with fresh weights."""

    @abstractmethod
    def blocks(self, network: nn.Module) -> Sequence[tuple[str, nn.Module]]:
        """The blocks of a network in forward order."""

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture in the official index order."""
        return (Architecture(self.name, encoding) for encoding in self.encodings())

    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        """``n`` distinct architectures, drawn uniformly, in random order.

        Raises:
            UserError: ``n`` is below 1 or exceeds the size of the space.
        """
        encodings = self.encodings()
        if not 1 <= n <= len(encodings):
            raise UserError(f"{self.name}: cannot sample {n}; expected 1..{len(encodings)} architectures")
        chosen = rng.choice(len(encodings), size=n, replace=False)
        return [Architecture(self.name, encodings[int(i)]) for i in chosen]

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A neighbour that differs in one choice, uniform over all such neighbours."""
        values, options = self.choices(architecture)
        neighbours = [
            (position, option)
            for position, known in enumerate(options)
            for option in known
            if option != values[position]
        ]
        position, option = neighbours[int(rng.integers(len(neighbours)))]
        return self.assemble([*values[:position], option, *values[position + 1 :]])

    def _owned(self, architecture: Architecture, positions: Mapping[str, Any]) -> str:
        """The encoding of an architecture that is checked to be of this space."""
        if architecture.space != self.name or architecture.encoding not in positions:
            raise InvalidArchitecture(f'{self.name}: "{architecture}" is no architecture of this space')
        return architecture.encoding

    def _stripped(self, text: str) -> tuple[str, int]:
        """The text without spaces and the optional ``name:`` prefix, and how much was cut off in front."""
        body = text.strip()
        body = body.removeprefix(f"{self.name}:").lstrip()
        return body, text.rindex(body) if body else len(text)

    def _by_index(self, body: str) -> Architecture | None:
        """The architecture of an official index; None where the text is no integer at all."""
        if not _INTEGER.fullmatch(body):
            return None
        encodings = self.encodings()
        # Longer than any index: never convert it, Python limits the digits of an int.
        index = int(body) if len(body) < 10 else len(encodings)
        if not 0 <= index < len(encodings):
            raise InvalidArchitecture(
                f"{self.name}: index {body[:20]} out of range; expected 0..{len(encodings) - 1}"
            )
        return Architecture(self.name, encodings[index])

    def _items(self, body: str, offset: int, count: int, kind: str) -> list[tuple[str, int]]:
        """The ``count`` items of a list or tuple, each with its position (from 1) in the user's text."""
        items = [(match.group(), offset + match.start() + 1) for match in _ITEM.finditer(body)]
        if len(items) != count:
            raise InvalidArchitecture(f"{self.name}: expected {count} {kind}, got {len(items)}")
        return items
