"""The file of a plan: what was measured, what was made of it, and the choice."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.budget.planning import BudgetPlan

FORMAT = "uninas-bench probe plan 1"


def write_plan(plan: BudgetPlan, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    text = json.dumps({"format": FORMAT, **asdict(plan)}, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_plan(path: Path) -> BudgetPlan:
    """What `write_plan` wrote.

    Raises:
        UserError: there is no such file, or it is another: one line, with the field.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise UserError(
                f'{path}: expected a file of format "{FORMAT}", as uninas-bench probes plan writes it'
            )
        return TypeAdapter(BudgetPlan).validate_json(text, strict=True)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {' '.join(str(error).split())}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text by way of a temporary file beside it.

    Raises:
        UserError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
