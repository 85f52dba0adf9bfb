"""The state of a fit on disk, written whole or not at all: a fit may be killed at any moment."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from uninas_bench import FitContext

FILE = "supernet.pt"


def save(context: FitContext, state: dict[str, Any]) -> None:
    """Write tensors and plain values to the fit's folder; a reader meets the old file or the new one."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    context.write(FILE, buffer.getvalue())


def load(folder: Path) -> dict[str, Any] | None:
    """What `save` wrote, without running any code that the file may carry; None where there is no file."""
    if not (folder / FILE).exists():
        return None
    found: dict[str, Any] = torch.load(folder / FILE, map_location="cpu", weights_only=True)
    return found
