"""Every proxy on networks of the spaces of BossNAS, on noise: finite numbers, or none and the reason why."""

from __future__ import annotations

import numpy as np
import pytest

import uninas_bench as ub
from uninas_bench.space import SearchSpace

PROXIES = ("params", "flops", "nwot", "jacov", "zico", "az_nas", "vkdnw")
NETWORKS = {
    "hytra": ("bossnet-t0", "vit-t/32"),
    "mbconv": ("11 0110 0111 1100 0110",),
}
SCALES = {
    "hytra": {"widths": "16:32:64:64", "stem": 8, "head": 16, "definition": "A"},
    "mbconv": {"widths": "8:8:16:16:24", "stem": "8:8", "final": 32, "head": 64},
}
SATURATED = "the logits of an image depend on the other images of its batch"
"""In float32 they seem to: without batch statistics and with unit gains, maps grow from block to block until
a softmax turns on the last bit. With a network's own weights, whose residuals begin at 0, it doesn't."""


def drawn(name: str, **more: str) -> tuple[SearchSpace, list[ub.Architecture]]:
    space = ub.space(name, **SCALES[name], **more)
    return space, [*map(space.parse, NETWORKS[name]), *space.sample(1, np.random.default_rng(0))]


@pytest.mark.parametrize(
    ("name", "resolution", "more"),
    [("hytra", 32, {}), ("hytra", 64, {"style": "se", "strides": "1:2:2:1"}), ("mbconv", 32, {})],
)
def test_scores_are_finite(name: str, resolution: int, more: dict[str, str]) -> None:
    space, architectures = drawn(name, **more)
    proxies = [ub.proxy(proxy).with_settings(batch=8, source="gaussian") for proxy in PROXIES]
    frame = ub.score(architectures, proxies, space=space, task=f"cifar10@{resolution}")
    failed = frame[frame["status"] != "ok"]
    assert set(zip(failed["proxy"], failed["message"], strict=True)) <= {("vkdnw", SATURATED)}
    assert name == "hytra" or failed.empty
    scored = frame[frame["status"] == "ok"]
    assert np.isfinite(scored["value"]).all()
    assert scored.groupby("proxy")["architecture"].nunique().drop("vkdnw").eq(len(architectures)).all()


def test_vkdnw_of_a_networks_own_weights_is_finite() -> None:
    space, architectures = drawn("hytra", style="se", strides="1:2:2:1")
    proxy = ub.proxy("vkdnw").with_settings(batch=8, source="gaussian", init="model")
    frame = ub.score(architectures, [proxy], space=space, task="cifar10@64")
    assert (frame["status"] == "ok").all()
    assert np.isfinite(frame["value"]).all()
