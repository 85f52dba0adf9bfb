"""The networks of NAS-Bench-201 and NATS-Bench, with the benchmark's own parameter names and order.

Weights trained with the benchmark's code load by name: ``stem.0.weight``,
``cells.0.layers.0.op.1.weight``, ``cells.5.conv_a.op.1.weight``, ``lastact.0.weight``, ``classifier.weight``.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from uninas_bench.spaces.cell_costs import EDGES, IMAGE_CHANNELS, KERNELS, Skeleton


class ReLUConvBN(nn.Module):
    """ReLU, convolution without bias, batch norm: (B, Cin, R, R) -> (B, Cout, R/stride, R/stride)."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(inplace=False),
            nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three."""
        out: Tensor = self.op(x)
        return out


class Projection(nn.Module):
    """The skip of a cell that changes its width: convolution 1x1 and batch norm, without ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, R, R) -> (B, Cout, R, R)."""
        out: Tensor = self.bn(self.conv(x))
        return out


class Zero(nn.Module):
    """The operation ``none``: zeros that stay connected to the input, so its gradient is 0, not missing."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, R, R) -> (B, C, R, R)."""
        return x * 0.0


class Pool(nn.Module):
    """Average pooling 3x3 that keeps the resolution and leaves the padding out of the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.op = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, R, R) -> (B, C, R, R)."""
        out: Tensor = self.op(x)
        return out


def _operation(name: str, channels_in: int, channels_out: int) -> nn.Module:
    if name in KERNELS:
        return ReLUConvBN(channels_in, channels_out, KERNELS[name])
    if name == "skip_connect":
        return nn.Identity() if channels_in == channels_out else Projection(channels_in, channels_out)
    return Pool() if name == "avg_pool_3x3" else Zero()


def _computed_edges(operations: Sequence[str]) -> list[int]:
    """The positions in `EDGES` that a forward pass must compute.

    Adding the zeros of every ``none`` edge costs a pass over memory each and changes nothing, so only
    those are kept that give a node without inputs its zeros, or that tie a node without outputs to
    the result (its parameters then get gradients of 0, as in the benchmark's code).
    """
    live = [edge for edge, name in zip(EDGES, operations, strict=True) if name != "none"]
    fed = {target for _, target in live}
    used = {3}
    for source in (2, 1, 0):
        if any(edge[0] == source and edge[1] in used for edge in live):
            used.add(source)
    return [
        position
        for position, (source, target) in enumerate(EDGES)
        if operations[position] != "none"
        or (source == 0 and target not in fed)
        or (target == 3 and source not in used)
    ]


class Cell(nn.Module):
    """Four nodes; each sums its operations on earlier nodes: (B, Cin, R, R) -> (B, Cout, R, R)."""

    def __init__(self, operations: Sequence[str], channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _operation(name, channels_in if source == 0 else channels_out, channels_out)
            for (source, _), name in zip(EDGES, operations, strict=True)
        )
        self.computed = _computed_edges(operations)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the nodes in order; the last one is the output."""
        nodes: list[Tensor] = [x]
        layers = list(self.layers)
        for position in self.computed:
            source, target = EDGES[position]
            out = layers[position](nodes[source])
            if target == len(nodes):
                # A node has its own place in the backward graph even where it is another node's tensor:
                # else gradients add up in another order than in the benchmark's code, and round differently.
                nodes.append(out.view_as(out) if out is nodes[source] else out)
            else:
                nodes[target] = nodes[target] + out
        return nodes[3]


class Reduction(nn.Module):
    """The residual block that halves the resolution: (B, Cin, R, R) -> (B, Cout, R/2, R/2)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(channels_in, channels_out, 3, stride=2)
        self.conv_b = ReLUConvBN(channels_out, channels_out, 3)
        self.downsample = nn.Sequential(
            nn.AvgPool2d(2, stride=2), nn.Conv2d(channels_in, channels_out, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Residual plus the two convolutions."""
        out: Tensor = self.downsample(x) + self.conv_b(self.conv_a(x))
        return out


class CellNetwork(nn.Module):
    """Stem, cells and reduction blocks, head: images (B, 3, R, R) -> logits (B, classes)."""

    def __init__(self, plan: Skeleton, operations: Sequence[str]) -> None:
        super().__init__()
        width, head = plan.widths[0], plan.widths[-1]
        self.stem = nn.Sequential(
            nn.Conv2d(IMAGE_CHANNELS, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        self.cells = nn.ModuleList(
            Reduction(layer.channels_in, layer.channels_out)
            if layer.reduction
            else Cell(operations, layer.channels_in, layer.channels_out)
            for layer in plan.layers()
        )
        self.lastact = nn.Sequential(nn.BatchNorm2d(head), nn.ReLU(inplace=True))
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(head, plan.classes)

    def forward(self, images: Tensor) -> Tensor:
        """The logits of a batch."""
        pooled = self.global_pooling(self.lastact(self.features(images)[-1])).flatten(1)
        logits: Tensor = self.classifier(pooled)
        return logits

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps at the ends of the three stages, at 1/1, 1/2 and 1/4 of the resolution."""
        x: Tensor = self.stem(images)
        maps = []
        for cell in self.cells:
            if isinstance(cell, Reduction):
                maps.append(x)
            x = cell(x)
        return [*maps, x]


def cell_blocks(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """The cells and reduction blocks of a network in forward order, named as in ``named_modules``.

    Raises:
        TypeError: the network is no `CellNetwork`.
    """
    if not isinstance(network, CellNetwork):
        raise TypeError(f"expected a CellNetwork, got {type(network).__name__}")
    return [(f"cells.{name}", block) for name, block in network.cells.named_children()]
