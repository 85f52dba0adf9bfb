"""A baseline as a JSON file: readable, diffable, one line of scores per proxy, checked when it is read."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uninas_bench.baseline.model import Baseline
from uninas_bench.errors import InvalidFile
from uninas_bench.whole_files import write_whole

FORMAT = "uninas-bench baseline"
SCHEMA = 1


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Write a file; equal baselines give equal bytes.

    Scores are written in full, so that "equal" means equal to the last bit.

    Raises:
        UserError: it cannot be written.
    """
    values = {"format": FORMAT, "schema": SCHEMA, **asdict(baseline)}
    # The usual indentation would give every score a line of its own.
    proxies = ",\n".join(
        f"  {json.dumps(row, ensure_ascii=False, allow_nan=False)}" for row in values.pop("proxies")
    )
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
    write_whole(path, f'{text},\n "proxies": [\n{proxies}\n ]\n}}\n'.encode())


def read_baseline(path: Path) -> Baseline:
    """Read and check a file.

    Raises:
        InvalidFile: it is missing, no baseline, damaged, or of a newer format.
    """
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidFile(
            f"{path}: no such file; make one: uninas-bench baseline record --output {path}"
        ) from None
    except (OSError, ValueError) as error:
        raise InvalidFile(f"{path}: cannot be read as JSON: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise InvalidFile(f'{path}: no baseline: expected "format": "{FORMAT}"')
    schema = values.pop("schema", None)
    if schema != SCHEMA:
        raise InvalidFile(
            f"{path}: a baseline of format {schema}; this version of uninas-bench reads format {SCHEMA}"
        )
    return _checked(path, values)


def _checked(path: Path, values: dict[str, Any]) -> Baseline:
    from pydantic import TypeAdapter, ValidationError

    try:
        baseline = TypeAdapter(Baseline).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidFile(f"{path}: {where}: {first['msg'][0].lower()}{first['msg'][1:]}") from None
    count = len(baseline.architectures)
    if count < 2 or len(set(baseline.architectures)) < count:
        raise InvalidFile(f"{path}: architectures: expected 2 or more, each once")
    if not baseline.proxies:
        raise InvalidFile(f"{path}: proxies: there is none")
    names = [proxy.name for proxy in baseline.proxies]
    for proxy in baseline.proxies:
        if names.count(proxy.name) > 1:
            raise InvalidFile(f"{path}: proxy {proxy.name} occurs twice")
        if len(proxy.scores) != count:
            raise InvalidFile(
                f"{path}: proxy {proxy.name} has {len(proxy.scores)} scores for {count} architectures"
            )
    return baseline
