"""`uninas-bench ground-truth build`: train architectures and write their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from uninas_bench.cli import options
from uninas_bench.errors import UserError


@click.command("build")
@options.space_option
@options.scale_option
@options.task_option
@click.option("--sample", type=click.IntRange(min=1), default=300, show_default=True,
              help="Random architectures of different classes; the uniform ones are added.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), default=4, show_default=True,
              help="Trainings of each architecture.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the table; default SPACE-TASK.")
@click.option("--set", "settings", metavar="SETTING=VALUE", multiple=True,
              help="A constant of the protocol, such as steps=960; may be given several times.")  # fmt: skip
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="Keeps finished trainings: the same command goes on after an interruption.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
              metavar="FILE.csv.gz", help="The table, written when every training is there.")  # fmt: skip
@options.seed_option
@options.workers_option
@options.data_option
@options.device_option
@options.plugin_option
def build(
    *,
    space: str | None,
    scale: Mapping[str, str],
    task: str | None,
    sample: int,
    seeds: int,
    name: str | None,
    settings: Sequence[str],
    store: Path,
    output: Path,
    seed: int,
    workers: int,
    data: Mapping[str, str],
    device: str,
    plugins: Sequence[Path],
) -> None:
    """Train architectures of a space under a small fixed protocol and write their accuracies.

    The table that comes with this package was made by --space nasbench201 --scale channels=8,cells=1
    --task mnist-hard. --seed fixes the sample; training number k uses seed k.
    """
    from rich.console import Console

    from uninas_bench.cli.progress import scoring_progress
    from uninas_bench.ground_truth.build import build_table, representatives
    from uninas_bench.ground_truth.files import SUFFIX, write_table
    from uninas_bench.ground_truth.training import TrainingSettings
    from uninas_bench.proxy import read_settings
    from uninas_bench.tasks import find_task

    if space is None or task is None:
        raise UserError("ground-truth build needs --space and --task")
    if not output.name.endswith(SUFFIX):
        raise UserError(f"--output {output}: expected a name that ends in {SUFFIX}")
    constants = read_settings("short_training", TrainingSettings(), _constants(settings))
    assert isinstance(constants, TrainingSettings)
    host = options.host_with(plugins)
    chosen = options.chosen_space(host, space, scale)
    architectures = representatives(chosen, sample, seed)
    with scoring_progress(Console(stderr=True, highlight=False)) as progress:
        progress.begin(len(architectures), seeds, workers, "training", "seeds")
        table = build_table(
            name or f"{space}-{task}",
            chosen,
            architectures,
            find_task(task),
            seeds=seeds,
            store=store,
            host=host,
            settings=constants,
            data=data,
            workers=workers,
            device=device,
            progress=progress.update,
            command=_command(space, chosen.scale, task, sample, seed, seeds, settings),
        )
    write_table(table, output)
    click.echo(f"{output}: {len(table)} architectures, {seeds} seeds")
    click.echo(f"look at it: uninas-bench ground-truth show {output}")


def _constants(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set {text}: expected setting=value, as in steps=960")
        pairs[name.strip()] = value.strip()
    return pairs


def _command(
    space: str, scale: object, task: str, sample: int, seed: int, seeds: int, settings: Sequence[str]
) -> str:
    """What makes this table again, as its first line states it."""
    words = [
        "uninas-bench ground-truth build", f"--space {space}", f"--scale {scale}", f"--task {task}",
        f"--sample {sample}", f"--seed {seed}", f"--seeds {seeds}", *(f"--set {text}" for text in settings),
    ]  # fmt: skip
    return " ".join(words)
