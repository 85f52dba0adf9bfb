"""timm's strings of RandAugment, checked early: timm itself passes over parts it does not know."""

from __future__ import annotations

import re

from uninas_bench.errors import UserError

_PARTS = {
    "mstd": r"\d+(\.\d+)?",
    "mmax": r"[1-9]\d*",
    "inc": r"[01]",
    "m": r"\d+",
    "n": r"[1-9]\d*",
    "p": r"0(\.\d+)?|1(\.0+)?",
    "t": r"weights|3aw?",
}
"""Names of parts, the longer ones first, and their values."""


def check_policy(policy: str) -> None:
    """Pass over RandAugment in timm's notation, ``rand-m15-n2-mstd0.5``, and over the empty string.

    Raises:
        UserError: something else; the message names the part that is wrong.
    """
    if not policy:
        return
    kind, *parts = policy.split("-")
    if kind != "rand":
        raise UserError(f'policy "{policy}": expected RandAugment, as in rand-m15-n2-mstd0.5, or nothing')
    seen: set[str] = set()
    for part in parts:
        name = next((name for name in _PARTS if part.startswith(name)), None)
        if name is None or not re.fullmatch(_PARTS[name], part.removeprefix(name)):
            raise UserError(
                f'policy "{policy}": "{part}" is no part of it; there are m15 (magnitude), n2 (operations), '
                "p0.5 (their probability), mstd0.5 (noise), mmax30 (largest magnitude), inc1 (all grow with "
                "the magnitude), tweights, t3a and t3aw (other sets)"
            )
        if name in seen:
            raise UserError(f'policy "{policy}": {name} is given twice')
        seen.add(name)
