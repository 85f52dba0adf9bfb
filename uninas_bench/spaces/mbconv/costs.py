"""Costs in closed form: parameters, and multiply-accumulates as torch counts them."""

from __future__ import annotations

from uninas_bench.architecture import Costs, Task
from uninas_bench.spaces.convolutions import (
    Price,
    batch_norm,
    convolution,
    halved,
    linear,
    squeeze_excitation,
)
from uninas_bench.spaces.mbconv.macro import MbconvScale, Place, places


def design_costs(digits: str, scale: MbconvScale, task: Task) -> Costs:
    """Of the network, for one image."""
    standing = list(places(digits, scale, task.resolution))
    stem = convolution(3, 3, scale.stem[0], halved((task.resolution, task.resolution)))
    total = stem.plus(
        batch_norm(scale.stem[0]),
        *map(place_price, standing),
        convolution(1, scale.final, scale.head, standing[-1].size),
        batch_norm(scale.head),
        linear(scale.head, task.classes),
    )
    return Costs(total.params, total.macs)


def place_price(place: Place) -> Price:
    """One layer."""
    expanded, kernel = place.expanded, place.operation.kernel
    price = convolution(kernel, expanded, expanded, place.size, groups=expanded).plus(
        batch_norm(expanded),
        squeeze_excitation(expanded, place.squeezed),
        convolution(1, expanded, place.channels, place.size),
        batch_norm(place.channels),
    )
    if place.operation.expansion > 1:
        price = price.plus(convolution(1, place.channels_in, expanded, place.size_in), batch_norm(expanded))
    return price
