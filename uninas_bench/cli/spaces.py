"""``uninas-bench spaces``: the search spaces that are installed."""

from __future__ import annotations

from pathlib import Path

import click

from uninas_bench.cli.listing import show
from uninas_bench.cli.options import host_with, json_option, plugin_option


@click.command("spaces")
@plugin_option
@json_option
def command(plugins: tuple[Path, ...], as_json: bool) -> None:
    """List the search spaces: size, default scale, tasks."""
    host = host_with(plugins)
    rows = [
        {
            "name": name,
            "version": space.version,
            "architectures": space.size if space.size is not None else "without end",
            "scale": str(space.scale),
            "tasks": [task.name for task in space.tasks],
            "plugin": host.owner("search space", name),
        }
        for name, space in sorted(host.spaces.items())
    ]
    show(rows, as_json=as_json, empty="no search space is installed")
