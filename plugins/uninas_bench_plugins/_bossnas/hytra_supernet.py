"""The supernet of HyTra: in every layer all candidates of the fabric, whose weights serve all ways in.

A candidate shares its weights between its uses with and without a halving, but for its entries: ``stay``
comes from its own stage, ``down`` from the stage before, ``stem`` begins the network. Which one is used
follows from the layers' stages, never from resolutions. The authors' supernet has no ``down`` into the first
stage of a block and cannot run every path; here each layer has what the paths of its definition pass.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from uninas_bench_plugins._bossnas.hytra_modules import (
    EXPANSION,
    Candidate,
    Entry,
    Shrink,
    Style,
    activation,
)
from uninas_bench_plugins._bossnas.hytra_plan import ATTENTIONS, STAGE_OF, HytraPlan, Way, way_into
from uninas_bench_plugins._bossnas.layers import convolution, draw_fan_out
from uninas_bench_plugins._bossnas.supernet import IMAGE_CHANNELS, Supernet

if TYPE_CHECKING:
    from uninas_bench.spaces.hytra.macro import HytraScale


class HytraSupernet(Supernet):
    """All networks of a scale and its definition, without their heads.

    Args:
        scale: blocks, widths, stem, strides, style and definition.
        features: of every neck; 2048 with the authors, as many as the last stage has channels.
    """

    def __init__(self, scale: HytraScale, features: int = 256) -> None:
        super().__init__()
        plan = HytraPlan(scale.fabric)
        self.plan: HytraPlan = plan
        self.features = (features,) * plan.blocks
        self.bodies = nn.ModuleList(
            nn.ModuleList(_Layer(scale, plan.ways(block, position)) for position in range(layers))
            for block, layers in enumerate(plan.fabric.blocks)
        )
        self.necks = nn.ModuleList(
            nn.ModuleDict({str(stage): _neck(scale, stage, features) for stage in plan.exits(block)})
            for block in range(plan.blocks)
        )
        draw_fan_out(self)

    def layer(self, block: int, position: int, choice: int, x: Tensor, previous: int | None) -> Tensor:
        """A candidate, by its entry from the stage of ``previous``."""
        layers = self.bodies[block]
        assert isinstance(layers, nn.ModuleList)
        before = None if previous is None else STAGE_OF[previous]
        out: Tensor = layers[position](x, choice, way_into(choice, before))
        return out

    def neck(self, block: int, choice: int, x: Tensor) -> Tensor:
        """(B, features): the mean over space of a map that was brought to the last stage's resolution."""
        necks = self.necks[block]
        assert isinstance(necks, nn.ModuleDict)
        out: Tensor = necks[str(STAGE_OF[choice])](x)
        return out.mean((2, 3))


class _Layer(nn.Module):
    """All candidates of a layer; the stem belongs to the network's first."""

    def __init__(self, scale: HytraScale, ways: Mapping[int, Collection[Way]]) -> None:
        super().__init__()
        self.stem = nn.Sequential()
        if any("stem" in known for known in ways.values()):
            self.stem.extend(_stem(scale))
        self.candidates = nn.ModuleDict(
            {str(choice): _candidate(scale, choice, sorted(known)) for choice, known in ways.items()}
        )

    def forward(self, x: Tensor, choice: int, way: Way) -> Tensor:
        """One candidate, entered in one way."""
        out: Tensor = self.candidates[str(choice)](self.stem(x), way)
        return out


def _stem(scale: HytraScale) -> list[nn.Module]:
    return [
        convolution(IMAGE_CHANNELS, scale.stem, 7, 2),
        nn.BatchNorm2d(scale.stem),
        activation(cast(Style, scale.style)),
        nn.MaxPool2d(3, 2, 1),
    ]


def _candidate(scale: HytraScale, choice: int, ways: Collection[Way]) -> Candidate:
    stage, style = STAGE_OF[choice], cast(Style, scale.style)
    planes = scale.widths[stage]
    made: dict[str, Entry] = {}
    for way in ways:
        if way == "stem":
            # The stem's map is brought to the stage's resolution and to as many channels as are inside.
            adapt = Shrink(scale.stem, planes, prod(scale.strides[: stage + 1]))
            made[way] = Entry(planes, planes, 1, style, adapt)
        elif way == "stay":
            made[way] = Entry(EXPANSION * planes, planes, 1, style)
        else:
            made[way] = Entry(EXPANSION * scale.widths[stage - 1], planes, scale.strides[stage], style)
    return Candidate(planes, scale.heads(stage) if choice in ATTENTIONS else 0, style, made)


def _neck(scale: HytraScale, stage: int, features: int) -> nn.Module:
    """To ``features`` channels at the last stage's resolution; as the authors do, nothing where both fit."""
    channels, stride = EXPANSION * scale.widths[stage], prod(scale.strides[stage + 1 :])
    return nn.Identity() if (channels, stride) == (features, 1) else Shrink(channels, features, stride)
