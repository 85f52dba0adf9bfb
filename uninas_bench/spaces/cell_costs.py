"""The macro skeleton of NAS-Bench-201 and NATS-Bench, and its costs in closed form.

Stem, N cells, reduction block, N cells, reduction block, N cells, head (NAS-Bench-201, ICLR 2020,
section 2.1; NATS-Bench, TPAMI 2021, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from uninas_bench.architecture import Costs, Task
from uninas_bench.errors import UserError

IMAGE_CHANNELS = 3
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges (source, target) of a cell's four nodes, in the order of the benchmark's strings."""
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@dataclass(frozen=True, slots=True)
class Layer:
    """A cell or a reduction block: its channels in and out, and the resolution of its output."""

    reduction: bool
    channels_in: int
    channels_out: int
    resolution: int


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The layers of a network without what happens inside its cells.

    Attributes:
        widths: output channels of stage 1, reduction 1, stage 2, reduction 2, stage 3; the stem has
            those of stage 1.
        cells: cells in each stage.
        resolution: side of the square input images in pixels.
        classes: outputs of the linear head.
    """

    widths: tuple[int, int, int, int, int]
    cells: int
    resolution: int
    classes: int

    def layers(self) -> Iterator[Layer]:
        """The cells and reduction blocks in forward order."""
        channels, resolution = self.widths[0], self.resolution
        for position, width in enumerate(self.widths):
            reduction = position % 2 == 1
            resolution //= 2 if reduction else 1
            for _ in range(1 if reduction else self.cells):
                yield Layer(reduction, channels, width, resolution)
                channels = width


def skeleton(widths: Sequence[int], cells: int, task: Task) -> Skeleton:
    """The skeleton for a task.

    Raises:
        UserError: the two reductions cannot halve the task's resolution.
    """
    if task.resolution < 4 or task.resolution % 4:
        raise UserError(
            f"task {task.name}: resolution {task.resolution} does not fit two reductions by 2; "
            "expected a positive multiple of 4"
        )
    first, second, third, fourth, fifth = widths
    return Skeleton((first, second, third, fourth, fifth), cells, task.resolution, task.classes)


def _convolution(kernel: int, channels_in: int, channels_out: int, resolution: int) -> tuple[int, int]:
    weights = kernel * kernel * channels_in * channels_out
    return weights, weights * resolution * resolution


@lru_cache(maxsize=4096)
def _layer_costs(layer: Layer, operations: tuple[str, ...]) -> tuple[int, int]:
    into, out = layer.channels_in, layer.channels_out
    if layer.reduction:
        convolutions = [(3, into, out), (3, out, out), (1, into, out)]
        norms = 2
    else:
        convolutions = []
        for (source, _), operation in zip(EDGES, operations, strict=True):
            channels = into if source == 0 else out
            if operation in KERNELS:
                convolutions.append((KERNELS[operation], channels, out))
            elif operation == "skip_connect" and channels != out:
                convolutions.append((1, channels, out))
        norms = len(convolutions)
    costs = [_convolution(*convolution, layer.resolution) for convolution in convolutions]
    return sum(cost[0] for cost in costs) + norms * 2 * out, sum(cost[1] for cost in costs)


def skeleton_costs(plan: Skeleton, operations: tuple[str, ...]) -> Costs:
    """Parameters and multiply-accumulates of one image, equal to the columns of the official tables.

    The official counter counts convolutions and the linear head (its bias included), but neither
    batch norms nor pooling, activations or sums.

    Args:
        plan: the layers.
        operations: the six operations of the cell, in the order of `EDGES`.
    """
    width, head = plan.widths[0], plan.widths[-1]
    params, flops = _convolution(3, IMAGE_CHANNELS, width, plan.resolution)
    linear = (head + 1) * plan.classes
    params += 2 * width + 2 * head + linear
    flops += linear
    for layer in plan.layers():
        layer_params, layer_flops = _layer_costs(layer, operations)
        params += layer_params
        flops += layer_flops
    return Costs(params, flops, "macs")
