"""`uninas-bench plot`: figures for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from uninas_bench.cli import options
from uninas_bench.cli.evidence import evidence_options, question, scoring
from uninas_bench.errors import UserError

FIGURES = (".pdf", ".svg", ".png")


@click.command(name="plot")
@click.argument("kind", required=False)
@evidence_options
@click.option("--list", "list_", is_flag=True, help="List the kinds of figures.")
@click.option(
    "--candidates", metavar="FOLDER", multiple=True, type=click.Path(path_type=Path),
    help="For search: a search's folder, or its candidates.json; may be given several times.",
)  # fmt: skip
@click.option(
    "--width", type=click.Choice(("single", "double")), default="double", show_default=True,
    help="Of one column of a paper, or of two.",
)  # fmt: skip
@click.option(
    "--dpi", type=click.IntRange(36, 1200), default=300, show_default=True, help="Dots per inch of a .png."
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A .pdf, .svg or .png file; default KIND.pdf.",
)
def command(
    *,
    kind: str | None,
    list_: bool,
    candidates: tuple[Path, ...],
    width: Any,
    dpi: int,
    output: Path | None,
    plugins: tuple[Path, ...],
    store: str | None,
    workers: int,
    **given: Any,
) -> None:
    """Draw a figure of the given KIND; --list tells them.

    Without a table: the embedded one, for matrix all tables whose scores come with the package.
    """
    from uninas_bench.report.plots.kinds import KINDS, find_kind

    if list_:
        wide = max(map(len, KINDS))
        for entry in KINDS.values():
            click.echo(f"{entry.name:<{wide}}  {entry.about} (of {_OF[entry.of]})")
        return
    if kind is None:
        raise UserError(f"no kind of figure: name one of {', '.join(KINDS)} (uninas-bench plot --list)")
    found = find_kind(kind)
    file = output or Path(f"{kind}.pdf")
    if file.suffix.lower() not in FIGURES:
        raise UserError(f"--output {file}: expected a name that ends in {', '.join(FIGURES)}")
    if candidates and found.of != "searches":
        raise UserError(f"--candidates with {kind}: it belongs to search")
    host = options.host_with(plugins)
    asked, running = question(host, given, across_by_default=found.of == "tables")

    from uninas_bench.drawing import save
    from uninas_bench.report.plots.courses import read_course
    from uninas_bench.report.plots.evidence import collect
    from uninas_bench.report.plots.kinds import draw

    if found.of == "searches":
        figure = draw(kind, courses=[read_course(path) for path in candidates], width=width)
        about = ", ".join(map(str, candidates))
    else:
        if found.of == "table" and asked.across is not None:
            raise UserError(
                f"--across {asked.across} with {kind}: a figure of one table; name it with --ground-truth"
            )
        with scoring(store, workers) as places:
            evidence = collect(asked, host=host, **places, **running)
        figure = draw(kind, evidence, width=width)
        about = ", ".join(table.name for table in evidence.tables)
    save(figure, file, dpi, about=f"{kind}: {about}")
    click.echo(f"wrote {file}", err=True)


_OF = {"table": "one table", "tables": "several tables", "searches": "searches"}
