"""`uninas-bench ground-truth sheet` and `compare`: what a table is worth, alone and beside another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from uninas_bench.cli import options
from uninas_bench.errors import UserError


@click.command("sheet")
@click.argument("name")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the sheet there as NAME.md, and its figure as NAME.png.")  # fmt: skip
@options.plugin_option
def sheet(*, name: str, output: Path | None, plugins: Sequence[Path]) -> None:
    """Print the data sheet of the table NAME (or a file).

    It says how accuracies spread, how noisy they are, what parameters and FLOPs explain of them, under which
    protocol and by which command they were made, and what that cost.
    """
    from uninas_bench.ground_truth.catalogue import find_ground_truth
    from uninas_bench.ground_truth.facts import table_facts
    from uninas_bench.report.table_sheet import sheet_text

    host = options.host_with(plugins)
    table = find_ground_truth(name, host=host)
    facts = table_facts(table, host)
    click.echo(sheet_text(facts), nl=False)
    if output is None:
        return
    from uninas_bench.drawing.render import save
    from uninas_bench.ground_truth.files import content_sha256
    from uninas_bench.report.table_figure import draw_facts
    from uninas_bench.report.table_sheet import sheet_markdown
    from uninas_bench.whole_files import write_whole

    page, figure = output / f"{table.info.name}.md", output / f"{table.info.name}.png"
    save(draw_facts(facts), figure, dpi=150, about=f"data sheet of {table.info.name}")
    write_whole(page, sheet_markdown(facts, content_sha256(table), figure.name).encode())
    for path in (page, figure):
        click.echo(f"wrote {path}", err=True)


@click.command("compare")
@click.argument("first")
@click.argument("second")
@click.option("--chance", type=click.Choice(("include", "exclude")), default="include", show_default=True,
              help="Architectures that either table has at chance level.")  # fmt: skip
@options.json_option
@options.plugin_option
def compare(*, first: str, second: str, chance: Any, as_json: bool, plugins: Sequence[Path]) -> None:
    """Rank correlation between the tables FIRST and SECOND over the architectures that both have.

    The tables are of one space, at any scales and on any tasks: so a small table shows how far it speaks for
    a large one. Architectures with other encodings are matched by their isomorphism class.
    """
    from uninas_bench.ground_truth.catalogue import find_ground_truth
    from uninas_bench.ground_truth.comparison import compare as run
    from uninas_bench.report.table_comparison import comparison_text, comparison_values

    host = options.host_with(plugins)
    ours, theirs = find_ground_truth(first, host=host), find_ground_truth(second, host=host)
    if ours.info == theirs.info:
        raise UserError(f"ground truth {ours.info.name} is given twice; name two tables")
    found = run(ours, theirs, host, chance=chance)
    if as_json:
        click.echo(json.dumps(comparison_values(found), indent=2))
        return
    click.echo(comparison_text(found), nl=False)
