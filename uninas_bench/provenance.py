"""What a run is made with, gathered without importing the libraries it names."""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.store.contract import Provenance
from uninas_bench.version import __version__

if TYPE_CHECKING:
    from uninas_bench.host import Host


def provenance(host: Host, *, command: str | None, device: str, workers: int) -> Provenance:
    """The versions and the place of this process; ``command`` defaults to its command line."""
    return Provenance(
        package=__version__,
        python=platform.python_version(),
        torch=_version("torch"),
        numpy=_version("numpy"),
        plugins=tuple(sorted({plugin.origin for plugin in host.plugins if not plugin.reason})),
        commit=_commit(),
        command=shlex.join(sys.argv) if command is None else command,
        host=f"{platform.node()} {platform.system()} {platform.machine()}, {processor()}",
        device=device,
        workers=workers,
    )


def made_with(made: Provenance) -> str:
    """The libraries and the processor or device that numbers depend on beyond their seeds.

    Where two runs have the same text, the same cell gives the same digits; another processor adds in
    another order.
    """
    device = made.host.partition(", ")[2] if made.device == "cpu" else made.device
    return f"torch {made.torch}, numpy {made.numpy}, {device or 'processor unknown'}"


def processor() -> str:
    """Maker, family, model and stepping, where the system tells them; else what Python knows."""
    names = {"vendor_id": "", "cpu family": "", "model": "", "stepping": ""}
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                name, colon, value = line.partition(":")
                if not colon:
                    break  # The first of several equal processors is enough.
                if name.strip() in names:
                    names[name.strip()] = value.strip()
    except OSError:
        pass
    if all(names.values()):
        vendor, *numbers = names.values()
        return f"{vendor} {'-'.join(numbers)}"
    return platform.processor() or platform.machine()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    """The commit of the checkout that this package runs from, ``-dirty`` where it has changes."""
    checkout = Path(__file__).resolve().parent.parent
    git = shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return ""
    command = [git, "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()
