"""`uninas-bench ground-truth build`: train architectures and write their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uninas_bench.cli import options
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.ground_truth.own_tables import OwnTable
    from uninas_bench.ground_truth.training import TrainingSettings

_DESCRIBED = ("space", "scale", "task", "sample", "name", "settings", "seed")
"""What `--table` says, and nothing beside it may."""
_SAMPLE, _SEEDS = 300, 4


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What to train."""

    name: str
    space: str
    scale: Mapping[str, str]
    task: str
    sample: int
    seed: int
    seeds: int
    settings: TrainingSettings


@click.command("build")
@click.option("--table", metavar="NAME",
              help="A table of this project; stands for all down to --seed.")  # fmt: skip
@options.space_option
@options.scale_option
@options.task_option
@click.option("--sample", type=click.IntRange(min=1), metavar="N",
              help=f"Random architectures, default {_SAMPLE}; the extremes come on top.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the table; default SPACE-TASK.")
@click.option("--set", "settings", metavar="SETTING=VALUE", multiple=True,
              help="A constant of the protocol, such as steps=960; may be given several times.")  # fmt: skip
@options.seed_option
@click.option("--seeds", type=click.IntRange(min=1), metavar="N",
              help=f"Trainings of each architecture; default {_SEEDS}, or the table's own.")  # fmt: skip
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="Keeps finished trainings: the same command goes on after an interruption.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
              metavar="FILE.csv.gz", help="The table, written when every training is there.")  # fmt: skip
@options.workers_option
@options.data_option
@options.device_option
@options.plugin_option
@click.pass_context
def build(
    context: click.Context,
    *,
    table: str | None,
    space: str | None,
    scale: Mapping[str, str],
    task: str | None,
    sample: int | None,
    name: str | None,
    settings: Sequence[str],
    seed: int,
    seeds: int | None,
    store: Path,
    output: Path,
    workers: int,
    data: Mapping[str, str],
    device: str,
    plugins: Sequence[Path],
) -> None:
    """Train architectures of a space under a small fixed protocol and write their accuracies.

    --table NAME makes a table that comes with this package again. --seed fixes the sample; training number k
    uses seed k.
    """
    from rich.console import Console

    from uninas_bench.cli.progress import scoring_progress
    from uninas_bench.ground_truth.build import build_table
    from uninas_bench.ground_truth.files import SUFFIX, write_table
    from uninas_bench.ground_truth.own_tables import find_own_table
    from uninas_bench.ground_truth.sampling import representatives
    from uninas_bench.tasks import find_task

    if not output.name.endswith(SUFFIX):
        raise UserError(f"--output {output}: expected a name that ends in {SUFFIX}")
    if table is not None:
        _refuse_others(context)
        order = _of_table(find_own_table(table), seeds)
        command = f"uninas-bench ground-truth build --table {table} --seeds {order.seeds}"
    else:
        if space is None or task is None:
            raise UserError("ground-truth build needs --table, or --space and --task")
        order = _Order(
            name=name or f"{space}-{task}", space=space, scale=scale, task=task, sample=sample or _SAMPLE,
            seed=seed, seeds=seeds or _SEEDS, settings=_constants(settings),
        )  # fmt: skip
        command = ""
    host = options.host_with(plugins)
    chosen = options.chosen_space(host, order.space, order.scale)
    found = find_task(order.task)
    architectures = representatives(chosen, order.sample, order.seed, found)
    with scoring_progress(Console(stderr=True, highlight=False)) as progress:
        progress.begin(len(architectures), order.seeds, workers, "training", "seeds")
        built = build_table(
            order.name,
            chosen,
            architectures,
            found,
            seeds=order.seeds,
            store=store,
            host=host,
            settings=order.settings,
            data=data,
            workers=workers,
            device=device,
            progress=progress.update,
            command=command or _command(order, chosen.scale, settings),
        )
    write_table(built, output)
    click.echo(f"{output}: {len(built)} architectures, {order.seeds} seeds")
    click.echo(f"look at it: uninas-bench ground-truth show {output}")


def _refuse_others(context: click.Context) -> None:
    """No option beside ``--table`` that the table decides."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in _DESCRIBED and source is click.core.ParameterSource.COMMANDLINE:
            raise UserError(f"{parameter.opts[0]} beside --table: the table says what it is; leave one away")


def _of_table(table: OwnTable, seeds: int | None) -> _Order:
    return _Order(
        name=table.name, space=table.space, scale=table.scale, task=table.task, sample=table.sample,
        seed=table.sample_seed, seeds=seeds or table.seeds, settings=table.settings,
    )  # fmt: skip


def _constants(texts: Sequence[str]) -> TrainingSettings:
    from uninas_bench.ground_truth.training import TrainingSettings
    from uninas_bench.proxy import read_settings

    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set {text}: expected setting=value, as in steps=960")
        pairs[name.strip()] = value.strip()
    constants = read_settings("short_training", TrainingSettings(), pairs)
    assert isinstance(constants, TrainingSettings)
    return constants


def _command(order: _Order, scale: object, settings: Sequence[str]) -> str:
    """What makes this table again, as its first line states it."""
    words = [
        "uninas-bench ground-truth build", f"--space {order.space}", f"--scale {scale}",
        f"--task {order.task}", f"--sample {order.sample}", f"--seed {order.seed}", f"--seeds {order.seeds}",
        *(f"--set {text}" for text in settings),
    ]  # fmt: skip
    return " ".join(words)
