"""The numbers of a data sheet against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests import toy
from uninas_bench.architecture import Architecture
from uninas_bench.ground_truth.facts import PERCENTILES, histogram, table_facts
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.host import default_host
from uninas_bench.tasks import find_task


def test_facts_are_numpys_and_scipys() -> None:
    table = toy.table()
    facts = table_facts(table, default_host())
    means = table.accuracies()
    assert facts.percentiles == pytest.approx(np.percentile(means, PERCENTILES))
    costs = [toy.SPACE.costs(Architecture("nasbench201", e), find_task("cifar10")) for e in means.index]
    assert facts.costs is not None
    assert facts.costs["params"].tolist() == [cost.params for cost in costs]
    assert facts.costs["flops"].tolist() == [cost.flops for cost in costs]
    for name, rank in facts.ranks.items():
        assert rank.tau == pytest.approx(stats.kendalltau(facts.costs[name], means).statistic)
        assert rank.rho == pytest.approx(stats.spearmanr(facts.costs[name], means).statistic)
        assert rank.tau_low < rank.tau < rank.tau_high
        assert rank.n == len(table) == 60
    assert facts.convention == "macs"
    assert facts.chance == 0
    assert facts.ceiling is not None
    assert facts.spread is not None
    assert facts.spread.pooled == pytest.approx(1e-6, rel=0.2)


def test_the_scale_is_that_of_the_table() -> None:
    large = toy.SPACE.scaled(channels=16)
    table = toy.table()
    info = GroundTruthInfo("t", "nasbench201", str(large.scale), "cifar10", "", "")
    facts = table_facts(GroundTruth(info, table.rows), default_host())
    first = table.accuracies().index[0]
    assert facts.costs is not None
    expected = large.costs(Architecture("nasbench201", str(first)), find_task("cifar10"))
    assert facts.costs.loc[first, "params"] == expected.params


@pytest.mark.parametrize(("space", "task"), [("elsewhere", "cifar10"), ("nasbench201", "unheard-of")])
def test_without_space_or_task_the_rest_is_there(space: str, task: str) -> None:
    info = GroundTruthInfo("t", space, str(toy.SPACE.scale), task, "", "")
    facts = table_facts(GroundTruth(info, toy.table().rows), default_host())
    assert facts.costs is None
    assert facts.ranks == {}
    assert "elsewhere" in facts.lacking or "unheard-of" in facts.lacking
    assert (facts.chance is None) == (task == "unheard-of")
    assert facts.ceiling is not None


@given(st.lists(st.decimals(0, 100, places=2).map(float), min_size=2, max_size=80))
def test_every_architecture_is_in_one_bin(values: list[float]) -> None:
    accuracies = np.array(values)
    found = histogram(accuracies)
    assert found.counts.sum() + found.below == len(values)
    assert found.below == (accuracies < found.edges[0]).sum()
    assert len(found.counts) <= 24
    assert found.edges[-1] >= accuracies.max()
    width = found.edges[1] - found.edges[0]
    assert np.diff(found.edges) == pytest.approx(width)
    # Exact in hundredths, where an edge is what it is called.
    cents = np.round(accuracies * 100).astype(int)
    edges = np.round(found.edges * 100).astype(int)
    last = len(found.counts) - 1
    for i, count in enumerate(found.counts):
        upper = edges[i + 1] + (1 if i == last else 0)
        assert count == ((cents >= edges[i]) & (cents < upper)).sum()


def test_a_tail_does_not_squeeze_the_others() -> None:
    accuracies = np.concatenate([np.full(3, 10.0), np.random.default_rng(0).uniform(80, 90, 200)])
    found = histogram(accuracies)
    assert found.below == 3
    assert found.edges[0] > 65
    assert (found.counts > 0).sum() >= 8
