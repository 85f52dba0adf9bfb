"""Round numbers along an axis, and how they are written."""

from __future__ import annotations

import math

from uninas_bench.report.plots.scatter import Axis

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def ticks(axis: Axis, about: int = 4) -> list[tuple[float, str]]:
    """Values on the axis with their texts: about that many, at least two where the axis has them."""
    return _decades(axis, about) if axis.scaling == "log" else _even(axis, about)


def _even(axis: Axis, about: int) -> list[tuple[float, str]]:
    raw = (axis.high - axis.low) / max(about, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in _STEPS if factor * magnitude >= raw * 0.999)
    first = math.ceil(axis.low / step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if step * 10**digits % 1 > 1e-6 and step * 10**digits % 1 < 1 - 1e-6:
        digits += 1
    return [(i * step, plain(i * step, digits)) for i in range(first, last + 1)]


def _decades(axis: Axis, about: int) -> list[tuple[float, str]]:
    low, high = math.log10(axis.low), math.log10(axis.high)
    powers = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
    if len(powers) > about:
        step = max(1, math.ceil(len(powers) / (about + 1)))
        return [(10.0**power, _power(power)) for power in powers[::step]]
    factors = (1.0, 2.0, 5.0) if len(powers) < 3 else (1.0,)
    found = [
        (factor * 10.0**power, _power(power) if factor == 1 else plain(factor * 10.0**power, max(0, -power)))
        for power in range(math.floor(low), math.ceil(high) + 1)
        for factor in factors
    ]
    return [(value, text) for value, text in found if axis.low <= value <= axis.high]


def plain(value: float, digits: int) -> str:
    """A number as short as it may be: ``12k``, ``1.5M`` for large ones, a true minus sign."""
    size = abs(value)
    for least, divisor, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if size >= least and digits == 0:
            text = f"{value / divisor:.3g}{letter}"
            break
    else:
        text = f"{value:.{digits}f}" if digits < 5 else f"{value:.1e}"
    return text.replace("-", "\N{MINUS SIGN}") if value else text.lstrip("-")


def _power(power: int) -> str:
    if -3 <= power <= 3:
        return plain(10.0**power, max(0, -power))
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}"
