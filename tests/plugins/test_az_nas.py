from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import rankdata
from torch import nn

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable
from uninas_bench.testing.proxies import ProxyTestCase
from uninas_bench_plugins._features import entropies, gain, random_signs, rows, trainability
from uninas_bench_plugins.az_nas import rank_sum


class TestAzNas(ProxyTestCase):
    declines_disconnected = True
    ignores_networks = frozenset({"complexity"})

    def make_proxy(self):
        return ub.proxy("az_nas")


def images(size=6, channels=4, resolution=8, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(size, channels, resolution, resolution)))


def test_whole_statistics_by_numpy():
    """Features by hand, spectra and one explicit vector-Jacobian product per stage."""
    network, data = nets.seeded(nets.Stages), nets.batches(1)
    names = ["stages.0", "stages.1", "stages.2"]
    found = nets.value(network, ub.proxy("az_nas"), data, features=names, seed=3)

    features = [network.stages[0](data[0][0]).detach()]
    gains, entropy = [], []
    for stage in network.stages[1:]:
        features.append(stage(features[-1]).detach())
    for f in features:
        matrix = f.numpy().transpose(0, 2, 3, 1).reshape(-1, f.shape[1]).astype(float)
        v = np.linalg.eigvalsh(np.cov(matrix, rowvar=False, bias=True)).clip(0)
        entropy.append(-(v / v.sum() * np.log(v / v.sum() + 1e-8)).sum())
    generator = torch.Generator().manual_seed(3)
    for before, stage in ((features[1], network.stages[2]), (features[0], network.stages[1])):
        leaf = before.clone().requires_grad_()
        after = stage(leaf)
        signs = torch.bernoulli(torch.full(after.shape, 0.5), generator=generator) * 2 - 1
        (signs * after).sum().backward()
        a = leaf.grad.numpy().transpose(0, 2, 3, 1).reshape(-1, before.shape[1])
        b = signs.numpy().transpose(0, 2, 3, 1).reshape(-1, signs.shape[1])
        gains.append(np.linalg.svd(a.T @ b / len(b))[1].max())
    assert found["expressivity"] == pytest.approx(sum(entropy), rel=1e-5)
    assert found["progressivity"] == pytest.approx(np.diff(entropy).min(), rel=1e-4)
    expected = np.mean([2 - s - 1 / (s + 1e-6) for s in gains])
    assert found["trainability"] == pytest.approx(expected, rel=1e-4)
    assert found["complexity"] == nets.value(network, ub.proxy("flops"), data)
    blocks = nets.value(network, ub.proxy("az_nas", scope="blocks"), data, features=names, seed=3)
    assert blocks["expressivity"] == pytest.approx(np.mean(entropy[1:]), rel=1e-5)


def test_entropy_of_known_spectra():
    """Independent channels of equal variance: ln C. One channel alone: 0. No variance: NaN."""
    equal = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    single = torch.tensor([[1.0, 0], [-1, 0], [2, 0], [-2, 0]])
    found = entropies([equal, single, torch.ones(4, 2)], clamp=True)
    assert found[:2] == pytest.approx([math.log(2), 0.0], abs=1e-6)
    assert math.isnan(found[2])


def test_entropy_does_not_depend_on_scale_order_or_rotation():
    f = images()
    rotation = torch.linalg.qr(images(1, 1, 4)[0, 0])[0]
    turned = torch.einsum("bchw,cd->bdhw", f, rotation) * 7 + 3
    assert entropies([f], clamp=True) == pytest.approx(entropies([turned.flip(0)], clamp=True), rel=1e-9)


@pytest.mark.parametrize("shape", [(64, 16, 8, 8), (3, 5), (1, 7, 3)])
def test_signs_are_those_of_bernoulli(shape):
    ours, theirs = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    for _ in range(2):
        expected = torch.bernoulli(torch.full(shape, 0.5), generator=theirs) * 2 - 1
        assert torch.equal(random_signs(torch.empty(shape), ours), expected)


def test_signs_follow_the_layout():
    like = torch.empty(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    plain = random_signs(torch.empty(2, 3, 4, 5), torch.Generator().manual_seed(1))
    assert torch.equal(random_signs(like, torch.Generator().manual_seed(1)), plain)


def test_linear_block_has_a_closed_form():
    """A 1x1 convolution W pulls g back to W^T g, so M tends to W^T: sigma is W's norm, up to sampling."""
    weight = torch.diag(torch.tensor([3.0, 1.0, 0.5, 0.2], dtype=torch.float64))
    f = images(64, 4, 16).requires_grad_()
    after = torch.einsum("bchw,dc->bdhw", f, weight)
    score = trainability([f, after], torch.Generator().manual_seed(0), robust=True)
    assert score == pytest.approx(2 - 3 - 1 / 3, abs=0.05)


def test_places_become_channels_where_they_tile_and_are_averaged_elsewhere():
    back = images(2, 3, 4)
    out = images(2, 5, 2, seed=1)
    parts = [rows(back[:, :, i::2, j::2]) for i in (0, 1) for j in (0, 1)]
    tiled = torch.linalg.matrix_norm(torch.cat(parts, 1).T @ rows(out) / 8, ord=2)
    assert gain(back, out) == pytest.approx(float(tiled))
    odd = images(2, 5, 3, seed=1)
    averaged = nn.functional.adaptive_avg_pool2d(back, 3)
    assert gain(back, odd) == pytest.approx(
        float(torch.linalg.matrix_norm(rows(averaged).T @ rows(odd) / 18, ord=2))
    )


def test_tokens_are_rows_and_squares_of_tokens_are_grids():
    grid, out = images(2, 3, 4), images(2, 5, 4, seed=1)
    tokens = out.flatten(2).transpose(1, 2)
    assert gain(grid, tokens) == pytest.approx(gain(grid, out))
    with_class = torch.cat([torch.randn(2, 1, 5, dtype=torch.float64), tokens], 1)
    assert gain(grid, with_class) == pytest.approx(gain(grid, out))
    assert math.isfinite(gain(grid, torch.randn(2, 7, 5, dtype=torch.float64)))
    assert math.isfinite(gain(grid, torch.randn(2, 5, dtype=torch.float64)))


def test_blocks_that_return_their_input_are_left_out():
    def build():
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.Identity(), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(256, 5)
        )

    network, data = nets.seeded(build), nets.batches(1)
    robust = nets.value(network, ub.proxy("az_nas"), data, features=["0", "1", "2"])
    assert math.isfinite(robust["trainability"])
    reference = nets.value(network, ub.proxy("az_nas", style="reference"), data, features=["0", "1", "2"])
    assert reference["trainability"] == -math.inf
    assert reference["expressivity"] == pytest.approx(robust["expressivity"], rel=1e-5)


@pytest.mark.parametrize("function", [lambda net, x: 0 * x, lambda net, x: torch.zeros_like(x)])
def test_a_block_that_nothing_passes(function):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nets.Function(function), nn.Flatten(), nn.Linear(256, 5))
    data, features = nets.batches(1), ["0", "1"]
    with pytest.raises(NotApplicable):
        nets.value(network, ub.proxy("az_nas"), data, features=features)
    found = nets.value(network, ub.proxy("az_nas", style="reference"), data, features=features)
    assert found["expressivity"] == found["progressivity"] == -math.inf
    assert found["trainability"] < -1e5


def test_in_place_activations_do_not_reach_the_features():
    def build(inplace):
        block = lambda: nn.Sequential(nn.ReLU(inplace=inplace), nn.Conv2d(4, 4, 3, padding=1))  # noqa: E731
        return nets.seeded(
            lambda: nn.Sequential(nn.Conv2d(3, 4, 1), block(), block(), nn.Flatten(), nn.Linear(256, 5))
        )

    data = nets.batches(1)
    one, two = (
        nets.value(build(i), ub.proxy("az_nas"), data, features=["0", "1", "2"]) for i in (False, True)
    )
    assert one == two


def test_rank_sum_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 4, (12, 4)).astype(float), columns=list("EPTF"))
    expected = sum(np.log(rankdata(frame[c]) / 12) for c in frame)
    assert rank_sum(frame).to_numpy() == pytest.approx(expected)


def test_missing_components_rank_lowest_and_share_their_rank():
    nan = math.nan
    frame = pd.DataFrame({"E": [nan, 1.0, nan, 2.0], "F": [1.0, 2.0, nan, 3.0]})
    scores = rank_sum(frame)
    assert scores[0] == pytest.approx(math.log(1.5 / 4) + math.log(2 / 4))
    assert math.isnan(scores[2])
    assert scores.idxmax() == 3
