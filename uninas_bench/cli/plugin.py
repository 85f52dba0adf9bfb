"""`uninas-bench plugin`: what an author of a proxy needs, from the first file to a checked distribution."""

from __future__ import annotations

import click

from uninas_bench.cli.plugin_check import check
from uninas_bench.cli.plugin_new import new


@click.group("plugin")
def command() -> None:
    """Write a plugin of your own: begin a distribution, check its proxies."""


command.add_command(check)
command.add_command(new)
