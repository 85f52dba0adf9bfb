"""What the proxies of one group compute once for all of them, while one architecture is evaluated."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uninas_bench.proxy import Proxy

_log = logging.getLogger(__name__)

Compute = Callable[[frozenset[str]], Any]


class Sharing:
    """One result for several proxies on one architecture.

    Attributes:
        members: the names of the proxies that may ask for it.
        seconds: that the result took.
        apart: of these, the seconds that were spent for one member alone.
        peak_memory: bytes at which the member stood that computed it; None where it is unknown.
    """

    def __init__(self, members: Iterable[str]) -> None:
        self.members = frozenset(members)
        self.seconds = 0.0
        self.apart: dict[str, float] = {}
        self.peak_memory: int | None = None
        self._result: Any = None
        self._state = "none"

    @property
    def ready(self) -> bool:
        """Whether the next one that asks is given what another computed."""
        return self._state == "ready"

    def get(self, name: str, compute: Compute) -> Any:
        """The result for all members; where computing that fails, each member's own.

        Raises:
            Exception: what ``compute`` raises for this member alone.
        """
        if self.ready:
            return self._result
        if self._state == "none" and len(self.members) > 1:
            start = time.perf_counter()
            try:
                self._result = compute(self.members)
            # Whatever it is, it may be another member's fault, or the memory that all of them take together.
            except Exception:
                _log.debug("%s together failed", ", ".join(sorted(self.members)), exc_info=True)
                self._state = "failed"
                self.apart.clear()
            else:
                self._state = "ready"
                self.seconds = time.perf_counter() - start
                return self._result
        return compute(frozenset({name}))

    @contextmanager
    def spending_for(self, name: str) -> Iterator[None]:
        """What is computed inside is of no use to the other members."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.apart[name] = self.apart.get(name, 0.0) + time.perf_counter() - start

    def seconds_alone(self, name: str, seconds: float, *, given: bool) -> float:
        """What a member would have taken alone, as far as that can be told.

        Args:
            name: the member's.
            seconds: that it took here.
            given: whether it was given what another had computed.
        """
        for_others = sum(spent for member, spent in self.apart.items() if member != name)
        return seconds - for_others + (self.seconds if given else 0.0)


def group_key(proxy: Proxy) -> str:
    """Equal for proxies that see the same network and may share; empty for one without a group."""
    settings = proxy.settings
    if not proxy.group:
        return ""
    return f"{proxy.group}:batch={settings.batch},source={settings.source},init={settings.init}"


def sharings(proxies: Iterable[Proxy]) -> dict[str, Sharing]:
    """A `Sharing` for every group among some proxies, by `group_key`."""
    members: dict[str, set[str]] = {}
    for proxy in proxies:
        if key := group_key(proxy):
            members.setdefault(key, set()).add(proxy.name)
    return {key: Sharing(names) for key, names in members.items()}
