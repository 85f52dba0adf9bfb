"""`uninas-bench probes search`: the search of TF-NAS, within a budget of time for all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import uninas_bench as ub
from uninas_bench import UserError
from uninas_bench.cli import options
from uninas_bench_plugins._micro_probes.budget.durations import duration_text, read_duration
from uninas_bench_plugins._micro_probes.commands import asking

if TYPE_CHECKING:
    from rich.console import Console

    from uninas_bench.search.driver import SearchResult
    from uninas_bench_plugins._micro_probes.budget.bench import Bench
    from uninas_bench_plugins._micro_probes.budget.choosing import Chosen
    from uninas_bench_plugins._micro_probes.budget.planning import BudgetPlan, PlanSettings

KEPT = 64
"""Candidates in the file, at most."""


@click.command("search")
@click.option("--space", metavar="SPACE", required=True,
              help="Search space; `uninas-bench spaces` lists them.")  # fmt: skip
@options.scale_option
@click.option("--task", metavar="TASK", help="Task, such as cifar10; default the space's first.")
@click.option("--total-budget", metavar="TIME", required=True,
              help="For all candidates together, such as 1h; the pilots of a plan come on top.")  # fmt: skip
@click.option("--candidates", type=click.IntRange(min=2), default=500, show_default=True, metavar="N",
              help="Architectures that are scored.")  # fmt: skip
@click.option("--params", metavar="MIN..MAX", help="Bounds of the parameters, such as 22M..27M or ..27M.")
@click.option("--flops", metavar="MIN..MAX", help="Bounds of the FLOPs, such as ..20G.")
@click.option("--latency", metavar="MIN..MAX", help="Bounds of the time of one image, such as ..20ms.")
@click.option("--plan", "plan_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="A plan.json of the same space and task; without one, a plan is made.")  # fmt: skip
@click.option("--ground-truth", "truth", metavar="NAME|FILE|none", default=asking.NONE, show_default=True,
              help="Accuracies to rank a plan's pilots by.")  # fmt: skip
@asking.planning_options
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, metavar="N",
              help="How many of the best are shown at the end.")  # fmt: skip
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR",
              help="Folder of candidates.json, history.csv and the plan.")  # fmt: skip
@options.scoring_options
def command(
    *,
    total_budget: str,
    candidates: int,
    params: str | None,
    flops: str | None,
    latency: str | None,
    plan_file: Path | None,
    truth: str,
    top: int,
    output: Path,
    pilots: int,
    repeats: int,
    data_range: tuple[float, float],
    epoch_range: tuple[float, float],
    cost: str,
    log: bool,
    seed: int,
    workers: int,
    **scoring: Any,
) -> None:
    """Search a space within a budget of time: plan, score candidates that keep to the bounds, take the best.

    Each candidate gets its share of the total, on each of the workers, and is cut off by the clock beyond it.
    Candidates outside of the bounds are drawn again. Every score is kept: after an interruption the same
    command goes on from there.
    """
    from rich.console import Console

    from uninas_bench.cli.progress import scoring_progress
    from uninas_bench_plugins._micro_probes.commands.plan import say

    options.check_bounds(params, flops, latency)
    total = read_duration(total_budget)
    share = total * workers / candidates
    settings = asking.plan_settings(
        pilots=pilots, repeats=repeats, data_range=data_range, epoch_range=epoch_range, cost=cost, log=log,
        seed=seed,
    )  # fmt: skip
    console = Console(highlight=False)
    with scoring_progress(Console(stderr=True, highlight=False)) as progress:
        bench = asking.make_bench(progress, workers=workers, **scoring)
        chosen = _chosen(bench, share, settings, truth, plan_file, output, console)
    say(
        console,
        f"{duration_text(total)} for {candidates:,} candidates on {workers} "
        f"worker{'s' if workers > 1 else ''}: {duration_text(share)} each",
        "",
    )
    bench = _guarded(bench, share, scoring["settings"])
    bounds = {"params": params, "flops": flops, "latency": latency}
    result = _search(bench, chosen, candidates, seed, output, bounds)
    from uninas_bench.cli.search import show_result

    show_result(result, output, top, console)
    points = [ub.Architecture(bench.space.name, encoding) for encoding in result.history["architecture"]]
    measured = bench.measure(points, chosen.data, chosen.epochs, seed)
    spent, cut = float(measured.seconds.sum()), int(measured.components["truncated"].sum())
    say(
        console,
        f"spent {duration_text(spent / workers)} of {duration_text(total)} on {len(points):,} candidates, "
        f"{duration_text(spent / len(points))} each, {cut:,} cut off by the clock",
        f"best: {result.best}",
    )


def _chosen(
    bench: Bench,
    share: float,
    settings: PlanSettings,
    truth: str,
    plan_file: Path | None,
    output: Path,
    console: Console,
) -> Chosen:
    """Data and epochs for a candidate's share, by the given plan or one that is made now."""
    from uninas_bench_plugins._micro_probes.budget.choosing import choose
    from uninas_bench_plugins._micro_probes.budget.plan_figure import save_plan_figure
    from uninas_bench_plugins._micro_probes.budget.plan_file import read_plan, write_plan
    from uninas_bench_plugins._micro_probes.budget.plan_text import chosen_lines, plan_lines
    from uninas_bench_plugins._micro_probes.budget.planning import plan
    from uninas_bench_plugins._micro_probes.commands.plan import FIGURE, PLAN, say

    if plan_file is not None:
        given = read_plan(plan_file)
        _check(given, bench, plan_file)
        chosen = choose(given.response, share)
        say(console, f"plan {plan_file}", *chosen_lines(chosen))
        return chosen
    made = plan(bench, share, settings, asking.find_truth(bench.space, bench.task, truth))
    write_plan(made, output / PLAN)
    save_plan_figure(made, output / FIGURE)
    took = sum(anchor.seconds for anchor in made.response.anchors) * len(made.pilots)
    say(console, *plan_lines(made), f"wrote {output / PLAN} and {output / FIGURE}")
    say(console, f"the pilots took {duration_text(took)} of a processor, on top of the budget")
    return made.chosen


def _guarded(bench: Bench, share: float, settings: Mapping[str, Mapping[str, str]]) -> Bench:
    """The bench whose trainings end with a share of the total, unless the user has set a limit or 0, none."""
    if "seconds" in settings.get(asking.PROXY, {}):
        return bench
    return replace(bench, proxy=bench.proxy.with_settings(seconds=share))


def _check(given: BudgetPlan, bench: Bench, path: Path) -> None:
    """Refuse a plan of something else."""
    of = {"space": bench.space.name, "scale": str(bench.space.scale), "task": bench.task}
    for name, value in of.items():
        if getattr(given, name) != value:
            raise UserError(f"{path}: is of {name} {getattr(given, name)}, not of {value}")
    theirs, ours = _besides(given.settings), _besides(str(bench.proxy.settings))
    if theirs != ours:
        name = next(name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name))
        raise UserError(f"{path}: is for {name}={theirs.get(name)}, not for {name}={ours.get(name)}")


def _besides(settings: str) -> dict[str, str]:
    """Settings without the two that a plan chooses, and without the limit, which it does without."""
    pairs = dict(part.split("=", 1) for part in settings.split(","))
    return {name: value for name, value in pairs.items() if name not in ("data", "epochs", "seconds")}


def _search(
    bench: Bench, chosen: Chosen, candidates: int, seed: int, output: Path, bounds: Mapping[str, Any]
) -> SearchResult:
    """Random search with what was chosen; in an endless space the start is one of the candidates."""
    from rich.console import Console

    from uninas_bench.cli.progress import SearchProgress

    progress = SearchProgress(
        Console(stderr=True, highlight=False), f"scoring candidates with {bench.proxy.name}"
    )
    try:
        return ub.search(
            bench.space,
            bench.proxy.with_settings(data=chosen.data, epochs=chosen.epochs),
            task=bench.task,
            strategy="random",
            iterations=candidates if bench.space.size is not None else candidates - 1,
            population=min(KEPT, candidates),
            output=output,
            seed=seed,
            workers=bench.workers,
            store=bench.store,
            progress=progress.update,
            **bounds,
            **bench.options,
        )
    finally:
        progress.close()
