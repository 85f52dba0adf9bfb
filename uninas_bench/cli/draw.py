"""``uninas-bench draw``: a picture of a cell, a block or a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uninas_bench.cli.options import chosen_space, host_with, plugin_option, scale_option
from uninas_bench.errors import UserError
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    from uninas_bench.architecture import Architecture, Task
    from uninas_bench.host import Host
    from uninas_bench.space import SearchSpace


@click.command("draw")
@click.argument("architecture")
@click.option("--space", metavar="SPACE", help="Search space, where ARCHITECTURE does not name it.")
@scale_option
@click.option("--part", metavar="network|cell|block", help="What to draw; default the space's most telling.")
@click.option(
    "--block",
    metavar="STAGE.BLOCK",
    help="One block of a network, such as 3.2: the second of the third stage.",
)
@click.option("--task", metavar="TASK", help="Add shapes and costs for a task.")
@click.option("--top", metavar="N", type=click.IntRange(min=1), help="Of a file of candidates, the N best.")
@click.option(
    "--output", metavar="FILE|FOLDER", type=click.Path(path_type=Path),
    help="A .svg, .png or .pdf file, or a folder for several pictures.",
)  # fmt: skip
@click.option(
    "--dpi", type=click.IntRange(36, 1200), default=200, show_default=True, help="Dots per inch of a .png."
)
@plugin_option
def command(
    *,
    architecture: str,
    space: str | None,
    scale: dict[str, str],
    part: str | None,
    block: str | None,
    task: str | None,
    top: int | None,
    output: Path | None,
    dpi: int,
    plugins: tuple[Path, ...],
) -> None:
    """Draw an ARCHITECTURE: SPACE:ENCODING, or any spelling that --space reads.

    ARCHITECTURE may also be the candidates.json that a search wrote; --top says how many of its best are
    drawn, into the folder --output.
    """
    host = host_with(plugins)
    known = find_task(task) if task else None
    if architecture.endswith(".json"):
        if space is not None or scale:
            raise UserError(f"{architecture}: it names space and scale itself; leave out --space and --scale")
        folder = output or Path()
        for name, found, point in _candidates(host, Path(architecture), top or 1):
            _draw(found, point, part, block, known, folder / f"{name}.svg", dpi)
        return
    if top is not None:
        raise UserError(f"--top {top}: for a file of candidates, ARCHITECTURE is {architecture[:60]!r}")
    from uninas_bench.drawing import find_architecture

    if scale and space is None:
        space = find_architecture(architecture, None, host)[0].name
    chosen = chosen_space(host, space, scale) if space else None
    found, point = find_architecture(architecture, chosen, host)
    _draw(found, point, part, block, known, output or Path(f"{found.name}.svg"), dpi)


def _draw(
    space: SearchSpace,
    point: Architecture,
    part: str | None,
    block: str | None,
    task: Task | None,
    output: Path,
    dpi: int,
) -> None:
    from uninas_bench.drawing import diagram_of, render, save

    save(render(diagram_of(space, point, part, block, task)), output, dpi, about=str(point))
    click.echo(f"wrote {output}", err=True)


def _candidates(host: Host, path: Path, top: int) -> Iterator[tuple[str, SearchSpace, Architecture]]:
    """Names for the files, space and architecture of the best candidates."""
    from uninas_bench.search.candidates import read_candidates

    file = read_candidates(path)
    if top > len(file.candidates):
        raise UserError(f"--top {top}: {path} holds {len(file.candidates)} candidates")
    scale = dict(pair.split("=", 1) for pair in file.scale.split(",")) if file.scale else {}
    space = chosen_space(host, file.space, scale)
    digits = len(str(top))
    for candidate in file.candidates[:top]:
        yield f"candidate-{candidate.rank:0{digits}}", space, space.parse(candidate.architecture)
