"""What every proxy must keep, check by check, for `ProxyTestCase` and `uninas-bench plugin check` alike."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import cloudpickle
import numpy as np
import torch
from torch import nn

from uninas_bench.errors import NotApplicable, UnknownName
from uninas_bench.fitting import FitEvent
from uninas_bench.isolation import isolated
from uninas_bench.proxy import Proxy
from uninas_bench.subject import Subject
from uninas_bench.testing.global_state import changes, global_state
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
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Nonconforming(AssertionError):
    """A check failed; the message says in one line what was found, and what would be right."""


class NotChecked(Exception):
    """A check has no meaning for this proxy; the message says why."""


def demand(condition: object, message: str) -> None:
    """Raise `Nonconforming` unless ``condition`` holds."""
    if not condition:
        raise Nonconforming(message)


def evaluated(proxy: Proxy, subject: Subject) -> dict[str, float]:
    """The components as the engine takes them: checked against the declaration, NaN where it declines."""
    with isolated(subject.seed):
        try:
            raw = proxy.evaluate(subject)
        except NotApplicable as reason:
            if not str(reason):
                raise Nonconforming("NotApplicable was raised without a reason") from reason
            return dict.fromkeys(proxy.components, math.nan)
    demand(set(raw) == set(proxy.components), f"returned {sorted(raw)}, declares {sorted(proxy.components)}")
    return {name: float(value) for name, value in raw.items()}


def evaluated_cell(proxy: Proxy, encoding: str, *, run_seed: int = 0) -> dict[str, float]:
    """`evaluated` on an architecture of the tiny space."""
    return evaluated(proxy, cell_subject(proxy, encoding, run_seed=run_seed))


def tiny_encodings(count: int) -> list[str]:
    """Random architectures of the tiny space, always the same."""
    return [a.encoding for a in SPACE.sample(count, np.random.default_rng(7))]


@contextlib.contextmanager
def cache_at(folder: Path) -> Iterator[None]:
    """Fits are kept in ``folder`` meanwhile."""
    before = os.environ.get("UNINAS_BENCH_CACHE")
    os.environ["UNINAS_BENCH_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["UNINAS_BENCH_CACHE"]
        else:
            os.environ["UNINAS_BENCH_CACHE"] = before


def declares_itself(proxy: Proxy) -> None:
    """Name, version and paper are there, and components do not repeat."""
    demand(proxy.name.isidentifier(), f'the name "{proxy.name}" is no identifier: letters, digits and _')
    demand(proxy.version >= 1, f"version is {proxy.version}; expected at least 1")
    demand(
        proxy.reference,
        "no reference: a proxy names its paper, or says in a line what it is (the docstring of a function, "
        "the attribute `reference` of a class)",
    )
    demand(len(set(proxy.components)) == len(proxy.components), f"components repeat: {proxy.components}")
    demand(proxy.components or proxy.requires, "it has neither components nor other proxies that it requires")


def settings_survive(proxy: Proxy) -> None:
    """Settings read back from their text are the same; unknown ones are refused."""
    texts = dict(part.split("=", 1) for part in str(proxy.settings).split(","))
    names = {field.name for field in fields(proxy.settings)}
    demand(set(texts) == names, f"the text of the settings has {sorted(texts)}, the settings {sorted(names)}")
    again = proxy.with_settings(**texts).settings
    demand(again == proxy.settings, f"read back from {proxy.settings}, the settings are {again}")
    with contextlib.suppress(UnknownName):
        proxy.with_settings(no_such_setting=1)
        raise Nonconforming("a setting that it does not have is accepted")


def same_twice(proxy: Proxy, fresh: Proxy, encodings: Sequence[str]) -> None:
    """An evaluation gives the same number again, and so does a fresh instance after others."""
    first, *others = encodings
    once = evaluated_cell(proxy, first)
    for other in others:
        evaluated_cell(proxy, other)
    demand_same(once, evaluated_cell(proxy, first), "evaluated again")
    demand_same(once, evaluated_cell(fresh, first), "evaluated by a fresh instance")


def same_in_another_process(proxy: Proxy, encoding: str, folder: Path) -> None:
    """A fresh interpreter with another hash seed, and an empty cache of fits, gives the same number."""
    question, answer = folder / "question", folder / "answer"
    question.write_bytes(cloudpickle.dumps((evaluated_cell, proxy, encoding)))
    environment = {**os.environ, "PYTHONHASHSEED": "5", "UNINAS_BENCH_CACHE": str(folder / "cache")}
    done = subprocess.run(  # noqa: S603  (this interpreter, on a file that was just written)
        [sys.executable, "-c", _CHILD, str(question), str(answer)],
        check=False, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    last = done.stderr.strip().splitlines()[-1:] or ["no output"]
    demand(done.returncode == 0, f"a fresh interpreter could not evaluate it: {last[0]}")
    demand_same(
        evaluated_cell(proxy, encoding),
        cloudpickle.loads(answer.read_bytes()),
        "in another process with another PYTHONHASHSEED",
    )


def fits_the_same_after_an_interruption(proxy: Proxy, encodings: Sequence[str], folder: Path) -> None:
    """A fit that is stopped half-way and called again gives the same numbers as one that was not."""
    if "fit" not in proxy.needs:
        raise NotChecked("needs no fit")
    events: list[FitEvent] = []
    with cache_at(folder / "whole"):
        fitted(proxy, progress=events.append)
        demand(
            sum(event.total > 0 for event in events) > 1,
            "fit does not report how far it is: call context.report(done, total)",
        )
        expected = [evaluated_cell(proxy, encoding) for encoding in encodings]
    left = iter(events[: len(events) // 2])

    def stop(_event: FitEvent) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with cache_at(folder / "stopped"):
        try:
            fitted(proxy, progress=stop)
        except KeyboardInterrupt:
            pass
        else:
            raise Nonconforming("fit went on after an interruption")
        for encoding, values in zip(encodings, expected, strict=True):
            demand_same(values, evaluated_cell(proxy, encoding), "after a fit that was interrupted")


def leaves_global_state_alone(proxy: Proxy, encoding: str) -> None:
    """Generators, modes, flags and torch's own functions are as before, without the engine's isolation."""
    subject = cell_subject(proxy, encoding)
    before = global_state()
    with contextlib.suppress(NotApplicable):
        proxy.evaluate(subject)
    changed = changes(before, global_state())
    demand(not changed, f"changed: {', '.join(changed)}; draw from subject.generator(), and put flags back")


def leaves_the_network_alone(proxy: Proxy, encoding: str) -> None:
    """Weights, buffers, modes and gradients of the caller's network, and the batches."""
    network, subject = _watched(proxy, encoding)
    state, images = _network_state(network), [x.clone() for x, _ in subject.batches]
    evaluated(proxy, subject)
    after = _network_state(network)
    changed = [name for name in {**state, **after} if state.get(name) != after.get(name)]
    demand(not changed, f"changed of the caller's network: {', '.join(changed[:3])}")
    for (batch, _), copy in zip(subject.batches, images, strict=True):
        demand(torch.equal(batch, copy), "a batch was written into; other architectures see the same one")
        demand(not batch.requires_grad and batch.grad is None, "a batch was left with a gradient")


def removes_hooks(proxy: Proxy, encoding: str) -> None:
    """No hook stays on the caller's network."""
    network, subject = _watched(proxy, encoding)
    before = _hooks(network)
    evaluated(proxy, subject)
    after = _hooks(network)
    left = [name or "the network" for name in before if after[name] != before[name]]
    demand(not left, f"hooks are left on {', '.join(left[:3])}: remove their handles")


def keeps_nothing_alive(proxy: Proxy, encoding: str) -> None:
    """The networks it was given are gone after the evaluation."""
    _, subject = _watched(proxy, encoding)
    evaluated(proxy, subject)
    gc.collect()
    demand(
        all(copy() is None for copy in subject.copies),
        "a network is still alive after evaluate: over a whole space, memory runs out",
    )


def finite_or_declined(proxy: Proxy, encodings: Sequence[str]) -> None:
    """Some architectures of the sample have finite components; the others are declined as a whole."""
    found = [evaluated_cell(proxy, encoding) for encoding in encodings]
    demand(
        any(all(map(math.isfinite, values.values())) for values in found),
        f"no finite value on any of {len(encodings)} architectures",
    )
    demand(
        len({tuple(values.values()) for values in found}) > 1,
        f"the same number for every one of {len(encodings)} architectures: {found[0]}",
    )


def declines_disconnected(proxy: Proxy, ignores_networks: frozenset[str] = frozenset()) -> None:
    """No component that is measured on a network is finite where nothing passes from input to output."""
    values = evaluated_cell(proxy, DISCONNECTED)
    made_up = {n: v for n, v in values.items() if math.isfinite(v) and n not in ignores_networks}
    demand(not made_up, _finite_on_nothing(made_up))


def makes_nothing_up(proxy: Proxy, connected: str) -> None:
    """As `declines_disconnected`, without being told which components need no network.

    A component that other weights and images change on a ``connected`` architecture is measured. Where
    nothing passes from input to output it must not be one finite number whatever these are.
    """
    if "images" not in proxy.needs:
        raise NotChecked("sees no images")
    here, other = (evaluated_cell(proxy, connected, run_seed=seed) for seed in (0, 1))
    measured = [name for name in here if here[name] != other[name]]
    first, second = (evaluated_cell(proxy, DISCONNECTED, run_seed=seed) for seed in (0, 1))
    made_up = {n: first[n] for n in measured if math.isfinite(first[n]) and first[n] == second[n]}
    demand(not made_up, _finite_on_nothing(made_up))


def takes_attention(proxy: Proxy) -> None:
    """Tokens, GELU, LayerNorm, dropout and raw parameters are no accident either."""
    _check_alone(proxy)
    network = seeded(AttentionNetwork)
    subject = WatchedSubject(network, proxy, ["blocks.0", "blocks.1"])
    values = evaluated(proxy, subject)
    demand_same(values, evaluated(proxy, subject), "evaluated again on a network with attention")


def aggregates(proxy: Proxy) -> None:
    """One score per architecture on the same index; none for one without any component."""
    import pandas as pd

    if proxy.requires:
        raise NotChecked("needs components of other proxies")
    index = ["a", "b", "c", "d"]
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(4, len(proxy.components))), index, list(proxy.components))
    frame.loc["c"] = np.nan
    scores = proxy.aggregate(frame)
    demand(list(scores.index) == index, f"aggregate returned the index {list(scores.index)} for {index}")
    missing = [name for name, lacks in scores.isna().items() if lacks]
    demand(
        missing == ["c"],
        f"aggregate gave no score to {missing or 'none'}; the one architecture without components is c",
    )


def demand_same(left: Mapping[str, float], right: Mapping[str, float], when: str) -> None:
    """Raise `Nonconforming` unless two evaluations gave the same numbers, NaN being equal to itself."""
    demand(set(left) == set(right), f"{when}, the components are {sorted(right)}, not {sorted(left)}")
    different = [
        n for n in left if left[n] != right[n] and not (math.isnan(left[n]) and math.isnan(right[n]))
    ]
    pairs = ", ".join(f"{name} {left[name]!r} and {right[name]!r}" for name in different[:3])
    demand(not different, f"differs {when}: {pairs}")


def check_evaluates(proxy: Proxy) -> None:
    """Raise `NotChecked` for a proxy without an evaluation of its own."""
    if not proxy.components:
        raise NotChecked("only aggregates components of other proxies")


def _check_alone(proxy: Proxy) -> None:
    check_evaluates(proxy)
    if "fit" in proxy.needs:
        raise NotChecked("is fitted to a space")


def _finite_on_nothing(made_up: Mapping[str, float]) -> str:
    values = ", ".join(f"{name} {value:g}" for name, value in made_up.items())
    return (
        f"a finite score where nothing passes: {values} for a cell without a path; return NaN or raise "
        'NotApplicable("no path from input to output")'
    )


def _watched(proxy: Proxy, encoding: str) -> tuple[nn.Module, WatchedSubject]:
    _check_alone(proxy)
    network = SPACE.build(SPACE.parse(encoding), TASK)
    network.eval()
    return network, WatchedSubject(network, proxy, [name for name, _ in SPACE.blocks(network)])


def _network_state(network: nn.Module) -> dict[str, object]:
    state: dict[str, object] = {}
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        state[name] = (tensor.detach().clone().numpy().tobytes(), tensor.requires_grad)
    state.update((f"gradient of {name}", p.grad is None) for name, p in network.named_parameters())
    state.update(
        (f"train mode of {name or 'the network'}", m.training) for name, m in network.named_modules()
    )
    return state


def _hooks(network: nn.Module) -> dict[str, int]:
    return {name: sum(len(getattr(m, hook)) for hook in _HOOKS) for name, m in network.named_modules()}
