from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins import nets
from uninas_bench import NotApplicable
from uninas_bench.testing.proxies import ProxyTestCase
from uninas_bench_plugins._input_gradients import correlations
from uninas_bench_plugins.epe_nas import class_score


class TestEpeNas(ProxyTestCase):
    declines_disconnected = True

    def make_proxy(self):
        return ub.proxy("epe_nas")


def literally(rows, labels, classes, k=1e-5):
    """The definition by numpy, class by class, each with a matrix of correlations of its own."""
    sums = {}
    for label in set(labels):
        mine = [row for row, other in zip(rows, labels, strict=True) if other == label]
        correlation = np.corrcoef(mine)
        total = float(np.log(np.abs(correlation) + k).sum())
        if classes > 100:
            if correlation.ndim == 0:
                continue
            total /= len(mine)
        sums[label] = total
    if classes <= 100:
        return sum(abs(total) for total in sums.values())
    return sum(abs(a - b) for a in sums.values() for b in sums.values()) / len(sums)


def jacobian(network, x):
    x = x.clone().requires_grad_()
    network(x).sum().backward()
    network.zero_grad(set_to_none=True)
    return x.grad.flatten(1).numpy()


@pytest.mark.parametrize("classes", [5, 100, 101, 120])
def test_the_definition_class_by_class(classes):
    """Below and above 100 logits; of 12 images the labels are of 4 classes, one of them with one image."""
    x, _ = nets.batches(1, size=12)[0]
    y = torch.tensor([0, 1, 2, 0, 1, 2, 4, 0, 1, 1, 2, 0])
    network = nets.seeded(lambda: nets.Stages(classes=classes))
    expected = literally(jacobian(network, x), y.tolist(), classes)
    assert nets.value(network, ub.proxy("epe_nas"), [(x, y)]) == pytest.approx(expected, rel=1e-5)


def test_a_class_of_one_image_says_next_to_nothing_below_100_classes_and_nothing_above():
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 40)))
    all_, labels = correlations(rows), torch.tensor([0, 0, 1, 1, 2])
    without = all_[:4, :4], labels[:4]
    assert class_score(all_, labels, 10) - class_score(*without, 10) == pytest.approx(1e-5, rel=1e-3)
    assert class_score(all_, labels, 101) == class_score(*without, 101)


def test_by_hand():
    """Two rows at 60 degrees, and two opposite ones, whose correlation counts by its size."""
    matrix = torch.tensor([[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]], dtype=torch.float64)
    labels = torch.tensor([3, 3, 7, 7])
    one, half = math.log(1 + 1e-5), math.log(0.5 + 1e-5)
    assert class_score(matrix, labels, 10) == pytest.approx(abs(2 * one + 2 * half) + 4 * one)
    # Two ordered pairs over two classes.
    assert class_score(matrix, labels, 200) == pytest.approx(abs((2 * one + 2 * half) / 2 - 4 * one / 2))


@pytest.mark.parametrize("classes", [10, 200])
def test_order_of_the_samples_and_names_of_the_classes_do_not_matter(classes):
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 40)))
    labels = torch.tensor([0, 0, 1, 1, 1, 0])
    expected = class_score(correlations(rows), labels, classes)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert class_score(correlations(rows[order]), labels[order], classes) == pytest.approx(expected)
    assert class_score(correlations(rows), 7 - labels, classes) == pytest.approx(expected)
    scaled = rows * torch.arange(1, 7)[:, None] + 3
    assert class_score(correlations(scaled), labels, classes) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "classes", "reason"),
    [([0, 1, 2, 3], 10, "no class"), ([0, 1, 2, 3], 200, "no class"), ([0, 0, 2, 3], 200, "a single class")],
)
def test_labels_that_leave_nothing_to_compare_are_declined(labels, classes, reason):
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 40)))
    with pytest.raises(NotApplicable, match=reason):
        class_score(correlations(rows), torch.tensor(labels), classes)


def test_gradients_that_are_not_numbers_give_no_number():
    network = nets.Function(lambda net, x: net.head(x.flatten(1)) / 0, head=nn.Linear(192, 5))
    assert math.isnan(nets.value(network, ub.proxy("epe_nas"), nets.batches(1, size=12)))


class Counting(nn.Module):
    """Counts the passes of a network and of its copies."""

    def __init__(self, network, passes):
        super().__init__()
        self.network = network
        self.passes = passes

    def forward(self, x):
        self.passes.append(len(x))
        return self.network(x)

    def __deepcopy__(self, memo):
        import copy

        return Counting(copy.deepcopy(self.network, memo), self.passes)


def test_one_pass_serves_both_proxies():
    passes = []
    data = nets.batches(1, size=12)
    network = Counting(nets.seeded(nets.Stages), passes)
    together = ub.score_network(network, ["jacov", "epe_nas"], batches=data)
    assert passes == [12]
    alone = {name: ub.score_network(network, [name], batches=data)[name] for name in ("epe_nas", "jacov")}
    assert together == alone
    assert passes == [12] * 3


def test_the_blocks_of_jacov_have_a_pass_of_their_own():
    data = nets.batches(1, size=12)
    network = nets.seeded(nets.Stages)
    blocks = ub.proxy("jacov", scope="blocks")
    together = ub.score_network(network, [blocks, "epe_nas"], batches=data)
    assert together == {
        **ub.score_network(network, [blocks], batches=data),
        **ub.score_network(network, ["epe_nas"], batches=data),
    }
    assert together["jacov"] != ub.score_network(network, ["jacov"], batches=data)["jacov"]


def test_in_place_activations_change_nothing():
    data = nets.batches(1, size=12)
    values = [
        nets.value(nets.seeded(lambda inplace=inplace: nets.Stages(
            activation=lambda: nn.ReLU(inplace=inplace))), ub.proxy("epe_nas"), data)
        for inplace in (False, True)
    ]  # fmt: skip
    assert values[0] == values[1]
