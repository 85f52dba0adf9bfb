"""The Python call behind `uninas_bench.train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.training.hand_over import candidate_trainees, jobs_of, train_all
from uninas_bench.training.loop.distributed import processes_from_environment
from uninas_bench.training.networks.trainee import TIMM, TimmTrainee, Trainee, trainee_of
from uninas_bench.training.recipes.chain import load_chain
from uninas_bench.training.results import frame
from uninas_bench.training.run import Settings

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.host import Host
    from uninas_bench.space import SearchSpace


def train(
    architectures: Sequence[Architecture | str] | str | Path,
    recipe: str | Path,
    *,
    output: Path,
    space: str | SearchSpace | None,
    top: int,
    then: Sequence[str | Path],
    smoke: bool,
    overrides: Sequence[str],
    seeds: int,
    seed: int,
    pretrained: Path | None,
    data: Mapping[str, str | Path],
    device: str,
    loaders: int,
) -> pd.DataFrame:
    """See `uninas_bench.train`."""
    from uninas_bench.host import default_host

    host = default_host()
    chain = load_chain((recipe, *then), overrides, smoke)
    if isinstance(architectures, str | Path):
        trainees = candidate_trainees(Path(architectures), top, host)
    else:
        trainees = trainees_of(architectures, host.space(space) if isinstance(space, str) else space, host)
    with processes_from_environment(device) as processes:
        outcomes = train_all(
            jobs_of(trainees, range(seed, seed + seeds)),
            chain,
            output=output,
            processes=processes,
            settings=Settings(data=data, loader_workers=loaders, smoke=smoke),
            host=host,
            pretrained=pretrained,
        )
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        job = failed[0].job
        raise UserError(
            f"{len(failed)} of {len(outcomes)} trainings failed, first {job.trainee}, seed {job.seed}: "
            f"{failed[0].failure}"
        )
    return frame(result for outcome in outcomes for result in outcome.results)


def trainees_of(
    architectures: Sequence[Architecture | str], space: SearchSpace | None, host: Host
) -> list[Trainee]:
    """Architectures in any spelling, and models of timm's by ``timm:NAME``; each once.

    Raises:
        UserError: a text is no architecture of the space, or there is no space for it.
    """
    trainees: list[Trainee] = []
    for entry in architectures:
        if isinstance(entry, str) and entry.startswith(TIMM):
            trainees.append(TimmTrainee(entry.removeprefix(TIMM)))
            continue
        if isinstance(entry, Architecture):
            chosen = space or host.space(entry.space)
            trainees.append(trainee_of(chosen, entry))
        elif space is None:
            raise UserError(f"architecture {entry[:40]}: of which space? (or timm:NAME)")
        else:
            trainees.append(trainee_of(space, space.parse(entry)))
    return list(dict.fromkeys(trainees))
