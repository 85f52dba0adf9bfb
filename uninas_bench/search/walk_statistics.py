"""What a walk has been through: shares of the operations, outcomes of the steps, dead work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.architecture import Architecture, Costs
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.search.walk_files import OUTCOMES, read_encodings
from uninas_bench.spaces.uninas.liveness import dead_flops
from uninas_bench.spaces.uninas.macro import places
from uninas_bench.spaces.uninas.space import NAMED, Uninas

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.search.walk_files import WalkHeader, WalkRecord

RANGE = (5.0, 95.0)
"""Percentiles that a range in a table spans."""


def share_table(record: WalkRecord, operations: tuple[str, ...]) -> pd.DataFrame:
    """Every operation's share of the FLOPs of the blocks, in the first and the second half of the walk.

    One row per operation that ever cost anything, the largest first: the mean and `RANGE` of each half,
    ``present``, the share of steps whose network has it, and ``shift``, the difference of the halves' means
    in standard deviations over the whole walk. Steps follow one another closely, so a shift of some tenths
    is what a walk without any trend gives too.

    Raises:
        UserError: fewer than two steps have no halves.
    """
    import pandas as pd

    if len(record) < 2:
        raise UserError(f"{len(record)} steps have no two halves to compare; walk further")
    total = np.maximum(record.flops_of.sum(axis=1), 1)
    middle = len(record) // 2
    rows = []
    for place, name in enumerate(operations):
        flops = record.flops_of[:, place]
        if not flops.any():
            continue
        share = flops / total
        halves = share[:middle], share[middle:]
        row: dict[str, object] = {"operation": name, "mean": share.mean()}
        for title, half in zip(("first", "second"), halves, strict=True):
            low, high = np.percentile(half, RANGE)
            row |= {title: half.mean(), f"{title}_low": low, f"{title}_high": high}
        spread = share.std()
        row["shift"] = (halves[1].mean() - halves[0].mean()) / spread if spread else 0.0
        row["present"] = np.count_nonzero(flops) / len(flops)
        rows.append(row)
    return pd.DataFrame(rows).sort_values("mean", ascending=False, ignore_index=True)


def outcome_counts(record: WalkRecord) -> dict[str, int]:
    """How many steps failed, added and eliminated."""
    counts = np.bincount(record.outcome, minlength=len(OUTCOMES))
    return dict(zip(OUTCOMES, counts.tolist(), strict=True))


def dead_shares(
    header: WalkHeader, record: WalkRecord, folder: Path | str, every: int = 1000
) -> pd.DataFrame:
    """The dead work of networks along the walk: step, dead FLOPs, and their share of the network's.

    Args:
        header: of the walk, as ``record``.
        record: of all its steps.
        folder: where its encodings are.
        every: of the steps with an encoding, those whose number is a multiple of this.
    """
    import pandas as pd

    space = Uninas().scaled(**header.scale_parts())
    resolution, convention = header.task.resolution, header.settings.convention
    steps, dead = [], []
    for step, encoding in read_encodings(folder, every):
        design = space.design(Architecture(space.name, encoding))
        steps.append(step)
        dead.append(
            sum(
                dead_flops(graph, place.channels, place.size, convention)
                for place in places(design, space.scale, resolution)
                for graph in place.block
            )
        )
    flops = record.flops[np.array(steps, dtype=np.int64) - 1]
    return pd.DataFrame({"step": steps, "dead": dead, "share": np.array(dead, dtype=np.float64) / flops})


def named_costs(header: WalkHeader) -> dict[str, Costs]:
    """Costs of the networks of Table IV, as far as they exist at the walk's scale and resolution."""
    space = Uninas().scaled(**header.scale_parts())
    found = {}
    for name in NAMED:
        try:
            found[name] = space.costs(space.parse(name), header.task, header.settings.convention)
        except InvalidArchitecture:  # other depths or widths
            continue
    return found
