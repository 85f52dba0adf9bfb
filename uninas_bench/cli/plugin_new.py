"""`uninas-bench plugin new`: a complete distribution with one proxy, to begin with."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from uninas_bench.scaffold.distribution import (
    LICENSES,
    Distribution,
    License,
    check_name,
    whole_folder,
    write_distribution,
)


@click.command("new")
@click.argument("name")
@click.option(
    "--output", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="The new folder; default uninas-bench-NAME here.",
)  # fmt: skip
@click.option(
    "--license",
    "license_",
    type=click.Choice(LICENSES),
    default="MIT",
    show_default=True,
    help="Of the code.",
)
@click.option("--author", metavar="TEXT", help="Who holds the copyright; default the authors of NAME.")
@click.option(
    "--no-baseline", is_flag=True, help="Do not score architectures now; record the baseline later."
)
def new(name: str, *, output: Path | None, license_: License, author: str | None, no_baseline: bool) -> None:
    """Begin a plugin: module, test, baseline, CI, licence, in a folder that is not there yet.

    The proxy in it works. Replace what it computes by your own.
    """
    from uninas_bench.host import default_host

    check_name(name, default_host().proxies)
    distribution = Distribution(name, author or f"the authors of {name}", license_)
    folder = output if output is not None else Path(distribution.distribution)
    with whole_folder(folder) as filled:
        write_distribution(distribution, filled)
        if not no_baseline:
            _record(distribution, filled)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        click.echo(path)
    click.echo(
        f"\nnext: cd {folder} && python -m pip install --editable . pytest && pytest && "
        f"uninas-bench plugin check {name}"
    )


def _record(distribution: Distribution, folder: Path) -> None:
    """Record the baseline with the new module as a plugin file: nothing is installed yet."""
    from uninas_bench.baseline.files import write_baseline
    from uninas_bench.baseline.recording import record
    from uninas_bench.host import build_host
    from uninas_bench.scaffold.distribution import SAMPLE, TABLE

    file, name = folder / distribution.baseline, distribution.name
    with tempfile.TemporaryDirectory(prefix="uninas-bench-new-") as scratch:
        # A copy is imported: Python keeps compiled files beside a module.
        source = Path(scratch) / f"{distribution.module}.py"
        shutil.copyfile(folder / distribution.source, source)
        host = build_host([source])
        found = record(file, host=host, ground_truth=TABLE, proxies=[name, "params", "flops"], sample=SAMPLE)
    # Once it is installed, the plugin has the name of its entry point, not that of a file.
    rows = (replace(row, plugin=name) if row.name == name else row for row in found.proxies)
    write_baseline(replace(found, proxies=tuple(rows)), file)
