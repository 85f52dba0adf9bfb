"""The command line: one module per command, imported when its command runs."""

from __future__ import annotations

import click

from uninas_bench.cli.group import CommandLine
from uninas_bench.version import __version__

COMMANDS = {
    "architecture": "uninas_bench.cli.architecture",
    "baseline": "uninas_bench.cli.baseline",
    "draw": "uninas_bench.cli.draw",
    "ground-truth": "uninas_bench.cli.ground_truth",
    "leaderboard": "uninas_bench.cli.leaderboard",
    "plot": "uninas_bench.cli.plot",
    "plugin": "uninas_bench.cli.plugin",
    "plugins": "uninas_bench.cli.plugins",
    "proxies": "uninas_bench.cli.proxies",
    "report": "uninas_bench.cli.report",
    "reproduce": "uninas_bench.cli.reproduce",
    "scores": "uninas_bench.cli.scores",
    "search": "uninas_bench.cli.search",
    "spaces": "uninas_bench.cli.spaces",
    "train": "uninas_bench.cli.train",
    "walk": "uninas_bench.cli.walk",
}
"""Every command of the harness: its name and the module that holds it as ``command``."""


@click.group(
    "uninas-bench",
    cls=CommandLine,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="uninas-bench", message="%(prog)s %(version)s")
def main() -> None:
    """Benchmark proxies of neural architecture search against measured accuracies.

    Without arguments, `leaderboard` ranks every installed proxy on the embedded table.
    """


__all__ = ["COMMANDS", "main"]
