"""Conformance of a proxy: subclass `ProxyTestCase`, give the proxy, run pytest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from uninas_bench.proxy import Proxy
from uninas_bench.testing import conformance
from uninas_bench.testing.conformance import NotChecked, evaluated, evaluated_cell, tiny_encodings
from uninas_bench.testing.networks import DISCONNECTED

__all__ = ["ProxyTestCase", "evaluated", "evaluated_cell"]


@contextmanager
def _skipping() -> Iterator[None]:
    """A check that has no meaning for a proxy is a skipped test."""
    try:
        yield
    except NotChecked as reason:
        pytest.skip(str(reason))


class ProxyTestCase(ABC):
    """What every `Proxy` must keep, as pytest tests on tiny networks.

    A proxy that is fitted is fitted to the tiny space, several times: give it settings that make this short.

    Example::

        class TestMyProxy(ProxyTestCase):
            def make_proxy(self):
                return MyProxy()

    Attributes:
        samples: architectures of the tiny space that are evaluated.
        batch: images per batch.
        declines_disconnected: no component that is measured on a network may be finite where nothing
            passes from input to output.
        ignores_networks: components that need no network, and so have a value there all the same.
        another_process: evaluate once more in a fresh interpreter, which takes some seconds.
    """

    samples: ClassVar[int] = 4
    batch: ClassVar[int] = 8
    declines_disconnected: ClassVar[bool] = False
    ignores_networks: ClassVar[frozenset[str]] = frozenset()
    another_process: ClassVar[bool] = True

    @abstractmethod
    def make_proxy(self) -> Proxy:
        """A fresh instance of the proxy."""

    @pytest.fixture(autouse=True)
    def _cache(self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
        """One cache for all tests of the class: its proxies have the same settings, hence the same fit."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        monkeypatch.setenv("UNINAS_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "caches" / name))

    @pytest.fixture
    def proxy(self) -> Proxy:
        """The proxy with a small batch."""
        return self.make_proxy().with_settings(batch=self.batch)

    @pytest.fixture
    def evaluating(self, proxy: Proxy) -> Proxy:
        """The proxy, where it evaluates anything by itself."""
        with _skipping():
            conformance.check_evaluates(proxy)
        return proxy

    def _encodings(self) -> list[str]:
        return tiny_encodings(self.samples)

    def test_declares_itself(self, proxy: Proxy) -> None:
        """Name, version and paper are there, and components do not repeat."""
        conformance.declares_itself(proxy)

    def test_settings_survive_a_round_trip(self, proxy: Proxy) -> None:
        """Settings read back from their text are the same; unknown ones are refused."""
        conformance.settings_survive(proxy)

    def test_same_twice(self, evaluating: Proxy) -> None:
        """An evaluation gives the same number again, and so does a fresh instance after others."""
        fresh = self.make_proxy().with_settings(batch=self.batch)
        conformance.same_twice(evaluating, fresh, self._encodings())

    def test_same_in_another_process(self, evaluating: Proxy, tmp_path: Path) -> None:
        """A fresh interpreter with another hash seed gives the same number."""
        if not self.another_process:
            pytest.skip("another_process is off")
        conformance.same_in_another_process(evaluating, self._encodings()[0], tmp_path)

    def test_fits_the_same_after_an_interruption(self, evaluating: Proxy, tmp_path: Path) -> None:
        """A fit that is stopped half-way and called again gives the same numbers as one that was not."""
        with _skipping():
            conformance.fits_the_same_after_an_interruption(evaluating, self._encodings(), tmp_path)

    def test_leaves_global_state_alone(self, evaluating: Proxy) -> None:
        """Generators, modes and flags are as before, without the engine's isolation around it."""
        conformance.leaves_global_state_alone(evaluating, self._encodings()[0])

    def test_leaves_the_network_alone(self, proxy: Proxy) -> None:
        """Weights, buffers, modes and gradients of the caller's network, and the batches."""
        with _skipping():
            conformance.leaves_the_network_alone(proxy, self._encodings()[0])

    def test_removes_hooks(self, proxy: Proxy) -> None:
        """No hook stays on the caller's network."""
        with _skipping():
            conformance.removes_hooks(proxy, self._encodings()[0])

    def test_keeps_nothing_alive(self, proxy: Proxy) -> None:
        """The networks it was given are gone after the evaluation."""
        with _skipping():
            conformance.keeps_nothing_alive(proxy, self._encodings()[0])

    def test_finite_or_declined(self, evaluating: Proxy) -> None:
        """Some architectures of the sample have finite components; the others are declined as a whole."""
        conformance.finite_or_declined(evaluating, self._encodings())

    def test_disconnected(self, evaluating: Proxy) -> None:
        """A network that nothing passes through is no accident, and no score where that is promised."""
        if self.declines_disconnected:
            conformance.declines_disconnected(evaluating, self.ignores_networks)
        else:
            evaluated_cell(evaluating, DISCONNECTED)

    def test_attention(self, proxy: Proxy) -> None:
        """Tokens, GELU, LayerNorm, dropout and raw parameters are no accident either."""
        with _skipping():
            conformance.takes_attention(proxy)

    def test_aggregates(self, proxy: Proxy) -> None:
        """One score per architecture on the same index; none for one without any component."""
        with _skipping():
            conformance.aggregates(proxy)
