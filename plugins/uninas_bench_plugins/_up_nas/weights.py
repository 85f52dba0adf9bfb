"""How much each proxy counts in the sum: the paper's four weightings, and a user's own."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from uninas_bench import UserError

SUM, TPE = "sum", "tpe"
_FILES = (".json", ".toml")
_TEXT = re.compile(r"[\w.\-]+:[^:+,]+(\+[\w.\-]+:[^:+,]+)*")


@cache
def published() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """What Tables 1 and 2 of the paper print: by ``table1``, the key of a column, and the name of a row."""
    file = Path(str(resources.files("uninas_bench_tables"))) / "published" / "up_nas.toml"
    with file.open("rb") as opened:
        tables = {table["name"]: table for table in tomllib.load(opened)["tables"]}
    return {
        f"table{name}": {
            column["key"]: {row["name"]: float(row["cells"][place]) for row in tables[name]["rows"]}
            for place, column in enumerate(tables[name]["columns"])
        }
        for name in ("1", "2")
    }


def published_weights() -> Mapping[str, Mapping[str, float]]:
    """Table 1: by the name of a weighting, the weight of each proxy."""
    return published()["table1"]


def paper_members() -> tuple[str, ...]:
    """The thirteen proxies of Table 1, in its order."""
    return tuple(published_weights()[SUM])


def inline(weights: str) -> str:
    """Weights as they stand in the settings: a weighting's name, or ``snip:-0.2+nwot:1.0``.

    Args:
        weights: either of these, or the name of a JSON or TOML file with one number for each proxy, which
            is read: scores are then told apart by the weights themselves, whatever becomes of the file.

    Raises:
        UserError: none of these.
    """
    if weights in (*published_weights(), TPE):
        return weights
    if weights.endswith(_FILES):
        found = read_weights(Path(weights))
    elif _TEXT.fullmatch(weights):
        pairs = [part.rpartition(":")[::2] for part in weights.split("+")]
        if len({name for name, _ in pairs}) < len(pairs):
            raise UserError(f"weights={weights}: a proxy is there twice")
        found = _checked("weights", dict(pairs))
    else:
        known = ", ".join((*published_weights(), TPE))
        raise UserError(
            f"weights={weights}: expected {known}, a .json or .toml file, or a text such as snip:-0.2+nwot:1"
        )
    return "+".join(f"{name}:{weight!r}" for name, weight in found.items())


def read_weights(path: Path) -> dict[str, float]:
    """The weights of a file: one object, or table, of a number for each proxy.

    Raises:
        UserError: the file is missing or malformed; naming it and the fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UserError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not content:
        raise UserError(f'{path}: expected one number for each proxy, such as {{"snip": -0.2, "nwot": 1}}')
    return _checked(str(path), content)


def write_weights(weights: Mapping[str, float], path: Path) -> None:
    """A JSON file that `read_weights` reads.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.write_text(json.dumps(dict(weights), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


def named(weights: str) -> dict[str, float] | None:
    """The weights of a text that `inline` gave; None for ``tpe``, whose weights are still to be found."""
    if weights == TPE:
        return None
    if weights in published_weights():
        return {name: float(weight) for name, weight in published_weights()[weights].items()}
    pairs = (part.rpartition(":")[::2] for part in weights.split("+"))
    return {name: float(weight) for name, weight in pairs}


def weights_of(weights: str, members: Sequence[str]) -> dict[str, float] | None:
    """The weight of every member, in their order; None for ``tpe``.

    With ``sum`` any proxy counts 1. One that a user's weights do not name counts 0.

    Raises:
        UserError: the weights name a proxy that is no member, or the paper has none for a member.
    """
    found = named(weights)
    if found is None:
        return None
    if weights == SUM:
        return dict.fromkeys(members, 1.0)
    if weights in published_weights():
        lacking = [name for name in members if name not in found]
        if lacking:
            raise UserError(
                f"weights={weights}: the paper has no weight for {', '.join(lacking)}; "
                "choose sum, tpe, or weights of your own"
            )
    for name, weight in found.items():
        # Of the paper's thirteen, a weighting leaves some out.
        if name not in members and (weight or weights not in published_weights()):
            close = get_close_matches(name, members, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            raise UserError(
                f'weights: {name}:{weight:g}: no proxy "{name}" among the members{hint} '
                f"(members: {', '.join(members)})"
            )
    return {name: found.get(name, 0.0) for name in members}


def _checked(where: str, content: Mapping[str, Any]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for name, value in content.items():
        try:
            weights[name] = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            weights[name] = math.nan
        if not math.isfinite(weights[name]):
            raise UserError(f"{where}: {name}: expected a finite number, got {value!r}")
        if not re.fullmatch(r"[\w.\-]+", name):
            raise UserError(f'{where}: "{name}": expected the name of a proxy')
    if not any(weights.values()):
        raise UserError(f"{where}: every weight is 0")
    return weights
