"""What surrounds the blocks: stem, stages and their sizes; the same for every architecture of a scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Self

from uninas_bench.errors import InvalidArchitecture, UnknownName, UserError
from uninas_bench.space import Scale
from uninas_bench.spaces.uninas.block import Block, Design
from uninas_bench.spaces.uninas.encoding import block_title
from uninas_bench.spaces.uninas.graph import Graph, GraphError

STAGES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class UninasScale(Scale):
    """The paper's own by default (section IV.b and its footnote).

    Attributes:
        widths: channels of the four stages.
        depths: blocks of the four stages.
        stem: channels of the stem's two convolutions.
    """

    widths: tuple[int, ...] = (96, 192, 384, 768)
    depths: tuple[int, ...] = (2, 3, 5, 2)
    stem: tuple[int, ...] = (32, 64)

    def __post_init__(self) -> None:
        for name, count in (("widths", STAGES), ("depths", STAGES), ("stem", 2)):
            values = getattr(self, name)
            if len(values) != count or not all(isinstance(v, int) and 0 < v < 100_000 for v in values):
                raise UserError(
                    f"scale {name}={_joined(values)}: expected {count} integers of at least 1, "
                    f"as in {name}={_joined(_DEFAULTS[name])}"
                )

    def __str__(self) -> str:
        return ",".join(f"{field.name}={_joined(getattr(self, field.name))}" for field in fields(self))

    def updated(self, overrides: Mapping[str, object]) -> Self:
        """A copy with some parameters replaced: sequences of integers, or texts such as ``64:128:384:512``.

        Raises:
            UserError: an unknown parameter, or values that it cannot have.
        """
        values: dict[str, tuple[object, ...]] = {}
        for name, value in overrides.items():
            if name not in _DEFAULTS:
                raise UnknownName("scale parameter", name, _DEFAULTS)
            parts = value if isinstance(value, tuple | list) else str(value).split(":")
            values[name] = tuple(int(part) if str(part).strip().isdecimal() else part for part in parts)
        return replace(self, **values)  # type: ignore[arg-type]  # __post_init__ refuses what is no integer


_DEFAULTS = {"widths": (96, 192, 384, 768), "depths": (2, 3, 5, 2), "stem": (32, 64)}


def _joined(values: object) -> str:
    return ":".join(map(str, values)) if isinstance(values, tuple | list) else str(values)


@dataclass(frozen=True, slots=True)
class Place:
    """A block where it stands.

    Attributes:
        stage: from 0; ``place`` is its number in the stage.
        channels_in: of what comes in; ``channels`` of the block itself.
        size_in: height and width of what comes in; ``size`` of the block itself.
    """

    stage: int
    place: int
    block: Block
    channels_in: int
    channels: int
    size_in: tuple[int, int]
    size: tuple[int, int]

    @property
    def reduces(self) -> bool:
        """Whether it begins a stage and so halves the resolution."""
        return self.place == 0

    @property
    def projects(self) -> bool:
        """Whether it changes the number of channels."""
        return self.channels_in != self.channels

    @property
    def title(self) -> str:
        """``block 3.2``."""
        return block_title(self.stage, self.place)


def halved(size: tuple[int, int]) -> tuple[int, int]:
    """Half, odd sizes rounded up: for even ones it is the paper's, and no size gets lost."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def places(design: Design, scale: UninasScale, resolution: int) -> Iterator[Place]:
    """The blocks of a network where they stand, for square images."""
    widths = design.widths or scale.widths
    size = halved((resolution, resolution))
    channels = scale.stem[-1]
    for stage, blocks in enumerate(design.stages):
        for place, block in enumerate(blocks):
            now = halved(size) if place == 0 else size
            yield Place(stage, place, block, channels, widths[stage], size, now)
            size, channels = now, widths[stage]


def check_design(design: Design, scale: UninasScale, resolution: int | None = None) -> None:
    """Whether the network exists at this scale, and at this resolution where one is given.

    Raises:
        InvalidArchitecture: naming block, node and shapes.
    """
    depths = tuple(map(len, design.stages))
    if depths != scale.depths:
        raise InvalidArchitecture(
            f"{_joined(depths)} blocks in the stages, expected {_joined(scale.depths)}; "
            f"another scale: depths={_joined(depths)}"
        )
    for place in places(design, scale, resolution or 224):
        size = place.size if resolution is not None else None
        for number, graph in enumerate(place.block, 1):
            try:
                _check_graph(graph, place.channels, size)
            except GraphError as error:
                raise InvalidArchitecture(f"{place.title}, subblock {number}: {error}") from None


@lru_cache(maxsize=8192)
def _check_graph(graph: Graph, channels: int, size: tuple[int, int] | None) -> None:
    """`Graph.types`, remembered where it has passed: the blocks of a search differ little."""
    graph.types(channels, size)
