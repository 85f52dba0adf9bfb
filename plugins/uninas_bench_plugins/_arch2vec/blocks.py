"""The blocks of a UniNAS network as graphs: their notation, one node for each of its words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from uninas_bench import Architecture, NotApplicable, UserError
from uninas_bench_plugins._arch2vec.graphs import INPUT, OUTPUT, PADDING, GraphEncoding, Graphs

SUM = "sum"
"""Ends the first subblock: the block's input is added to what the subblock makes of it. `OUTPUT` is the same
for the second."""
FETCH, REPEAT, CLOSE = ";", "*(", ")"
EMPTY = "-"
Edge = tuple[int, int]
Arities = Mapping[str, tuple[int, int]]
"""How many inputs and outputs an operation has."""


class BlockEncoding(GraphEncoding):
    """One graph for each block of a network.

    A block's nodes are its input, the words of the notation of its first subblock, the sum that ends it, the
    words of the second, and its output. A fetched output of a branching is a node of its own, and equal
    branches are drawn once between two nodes that say how many they are: an attention of twelve heads has
    twelve nodes instead of 75. The order of the nodes says which output and which input of an operation an
    edge means, so that the operations alone determine a block, and the edges follow from them.

    There is no place for blocks of more nodes, for operations and repetitions that `names` does not have, for
    branches that cross so that the notation numbers them, and for networks with widths of their own.

    Args:
        space: of the blocks.
        operations: words of the notation that have a number.
        nodes: places in a graph.
    """

    def __init__(self, space: Any, operations: Sequence[str], nodes: int) -> None:
        self.space = space.name
        self.nodes = nodes
        self.names = (INPUT, SUM, OUTPUT, *operations)
        self.graphs = sum(space.scale.depths)
        self._space = space
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._known: dict[tuple[str, str], tuple[list[int], list[Edge]]] = {}

    @classmethod
    def learned(cls, space: Any, architectures: Iterable[Architecture], nodes: int) -> Self:
        """With the words that some architectures have, and places for their longest block, or ``nodes``."""
        words: set[str] = set()
        longest = 0
        for architecture in architectures:
            for texts in space.texts(architecture):
                block = [word for text in texts for word in _words(text)]
                if len(block) + 3 <= nodes:
                    words.update(word for word in block if not _crosses(word))
                    longest = max(longest, len(block) + 3)
        return cls(space, sorted(words), longest)

    def encode(self, architecture: Architecture) -> Graphs:
        """One graph for each block, in forward order.

        Raises:
            NotApplicable: naming the block that has no place.
        """
        design = self._space.design(architecture)
        if design.widths is not None:
            raise NotApplicable("graphs of blocks do not say the widths that a network has of its own")
        operations = np.full((self.graphs, self.nodes), PADDING, np.int64)
        adjacency = np.zeros((self.graphs, self.nodes, self.nodes), bool)
        blocks = zip(design.blocks(), self._space.texts(architecture), strict=True)
        for number, ((stage, place, block), texts) in enumerate(blocks):
            try:
                found, edges = self._block(block, texts)
            except NotApplicable as error:
                raise NotApplicable(f"block {stage + 1}.{place + 1} {error}") from None
            operations[number, : len(found)] = found
            sources, targets = zip(*edges, strict=True)
            adjacency[number, sources, targets] = True
        return Graphs(operations, adjacency)

    def _block(self, block: Any, texts: tuple[str, str]) -> tuple[list[int], list[Edge]]:
        """Numbers of the operations of a block, and the edges between them."""
        if texts in self._known:
            return self._known[texts]
        nodes = (node.operation for graph in block for node in graph.nodes)
        arities = {str(operation): (operation.inputs, operation.outputs) for operation in nodes}
        names, edges, entry = [INPUT], list[Edge](), 0
        for text, end in zip(texts, (SUM, OUTPUT), strict=True):
            words = _words(text)
            start = len(names)
            names += [*words, end]
            if odd := [word for word in words if word not in self._numbers]:
                raise NotApplicable(f'has "{odd[0]}", which the graphs of this autoencoder do not')
            if len(names) > self.nodes:
                raise NotApplicable(f"has more than the {self.nodes} nodes of the graphs")
            last, found = _flow(words, arities, entry, start)
            edges += [*found, (entry, len(names) - 1)]
            if words:
                edges.append((last, len(names) - 1))
            entry = len(names) - 1
        self._known[texts] = [self._numbers[name] for name in names], edges
        return self._known[texts]

    def read(self, operations: NDArray[np.int64]) -> Architecture | None:
        """The network of the notations that the operations are, where they can be read and the types fit."""
        texts = [self._text(graph) for graph in operations]
        if None in texts:
            return None
        ends = [0, *accumulate(self._space.scale.depths)]
        stages = [", ".join(map(str, texts[start:end])) for start, end in pairwise(ends)]
        try:
            found: Architecture = self._space.parse(" | ".join(stages))
        except UserError:
            return None
        return found

    def _text(self, operations: NDArray[np.int64]) -> str | None:
        names = [self.names[number] for number in operations if number != PADDING]
        if OUTPUT not in names:
            return None
        names = names[: names.index(OUTPUT)]
        if names[:1] != [INPUT] or names.count(INPUT) != 1 or names.count(SUM) != 1:
            return None
        middle = names.index(SUM)
        halves = names[1:middle], names[middle + 1 :]
        first, second = (" ".join(half) or EMPTY for half in halves)
        return f"[{first} / {second}]"


def _words(text: str) -> list[str]:
    """Those of a subblock's notation."""
    return [] if text == EMPTY else text.split()


def _crosses(word: str) -> bool:
    return word.startswith(FETCH) and word != FETCH


@dataclass
class _Group:
    """Equal branches that are being drawn.

    Attributes:
        node: that says how many.
        outside: how many branchings there are outside of it.
        fetched: outputs that each branch takes from outside.
    """

    node: int
    count: int
    outside: int
    fetched: int = 0


class _Stack:
    """Branchings with unused outputs, those inside of the innermost group on top."""

    def __init__(self) -> None:
        self.branchings: list[list[int]] = []
        self.groups: list[_Group] = []

    def fetch(self, count: int = 1) -> int:
        """Take outputs of the innermost branching that has some; inside of a group also of its node."""
        base = self.groups[-1].outside if self.groups else 0
        source = self.groups[-1].node if self.groups else 0
        for branching in reversed(self.branchings[base:]):
            if branching[1] > 0 and count:
                taken = min(branching[1], count)
                branching[1] -= taken
                count -= taken
                source = branching[0]
        if count and self.groups:
            self.groups[-1].fetched += count
        return source

    def innermost(self) -> int:
        """Where the next output would be taken."""
        base = self.groups[-1].outside if self.groups else 0
        left = [node for node, unused in self.branchings[base:] if unused > 0]
        return left[-1] if left else self.groups[-1].node if self.groups else 0


def _flow(words: Sequence[str], arities: Arities, entry: int, start: int) -> tuple[int, list[Edge]]:
    """The last node of a subblock, and the edges between its words.

    Args:
        words: that can be read.
        arities: of the operations among them.
        entry: the node that makes the subblock's input.
        start: the number of the first word's node.
    """
    values, unused = [entry], _Stack()
    edges: list[Edge] = []
    for node, word in enumerate(words, start):
        if word == FETCH:
            edges.append((unused.fetch(), node))
            values.append(node)
        elif word.endswith(REPEAT):
            edges.append((unused.innermost(), node))
            unused.groups.append(_Group(node, int(word.removesuffix(REPEAT)), len(unused.branchings)))
        elif word == CLOSE:
            group = unused.groups.pop()
            edges.append((values.pop(), node))
            values += [node] * group.count
            unused.fetch(group.count * group.fetched)
        else:
            inputs, outputs = arities[word]
            edges += [(source, node) for source in values[-inputs:]]
            del values[-inputs:]
            if outputs == 1:
                values.append(node)
            else:
                unused.branchings.append([node, outputs])
    return values[-1], edges
