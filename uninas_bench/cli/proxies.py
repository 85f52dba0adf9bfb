"""``uninas-bench proxies``: the proxies that are installed."""

from __future__ import annotations

from pathlib import Path

import click

from uninas_bench.cli.listing import show
from uninas_bench.cli.options import host_with, json_option, plugin_option


@click.command("proxies")
@plugin_option
@json_option
def command(plugins: tuple[Path, ...], as_json: bool) -> None:
    """List the proxies: components, needs, settings and where each comes from."""
    host = host_with(plugins)
    rows = [
        {
            "name": name,
            "version": proxy.version,
            "components": list(proxy.components) or [f"from {required}" for required in proxy.requires],
            "needs": sorted(proxy.needs),
            "settings": str(proxy.settings),
            "plugin": host.owner("proxy", name),
            "reference": proxy.reference,
        }
        for name, proxy in sorted(host.proxies.items())
    ]
    show(rows, as_json=as_json, empty="no proxy is installed")
