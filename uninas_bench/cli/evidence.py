"""What `report` and `plot` share: which boards, and the scoring that they may need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from uninas_bench.across import ALL
from uninas_bench.cli import options
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.execution import ProgressEvent
    from uninas_bench.host import Host
    from uninas_bench.report.plots.evidence import Question

Command = TypeVar("Command", bound=Callable[..., Any])

_QUESTION = (
    options.space_option,
    options.scale_option,
    options.task_option,
    options.ground_truth_option,
    click.option(
        "--across", metavar="all|A,B",
        help="Several tables of accuracies: the named ones, or all whose scores come with us.",
    ),
    options.proxies_option,
    click.option(
        "--aggregate", "aggregates", metavar="[NAME=]KIND:A+B", multiple=True,
        help="An ensemble of proxies, as on the leaderboard; may be given several times.",
    ),
    options.sample_option,
    options.dedup_option,
    options.chance_option,
    options.failed_option,
    options.intervals_option,
    options.resamples_option,
    click.option(
        "--top", "k", type=click.IntRange(min=1), default=10, show_default=True, metavar="K",
        help="The cut of nDCG and regret.",
    ),
    click.option("--stored-only", is_flag=True, help="Compute nothing: what is missing stays missing."),
    options.scoring_options,
)  # fmt: skip
_ASKED = (
    "proxies", "aggregates", "sample", "seed", "dedup", "chance", "failed", "intervals", "resamples", "k",
)  # fmt: skip


def evidence_options(command: Command) -> Command:
    """The options that say which boards are shown, and how missing scores are computed."""
    for option in reversed(_QUESTION):
        command = option(command)
    return command


def question(
    host: Host, given: dict[str, Any], *, across_by_default: bool
) -> tuple[Question, dict[str, Any]]:
    """What the options ask; and those that are for the engine.

    Args:
        host: finds the space at its scale.
        given: the values of `evidence_options`.
        across_by_default: whether all tables are meant where none is named, else the embedded one.

    Raises:
        UserError: options that exclude each other.
    """
    from uninas_bench.report.plots.evidence import Question

    rest = dict(given)
    across, space, scale = rest.pop("across"), rest.pop("space"), rest.pop("scale")
    task, ground_truth = rest.pop("task"), rest.pop("ground_truth")
    compute = not rest.pop("stored_only")
    if scale and space is None:
        raise UserError("--scale without --space: name the space too")
    named = {"--space": space, "--task": task, "--ground-truth": ground_truth}
    one = next((option for option, value in named.items() if value is not None), None)
    if across is not None and one is not None:
        raise UserError(f"--across {across} with {one}: give one or the other")
    if across is not None and not across.strip(", "):
        raise UserError(f"--across {across!r}: expected names of tables with commas between them, or all")
    if across is None and one is None and across_by_default:
        across = ALL
    asked = {name: rest.pop(name) for name in _ASKED}
    found = options.chosen_space(host, space, scale) if space is not None and scale else space
    return (
        Question(across=across, space=found, task=task, ground_truth=ground_truth, compute=compute, **asked),
        rest,
    )


@contextmanager
def scoring(store: str | None, workers: int) -> Iterator[dict[str, Any]]:
    """What `collect` needs to score what is missing, with progress on stderr."""
    from rich.console import Console

    from uninas_bench.cli.progress import scoring_progress
    from uninas_bench.store import default_store_url

    with scoring_progress(Console(stderr=True, highlight=False)) as progress:

        def announce(subject: Mapping[Any, Any]) -> None:
            verb = f"{subject['ground_truth']['name']}: scoring"
            progress.begin(subject["n"], subject["proxies"], workers, verb)

        def update(event: ProgressEvent) -> None:
            progress.update(event)

        yield {
            "store": store or default_store_url(), "workers": workers, "announce": announce,
            "progress": update, "fitting": progress.fit,
        }  # fmt: skip


def write_text(text: str, output: Path) -> None:
    """Write a file whole or not at all, and say so."""
    from uninas_bench.whole_files import write_whole

    if output.is_dir():
        raise UserError(f"--output {output}: it is a folder")
    write_whole(output, text.encode())
    click.echo(f"wrote {output}", err=True)
