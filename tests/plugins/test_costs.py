from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pytest
from scipy.stats import kendalltau

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


# Dong et al.'s accuracies against the sum of the five widths: .785 over the whole size space (specification
# of the BossNAS ratings, trivial baselines).
@pytest.mark.data
def test_the_sum_of_channels_predicts_the_size_space(real_data: Path) -> None:
    with gzip.open(real_data / "ground_truth" / "nats_size.csv.gz", "rt") as file:
        rows = random.Random(0).sample(list(csv.DictReader(file)), 2000)
    frame = ub.score([row["arch_str"] for row in rows], ["channels"], space="nats_size")
    accuracies = [float(row["cifar10_test_acc_90ep"]) for row in rows]
    assert kendalltau(frame["value"], accuracies).statistic == pytest.approx(0.785, abs=0.03)


def test_other_spaces_have_no_sum_of_channels() -> None:
    (status,) = ub.score(["0"], ["channels"], space="nasbench201")["status"]
    assert status == "not-applicable"
