"""VKDNW as a proxy: settings, blocks, ranks; its maths is tested in fisher/."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import uninas_bench as ub
from uninas_bench import NotApplicable, Settings, UserError
from uninas_bench.subject import NetworkSubject
from uninas_bench_plugins._fisher.entries import sample_entries
from uninas_bench_plugins.vkdnw import Vkdnw, VkdnwAggregate, VkdnwSingle, dense_rank


class _Net(nn.Module):
    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)) for _ in range(3)
        )
        self.head = nn.Linear(6, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        pooled = x.mean((2, 3))
        return pooled, self.head(pooled)


class _Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0


def evaluate(network: nn.Module, batch: int = 6, **settings: Any) -> dict[str, float]:
    proxy = Vkdnw().with_settings(**settings)
    images = torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    dtype = next(network.parameters()).dtype
    batches = [(images.to(dtype), torch.zeros(batch, dtype=torch.int64))]
    subject = NetworkSubject(network, batches, proxy.settings, init="keep", seed=0, features=None)
    return dict(proxy.evaluate(subject))


def network(seed: int = 1, **options: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _Net(**options).double()


def _entropy(matrix: Tensor) -> float:
    q = np.quantile(np.linalg.eigvalsh(matrix.numpy()).clip(0), np.arange(1, 10) / 10)
    t = q / (q.sum() + 1e-10)
    return float(-(t * np.log(t + 1e-10)).sum())


def _score_covariance(net: nn.Module, parameters: dict[str, nn.Parameter], images: Tensor) -> Tensor:
    """The Fisher matrix of first entries from log-likelihood gradients, image by image and class by class."""
    net.eval()
    total = torch.zeros(len(parameters), len(parameters), dtype=torch.float64)
    for image in images:
        log_likelihood = net(image[None])[1][0].log_softmax(0)
        for value in log_likelihood:
            grads = torch.autograd.grad(value, list(parameters.values()), retain_graph=True)
            score = torch.stack([grad.flatten()[0] for grad in grads])
            total += value.exp().detach() * torch.outer(score, score) / len(images)
    return total


def test_entropy_of_the_exact_matrix_from_likelihood_gradients() -> None:
    net = network()
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(5)).double()
    values = evaluate(net, fim="exact", smoothing=0)
    matrix = _score_covariance(net, dict(net.named_parameters()), images)
    assert values["entropy"] == pytest.approx(_entropy(matrix), rel=1e-9)
    assert values["dim"] == len(list(net.parameters()))


def test_blocks_are_sub_networks_with_the_rest_held_fixed() -> None:
    net = network()
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(5)).double()
    want = [
        _entropy(_score_covariance(net, dict(block.named_parameters()), images))
        for block in net.blocks  # type: ignore[union-attr]
    ]
    values = evaluate(net, fim="exact", smoothing=0, scope="blocks")
    assert values["entropy"] == pytest.approx(sum(want) / 3, rel=1e-9)
    assert values["dim"] == len(list(net.parameters()))


def test_blocks_with_less_than_two_scalars_are_left_out() -> None:
    net = network()
    whole = evaluate(net, scope="blocks", tensors=3)
    net.blocks.append(_Zero())  # type: ignore[operator,union-attr]
    assert evaluate(net, scope="blocks", tensors=3) == whole
    with pytest.raises(NotApplicable, match="fewer than two parameters"):
        evaluate(net, scope="blocks", tensors=1)


@pytest.mark.parametrize(("tensors", "kept"), [(128, 15), (5, 5), (-2, 7), (-4, 3)])
def test_the_first_tensors_are_sampled(tensors: int, kept: int) -> None:
    net = network()
    entries = sample_entries(net, tensors, 1)
    assert [id(e.parameter) for e in entries] == [id(p) for p in net.parameters()][:kept]
    assert {e.index for e in entries} == {0}


def test_scalars_are_spread_over_a_tensor() -> None:
    layer = nn.Linear(10, 1, bias=False)
    assert [e.index for e in sample_entries(layer, 128, 4)] == [0, 3, 6, 9]


def test_options_change_the_number() -> None:
    net = network()
    options: list[dict[str, Any]] = [
        {}, {"fim": "exact"}, {"smoothing": 0.0}, {"tensors": 4}, {"per_tensor": 2}, {"quantiles": "all"},
        {"scope": "blocks"},
    ]  # fmt: skip
    entropies = {evaluate(net, **option)["entropy"] for option in options}
    assert len(entropies) == len(options)


def test_a_network_that_ignores_its_input_has_no_entropy() -> None:
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), _Zero(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    net = nn.Sequential(*layers, nn.Linear(4, 5)).double()
    assert evaluate(net) == {"entropy": pytest.approx(0, abs=1e-8), "dim": 6.0}


def test_a_narrow_head_gives_what_backwards_by_logit_give() -> None:
    """With more classes than features the backwards start at the features; the numbers may not move."""
    net = network(classes=12)
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(5)).double()
    matrix = _score_covariance(net, dict(net.named_parameters()), images)
    values = evaluate(net, fim="exact", smoothing=0)
    assert values["entropy"] == pytest.approx(_entropy(matrix), rel=1e-9)


def test_global_random_state_is_left_alone_and_runs_agree() -> None:
    before = torch.get_rng_state()
    first = evaluate(network().float())
    assert torch.equal(torch.get_rng_state(), before)
    assert evaluate(network().float()) == first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smoothing": 2}, "smoothing=2.0: expected a weight"),
        ({"per_tensor": 0}, "per_tensor=0: expected"),
        ({"tensors": 0}, "tensors=0: expected"),
        ({"fim": "other"}, "vkdnw.fim=other"),
        ({"batch": 0}, "batch=0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Vkdnw().with_settings(**settings)


def test_one_class_is_not_applicable() -> None:
    with pytest.raises(NotApplicable, match="class"):
        evaluate(network(classes=1))


def test_defaults_are_the_references() -> None:
    proxy = ub.proxy("vkdnw")
    assert proxy.components == ("entropy", "dim")
    assert isinstance(proxy.settings, Settings)
    assert str(proxy.settings).startswith(
        "batch=64,source=gaussian,init=kaiming,fim=reference,smoothing=0.05"
    )


def test_dense_ranks_of_pairs() -> None:
    dim = pd.Series([30.0, 21, 30, 21, np.nan, 66])
    entropy = pd.Series([1.0, 2.1, 0.5, 2.1, 1.0, 0.0])
    assert dense_rank(dim, entropy).tolist()[:4] == [3, 1, 2, 1]
    assert math.isnan(dense_rank(dim, entropy)[4])
    assert dense_rank(dim, entropy)[5] == 4


def test_score_is_lexicographic_or_a_sum() -> None:
    columns = {"vkdnw.entropy": [0.1, 2.0, 0.5], "vkdnw.dim": [12.0, 11, 66]}
    frame = pd.DataFrame(columns, index=list("abc"))
    assert VkdnwSingle().aggregate(frame).to_dict() == {"a": 2, "b": 1, "c": 3}
    summed = VkdnwSingle().with_settings(score="sum").aggregate(frame)
    assert summed.to_dict() == pytest.approx({"a": 12.1, "b": 13.0, "c": 66.5})


def _population() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vkdnw.entropy": [1.0, 0.5, np.nan, 1.0],
            "vkdnw.dim": [66.0, 66, 21, 66],
            "jacov.jacov": [-10.0, -12, np.nan, -11],
            "az_nas.expressivity": [5.0, 6, np.nan, 7],
            "az_nas.trainability": [-1.0, -1, np.nan, -3],
            "flops.flops": [10.0, 20, 20, 40],
            "params.params": [4.0, 3, 2, 1],
        },
        index=list("abcd"),
    )


def test_aggregate_is_the_sum_of_log_ranks() -> None:
    # a, b, c, d: V dense with the failed one first; J: c on the least value, a tie with b; E; T ties; F ties.
    ranks = {
        "a": (3, 4, 2, 3.5, 1), "b": (2, 1.5, 3, 3.5, 2.5), "c": (1, 1.5, 1, 1, 2.5), "d": (3, 3, 4, 2, 4),
    }  # fmt: skip
    want = {name: sum(math.log(rank) for rank in row) for name, row in ranks.items()}
    assert VkdnwAggregate().aggregate(_population()).to_dict() == pytest.approx(want)


def test_aggregate_of_nothing_is_nothing() -> None:
    frame = _population()
    frame.loc["c"] = np.nan
    total = VkdnwAggregate().aggregate(frame)
    assert math.isnan(total["c"])
    assert total.drop("c").notna().all()


def test_aggregate_is_invariant_to_monotone_maps_and_order() -> None:
    frame = _population()
    total = VkdnwAggregate().aggregate(frame)
    mapped = frame.assign(**{"flops.flops": np.log(frame["flops.flops"])})
    pd.testing.assert_series_equal(VkdnwAggregate().aggregate(mapped), total)
    pd.testing.assert_series_equal(VkdnwAggregate().aggregate(frame[::-1]), total[::-1])
