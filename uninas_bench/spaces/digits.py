"""Encodings that are groups of digits, one digit a layer: ``5433 3230 0010 0000``."""

from __future__ import annotations

from collections.abc import Sequence

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.spaces.indexed import shown

_SEPARATORS = " \t-._,/|"


def are_digits(body: str, most: int) -> bool:
    """Whether a text is meant as digits of layers: in groups, or longer than an index below ``most``."""
    letters = body.strip(_SEPARATORS)
    grouped = any(separator in letters for separator in _SEPARATORS)
    digits = "".join(letters.translate(dict.fromkeys(map(ord, _SEPARATORS))))
    return digits.isdecimal() and digits.isascii() and (grouped or len(digits) > len(str(most - 1)))


def read_digits(space: str, body: str, offset: int, count: int, known: str) -> tuple[str, list[int]]:
    """The digits without what separates them, and the position (from 1) of each in the user's text.

    Args:
        space: named in errors.
        body: a text of which `are_digits` holds.
        offset: how much of the user's text stands in front of it.
        count: of the layers.
        known: the digits that exist.

    Raises:
        InvalidArchitecture: another number of digits, or one that does not exist.
    """
    found = [(letter, offset + place) for place, letter in enumerate(body, 1) if letter not in _SEPARATORS]
    for number, (letter, position) in enumerate(found, 1):
        if letter not in known:
            raise InvalidArchitecture(
                f"{space}: unknown digit {shown(letter)} at position {position} (layer {number}); "
                f"known: {', '.join(sorted(known))}"
            )
    if len(found) != count:
        raise InvalidArchitecture(f"{space}: expected {count} layers, got {len(found)}")
    return "".join(letter for letter, _ in found), [position for _, position in found]


def in_groups(digits: str, sizes: Sequence[int]) -> str:
    """The digits in groups of those sizes, separated by spaces."""
    groups, start = [], 0
    for size in sizes:
        groups.append(digits[start : start + size])
        start += size
    return " ".join(groups)
