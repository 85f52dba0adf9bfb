"""What surrounds the choices: widths, strides, stem, style; and every block of a network where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from uninas_bench.errors import UserError
from uninas_bench.spaces.convolutions import Size, halved
from uninas_bench.spaces.hytra.fabric import ATTENTIONS, DIGITS, STAGE_OF, Definition, Fabric
from uninas_bench.spaces.list_scale import ListScale

EXPANSION = 4
"""Channels between blocks are this multiple of the channels inside."""
SQUEEZE = 16
"""Squeeze-and-excitation has this fraction of the channels that it weighs."""
Kind = Literal["convolution", "attention", "empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HytraScale(ListScale):
    """The paper's own by default.

    Attributes:
        blocks: layers of the four blocks that a supernet is trained in; their sum is the network's.
        widths: channels inside the blocks of the four stages; four times as many between them.
        stem: channels of the stem.
        head: channels of a head of attention.
        strides: at the entry of the four stages, 1 or 2; ``1:2:2:1`` for BossNet-T1.
        style: ``plain`` has ReLU; ``se`` has SiLU, and squeeze-and-excitation in every ResConv.
        definition: which architectures are enumerated, sampled and counted; see `fabric.Fabric`.
    """

    words: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "style": ("plain", "se"),
        "definition": ("A", "B", "C", "D", "E"),
    }

    blocks: tuple[int, ...] = (4, 4, 4, 4)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem: int = 64
    head: int = 64
    strides: tuple[int, ...] = (1, 2, 2, 2)
    style: str = "plain"
    definition: str = "B"

    def __post_init__(self) -> None:
        # Not super(): in a dataclass with slots it would look for the class from before the slots.
        ListScale.__post_init__(self)
        if max(self.strides) > 2:
            raise UserError(f"scale strides={':'.join(map(str, self.strides))}: expected strides of 1 or 2")
        if sum(self.blocks) > 48:
            raise UserError(f"scale blocks={':'.join(map(str, self.blocks))}: expected at most 48 layers")
        for stage, width in enumerate(self.widths):
            if len(DIGITS[stage]) > 1 and width % self.heads(stage):
                raise UserError(
                    f"scale head={self.head}: width {width} does not divide into {self.heads(stage)} heads"
                )

    @property
    def fabric(self) -> Fabric:
        """The paths of this scale's definition."""
        return Fabric(self.blocks, cast(Definition, self.definition))

    def heads(self, stage: int) -> int:
        """Heads of attention in a stage."""
        return max(1, self.widths[stage] // self.head)


@dataclass(frozen=True, slots=True)
class Place:
    """A block where it stands, or what takes the place of a stage without layers.

    Attributes:
        stage: from 0; ``number`` is the block's in the stage.
        kind: an ``empty`` stage is a convolution 3x3 that changes channels and resolution.
        channels_in: of what comes in.
        planes: channels inside; ``channels`` come out.
        heads: of attention.
        stride: of the depthwise convolution.
        size_in: height and width of what comes in; ``size`` of what comes out.
    """

    stage: int
    number: int
    kind: Kind
    channels_in: int
    planes: int
    heads: int
    stride: int
    size_in: Size
    size: Size

    @property
    def channels(self) -> int:
        """Of what comes out."""
        return EXPANSION * self.planes

    @property
    def projects(self) -> bool:
        """Whether the shortcut has a convolution."""
        return self.stride != 1 or self.channels_in != self.channels

    @property
    def title(self) -> str:
        """``3.2``."""
        return f"{self.stage + 1}.{self.number + 1}"


def squeezed(channels: int) -> int:
    """Channels inside squeeze-and-excitation."""
    return max(1, channels // SQUEEZE)


def stem_size(resolution: int) -> Size:
    """A convolution and a maximum, both of stride 2."""
    return halved(halved((resolution, resolution)))


def stage_lists(digits: str) -> tuple[str, ...]:
    """The digits of each stage."""
    return tuple("".join(d for d in digits if STAGE_OF[d] == stage) for stage in range(len(DIGITS)))


def places(digits: str, scale: HytraScale, resolution: int) -> Iterator[Place]:
    """The blocks of a network where they stand, in forward order, empty stages too; for square images."""
    size, channels = stem_size(resolution), scale.stem
    for stage, chosen in enumerate(stage_lists(digits)):
        planes, heads = scale.widths[stage], scale.heads(stage)
        for number, digit in enumerate(chosen or " "):
            stride = scale.strides[stage] if number == 0 else 1
            now = halved(size) if stride == 2 else size
            kind: Kind = "empty" if not chosen else "attention" if digit in ATTENTIONS else "convolution"
            place = Place(stage, number, kind, channels, planes, heads, stride, size, now)
            yield place
            size, channels = now, place.channels
