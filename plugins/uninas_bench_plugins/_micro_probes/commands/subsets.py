"""`uninas-bench probes subsets`: how well each subset of the probes ranks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uninas_bench import UserError
from uninas_bench.cli import options
from uninas_bench_plugins._micro_probes.commands.asking import PROXY

if TYPE_CHECKING:
    import pandas as pd

BOARD, FIGURE = "subsets.csv", "subsets.png"
DPI = 150
SHOWN = 5
"""Best subsets that are printed besides the single ones and the whole."""


@click.command("subsets")
@options.space_option
@options.scale_option
@options.task_option
@options.ground_truth_option
@options.sample_option
@click.option("--beside", metavar="A,B", default="",
              help="Other proxies to draw beside; params and flops always are.")  # fmt: skip
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR",
              help=f"Folder of {BOARD} and {FIGURE}.")  # fmt: skip
@options.scoring_options
def command(
    *,
    space: str | None,
    scale: Mapping[str, str],
    beside: str,
    output: Path,
    plugins: tuple[Path, ...],
    settings: Mapping[str, Mapping[str, str]],
    store: str | None,
    workers: int,
    **given: Any,
) -> None:
    """Rank architectures by every subset of the probes.

    Each probe is trained once per architecture; all sums are made of the stored scores. Without --space: on
    the embedded table.
    """
    from rich.console import Console

    from uninas_bench.cli.progress import scoring_progress
    from uninas_bench.drawing import save
    from uninas_bench_plugins._micro_probes.pictures.subsets_figure import draw_subsets
    from uninas_bench_plugins._micro_probes.subsets import subset_board
    from uninas_bench_plugins.micro_probes import MicroProbes

    if scale and space is None:
        raise UserError("--scale without --space: name the space too")
    host = options.host_with(plugins)
    proxy = MicroProbes().with_settings(**settings.get(PROXY, {}))
    others = {name: values for name, values in settings.items() if name != PROXY}

    def announce(subject: Mapping[Any, Any]) -> None:
        progress.begin(subject["n"], 1 + len(named), workers)

    named = options.read_names(beside) or ()
    with scoring_progress(Console(stderr=True, highlight=False)) as progress:
        board = subset_board(
            proxy, named, space=options.chosen_space(host, space, scale) if space and scale else space,
            settings=others, store=store or "default", workers=workers, host=host, announce=announce,
            progress=progress.update, fitting=progress.fit, **given,
        )  # fmt: skip
    save(draw_subsets(board), output / FIGURE, DPI)
    options.deliver(board.to_csv(index=False), output / BOARD)
    console = Console(highlight=False)
    for line in _lines(board):
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"wrote {output / FIGURE}", soft_wrap=True, markup=False)


def _lines(board: pd.DataFrame) -> list[str]:
    """What the board says, in words and columns."""
    from uninas_bench_plugins._micro_probes.subsets import by_count, joins

    subsets = board[board["probes"] > 0]
    whole = subsets["probes"] == subsets["probes"].max()
    shown = [
        *_rows(subsets[subsets["probes"] == 1]),
        "",
        *_rows(subsets[whole]),
        *_rows(subsets[~whole & (subsets["probes"] > 1)].head(SHOWN)),
        "",
        *_rows(board[(board["probes"] == 0) & (board["proxy"] != PROXY)]),
    ]
    sizes = [
        f"{row.probes} of the probes: {row.min:+.3f} to {row.max:+.3f}, mean {row.mean:+.3f} of {row.size}"
        for row in by_count(board).itertuples()
    ]
    better, of = joins(board)
    return [
        _about(board.attrs), "", *shown, "", *sizes,
        f"a probe that joins raises tau in {better} of {of} cases",
    ]  # fmt: skip


def _about(attributes: Mapping[Any, Any]) -> str:
    table, ceiling = attributes["ground_truth"], attributes["noise_ceiling"]
    known = f"{ceiling['corrected']:+.3f}" if ceiling is not None else "not known"
    return (
        f"{attributes['space']} [{attributes['scale']}] on {attributes['task']} · n = {attributes['n']} · "
        f"seed {attributes['seed']} · ground truth {table['name']}, seeds {table['seeds'] or 'not known'} · "
        f"noise ceiling tau {known} · tau with 95% intervals of resampled architectures"
    )


def _rows(part: pd.DataFrame) -> list[str]:
    columns = ("proxy", "tau", "tau_low", "tau_high", "failed")
    return [
        f"{name:24}  {tau:+.3f}  [{low:+.3f}, {high:+.3f}]{f'  {failed} failed' if failed else ''}"
        for name, tau, low, high, failed in zip(*(part[column] for column in columns), strict=True)
    ]
