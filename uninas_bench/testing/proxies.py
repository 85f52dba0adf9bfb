"""Conformance of a proxy: subclass `ProxyTestCase`, give the proxy, run pytest."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import random
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import cloudpickle
import numpy as np
import pytest
import torch
from torch import nn

from uninas_bench.errors import NotApplicable, UnknownName
from uninas_bench.fitting import FitEvent
from uninas_bench.isolation import isolated
from uninas_bench.proxy import Proxy
from uninas_bench.subject import Subject
from uninas_bench.testing.networks import (
    DISCONNECTED,
    SPACE,
    TASK,
    AttentionNetwork,
    WatchedSubject,
    cell_subject,
    fitted,
    seeded,
)

_CHILD = """
import cloudpickle, pathlib, sys
evaluate, proxy, encoding = cloudpickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
pathlib.Path(sys.argv[2]).write_bytes(cloudpickle.dumps(evaluate(proxy, encoding)))
"""


def evaluated(proxy: Proxy, subject: Subject) -> dict[str, float]:
    """The components as the engine takes them: checked against the declaration, NaN where it declines."""
    with isolated(subject.seed):
        try:
            raw = proxy.evaluate(subject)
        except NotApplicable as reason:
            if not str(reason):
                raise AssertionError("NotApplicable was raised without a reason") from reason
            return dict.fromkeys(proxy.components, math.nan)
    assert set(raw) == set(proxy.components), f"returned {sorted(raw)}, declares {sorted(proxy.components)}"
    return {name: float(value) for name, value in raw.items()}


def evaluated_cell(proxy: Proxy, encoding: str) -> dict[str, float]:
    """`evaluated` on an architecture of the tiny space."""
    return evaluated(proxy, cell_subject(proxy, encoding))


def _global_state() -> Mapping[str, Any]:
    return {
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "numpy's generator": str(np.random.get_state()),  # noqa: NPY002  (the global one is what is watched)
        "python's generator": random.getstate(),
        "gradient mode": torch.is_grad_enabled(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "anomaly mode": torch.is_anomaly_enabled(),
        "float32 precision": torch.get_float32_matmul_precision(),
    }


def _network_state(network: nn.Module) -> list[object]:
    tensors = [*network.named_parameters(), *network.named_buffers()]
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        *(
            (name, tensor.detach().clone().numpy().tobytes(), tensor.requires_grad)
            for name, tensor in tensors
        ),
        *((name, p.grad is None) for name, p in network.named_parameters()),
        *((name, m.training, *(len(getattr(m, h)) for h in hooks)) for name, m in network.named_modules()),
    ]


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
        if not proxy.components:
            pytest.skip("only aggregates components of other proxies")
        return proxy

    @pytest.fixture
    def alone(self, evaluating: Proxy) -> Proxy:
        """The proxy, where it evaluates networks that are of no space."""
        if "fit" in evaluating.needs:
            pytest.skip("is fitted to a space")
        return evaluating

    def _encodings(self) -> list[str]:
        return [a.encoding for a in SPACE.sample(self.samples, np.random.default_rng(7))]

    def test_declares_itself(self, proxy: Proxy) -> None:
        """Name, version and paper are there, and components do not repeat."""
        assert proxy.name.isidentifier()
        assert proxy.version >= 1
        assert proxy.reference, "a proxy names its paper, or says in a line what it is"
        assert len(set(proxy.components)) == len(proxy.components)
        assert proxy.components or proxy.requires

    def test_settings_survive_a_round_trip(self, proxy: Proxy) -> None:
        """Settings read back from their text are the same; unknown ones are refused."""
        texts = dict(part.split("=", 1) for part in str(proxy.settings).split(","))
        assert set(texts) == {field.name for field in fields(proxy.settings)}
        assert proxy.with_settings(**texts).settings == proxy.settings
        with pytest.raises(UnknownName):
            proxy.with_settings(no_such_setting=1)

    def test_same_twice(self, evaluating: Proxy) -> None:
        """An evaluation gives the same number again, and so does a fresh instance after others."""
        first, *others = self._encodings()
        once = evaluated_cell(evaluating, first)
        for other in others:
            evaluated_cell(evaluating, other)
        _same(once, evaluated_cell(evaluating, first))
        _same(once, evaluated_cell(self.make_proxy().with_settings(batch=self.batch), first))

    def test_same_in_another_process(self, evaluating: Proxy, tmp_path: Path) -> None:
        """A fresh interpreter with another hash seed gives the same number."""
        if not self.another_process:
            pytest.skip("another_process is off")
        encoding = self._encodings()[0]
        question, answer = tmp_path / "question", tmp_path / "answer"
        question.write_bytes(cloudpickle.dumps((evaluated_cell, evaluating, encoding)))
        # An empty cache: what is fitted is fitted there too.
        environment = {**os.environ, "PYTHONHASHSEED": "5", "UNINAS_BENCH_CACHE": str(tmp_path / "cache")}
        subprocess.run(  # noqa: S603  (this interpreter, on a file that was just written)
            [sys.executable, "-c", _CHILD, str(question), str(answer)], check=True, env=environment
        )
        _same(evaluated_cell(evaluating, encoding), cloudpickle.loads(answer.read_bytes()))

    def test_fits_the_same_after_an_interruption(
        self, evaluating: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A fit that is stopped half-way and called again gives the same numbers as one that was not."""
        if "fit" not in evaluating.needs:
            pytest.skip("needs no fit")
        encodings = self._encodings()
        events: list[FitEvent] = []
        monkeypatch.setenv("UNINAS_BENCH_CACHE", str(tmp_path / "whole"))
        fitted(evaluating, progress=events.append)
        assert sum(event.total > 0 for event in events) > 1, "fit does not report how far it is"
        expected = [evaluated_cell(evaluating, encoding) for encoding in encodings]
        left = iter(events[: len(events) // 2])

        def stop(_event: FitEvent) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        monkeypatch.setenv("UNINAS_BENCH_CACHE", str(tmp_path / "stopped"))
        with pytest.raises(KeyboardInterrupt):
            fitted(evaluating, progress=stop)
        for encoding, values in zip(encodings, expected, strict=True):
            _same(values, evaluated_cell(evaluating, encoding))

    def test_leaves_global_state_alone(self, evaluating: Proxy) -> None:
        """Generators, modes and flags are as before, without the engine's isolation around it."""
        subject = cell_subject(evaluating, self._encodings()[0])
        before = _global_state()
        with contextlib.suppress(NotApplicable):
            evaluating.evaluate(subject)
        after = _global_state()
        changed = [name for name in before if before[name] != after[name]]
        assert not changed, f"changed: {', '.join(changed)}"

    def test_leaves_the_network_alone(self, alone: Proxy) -> None:
        """Weights, buffers, modes, gradients and hooks of the caller's network, and the batches."""
        network = SPACE.build(SPACE.parse(self._encodings()[0]), TASK)
        network.eval()
        subject = WatchedSubject(network, alone, [name for name, _ in SPACE.blocks(network)])
        state, images = _network_state(network), [x.clone() for x, _ in subject.batches]
        evaluated(alone, subject)
        assert _network_state(network) == state
        for (batch, _), copy in zip(subject.batches, images, strict=True):
            assert torch.equal(batch, copy), "a batch was written into"
            assert not batch.requires_grad
            assert batch.grad is None

    def test_keeps_nothing_alive(self, alone: Proxy) -> None:
        """The networks it was given are gone after the evaluation."""
        network = SPACE.build(SPACE.parse(self._encodings()[0]), TASK)
        subject = WatchedSubject(network, alone, [name for name, _ in SPACE.blocks(network)])
        evaluated(alone, subject)
        gc.collect()
        assert all(copy() is None for copy in subject.copies), "a network is still alive"

    def test_finite_or_declined(self, evaluating: Proxy) -> None:
        """Some architectures of the sample have finite components; the others are declined as a whole."""
        found = [evaluated_cell(evaluating, encoding) for encoding in self._encodings()]
        assert any(all(map(math.isfinite, values.values())) for values in found)
        assert len({tuple(values.values()) for values in found}) > 1, "the same number for every architecture"

    def test_disconnected(self, evaluating: Proxy) -> None:
        """A network that nothing passes through is no accident, and no score where that is promised."""
        values = evaluated_cell(evaluating, DISCONNECTED)
        if self.declines_disconnected:
            made_up = {n: v for n, v in values.items() if math.isfinite(v) and n not in self.ignores_networks}
            assert not made_up, f"finite on a disconnected network: {made_up}"

    def test_attention(self, alone: Proxy) -> None:
        """Tokens, GELU, LayerNorm, dropout and raw parameters are no accident either."""
        network = seeded(AttentionNetwork)
        subject = WatchedSubject(network, alone, ["blocks.0", "blocks.1"])
        values = evaluated(alone, subject)
        _same(values, evaluated(alone, subject))

    def test_aggregates(self, proxy: Proxy) -> None:
        """One score per architecture on the same index; none for one without any component."""
        import pandas as pd

        if proxy.requires:
            pytest.skip("needs components of other proxies")
        index = ["a", "b", "c", "d"]
        rng = np.random.default_rng(0)
        frame = pd.DataFrame(rng.normal(size=(4, len(proxy.components))), index, list(proxy.components))
        frame.loc["c"] = np.nan
        scores = proxy.aggregate(frame)
        assert list(scores.index) == index
        assert scores.isna().tolist() == [False, False, True, False]


def _same(left: Mapping[str, float], right: Mapping[str, float]) -> None:
    assert set(left) == set(right)
    different = [
        n for n in left if left[n] != right[n] and not (math.isnan(left[n]) and math.isnan(right[n]))
    ]
    assert not different, f"differs: { {n: (left[n], right[n]) for n in different} }"
