"""Several recipes for one command, each with its own share of what a user overrides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.errors import UserError
from uninas_bench.training.recipes.reading import ALIASES, load_recipe

if TYPE_CHECKING:
    from uninas_bench.training.recipes.recipe import Recipe


def load_chain(recipes: Sequence[str | Path], overrides: Sequence[str], smoke: bool) -> list[Recipe]:
    """The recipes with their overrides.

    Args:
        recipes: names or .toml files.
        overrides: ``schedule.epochs=30`` is meant for all of them, ``detection.schedule.epochs=30`` for the
            one of that name (or the file of that stem).
        smoke: their short forms.

    Raises:
        UserError: an unknown recipe, a wrong override, or one recipe twice.
    """
    stems = [ALIASES.get(stem, stem) for stem in (Path(recipe).stem for recipe in recipes)]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise UserError(f"recipe {twice} is named twice")
    chain = []
    for recipe, stem in zip(recipes, stems, strict=True):
        own = []
        for text in overrides:
            first, _, rest = text.partition(".")
            first = ALIASES.get(first, first)
            if first == stem:
                own.append(rest)
            elif first not in stems:
                own.append(text)
        chain.append(load_recipe(recipe, own, smoke))
    return chain
