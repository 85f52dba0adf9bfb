"""Durations as people write them."""

from __future__ import annotations

import re

from uninas_bench import UserError

_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|min|h)")


def read_duration(text: str) -> float:
    """Seconds of a text such as ``7s``, ``7.2s``, ``30min`` or ``1h``.

    Raises:
        UserError: a text that is no duration, or one of nothing.
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if seconds <= 0:
        raise UserError(f'duration "{text}": expected a time such as 7s, 500ms, 30min or 1h')
    return seconds


def duration_text(seconds: float) -> str:
    """A duration for people: ``7.2 s``, ``12.5 min``, ``1.4 h``."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"
