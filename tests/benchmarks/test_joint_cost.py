"""What proxies save by being evaluated together, and what a Hessian-vector product costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn
from torch.nn import functional

import uninas_bench as ub
from tests.benchmarks.test_proxy_cost import ARCHITECTURES, images
from uninas_bench.isolation import isolated
from uninas_bench.proxy import Proxy
from uninas_bench.sharing import group_key, sharings
from uninas_bench.subject import CellSubject
from uninas_bench.tasks import find_task

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

THIRTEEN = (
    "snip", "flops", "params", "l2_norm", "grasp", "grad_norm", "synflow", "jacov", "epe_nas", "zen",
    "fisher", "plain", "nwot",
)  # fmt: skip
SHARE = 0.6
"""Of the sum of the single evaluations, that joint evaluation may take."""
DOUBLE_BACKWARDS = 2.5
"""Times a plain double backward pass, that grasp may take."""


def subject(proxy: Proxy, **options) -> CellSubject:
    space = ub.space("nasbench201")
    return CellSubject(
        space, space.parse(ARCHITECTURES["dense"]), find_task("cifar10"), proxy.settings,
        cell_seed=1, run_seed=0, images=images(), **options,
    )  # fmt: skip


def evaluate(proxies: Sequence[Proxy]) -> dict[str, float]:
    """As the engine does with the cells of one architecture."""
    shared, found = sharings(proxies), {}
    for proxy in proxies:
        with isolated(1):
            found |= proxy.evaluate(subject(proxy, sharing=shared.get(group_key(proxy))))
    return found


def fastest(calls: dict[str, Callable[[], object]], best: dict[str, float]) -> None:
    """One round: processor seconds of each call, where they are fewer than before."""
    for name, call in calls.items():
        start = time.process_time()
        call()
        best[name] = min(best.get(name, float("inf")), time.process_time() - start)


def test_together(benchmark):
    """Up to three rounds: a busy machine slows calls down, but never makes one too fast."""
    proxies = [ub.proxy(name) for name in THIRTEEN]
    calls = {"together": lambda: evaluate(proxies)}
    calls |= {proxy.name: lambda proxy=proxy: evaluate([proxy]) for proxy in proxies}
    best: dict[str, float] = {}
    benchmark.pedantic(fastest, args=(calls, best), rounds=1)
    for _ in range(2):
        if best["together"] <= SHARE * sum(best[name] for name in THIRTEEN):
            break
        fastest(calls, best)
    alone = sum(best[name] for name in THIRTEEN)
    share = best["together"] / alone
    benchmark.extra_info.update(share=round(share, 3), **{name: round(s, 3) for name, s in best.items()})
    assert share <= SHARE, f"together takes {best['together']:.2f} s, {share:.0%} of {alone:.2f} s"


def test_hessian_vector_product(benchmark):
    proxy = ub.proxy("grasp")
    given = subject(proxy)
    network, (inputs, labels) = given.network(), given.batch()
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]

    def double_backward() -> None:
        with isolated(1):
            loss = functional.cross_entropy(network(inputs), labels)
            found = torch.autograd.grad(loss, weights, create_graph=True)
            torch.autograd.grad(found, weights, [gradient.detach() for gradient in found])

    calls = {"grasp": lambda: evaluate([proxy]), "double": double_backward}
    best: dict[str, float] = {}
    benchmark.pedantic(fastest, args=(calls, best), rounds=2)
    ratio = best["grasp"] / best["double"]
    benchmark.extra_info.update(ratio=round(ratio, 2), **{name: round(s, 2) for name, s in best.items()})
    assert ratio <= DOUBLE_BACKWARDS, f"grasp takes {ratio:.2f} double backward passes"
