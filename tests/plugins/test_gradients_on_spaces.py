"""The proxies of gradients and flows on every space: convolutions, attentions, excitation, any block."""

from __future__ import annotations

import numpy as np
import pytest

import uninas_bench as ub

PROXIES = ("snip", "plain", "grad_norm", "fisher", "grasp", "synflow", "l2_norm")
SPACES = {
    "nats_size": ({"cells": 1}, ("8:16:8:24:32",)),
    "hytra": (
        {"widths": "16:32:64:64", "stem": 8, "head": 16, "definition": "A"}, ("bossnet-t0", "vit-t/32"),
    ),
    "hytra, excited": (
        {"widths": "16:32:64:64", "stem": 8, "head": 16, "style": "se", "strides": "1:2:2:1"},
        ("bossnet-t0",),
    ),
    "mbconv": (
        {"widths": "8:8:16:16:24", "stem": "8:8", "final": 32, "head": 64}, ("11 0110 0111 1100 0110",),
    ),
    "uninas": ({"widths": "32:32:64:64", "depths": "1:1:1:1", "stem": "8:16"}, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", SPACES)
def test_every_proxy_has_a_value(name):
    scale, texts = SPACES[name]
    space = ub.space(name.partition(",")[0], **scale)
    sampled = space.sample(3, np.random.default_rng(1)) if not texts else []
    architectures = [*map(space.parse, texts), *sampled]
    proxies = [ub.proxy(proxy, batch=6) for proxy in PROXIES]
    proxies = [p.with_settings(source="gaussian") for p in proxies]
    frame = ub.score(architectures, proxies, space=space, task="cifar10@32")
    assert set(frame["message"]) == {""}
    assert np.isfinite(frame["value"]).all()
    assert frame.groupby("proxy")["value"].nunique().min() == len(architectures)
