"""Which architectures a published table rests on, and in which order they are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.seeds import derive_seed

if TYPE_CHECKING:
    from uninas_bench.space import SearchSpace

ALL = "all"


def subset_of(name: str, space: SearchSpace, encodings: Sequence[str]) -> list[str]:
    """The architectures of a named subset, in the given order.

    Args:
        name: ``all``; ``reachable``: without those that have an operation, other than ``none``, on no way
            from input to output. Of NAS-Bench-201 these are the 9,445 cells that NAS-Bench-Suite-Zero and
            VKDNW keep; the cell of six ``none`` is among them.
        space: of the architectures.
        encodings: to choose from.

    Raises:
        UserError: no such subset, or none of that space.
    """
    if name == ALL:
        return list(encodings)
    tests = _SUBSETS.get(name)
    if tests is None:
        raise UserError(f'subset "{name}": expected {", ".join((ALL, *_SUBSETS))}')
    test = tests.get(space.name)
    if test is None:
        raise UserError(f'subset "{name}" is known of {", ".join(tests)}, not of {space.name}')
    return [encoding for encoding in encodings if test(space, encoding)]


def nested_order(space: SearchSpace, encodings: Sequence[str], seed: int) -> list[str]:
    """The architectures in a random order of which every beginning is a uniform sample.

    So a larger sample holds the smaller one, and what a pilot has scored is part of what comes after it.
    """
    import numpy as np

    rng = np.random.default_rng(derive_seed("reproduce", space.name, seed))
    return [encodings[place] for place in rng.permutation(len(encodings))]


def _is_reachable(space: SearchSpace, encoding: str) -> bool:
    from uninas_bench.spaces.cell_costs import EDGES
    from uninas_bench.spaces.nasbench201 import NasBench201

    assert isinstance(space, NasBench201)
    names = space.choices(Architecture(space.name, encoding))
    edges = [edge for edge, name in zip(EDGES, names, strict=True) if name != "none"]
    from_input, to_output = {0}, {3}
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        if source in from_input:
            from_input.add(target)
    for source, target in sorted(edges, reverse=True):
        if target in to_output:
            to_output.add(source)
    return all(source in from_input and target in to_output for source, target in edges)


_SUBSETS: Mapping[str, Mapping[str, Callable[[SearchSpace, str], bool]]] = {
    "reachable": {"nasbench201": _is_reachable}
}
