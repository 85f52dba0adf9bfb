"""What surrounds the choices: widths, strides and depths of EfficientNet; every layer where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from uninas_bench.errors import UserError
from uninas_bench.spaces.convolutions import Size, halved
from uninas_bench.spaces.list_scale import ListScale

STRIDES = (2, 2, 2, 1, 2)
"""At the first layer of each searched block."""
SQUEEZE = 4
"""Squeeze-and-excitation has this fraction of the channels that come into a layer."""
_MOST_LAYERS = 29


@dataclass(frozen=True, slots=True)
class Operation:
    """An inverted residual: expand the channels, convolve each with a kernel, weigh, project back."""

    expansion: int
    kernel: int

    def __str__(self) -> str:
        return f"MB{self.expansion}_{self.kernel}x{self.kernel}"


OPERATIONS = (Operation(6, 3), Operation(6, 5), Operation(3, 3), Operation(3, 5))
"""What a digit stands for."""
FIRST = Operation(1, 3)
"""The layer behind the stem, which is not chosen."""
FINAL = OPERATIONS[0]
"""The layer before the head, which is not chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MbconvScale(ListScale):
    """That of EfficientNet-B0 by default.

    Attributes:
        depths: layers of the five searched blocks, one digit each.
        widths: their output channels.
        stem: channels of the stem, and of the fixed layer behind it.
        final: channels of the fixed layer behind the last block.
        head: channels of the convolution before the pooling.
    """

    depths: tuple[int, ...] = (2, 4, 4, 4, 4)
    widths: tuple[int, ...] = (24, 40, 80, 112, 192)
    stem: tuple[int, ...] = (32, 16)
    final: int = 320
    head: int = 1280

    def __post_init__(self) -> None:
        # Not super(): in a dataclass with slots it would look for the class from before the slots.
        ListScale.__post_init__(self)
        if sum(self.depths) > _MOST_LAYERS:
            raise UserError(
                f"scale depths={':'.join(map(str, self.depths))}: expected at most {_MOST_LAYERS} layers"
            )


@dataclass(frozen=True, slots=True)
class Place:
    """A layer where it stands.

    Attributes:
        block: from 0 the fixed first one, then the five searched ones, then the fixed last one.
        number: in its block, from 0.
        operation: expansion and kernel.
        channels_in: of what comes in; ``channels`` come out.
        stride: of the depthwise convolution.
        size_in: height and width of what comes in; ``size`` of what comes out.
    """

    block: int
    number: int
    operation: Operation
    channels_in: int
    channels: int
    stride: int
    size_in: Size
    size: Size

    @property
    def expanded(self) -> int:
        """Channels inside."""
        return self.operation.expansion * self.channels_in

    @property
    def squeezed(self) -> int:
        """Channels inside squeeze-and-excitation."""
        return max(1, self.channels_in // SQUEEZE)

    @property
    def skips(self) -> bool:
        """Whether what comes in is added to what comes out."""
        return self.stride == 1 and self.channels_in == self.channels

    @property
    def title(self) -> str:
        """``3.2``."""
        return f"{self.block}.{self.number + 1}"


def places(digits: str, scale: MbconvScale, resolution: int) -> Iterator[Place]:
    """The layers of a network where they stand, in forward order, the fixed ones too; for square images."""
    chosen = [OPERATIONS[int(digit)] for digit in digits]
    blocks = [([FIRST], scale.stem[1], 1)]
    start = 0
    for depth, width, stride in zip(scale.depths, scale.widths, STRIDES, strict=True):
        blocks.append((chosen[start : start + depth], width, stride))
        start += depth
    blocks.append(([FINAL], scale.final, 1))
    size, channels = halved((resolution, resolution)), scale.stem[0]
    for block, (operations, width, first_stride) in enumerate(blocks):
        for number, operation in enumerate(operations):
            stride = first_stride if number == 0 else 1
            now = halved(size) if stride == 2 else size
            yield Place(block, number, operation, channels, width, stride, size, now)
            size, channels = now, width
