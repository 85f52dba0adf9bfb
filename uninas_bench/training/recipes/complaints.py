"""What pydantic has against a recipe, as one line for whoever wrote it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import get_args

from pydantic import ValidationError

from uninas_bench.training.recipes.recipe import Recipe, Section


def complaint(error: ValidationError) -> str:
    """The first of pydantic's complaints: the field as a file has it, its value, and what would be right."""
    first = error.errors(include_url=False)[0]
    section, *inner = map(str, first["loc"])
    known, inner = _fields(section, inner)
    path, kind = ".".join([section, *inner]), first["type"]
    if kind == "extra_forbidden":
        return f'no field "{path}"{near(inner[-1] if inner else section, known)}'
    if kind == "missing" and len(inner) < 2:
        return f'"{path}" is missing; a recipe states all its sections and fields'
    if kind == "union_tag_not_found":
        return f'"{path}.kind" is missing'
    if kind == "union_tag_invalid":
        return f'{path}.kind = "{first["ctx"]["tag"]}": expected one of {first["ctx"]["expected_tags"]}'
    return f"{path} = {json.dumps(first['input'], default=str)}: {first['msg'].lower()}"


def _fields(section: str, inner: list[str]) -> tuple[Iterable[str], list[str]]:
    """The fields of a section, and the location in it as the file has it.

    Pydantic names the chosen alternative of a union (``head.linear.smoothing``), which no file does.
    """
    if not inner or section not in Recipe.model_fields:
        return Recipe.model_fields, inner
    annotation = Recipe.model_fields[section].annotation
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation.model_fields, inner
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, Section) and inner[0] in _tags(part):
            return part.model_fields, inner[1:]
    return (), inner


def _tags(part: type[Section]) -> tuple[str, ...]:
    return get_args(part.model_fields["kind"].annotation)


def near(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: the nearest that is, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f'; did you mean "{close[0]}"?' if close else f" (known: {', '.join(names)})"
