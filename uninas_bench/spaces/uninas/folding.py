"""Which branches of a graph are the same: what a picture draws once, with their number.

A *branch* of a fork is a connected part of what lies between the fork and the node where all of its paths
have met again (its immediate post-dominator); a head of an attention is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uninas_bench.spaces.uninas.graph import Graph, Port


@dataclass(frozen=True, slots=True)
class Fold:
    """Equal branches of a fork: the nodes of the first one, and how many there are.

    Attributes:
        fork: the node that they come from.
        nodes: in the graph's order; empty where the branches are mere connections.
        count: how many there are; 1 for a branch beside equal ones.
        ports: of the fork that the first one uses.
        mixed: whether these belong to several heads.
    """

    fork: int
    nodes: tuple[int, ...]
    count: int
    ports: tuple[int, ...]
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Folding:
    """What to draw of a graph: its folds from outside in, and the nodes and ports that stand for others."""

    folds: tuple[Fold, ...]
    left_out: frozenset[int]
    ports_left_out: frozenset[Port]


def fold(graph: Graph) -> Folding:
    """Find equal branches, those of outer forks first."""
    users = _users(graph)
    meets = _meeting_points(graph, users)
    folds: list[Fold] = []
    left_out: set[int] = set()
    ports_left_out: set[Port] = set()
    for fork in range(1, len(graph) + 1):
        if graph.operation(fork).outputs == 1 or fork in left_out:
            continue
        classes: dict[object, list[Fold]] = {}
        for branch in _branches(graph, users, fork, meets[fork]):
            classes.setdefault(_signature(graph, branch, meets[fork]), []).append(branch)
        if all(len(equal) == 1 for equal in classes.values()):
            continue
        for first, *others in classes.values():
            folds.append(Fold(fork, first.nodes, 1 + len(others), first.ports, first.mixed))
            for other in others:
                left_out.update(other.nodes)
                ports_left_out.update((fork, port) for port in other.ports)
    return Folding(tuple(folds), frozenset(left_out), frozenset(ports_left_out))


def _users(graph: Graph) -> dict[int, list[int]]:
    """The nodes that take an output of each; ``len(graph) + 1`` stands for the graph's output."""
    end = len(graph) + 1
    users: dict[int, list[int]] = {number: [] for number in range(end)}
    for (node, _), (user, _) in sorted(graph.consumers().items()):
        users[node].append(user or end)
    return users


def _meeting_points(graph: Graph, users: dict[int, list[int]]) -> dict[int, int]:
    """The immediate post-dominator of every node; nodes are numbered in topological order."""
    meets: dict[int, int] = {}
    for number in range(len(graph), 0, -1):
        first, *others = users[number]
        for other in others:
            a, b = first, other
            while a != b:
                a, b = (meets[a], b) if a < b else (a, meets[b])
            first = a
        meets[number] = first
    return meets


def _branches(graph: Graph, users: dict[int, list[int]], fork: int, meet: int) -> Iterator[Fold]:
    """The branches of a fork in the order of its ports; a connection to the meeting point is one, too."""
    inside = _between(users, fork, meet)
    neighbours: dict[int, set[int]] = {number: set() for number in inside}
    entries: dict[int, list[int]] = {number: [] for number in inside}
    for number in inside:
        for node, port in graph.nodes[number - 1].sources:
            if node == fork:
                entries[number].append(port)
            elif node in inside:
                neighbours[number].add(node)
                neighbours[node].add(number)
    found: list[Fold] = []
    waiting = set(inside)
    for start in sorted(inside):
        if start not in waiting:
            continue
        part = _component(start, neighbours)
        waiting -= part
        found.append(
            _branch(graph, fork, sorted(part), [port for number in part for port in entries[number]])
        )
    used = {port for branch in found for port in branch.ports}
    direct = [port for port in range(graph.operation(fork).outputs) if port not in used]
    found += [_branch(graph, fork, (), (port,)) for port in direct]
    # What takes nothing of the fork itself comes from outside, and is no branch.
    yield from sorted((branch for branch in found if branch.ports), key=lambda branch: branch.ports)


def _branch(graph: Graph, fork: int, nodes: Sequence[int], ports: Sequence[int]) -> Fold:
    heads = {port // graph.operation(fork).factor for port in ports}
    return Fold(fork, tuple(nodes), 1, tuple(sorted(ports)), mixed=len(heads) > 1 and _has_heads(graph, fork))


def _between(users: dict[int, list[int]], fork: int, meet: int) -> set[int]:
    inside: set[int] = set()
    waiting = list(users[fork])
    while waiting:
        number = waiting.pop()
        if number != meet and number not in inside:
            inside.add(number)
            waiting += users[number]
    return inside


def _component(start: int, neighbours: dict[int, set[int]]) -> set[int]:
    part: set[int] = set()
    waiting = [start]
    while waiting:
        number = waiting.pop()
        if number not in part:
            part.add(number)
            waiting += neighbours[number]
    return part


def _signature(graph: Graph, branch: Fold, meet: int) -> object:
    """Equal for two branches of a fork only if they do the same.

    The graph's order is that of a walk from its output, so equal branches have their nodes in equal order.
    """
    place = {number: index for index, number in enumerate(branch.nodes)}
    operation = graph.operation(branch.fork)
    first_head = branch.ports[0] // operation.factor

    def source(port: Port) -> tuple[str, int, int]:
        node, index = port
        if node in place:
            return "inside", place[node], index
        if node != branch.fork:
            return "outside", node, index
        if _has_heads(graph, branch.fork):
            return "head", index // operation.factor - first_head, index % operation.factor
        return "fork", branch.ports.index(index), 0

    inner = tuple(
        (graph.operation(number).uncharged(), tuple(map(source, graph.nodes[number - 1].sources)))
        for number in branch.nodes
    )
    outputs = graph.nodes[meet - 1].sources if meet <= len(graph) else (graph.output,)
    reaching = tuple(
        source(port)
        for port in outputs
        if port[0] in place or (port[0] == branch.fork and port[1] in branch.ports)
    )
    return inner, reaching


def _has_heads(graph: Graph, fork: int) -> bool:
    """Whether the outputs have parts of their own (queries, keys, values), so that they are not all alike."""
    return graph.operation(fork).kind == "conv_chunk"
