"""Train architectures under several seeds and make a ground-truth table of them; resumable at any moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture, Task
from uninas_bench.cells import Status
from uninas_bench.data.catalogue import find_images
from uninas_bench.engine import Progress, run
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.record import training_record
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.ground_truth.training import ShortTraining, TrainingSettings

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.data.source import ImageSource
    from uninas_bench.host import Host
    from uninas_bench.space import SearchSpace


def build_table(
    name: str,
    space: SearchSpace,
    architectures: Sequence[Architecture],
    task: Task,
    *,
    seeds: int,
    store: str | Path,
    host: Host,
    settings: TrainingSettings | None = None,
    data: Mapping[str, str | Path | ImageSource] | None = None,
    workers: int = 1,
    device: str = "cpu",
    progress: Progress | None = None,
    command: str = "",
) -> GroundTruth:
    """Train every architecture ``seeds`` times, seed after seed, and collect accuracies and losses.

    Finished trainings are in ``store``: after an interruption the same call goes on from there, and a
    larger ``seeds`` adds to what is there. A training that failed (diverged, for instance) has no row.

    Raises:
        UserError: there are no images of the task, or not one training succeeded.
    """
    source = find_images(task.dataset, host.data, data)
    if source is None:
        raise UserError(
            f"{task.dataset}: no images at hand; give them with --data {task.dataset}=FILE.npz|FOLDER"
        )
    trainer = ShortTraining(source, settings)
    trainings = [
        run(
            architectures,
            [trainer],
            space=space,
            task=task,
            seed=seed,
            workers=workers,
            store=store,
            data={task.dataset: source},
            device=device,
            progress=progress,
            host=host,
            command=command or None,
        )
        for seed in range(seeds)
    ]
    info = GroundTruthInfo(
        name=name,
        space=space.name,
        scale=str(space.scale),
        task=task.name,
        protocol=trainer.settings.sentence(),
        source=command or f"trained by uninas-bench: {len(architectures)} architectures, {seeds} seeds",
        training=training_record(trainings, store),
    )
    return GroundTruth(info, _rows([scores.tidy() for scores in trainings]))


def _rows(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tidy frames of trainings, one per seed, as the rows of a table."""
    import pandas as pd

    tidy = pd.concat(parts, ignore_index=True)
    tidy = tidy[tidy["status"] == str(Status.OK)]
    if tidy.empty:
        raise UserError("not one training succeeded")
    wide = tidy.pivot(index=["architecture", "seed"], columns="component", values="value").reset_index()
    return pd.DataFrame(
        {
            "architecture": wide["architecture"],
            "seed": wide["seed"].astype(str),
            "count": 1,
            "accuracy": wide["accuracy"].round(4),
            "loss": wide["loss"].round(5),
        }
    )
