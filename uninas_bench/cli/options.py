"""The options that mean the same in every command, and what reads their texts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from uninas_bench.errors import UserError

if TYPE_CHECKING:
    from uninas_bench.data.source import ImageSet
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace
    from uninas_bench.store.contract import ScoreStore

Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS = ("table", "csv", "json", "markdown", "latex")


def read_names(text: str | None) -> tuple[str, ...] | None:
    """``a,b`` -> ("a", "b"); None stays None, which stands for all."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UserError(f"--proxies {text!r}: expected names with commas between them, as in vkdnw,params")
    return names


def read_sample(text: str) -> int | None:
    """``all`` -> None, else an integer of at least 1."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f'--sample {text}: expected an integer of at least 1, or "all"')
    return int(text)


def read_scale(text: str | None) -> dict[str, str]:
    """``channels=8,cells=1`` -> {"channels": "8", "cells": "1"}; the space checks names and values."""
    return dict(
        _pair("--scale", part, "channels=8,cells=1") for part in (text or "").split(",") if part.strip()
    )


def read_settings(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """``vkdnw.batch=32`` -> {"vkdnw": {"batch": "32"}}; the proxy checks names and values."""
    settings: dict[str, dict[str, str]] = {}
    for text in texts:
        name, value = _pair("--set", text, "vkdnw.batch=32")
        proxy, dot, setting = name.partition(".")
        if not dot or not proxy or not setting:
            raise UserError(f"--set {text}: expected proxy.setting=value, as in vkdnw.batch=32")
        settings.setdefault(proxy, {})[setting] = value
    return settings


def read_data(texts: Sequence[str]) -> dict[str, str]:
    """``cifar10=FOLDER`` -> {"cifar10": "FOLDER"}."""
    return dict(_pair("--data", text, "cifar10=images.npz") for text in texts)


def check_bounds(params: str | None, flops: str | None, latency: str | None) -> None:
    """Refuse texts that are no bounds, for a command that computes something else first.

    Raises:
        UserError: a text that is no range, or a range that holds nothing.
    """
    from uninas_bench.bounds import Bounds
    from uninas_bench.search.latency import LatencyBounds

    Bounds.read(params, flops)
    LatencyBounds.read(latency)


def _pair(option: str, text: str, example: str) -> tuple[str, str]:
    name, equals, value = text.strip().partition("=")
    if not equals or not name.strip() or not value.strip():
        raise UserError(f"{option} {text}: expected name=value, as in {example}")
    return name.strip(), value.strip()


def _reading(read: Callable[[Any], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    return lambda _context, _parameter, text: read(text)


def default_workers() -> int:
    """As many processes as this one may use processors."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


space_option = click.option(
    "--space", metavar="SPACE", help="Search space; `uninas-bench spaces` lists them."
)
task_option = click.option("--task", metavar="TASK", help="Task, such as cifar10 or imagenet16-120.")
proxies_option = click.option(
    "--proxies", metavar="A,B", callback=_reading(read_names),
    help="Proxies; default all. `uninas-bench proxies` lists them.",
)  # fmt: skip
sample_option = click.option(
    "--sample", metavar="N|all", default="all", show_default=True, callback=_reading(read_sample),
    help="How many architectures to draw.",
)  # fmt: skip
seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Fixes sample, weights and images.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), default=default_workers, show_default="all processors",
    help="Processes of one thread each.",
)  # fmt: skip
store_option = click.option(
    "--store",
    metavar="URL|FILE",
    help="Score store: an SQLite file or a database URL. Default: UNINAS_BENCH_STORE, or a file of yours.",
)
ground_truth_option = click.option(
    "--ground-truth",
    metavar="NAME|FILE",
    help="Table of accuracies; `uninas-bench ground-truth list` lists them.",
)
plugin_option = click.option(
    "--plugin", "plugins", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
    help="A plugin file; may be given several times.",
)  # fmt: skip
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="Form of the output.",
)
output_option = click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write there, not to the terminal.",
)
scale_option = click.option(
    "--scale", metavar="A=1,B=2", callback=_reading(read_scale),
    help="Scale of the space, such as channels=8,cells=1.",
)  # fmt: skip
set_option = click.option(
    "--set", "settings", metavar="PROXY.SETTING=VALUE", multiple=True, callback=_reading(read_settings),
    help="A setting of a proxy; may be given several times.",
)  # fmt: skip
dedup_option = click.option(
    "--dedup", type=click.Choice(("none", "isomorphic")), default="none", show_default=True,
    help="Keep one architecture of each isomorphism class.",
)  # fmt: skip
chance_option = click.option(
    "--chance", type=click.Choice(("include", "exclude")), default="include", show_default=True,
    help="Architectures whose accuracy is at chance level.",
)  # fmt: skip
failed_option = click.option(
    "--failed", type=click.Choice(("last", "exclude")), default="last", show_default=True,
    help="Where an architecture ranks that a proxy failed on.",
)  # fmt: skip
intervals_option = click.option(
    "--intervals", type=click.Choice(("auto", "bootstrap", "asymptotic", "none")), default="auto",
    show_default=True,
    help="How 95% intervals are made; auto resamples up to 1,000 architectures, never across tables.",
)  # fmt: skip
resamples_option = click.option(
    "--resamples", type=click.IntRange(min=10), default=1000, show_default=True, help="Of the bootstrap."
)
data_option = click.option(
    "--data", metavar="DATASET=PATH", multiple=True, callback=_reading(read_data),
    help="Images of a data set: an .npz file or a folder; may be given several times.",
)  # fmt: skip
timeout_option = click.option(
    "--timeout", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True),
    help="Give up on an architecture after that time.",
)  # fmt: skip
device_option = click.option("--device", default="cpu", show_default=True, help="Where networks run.")
executor_option = click.option(
    "--executor", metavar="NAME", help="Where work units run: serial, processes, or a plugin's."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def scoring_options(command: Command) -> Command:
    """The options of every command that computes scores: where, with how many workers, into which store."""
    for option in (
        executor_option, device_option, timeout_option, data_option, set_option, plugin_option, store_option,
        workers_option, seed_option,
    ):  # fmt: skip
        command = option(command)
    return command


def host_with(plugins: Sequence[Path]) -> Host:
    """The host of this run: with the plugin files where some were given, else the default one."""
    from uninas_bench.host import build_host, default_host

    return build_host(plugins) if plugins else default_host()


def chosen_space(host: Host, name: str, scale: Mapping[str, str]) -> SearchSpace:
    """The space of that name at that scale."""
    found = host.space(name)
    return found.scaled(**scale) if scale else found


def chosen_proxies(
    host: Host, names: Sequence[str] | None, settings: Mapping[str, Mapping[str, str]]
) -> list[Proxy]:
    """The named proxies (None: all), with their settings.

    Raises:
        UserError: an unknown proxy, an unknown setting, or a setting of a proxy that was not chosen.
    """
    chosen = {name: host.proxy(name) for name in (names if names is not None else host.default_proxies())}
    for name, values in settings.items():
        if host.proxy(name).name not in chosen:
            raise UserError(
                f"--set {name}.{next(iter(values))}: {name} is not among --proxies {','.join(chosen)}"
            )
        chosen[name] = chosen[name].with_settings(**values)
    return list(chosen.values())


def given_images(host: Host, data: Mapping[str, str]) -> ImageSet | None:
    """The training images of the one task that ``--data`` names, at the task's resolution; None for none.

    Raises:
        UserError: several tasks, an unknown one, or a file that is none of images.
    """
    from uninas_bench.data.catalogue import find_images
    from uninas_bench.tasks import find_task

    if not data:
        return None
    if len(data) > 1:
        raise UserError(f"--data {', '.join(data)}: expected the images of one task")
    ((name, path),) = data.items()
    task = find_task(name)
    source = find_images(task.dataset, host.data, {task.dataset: path})
    assert source is not None
    return source.load("train", task.resolution)


@contextmanager
def stored_scores(store: str | None, *, must_exist: bool = False) -> Iterator[ScoreStore | None]:
    """The store, opened for reading; None where no store was named and the default one is not there yet.

    Raises:
        StoreError: the named store does not exist or cannot be read.
    """
    from uninas_bench.store import default_store_url, open_store

    location = store or default_store_url()
    if store is None and not must_exist and "://" not in location and not Path(location).exists():
        yield None
        return
    with open_store(location, create=False) as opened:
        yield opened


def deliver(text: str, output: Path | None) -> None:
    """Write ``text`` to the file, or to stdout where there is none."""
    if output is None:
        click.echo(text.rstrip("\n"))
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output {output}: {error.strerror or error}") from None
    click.echo(f"wrote {output}", err=True)
