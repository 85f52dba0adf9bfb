"""Pictures of architectures: a layered layout of a `Diagram`, and matplotlib to draw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uninas_bench.architecture import Architecture
from uninas_bench.diagram import Diagram, Drawable
from uninas_bench.drawing.render import render, save
from uninas_bench.errors import UserError
from uninas_bench.host import Host, default_host
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from uninas_bench.architecture import Task
    from uninas_bench.space import SearchSpace

__all__ = ["diagram_of", "draw", "find_architecture", "render", "save"]


def draw(
    architecture: str | Architecture,
    *,
    space: str | SearchSpace | None = None,
    part: str | None = None,
    block: str | None = None,
    task: str | Task | None = None,
    host: Host | None = None,
) -> Figure:
    """The figure of an architecture; see `uninas_bench.draw`."""
    found, point = find_architecture(architecture, space, host)
    return render(diagram_of(found, point, part, block, find_task(task) if isinstance(task, str) else task))


def diagram_of(
    space: SearchSpace,
    architecture: Architecture,
    part: str | None = None,
    block: str | None = None,
    task: Task | None = None,
) -> Diagram:
    """What a space says that is to be drawn.

    Raises:
        UserError: the space makes no diagrams, or not of this part.
    """
    if not isinstance(space, Drawable):
        raise UserError(
            f"{space.name}: cannot be drawn, it has no method diagram (uninas_bench.diagram.Drawable)"
        )
    if part is not None and part not in space.parts:
        raise UserError(f'{space.name}: no part "{part}"; known: {", ".join(space.parts)}')
    return space.diagram(architecture, part, block, task)


def find_architecture(
    architecture: str | Architecture, space: str | SearchSpace | None = None, host: Host | None = None
) -> tuple[SearchSpace, Architecture]:
    """The space and the architecture of a text that names the space, or that the given space parses.

    Raises:
        UserError: no space is named, or it is unknown, or cannot parse the text.
    """
    host = host or default_host()
    text = str(architecture)
    if space is None:
        name, colon, _ = text.strip().partition(":")
        if not colon or name not in host.spaces:
            raise UserError(
                f"{text[:60]}: no search space is named; write SPACE:ARCHITECTURE, or give --space "
                f"(known: {', '.join(sorted(host.spaces))})"
            )
        space = name
    found = host.space(space) if isinstance(space, str) else space
    return found, found.parse(text)
