"""The conformance suite must hold for a fitted proxy, and catch one whose resumed fit is another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pytest
import torch

from uninas_bench import FitContext, Proxy, SearchSpace, Subject
from uninas_bench.testing.proxies import ProxyTestCase

EPOCHS = 4


class Sound(Proxy):
    """A sum of random numbers, and the parameters."""

    name = "sound"
    needs = frozenset({"fit", "images"})
    reference = "made up"

    def fit(self, space: SearchSpace, context: FitContext) -> None:
        state = context.folder / "state.json"
        done, total = json.loads(state.read_text()) if state.exists() else (0, 0.0)
        for epoch in range(done, EPOCHS):
            total += self.drawn(context, epoch)
            context.write("state.json", json.dumps([epoch + 1, total]).encode())
            context.report(epoch + 1, EPOCHS)

    def drawn(self, context: FitContext, epoch: int) -> float:
        return float(torch.rand((), generator=context.generator(f"epoch {epoch}")))

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        network = subject.network()
        return {self.name: total_of(subject.fitted) + sum(p.numel() for p in network.parameters())}


@lru_cache(maxsize=1)
def total_of(folder: Path) -> float:
    total: float = json.loads((folder / "state.json").read_text())[1]
    return total


class TestSound(ProxyTestCase):
    def make_proxy(self) -> Proxy:
        return Sound().with_settings(source="task")


class Global(Sound):
    """Draws from the global generator, which an interruption sets back."""

    name = "global"

    def drawn(self, context: FitContext, epoch: int) -> float:
        return float(torch.rand(()))


class Forgetful(Sound):
    """Says nothing of how far it is."""

    name = "forgetful"

    def fit(self, space: SearchSpace, context: FitContext) -> None:
        context.write("state.json", b"[1, 1.0]")


class _Suite(ProxyTestCase):
    def make_proxy(self) -> Proxy:
        return Global()


@pytest.mark.parametrize(("proxy", "complaint"), [(Global(), "differs"), (Forgetful(), "how far")])
def test_what_the_suite_catches(proxy: Proxy, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=complaint):
        _Suite().test_fits_the_same_after_an_interruption(proxy, tmp_path)
