"""Costs in closed form: of the network that is built, and as the counter behind the paper's Table 1 has them.

Both count multiply-accumulates. ``macs`` is what torch counts of the network: convolutions, the head, and the
two matrix products of an attention. ``table1`` is the authors' counter, which differs in two respects:

- An empty stage costs as much as a convolution 3x3 from its inner width to its inner width. That fits neither
  the block before nor the one behind; the network's goes from as many channels as come in to four times the
  inner width.
- With squeeze-and-excitation, attentions are charged for it too, though they have none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from uninas_bench.architecture import Costs, Task
from uninas_bench.spaces.convolutions import (
    Price,
    batch_norm,
    convolution,
    halved,
    linear,
    squeeze_excitation,
)
from uninas_bench.spaces.hytra.macro import HytraScale, Place, places, squeezed

Convention = Literal["macs", "table1"]


def design_costs(digits: str, scale: HytraScale, task: Task, convention: Convention = "macs") -> Costs:
    """Parameters of the network that is built, and multiply-accumulates of one image in a convention."""
    standing = list(places(digits, scale, task.resolution))
    exact = [place_price(place, scale.style) for place in standing]
    ends = _ends(scale, task, standing[-1].channels)
    params = ends.plus(*exact).params
    charged = exact if convention == "macs" else [_charged(place, scale) for place in standing]
    return Costs(params, ends.plus(*charged).macs, convention)


def _ends(scale: HytraScale, task: Task, channels: int) -> Price:
    size = halved((task.resolution, task.resolution))
    stem = convolution(7, 3, scale.stem, size)
    return stem.plus(batch_norm(scale.stem), linear(channels, task.classes))


@lru_cache(maxsize=4096)
def place_price(place: Place, style: str) -> Price:
    """One block of the network, or an empty stage, in a `HytraScale.style`."""
    if place.kind == "empty":
        bridge = convolution(3, place.channels_in, place.channels, place.size)
        return bridge.plus(batch_norm(place.channels))
    planes, channels, size = place.planes, place.channels, place.size
    price = convolution(1, place.channels_in, planes, place.size_in).plus(
        convolution(3, planes, planes, size, groups=planes, bias=True),
        batch_norm(planes),
        _mixing(place),
        batch_norm(planes),
        convolution(1, planes, channels, size),
        batch_norm(channels),
    )
    if style == "se" and place.kind == "convolution":
        price = price.plus(squeeze_excitation(channels, squeezed(channels)))
    if place.projects:
        price = price.plus(convolution(1, place.channels_in, channels, size), batch_norm(channels))
    return price


def _mixing(place: Place) -> Price:
    planes, size = place.planes, place.size
    if place.kind == "convolution":
        return convolution(3, planes, planes, size)
    tokens = size[0] * size[1]
    return convolution(1, planes, 3 * planes, size).plus(Price(0, 2 * planes * tokens * tokens))


def _charged(place: Place, scale: HytraScale) -> Price:
    if place.kind == "empty":
        return convolution(3, place.planes, place.planes, place.size)
    price = place_price(place, scale.style)
    if scale.style == "se" and place.kind == "attention":
        price = price.plus(squeeze_excitation(place.channels, squeezed(place.channels)))
    return price
