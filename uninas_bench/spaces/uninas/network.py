"""Networks of UniNAS: stem, four stages of blocks, head; (B, 3, H, W) -> (B, classes), for any H and W.

Built for one resolution, which decides the sizes of the relative position tables; it runs on all from 8 x 8
pixels on, also rectangular ones.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from uninas_bench.spaces.uninas.block import Design
from uninas_bench.spaces.uninas.compiling import module_name, program
from uninas_bench.spaces.uninas.graph import Graph
from uninas_bench.spaces.uninas.interpreter import interpret
from uninas_bench.spaces.uninas.macro import Place, UninasScale, check_design, places
from uninas_bench.spaces.uninas.modules import (
    EPS,
    FanOutConv2d,
    PixelGELU,
    channels_first,
    channels_last,
    node_module,
    per_pixel,
)


class Subblock(nn.Module):
    """A graph with its weights: (B, C, H, W) -> (B, C, H, W).

    The modules have the names of their nodes, ``conv_exp4_1``, in the order of the graph. The compiled form
    has no modules for what it evaluates otherwise (the softmax of a head, say); those have no weights.
    """

    def __init__(self, graph: Graph, channels: int, size: tuple[int, int], *, compiled: bool = True) -> None:
        super().__init__()
        self.graph = graph
        self.channels = channels
        self.compiled = compiled
        self._prepare()
        types = graph.types(channels, size)
        for number, node in enumerate(graph.nodes, 1):
            name = module_name(graph, number)
            module = node_module(node.operation, types[node.sources[0]], size)
            if module is not None and (
                self._program is None or name in self._program.called or module._parameters
            ):
                self.add_module(name, module)

    def _prepare(self) -> None:
        """What follows from the graph and is no state of its own."""
        self._program = program(self.graph, self.channels) if self.compiled else None
        self._types = None if self.compiled else self.graph.types(self.channels)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in {"_program", "_types"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._prepare()

    @property
    def vanishes(self) -> bool:
        """Whether it is a ``zero`` and nothing else, so that there is nothing to evaluate.

        What stands before a ``zero`` is evaluated, for nothing: the network costs what its graph says.
        """
        return [node.operation.kind for node in self.graph.nodes] == ["zero"]

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the graph."""
        if self._program is not None:
            return self._program.code(self, x)
        assert self._types is not None
        modules = {int(name.rpartition("_")[2]): module for name, module in self.named_children()}
        return interpret(self.graph, self._types, modules, x)

    def extra_repr(self) -> str:
        """Its channels, and how it runs."""
        return f"{self.channels}, {'compiled' if self.compiled else 'interpreted'}"


class UninasBlock(nn.Module):
    """Two pre-norm residual subblocks: y = S(x) + first(N1(x)), then y + second(N2(y)).

    Where a stage begins, S and N1 halve the resolution (odd sizes rounded up) and N1's layer norm sees the
    channels that come in. A second subblock of a mere ``zero`` adds nothing and is not evaluated; its norm
    then gets no gradient.

    Source: paper, section IV.b; the authors' toolkit, which pools by the average and projects twice.
    """

    def __init__(self, place: Place, *, compiled: bool) -> None:
        super().__init__()
        self.shortcut = _reduction(place)
        self.norm1 = nn.LayerNorm(place.channels_in, eps=EPS)
        self.reduction = _reduction(place)
        self.first = Subblock(place.block.first, place.channels, place.size, compiled=compiled)
        self.norm2 = nn.LayerNorm(place.channels, eps=EPS)
        self.second = Subblock(place.block.second, place.channels, place.size, compiled=compiled)
        self.drop_path = StochasticDepth(0.0, "row")

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) -> (B, C, H', W')."""
        y: Tensor = self.shortcut(x) + self.drop_path(self.first(self.reduction(per_pixel(self.norm1, x))))
        if not self.second.vanishes:
            y = y + self.drop_path(self.second(per_pixel(self.norm2, y)))
        return y


class UninasNetwork(nn.Module):
    """The network of a design: images (B, 3, H, W) -> logits (B, classes).

    Every parameter can learn. The authors' toolkit freezes those that get no gradient (the norm before a
    subblock that ends in ``zero``); here the count of trainable parameters is the architecture's own, which
    the closed form of the costs gives, too.

    Convolutions are drawn as the authors draw theirs, from the torch generator in force, except that the
    biases of the transformer's MLP are 0 instead of N(0, 1e-6). The last linear map has torch's default.

    Args:
        design: the blocks.
        scale: widths and stem.
        resolution: of the images; decides the sizes of the relative position tables.
        classes: of the task.
        drop_path: the last block's rate of stochastic depth; see `set_drop_path`.
        drop_rate: of the dropout before the last linear map.
        compiled: straight-line code, or node by node.

    Raises:
        InvalidArchitecture: the design does not exist at this scale and resolution.
    """

    def __init__(
        self,
        design: Design,
        scale: UninasScale,
        resolution: int,
        classes: int,
        *,
        drop_path: float = 0.0,
        drop_rate: float = 0.0,
        compiled: bool = True,
    ) -> None:
        super().__init__()
        check_design(design, scale, resolution)
        narrow, wide = scale.stem
        self.stem = nn.Sequential(
            FanOutConv2d(3, narrow, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(narrow),
            PixelGELU(),
            FanOutConv2d(narrow, wide, 3, padding=1, bias=False),
        )
        stages: list[list[UninasBlock]] = [[] for _ in design.stages]
        for place in places(design, scale, resolution):
            stages[place.stage].append(UninasBlock(place, compiled=compiled))
        self.stages = nn.ModuleList(nn.Sequential(*blocks) for blocks in stages)
        channels = place.channels
        self.norm = nn.LayerNorm(channels, eps=EPS)
        self.dropout = nn.Dropout(drop_rate)
        self.head = nn.Linear(channels, classes)
        self.set_drop_path(drop_path)

    def forward(self, images: Tensor) -> Tensor:
        """The logits of a batch."""
        pixels: Tensor = self.norm(channels_last(self.features(images)[-1]))
        logits: Tensor = self.head(self.dropout(pixels.mean((1, 2))))
        return logits

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps at the ends of the four stages, at 1/4, 1/8, 1/16 and 1/32 of the resolution."""
        # Not by `memory_format`, which torch.func.vmap does not know.
        x: Tensor = self.stem(channels_first(channels_last(images).contiguous()))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """All blocks in forward order, named as in ``named_modules``."""
        return [
            (f"stages.{stage}.{place}", block)
            for stage, blocks in self.stages.named_children()
            for place, block in blocks.named_children()
        ]

    def set_drop_path(self, rate: float) -> None:
        """Let block i of n drop each of its residuals for an image at i / (n - 1) of ``rate``."""
        blocks = [cast(UninasBlock, block) for _, block in self.blocks()]
        for number, block in enumerate(blocks):
            block.drop_path.p = rate * number / max(len(blocks) - 1, 1)


def _reduction(place: Place) -> nn.Module:
    """Half the resolution and other channels, where the place asks for them."""
    if not place.reduces:
        return nn.Identity()
    steps: dict[str, nn.Module] = {"pool": nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)}
    if place.projects:
        steps["conv"] = FanOutConv2d(place.channels_in, place.channels, 1)
    return nn.Sequential(OrderedDict(steps))
