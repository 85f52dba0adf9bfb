"""The course of a search: one row per architecture that was scored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.search.selection import Member

COLUMNS = (
    "iteration", "architecture", "parent", "score", "params", "flops", "entered", "in_population", "failure",
)  # fmt: skip


def history_frame(everyone: Sequence[Member], population: Collection[str]) -> pd.DataFrame:
    """The rows in the order of scoring.

    ``entered`` says whether the architecture was kept when it was scored, ``in_population`` whether it still
    is (``population`` has the encodings), ``failure`` why it has no score or not all components.
    """
    import pandas as pd

    rows = [
        (
            member.proposal.iteration,
            member.architecture.encoding,
            member.proposal.parent,
            member.score,
            member.proposal.costs.params,
            member.proposal.costs.flops,
            member.entered,
            member.architecture.encoding in population,
            member.failure,
        )
        for member in everyone
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_history(frame: pd.DataFrame, path: Path) -> None:
    """Write the rows as CSV; a missing score is empty.

    Raises:
        UserError: the file cannot be written.
    """
    write_whole(path, frame.to_csv(index=False, lineterminator="\n").encode())
