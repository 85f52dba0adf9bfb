"""Subblocks as the nested lists of the authors' package, as far as those can say them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.uninas.graph import Graph
from uninas_bench.spaces.uninas.operations import Operation
from uninas_bench.spaces.uninas.structure import Chain, Unit, structure
from uninas_bench.spaces.uninas.templates import HEAD_CHANNELS
from uninas_bench.spaces.uninas.tensor_type import TensorType
from uninas_bench.spaces.uninas.toolkit_classes import FORKS, HEADS, LEAVES

JsonNode = dict[str, Any]
_CLASS = {kind: name for name, kind in LEAVES.items()}


def write_subblock(graph: Graph, channels: int, size: tuple[int, int], *, verbatim: bool = False) -> JsonNode:
    """A graph as a node of the package.

    Args:
        graph: of the subblock.
        channels: of the block.
        size: height and width of the block.
        verbatim: see `toolkit_json.write_json`.

    Raises:
        InvalidArchitecture: the package has no form for it; naming the node and the reason.
    """
    return _Writer(size, verbatim).sequential(structure(graph, channels))


class _Writer:
    """Writes the nesting of one subblock."""

    def __init__(self, size: tuple[int, int], verbatim: bool) -> None:
        self.size = size
        self.verbatim = verbatim

    def sequential(self, chain: Chain) -> JsonNode:
        """A chain as a ``SequentialModule``."""
        modules = [self._unit(unit, chain.type) for unit in chain.units]
        return self._node("SequentialModule", chain.type, modules=modules)

    def _node(self, name: str, type_: TensorType, **params: object) -> JsonNode:
        return {"class": name, "shape": list(type_.shape(*self.size)), "params": params}

    def _unit(self, unit: Unit, type_: TensorType) -> JsonNode:
        operations = [operation for operation, _ in unit.skeleton.nodes]
        forms: dict[tuple[str, ...], Callable[[Unit, TensorType], JsonNode]] = {
            ("conv_exp", "conv_red"): self._factors,
            ("conv_red", "conv_exp"): self._factors,
            ("global_avg", "up_sample"): self._average,
            ("chunk", "concat"): self._fork,
            ("copy", "add"): self._fork,
            ("copy", "multiply"): self._fork,
        }
        kinds = tuple(operation.kind for operation in operations)
        if len(kinds) == 1 and kinds[0] in _CLASS:
            return self._leaf(unit, type_)
        if kinds in forms:
            return forms[kinds](unit, type_)
        if kinds[0] == "conv_chunk":
            return self._attention(unit, type_)
        names = " ".join(map(str, operations[:6])) + (" ..." if len(operations) > 6 else "")
        raise _unsayable(unit, f"{names} belong together, which is no class of the toolkit")

    def _leaf(self, unit: Unit, type_: TensorType) -> JsonNode:
        ((operation, _),) = unit.skeleton.nodes
        declared = type_.channels * operation.charge
        if declared.denominator != 1:
            raise _unsayable(unit, f"{declared} channels to charge are no integer")
        name = _CLASS[operation.kind]
        return self._node(name, TensorType(declared.numerator, type_.path))

    def _factors(self, unit: Unit, type_: TensorType) -> JsonNode:
        opening, closing = (operation for operation, _ in unit.skeleton.nodes)
        assert opening.factor == closing.factor  # else the channels were not restored
        name = "ExpandAndReduce" if opening.kind == "conv_exp" else "ReduceAndExpand"
        inside = self.sequential(unit.slots[0])
        return self._node(name, type_, sequential=inside, factor=opening.factor, scheme="kaiming_normal")

    def _average(self, unit: Unit, type_: TensorType) -> JsonNode:
        return self._node("AvgAndUpsample", type_, sequential=self.sequential(unit.slots[0]))

    def _fork(self, unit: Unit, type_: TensorType) -> JsonNode:
        (fork, _), (merge, slots) = unit.skeleton.nodes
        if (fork.kind, merge.kind, fork.factor) not in FORKS:
            raise _unsayable(unit, f"the toolkit forks no {fork} to {merge}")
        ports = [unit.skeleton.starts[slot][1] for slot in slots]
        if fork.kind == "chunk" and ports != sorted(ports):
            raise _unsayable(unit, f"{merge} takes the pieces of {fork} in another order")
        return self._node(
            "ForkMerge",
            type_,
            branches_count=fork.factor,
            fork_merge_tuple=[fork.kind, merge.kind],
            branches=[self.sequential(unit.slots[slot]) for slot in slots],
        )

    def _attention(self, unit: Unit, type_: TensorType) -> JsonNode:
        projection = unit.skeleton.nodes[0][0]
        heads = projection.heads
        if heads not in HEADS or type_.channels != heads * HEAD_CHANNELS or projection.factor != 3:
            raise _unsayable(
                unit,
                f"{projection} on {type_.shown(self.size)}: the toolkit has {HEAD_CHANNELS} channels a head, "
                f"and {', '.join(map(str, HEADS))} heads",
            )
        chains = _heads(unit, heads)
        if chains is None:
            raise _unsayable(unit, "its heads are not each matmul2(matmul1(q, k), v), concatenated in order")
        head = TensorType(HEAD_CHANNELS, type_.path)
        _, height, width = head.shape(*self.size)
        # The package declares MatmulLeft's output but reads it as the input, and then its FLOPs are off by a
        # factor of N^2. With the input's shape they are right.
        left = [1, height * height, width * width] if self.verbatim else [HEAD_CHANNELS, height, width]
        return self._node(
            "ForkMergeAttention",
            type_,
            branches=[self.sequential(chain) for of_head in chains for chain in of_head[:3]],
            matmullefts=[{"class": "MatmulLeft", "shape": left, "params": {}} for _ in chains],
            matmulrights=[self._node("MatmulRight", head) for _ in chains],
            connections=[self.sequential(of_head[3]) for of_head in chains],
            post_branches=[self.sequential(of_head[4]) for of_head in chains],
        )


def _heads(unit: Unit, heads: int) -> list[tuple[Chain, ...]] | None:
    """For each head the chains of query, key, value, map and result; None where the unit is no attention."""
    nodes, starts = unit.skeleton.nodes, unit.skeleton.starts
    if len(nodes) != 2 * heads + 2 or nodes[-1][0] != Operation("concat", heads):
        return None
    found = []
    for head, post in enumerate(nodes[-1][1]):
        operation, inputs = nodes[starts[post][0]]
        if operation.kind != "matmul2":
            return None
        connection, value = inputs
        operation, inputs = nodes[starts[connection][0]]
        if operation.kind != "matmul1":
            return None
        slots = (*inputs, value)
        if [starts[slot] for slot in slots] != [(0, 3 * head + i) for i in range(3)]:
            return None
        found.append(tuple(unit.slots[slot] for slot in (*slots, connection, post)))
    return found


def _unsayable(unit: Unit, why: str) -> InvalidArchitecture:
    operation = unit.skeleton.nodes[0][0]
    return InvalidArchitecture(f"node {unit.numbers[0]} ({operation}) cannot be written: {why}")
