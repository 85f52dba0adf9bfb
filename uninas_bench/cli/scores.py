"""``uninas-bench scores``: what the score store holds, as a listing, as a file, or packed for a board."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uninas_bench.cli.listing import show
from uninas_bench.cli.options import (
    chosen_proxies,
    data_option,
    deliver,
    host_with,
    json_option,
    output_option,
    plugin_option,
    proxies_option,
    sample_option,
    scale_option,
    seed_option,
    set_option,
    space_option,
    store_option,
    stored_scores,
    task_option,
)
from uninas_bench.errors import UserError
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.cells import Configuration
    from uninas_bench.store.contract import Columns, ScoreStore

_KINDS = ("csv", "json", "parquet")


@click.group("scores")
def command() -> None:
    """List, export or pack the stored scores."""


@command.command("list")
@space_option
@task_option
@proxies_option
@scale_option
@store_option
@json_option
def list_(
    *,
    space: str | None,
    task: str | None,
    proxies: tuple[str, ...] | None,
    scale: dict[str, str],
    store: str | None,
    as_json: bool,
) -> None:
    """List what is stored: one row per proxy, task and seed."""
    with stored_scores(store) as scores:
        rows: list[dict[str, Any]] = []
        if scores is not None:
            wanted = _wanted(scores, space, task, proxies, scale)
            for configuration, columns in scores.columns(wanted).items():
                rows.append(
                    {
                        "space": configuration.space,
                        "scale": configuration.scale,
                        "task": configuration.dataset,
                        "proxy": configuration.proxy,
                        "version": configuration.proxy_version,
                        "settings": configuration.settings,
                        "seed": configuration.seed,
                        "architectures": len(columns.cells),
                        "failed": int((columns.cells["status"] != "ok").sum()),
                    }
                )
    show(rows, as_json=as_json, empty="no scores are stored")


@command.command("export")
@space_option
@task_option
@proxies_option
@scale_option
@store_option
@click.option(
    "--format", "kind", type=click.Choice(_KINDS), help="Default: by the name of the output, else csv."
)
@output_option
def export(
    *,
    space: str | None,
    task: str | None,
    proxies: tuple[str, ...] | None,
    scale: dict[str, str],
    store: str | None,
    kind: str | None,
    output: Path | None,
) -> None:
    """Export component values with settings, seed, versions and provenance: one row per value."""
    if kind is None:
        suffix = output.suffix.lstrip(".") if output is not None else ""
        kind = suffix if suffix in _KINDS else "csv"
    if kind == "parquet" and output is None:
        raise UserError("--format parquet: needs --output FILE, since it is no text")
    with stored_scores(store, must_exist=True) as scores:
        if scores is None:
            raise UserError("no scores are stored; uninas-bench leaderboard computes some")
        frame = _long_frame(scores, _wanted(scores, space, task, proxies, scale))
    if kind == "csv":
        deliver(frame.to_csv(index=False), output)
    elif kind == "json":
        deliver(frame.to_json(orient="records", indent=1, double_precision=15), output)
    else:
        _write_parquet(frame, output)


@command.command("pack")
@click.option("--ground-truth", metavar="NAME|FILE", required=True, help="Whose architectures were scored.")
@proxies_option
@set_option
@data_option
@sample_option
@seed_option
@store_option
@plugin_option
@click.option(
    "--output", metavar="FILE", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="The file, such as NAME.csv.gz.",
)  # fmt: skip
def pack(
    *,
    ground_truth: str,
    proxies: tuple[str, ...] | None,
    settings: dict[str, dict[str, str]],
    data: dict[str, str],
    sample: int | None,
    seed: int,
    store: str | None,
    plugins: tuple[Path, ...],
    output: Path,
) -> None:
    """Pack the stored scores of a table's architectures into a file that boards read without computing.

    Without --proxies: all whose scores are complete. Nothing is computed.
    """
    from uninas_bench.ground_truth.catalogue import find_ground_truth
    from uninas_bench.packing import pack as run

    host = host_with(plugins)
    table = find_ground_truth(ground_truth, host=host)
    chosen = None if proxies is None and not settings else chosen_proxies(host, proxies, settings)
    with stored_scores(store, must_exist=True) as scores:
        assert scores is not None
        info, size = run(
            scores, table, output, host=host, proxies=chosen, sample=sample, seed=seed, data=data
        )
    count = len(table) if sample is None else sample
    click.echo(
        f"wrote {output}: {count * len(info.proxies):,} scores, "
        f"{count:,} architectures x {len(info.proxies)} proxies, {size:,} bytes"
    )


def _wanted(
    store: ScoreStore,
    space: str | None,
    task: str | None,
    proxies: tuple[str, ...] | None,
    scale: dict[str, str],
) -> list[Configuration]:
    dataset = find_task(task).dataset if task is not None else None
    every = store.configurations()
    known = {configuration.proxy for configuration in every}
    for proxy in proxies or ():
        if proxy not in known:
            raise UserError(
                f'no stored scores of proxy "{proxy}" (stored: {", ".join(sorted(known)) or "none"})'
            )
    return [
        configuration
        for configuration in every
        if space in {None, configuration.space}
        and dataset in {None, configuration.dataset}
        and (proxies is None or configuration.proxy in proxies)
        and scale.items() <= dict(part.split("=") for part in configuration.scale.split(",")).items()
    ]


def _long_frame(store: ScoreStore, configurations: list[Configuration]) -> pd.DataFrame:
    """One row per value; a failed cell has a row per component of its proxy, without a value."""
    import pandas as pd

    runs = pd.DataFrame(
        [
            {
                "run": run.id,
                "started": run.started,
                **asdict(run.provenance),
                "plugins": " ".join(run.provenance.plugins),
            }
            for run in store.runs()
        ]
    )
    frames = [
        _melted(configuration, columns) for configuration, columns in store.columns(configurations).items()
    ]
    if not frames:
        raise UserError("no stored scores match; uninas-bench scores list shows what there is")
    return pd.concat(frames, ignore_index=True).merge(runs, on="run", how="left")


def _melted(configuration: Configuration, columns: Columns) -> pd.DataFrame:
    import pandas as pd

    key = {("task" if name == "dataset" else name): value for name, value in asdict(configuration).items()}
    parts = []
    for component in columns.values.columns if len(columns.values.columns) else [configuration.proxy]:
        part = columns.cells.copy()
        values = columns.values[component] if component in columns.values else float("nan")
        part.insert(0, "component", component)
        part.insert(1, "value", values)
        parts.append(part)
    frame = pd.concat(parts).rename_axis("architecture").reset_index()
    for position, (name, value) in enumerate(key.items()):
        frame.insert(position, name, value)
    return frame


def _write_parquet(frame: pd.DataFrame, output: Path | None) -> None:
    try:
        frame.to_parquet(output, index=False)
    except ImportError:
        raise UserError("parquet needs pyarrow: pip install 'uninas-bench[parquet]'") from None
    except OSError as error:
        raise UserError(f"--output {output}: {error.strerror or error}") from None
    click.echo(f"wrote {output}", err=True)
