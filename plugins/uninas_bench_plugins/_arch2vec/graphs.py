"""Architectures as graphs with operations on nodes: what a space says of its own, and which are valid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from uninas_bench import Architecture

Rule = Literal["arch2vec", "operations", "strict"]
"""When a decoded graph is valid; each of the three asks for more than the one before.

- ``arch2vec``: the released code's rule for NAS-Bench-201, see `cells`; ``operations`` elsewhere.
- ``operations``: its operations are those of an architecture; the edges are not looked at.
- ``strict``: it is exactly the graph of an architecture, edges included.
"""
RULES: tuple[Rule, ...] = get_args(Rule)
PADDING = -1
"""In place of an operation, behind the last node of a graph."""
INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Graphs:
    """Graphs of the same number of places for nodes.

    Attributes:
        operations: (..., N), the number of each node's operation, `PADDING` behind the last node.
        adjacency: (..., N, N), whether there is an edge from the row's node to the column's; strictly upper
            triangular.
    """

    operations: NDArray[np.int64]
    adjacency: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.operations)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Graphs)
            and np.array_equal(self.operations, other.operations)
            and np.array_equal(self.adjacency, other.adjacency)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays can change


class GraphEncoding(ABC):
    """The graphs of a space's architectures, and the way back.

    Attributes:
        space: the space's name.
        graphs: how many graphs an architecture is; their latents stand one after the other.
        nodes: N, places for nodes in a graph.
        names: of the operations.
        positional: whether the encoder is told each node's number. Where all graphs share their edges and
            these tell the nodes apart, it need not be; along a chain that is longer than the encoder can
            see, nodes in the middle could not be told apart without.
    """

    space: str
    graphs: int = 1
    nodes: int
    names: tuple[str, ...]
    positional: bool = True

    @abstractmethod
    def encode(self, architecture: Architecture) -> Graphs:
        """The graphs of an architecture, with operations (graphs, N).

        Raises:
            NotApplicable: it is none that this encoding has a place for.
        """

    @abstractmethod
    def read(self, operations: NDArray[np.int64]) -> Architecture | None:
        """The architecture of operations (graphs, N), whatever the edges; None where there is none."""

    @property
    def edges(self) -> NDArray[np.bool_] | None:
        """The adjacency (N, N) that all graphs share; None where each has its own."""
        return None

    def encode_all(self, architectures: Sequence[Architecture]) -> Graphs:
        """All graphs of all architectures, with operations (n * graphs, N)."""
        found = [self.encode(architecture) for architecture in architectures]
        return Graphs(
            np.concatenate([graphs.operations for graphs in found]),
            np.concatenate([graphs.adjacency for graphs in found]),
        )

    def decode(
        self, operations: NDArray[np.int64], adjacency: NDArray[np.bool_], rule: Rule = "operations"
    ) -> Architecture | None:
        """The architecture of graphs; None where they are not valid.

        Args:
            operations: (graphs, N); what stands behind a graph's output is not looked at.
            adjacency: (graphs, N, N); of each, what lies above the diagonal.
            rule: when they are valid.
        """
        found = self.read(operations)
        if found is None or rule != "strict":
            return found
        own = self.encode(found)
        there = own.operations != PADDING
        same = np.array_equal(operations[there], own.operations[there])
        pairs = there[:, :, None] & there[:, None, :] & np.triu(np.ones(2 * (self.nodes,), bool), 1)
        return found if same and np.array_equal(adjacency[pairs], own.adjacency[pairs]) else None

    def valid(self, operations: NDArray[np.int64], adjacency: NDArray[np.bool_], rule: Rule) -> bool:
        """Whether graphs, as in `decode`, are valid."""
        return self.decode(operations, adjacency, rule) is not None
