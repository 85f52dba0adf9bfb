"""The plugin host: built-ins, entry points loaded one by one, and single files; failures are data."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pluggy

from uninas_bench import hookspecs
from uninas_bench.errors import PluginError, UnknownName, UserError
from uninas_bench.registration import check

if TYPE_CHECKING:
    import click

    from uninas_bench.data.source import ImageSource
    from uninas_bench.executors.executor import ExecutorFactory
    from uninas_bench.ground_truth.table import GroundTruthEntry
    from uninas_bench.proxy import Proxy
    from uninas_bench.reproduce.kind import TableKind
    from uninas_bench.space import SearchSpace

GROUP = "uninas_bench"
DISTRIBUTION = "uninas-bench"
_MARKED = f"{GROUP}_impl"
_log = logging.getLogger(__name__)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One plugin as the host met it.

    ``reason`` is empty for a plugin that works; else it says in one line why it, or a part of it, does not.
    ``blocked`` means that the user wants it so.
    """

    name: str
    origin: str
    hooks: tuple[str, ...] = ()
    reason: str = ""
    blocked: bool = False


class Host:
    """Everything that plugins registered, looked up by name."""

    def __init__(self, plugins: Iterable[PluginInfo], manager: pluggy.PluginManager) -> None:
        self._plugins = {plugin.name: plugin for plugin in plugins}
        self._owners: dict[tuple[str, str], str] = {}
        self.manager = manager

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every plugin that was found, the broken ones with their reason."""
        return tuple(self._plugins.values())

    @property
    def failures(self) -> tuple[PluginInfo, ...]:
        """The plugins that could not be loaded, or whose hook raised."""
        return tuple(plugin for plugin in self.plugins if plugin.reason and not plugin.blocked)

    @cached_property
    def spaces(self) -> Mapping[str, SearchSpace]:
        """Search spaces by name, at their default scale."""
        return self._collect("uninas_bench_spaces", "search space")

    @cached_property
    def proxies(self) -> Mapping[str, Proxy]:
        """Proxies by name, with their default settings; those whose ``requires`` are lacking are left out."""
        proxies: dict[str, Proxy] = self._collect("uninas_bench_proxies", "proxy")
        while True:
            lacking = [
                (name, required)
                for name, proxy in proxies.items()
                for required in proxy.requires
                if required not in proxies
            ]
            if not lacking:
                return proxies
            for name, required in lacking:
                if proxies.pop(name, None) is not None:
                    reason = f'proxy "{name}" requires "{required}", which is not registered'
                    self._fail(self.owner("proxy", name), reason)

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

    @cached_property
    def recipes(self) -> Mapping[str, TableKind]:
        """Kinds of recipes of published tables by name."""
        return self._collect("uninas_bench_recipes", "kind of recipe")

    def space(self, name: str) -> SearchSpace:
        """The space of that name; raises `UnknownName` with the nearest one."""
        return _find(self.spaces, "search space", name, "uninas-bench spaces")

    def proxy(self, name: str) -> Proxy:
        """The proxy of that name; raises `UnknownName` with the nearest one."""
        return _find(self.proxies, "proxy", name, "uninas-bench proxies")

    def recipe_kind(self, name: str) -> TableKind:
        """The kind of recipe of that name; raises `UnknownName` with the nearest one."""
        if name not in self.recipes:
            raise UnknownName("kind of recipe", name, self.recipes)
        return self.recipes[name]

    def default_proxies(self) -> list[str]:
        """The names of all proxies but those that take part only when they are named."""
        return [name for name, proxy in self.proxies.items() if not proxy.on_request]

    def owner(self, kind: str, name: str) -> str:
        """The plugin that registered a thing: ``owner("proxy", "vkdnw")``."""
        return self._owners[kind, name]

    def add_commands(self, cli: click.Group) -> None:
        """Let every plugin add its commands to the command line."""
        for plugin in self._implementing("uninas_bench_commands"):
            try:
                self._call(plugin, "uninas_bench_commands", cli=cli)
            except Exception as error:
                self._fail(plugin, f"uninas_bench_commands: {_reason(error)}")

    def collect_all(self) -> None:
        """Call every hook, so that `plugins` knows every failure."""
        for things in ("spaces", "proxies", "data", "ground_truths", "executors", "recipes"):
            getattr(self, things)

    def _collect(self, hook: str, kind: str) -> dict[str, Any]:
        """Call one hook plugin by plugin, so that one that raises does not silence the others."""
        things: dict[str, Any] = {}
        for plugin in self._implementing(hook):
            try:
                answers = self._call(plugin, hook)
                if not answers:
                    raise PluginError("returned None; expected a list")
                for answer in answers:
                    for thing in answer:
                        check(hook, thing)
                        if thing.name in things:
                            taken = self.owner(kind, thing.name)
                            raise PluginError(f'{kind} "{thing.name}" is already registered by {taken}')
                        things[thing.name] = thing
                        self._owners[kind, thing.name] = plugin
            except Exception as error:
                self._fail(plugin, f"{hook}: {_reason(error)}")
        return things

    def _implementing(self, hook: str) -> list[str]:
        return [found.plugin_name for found in getattr(self.manager.hook, hook).get_hookimpls()]

    def _call(self, name: str, hook: str, **arguments: object) -> list[Any]:
        others = [plugin for other, plugin in self.manager.list_name_plugin() if other != name]
        answers: list[Any] = self.manager.subset_hook_caller(hook, others)(**arguments)
        return answers

    def _fail(self, name: str, reason: str) -> None:
        plugin = self._plugins[name]
        reasons = "; ".join(filter(None, (plugin.reason, reason)))
        self._plugins[name] = replace(plugin, reason=reasons)
        _log.warning("plugin %s: %s", name, reason)


def build_host(files: Iterable[str | Path] = (), modules: Iterable[str] = ()) -> Host:
    """A host with the built-ins, every installed plugin, the plugin ``files`` and importable ``modules``.

    The environment variable ``UNINAS_BENCH_DISABLE_PLUGINS=a,b`` blocks entry points by name before they are
    imported; ``UNINAS_BENCH_TRACE_PLUGINS=1`` writes every hook call and its answer to stderr.

    Raises:
        UserError: a plugin file that does not exist. A plugin that exists and is broken raises nothing.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    if os.environ.get("UNINAS_BENCH_TRACE_PLUGINS", "0") not in {"", "0"}:
        manager.add_hookcall_monitoring(lambda *_: None, _trace)
    blocked = {name.strip() for name in os.environ.get("UNINAS_BENCH_DISABLE_PLUGINS", "").split(",")}
    plugins = [_load(manager, "builtin", GROUP, lambda: importlib.import_module("uninas_bench.builtin"))]
    for entry in sorted(metadata.entry_points(group=GROUP), key=_own_first):
        origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
        if entry.name in blocked:
            reason = "blocked by UNINAS_BENCH_DISABLE_PLUGINS"
            plugins.append(PluginInfo(entry.name, origin, reason=reason, blocked=True))
        else:
            plugins.append(_load(manager, entry.name, origin, entry.load))
    for file in map(Path, files):
        if not file.is_file():
            raise UserError(f"--plugin {file}: no such file")
        plugins.append(_load(manager, str(file), "file", lambda file=file: load_file(file)))  # type: ignore[misc]
    plugins += [_load(manager, name, "module", partial(importlib.import_module, name)) for name in modules]
    return Host(plugins, manager)


def _own_first(entry: metadata.EntryPoint) -> tuple[bool, str]:
    """A name that is registered twice stays with its first owner: nobody takes a name from the built-ins."""
    return entry.dist is None or entry.dist.name != DISTRIBUTION, entry.name


def _load(manager: pluggy.PluginManager, name: str, origin: str, load: Callable[[], Any]) -> PluginInfo:
    if manager.has_plugin(name):
        return _broken(f"{name} ({origin})", origin, PluginError(f'the plugin name "{name}" is taken'))
    try:
        plugin = load()
        _check_marks(plugin)
        manager.register(plugin, name)
        callers = manager.get_hookcallers(plugin) or []
        try:
            manager.check_pending()
        except pluggy.PluginValidationError:
            unknown = [caller.name for caller in callers if not caller.has_spec()]
            raise UnknownName("hook", unknown[0], _hook_names()) from None
    except (Exception, SystemExit) as error:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        return _broken(name, origin, error)
    return PluginInfo(name, origin, tuple(sorted(caller.name for caller in callers)))


def _broken(name: str, origin: str, error: BaseException) -> PluginInfo:
    _log.warning("plugin %s (%s): %s", name, origin, _reason(error))
    return PluginInfo(name, origin, reason=_reason(error))


def _check_marks(plugin: Any) -> None:
    """A hook without its mark would be ignored in silence; so would a plugin without any hook."""
    functions = inspect.getmembers(plugin, inspect.isroutine)
    for name, function in functions:
        if name.startswith(f"{GROUP}_") and not hasattr(function, _MARKED):
            raise PluginError(f"{name} lacks @hookimpl")
    if not any(hasattr(function, _MARKED) for _, function in functions):
        raise PluginError(f"it implements no hook; known: {', '.join(_hook_names())}")


def _hook_names() -> list[str]:
    return [name for name in hookspecs.__all__ if name.startswith(f"{GROUP}_")]


def _trace(
    outcome: pluggy.Result[Any], hook: str, implementations: Sequence[pluggy.HookImpl], _arguments: object
) -> None:
    answer = repr(outcome.exception) if outcome.exception is not None else repr(outcome.get_result())
    owners = ",".join(found.plugin_name for found in implementations)
    sys.stderr.write(f"trace: {owners}: {hook} -> {answer}\n")


def load_file(path: Path) -> ModuleType:
    """Import one Python file as a plugin module, under a name of its own.

    Other processes get what it defines by value, since they cannot import it by name.
    """
    import cloudpickle

    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"uninas_bench_file_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Known by name while it runs: dataclasses and pydantic read the annotations of settings there.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    cloudpickle.register_pickle_by_value(module)
    return module


@lru_cache(maxsize=1)
def default_host() -> Host:
    """The host without plugin files, built once per process."""
    return build_host()


def proxy_of_file(path: Path) -> Proxy:
    """The only proxy of a plugin file; raises `UserError` when there is none, or more than one."""
    host = build_host([path])
    proxies = [proxy for name, proxy in host.proxies.items() if host.owner("proxy", name) == str(path)]
    broken = [plugin.reason for plugin in host.failures if plugin.name == str(path)]
    if broken:
        raise PluginError(f"{path}: {broken[0]}")
    if len(proxies) != 1:
        raise UserError(f"{path}: expected a plugin file with one proxy, found {len(proxies)}")
    return proxies[0]


def _find(things: Mapping[str, _Thing], kind: str, name: str, listing: str) -> _Thing:
    if name not in things:
        raise UnknownName(kind, name, things, listing)
    return things[name]


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
