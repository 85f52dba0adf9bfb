"""Make the page: gather, view, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench.across import ALL
from uninas_bench.report.page.chapters import MOST_POINTS, PICTURES
from uninas_bench.report.page.origin import moment
from uninas_bench.report.page.reproductions import read_reproductions, reproduction_view
from uninas_bench.report.page.views import page_view
from uninas_bench.report.page.writing import page_html
from uninas_bench.report.plots.courses import read_course
from uninas_bench.report.plots.evidence import Question, asked_of, collect

if TYPE_CHECKING:
    from uninas_bench.host import Host


def report_html(
    question: Question,
    *,
    host: Host,
    candidates: Sequence[Path] = (),
    reproduced: Sequence[Path] = (),
    command: str,
    most_points: int = MOST_POINTS,
    pictures: int = PICTURES,
    **places: Any,
) -> str:
    """The text of the page.

    Args:
        question: which boards.
        host: the plugins.
        candidates: folders of searches, or their candidates.json.
        reproduced: files of ``uninas-bench reproduce run --format json``.
        command: that makes this page, for the foot of it.
        most_points: architectures that a chapter draws and lists.
        pictures: of the best and of the most contested architectures, each.
        places: for `evidence.collect`: ``store, packed, announce, workers, progress``, ...

    Raises:
        UserError: a name, a file or a value is wrong; files are read before anything is scored.
    """
    made = moment()
    courses = [read_course(path) for path in candidates]
    tables = [found for path in reproduced for found in read_reproductions(path)]
    evidence = collect(question, host=host, **places)
    page = page_view(
        evidence, host=host, command=command, made=made, courses=courses,
        reproductions=[reproduction_view(found, place) for place, found in enumerate(tables, 1)],
        most_points=most_points, pictures=pictures,
    )  # fmt: skip
    return page_html(page)


def write_report(output: Path, *, host: Host | None = None, **options: Any) -> Path:
    """Write the page from Python; see `uninas_bench.report`.

    Args:
        output: the file.
        host: the plugins.
        options: fields of `Question`, and arguments of `report_html`.

    Raises:
        UserError: as `report_html`; or ``output`` cannot be written.
    """
    from uninas_bench.host import default_host
    from uninas_bench.whole_files import write_whole

    asked, places = asked_of(options, across=ALL)
    text = report_html(asked, host=host or default_host(), command="uninas_bench.report(...)", **places)
    write_whole(output, text.encode())
    return output
