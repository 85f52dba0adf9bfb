"""`uninas-bench train`: architectures or candidates through the full training protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from uninas_bench.cli import options
from uninas_bench.cli.train_plan import plan
from uninas_bench.cli.train_results import results
from uninas_bench.cli.train_subject import (
    chosen_trainees,
    recipe_set_option,
    smoke_option,
    subject_options,
)
from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from uninas_bench.training.hand_over import Outcome

_GPU_LOADERS = 8


class TrainGroup(click.Group):
    """`train RECIPE ...` trains; what the other subcommands are called is no recipe."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in any group; but a recipe is an argument of the command that trains."""
        found = self.commands.get(args[0], run)
        return args[0], found, args if found is run else args[1:]


@click.group(
    "train", cls=TrainGroup, subcommand_metavar="RECIPE|plan|results ...", context_settings={
        "ignore_unknown_options": True, "allow_interspersed_args": False,
    },
)  # fmt: skip
def command() -> None:
    """Train architectures under a published protocol, and tabulate what came out.

    `train RECIPE` trains; `train RECIPE --help` lists its options. RECIPE is classification, detection or
    segmentation (the protocol of the UniNAS paper, Table III; by their data sets: imagenet1k, coco, ade20k),
    fashion-mnist, or a .toml file.
    """


command.add_command(plan)
command.add_command(results)


@click.command("RECIPE")
@click.argument("recipe", metavar="")
@subject_options
@click.option("--then", metavar="RECIPE", multiple=True,
              help="Then that recipe, from the weights that RECIPE left; repeatable.")  # fmt: skip
@click.option("--init", "pretrained", type=click.Path(path_type=Path), metavar="DIR|FILE",
              help="Weights to begin with: a finished run's folder, or its .safetensors file.")  # fmt: skip
@smoke_option
@recipe_set_option
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="Trainings of each architecture.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of the first training; the others count on.")  # fmt: skip
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder of all runs; default that of --candidates.")  # fmt: skip
@click.option("--resume", type=click.Choice(("auto", "never")), default="auto", show_default=True,
              help="Go on from the last checkpoint, or begin anew.")  # fmt: skip
@click.option("--allow-processes-change", is_flag=True,
              help="Go on with another number of processes: no longer bit for bit the same run.")  # fmt: skip
@options.data_option
@click.option("--download", is_flag=True,
              help="Fetch cifar10, cifar100 or fashion-mnist through torchvision, if missing.")  # fmt: skip
@options.device_option
@click.option("--loaders", type=click.IntRange(min=0), metavar="N",
              help="Processes that read images; default 0 on a CPU, 8 for a GPU.")  # fmt: skip
@click.option("--tensorboard", is_flag=True, help="Write events for TensorBoard, too.")
@options.plugin_option
def run(
    *,
    recipe: str,
    then: Sequence[str],
    pretrained: Path | None,
    smoke: bool,
    overrides: Sequence[str],
    seeds: int,
    seed: int,
    output: Path | None,
    resume: Literal["auto", "never"],
    allow_processes_change: bool,
    data: Mapping[str, str],
    download: bool,
    device: str,
    loaders: int | None,
    tensorboard: bool,
    plugins: tuple[Path, ...],
    **subject: Any,
) -> None:
    """Train under RECIPE; keep weights, log, results and a model card of every run.

    Whatever interrupts it, the same command goes on from the last checkpoint, to the same weights bit for
    bit. Started twice at once, the two share the runs. On several GPUs: torchrun --nproc-per-node N -m
    uninas_bench train ...
    """
    from rich.console import Console

    from uninas_bench.cli.train_progress import training_progress
    from uninas_bench.data.download import download_images
    from uninas_bench.training.hand_over import jobs_of, train_all
    from uninas_bench.training.loop.distributed import processes_from_environment
    from uninas_bench.training.recipes.chain import load_chain
    from uninas_bench.training.run import Settings

    candidates = subject["candidates"]
    output = output or (candidates.parent if candidates else None)
    if output is None:
        raise UserError("--output DIR: where are the runs to be kept?")
    host = options.host_with(plugins)
    chain = load_chain((recipe, *then), overrides, smoke)
    trainees = chosen_trainees(host, **subject)
    jobs = jobs_of(trainees, range(seed, seed + seeds))
    with processes_from_environment(device) as processes:
        if download:
            if processes.is_first:
                for name in dict.fromkeys(one.data.dataset for one in chain):
                    download_images(name, host.data, data)
            processes.barrier()
        if loaders is None:
            loaders = _GPU_LOADERS if processes.device.type == "cuda" else 0
        console = Console(highlight=False, quiet=not processes.is_first)
        with training_progress(console, Console(stderr=True, highlight=False), len(jobs)) as progress:
            outcomes = train_all(
                jobs,
                chain,
                output=output,
                processes=processes,
                settings=Settings(
                    data=data, loader_workers=loaders, smoke=smoke, resume=resume, tensorboard=tensorboard,
                    allow_processes_change=allow_processes_change,
                ),
                host=host,
                pretrained=pretrained,
                progress=progress.update,
                finished=progress.finished,
            )  # fmt: skip
        if processes.is_first:
            _conclude(outcomes, output, console)


command.add_command(run)


def _conclude(outcomes: Sequence[Outcome], output: Path, console: Console) -> None:
    """The table of this command's runs, and what to do with them; a failed one makes the exit code 2."""
    from uninas_bench.report.tables import terminal_table
    from uninas_bench.report.trainings import rows_of, training_columns, training_notes

    done = [result for outcome in outcomes for result in outcome.results]
    if done:
        console.print()
        console.print(terminal_table(training_columns(done), [False] * len(rows_of(done))), crop=False)
        for note in training_notes(done):
            console.print(note, style="dim", soft_wrap=True, markup=False)
        console.print(
            f"runs in {output} · all of them again: uninas-bench train results {output} · for a leaderboard: "
            f"--ground-truth FILE.csv.gz",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    failed = [outcome for outcome in outcomes if outcome.failure]
    for outcome in failed:
        console.print(
            f"failed: {outcome.job.trainee}, seed {outcome.job.seed}: {outcome.failure}",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    if failed:
        raise UserError(f"{len(failed)} of {len(outcomes)} trainings failed; the others are kept")
