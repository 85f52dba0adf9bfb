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
        host=f"{platform.node()} {platform.system()} {platform.machine()}",
        device=device,
        workers=workers,
    )


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
