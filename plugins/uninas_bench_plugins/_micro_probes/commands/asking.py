"""What `plan` and `search` ask the user for in the same words, and what they make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import uninas_bench as ub
from uninas_bench import SearchSpace, UserError
from uninas_bench.cli import options

if TYPE_CHECKING:
    from uninas_bench import GroundTruth
    from uninas_bench.cli.progress import ScoringProgress
    from uninas_bench_plugins._micro_probes.budget.bench import Bench
    from uninas_bench_plugins._micro_probes.budget.optimum import Box
    from uninas_bench_plugins._micro_probes.budget.planning import PlanSettings

Command = TypeVar("Command", bound=Callable[..., Any])

PROXY = "micro_probes"
NONE = "none"


def _range(_context: click.Context, parameter: click.Parameter, text: str) -> tuple[float, float]:
    low, dots, high = text.partition("..")
    try:
        if not dots:
            raise ValueError(text)
        return float(int(low)), float(int(high))
    except ValueError:
        option = max(parameter.opts, key=len)
        raise UserError(f"{option} {text}: expected two whole numbers, as in 64..1024") from None


def planning_options(command: Command) -> Command:
    """The options of a plan: pilots, anchors, cost."""
    for option in (
        click.option("--log", is_flag=True, help="Fit the surface in logarithms of data and epochs."),
        click.option("--cost", type=click.Choice(("product", "additive")), default="product",
                     show_default=True, help="How seconds follow from data and epochs."),
        click.option("--epoch-range", metavar="MIN..MAX", default="1..16", show_default=True,
                     callback=_range, help="Extent of the anchors."),
        click.option("--data-range", metavar="MIN..MAX", default="64..1024", show_default=True,
                     callback=_range, help="Extent of the anchors, in examples of each probe."),
        click.option("--repeats", type=click.IntRange(min=1), default=2, show_default=True,
                     help="Seeds that the pilots are scored under at every anchor."),
        click.option("--pilots", type=click.IntRange(min=3), default=24, show_default=True, metavar="N",
                     help="Architectures that are scored at every anchor."),
    ):  # fmt: skip
        command = option(command)
    return command


def plan_settings(
    *,
    pilots: int,
    repeats: int,
    data_range: tuple[float, float],
    epoch_range: tuple[float, float],
    cost: Any,
    log: bool,
    seed: int,
) -> PlanSettings:
    """The settings that `planning_options` ask for."""  # fmt: skip
    from uninas_bench_plugins._micro_probes.budget.optimum import Box
    from uninas_bench_plugins._micro_probes.budget.planning import PlanSettings

    box: Box = Box(*data_range, *epoch_range)
    return PlanSettings(pilots=pilots, repeats=repeats, box=box, cost=cost, log=log, seed=seed)


def make_bench(
    progress: ScoringProgress,
    *,
    space: str,
    scale: Mapping[str, str],
    task: str | None,
    settings: Mapping[str, Mapping[str, str]],
    plugins: tuple[Path, ...],
    store: str | None,
    workers: int,
    **scoring: Any,
) -> Bench:
    """The bench of a command's options; the others of `options.scoring_options` come as ``scoring``."""
    from uninas_bench_plugins._micro_probes.budget.bench import Bench

    host = options.host_with(plugins)
    found = options.chosen_space(host, space, scale)
    (proxy,) = options.chosen_proxies(host, (PROXY,), settings)
    return Bench(
        space=found,
        task=task or found.tasks[0].name,
        proxy=proxy,
        store=store or "default",
        workers=workers,
        options=scoring,
        announce=lambda text, count: progress.begin(count, 1, workers, verb=f"{text}: scoring", noun="proxy"),
        progress=progress.update,
    )


def find_truth(space: SearchSpace, task: str, named: str | None) -> GroundTruth | None:
    """The table that was named; else the only one of space, scale and task; else None, as for ``none``.

    Raises:
        UserError: the named table does not exist or is of another task.
    """
    if named == NONE:
        return None
    if named is not None:
        return ub.ground_truth(named, task=task)
    try:
        found = ub.ground_truth(space.name, task=task)
    except UserError:
        return None
    return found if found.info.scale == str(space.scale) else None
