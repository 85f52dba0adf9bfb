"""The spaces that have a supernet: how their architectures are read as paths, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from uninas_bench import NotApplicable
from uninas_bench_plugins._bossnas.hytra_plan import HytraReading
from uninas_bench_plugins._bossnas.mbconv_plan import MbconvPlan
from uninas_bench_plugins._bossnas.plan import Reading
from uninas_bench_plugins._bossnas.settings import BossnasSettings
from uninas_bench_plugins._bossnas.size_plan import SizePlan

if TYPE_CHECKING:
    from uninas_bench_plugins._bossnas.supernet import Supernet

LONGEST = 8
"""Layers of a block at most: with four choices in each it has 65,536 paths, and every one is rated."""


def reading_of(space: str, settings: BossnasSettings) -> Reading:
    """How a space's architectures are read, by its name: an evaluation knows no more of it.

    Raises:
        NotApplicable: it has no supernet.
    """
    if space not in _READINGS:
        raise NotApplicable(f"no supernet of {space} is known; there is one of {', '.join(_READINGS)}")
    return _READINGS[space](settings)


def supernet_of(space: Any, settings: BossnasSettings) -> Supernet:
    """A freshly initialised supernet of a space, from the torch generator in force.

    Raises:
        NotApplicable: the scale's blocks are too long.
    """
    return _SUPERNETS[space.name](space.scale, settings)


@cache
def _size_plan(partition: str) -> SizePlan:
    return SizePlan(tuple(map(int, partition)))


def _size(scale: Any, settings: BossnasSettings) -> Supernet:
    from uninas_bench_plugins._bossnas.size_supernet import SizeSupernet

    return SizeSupernet(_size_plan(settings.partition), scale.cells, settings.features)


def _hytra(scale: Any, settings: BossnasSettings) -> Supernet:
    from uninas_bench_plugins._bossnas.hytra_supernet import HytraSupernet

    _check("blocks", scale.blocks)
    return HytraSupernet(scale, settings.features)


def _mbconv(scale: Any, settings: BossnasSettings) -> Supernet:
    from uninas_bench_plugins._bossnas.mbconv_supernet import MbconvSupernet

    del settings
    _check("depths", scale.depths)
    return MbconvSupernet(scale)


def _check(parameter: str, layers: Sequence[int]) -> None:
    if max(layers) > LONGEST:
        raise NotApplicable(
            f"scale {parameter}={':'.join(map(str, layers))}: every path of a block is rated, and one of "
            f"{max(layers)} layers has too many; at most {LONGEST} will do"
        )


_READINGS: Mapping[str, Callable[[BossnasSettings], Reading]] = {
    "nats_size": lambda settings: _size_plan(settings.partition),
    "hytra": lambda settings: HytraReading(),
    "mbconv": lambda settings: MbconvPlan(),
}
_SUPERNETS: Mapping[str, Callable[[Any, BossnasSettings], Supernet]] = {
    "nats_size": _size,
    "hytra": _hytra,
    "mbconv": _mbconv,
}
