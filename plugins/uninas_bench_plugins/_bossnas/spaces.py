"""The spaces that have a supernet: their plans, and how the supernet is built."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from uninas_bench import NotApplicable
from uninas_bench_plugins._bossnas.plan import Plan
from uninas_bench_plugins._bossnas.settings import BossnasSettings
from uninas_bench_plugins._bossnas.size_plan import SizePlan

if TYPE_CHECKING:
    from uninas_bench_plugins._bossnas.supernet import Supernet

SPACES = ("nats_size",)


def plan_of(space: str, settings: BossnasSettings) -> Plan:
    """The paths of a space, by its name.

    Raises:
        NotApplicable: it has no supernet.
    """
    if space not in SPACES:
        raise NotApplicable(f"no supernet of {space} is known; there is one of {', '.join(SPACES)}")
    return _size_plan(settings.partition)


def supernet_of(space: Any, settings: BossnasSettings) -> Supernet:
    """A freshly initialised supernet of a space, from the torch generator in force."""
    from uninas_bench_plugins._bossnas.size_supernet import SizeSupernet

    plan = plan_of(space.name, settings)
    assert isinstance(plan, SizePlan)
    return SizeSupernet(plan, space.scale.cells, settings.features)


@cache
def _size_plan(partition: str) -> SizePlan:
    return SizePlan(tuple(map(int, partition)))
