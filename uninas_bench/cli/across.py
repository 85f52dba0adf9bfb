"""`uninas-bench leaderboard --across`: one board over several tables, and its figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench.cli import options
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from uninas_bench.engine import ProgressEvent
    from uninas_bench.host import Host

FIGURES = (".png", ".svg", ".pdf")


def show_across(
    tables: str,
    *,
    host: Host,
    store: str,
    proxies: tuple[str, ...] | None,
    given_size: bool,
    strata: bool,
    compute: bool,
    figure: Path | None,
    form: str,
    output: Path | None,
    workers: int,
    console: Console,
    talk: Console,
    **settings: Any,
) -> None:
    """Make the board and print or write it: ``console`` is for the board, ``talk`` for what is not.

    Raises:
        UserError: a name, a file or a value is wrong.
    """
    from rich.console import Console

    from uninas_bench.across import build
    from uninas_bench.cli.progress import scoring_progress
    from uninas_bench.report.across import head_lines, print_across, render_across

    if figure is not None and figure.suffix.lower() not in FIGURES:
        raise UserError(f"--figure {figure}: expected a name that ends in {', '.join(FIGURES)}")
    computed = 0
    with scoring_progress(Console(stderr=True, highlight=False)) as progress:

        def announce(subject: Mapping[Any, Any]) -> None:
            verb = f"{subject['ground_truth']['name']}: scoring"
            progress.begin(subject["n"], subject["proxies"], workers, verb)

        def update(event: ProgressEvent) -> None:
            nonlocal computed
            computed += 1
            progress.update(event)

        frame = build(
            tables, proxies, store=store, host=host, strata=strata, compute=compute, workers=workers,
            announce=announce, progress=update, fitting=progress.fit, **settings,
        )  # fmt: skip
    if figure is not None:
        from uninas_bench.drawing import save
        from uninas_bench.report.across_figure import draw_across

        names = ", ".join(frame.attrs["tables"])
        save(draw_across(frame, given_size=given_size), figure, about=f"Kendall's tau-b on {names}")
        talk.print(f"wrote {figure}", soft_wrap=True, markup=False)
    if form == "table" and output is None:
        for line in head_lines(frame):
            console.print(line, soft_wrap=True, markup=False)
        console.print()
        print_across(frame, console, given_size=given_size, hints=(_saved_line(frame, computed),))
        return
    options.deliver(_text(frame, form, given_size=given_size, render=render_across), output)


def _text(frame: pd.DataFrame, form: str, *, given_size: bool, render: Any) -> str:
    if form != "table":
        return str(render(frame, form, given_size=given_size))
    from io import StringIO

    from rich.console import Console

    from uninas_bench.report.across import head_lines, print_across

    file = StringIO()
    file.write("\n".join(head_lines(frame)) + "\n\n")
    print_across(frame, Console(file=file, highlight=False), given_size=given_size)
    return file.getvalue()


def _saved_line(frame: pd.DataFrame, computed: int) -> str:
    cells, packed = frame.attrs["cells"], frame.attrs["packed"]
    if computed:
        return f"saved: {computed:,} scores of {cells:,} · the same command shows them again at once"
    if packed or not cells:
        return "nothing was computed"
    return f"all {cells:,} scores came from the store"
