"""Train architectures under several seeds and make a ground-truth table of them; resumable at any moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.architecture import Architecture, Task
from uninas_bench.cells import Status
from uninas_bench.data.catalogue import find_images
from uninas_bench.engine import Progress, run
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.record import training_record
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.ground_truth.training import ShortTraining, TrainingSettings
from uninas_bench.seeds import derive_seed
from uninas_bench.space import LISTABLE
from uninas_bench.spaces.finite import FiniteSpace

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.data.source import ImageSource
    from uninas_bench.host import Host
    from uninas_bench.space import SearchSpace


def representatives(space: SearchSpace, n: int, seed: int) -> list[Architecture]:
    """``n`` random architectures of different canonical classes, and the uniform ones besides.

    Uniform are those that make the same choice everywhere (the cell of 3x3 convolutions, the one of
    skips): the extremes of a finite space.

    Raises:
        UserError: the space has fewer classes than ``n``.
    """
    rng = np.random.default_rng(derive_seed("representatives", space.name, seed))
    found: dict[str, Architecture] = {}
    whole = space.size if space.size is not None and space.size <= LISTABLE else None
    draw = space.sample(whole, rng) if whole is not None else _endless(space, rng)
    for architecture in draw:
        found.setdefault(space.canonical(architecture), architecture)
        if len(found) == n:
            break
    if len(found) < n:
        raise UserError(f"{space.name} has {len(found)} classes of architectures, {n} were asked for")
    for architecture in _uniform(space):
        found.setdefault(space.canonical(architecture), architecture)
    return list(found.values())


def _endless(space: SearchSpace, rng: np.random.Generator) -> Iterable[Architecture]:
    while True:
        yield from space.sample(64, rng)


def _uniform(space: SearchSpace) -> list[Architecture]:
    if not isinstance(space, FiniteSpace):
        return []
    first, *others = space.options
    shared = [choice for choice in first if all(choice in options for options in others)]
    return [space.assemble([choice] * len(space.options)) for choice in shared]


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
