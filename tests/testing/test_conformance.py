"""Every check passes a sound proxy, and catches the fault that it is there for, in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

import uninas_bench as ub
from uninas_bench import NotApplicable, Proxy, Subject, simple_proxy
from uninas_bench.testing import conformance
from uninas_bench.testing.conformance import Nonconforming, NotChecked, tiny_encodings

ENCODINGS = tiny_encodings(3)
FIRST = ENCODINGS[0]
Check = Callable[[Proxy], None]
CHECKS: dict[str, Check] = {
    "declaration": conformance.declares_itself,
    "settings": conformance.settings_survive,
    "determinism": lambda proxy: conformance.same_twice(proxy, proxy.with_settings(batch=4), ENCODINGS),
    "global-state": lambda proxy: conformance.leaves_global_state_alone(proxy, FIRST),
    "network": lambda proxy: conformance.leaves_the_network_alone(proxy, FIRST),
    "hooks": lambda proxy: conformance.removes_hooks(proxy, FIRST),
    "memory": lambda proxy: conformance.keeps_nothing_alive(proxy, FIRST),
    "finite": lambda proxy: conformance.finite_or_declined(proxy, ENCODINGS),
    "disconnected": lambda proxy: conformance.makes_nothing_up(proxy, FIRST),
    "attention": conformance.takes_attention,
    "aggregate": conformance.aggregates,
}
KEPT: list[object] = []


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The faults of these proxies end with each test."""
    monkeypatch.setattr(nn.Conv2d, "extra_repr", nn.Conv2d.extra_repr)
    monkeypatch.setenv("A_SETTING", "1")
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)
    KEPT.clear()


def proxy_of(function: Callable[[Subject], float]) -> Proxy:
    function.__doc__ = "Made up."
    return simple_proxy("faulty", version=1, needs={"images"}, batch=4)(function)


def response(subject: Subject) -> float:
    return subject.features(subject.batch()[0])[-1].abs().mean().item()


def counting(subject: Subject) -> float:
    KEPT.append(1)
    return response(subject) + len(KEPT)


def seeding(subject: Subject) -> float:
    torch.manual_seed(0)
    return response(subject)


def setting(subject: Subject) -> float:
    os.environ["A_SETTING"] = "2"
    return response(subject)


def patching(subject: Subject) -> float:
    nn.Conv2d.extra_repr = lambda _: ""  # type: ignore[method-assign]
    return response(subject)


def spoiling(subject: Subject) -> float:
    with torch.no_grad():
        next(iter(caller_of(subject).parameters())).add_(1)
    return response(subject)


def scribbling(subject: Subject) -> float:
    subject.batch()[0].add_(1)
    return response(subject)


def hooking(subject: Subject) -> float:
    caller_of(subject).register_forward_hook(lambda *_: None)
    return response(subject)


def hoarding(subject: Subject) -> float:
    KEPT.append(network := subject.network())
    return sum(p.abs().sum().item() for p in network.parameters())


def constant(_subject: Subject) -> float:
    return 1.0


def nothing(_subject: Subject) -> float:
    raise NotApplicable("never")


def unreasoned(_subject: Subject) -> float:
    raise NotApplicable


def caller_of(subject: Subject) -> nn.Module:
    module = getattr(subject, "module", None)
    return module if module is not None else subject.network()


class Reindexing(Proxy):
    """Scores in another order."""

    name = "reindexing"
    components = ("a", "b")
    reference = "made up"

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        return {"a": response(subject), "b": 1.0}

    def aggregate(self, components: pd.DataFrame) -> pd.Series:
        return components.sum(axis=1)


@pytest.mark.parametrize("check", CHECKS)
def test_a_sound_proxy_passes(check: str) -> None:
    CHECKS[check](ub.proxy("nwot", batch=4))


@pytest.mark.parametrize(
    ("check", "function", "words"),
    [
        ("determinism", counting, "differs evaluated again: faulty"),
        ("global-state", seeding, "changed: torch's generator; draw from subject.generator"),
        ("global-state", setting, "changed: environment variables"),
        ("global-state", patching, "changed: functions of torch: torch.nn.Conv2d.extra_repr"),
        ("network", spoiling, "changed of the caller's network: stem"),
        ("network", scribbling, "a batch was written into"),
        ("hooks", hooking, "hooks are left on the network"),
        ("memory", hoarding, "a network is still alive"),
        ("finite", constant, "the same number for every one of 3 architectures"),
        ("finite", nothing, "no finite value on any of 3 architectures"),
        ("finite", unreasoned, "without a reason"),
        ("disconnected", response, "a finite score where nothing passes: faulty 0 "),
    ],
)
def test_what_is_caught(check: str, function: Callable[[Subject], float], words: str) -> None:
    with pytest.raises(Nonconforming, match=words):
        CHECKS[check](proxy_of(function))


def test_a_proxy_without_a_reference() -> None:
    with pytest.raises(Nonconforming, match="no reference"):
        conformance.declares_itself(simple_proxy("quiet", version=1)(lambda _: 1.0))


def test_an_aggregate_that_scores_what_has_no_component() -> None:
    with pytest.raises(Nonconforming, match="gave no score to none"):
        conformance.aggregates(Reindexing())


def test_another_hash_seed_is_seen(tmp_path: Path) -> None:
    def hashing(subject: Subject) -> float:
        return response(subject) + hash(str(subject.architecture)) % 1000

    with pytest.raises(Nonconforming, match="PYTHONHASHSEED"):
        conformance.same_in_another_process(proxy_of(hashing), FIRST, tmp_path)


def test_what_is_measured_without_a_path_is_no_fault() -> None:
    """Weights are there whether anything passes or not; a cost sees no images."""
    conformance.makes_nothing_up(
        proxy_of(lambda s: sum(p.abs().sum().item() for p in s.network().parameters())), FIRST
    )
    with pytest.raises(NotChecked, match="sees no images"):
        conformance.makes_nothing_up(ub.proxy("params"), FIRST)


def test_a_proxy_that_only_aggregates_is_not_checked_alone() -> None:
    for check in (conformance.takes_attention, lambda p: conformance.removes_hooks(p, FIRST)):
        with pytest.raises(NotChecked, match="only aggregates"):
            check(ub.proxy("vkdnw_agg"))
