"""``uninas-bench plugins``: what is installed, and why a part of it does not work."""

from __future__ import annotations

from pathlib import Path

import click

from uninas_bench.cli.listing import show
from uninas_bench.cli.options import host_with, json_option, plugin_option
from uninas_bench.host import PluginInfo


@click.command("plugins")
@plugin_option
@json_option
def command(plugins: tuple[Path, ...], as_json: bool) -> None:
    """List the plugins with their hooks; a broken one with its reason."""
    host = host_with(plugins)
    host.collect_all()
    rows = [
        {
            "name": plugin.name,
            "from": plugin.origin,
            "state": _state(plugin),
            "hooks": [hook.removeprefix("uninas_bench_") for hook in plugin.hooks],
            "reason": plugin.reason,
        }
        for plugin in host.plugins
    ]
    show(rows, as_json=as_json)


def _state(plugin: PluginInfo) -> str:
    if plugin.blocked:
        return "blocked"
    return "broken" if plugin.reason else "ok"
