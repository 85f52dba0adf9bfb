"""The plugin host: built-ins, entry points loaded one by one, and single files; failures are data."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pluggy

from uninas_bench import hookspecs
from uninas_bench.errors import PluginError, UnknownName, UserError

if TYPE_CHECKING:
    from uninas_bench.data.source import ImageSource
    from uninas_bench.executors.executor import ExecutorFactory
    from uninas_bench.ground_truth.table import GroundTruthEntry
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace

GROUP = "uninas_bench"
_log = logging.getLogger(__name__)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One plugin as the host met it.

    ``reason`` is empty for a plugin that works; else it says why it does not, in one line.
    """

    name: str
    origin: str
    hooks: tuple[str, ...] = ()
    reason: str = ""


class Host:
    """Everything that plugins registered, looked up by name."""

    def __init__(self, plugins: tuple[PluginInfo, ...], manager: pluggy.PluginManager) -> None:
        self._plugins = list(plugins)
        self.manager = manager

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every plugin that was found, the broken ones with their reason."""
        return tuple(self._plugins)

    @property
    def failures(self) -> tuple[PluginInfo, ...]:
        """The plugins that could not be loaded, or whose hook raised."""
        return tuple(plugin for plugin in self._plugins if plugin.reason)

    @cached_property
    def spaces(self) -> Mapping[str, SearchSpace]:
        """Search spaces by name, at their default scale."""
        return self._collect("uninas_bench_spaces", "search space")

    @cached_property
    def proxies(self) -> Mapping[str, Proxy]:
        """Proxies by name, with their default settings."""
        return self._collect("uninas_bench_proxies", "proxy")

    @cached_property
    def data(self) -> Mapping[str, ImageSource]:
        """Image sources by the data set that they hold."""
        return self._collect("uninas_bench_data", "image source")

    @cached_property
    def ground_truths(self) -> Mapping[str, GroundTruthEntry]:
        """Ground-truth tables by name, not yet loaded."""
        return self._collect("uninas_bench_ground_truth", "ground truth")

    @cached_property
    def executors(self) -> Mapping[str, ExecutorFactory]:
        """Executors by name."""
        return self._collect("uninas_bench_executors", "executor")

    def space(self, name: str) -> SearchSpace:
        """The space of that name; raises `UnknownName` with the nearest one."""
        return _find(self.spaces, "search space", name, "uninas-bench spaces")

    def proxy(self, name: str) -> Proxy:
        """The proxy of that name; raises `UnknownName` with the nearest one."""
        return _find(self.proxies, "proxy", name, "uninas-bench proxies")

    def _collect(self, hook: str, kind: str) -> dict[str, Any]:
        """Call one hook plugin by plugin, so that one that raises does not silence the others."""
        things: dict[str, Any] = {}
        owners: dict[str, str] = {}
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            owner = implementation.plugin_name
            try:
                found: list[_Named] = list(implementation.function())
                for thing in found:
                    if thing.name in things:
                        raise PluginError(f'{kind} "{thing.name}" is already registered by {owners[thing.name]}')
                    things[thing.name] = thing
                    owners[thing.name] = owner
            except Exception as error:
                self._plugins.append(PluginInfo(owner, hook, reason=_reason(error)))
                _log.warning("plugin %s: %s", owner, _reason(error))
        return things


def build_host(files: Iterable[str | Path] = ()) -> Host:
    """A host with the built-ins, every installed plugin and the plugin ``files``.

    The environment variable ``UNINAS_BENCH_DISABLE_PLUGINS=a,b`` blocks entry points by name before they are
    imported; ``UNINAS_BENCH_TRACE_PLUGINS=1`` prints every hook call.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    if os.environ.get("UNINAS_BENCH_TRACE_PLUGINS"):
        manager.trace.root.setwriter(sys.stderr.write)
        manager.enable_tracing()
    plugins: list[PluginInfo] = []

    def add(name: str, origin: str, load: Callable[[], Any]) -> None:
        try:
            plugin = load()
            manager.register(plugin, name)
            try:
                manager.check_pending()
            except pluggy.PluginValidationError:
                manager.unregister(name=name)
                raise
        except UserError:
            raise
        except Exception as error:
            plugins.append(PluginInfo(name, origin, reason=_reason(error)))
            _log.warning("plugin %s (%s): %s", name, origin, _reason(error))
            return
        hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin) or ()))
        plugins.append(PluginInfo(name, origin, hooks))

    add("builtin", "uninas_bench", lambda: importlib.import_module("uninas_bench.builtin"))
    blocked = {name.strip() for name in os.environ.get("UNINAS_BENCH_DISABLE_PLUGINS", "").split(",")}
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
        if entry.name in blocked:
            manager.set_blocked(entry.name)
            plugins.append(PluginInfo(entry.name, origin, reason="blocked by UNINAS_BENCH_DISABLE_PLUGINS"))
        else:
            add(entry.name, origin, entry.load)
    for file in files:
        path = Path(file)
        if not path.is_file():
            raise UserError(f"--plugin {file}: no such file")
        add(path.stem, str(path), lambda path=path: load_file(path))  # type: ignore[misc]
    return Host(tuple(plugins), manager)


def load_file(path: Path) -> ModuleType:
    """Import one Python file as a plugin module, under a name of its own."""
    name = f"uninas_bench_plugin_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def default_host() -> Host:
    """The host without plugin files, built once per process."""
    return build_host()


def _find(things: Mapping[str, _Thing], kind: str, name: str, listing: str) -> _Thing:
    if name not in things:
        raise UnknownName(kind, name, things, listing)
    return things[name]


def _reason(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def proxy_of_file(path: Path) -> Proxy:
    """The only proxy of a plugin file; raises `UserError` when there is none, or more than one."""
    proxies = list(load_file(path).uninas_bench_proxies()) if path.is_file() else []
    if len(proxies) != 1:
        raise UserError(f"{path}: expected a plugin file with one proxy, found {len(proxies)}")
    found: Proxy = proxies[0]
    return found
