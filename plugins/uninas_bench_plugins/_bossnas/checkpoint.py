"""Files that are written whole or not at all, so that a fit can be killed at any moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values; a reader meets the old file or the new one."""
    replace_by(path, lambda part: torch.save(state, part))


def load(path: Path) -> dict[str, Any] | None:
    """What `save` wrote, without running any code that the file may carry; None where there is no file."""
    if not path.exists():
        return None
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def replace_by(path: Path, write: Any) -> None:
    """Let ``write`` make a file beside ``path`` and put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
