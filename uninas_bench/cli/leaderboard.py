"""`uninas-bench leaderboard`: rank proxies by rank correlation with measured accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from uninas_bench.across import ALL
from uninas_bench.cli import options
from uninas_bench.errors import UserError
from uninas_bench.version import __version__

_TOP = 10


def _read_across(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and not text.strip(", "):
        raise UserError(f"--across {text!r}: expected names of tables with commas between them, or all")
    return text


@click.command(name="leaderboard")
@options.space_option
@options.scale_option
@options.task_option
@options.ground_truth_option
@click.option(
    "--across", metavar="all|A,B", callback=_read_across,
    help="One board over several tables of accuracies: the named ones, or all whose scores come with us. "
    "That is the board of a command that names no space, no task and no table.",
)  # fmt: skip
@click.option(
    "--given", type=click.Choice(("size",)),
    help="Across tables: also what is left of tau when parameters and FLOPs are known.",
)  # fmt: skip
@click.option(
    "--strata", is_flag=True, help="Across tables: also tau in the families of architectures of each space."
)
@click.option(
    "--stored-only", is_flag=True,
    help="Across tables: compute nothing; proxies whose scores are missing have no tau on that table.",
)  # fmt: skip
@click.option(
    "--figure", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Across tables: draw the board as a heat map, .png, .svg or .pdf.",
)  # fmt: skip
@options.proxies_option
@click.option(
    "--aggregate", "aggregates", metavar="[NAME=]KIND:A+B", multiple=True,
    help="An ensemble of proxies as a row, such as 'rank: vkdnw + jacov - 0.5*flops'. Kinds: rank, log-rank, "
    "z, tpe. May be given several times.",
)  # fmt: skip
@options.sample_option
@options.dedup_option
@options.chance_option
@options.failed_option
@options.intervals_option
@options.resamples_option
@click.option(
    "--top", "k", type=click.IntRange(min=1), metavar="K",
    help=f"On one table: the cut of nDCG and regret; {_TOP} unless told.",
)  # fmt: skip
@click.option("--retry-failed", is_flag=True, help="Compute failed scores again.")
@options.scoring_options
@options.format_option
@options.output_option
def command(
    *,
    space: str | None,
    scale: Mapping[str, str],
    ground_truth: str | None,
    across: str | None,
    given: str | None,
    strata: bool,
    stored_only: bool,
    figure: Path | None,
    proxies: tuple[str, ...] | None,
    store: str | None,
    plugins: tuple[Path, ...],
    format_: str,
    output: Path | None,
    workers: int,
    k: int | None,
    **settings: Any,
) -> None:
    """Rank proxies by how well they rank architectures.

    Without options: every installed proxy on all tables of accuracies whose scores come with the package.
    Scores that the store lacks are computed and kept, so the second call answers at once. `params` and
    `flops` are on every board.
    """
    from rich.console import Console

    from uninas_bench.cli.progress import scoring_progress
    from uninas_bench.leaderboard import build
    from uninas_bench.store import default_store_url

    console = Console(highlight=False)
    # What is not the board itself must not end up in a file that another program reads.
    talk = console if format_ == "table" and output is None else Console(stderr=True, highlight=False)
    if scale and space is None:
        raise UserError("--scale without --space: name the space too")
    subject = {"--space": space, "--task": settings["task"], "--ground-truth": ground_truth}
    only = {"--given": given, "--strata": strata, "--stored-only": stored_only, "--figure": figure}
    _check_kind(across, subject, k, only)
    if across is None and all(value is None for value in subject.values()):
        across = ALL
    host = options.host_with(plugins)
    location = store or default_store_url()
    talk.print(_store_line(store, location), soft_wrap=True, markup=False)
    if across is not None:
        from uninas_bench.cli.across import show_across

        del settings["task"]
        show_across(
            across, host=host, store=location, proxies=proxies, given_size=given == "size", strata=strata,
            compute=not stored_only, figure=figure, form=format_, output=output, workers=workers,
            console=console, talk=talk, **settings,
        )  # fmt: skip
        return

    def announce(subject: Mapping[Any, Any]) -> None:
        from uninas_bench.report.sentences import subject_line

        talk.print(subject_line(subject), soft_wrap=True, markup=False)
        progress.begin(subject["n"], subject["proxies"], workers)

    with scoring_progress(Console(stderr=True, highlight=False)) as progress:
        frame = build(
            options.chosen_space(host, space, scale) if space is not None and scale else space,
            ground_truth=ground_truth,
            proxies=proxies,
            store=location,
            host=host,
            workers=workers,
            announce=announce,
            progress=progress.update,
            fitting=progress.fit,
            k=_TOP if k is None else k,
            **settings,
        )
    if format_ == "table" and output is None:
        from uninas_bench.report.board import print_board

        talk.print()
        print_board(frame, console, (_saved_line(frame.attrs, progress.computed),))
        return
    options.deliver(_text(frame, format_), output)


def _check_kind(
    across: str | None, subject: Mapping[str, str | None], top: int | None, of_many: Mapping[str, Any]
) -> None:
    """Refuse options that belong to a board of one table together with those of one across tables."""
    named = next((option for option, value in subject.items() if value is not None), None)
    if across is not None and named is not None:
        raise UserError(f"--across {across} with {named}: give one or the other")
    if named is None and top is not None:
        raise UserError("--top: it belongs to the board of one table; name that with --ground-truth")
    for option, value in of_many.items():
        if named is not None and value:
            raise UserError(f"{option} with {named}: it belongs to the board across tables")


def _text(frame: Any, format_: str) -> str:
    from uninas_bench.report.formats import render

    if format_ != "table":
        return render(frame, format_)
    from io import StringIO

    from rich.console import Console

    from uninas_bench.report.board import print_board

    file = StringIO()
    print_board(frame, Console(file=file, highlight=False))
    return file.getvalue()


def _store_line(given: str | None, location: str) -> str:
    if given is not None:
        return f"uninas-bench {__version__} · store {given}"
    return (
        f"uninas-bench {__version__} · no store given: using {location} (set UNINAS_BENCH_STORE or --store)"
    )


def _saved_line(attrs: Mapping[Any, Any], computed: int) -> str:
    cells, packed = attrs["cells"], attrs["packed"]
    if computed:
        return f"saved: {computed:,} scores of {cells:,} · the same command shows them again at once"
    if packed == cells:
        return "nothing was computed"
    return f"all {cells:,} scores came from the store" if not packed else "the others came from the store"
