"""What spaces share whose architectures are numbered: indices, sampling, enumeration."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture, Task
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.spaces.scaled import ScaledSpace, ScaleT

if TYPE_CHECKING:
    import numpy as np

_INTEGER = re.compile(r"[+-]?\d+")
_LONGEST = 18
"""Digits of an index at most: longer texts are never converted, Python limits the digits of an int."""


def shown(text: str, limit: int = 60) -> str:
    """A user's text as an error message quotes it: on one line, cut where it is long."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= limit else f'"{line[:limit]}..."'


class IndexedSpace(ScaledSpace[ScaleT], ABC):
    """A `SearchSpace` of ``size`` architectures with indices from 0, at most 10^18 of them.

    A subclass names itself, turns indices into encodings and back, reads its own spellings, mutates, prices
    and builds.
    """

    name: str
    version: int
    size: int | None
    tasks: tuple[Task, ...]

    @abstractmethod
    def encoding_at(self, index: int) -> str:
        """The encoding of the architecture with an index in ``range(size)``."""

    @abstractmethod
    def index(self, architecture: Architecture) -> int:
        """The index of an architecture, from 0.

        Raises:
            InvalidArchitecture: the architecture is not of this space.
        """

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture in the order of the indices."""
        return (Architecture(self.name, self.encoding_at(index)) for index in range(self._count))

    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        """``n`` distinct architectures, drawn uniformly, in random order.

        Raises:
            UserError: ``n`` is below 1 or exceeds the size of the space.
        """
        if not 1 <= n <= self._count:
            raise UserError(f"{self.name}: cannot sample {n}; expected 1..{self._count} architectures")
        chosen = rng.choice(self._count, size=n, replace=False)
        return [Architecture(self.name, self.encoding_at(int(i))) for i in chosen]

    @property
    def _count(self) -> int:
        assert self.size is not None
        return self.size

    def _stripped(self, text: str) -> tuple[str, int]:
        """The text without spaces and the optional ``name:`` prefix, and how much was cut off in front."""
        body = text.strip()
        body = body.removeprefix(f"{self.name}:").lstrip()
        return body, text.rindex(body) if body else len(text)

    def _by_index(self, body: str) -> Architecture | None:
        """The architecture of an index; None where the text is no integer at all."""
        if not _INTEGER.fullmatch(body):
            return None
        index = int(body) if len(body) <= _LONGEST else self._count
        if not 0 <= index < self._count:
            raise InvalidArchitecture(
                f"{self.name}: index {body[:20]} out of range; expected 0..{self._count - 1}"
            )
        return Architecture(self.name, self.encoding_at(index))
