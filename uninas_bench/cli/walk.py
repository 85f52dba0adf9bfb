"""`uninas-bench walk`: a random walk through the UniNAS space, its figures and tables."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uninas_bench.cli import options
from uninas_bench.cli.progress import EVERY
from uninas_bench.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from uninas_bench.search.walk_files import WalkHeader, WalkRecord
    from uninas_bench.search.walking import WalkEvent, WalkRun

_INTERRUPTED = 130
_DEAD_EVERY = 1000
"""Steps between two networks that are looked through for dead work."""
_OUTCOMES = {"failed": "failed", "add": "additions", "eliminate": "eliminations"}
_FIGURES = ("costs", "operations")
_FORMATS = ("svg", "png")


@click.command("walk")
@click.option("--space", metavar="SPACE", default="uninas", show_default=True,
              help="Search space; only uninas can be walked through.")  # fmt: skip
@options.scale_option
@click.option("--task", metavar="TASK", default="imagenet1k", show_default=True,
              help="FLOPs are at its resolution, such as imagenet1k@64.")  # fmt: skip
@click.option("--start", metavar="ARCHITECTURE", default="coatnet", show_default=True,
              help="Where to begin: coatnet, efficientnet, resnet, vit, or an encoding.")  # fmt: skip
@click.option("--params", metavar="MIN..MAX", default="22M..28M", show_default=True,
              help="Bounds of the parameters; 0.. for none.")  # fmt: skip
@click.option("--flops", metavar="MIN..MAX", default="6G..20G", show_default=True,
              help="Bounds of the FLOPs; 0.. for none.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), metavar="N", default=500_000, show_default=True,
              help="Of the whole walk.")  # fmt: skip
@click.option("--every", type=click.IntRange(min=1), metavar="K", default=500, show_default=True,
              help="Steps between two networks that are written in full.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Fixes every choice.")
@click.option("--p-eliminate", type=click.FloatRange(0, 1), default=0.3, show_default=True,
              help="Probability that a step tries to take something away.")  # fmt: skip
@click.option("--tries", type=click.IntRange(min=1), metavar="N", show_default="64; 5 as the toolkit",
              help="Attempts of a step.")  # fmt: skip
@click.option("--semantics", type=click.Choice(("paper", "toolkit")), default="paper", show_default=True,
              help="Algorithm 1 as the paper states it, or as the authors' package does it.")  # fmt: skip
@click.option("--coupled", type=click.Choice(("once", "each")), default="once", show_default=True,
              help="How coupled nodes count when one is drawn for elimination.")  # fmt: skip
@click.option("--max-nodes", type=click.IntRange(min=1), metavar="N", show_default="128; none as the toolkit",
              help="Nodes of a block.")  # fmt: skip
@click.option("--live", is_flag=True, help="Refuse moves that leave work without influence on the output.")
@click.option("--convention", type=click.Choice(("exact", "toolkit")), default="exact", show_default=True,
              help="In which costs are counted and bounded.")  # fmt: skip
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR",
              help="Folder of the walk.")  # fmt: skip
@click.option("--no-figures", is_flag=True, help="Walk and print; draw nothing.")
@options.plugin_option
def command(
    *,
    space: str,
    scale: Mapping[str, str],
    task: str,
    start: str,
    params: str,
    flops: str,
    steps: int,
    every: int,
    seed: int,
    output: Path,
    no_figures: bool,
    plugins: tuple[Path, ...],
    **walking: Any,
) -> None:
    """Walk through the UniNAS space by Algorithm 1 of its paper, and keep every step.

    After an interruption the same command goes on from the last ten thousand steps that are whole; with more
    --steps a finished walk goes on. The defaults are the paper's own walk (Fig. 1 and Fig. 4).
    """
    from rich.console import Console

    from uninas_bench.bounds import Bounds
    from uninas_bench.provenance import provenance
    from uninas_bench.search.walk_files import read_header, read_walk
    from uninas_bench.search.walking import steps_held, walk_header, walk_steps, walkable
    from uninas_bench.spaces.uninas.walk import WalkSettings
    from uninas_bench.tasks import find_task

    console = Console(highlight=False)
    host = options.host_with(plugins)
    found = walkable(options.chosen_space(host, space, scale))
    header = walk_header(
        found,
        found.parse(start),
        task=find_task(task),
        bounds=Bounds.read(params, flops),
        settings=WalkSettings(n_try=walking.pop("tries"), **walking),
        record=provenance(host, command=None, device="cpu", workers=1),
        seed=seed,
        every=every,
    )
    console.print(f"uninas-bench {__version__} · {_what(header)}", soft_wrap=True, markup=False)
    progress = _WalkProgress(Console(stderr=True, highlight=False))
    try:
        run = walk_steps(header, output, steps, progress.update)
    except KeyboardInterrupt:
        progress.close()
        saved = steps_held(output, header)
        click.echo(
            f"interrupted; {saved:,} of {steps:,} steps are saved, the same command goes on from there",
            err=True,
        )
        click.get_current_context().exit(_INTERRUPTED)
    finally:
        progress.close()
    header, record = read_header(output), read_walk(output)
    _show(header, record, run, output, console)
    if not no_figures:
        paths = " · ".join(map(str, _draw(header, record, output)))
        console.print(f"figures {paths}", soft_wrap=True, markup=False)


def _what(header: WalkHeader) -> str:
    settings = header.settings
    parts = [
        f"{header.space} [{header.scale}] on {header.task}",
        str(header.bounds),
        f"{settings.semantics} semantics, p_eliminate {settings.p_eliminate:g}, {settings.attempts} tries",
        f"coupled nodes count {settings.coupled}",
        f"at most {settings.node_limit:g} nodes a block"
        if math.isfinite(settings.node_limit)
        else "no limit of nodes",
        *(["dead work refused"] if settings.live else []),
        f"FLOPs counted as {settings.convention}, seed {header.seed}",
    ]
    return " · ".join(parts)


def _show(header: WalkHeader, record: WalkRecord, run: WalkRun, output: Path, console: Console) -> None:
    """The table of shares, and lines below it."""
    from uninas_bench.report.walk_table import share_lines
    from uninas_bench.search.walk_statistics import dead_shares, outcome_counts, share_table

    console.print()
    for line in share_lines(share_table(record, header.operations)):
        console.print(line, soft_wrap=True, markup=False)
    console.print()
    counts = outcome_counts(record)
    outcomes = ", ".join(f"{count:,} {_OUTCOMES[name]}" for name, count in counts.items())
    lines = (
        f"{len(record):,} steps: {outcomes}",
        _ranges(record),
        _dead_line(dead_shares(header, record, output, _DEAD_EVERY)),
        _speed(run),
        f"walk {output} · networks {output / 'encodings-*.txt.gz'}",
    )
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def _ranges(record: WalkRecord) -> str:
    return (
        f"params {record.params.min():,} to {record.params.max():,} · "
        f"FLOPs {record.flops.min():,} to {record.flops.max():,}"
    )


def _dead_line(dead: pd.DataFrame) -> str:
    if dead.empty:
        return f"dead work: no network is stored at a multiple of {_DEAD_EVERY:,} steps"
    share = dead["share"] * 100
    return (
        f"dead work (FLOPs without influence on the output), {len(dead):,} networks {_DEAD_EVERY:,} steps "
        f"apart: mean {share.mean():.3g} %, median {share.median():.3g} %, largest {share.max():.3g} %"
    )


def _speed(run: WalkRun) -> str:
    if not run.walked:
        return "nothing to walk: all steps were there"
    total = run.walking + run.encoding + run.writing
    return (
        f"{run.walked:,} steps now, {run.walked / run.walking:,.0f} a second of walking alone; with networks "
        f"written as texts, and files, {run.walked / total:,.0f} a second, {total:.1f} s of processor time"
    )


def _draw(header: WalkHeader, record: WalkRecord, output: Path) -> list[Path]:
    """Write both figures; their paths."""
    from uninas_bench.drawing.render import save
    from uninas_bench.report.walk_figures import cost_map, draw_costs, draw_operations, operation_flops
    from uninas_bench.search.walk_statistics import named_costs

    costs = cost_map(record, header.bounds, named_costs(header), header.settings.convention)
    figures = (draw_costs(costs), draw_operations(operation_flops(record, header.operations)))
    paths = []
    for name, figure in zip(_FIGURES, figures, strict=True):
        for form in _FORMATS:
            paths.append(output / f"{name}.{form}")
            save(figure, paths[-1])
    return paths


class _WalkProgress:
    """A bar with the costs on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: tuple[Progress, TaskID] | None = None
        self._spoke = time.monotonic()

    def update(self, event: WalkEvent) -> None:
        """A chunk of steps is written."""
        state = f"params {event.params / 1e6:.2f}M, FLOPs {event.flops / 1e9:.2f}G"
        if self.console.is_terminal:
            self._draw(event, state)
        elif time.monotonic() - self._spoke >= EVERY:
            self._spoke = time.monotonic()
            line = f"walk: step {event.step:,} of {event.steps:,}, {state}"
            self.console.print(line, soft_wrap=True, markup=False)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar[0].stop()

    def _draw(self, event: WalkEvent, state: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if self._bar is None:
            bar = Progress(
                TextColumn("walk"),
                BarColumn(24),
                MofNCompleteColumn(),
                TimeRemainingColumn(elapsed_when_finished=True),
                TextColumn("{task.fields[state]}"),
                console=self.console,
            )
            self._bar = bar, bar.add_task("walk", total=event.steps, state="")
            bar.start()
        self._bar[0].update(self._bar[1], completed=event.step, state=state)
