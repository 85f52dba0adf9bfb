"""The cell of NAS-Bench-201 as a graph with its six operations on nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from uninas_bench import Architecture
from uninas_bench_plugins._arch2vec.graphs import INPUT, OUTPUT, GraphEncoding, Graphs, Rule

OPERATIONS = ("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "none")
"""In the order of arch2vec's columns."""
EDGES = ((0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 7))
"""Between node 0, the input, nodes 1 to 6, the operations in the order of the string, and node 7, the output:
the operation on a cell's edge i -> j feeds those on the edges j -> k, and the output where j is the last."""


class CellEncoding(GraphEncoding):
    """Eight nodes, seven operations, and the same edges in every cell.

    The rule ``arch2vec`` is what the released code checks: input and output are in their places, and nodes 2
    to 6 have an operation. It begins at 2, so node 1 is not looked at.
    """

    nodes = 8
    names = (INPUT, *OPERATIONS, OUTPUT)
    positional = False

    def __init__(self, space: Any) -> None:
        self.space = space.name
        self._space = space
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._edges = np.zeros((self.nodes, self.nodes), bool)
        self._edges[tuple(zip(*EDGES, strict=True))] = True

    @property
    def edges(self) -> NDArray[np.bool_]:
        """Those of `EDGES`."""
        return self._edges

    def encode(self, architecture: Architecture) -> Graphs:
        """One graph."""
        names = (INPUT, *self._space.choices(architecture), OUTPUT)
        return Graphs(np.array([[self._numbers[name] for name in names]]), self._edges[None].copy())

    def read(self, operations: NDArray[np.int64]) -> Architecture | None:
        """The cell, where all six operations are some."""
        names = [self.names[number] for number in operations[0]]
        if not self._framed(names) or not all(name in OPERATIONS for name in names[1:-1]):
            return None
        found: Architecture = self._space.assemble(names[1:-1])
        return found

    def valid(self, operations: NDArray[np.int64], adjacency: NDArray[np.bool_], rule: Rule) -> bool:
        """By the rule; that of arch2vec also holds for graphs that are no cell."""
        if rule != "arch2vec":
            return super().valid(operations, adjacency, rule)
        names = [self.names[number] for number in operations[0]]
        return self._framed(names) and all(name in OPERATIONS for name in names[2:-1])

    @staticmethod
    def _framed(names: list[str]) -> bool:
        return names[0] == INPUT and names[-1] == OUTPUT
