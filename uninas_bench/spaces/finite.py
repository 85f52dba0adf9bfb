"""What spaces share whose architectures fit into one list: the official order, indices, sampling."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from uninas_bench.architecture import Architecture, Task
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.space import Scale

if TYPE_CHECKING:
    import numpy as np

ScaleT = TypeVar("ScaleT", bound=Scale)
_INTEGER = re.compile(r"[+-]?\d+")
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


def shown(text: str, limit: int = 60) -> str:
    """A user's text as an error message quotes it: on one line, cut where it is long."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= limit else f'"{line[:limit]}..."'


class FiniteSpace(ABC, Generic[ScaleT]):
    """A `SearchSpace` of ``size`` architectures, each a fixed number of independent choices.

    A subclass names itself, gives the order of its architectures, reads its own spellings, prices and
    builds. Instances are immutable values: safe to pickle and to share.

    Attributes:
        options: for each choice, all that can be chosen.
    """

    name: str
    version: int
    size: int | None
    tasks: tuple[Task, ...]
    options: Sequence[Sequence[str]]

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

    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        """``n`` distinct architectures, drawn uniformly, in random order.

        Raises:
            UserError: ``n`` is below 1 or exceeds the size of the space.
        """
        encodings = self.order().encodings
        if not 1 <= n <= len(encodings):
            raise UserError(f"{self.name}: cannot sample {n}; expected 1..{len(encodings)} architectures")
        chosen = rng.choice(len(encodings), size=n, replace=False)
        return [Architecture(self.name, encodings[int(i)]) for i in chosen]

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

    def _stripped(self, text: str) -> tuple[str, int]:
        """The text without spaces and the optional ``name:`` prefix, and how much was cut off in front."""
        body = text.strip()
        body = body.removeprefix(f"{self.name}:").lstrip()
        return body, text.rindex(body) if body else len(text)

    def _by_index(self, body: str) -> Architecture | None:
        """The architecture of an official index; None where the text is no integer at all."""
        if not _INTEGER.fullmatch(body):
            return None
        encodings = self.order().encodings
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
