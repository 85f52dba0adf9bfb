"""What a picture of an architecture says, without how it is drawn: boxes, arrows, groups.

Spaces make diagrams and import neither a layout nor matplotlib for it; `uninas_bench.drawing` draws them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.architecture import Architecture, Task

Direction = Literal["down", "right"]


class Kind(Enum):
    """What a box stands for; decides its colour. The value is its name in the legend.

    Tensors and blocks (whole cells of a network) are white and need no legend.
    """

    TENSOR = "tensor"
    BLOCK = "block"
    CONVOLUTION = "convolution, linear"
    NORMALISATION = "normalisation"
    ACTIVATION = "activation"
    ATTENTION = "attention"
    POOLING = "pooling, resizing"
    STRUCTURE = "fork, merge, skip"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Node:
    """A box.

    Attributes:
        id: unique among the nodes and groups of its diagram.
        label: the operation, in a word or two.
        kind: decides the colour.
        detail: smaller text under the label; may have several lines.
        group: the id of the group it stands in.
        circle: a small circle, for sums and for the values between operations.
        thumbnail: a picture inside the box, drawn without its texts.
    """

    id: str
    label: str
    kind: Kind = Kind.OTHER
    detail: str = ""
    group: str | None = None
    circle: bool = False
    thumbnail: Diagram | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from ``source`` to ``target``, ids of nodes or groups.

    Attributes:
        source: where it comes from.
        target: where it leads to.
        label: of what it carries.
        dotted: nothing flows.
        straight: of several arrows at a node, the one to run straight; for rows in a grid.
    """

    source: str
    target: str
    label: str = ""
    dotted: bool = False
    straight: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A frame around nodes and groups.

    Attributes:
        id: unique among the nodes and groups of its diagram.
        label: along the frame.
        repeat: how often the content is there; drawn once, with ``x 12`` on the frame.
        parent: the id of the group it stands in.
        direction: where arrows lead inside; None as around it. No arrow may cross the frame of a group
            whose direction differs from the one around it: it ends at the frame.
    """

    id: str
    label: str = ""
    repeat: int = 1
    parent: str | None = None
    direction: Direction | None = None


@dataclass(frozen=True)
class Diagram:
    """Nodes, arrows and groups; the order of nodes and edges decides what stands left where both would do.

    Raises:
        ValueError: an id twice or unknown, a cycle, an arrow across a frame where that is not allowed.
    """

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()
    note: str = ""
    direction: Direction = "down"

    def __post_init__(self) -> None:
        counts = Counter([node.id for node in self.nodes] + [group.id for group in self.groups])
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"id {twice[0]!r} is given twice")
        for group in {*self._parents.values()} - {None, *(group.id for group in self.groups)}:
            raise ValueError(f"no group {group!r}")
        for name in (name for edge in self.edges for name in (edge.source, edge.target)):
            if name not in counts:
                raise ValueError(f"no node or group {name!r}")
        self._check_order()

    @cached_property
    def _parents(self) -> dict[str, str | None]:
        nodes = {node.id: node.group for node in self.nodes}
        return nodes | {group.id: group.parent for group in self.groups}

    @cached_property
    def _directions(self) -> dict[str | None, Direction | None]:
        return {None: self.direction} | {group.id: group.direction for group in self.groups}

    def _check_order(self) -> None:
        """No cycle at any level, a group counting as one member of the level that it stands in."""
        sorters: dict[str | None, TopologicalSorter[str]] = {}
        for edge in self.edges:
            level, source, target = self.meeting(edge)
            if source == target:
                raise ValueError(f"edge {edge.source!r} -> {edge.target!r} leads from {source!r} into itself")
            for end in (edge.source, edge.target):
                for frame in self.frames_between(end, level):
                    if self.direction_of(frame) != self.direction_of(self._parents[frame]):
                        raise ValueError(f"an edge of {end!r} crosses the frame of {frame!r}, which turns")
            sorters.setdefault(level, TopologicalSorter()).add(target, source)
        for sorter in sorters.values():
            try:
                sorter.prepare()
            except CycleError as error:
                raise ValueError(f"cycle: {' -> '.join(error.args[1])}") from None

    def members(self, group: str | None) -> tuple[str, ...]:
        """The nodes and groups that stand directly in a group; None is the diagram itself."""
        return tuple(name for name, parent in self._parents.items() if parent == group)

    def ancestors(self, name: str) -> Iterator[str]:
        """The groups around a node or group, from inside out."""
        parent = self._parents[name]
        while parent is not None:
            yield parent
            parent = self._parents[parent]

    def frames_between(self, name: str, level: str | None) -> list[str]:
        """The groups around a node or group that stand inside ``level``, from inside out."""
        frames = list(self.ancestors(name))
        return frames if level is None else frames[: frames.index(level)]

    def direction_of(self, group: str | None) -> Direction:
        """Where arrows lead inside a group; None is the diagram itself."""
        found = self._directions[group]
        while found is None:
            assert group is not None
            group = self._parents[group]
            found = self._directions[group]
        return found

    def meeting(self, edge: Edge) -> tuple[str | None, str, str]:
        """The innermost group that holds both ends of an edge, and its members that they are or are in."""
        sources: list[str | None] = [None, *reversed([edge.source, *self.ancestors(edge.source)])]
        targets: list[str | None] = [None, *reversed([edge.target, *self.ancestors(edge.target)])]
        depth = 1
        while sources[depth] == targets[depth] and depth + 1 < min(len(sources), len(targets)):
            depth += 1
        source, target = sources[depth], targets[depth]
        assert source is not None
        assert target is not None
        return sources[depth - 1], source, target


@runtime_checkable
class Drawable(Protocol):
    """What a search space adds so that its architectures can be drawn.

    Attributes:
        parts: what can be drawn, the usual one first, such as ``("cell", "network")``.
    """

    parts: tuple[str, ...]

    def diagram(
        self,
        architecture: Architecture,
        part: str | None = None,
        block: str | None = None,
        task: Task | None = None,
    ) -> Diagram:
        """The diagram of one part of an architecture.

        Args:
            architecture: of this space.
            part: one of `parts`; None is the first.
            block: which block, where ``part`` is one of several, such as ``3.2``.
            task: adds what depends on it: resolutions, shapes and costs.

        Raises:
            UserError: no such part or block.
        """
        ...


def chosen_block(space: str, part: str | None, block: str | None, known: Collection[str]) -> str | None:
    """The block that a picture is asked of; None where it is of another part.

    Args:
        space: named in errors.
        part: ``block``, another part, or None for what ``block`` tells.
        block: its number, such as ``3.2``.
        known: the numbers that there are.

    Raises:
        UserError: no such block, none where one is needed, or one where another part is asked for.
    """
    if part not in {None, "block"} and block is not None:
        raise UserError(f"{space}: --block {block} belongs to --part block, not to the {part}")
    if part != "block" and block is None:
        return None
    if block not in known:
        what = "no block is named" if block is None else f"no block {block}"
        raise UserError(f"{space}: {what}; known: {', '.join(known)}")
    return block
