"""What spaces share whose architectures fit into one list: the official order, choices, neighbours."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from uninas_bench.architecture import Architecture
from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.indexed import IndexedSpace
from uninas_bench.spaces.scaled import ScaleT

if TYPE_CHECKING:
    import numpy as np

_ITEM = re.compile(r"""[^\s,()\[\]"']+""")


@dataclass(frozen=True, slots=True)
class Order:
    """All architectures of a space in the official order: encodings, choices, and the way back."""

    encodings: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    positions: Mapping[str, int]

    @classmethod
    def of(cls, choices: Iterable[tuple[str, ...]], encode: Callable[[Sequence[str]], str]) -> Self:
        """The order in which ``choices`` come."""
        listed = tuple(choices)
        encodings = tuple(map(encode, listed))
        return cls(encodings, listed, {encoding: index for index, encoding in enumerate(encodings)})


class FiniteSpace(IndexedSpace[ScaleT]):
    """A `SearchSpace` of ``size`` architectures, each a fixed number of independent choices.

    A subclass names itself, gives the order of its architectures, reads its own spellings, prices and
    builds.

    Attributes:
        options: for each choice, all that can be chosen.
    """

    options: Sequence[Sequence[str]]

    @abstractmethod
    def order(self) -> Order:
        """Every architecture in the official index order; computed once per process."""

    @abstractmethod
    def assemble(self, choices: Sequence[str]) -> Architecture:
        """The architecture of a full list of choices."""

    def choices(self, architecture: Architecture) -> tuple[str, ...]:
        """What the architecture chooses, in the order of `options`.

        Raises:
            InvalidArchitecture: the architecture is not of this space.
        """
        return self.order().choices[self.index(architecture)]

    def encoding_at(self, index: int) -> str:
        """The encoding in the place of an official index."""
        return self.order().encodings[index]

    def index(self, architecture: Architecture) -> int:
        """The official index, from 0.

        Raises:
            InvalidArchitecture: the architecture is not of this space.
        """
        index = self.order().positions.get(architecture.encoding)
        if index is None or architecture.space != self.name:
            raise InvalidArchitecture(f'{self.name}: "{architecture}" is no architecture of this space')
        return index

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture in the official index order."""
        return (Architecture(self.name, encoding) for encoding in self.order().encodings)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A neighbour that differs in one choice, uniform over all such neighbours."""
        values = self.choices(architecture)
        neighbours = [
            (position, option)
            for position, known in enumerate(self.options)
            for option in known
            if option != values[position]
        ]
        position, option = neighbours[int(rng.integers(len(neighbours)))]
        return self.assemble([*values[:position], option, *values[position + 1 :]])

    def _items(self, body: str, offset: int, count: int, kind: str) -> list[tuple[str, int]]:
        """The ``count`` items of a list or tuple, each with its position (from 1) in the user's text."""
        items = [(match.group(), offset + match.start() + 1) for match in _ITEM.finditer(body)]
        if len(items) != count:
            raise InvalidArchitecture(f"{self.name}: expected {count} {kind}, got {len(items)}")
        return items
