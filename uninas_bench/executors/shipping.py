"""Send functions and objects to another process, those that it could not import included."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import cloudpickle


def ship(thing: Any, by_value: Sequence[ModuleType] = ()) -> bytes:
    """The bytes of a thing; `pickle.loads` in a fresh process of this installation gives it back.

    What is defined in a notebook or in ``__main__`` travels by value, and so does what is defined in the
    modules ``by_value``: see `modules_by_value`.
    """
    for module in by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        data: bytes = cloudpickle.dumps(thing)
    finally:
        for module in by_value:
            cloudpickle.unregister_pickle_by_value(module)
    return data


def modules_by_value() -> list[ModuleType]:
    """The loaded modules whose package no finder knows, as those loaded from a file by its path."""
    already = cloudpickle.list_registry_pickle_by_value()
    found: dict[str, bool] = {}
    modules = []
    for name, module in list(sys.modules.items()):
        package = name.partition(".")[0]
        if package not in found:
            found[package] = package == "__main__" or _is_findable(package)
        if not found[package] and isinstance(module, ModuleType) and module.__name__ not in already:
            modules.append(module)
    return modules


def _is_findable(package: str) -> bool:
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        if find_spec is not None and find_spec(package, None) is not None:
            return True
    return False
