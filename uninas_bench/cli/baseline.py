"""`uninas-bench baseline`: record a board, and fail when it has changed for the worse."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from uninas_bench.cli import options
from uninas_bench.errors import UserError

REGRESSION = 1


def _read_tolerances(
    _context: click.Context, _parameter: click.Parameter, texts: Sequence[str]
) -> dict[str, float]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise UserError(f"--tolerance {text}: expected PROXY=NUMBER, as in zico=0.01")
    return found


_stored_only = click.option(
    "--stored-only", is_flag=True, help="Compute nothing: take the scores of the store and of the package."
)
_no_cost = click.option("--no-cost", is_flag=True, help="Do not time evaluations against bare passes.")
_trusted_store = click.option(
    "--store", metavar="URL|FILE",
    help="Take scores from this store, and keep new ones there. Default: compute all anew, keep nothing.",
)  # fmt: skip


@click.group(name="baseline")
def command() -> None:
    """Record a board with every score behind it, and check later what has changed."""


@command.command()
@options.space_option
@options.scale_option
@options.task_option
@options.ground_truth_option
@options.proxies_option
@click.option(
    "--sample", metavar="N|all", default="60", show_default=True,
    callback=lambda _context, _parameter, text: options.read_sample(text),
    help="How many architectures to draw; all where there are no more.",
)  # fmt: skip
@options.dedup_option
@options.chance_option
@click.option(
    "--tolerance", "tolerances", metavar="PROXY=T", multiple=True, callback=_read_tolerances,
    help="By how much of their spread the scores of a proxy may differ (default 0.001); several times.",
)  # fmt: skip
@_stored_only
@_no_cost
@_trusted_store
@options.seed_option
@options.workers_option
@options.executor_option
@options.device_option
@options.timeout_option
@options.data_option
@options.set_option
@options.plugin_option
@click.option(
    "--output", metavar="FILE", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="The baseline's file; it is overwritten.",
)  # fmt: skip
def record(
    *,
    space: str | None,
    scale: Mapping[str, str],
    sample: int | None,
    plugins: tuple[Path, ...],
    stored_only: bool,
    no_cost: bool,
    store: str | None,
    output: Path,
    **given: Any,
) -> None:
    """Score a sample of a table's architectures and write scores, taus, ranks, costs and versions.

    Everything is computed anew, so that the baseline is what the installed code gives.
    """
    from rich.console import Console

    from uninas_bench.baseline.recording import record
    from uninas_bench.report.baseline import print_baseline

    if scale and space is None:
        raise UserError("--scale without --space: name the space too")
    host = options.host_with(plugins)
    with _Progress(given["workers"]) as progress:
        baseline = record(
            output,
            host=host,
            space=options.chosen_space(host, space, scale) if space is not None and scale else space,
            task=given["task"],
            ground_truth=given["ground_truth"],
            proxies=given["proxies"],
            sample=sample,
            seed=given["seed"],
            dedup=given["dedup"],
            chance=given["chance"],
            settings=given["settings"],
            tolerances=given["tolerances"],
            running=_running(given, stored_only, no_cost, store, progress),
            announce=progress.announce,
        )
    print_baseline(baseline, Console(highlight=False))
    click.echo(f"wrote {output}", err=True)


@command.command()
@click.argument("baseline", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@options.proxies_option
@options.ground_truth_option
@click.option(
    "--tolerance", type=click.FloatRange(min=0), metavar="T",
    help="Of all scores, in their spread.  [default: the baseline's; at least 0.1 on another processor or "
    "with other libraries]",
)  # fmt: skip
@click.option(
    "--cost-tolerance", type=click.FloatRange(min=1, min_open=True), default=1.6, show_default=True,
    metavar="TIMES", help="How many times its recorded bare passes a proxy may cost.",
)  # fmt: skip
@click.option(
    "--inversions", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
    help="How many pairs of proxies may change places significantly.",
)  # fmt: skip
@click.option(
    "--alpha", type=click.FloatRange(min=0, max=1, min_open=True, max_open=True), default=0.05,
    show_default=True, help="Chance of a false alarm about taus.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Fail on proxies that are not comparable, too.")
@click.option(
    "--junit", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Also write JUnit XML."
)
@click.option(
    "--json", "json_file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Also write JSON.",
)  # fmt: skip
@click.option(
    "--github", is_flag=True, help="Also print annotations for GitHub, and add to the summary of its step."
)
@_stored_only
@_no_cost
@_trusted_store
@options.workers_option
@options.executor_option
@options.device_option
@options.timeout_option
@options.data_option
@options.plugin_option
@options.format_option
@options.output_option
def check(
    *,
    baseline: Path,
    plugins: tuple[Path, ...],
    stored_only: bool,
    no_cost: bool,
    store: str | None,
    junit: Path | None,
    json_file: Path | None,
    github: bool,
    format_: str,
    output: Path | None,
    **given: Any,
) -> None:
    """Score the baseline's architectures again, compare, and exit with 1 on a regression.

    Regressions are: a tau that is significantly worse, two proxies that changed places significantly, scores
    that moved by more than their tolerance, architectures or proxies that newly fail, a proxy that costs
    more. Of the last, a machine that is busy is no cause.
    """
    from rich.console import Console

    from uninas_bench.baseline.checking import check
    from uninas_bench.baseline.judging import Limits
    from uninas_bench.report.baseline import print_check, render_check
    from uninas_bench.report.baseline_ci import github_lines
    from uninas_bench.report.baseline_ci import junit as junit_xml
    from uninas_bench.whole_files import write_whole

    limits = Limits(
        tolerance=given["tolerance"], cost=given["cost_tolerance"], inversions=given["inversions"],
        alpha=given["alpha"], strict=given["strict"],
    )  # fmt: skip
    with _Progress(given["workers"]) as progress:
        found = check(
            baseline,
            host=options.host_with(plugins),
            proxies=given["proxies"],
            ground_truth=given["ground_truth"],
            limits=limits,
            running=_running(given, stored_only, no_cost, store, progress),
            announce=progress.announce,
        )
    if junit is not None:
        write_whole(junit, junit_xml(found))
    if json_file is not None:
        write_whole(json_file, render_check(found, "json").encode())
    if format_ == "table" and output is None:
        print_check(found, Console(highlight=False))
    elif output is not None:
        write_whole(output, render_check(found, format_).encode())
        for line in found.regressions:
            click.echo(f"regression: {line}", err=True)
        click.echo(f"wrote {output}", err=True)
    else:
        click.echo(render_check(found, format_), nl=False)
    if github:
        for line in github_lines(found):
            click.echo(line, err=format_ != "table")
        _add_to_summary(render_check(found, "markdown"))
    if not found.passed:
        # Not `sys.exit`: the group turns what a command returns into nothing.
        click.get_current_context().exit(REGRESSION)


@command.command()
@click.argument("baseline", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@options.format_option
@options.output_option
def show(*, baseline: Path, format_: str, output: Path | None) -> None:
    """Show a recorded board: taus with intervals, ranks, costs, versions and settings."""
    from rich.console import Console

    from uninas_bench.baseline.files import read_baseline
    from uninas_bench.report.baseline import print_baseline, render_baseline
    from uninas_bench.whole_files import write_whole

    found = read_baseline(baseline)
    if output is not None:
        write_whole(output, render_baseline(found, format_).encode())
        click.echo(f"wrote {output}", err=True)
    elif format_ == "table":
        print_baseline(found, Console(highlight=False))
    else:
        click.echo(render_baseline(found, format_), nl=False)


class _Progress:
    """The bars of a scoring run, which begin when it is known how much there is to do."""

    def __init__(self, workers: int) -> None:
        from rich.console import Console

        from uninas_bench.cli.progress import ScoringProgress

        self._workers = workers
        self._shown = ScoringProgress(Console(stderr=True, highlight=False))
        self.update = self._shown.update
        self.fit = self._shown.fit

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_error: object) -> None:
        self._shown.close()

    def announce(self, subject: Mapping[Any, Any]) -> None:
        """Scoring begins."""
        self._shown.begin(subject["n"], subject["proxies"], self._workers)


def _running(
    given: Mapping[str, Any], stored_only: bool, no_cost: bool, store: str | None, progress: _Progress
) -> Any:
    from uninas_bench.baseline.measuring import Running

    return Running(
        stored_only=stored_only, store=store, cost=not no_cost, workers=given["workers"],
        executor=given["executor"], data=given["data"], timeout=given["timeout"], device=given["device"],
        progress=progress.update, fitting=progress.fit,
    )  # fmt: skip


def _add_to_summary(text: str) -> None:
    """To the file that GitHub shows under a step, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"### uninas-bench baseline\n\n{text}\n")
    except OSError as error:
        raise UserError(f"GITHUB_STEP_SUMMARY {path}: {error.strerror or error}") from None
