"""``uninas-bench architecture``: everything that is known about one architecture."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uninas_bench.cli.options import (
    chosen_space,
    host_with,
    json_option,
    plugin_option,
    scale_option,
    store_option,
    stored_scores,
    task_option,
)
from uninas_bench.errors import UserError
from uninas_bench.space import LISTABLE
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    from uninas_bench.architecture import Architecture, Task
    from uninas_bench.host import Host
    from uninas_bench.space import SearchSpace
    from uninas_bench.store.contract import ScoreStore

_log = logging.getLogger(__name__)
_CONVENTIONS = {"macs": "multiply-accumulates"}


@click.group("architecture")
def command() -> None:
    """Look at a single architecture."""


@command.command("show")
@click.argument("space")
@click.argument("architecture")
@task_option
@scale_option
@store_option
@plugin_option
@json_option
def show(
    *,
    space: str,
    architecture: str,
    task: str | None,
    scale: dict[str, str],
    store: str | None,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Show spellings, canonical class, costs, accuracies and stored scores of an ARCHITECTURE of a SPACE.

    ARCHITECTURE is any spelling that the space reads: its string, its official index, a tuple.
    """
    host = host_with(plugins)
    found = chosen_space(host, space, scale)
    point = found.parse(architecture)
    tasks = found.tasks if task is None else (find_task(task),)
    only_task = None if task is None else find_task(task)
    scale_text = str(found.scale) if scale else None
    with stored_scores(store) as scores:
        facts = {
            "architecture": str(point),
            "scale": str(found.scale),
            "spellings": _spellings(found, point),
            "class": _canonical_class(found, point),
            "costs": _costs(found, point, tasks),
            "accuracies": list(_accuracies(host, point, only_task, scale_text)),
            "scores": list(_scores(scores, point, only_task, scale_text)),
        }
    click.echo(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else _text(facts))


def _spellings(space: SearchSpace, point: Architecture) -> dict[str, str]:
    """What `parse` accepts besides the string."""
    return {form: text for form, text in space.spellings(point).items() if text != point.encoding}


def _canonical_class(space: SearchSpace, point: Architecture) -> dict[str, Any]:
    """The class that computes the same function; numbered as they are enumerated, where that ends soon."""
    canonical = space.canonical(point)
    if space.size is None or space.size > LISTABLE:
        return {"canonical": canonical}
    members: dict[str, int] = {}
    for other in space.enumerate():
        other_class = space.canonical(other)
        members[other_class] = members.get(other_class, 0) + 1
    number = list(members).index(canonical) + 1
    return {
        "canonical": canonical,
        "number": number,
        "classes": len(members),
        "members": members[canonical],
    }


def _costs(space: SearchSpace, point: Architecture, tasks: Sequence[Task]) -> list[dict[str, Any]]:
    return [
        {"task": task.name, "params": costs.params, "flops": costs.flops, "convention": costs.convention}
        for task in tasks
        for costs in [space.costs(point, task)]
    ]


def _accuracies(
    host: Host, point: Architecture, task: Task | None, scale: str | None
) -> Iterator[dict[str, Any]]:
    from uninas_bench.ground_truth.catalogue import all_entries

    for entry in all_entries(host).values():
        try:
            info = entry.info()
        except UserError as error:
            _log.warning("%s", error)
            continue
        if info.space != point.space or scale not in {None, info.scale}:
            continue
        if task is not None and info.task != task.name:
            continue
        rows = entry.load().rows
        mine = rows[rows["architecture"] == point.encoding]
        if len(mine):
            counts = mine["count"].clip(lower=1)
            yield {
                "task": info.task,
                "accuracy": float((mine["accuracy"] * counts).sum() / counts.sum()),
                "trainings": int(mine["count"].sum()),
                "table": info.name,
                "scale": info.scale,
                "source": info.source,
            }


def _scores(
    store: ScoreStore | None, point: Architecture, task: Task | None, scale: str | None
) -> Iterator[dict[str, Any]]:
    if store is None:
        return
    configurations = [
        configuration
        for configuration in store.configurations()
        if configuration.space == point.space
        and scale in {None, configuration.scale}
        and (task is None or configuration.dataset == task.dataset)
    ]
    for configuration, columns in store.columns(configurations, [point.encoding]).items():
        for cell, values in zip(
            columns.cells.itertuples(), columns.values.itertuples(index=False), strict=True
        ):
            found = {
                name: value
                for name, value in zip(columns.values.columns, values, strict=True)
                if not math.isnan(value)
            }
            yield {
                "proxy": configuration.proxy,
                "version": configuration.proxy_version,
                "components": found,
                "status": str(cell.status),
                "message": str(cell.message),
                "seed": configuration.seed,
                "task": configuration.dataset,
                "scale": configuration.scale,
                "settings": configuration.settings,
            }


def _text(facts: dict[str, Any]) -> str:
    kind = facts["class"]
    group = (
        f"{kind['number']} of {kind['classes']} (shared by {kind['members']} encodings)"
        if "number" in kind
        else kind["canonical"]
    )
    sections = {
        "scale": [facts["scale"]],
        **{form: [text] for form, text in facts["spellings"].items()},
        "class": [group],
        "costs": [_cost_line(row) for row in facts["costs"]],
        "accuracy": [_accuracy_line(row) for row in facts["accuracies"]] or ["none known"],
        "scores": [line for row in facts["scores"] for line in _score_lines(row)] or ["none stored"],
    }
    width = max(map(len, sections)) + 2
    lines = [facts["architecture"]]
    for name, texts in sections.items():
        lines += [f"  {name if i == 0 else '':{width}}{text}" for i, text in enumerate(texts)]
    return "\n".join(lines)


def _cost_line(row: dict[str, Any]) -> str:
    convention = _CONVENTIONS.get(row["convention"], row["convention"])
    return f"{row['task']:16}params {row['params']:,} · FLOPs {row['flops'] / 1e6:,.2f} M ({convention})"


def _accuracy_line(row: dict[str, Any]) -> str:
    trainings = f"{row['trainings']} trainings" if row["trainings"] else "trainings unknown"
    origin = f"table {row['table']}, {row['scale']}; {row['source']}"
    return f"{row['task']:16}{row['accuracy']:.2f} % ({trainings}; {origin})"


def _score_lines(row: dict[str, Any]) -> list[str]:
    version = f"{row['proxy']} v{row['version']}"
    made_with = ", ".join((version, f"seed {row['seed']}", row["task"], row["scale"], row["settings"]))
    lines = []
    for component, value in row["components"].items():
        name = row["proxy"] if component == row["proxy"] else f"{row['proxy']}.{component}"
        lines.append(f"{name} {value:.6g} ({made_with})")
    if row["status"] != "ok":
        lines.append(f"{row['proxy']} {row['status']}: {row['message']} ({made_with})")
    return lines
