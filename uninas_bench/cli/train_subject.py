"""What `train` and `train plan` are both told: which architectures, under which recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from uninas_bench.cli import options
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.host import Host
    from uninas_bench.training.networks.trainee import Trainee

Command = TypeVar("Command", bound=Callable[..., Any])


def subject_options(command: Command) -> Command:
    """The options that name architectures."""
    for option in (
        click.option("--top", type=click.IntRange(min=1), metavar="K",
                     help="The best K of --candidates; default 1."),
        click.option("--candidates", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
                     help="The candidates.json of a search."),
        click.option("--architecture", "architectures", metavar="ARCHITECTURE", multiple=True,
                     help="Of --space, in any spelling; or timm:NAME. May be given several times."),
        options.scale_option,
        options.space_option,
    ):  # fmt: skip
        command = option(command)
    return command


recipe_set_option = click.option(
    "--set", "overrides", metavar="FIELD=VALUE", multiple=True,
    help="A field of the recipe, such as schedule.epochs=30; of one of several: detection.run.batch=2.",
)  # fmt: skip
smoke_option = click.option(
    "--smoke", is_flag=True, help="The recipe's short form: under a minute, to see that everything works."
)


def chosen_trainees(
    host: Host,
    *,
    space: str | None,
    scale: Mapping[str, str],
    architectures: Sequence[str],
    candidates: Path | None,
    top: int | None,
) -> list[Trainee]:
    """What the options of `subject_options` name.

    Raises:
        UserError: nothing is named, or both ways are used, or a text is no architecture.
    """
    from uninas_bench.training.calls import trainees_of
    from uninas_bench.training.hand_over import candidate_trainees

    if bool(architectures) == (candidates is not None):
        raise UserError("expected either --architecture (with --space, or timm:NAME) or --candidates FILE")
    if candidates is not None:
        if space or scale:
            raise UserError("--candidates: the file names space and scale itself; leave --space and --scale")
        return candidate_trainees(candidates, top or 1, host)
    if top is not None:
        raise UserError("--top needs --candidates")
    if scale and space is None:
        raise UserError("--scale without --space: name the space too")
    chosen = None if space is None else options.chosen_space(host, space, scale)
    return trainees_of(architectures, chosen, host)
