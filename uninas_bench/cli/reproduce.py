"""`uninas-bench reproduce`: published tables, and what this machine makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uninas_bench.cli import options
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from uninas_bench.report.cells import Column


@click.group(name="reproduce")
def command() -> None:
    """List published tables, show them, and recompute them beside the printed numbers."""


@command.command(name="list")
@options.format_option
@options.output_option
def list_tables(*, format_: str, output: Path | None) -> None:
    """List the published tables: one row each."""
    from uninas_bench.report.cells import Column
    from uninas_bench.reproduce.published import papers

    rows = [
        (
            f"{paper.key}-{table.name}",
            paper.paper,
            table.printed,
            table.recipe.kind,
            len(table.rows),
            table.caption,
        )
        for paper in papers().values()
        for table in paper.tables
    ]
    heads = ("table", "paper", "printed", "recipe", "rows", "caption")
    columns = [
        Column(head, "", head, tuple(str(row[place]) for row in rows), head != "rows")
        for place, head in enumerate(heads)
    ]
    _show(columns, [], [dict(zip(heads, row, strict=True)) for row in rows], format_, output)


@command.command(name="show")
@click.argument("table")
@options.format_option
@options.output_option
def show_table(*, table: str, format_: str, output: Path | None) -> None:
    """Show a table as its paper prints it."""
    from uninas_bench.report.reproduction import published_columns, published_lines
    from uninas_bench.reproduce.published import find_table

    paper, found = find_table(table)
    heading = f"{paper.key}-{found.name} · {paper.paper}, {found.printed}: {found.caption}"
    rows = [
        {
            "table": f"{paper.key}-{found.name}", "row": row.name, "column": column.key, "kind": column.kind,
            "unit": column.unit, "published": found.text(row.name, column.key),
            "uncertain": found.doubt(row.name, column.key), "note": row.note,
        }
        for row in found.rows for column in found.columns if found.text(row.name, column.key)
    ]  # fmt: skip
    _show(published_columns(found), [heading, *published_lines(paper, found)], rows, format_, output)


@command.command(name="run")
@click.argument("table")
@click.option(
    "--rows", metavar="A,B", help="Only these rows; one that takes long runs only where it is named."
)
@click.option("--columns", metavar="A,B", help="Only these columns, by key, group or title.")
@click.option(
    "--sample", metavar="N|all", help="How many architectures to draw; default what the recipe says."
)
@click.option(
    "--budget", metavar="TIME", help="Such as 30m: times a pilot and takes as many architectures as fit."
)
@click.option(
    "--ground-truth", "ground_truths", metavar="NAME|FILE", multiple=True,
    help="A table of accuracies, before those that are installed; may be given several times.",
)  # fmt: skip
@click.option("--full", is_flag=True, help="Run at the paper's size what is scaled down otherwise.")
@click.option(
    "--folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Keep there what is trained; the same command goes on from it.",
)  # fmt: skip
@options.seed_option
@options.workers_option
@options.store_option
@options.plugin_option
@options.set_option
@options.data_option
@options.device_option
@options.format_option
@options.output_option
def run_table(
    *,
    table: str,
    rows: str | None,
    columns: str | None,
    sample: str | None,
    ground_truths: tuple[str, ...],
    plugins: tuple[Path, ...],
    workers: int,
    store: str | None,
    format_: str,
    output: Path | None,
    **settings: Any,
) -> None:
    """Recompute a table: every cell printed, recomputed, and whether they agree.

    What is computed is stored as it comes: after an interruption, the same command goes on from there.
    """
    from rich.console import Console

    from uninas_bench.cli.progress import scoring_progress
    from uninas_bench.report.reproduction import print_reproduction, render_reproduction
    from uninas_bench.reproduce.running import reproduce

    talk = Console(stderr=True, highlight=False)
    asked = options.read_sample(sample) if sample is not None else None
    with scoring_progress(talk) as progress:
        found = reproduce(
            table,
            rows=_names(rows),
            columns=_names(columns),
            sample="all" if sample is not None and asked is None else asked,
            ground_truths=ground_truths,
            store=store or "default",
            workers=workers,
            host=options.host_with(plugins),
            announce=lambda sentence: talk.print(sentence, soft_wrap=True, markup=False),
            begin=lambda n, things: progress.begin(n, things, workers),
            progress=progress.update,
            fitting=progress.fit,
            **settings,
        )
    if format_ == "table":
        _deliver_printed(lambda console: print_reproduction(found, console), output)
        return
    _deliver(render_reproduction(found, format_), output)


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise UserError(f"{text!r}: expected names with commas between them")
    return names


def _show(
    columns: list[Column],
    lines: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    form: str,
    output: Path | None,
) -> None:
    from uninas_bench.report.tables import latex_table, markdown_table, terminal_table

    if form == "table":

        def paint(console: Console) -> None:
            from rich.text import Text

            if lines:
                console.print(Text(lines[0], style="bold"), soft_wrap=True)
                console.print()
            console.print(terminal_table(columns, [False] * len(columns[0].cells)), no_wrap=True, crop=False)
            for line in lines[1:]:
                console.print(Text(line, style="dim"), soft_wrap=True)

        _deliver_printed(paint, output)
    elif form == "json":
        import json

        _deliver(json.dumps(list(rows), indent=2, ensure_ascii=False) + "\n", output)
    elif form == "csv":
        import csv
        from io import StringIO

        file = StringIO()
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        _deliver(file.getvalue(), output)
    else:
        render = markdown_table if form == "markdown" else latex_table
        _deliver(render(columns, list(lines) or ["Published tables"]), output)


def _deliver_printed(paint: Callable[[Console], None], output: Path | None) -> None:
    from io import StringIO

    from rich.console import Console

    if output is None:
        paint(Console(highlight=False))
        return
    file = StringIO()
    paint(Console(file=file, highlight=False, width=200))
    _deliver(file.getvalue(), output)


def _deliver(text: str, output: Path | None) -> None:
    """To the terminal, or whole into the file."""
    if output is None:
        click.echo(text.rstrip("\n"))
        return
    from uninas_bench.whole_files import write_whole

    write_whole(output, text.encode("utf-8"))
    click.echo(f"wrote {output}", err=True)
