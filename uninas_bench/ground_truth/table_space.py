"""The search space of a table, at the table's scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uninas_bench.ground_truth.table import GroundTruthInfo
    from uninas_bench.host import Host
    from uninas_bench.space import SearchSpace


def table_space(info: GroundTruthInfo, host: Host) -> SearchSpace:
    """The space whose architectures a table has, at the scale that they were measured at.

    Raises:
        UserError: the space is not installed, or has no such scale.
    """
    space = host.space(info.space)
    scale = dict(part.split("=", 1) for part in info.scale.split(",") if part)
    return space.scaled(**scale) if scale else space
