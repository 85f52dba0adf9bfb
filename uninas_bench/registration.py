"""What the host demands of the things that plugins register, so that a fault shows where it was made."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_args

from uninas_bench.errors import PluginError
from uninas_bench.proxy import Need, Proxy, Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SPACE_METHODS = (
    "scaled", "enumerate", "sample", "mutate", "parse", "spellings", "canonical", "costs", "build", "blocks",
)  # fmt: skip


def check(hook: str, thing: Any) -> None:
    """Raise `PluginError` in one line unless ``thing`` is what ``hook`` registers."""
    if inspect.isclass(thing):
        raise PluginError(f"{thing.__name__} is a class; return an instance of it: {thing.__name__}()")
    checks = {
        "uninas_bench_spaces": _check_space,
        "uninas_bench_proxies": _check_proxy,
        "uninas_bench_data": _check_images,
        "uninas_bench_ground_truth": _check_ground_truth,
        "uninas_bench_executors": _check_executor,
        "uninas_bench_recipes": _check_recipe,
    }
    checks[hook](thing)


def _check_name(kind: str, thing: Any) -> str:
    name = getattr(thing, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(
            f"{kind} {type(thing).__name__}: name is {name!r}; expected letters, digits, - and _"
        )
    return name


def _check_version(kind: str, name: str, thing: Any) -> None:
    version = getattr(thing, "version", None)
    if not isinstance(version, int) or version < 1:
        raise PluginError(f'{kind} "{name}": version is {version!r}; expected an integer of at least 1')


def _check_methods(kind: str, name: str, thing: Any, methods: tuple[str, ...]) -> None:
    missing = [method for method in methods if not callable(getattr(thing, method, None))]
    if missing:
        raise PluginError(f'{kind} "{name}": no method {", ".join(missing)}')


def _check_space(thing: Any) -> None:
    name = _check_name("search space", thing)
    _check_version("search space", name, thing)
    _check_methods("search space", name, thing, _SPACE_METHODS)
    missing = [attribute for attribute in ("scale", "size", "tasks") if not hasattr(thing, attribute)]
    if missing:
        raise PluginError(f'search space "{name}": no attribute {", ".join(missing)}')


def _check_proxy(thing: Any) -> None:
    if not isinstance(thing, Proxy):
        raise PluginError(f"{thing!r} is no Proxy; decorate a function with simple_proxy or subclass Proxy")
    name = _check_name("proxy", thing)
    _check_version("proxy", name, thing)
    unknown = set(thing.needs) - set(get_args(Need))
    if unknown:
        known = ", ".join(get_args(Need))
        raise PluginError(f'proxy "{name}": needs {", ".join(sorted(unknown))}; known: {known}')
    if not isinstance(thing.components, tuple) or not all(isinstance(part, str) for part in thing.components):
        raise PluginError(f'proxy "{name}": components is {thing.components!r}; expected a tuple of names')
    if not isinstance(thing.group, str):
        raise PluginError(f'proxy "{name}": group is {thing.group!r}; expected a text')
    if not isinstance(getattr(thing, "settings", None), Settings):
        raise PluginError(f'proxy "{name}": no settings; its __init__ must call super().__init__(settings)')
    kind = type(thing)
    if thing.components and kind.evaluate is Proxy.evaluate:
        raise PluginError(f'proxy "{name}": no method evaluate')
    if ("fit" in thing.needs) != (kind.fit is not Proxy.fit):
        raise PluginError(f'proxy "{name}": a method fit and "fit" in needs go together')
    if len(thing.components) != 1 and kind.aggregate is Proxy.aggregate:
        raise PluginError(
            f'proxy "{name}": no method aggregate, which {len(thing.components)} components need'
        )


def _check_images(thing: Any) -> None:
    name = _check_name("image source", thing)
    _check_methods("image source", name, thing, ("load",))
    # Not getattr: a fingerprint may read the files, and the listing of plugins must not.
    if inspect.getattr_static(thing, "fingerprint", None) is None:
        raise PluginError(f'image source "{name}": no fingerprint')


def _check_ground_truth(thing: Any) -> None:
    from uninas_bench.ground_truth.table import GroundTruthEntry

    if not isinstance(thing, GroundTruthEntry):
        raise PluginError(f"{thing!r} is no GroundTruthEntry")
    _check_name("ground truth", thing)


def _check_executor(thing: Any) -> None:
    from uninas_bench.executors.executor import ExecutorFactory

    if not isinstance(thing, ExecutorFactory):
        raise PluginError(f"{thing!r} is no ExecutorFactory")
    _check_name("executor", thing)


def _check_recipe(thing: Any) -> None:
    name = _check_name("kind of recipe", thing)
    _check_version("kind of recipe", name, thing)
    _check_methods("kind of recipe", name, thing, ("run", "check", "recipe", "row", "column"))
