"""`uninas-bench report`: one HTML file with everything that the boards rest on."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from uninas_bench.cli import options
from uninas_bench.cli.evidence import evidence_options, question, scoring, write_text


@click.command(name="report")
@evidence_options
@click.option(
    "--candidates", metavar="FOLDER", multiple=True, type=click.Path(path_type=Path),
    help="A search's folder, or its candidates.json: its course and its best; may be given several times.",
)  # fmt: skip
@click.option(
    "--reproduced", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
    help="What `reproduce run --format json` wrote: published beside recomputed; may be given several times.",
)  # fmt: skip
@click.option(
    "--points", "most_points", type=click.IntRange(min=10), default=600, show_default=True, metavar="N",
    help="Architectures of each table that are drawn and listed; statistics are of all.",
)  # fmt: skip
@click.option(
    "--pictures", type=click.IntRange(min=0), default=3, show_default=True, metavar="N",
    help="Pictures of the best architectures of each table, and of the most contested.",
)  # fmt: skip
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), default=Path("report.html"),
    show_default=True, help="The page.",
)  # fmt: skip
def command(
    *,
    plugins: tuple[Path, ...],
    store: str | None,
    workers: int,
    candidates: tuple[Path, ...],
    reproduced: tuple[Path, ...],
    most_points: int,
    pictures: int,
    output: Path,
    **given: Any,
) -> None:
    """Write a page that opens anywhere: boards, plots, pictures, and where every number comes from.

    Without options: every table whose scores come with the package. The file asks nothing of any network.
    """
    host = options.host_with(plugins)
    asked, running = question(host, given, across_by_default=True)
    from uninas_bench.report.page.report import report_html

    with scoring(store, workers) as places:
        text = report_html(
            asked, host=host, candidates=candidates, reproduced=reproduced, most_points=most_points,
            pictures=pictures, command=shlex.join(["uninas-bench", *sys.argv[1:]]), **places, **running,
        )  # fmt: skip
    write_text(text, output)
