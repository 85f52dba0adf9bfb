"""Every proxy of the harness on networks of the spaces of BossNAS, on noise: finite numbers for all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import uninas_bench as ub
from uninas_bench.engine import run
from uninas_bench.initialisation import kaiming_
from uninas_bench.space import SearchSpace
from uninas_bench.subject import NetworkSubject
from uninas_bench.tasks import find_task
from uninas_bench_plugins.vkdnw import Vkdnw

PROXIES = (
    "params", "flops", "nwot", "zico", "az_nas", "jacov", "epe_nas", "zen", "te_nas", "vkdnw", "vkdnw_single",
    "vkdnw_agg",
)  # fmt: skip
NETWORKS = {
    "hytra": ("bossnet-t0", "vit-t/32"),
    "mbconv": ("11 0110 0111 1100 0110",),
}
SCALES = {
    "hytra": {"widths": "16:32:64:64", "stem": 8, "head": 16, "definition": "A"},
    "mbconv": {"widths": "8:8:16:16:24", "stem": "8:8", "final": 32, "head": 64},
}


def drawn(name: str, **more: str) -> tuple[SearchSpace, list[ub.Architecture]]:
    space = ub.space(name, **SCALES[name], **more)
    return space, [*map(space.parse, NETWORKS[name]), *space.sample(1, np.random.default_rng(0))]


def check(space: SearchSpace, architectures: list[ub.Architecture], resolution: int, batch: int) -> None:
    proxies = [ub.proxy(proxy) for proxy in PROXIES]
    proxies = [p.with_settings(batch=batch, source="gaussian") if p.components else p for p in proxies]
    scores = run(architectures, proxies, space=space, task=f"cifar10@{resolution}")
    frame = scores.tidy()
    failed = frame[frame["status"] != "ok"]
    assert failed.empty, failed[["architecture", "proxy", "status", "message"]].to_string()
    assert np.isfinite(frame["value"]).all()
    for proxy in proxies:
        score = proxy.aggregate(scores.population(proxy))
        assert list(score.index) == [architecture.encoding for architecture in architectures]
        assert np.isfinite(score).all(), proxy.name


@pytest.mark.parametrize(
    ("name", "resolution", "more"),
    [("hytra", 32, {}), ("hytra", 64, {"style": "se", "strides": "1:2:2:1"}), ("mbconv", 32, {})],
)
def test_scores_are_finite(name: str, resolution: int, more: dict[str, str]) -> None:
    check(*drawn(name, **more), resolution, 8)


@pytest.mark.slow
@pytest.mark.parametrize("resolution", [64, 96])
@pytest.mark.parametrize("style", ["plain", "se"])
def test_scores_of_random_hybrids_are_finite(style: str, resolution: int) -> None:
    space = ub.space("hytra", widths="8:16:32:32", stem=8, head=8, style=style)
    check(space, list(space.sample(13, np.random.default_rng(resolution))), resolution, 6)


@pytest.mark.parametrize("encoding", ["4422 2222 2333 2231", "4232 3323 2332 2333"])
def test_vkdnw_of_a_hybrid_is_that_of_the_same_in_float64(encoding: str) -> None:
    """Softmaxes of scores of a million: what float32 makes of these networks, rounding has made."""
    space, task = ub.space("hytra", **SCALES["hytra"], style="se"), find_task("cifar10@64")
    network = space.build(space.parse(encoding), task).eval()
    kaiming_(network, torch.Generator().manual_seed(0))
    images = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    labels = torch.zeros(8, dtype=torch.int64)

    def evaluate(images: torch.Tensor) -> dict[str, float]:
        batches = [(images, labels)]
        subject = NetworkSubject(network, batches, Vkdnw().settings, init="keep", seed=0, features=None)
        return dict(Vkdnw().evaluate(subject))

    single = evaluate(images)
    with torch.no_grad():
        said = network(images)
        meant = network.double()(images.double())
    assert (said - meant).abs().max() > 1e-3 * meant.abs().max(), "float32 would do: nothing is tested"
    assert single == pytest.approx(evaluate(images.double()), rel=1e-9)


def test_vkdnw_of_a_networks_own_weights_is_finite() -> None:
    space, architectures = drawn("hytra", style="se", strides="1:2:2:1")
    proxy = ub.proxy("vkdnw").with_settings(batch=8, source="gaussian", init="model")
    frame = ub.score(architectures, [proxy], space=space, task="cifar10@64")
    assert (frame["status"] == "ok").all()
    assert np.isfinite(frame["value"]).all()
