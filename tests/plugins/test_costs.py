from __future__ import annotations

import pytest

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench.testing.networks import SPACE, TASK, cell_subject
from uninas_bench.testing.proxies import ProxyTestCase


class TestParams(ProxyTestCase):
    another_process = False

    def make_proxy(self):
        return ub.proxy("params")


class TestFlops(TestParams):
    def make_proxy(self):
        return ub.proxy("flops")


def test_the_space_is_asked_and_no_network_is_built(monkeypatch):
    architecture = SPACE.parse("5000")
    proxies = [ub.proxy("params"), ub.proxy("flops")]
    subjects = [cell_subject(proxy, architecture) for proxy in proxies]
    monkeypatch.setattr(type(SPACE), "build", None)
    found = [proxy.evaluate(subject) for proxy, subject in zip(proxies, subjects, strict=True)]
    costs = SPACE.costs(architecture, TASK)
    assert found == [{"params": costs.params}, {"flops": costs.flops}]


def test_a_bare_network_is_counted():
    """One 3x3 convolution of 8x8 places, 3 to 4 channels, and a head of 4 to 5."""
    network, data = nets.Stages(widths=(4,)), nets.batches(1)
    weights = 4 * 3 * 9
    assert nets.value(network, ub.proxy("params"), data) == weights + 2 * 4 + (4 * 5 + 5)
    assert nets.value(network, ub.proxy("flops"), data) == pytest.approx(weights * 64 + 4 * 5)
