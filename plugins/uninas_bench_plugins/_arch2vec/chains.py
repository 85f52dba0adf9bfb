"""Networks whose layers each choose one of some operations: nodes in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uninas_bench import Architecture, UserError
from uninas_bench_plugins._arch2vec.graphs import INPUT, OUTPUT, GraphEncoding, Graphs


class ChainEncoding(GraphEncoding):
    """Input, one node for each layer, output; each feeds the next.

    Args:
        space: parses what its encodings are made of, and knows the index of what it holds.
        layers: how many there are.
        options: what a layer can choose, as the space writes it.
        separator: between two choices in a text that the space reads.
    """

    def __init__(self, space: Any, layers: int, options: Sequence[str], separator: str) -> None:
        self.space = space.name
        self.nodes = layers + 2
        self.names = (INPUT, *options, OUTPUT)
        self._space = space
        self._separator = separator
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._edges = np.eye(self.nodes, k=1, dtype=bool)

    @property
    def edges(self) -> NDArray[np.bool_]:
        """From each node to the next."""
        return self._edges

    def encode(self, architecture: Architecture) -> Graphs:
        """One graph."""
        names = (INPUT, *self._choices(architecture), OUTPUT)
        return Graphs(np.array([[self._numbers[name] for name in names]]), self._edges[None].copy())

    def read(self, operations: NDArray[np.int64]) -> Architecture | None:
        """The network, where the space has it at its scale: in a fabric, where the path is legal."""
        names = [self.names[number] for number in operations[0]]
        if names[0] != INPUT or names[-1] != OUTPUT or {INPUT, OUTPUT} & set(names[1:-1]):
            return None
        try:
            found: Architecture = self._space.parse(self._separator.join(names[1:-1]))
            self._space.index(found)
        except UserError:
            return None
        return found

    def _choices(self, architecture: Architecture) -> Sequence[str]:
        # Digits stand in groups, which separate nothing.
        if self._separator == " ":
            return architecture.encoding.replace(" ", "")
        return architecture.encoding.split(self._separator)


def widths(space: Any) -> ChainEncoding:
    """The five widths of the size space of NATS-Bench."""
    return ChainEncoding(space, len(space.options), space.options[0], ":")


def hytra(space: Any) -> ChainEncoding:
    """The candidates of HyTra's layers; a path is legal where the fabric of the space's scale holds it."""
    return ChainEncoding(space, sum(space.scale.blocks), "012345", " ")


def mbconv(space: Any) -> ChainEncoding:
    """The searched layers of MBConv."""
    return ChainEncoding(space, sum(space.scale.depths), "0123", " ")
