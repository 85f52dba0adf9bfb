"""Scales whose parameters are numbers, lists of numbers such as ``64:128:256:512``, or one of some words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import ClassVar, Self

from uninas_bench.errors import UnknownName, UserError
from uninas_bench.space import Scale

_LARGEST = 99_999


@dataclass(frozen=True, slots=True, kw_only=True)
class ListScale(Scale):
    """A subclass gives every field a default: an integer, a tuple of integers, or a word.

    Attributes:
        words: what each field that is a word can be.
    """

    words: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __post_init__(self) -> None:
        for field in fields(self):
            self._check(field)

    def _check(self, field: Field[object]) -> None:
        value, default = getattr(self, field.name), field.default
        if isinstance(default, str):
            known = self.words[field.name]
            fits, expected = value in known, f"one of {', '.join(known)}"
        elif isinstance(default, tuple):
            fits = isinstance(value, tuple) and len(value) == len(default) and all(map(_is_count, value))
            expected = f"{len(default)} integers of at least 1, as in {field.name}={_joined(default)}"
        else:
            fits, expected = _is_count(value), "an integer of at least 1"
        if not fits:
            raise UserError(f"scale {field.name}={_joined(value)}: expected {expected}")

    def __str__(self) -> str:
        return ",".join(f"{field.name}={_joined(getattr(self, field.name))}" for field in fields(self))

    def updated(self, overrides: Mapping[str, object]) -> Self:
        """A copy with some parameters replaced: numbers, sequences of numbers, words, or texts of either.

        Raises:
            UserError: an unknown parameter, or a value that it cannot have.
        """
        defaults = {field.name: field.default for field in fields(self)}
        values: dict[str, object] = {}
        for name, value in overrides.items():
            if name not in defaults:
                raise UnknownName("scale parameter", name, defaults)
            if isinstance(defaults[name], tuple):
                parts = value if isinstance(value, tuple | list) else str(value).split(":")
                values[name] = tuple(map(_number, parts))
            else:
                values[name] = value if isinstance(defaults[name], str) else _number(value)
        return replace(self, **values)


def _number(value: object) -> object:
    """The integer of a text; whatever else it is goes through, to be refused."""
    text = str(value).strip()
    return int(text) if text.isdecimal() and len(text) <= len(str(_LARGEST)) else value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST


def _joined(value: object) -> str:
    return ":".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
