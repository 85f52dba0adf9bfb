"""`uninas-bench ground-truth`: import, list, show and verify tables of accuracies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uninas_bench.cli.building import build
from uninas_bench.cli.options import host_with, json_option, plugin_option, scale_option
from uninas_bench.cli.table_sheets import compare, sheet
from uninas_bench.cli.verifying import verify
from uninas_bench.errors import InvalidFile, UserError

if TYPE_CHECKING:
    from uninas_bench.ground_truth.noise import NoiseCeiling
    from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo


@click.group("ground-truth")
def command() -> None:
    """Tables of measured accuracies: import, list, show, describe, compare, verify, build."""


for _each in (build, compare, sheet, verify):
    command.add_command(_each)


def _read_columns(
    _context: click.Context, _parameter: click.Parameter, texts: Sequence[str]
) -> dict[str, str]:
    columns = {}
    for text in texts:
        ours, equals, theirs = text.partition("=")
        if not equals or not ours or not theirs:
            raise UserError(f"--column {text}: expected ours=theirs, as in accuracy=cifar10_test_acc_200ep")
        columns[ours.strip()] = theirs.strip()
    return columns


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--space", metavar="SPACE", help="Space of the architectures; official files know theirs.")
@click.option("--task", metavar="TASK", help="Task; of an official file, import this one alone.")
@scale_option
@click.option("--name", metavar="NAME", help="Name of the table; default SPACE-TASK.")
@click.option(
    "--column", "columns", metavar="OURS=THEIRS", multiple=True, callback=_read_columns,
    help="The file's name for architecture, accuracy, seed, count or loss; may be given several times.",
)  # fmt: skip
@click.option(
    "--count", type=click.IntRange(min=1), help="Trainings behind each row, where no column says it."
)
@click.option("--protocol", metavar="TEXT", help="How the accuracies were measured.")
@click.option("--replace", "replace_existing", is_flag=True, help="Overwrite an imported table of that name.")
@plugin_option
def import_(
    *,
    file: Path,
    space: str | None,
    task: str | None,
    scale: Mapping[str, str],
    name: str | None,
    columns: Mapping[str, str],
    count: int | None,
    protocol: str | None,
    replace_existing: bool,
    plugins: Sequence[Path],
) -> None:
    """Import FILE: NATS-Bench, NAS-Bench-201, or anybody's CSV or Parquet.

    NATS-Bench is read from its folder ...-simple or its single file, NAS-Bench-201 from its .pth. They are
    pickles, of which only plain data is loaded; anything else is refused. Prefer the folder: it takes little
    memory, the single file of NATS-Bench about 10 GB and that of NAS-Bench-201 up to 30 GB.

    Any other table needs --space and --task, a column architecture (or arch_str, arch_index) and a column
    accuracy in percent; seed, count and loss are optional.
    """
    from uninas_bench.ground_truth.importing import import_file

    host = host_with(plugins)
    if scale and space is None:
        raise UserError("--scale needs --space")
    chosen = host.space(space) if space is not None else None
    if chosen is not None and scale:
        chosen = chosen.scaled(**scale)
    done = import_file(
        file, space=chosen, task=task, name=name, columns=columns, count=count, protocol=protocol,
        replace_existing=replace_existing, host=host,
    )  # fmt: skip
    click.echo(f"read {file}: sha256 {done.sha256}")
    if done.note:
        click.echo(f"  {done.note}")
    for table, path in done.tables:
        click.echo(f"{table.info.name}: {_summary(table)}")
        click.echo(f"  {path}")


@command.command("list")
@json_option
@plugin_option
def list_(as_json: bool, plugins: Sequence[Path]) -> None:
    """List the tables: those that come with this package, imported ones, those of plugins."""
    from uninas_bench.ground_truth.catalogue import all_entries

    infos: list[GroundTruthInfo] = []
    faults: list[str] = []
    for entry in all_entries(host_with(plugins)).values():
        try:
            infos.append(entry.info())
        except InvalidFile as error:
            faults.append(str(error))
    if as_json:
        click.echo(json.dumps([asdict(info) for info in infos], indent=2))
    elif infos:
        click.echo(_aligned([("name", "space", "scale", "task"), *_listed(infos)]))
    else:
        click.echo("no table; add one: uninas-bench ground-truth import FILE --space SPACE --task TASK")
    for fault in faults:
        click.echo(f"warning: {fault}", err=True)


@command.command("show")
@click.argument("name")
@click.option("--task", metavar="TASK", help="Task, where NAME is a space.")
@json_option
@plugin_option
def show(name: str, task: str | None, as_json: bool, plugins: Sequence[Path]) -> None:
    """Show what the table NAME (or a file) holds, its noise ceiling and where it comes from."""
    from uninas_bench.ground_truth.catalogue import find_ground_truth
    from uninas_bench.ground_truth.noise import noise_ceiling

    table = find_ground_truth(name, task, host_with(plugins))
    facts = _facts(table, noise_ceiling(table))
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    ceiling = facts.pop("noise_ceiling")
    del facts["trainings_each"]
    if facts.pop("training") is not None:
        facts["trained_again_by"] = f"uninas-bench ground-truth verify {table.info.name} --retrain 2"
    facts["seeds"] = _seeds_text(table).removeprefix("seeds ")
    rows = [(key.replace("_", " "), _text(value)) for key, value in facts.items()]
    click.echo(_aligned([*rows, ("noise ceiling", _ceiling_text(ceiling))]))


def _summary(table: GroundTruth) -> str:
    accuracies = table.accuracies()
    return (
        f"{len(table):,} architectures, {_seeds_text(table)}, accuracy {accuracies.min():.2f} to "
        f"{accuracies.max():.2f}, {_chance(table)} at chance level"
    )


def _chance(table: GroundTruth) -> int | str:
    try:
        return int(table.chance_level.sum())
    except UserError:
        return "an unknown number"


def _seeds_text(table: GroundTruth) -> str:
    counts = table.counts()
    if table.seeds == ("mean",):
        if not counts.max():
            return "means of an unknown number of seeds"
        return f"means of {_span(int(counts.min()), int(counts.max()))} seeds"
    return f"seeds {', '.join(table.seeds)} ({_span(int(counts.min()), int(counts.max()))} each)"


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _facts(table: GroundTruth, ceiling: NoiseCeiling | None) -> dict[str, Any]:
    accuracies = table.accuracies()
    best = str(accuracies.idxmax())
    return {
        **asdict(table.info),
        "architectures": len(table),
        "rows": len(table.rows),
        "seeds": list(table.seeds),
        "trainings_each": [int(table.counts().min()), int(table.counts().max())],
        "accuracy": [float(accuracies.min()), float(accuracies.median()), float(accuracies.max())],
        "best": best,
        "chance_level": _chance(table),
        "noise_ceiling": asdict(ceiling) if ceiling else None,
    }


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(f"{item:.2f}" if isinstance(item, float) else str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _ceiling_text(ceiling: Mapping[str, float] | None) -> str:
    if ceiling is None:
        return "unknown: it takes at least two seeds per architecture"
    return (
        f"tau {ceiling['split_half']:.3f} [{ceiling['low']:.3f}, {ceiling['high']:.3f}] between halves of "
        f"{ceiling['seeds']} seeds; estimated for a perfect proxy {ceiling['corrected']:.3f} "
        f"[{ceiling['corrected_low']:.3f}, {ceiling['corrected_high']:.3f}]; "
        f"{ceiling['architectures']:,} architectures, {ceiling['splits']} splits"
    )


def _listed(infos: Sequence[GroundTruthInfo]) -> list[tuple[str, ...]]:
    return [(info.name, info.space, info.scale, info.task) for info in infos]


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
