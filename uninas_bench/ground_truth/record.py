"""The record of the trainings behind a table, read back from the store that kept them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.execution import opened
from uninas_bench.ground_truth.table import TrainingRecord
from uninas_bench.provenance import made_with

if TYPE_CHECKING:
    from uninas_bench.scores import Scores
    from uninas_bench.store import ScoreStore


def training_record(trainings: Sequence[Scores], store: str | Path | ScoreStore) -> TrainingRecord:
    """What the table of some trainings records of how they were made.

    Args:
        trainings: of one proxy, a `ShortTraining`, on the same architectures; one per seed.
        store: that they are kept in: it knows which run each came from, and what that was run with.
    """
    configuration = trainings[0].plan.configurations[0]
    cells = [frame.cells for scores in trainings for frame in scores.columns.values()]
    used = {int(run) for frame in cells for run in frame["run"]}
    with opened(store) as scores:
        texts = [made_with(run.provenance) for run in scores.runs() if run.id in used]
    return TrainingRecord(
        settings=configuration.settings,
        version=configuration.proxy_version,
        space_version=configuration.space_version,
        images=configuration.images,
        made_with=tuple(dict.fromkeys(texts)),
        trainings=sum(len(frame) for frame in cells),
        seconds=round(sum(float(frame["seconds"].sum()) for frame in cells), 1),
    )
