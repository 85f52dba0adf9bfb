"""Which paths the blocks of a supernet have: what the algorithm must know of a search space, without torch.

A supernet is a row of *blocks*, a block a row of *layers*, each with a *choice* (a small integer); a *path*
is one choice for each layer of a block. What a block's input is like may depend on the path before it (the
scale at which a HyTra block starts): that is the input's *kind*. Paths are rated once for each kind.

To be rated, an architecture is read as paths by its encoding alone; a fit must know which paths there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import torch

    from uninas_bench import Architecture

Path: TypeAlias = tuple[int, ...]
Chain: TypeAlias = tuple[Path, ...]
"""The paths of the blocks up to some block."""


FIRST = 0
"""The kind of the first block's input, which has no path before it."""


class Reading(Protocol):
    """What the encodings of a space say of paths, whatever the space's scale."""

    def split(self, architecture: Architecture) -> Chain:
        """The path of every block that together are the architecture."""
        ...

    def kind_after(self, block: int, path: Path) -> int:
        """The kind of input that the next block meets after ``path`` in ``block``."""
        ...


class Plan(Reading, Protocol):
    """The paths of a space's blocks."""

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        ...

    def paths(self, block: int, kind: int) -> Sequence[Path]:
        """Every path of a block from an input of this kind."""
        ...

    def sample(self, block: int, kind: int, count: int, generator: torch.Generator) -> list[Path]:
        """``count`` paths for one step of training, drawn as fairly as the space allows."""
        ...
