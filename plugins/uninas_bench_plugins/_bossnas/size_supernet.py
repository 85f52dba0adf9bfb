"""The supernet of the size space: slimmable cells and reduction blocks, a batch norm for each width.

The layers are those of the space's networks (NATS-Bench, TPAMI 2021); a test compares a path with the
network that the space builds for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from uninas_bench_plugins._bossnas.layers import draw_fan_out
from uninas_bench_plugins._bossnas.size_plan import SizePlan
from uninas_bench_plugins._bossnas.slimmable import SlimmableConv2d, SwitchableNorm
from uninas_bench_plugins._bossnas.supernet import IMAGE_CHANNELS, Supernet


class _Convolution(nn.Module):
    """ReLU, slimmable convolution 3x3, batch norm of the output's width."""

    def __init__(self, widths: Sequence[int], stride: int = 1) -> None:
        super().__init__()
        self.conv = SlimmableConv2d(max(widths), max(widths), 3, stride)
        self.norm = SwitchableNorm(widths)

    def forward(self, x: Tensor, width: int) -> Tensor:
        out: Tensor = self.norm(self.conv(functional.relu(x), width))
        return out


class _Cell(nn.Module):
    """The cell of every network of the space: five convolutions and a skip from its input to its output.

    The skip is a convolution 1x1 with batch norm where the cell changes the width.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(
            {edge: _Convolution(widths) for edge in ("0->1", "0->2", "1->2", "1->3", "2->3")}
        )
        self.skip = SlimmableConv2d(max(widths), max(widths), 1)
        self.skip_norm = SwitchableNorm(widths)

    def forward(self, x: Tensor, width: int) -> Tensor:
        edges = self.edges
        first = edges["0->1"](x, width)
        second = edges["0->2"](x, width) + edges["1->2"](first, width)
        skip = x if x.shape[1] == width else self.skip_norm(self.skip(x, width))
        out: Tensor = skip + edges["1->3"](first, width) + edges["2->3"](second, width)
        return out


class _Stage(nn.Module):
    """Cells of one width."""

    def __init__(self, widths: Sequence[int], cells: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(_Cell(widths) for _ in range(cells))

    def forward(self, x: Tensor, width: int) -> Tensor:
        for cell in self.cells:
            x = cell(x, width)
        return x


class _FirstStage(_Stage):
    """Stem and cells: the stem has the width of the first stage."""

    def __init__(self, widths: Sequence[int], cells: int) -> None:
        super().__init__(widths, cells)
        self.stem = SlimmableConv2d(IMAGE_CHANNELS, max(widths), 3)
        self.stem_norm = SwitchableNorm(widths)

    def forward(self, x: Tensor, width: int) -> Tensor:
        return super().forward(self.stem_norm(self.stem(x, width)), width)


class _Reduction(nn.Module):
    """The residual block that halves the resolution; its shortcut has no norm."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.conv_a = _Convolution(widths, stride=2)
        self.conv_b = _Convolution(widths)
        self.shortcut = SlimmableConv2d(max(widths), max(widths), 1)

    def forward(self, x: Tensor, width: int) -> Tensor:
        shortcut = self.shortcut(functional.avg_pool2d(x, 2), width)
        out: Tensor = shortcut + self.conv_b(self.conv_a(x, width), width)
        return out


class _Neck(nn.Module):
    """For each width of the last layer its own convolution 1x1 to ``features`` and norm; then the mean."""

    def __init__(self, widths: Sequence[int], features: int) -> None:
        super().__init__()
        self.fix = nn.ModuleDict({str(width): nn.Conv2d(width, features, 1, bias=False) for width in widths})
        self.norm = SwitchableNorm(widths, features)

    def forward(self, x: Tensor, width: int) -> Tensor:
        out: Tensor = self.norm(self.fix[str(width)](x), width)
        return out.mean((2, 3))


class SizeSupernet(Supernet):
    """All 32,768 networks of the size space without their heads.

    Args:
        plan: blocks and widths.
        cells: in each of the three stages (the space's scale).
        features: of every neck; 2048 with the authors.
    """

    def __init__(self, plan: SizePlan, cells: int = 1, features: int = 256) -> None:
        super().__init__()
        self.plan: SizePlan = plan
        self.features = (features,) * plan.blocks
        widths = plan.choices
        layers: list[nn.Module] = [
            _FirstStage(widths, cells),
            _Reduction(widths),
            _Stage(widths, cells),
            _Reduction(widths),
            _Stage(widths, cells),
        ]
        self.bodies = nn.ModuleList(nn.ModuleList(layers[i] for i in span) for span in plan.spans)
        self.necks = nn.ModuleList(_Neck(widths, features) for _ in plan.spans)
        draw_fan_out(self)

    def neck(self, block: int, choice: int, x: Tensor) -> Tensor:
        """(B, features) by the neck of the last layer's width."""
        out: Tensor = self.necks[block](x, choice)
        return out
