"""What an architecture may cost: ranges of parameters and FLOPs, and the texts that name them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Self

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.architecture import Costs

_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?|\.\d+)([kKMGT]?)")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and greatest parameters and FLOPs, both inclusive; None leaves a side open.

    FLOPs are in the convention of the space that prices the architecture.

    Raises:
        UserError: a negative number, or a minimum above its maximum: nothing could be within.
    """

    params_min: int | None = None
    params_max: int | None = None
    flops_min: int | None = None
    flops_max: int | None = None

    def __post_init__(self) -> None:
        for name in ("params", "flops"):
            low, high = self._range(name)
            if min(low or 0, high or 0) < 0:
                raise UserError(f"{name} {_range_text(low, high)}: expected numbers of at least 0")
            if low is not None and high is not None and low > high:
                raise UserError(
                    f"{name} {_range_text(low, high)}: the minimum exceeds the maximum, nothing is between"
                )

    def __str__(self) -> str:
        ranges = ((name, *self._range(name)) for name in ("params", "flops"))
        stated = [
            f"{name} {_range_text(low, high)}" for name, low, high in ranges if (low, high) != (None, None)
        ]
        return ", ".join(stated) or "no bounds"

    @classmethod
    def read(cls, params: str | None = None, flops: str | None = None) -> Self:
        """The bounds of two texts such as ``22M..27M``, ``..20G`` or ``6G..``; None leaves both sides open.

        Numbers may have decimals and one of the units k, M, G and T, powers of 1,000.

        Example:
            >>> Bounds.read(params="22M..27.5M", flops="..20G")
            Bounds(params_min=22000000, params_max=27500000, flops_min=None, flops_max=20000000000)

        Raises:
            UserError: a text that is no range, or a range that holds nothing.
        """
        return cls(*_read_range("params", params), *_read_range("flops", flops))

    def allows(self, costs: Costs) -> bool:
        """Whether both costs are within."""
        return _within(costs.params, self.params_min, self.params_max) and _within(
            costs.flops, self.flops_min, self.flops_max
        )

    def _range(self, name: str) -> tuple[int | None, int | None]:
        return getattr(self, f"{name}_min"), getattr(self, f"{name}_max")


def count_text(number: int) -> str:
    """A count as `Bounds.read` takes it, exact: 27500000 -> ``27.5M``."""
    for unit in "TGMk":
        if abs(number) >= _UNITS[unit]:
            return f"{(Decimal(number) / _UNITS[unit]).normalize():f}{unit}"
    return str(number)


def _within(value: int, low: int | None, high: int | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def _range_text(low: int | None, high: int | None) -> str:
    return "..".join("" if side is None else count_text(side) for side in (low, high))


def _read_range(name: str, text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    low, dots, high = (part.strip() for part in text.partition(".."))
    if not dots or not (low or high):
        raise UserError(f'{name} "{text}": expected a range such as 22M..27M, ..20G or 6G..')
    return _read_count(name, text, low), _read_count(name, text, high)


def _read_count(name: str, text: str, side: str) -> int | None:
    if not side:
        return None
    found = _NUMBER.fullmatch(side)
    value = Decimal(found[1]) * _UNITS[found[2]] if found else None
    if value is None or value != int(value):
        raise UserError(
            f'{name} "{text}": cannot read "{side}"; expected a count such as 27M, 1.5k or 20G '
            "(units k, M, G, T)"
        )
    return int(value)
