"""From what the caller names to what has to be known of every cell; all mistakes surface here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from uninas_bench.architecture import Architecture, Task
from uninas_bench.cells import Configuration
from uninas_bench.errors import UserError
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    from pathlib import Path

    from uninas_bench.data.source import ImageSource
    from uninas_bench.host import Host
    from uninas_bench.proxy import Proxy
    from uninas_bench.space import SearchSpace

WithoutImages = Literal["refuse", "leave"]
"""What becomes of scores that need images that are not at hand."""
KnownImages = Callable[[str, str, str, int], str]
"""From space, scale, data set and resolution to the fingerprint of images; empty for unknown ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A validated request.

    Attributes:
        architectures: without repetitions, in the caller's order.
        proxies: the caller's, then those that they require.
        scored: the proxies that have components of their own, hence cells.
        configurations: one per entry of ``scored``.
        images: where the task's images come from; None where no proxy sees them, or where they are not at
            hand and only known by their fingerprint.
    """

    space: SearchSpace
    task: Task
    architectures: tuple[Architecture, ...]
    proxies: tuple[Proxy, ...]
    scored: tuple[Proxy, ...]
    configurations: tuple[Configuration, ...]
    images: ImageSource | None
    seed: int

    @property
    def encodings(self) -> list[str]:
        """The encodings of the architectures."""
        return [architecture.encoding for architecture in self.architectures]


def make_plan(
    host: Host,
    architectures: Iterable[Architecture | str],
    proxies: Sequence[str | Proxy],
    *,
    space: str | SearchSpace | None,
    task: str | Task,
    seed: int,
    data: Mapping[str, str | Path | ImageSource] | None,
    known_images: KnownImages | None = None,
) -> Plan:
    """Resolve every name.

    Raises:
        UserError: a name, an encoding or a combination is wrong, or images are needed and not at hand.
    """
    task = find_task(task)
    found_space, points = _architectures(host, architectures, space)
    return plan_of(
        host, found_space, points, proxies, task=task, seed=seed, data=data, known_images=known_images
    )


def plan_of(
    host: Host,
    space: SearchSpace,
    architectures: tuple[Architecture, ...],
    proxies: Sequence[str | Proxy],
    *,
    task: Task,
    seed: int,
    data: Mapping[str, str | Path | ImageSource] | None,
    known_images: KnownImages | None = None,
) -> Plan:
    """The plan of a known space and of distinct architectures of it, which may still be none.

    ``known_images`` is asked where images are not at hand: scores that were made with them elsewhere are
    found by their fingerprint, and nothing can be computed.

    Raises:
        UserError: as `make_plan`.
    """
    found = expand(host, proxies)
    scored = tuple(proxy for proxy in found if proxy.components)
    seeing = [proxy for proxy in scored if sees_images(proxy)]
    images = _images(host, task, seeing, data)
    fingerprint = images.fingerprint if images is not None else ""
    if images is None and seeing:
        if known_images is not None:
            fingerprint = known_images(space.name, str(space.scale), task.dataset, task.resolution)
        if not fingerprint:
            raise images_missing(seeing[0].name, task.dataset)
    configurations = tuple(
        Configuration(
            space=space.name,
            space_version=space.version,
            scale=str(space.scale),
            dataset=task.dataset,
            resolution=task.resolution,
            classes=task.classes,
            proxy=proxy.name,
            proxy_version=proxy.version,
            settings=str(proxy.cell_settings()),
            images=fingerprint if sees_images(proxy) else "",
            seed=seed,
        )
        for proxy in scored
    )
    return Plan(space, task, architectures, found, scored, configurations, images, seed)


def images_missing(proxy: str, dataset: str) -> UserError:
    """What is wrong where a proxy sees images that nobody has."""
    return UserError(
        f"{proxy} sees the images of {dataset}, which are not at hand; give them with "
        f"--data {dataset}=FILE.npz|FOLDER or choose --set {proxy}.source=gaussian"
    )


def sees_images(proxy: Proxy) -> bool:
    """Whether the proxy is shown the task's own images."""
    return "images" in proxy.needs and proxy.settings.source == "task"


def expand(host: Host, proxies: Sequence[str | Proxy]) -> tuple[Proxy, ...]:
    """The proxies by name or object, without repetitions, then what they require, transitively.

    Raises:
        UserError: no proxies, an unknown name, or two that differ in their settings alone.
    """
    if isinstance(proxies, str):
        raise UserError(f'proxies="{proxies}": expected a list of names')
    found: dict[str, Proxy] = {}
    for entry in proxies:
        proxy = host.proxy(entry) if isinstance(entry, str) else entry
        known = found.setdefault(proxy.name, proxy)
        if (known.version, str(known.settings)) != (proxy.version, str(proxy.settings)):
            raise UserError(
                f"{proxy.name} is asked for twice, with {known.settings} and {proxy.settings}; "
                "score one after the other"
            )
    if not found:
        raise UserError("no proxies to score with")
    pending = list(found.values())
    for proxy in pending:
        for name in proxy.requires:
            if name not in found:
                found[name] = host.proxy(name)
                pending.append(found[name])
    return tuple(pending)


def _architectures(
    host: Host, architectures: Iterable[Architecture | str], space: str | SearchSpace | None
) -> tuple[SearchSpace, tuple[Architecture, ...]]:
    entries = [architectures] if isinstance(architectures, Architecture | str) else list(architectures)
    if not entries:
        raise UserError("no architectures to score")
    if space is None:
        first = entries[0]
        if isinstance(first, Architecture):
            space = first.space
        elif ":" in first and first.partition(":")[0] in host.spaces:
            space = first.partition(":")[0]
        else:
            raise UserError(f'architecture "{first}" is a text: say of which space it is')
    found = host.space(space) if isinstance(space, str) else space
    prefix = f"{found.name}:"
    points: dict[Architecture, None] = {}
    for entry in entries:
        point = found.parse(entry.removeprefix(prefix)) if isinstance(entry, str) else entry
        if point.space != found.name:
            raise UserError(f"{point}: expected an architecture of {found.name}, as the others are")
        points[point] = None
    return found, tuple(points)


def _images(
    host: Host,
    task: Task,
    seeing: Sequence[Proxy],
    data: Mapping[str, str | Path | ImageSource] | None,
) -> ImageSource | None:
    if not seeing:
        return None
    from uninas_bench.data.catalogue import find_images

    return find_images(task.dataset, host.data, data)
