"""Names for how much of a network is of one kind, the same in every space: boards look at each alone."""

from __future__ import annotations


def share_name(part: int, whole: int) -> str:
    """``none``, ``up to half`` or ``over half`` of ``whole``."""
    if part == 0:
        return "none"
    return "up to half" if 2 * part <= whole else "over half"
