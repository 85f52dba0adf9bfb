"""Send functions and objects to another process, those that it could not import included."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import cloudpickle

_Cached = type(lru_cache(len))


def ship(thing: Any, by_value: Sequence[ModuleType] = ()) -> bytes:
    """The bytes of a thing; `pickle.loads` in a fresh process of this installation gives it back.

    What is defined in a notebook or in ``__main__`` travels by value, and so does what is defined in the
    modules ``by_value``: see `modules_by_value`. A function under `functools.lru_cache` arrives with an empty
    cache.
    """
    file = io.BytesIO()
    for module in by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        _Pickler(file).dump(thing)
    finally:
        for module in by_value:
            cloudpickle.unregister_pickle_by_value(module)
    return file.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Cloudpickle knows the functions that another process cannot import, but not those under a cache."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, _Cached) and _is_by_value(thing):
            return _with_cache, (thing.__wrapped__, thing.cache_parameters())
        return super().reducer_override(thing)


def _with_cache(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return lru_cache(**parameters)(function)


def _is_by_value(function: Any) -> bool:
    module = function.__module__
    if module == "__main__" or "<locals>" in function.__qualname__:
        return True
    by_value = cloudpickle.list_registry_pickle_by_value()
    return any(module == name or module.startswith(f"{name}.") for name in by_value)


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
