"""`uninas-bench plugin check`: the conformance kit on the proxies of a file, a module or a plugin."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uninas_bench.cli import options
from uninas_bench.errors import PluginError, UnknownName, UserError

if TYPE_CHECKING:
    from rich.status import Status

    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy

REGRESSION = 1


@click.command("check")
@click.argument("target", metavar="FILE|MODULE|PROXY")
@options.set_option
@options.ground_truth_option
@click.option(
    "--sample", metavar="N|all", default="60", show_default=True,
    callback=lambda _context, _parameter, text: 0 if text == "0" else options.read_sample(text),
    help="Architectures of that table, for direction and cost; 0 for neither.",
)  # fmt: skip
@options.seed_option
@options.workers_option
@click.option(
    "--allow", "allowed", metavar="CHECK", multiple=True,
    help="A check whose failure is only noted, such as disconnected; may be given several times.",
)  # fmt: skip
@options.plugin_option
@options.json_option
def check(
    target: str,
    *,
    settings: Mapping[str, Mapping[str, str]],
    ground_truth: str | None,
    sample: int | None,
    seed: int,
    workers: int,
    allowed: tuple[str, ...],
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Check proxies in words: determinism, side effects, failures, direction, cost.

    Takes a plugin file, an importable module, the name of a plugin or of a proxy. Exit code 1 when a check
    fails. A proxy that runs against accuracy is reported, and fails nothing.
    """
    host, proxies = find_proxies(target, plugins)
    names = [proxy.name for proxy in proxies]
    for name, values in settings.items():
        if name not in names:
            raise UserError(f"--set {name}.{next(iter(values))}: {name} is not among {', '.join(names)}")

    from rich.console import Console

    from uninas_bench.report.conformance import conformance_data, conformance_text
    from uninas_bench.testing.kit import TABLE, WORDS, check_proxy

    talk, reports = Console(stderr=True, highlight=False), []
    for proxy in proxies:
        chosen = proxy.with_settings(**settings.get(proxy.name, {}))
        with ExitStack() as stack:
            # A spinner only where somebody watches: a log would hold every one of its frames.
            status = stack.enter_context(talk.status(chosen.name)) if talk.is_terminal else None
            report = check_proxy(
                chosen, host, ground_truth=ground_truth or TABLE, sample=sample, seed=seed, workers=workers,
                allowed=allowed,
                started=_showing(status, chosen.name),
            )  # fmt: skip
        reports.append(report)
        if not as_json:
            click.echo(conformance_text(report, WORDS), nl=False)
    if as_json:
        click.echo(json.dumps([conformance_data(report) for report in reports], indent=2, ensure_ascii=False))
    if not all(report.passed for report in reports):
        click.get_current_context().exit(REGRESSION)


def _showing(status: Status | None, name: str) -> Callable[[str], None] | None:
    return None if status is None else lambda words: status.update(f"{name}: {words}")


def find_proxies(target: str, plugins: tuple[Path, ...] = ()) -> tuple[Host, list[Proxy]]:
    """The proxies that ``target`` stands for: of a file, a plugin, a module, or one by its name.

    Raises:
        UserError: there is no such thing, it is broken (with the reason), or it registers no proxy.
    """
    from uninas_bench.host import build_host

    if target.endswith(".py") or os.sep in target:
        if not Path(target).is_file():
            raise UserError(f"{target}: no such file")
        host = build_host([*plugins, target])
        return host, _owned(host, str(Path(target)))
    host = options.host_with(plugins)
    if target in host.proxies:
        return host, [host.proxy(target)]
    if target in {plugin.name for plugin in host.plugins}:
        return host, _owned(host, target)
    try:
        module = importlib.import_module(target)
    except ModuleNotFoundError as error:
        if error.name is not None and (target == error.name or target.startswith(f"{error.name}.")):
            raise UnknownName(
                "proxy, plugin or module", target, host.proxies, "uninas-bench proxies"
            ) from None
        raise PluginError(f"{target}: {type(error).__name__}: {error}") from None
    except Exception as error:
        raise PluginError(f"{target}: {type(error).__name__}: {' '.join(str(error).split())}") from None
    if (name := host.manager.get_name(module)) is not None:
        return host, _owned(host, name)
    host = build_host(plugins, modules=[target])
    return host, _owned(host, target)


def _owned(host: Host, plugin: str) -> list[Proxy]:
    """The proxies that a plugin registers; what is wrong with it is an error."""
    proxies = [proxy for name, proxy in host.proxies.items() if host.owner("proxy", name) == plugin]
    for failure in host.failures:
        if failure.name == plugin:
            raise PluginError(f"{plugin}: {failure.reason}")
    if not proxies:
        raise UserError(f"{plugin}: it registers no proxy; uninas_bench_proxies() returns none")
    return proxies
