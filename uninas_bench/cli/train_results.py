"""`uninas-bench train results`: finished trainings as a table, and as ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uninas_bench.cli import options
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.training.results import Result


@click.command("results")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--recipe", metavar="RECIPE", help="Only runs of that recipe.")
@click.option("--ground-truth", "table", type=click.Path(dir_okay=False, path_type=Path),
              metavar="FILE.csv.gz", help="Write the runs as a table that leaderboards read.")  # fmt: skip
@click.option("--metric", metavar="METRIC",
              help="What that table holds; default the recipe's headline, such as accuracy.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of that table; default SPACE-TASK-RECIPE.")
@options.format_option
@options.output_option
def results(
    *,
    folders: Sequence[Path],
    recipe: str | None,
    table: Path | None,
    metric: str | None,
    name: str | None,
    format_: str,
    output: Path | None,
) -> None:
    """Tabulate the finished runs in DIR: params, FLOPs, accuracy or AP or mIoU, images per second.

    With --ground-truth they become a table of accuracies, one for each architecture and seed, on which
    `leaderboard --ground-truth FILE.csv.gz` ranks proxies.
    """
    from uninas_bench.ground_truth.files import SUFFIX, write_table
    from uninas_bench.training.results import find_results, ground_truth_of

    if table is None and (metric or name):
        raise UserError(f"--{'metric' if metric else 'name'} needs --ground-truth FILE{SUFFIX}")
    if table is not None and not table.name.endswith(SUFFIX):
        raise UserError(f"--ground-truth {table}: expected a name that ends in {SUFFIX}")
    found = find_results(folders)
    if recipe is not None:
        known = sorted({run.recipe for run in found})
        found = [run for run in found if run.recipe == recipe]
        if not found:
            raise UserError(f"--recipe {recipe}: no run of it there (there is: {', '.join(known)})")
    options.deliver(_text(found, format_), output)
    if table is not None:
        truth = ground_truth_of(found, name, metric)
        write_table(truth, table)
        click.echo(
            f"{table}: {len(truth)} architectures, seeds {', '.join(truth.seeds)} · rank proxies on it: "
            f"uninas-bench leaderboard --ground-truth {table}",
            err=True,
        )


def _text(found: Sequence[Result], format_: str) -> str:
    import json

    from uninas_bench.report.tables import latex_table, markdown_table, plain, terminal_table
    from uninas_bench.report.trainings import rows_of, training_columns, training_notes
    from uninas_bench.training.results import frame

    if format_ == "csv":
        return str(frame(found).to_csv(index=False, lineterminator="\n"))
    if format_ == "json":
        rows = plain(frame(found).to_dict(orient="records"))
        return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)
    columns, notes = training_columns(found), training_notes(found)
    if format_ == "markdown":
        return markdown_table(columns, notes)
    if format_ == "latex":
        return latex_table(columns, notes)
    from io import StringIO

    from rich.console import Console

    file = StringIO()
    console = Console(file=file, highlight=False)
    console.print(terminal_table(columns, [False] * len(rows_of(found))), no_wrap=True, crop=False)
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)
    return file.getvalue()
