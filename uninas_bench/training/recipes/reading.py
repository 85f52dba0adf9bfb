"""Recipes from their TOML files, with overrides; every mistake is one line that names file and field."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from uninas_bench.errors import InvalidFile, UnknownName, UserError
from uninas_bench.training.recipes.complaints import complaint, near
from uninas_bench.training.recipes.consistency import check_recipe, field_names, value_of
from uninas_bench.training.recipes.recipe import Recipe

ALIASES = {"imagenet1k": "classification", "coco": "detection", "ade20k": "segmentation"}
"""The recipes of UniNAS by their data sets."""
_SMOKE = ".smoke"
Table = dict[str, Any]


def recipe_names() -> tuple[str, ...]:
    """The recipes of this package, sorted."""
    stems = (
        entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml")
    )
    return tuple(sorted(stem for stem in stems if not stem.endswith(_SMOKE)))


def load_recipe(recipe: str | Path, overrides: Sequence[str] = (), smoke: bool = False) -> Recipe:
    """A recipe by name, or from a file that states every field.

    Args:
        recipe: one of `recipe_names`, one of `ALIASES`, or the path of a TOML file.
        overrides: ``section.field=VALUE``; the value as TOML, where bare words are texts.
        smoke: lay the fields of the ``.smoke.toml`` file beside it over the recipe: a minute at most, to see
            that everything works.

    Raises:
        UnknownName: there is no such recipe.
        InvalidFile: a file is no TOML, or lacks a field, or has one too many, or a value of another type.
        UserError: an override that is malformed or unknown, or values that do not go together.
    """
    file = _find(recipe)
    table = _table(file)
    sources = [str(recipe), *overrides]
    if smoke:
        above = _smoke_file(file)
        _lay_over(table, _table(above))
        sources.insert(1, above.name)
    for override in overrides:
        _override(table, override)
    where = " with ".join(sources)
    try:
        # TOML has arrays where a recipe has tuples; strict JSON is pydantic's mode that takes them.
        found = Recipe.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        raise InvalidFile(f"{where}: {complaint(error)}") from None
    try:
        check_recipe(found)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return found


def canonical_json(recipe: Recipe) -> str:
    """All fields, sorted by name, without spaces: equal texts for equal recipes."""
    return json.dumps(recipe.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def recipe_sha(recipe: Recipe) -> str:
    """The sha256 of `canonical_json`, in hexadecimal digits."""
    return hashlib.sha256(canonical_json(recipe).encode()).hexdigest()


def changed_fields(recipe: Recipe) -> tuple[str, ...]:
    """Dotted names of the fields that differ from this package's recipe of the same name, if there is one."""
    if recipe.name not in recipe_names():
        return ()
    published = load_recipe(recipe.name)
    return tuple(name for name in field_names(recipe) if value_of(recipe, name) != value_of(published, name))


def recipe_sentence(recipe: Recipe) -> str:
    """The protocol in one sentence, as results and tables state it, and what was changed in it."""
    data, schedule, run = recipe.data, recipe.schedule, recipe.run
    height, width = data.resolution
    images = f"{data.training_images} images of " if data.training_images else ""
    steps = f", at most {run.steps} steps" if run.steps else ""
    policy = getattr(recipe.augmentation, "policy", "")
    parts = [
        f"{schedule.epochs} epochs ({schedule.warm_up_epochs} of warm-up){steps}",
        f"{run.batch * run.accumulate} images per device and step",
        f"AdamW, {schedule.kind} rate {schedule.rate:g} per {schedule.rate_batch} images",
        f"weight decay {recipe.optimiser.weight_decay:g}",
        f"drop path {recipe.backbone.drop_path:g}",
    ]
    if policy:
        parts.append(policy)
    where = f"{recipe.kind} on {images}{data.dataset} at {height}x{width}"
    changed = changed_fields(recipe)
    but = f"; changed: {', '.join(changed)}" if changed else ""
    return f"{where}: {', '.join(parts)}; {recipe.source}{but}"


def _folder() -> Traversable:
    return files("uninas_bench.training") / "recipes"


def _find(recipe: str | Path) -> Traversable:
    if isinstance(recipe, Path) or recipe.endswith(".toml") or "/" in recipe:
        return Path(recipe)
    recipe = ALIASES.get(recipe, recipe)
    if recipe not in recipe_names():
        raise UnknownName("recipe", recipe, recipe_names())
    return _folder() / f"{recipe}.toml"


def _smoke_file(file: Traversable) -> Traversable:
    name = f"{file.name.removesuffix('.toml')}{_SMOKE}.toml"
    beside = file.with_name(name) if isinstance(file, Path) else _folder() / name
    if not beside.is_file():
        raise InvalidFile(f"{file}: has no smoke form; write {name} beside it with the fields that differ")
    return beside


def _table(file: Traversable) -> Table:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidFile(f"{file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidFile(f"{file}: not a text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidFile(f"{file}: not TOML: {error}") from None


def _lay_over(table: Table, upper: Mapping[str, Any]) -> None:
    for key, value in upper.items():
        if isinstance(value, Mapping) and isinstance(table.get(key), dict):
            _lay_over(table[key], value)
        else:
            table[key] = value


def _override(table: Table, override: str) -> None:
    """Set one field that the table has; what it means is checked with all the others."""
    path, equals, text = (part.strip() for part in override.partition("="))
    *sections, field = path.split(".")
    if not equals or not field:
        raise UserError(f'override "{override}": expected section.field=VALUE, as in schedule.epochs=10')
    at: Any = table
    for depth, section in enumerate(sections):
        at = at.get(section)
        if not isinstance(at, dict):
            name = ".".join(sections[: depth + 1])
            raise UserError(f'override "{override}": no section "{name}"{near(section, table)}')
    if isinstance(at.get(field), dict):
        raise UserError(
            f'override "{override}": {path} is a section; set its fields, as in {path}.FIELD=VALUE'
        )
    if field not in at:
        raise UserError(f'override "{override}": no field "{path}"{near(field, at)}')
    at[field] = _value(text)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
