"""Which architectures a published table rests on, and in which order they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.seeds import derive_seed

if TYPE_CHECKING:
    from uninas_bench.space import SearchSpace

ALL, REACHABLE = "all", "reachable"


@runtime_checkable
class PrunableSpace(Protocol):
    """A space that knows which of its architectures hold an operation that does nothing."""

    def is_reachable(self, architecture: Architecture) -> bool:
        """Whether every operation is on a way from input to output."""
        ...


def subset_of(name: str, space: SearchSpace, encodings: Sequence[str]) -> list[str]:
    """The architectures of a named subset, in the given order.

    Args:
        name: ``all``; ``reachable``: those without an operation on no way from input to output.
        space: of the architectures.
        encodings: to choose from.

    Raises:
        UserError: no such subset, or none of that space.
    """
    if name == ALL:
        return list(encodings)
    if name != REACHABLE:
        raise UserError(f'subset "{name}": expected {ALL}, {REACHABLE}')
    if not isinstance(space, PrunableSpace):
        raise UserError(f'subset "{name}" is not known of {space.name}')
    return [encoding for encoding in encodings if space.is_reachable(Architecture(space.name, encoding))]


def nested_order(space: SearchSpace, encodings: Sequence[str], seed: int) -> list[str]:
    """The architectures in a random order of which every beginning is a uniform sample.

    So a larger sample holds the smaller one, and what a pilot has scored is part of what comes after it.
    """
    import numpy as np

    rng = np.random.default_rng(derive_seed("reproduce", space.name, seed))
    return [encodings[place] for place in rng.permutation(len(encodings))]
