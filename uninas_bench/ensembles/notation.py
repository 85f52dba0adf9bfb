"""What a user writes for an ensemble, ``mine = rank: 2*vkdnw - 0.5*flops``, and the value it names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self, get_args

from uninas_bench.errors import UnknownName, UserError

Kind = Literal["rank", "log-rank", "z", "tpe"]
KINDS: tuple[Kind, ...] = get_args(Kind)
VERSION = 1
"""Of all ensembles: raise it when a number can change."""
EXAMPLE = "rank: vkdnw + jacov - 0.5*flops"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SIGN = re.compile(r"[+-]")
_FACTOR = re.compile(r"(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)\s*\*")
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Term:
    """A member, the name of a proxy, and its coefficient."""

    member: str
    coefficient: float = 1.0


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Several proxies whose scores are combined into one over the population.

    Attributes:
        kind: ``rank``, ``log-rank`` and ``z`` are sums (see `combination.combine`); ``tpe`` finds the
            weights itself (see `cross_fitting.cross_fitted`).
        terms: at least two, of different members.
        name: of its row; default its notation.

    Raises:
        UserError: no such kind, or terms that make no ensemble.
    """

    kind: Kind
    terms: tuple[Term, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("kind of aggregate", self.kind, KINDS)
        if not self.name:
            object.__setattr__(self, "name", str(self))
        elif self.name != str(self) and not _NAME.fullmatch(self.name):
            raise UserError(f'aggregate "{self}": name "{self.name}": expected letters, digits, - and _')
        if len(self.terms) < 2:
            raise UserError(f'aggregate "{self}": expected at least two proxies, as in "{EXAMPLE}"')
        members = self.members
        twice = next((member for member in members if members.count(member) > 1), None)
        if twice is not None:
            raise UserError(f'aggregate "{self}": {twice} is in it twice')
        for term in self.terms:
            if not math.isfinite(term.coefficient) or term.coefficient == 0:
                raise UserError(f'aggregate "{self}": the coefficient of {term.member} is {term.coefficient}')
            if self.kind == "tpe" and term.coefficient != 1:
                raise UserError(
                    f'aggregate "{self}": tpe finds the coefficients itself; name the proxies alone, as in '
                    f'"tpe: {" + ".join(members)}"'
                )

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the proxies, in the order written."""
        return tuple(term.member for term in self.terms)

    @property
    def coefficients(self) -> tuple[float, ...]:
        """One per member."""
        return tuple(term.coefficient for term in self.terms)

    def __str__(self) -> str:
        """The notation without the name: ``rank: 2*vkdnw - flops``."""
        return f"{self.kind}: {_sum(self.terms)}"

    @classmethod
    def read(cls, text: str) -> Self:
        """``[NAME =] KIND: [NUMBER*]PROXY + ... - ...``.

        A name may hold a minus sign, so one that is meant as a minus has a space before it.

        Example:
            >>> Ensemble.read("mine = rank: 2*vkdnw - flops").coefficients
            (2.0, -1.0)

        Raises:
            UserError: with the position of the fault, counted from 1.
        """
        head, colon, _ = text.partition(":")
        if not colon:
            raise UserError(f'aggregate "{text}": expected KIND: PROXY + PROXY, as in "{EXAMPLE}"')
        name, equals, kind = head.rpartition("=")
        if equals and not _NAME.fullmatch(name.strip()):
            raise UserError(f'aggregate "{text}": name "{name.strip()}": expected letters, digits, - and _')
        if kind.strip() not in KINDS:
            raise UnknownName("kind of aggregate", kind.strip(), KINDS)
        terms = _terms(text, len(head) + 1)
        return cls(next(known for known in KINDS if known == kind.strip()), terms, name.strip())


def read_ensembles(entries: Iterable[str | Ensemble]) -> tuple[Ensemble, ...]:
    """Texts read, values as they are.

    Raises:
        UserError: a fault in one of them, or two of one name.
    """
    if isinstance(entries, str):
        raise UserError(f'aggregates="{entries}": expected a list')
    found: dict[str, Ensemble] = {}
    for entry in entries:
        ensemble = Ensemble.read(entry) if isinstance(entry, str) else entry
        if ensemble.name in found:
            raise UserError(f'aggregate "{ensemble.name}" is asked for twice; one of them needs another name')
        found[ensemble.name] = ensemble
    return tuple(found.values())


def _terms(text: str, at: int) -> tuple[Term, ...]:
    """The terms of ``text`` from ``at`` on."""
    terms: list[Term] = []
    at = _skip(text, at)
    while at < len(text):
        sign = _SIGN.match(text, at)
        if sign is None and terms:
            raise _fault(text, at, "+ or -")
        at = _skip(text, sign.end() if sign else at)
        factor = _FACTOR.match(text, at)
        at = _skip(text, factor.end() if factor else at)
        member = _NAME.match(text, at)
        if member is None:
            raise _fault(text, at, "a proxy")
        size = float(factor.group(1)) if factor else 1.0
        terms.append(Term(member.group(), -size if sign and sign.group() == "-" else size))
        at = _skip(text, member.end())
    if not terms:
        raise _fault(text, at, "a proxy")
    return tuple(terms)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _fault(text: str, at: int, expected: str) -> UserError:
    found = f'found "{text[at:].split(maxsplit=1)[0]}"' if text[at:].strip() else "found the end"
    return UserError(f'aggregate "{text}": expected {expected} at position {at + 1}, {found}')


def _sum(terms: tuple[Term, ...]) -> str:
    parts: list[str] = []
    for term in terms:
        size = abs(term.coefficient)
        factor = "" if size == 1 else f"{size!r}".removesuffix(".0") + "*"
        sign = "-" if term.coefficient < 0 else "+"
        if parts:
            parts.append(f"{sign} {factor}{term.member}")
        else:
            parts.append(f"{'-' if sign == '-' else ''}{factor}{term.member}")
    return " ".join(parts)
