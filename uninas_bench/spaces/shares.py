"""Names for how much of a network is of one kind, the same in every space: boards look at each alone."""

from __future__ import annotations


def share_name(part: int, whole: int) -> str:
    """``0%``, ``1-50%`` or ``51-100%`` of ``whole``: these sort as the shares do."""
    if part == 0:
        return "0%"
    return "1-50%" if 2 * part <= whole else "51-100%"
