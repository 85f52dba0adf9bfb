"""The encoding of a space, by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from uninas_bench import Architecture, NotApplicable
from uninas_bench_plugins._arch2vec.blocks import BlockEncoding
from uninas_bench_plugins._arch2vec.cells import CellEncoding
from uninas_bench_plugins._arch2vec.chains import hytra, mbconv, widths
from uninas_bench_plugins._arch2vec.graphs import GraphEncoding

BLOCKS = "uninas"
"""The space whose operations are learned from a sample."""
_MADE: dict[str, Callable[[Any], GraphEncoding]] = {
    "nasbench201": CellEncoding,
    "nats_size": widths,
    "hytra": hytra,
    "mbconv": mbconv,
}


def learned_encoding(space: Any, architectures: Iterable[Architecture], nodes: int) -> GraphEncoding:
    """The encoding of a space.

    Args:
        space: any that has one.
        architectures: a sample, for a space whose operations and sizes of graphs are found from one.
        nodes: of a graph, at most, in such a space.

    Raises:
        NotApplicable: none is known.
    """
    if space.name == BLOCKS:
        return BlockEncoding.learned(space, architectures, nodes)
    return known_encoding(space, (), 0)


def known_encoding(space: Any, names: Sequence[str], nodes: int) -> GraphEncoding:
    """The encoding that a fit had, by its ``names`` and ``nodes``.

    Raises:
        NotApplicable: none is known.
    """
    if space.name == BLOCKS:
        return BlockEncoding(space, names[3:], nodes)
    if space.name not in _MADE:
        raise NotApplicable(
            f"no graphs of {space.name} are known to the autoencoder; there are those of "
            f"{', '.join(sorted((*_MADE, BLOCKS)))}"
        )
    return _MADE[space.name](space)
