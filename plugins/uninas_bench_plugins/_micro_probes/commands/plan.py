"""`uninas-bench probes plan`: how much data and how many epochs a budget should go into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uninas_bench import UserError
from uninas_bench.cli import options
from uninas_bench_plugins._micro_probes.budget.durations import read_duration
from uninas_bench_plugins._micro_probes.commands import asking

if TYPE_CHECKING:
    from rich.console import Console

    from uninas_bench import GroundTruth
    from uninas_bench_plugins._micro_probes.budget.bench import Bench
    from uninas_bench_plugins._micro_probes.budget.planning import PlanSettings

PLAN, FIGURE, ABLATION, CANDIDATES = "plan.json", "plan.png", "ablation.json", "candidate-plans.json"


@click.command("plan")
@click.option("--space", metavar="SPACE", required=True,
              help="Search space; `uninas-bench spaces` lists them.")  # fmt: skip
@options.scale_option
@click.option("--task", metavar="TASK", help="Task, such as cifar10; default the space's first.")
@click.option("--budget", metavar="TIME", required=True, help="For each architecture, such as 7s.")
@click.option("--ground-truth", "truth", metavar="NAME|FILE|none",
              help="Accuracies to rank pilots by; default those of space, scale and task, if there are any.",
              )  # fmt: skip
@asking.planning_options
@click.option("--per-candidate", is_flag=True, help="Plan for every pilot alone, as the paper has it.")
@click.option("--ablation", type=click.IntRange(min=3), metavar="N",
              help="Compare with data alone and epochs alone on N other architectures.")  # fmt: skip
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR",
              help="Folder of plan.json and plan.png.")  # fmt: skip
@options.scoring_options
def command(
    *,
    budget: str,
    truth: str | None,
    per_candidate: bool,
    ablation: int | None,
    output: Path,
    pilots: int,
    repeats: int,
    data_range: tuple[float, float],
    epoch_range: tuple[float, float],
    cost: str,
    log: bool,
    seed: int,
    **scoring: Any,
) -> None:
    """Plan how much data and how many epochs a budget should go into.

    Pilots are scored at nine anchors; a quadratic surface of how well they are ranked is fitted and maximised
    within the budget. Every score is kept: after an interruption the same command goes on from there, and a
    plan for another budget costs nothing.
    """
    from rich.console import Console

    from uninas_bench.cli.progress import scoring_progress

    seconds = read_duration(budget)
    settings = asking.plan_settings(
        pilots=pilots, repeats=repeats, data_range=data_range, epoch_range=epoch_range, cost=cost, log=log,
        seed=seed,
    )  # fmt: skip
    console = Console(highlight=False)
    with scoring_progress(Console(stderr=True, highlight=False)) as progress:
        bench = asking.make_bench(progress, **scoring)
        table = asking.find_truth(bench.space, bench.task, truth)
        if ablation is not None and table is None:
            raise UserError("--ablation: compares rankings by accuracy; give --ground-truth")
        if per_candidate:
            _each(bench, seconds, settings, table, output, console)
        else:
            _shared(bench, seconds, settings, table, output, console, ablation)


def _shared(
    bench: Bench,
    budget: float,
    settings: PlanSettings,
    table: GroundTruth | None,
    output: Path,
    console: Console,
    ablation: int | None,
) -> None:
    from uninas_bench_plugins._micro_probes.budget.ablation import ablate
    from uninas_bench_plugins._micro_probes.budget.plan_figure import save_plan_figure
    from uninas_bench_plugins._micro_probes.budget.plan_file import write_plan
    from uninas_bench_plugins._micro_probes.budget.plan_text import ablation_lines, plan_lines
    from uninas_bench_plugins._micro_probes.budget.planning import plan

    made = plan(bench, budget, settings, table)
    write_plan(made, output / PLAN)
    save_plan_figure(made, output / FIGURE)
    say(console, *plan_lines(made), f"wrote {output / PLAN} and {output / FIGURE}")
    if ablation is not None and table is not None:
        found = ablate(bench, made, table, architectures=ablation, seeds=settings.repeats)
        _write(output / ABLATION, asdict(found))
        say(console, "", *ablation_lines(found), f"wrote {output / ABLATION}")


def _each(
    bench: Bench,
    budget: float,
    settings: PlanSettings,
    table: GroundTruth | None,
    output: Path,
    console: Console,
) -> None:
    from uninas_bench_plugins._micro_probes.budget.plan_text import candidate_lines
    from uninas_bench_plugins._micro_probes.budget.planning import plan_each

    plans = plan_each(bench, budget, settings, table)
    _write(output / CANDIDATES, {"plans": [asdict(entry) for entry in plans]})
    say(
        console,
        *candidate_lines(plans),
        "note: scores of architectures with different data and epochs differ by their training too, and the "
        "anchors of each cost more than its evaluation",
        f"wrote {output / CANDIDATES}",
    )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    from uninas_bench_plugins._micro_probes.budget.plan_file import write_text

    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def say(console: Console, *lines: str) -> None:
    """Lines as they are, however wide."""
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
