"""Numbers as papers print them: a text has a value and, by its last digit, a rounding."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_FORM = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d+)(?:\.(?P<part>\d+))?(?:e(?P<power>[+-]?\d+))?(?P<unit>[kMGB]?)"
)
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}
_SLACK = 1e-9
"""Relative: .5 is no exact half of a last digit in binary."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a printed number can stand for.

    Attributes:
        value: the number.
        low, high: any number between them is rounded to the printed one; one is infinite for ``> 0``.
    """

    value: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` would be printed so."""
        slack = _SLACK * max(abs(self.value), 1.0)
        return self.low - slack <= value <= self.high + slack

    def meets(self, low: float, high: float) -> bool:
        """Whether an interval and what was printed have a number in common."""
        slack = _SLACK * max(abs(self.value), 1.0)
        return low <= self.high + slack and high >= self.low - slack


def read_printed(text: str) -> Printed | None:
    """``0.623``, ``24.8M``, ``9.0G``, ``3e-4`` or ``> 0``; None for any other text.

    >>> read_printed("24.8M")
    Printed(value=24800000.0, low=24750000.0, high=24850000.0)
    >>> read_printed("10 GPU days") is None
    True
    """
    stripped = text.strip()
    if stripped.startswith((">", "<")):
        found = read_printed(stripped[1:])
        if found is None:
            return None
        above = stripped[0] == ">"
        return Printed(found.value, found.value if above else -math.inf, math.inf if above else found.value)
    match = _FORM.fullmatch(stripped)
    if match is None:
        return None
    unit = _UNITS[match["unit"]] * 10.0 ** int(match["power"] or 0)
    number = float(f"{match['sign']}{match['whole']}.{match['part'] or '0'}") * unit
    half = 0.5 * 10.0 ** -len(match["part"] or "") * unit
    return Printed(number, number - half, number + half)
