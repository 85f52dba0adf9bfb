"""Send functions and objects to another process, those that it could not import included."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import cloudpickle


def ship(thing: Any) -> bytes:
    """The bytes of a thing; `pickle.loads` in a fresh process of this installation gives it back.

    What is defined in a notebook, in ``__main__`` or in a plugin file travels by value.
    """
    with _by_value():
        data: bytes = cloudpickle.dumps(thing)
    return data


@contextmanager
def _by_value() -> Iterator[None]:
    modules = _not_importable()
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _not_importable() -> list[ModuleType]:
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
