"""`uninas-bench probes`: the micro-probes to look at, to plan and to search with."""

from __future__ import annotations

import importlib

import click

MODULES = {
    "plan": "uninas_bench_plugins._micro_probes.commands.plan",
    "search": "uninas_bench_plugins._micro_probes.commands.search",
    "show": "uninas_bench_plugins._micro_probes.commands.show",
    "subsets": "uninas_bench_plugins._micro_probes.commands.subsets",
}
"""Every command and the module that holds it as ``command``, imported when it runs."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULES:
            return None
        command: click.Command = importlib.import_module(MODULES[cmd_name]).command
        return command


@click.group("probes", cls=_Commands)
def probes() -> None:
    """Look at the micro-probes, plan what they may cost, search with them."""
