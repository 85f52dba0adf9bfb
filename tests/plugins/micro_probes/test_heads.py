"""Heads: what they see of a map, and where."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from uninas_bench_plugins._micro_probes.networks.extraction import Features
from uninas_bench_plugins._micro_probes.networks.heads import make_head
from uninas_bench_plugins._micro_probes.probes.probe import HeadPlan


def shapes(channels=6, size=(8, 8), width=5):
    """The shapes that an extractor would tell."""
    return SimpleNamespace(channels=channels, size=size, width=width)


def features(n=4, channels=6, size=(8, 8), width=5, requires_grad=False):
    rng = torch.Generator().manual_seed(0)
    maps = torch.randn(n, channels, *size, generator=rng) if channels else None
    vector = torch.randn(n, width, generator=rng)
    if requires_grad:
        maps.requires_grad_()
    return Features(maps, vector)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 3), (8, 8), (9, 9), (32, 32), (60, 1)])
@pytest.mark.parametrize(
    ("plan", "shape"),
    [
        (HeadPlan("vector", 7), (4, 7)),
        (HeadPlan("spatial", 2), (4, 2)),
        (HeadPlan("slots", 16, 4), (4, 16, 4, 4)),
        (HeadPlan("pixels", 3), (4, 3, 32, 32)),
    ],
)
def test_shapes(plan, shape, size) -> None:
    head = make_head(plan, shapes(size=size), views=1, side=32)
    assert head(features(size=size)).shape == shape


@pytest.mark.parametrize(
    ("kind", "shape"), [("spatial", (4, 3)), ("slots", (4, 3, 2, 2)), ("pixels", (4, 3, 16, 16))]
)
def test_a_network_without_places_is_given_some(kind, shape) -> None:
    head = make_head(HeadPlan(kind, 3, 2), shapes(channels=0, size=(0, 0)), views=1, side=16)
    assert head(features(channels=0)).shape == shape


def test_the_vector_head_is_one_linear_map() -> None:
    head = make_head(HeadPlan("vector", 7), shapes(), views=1, side=32)
    given = features()
    torch.testing.assert_close(head(given), given.vector @ head.linear.weight.T + head.linear.bias)


def test_spatial_heads_tell_places_apart() -> None:
    head = make_head(HeadPlan("spatial", 2), shapes(), views=1, side=32)
    given = features()
    turned = Features(given.map.flip(3), given.vector)
    assert (head(given) - head(turned)).abs().max() > 1e-3


def test_slots_are_their_places() -> None:
    """Only the map's rows 2 and 3, columns 6 and 7 reach slot row 1, column 3 of four by four."""
    given = features(requires_grad=True)
    make_head(HeadPlan("slots", 16, 4), shapes(), views=1, side=32)(given)[:, :, 1, 3].sum().backward()
    reached = given.map.grad.abs().sum((0, 1)).nonzero().tolist()
    assert reached == [[2, 6], [2, 7], [3, 6], [3, 7]]


def test_pixels_are_under_their_places() -> None:
    """Of a map of 8 by 8, each place paints 4 by 4 pixels of 32."""
    given = features(requires_grad=True)
    make_head(HeadPlan("pixels", 3), shapes(), views=1, side=32)(given)[:, :, 13, 30].sum().backward()
    assert given.map.grad.abs().sum((0, 1)).nonzero().tolist() == [[3, 7]]


def test_pixels_each_have_weights_of_their_own() -> None:
    head = make_head(HeadPlan("pixels", 3), shapes(size=(1, 1)), views=1, side=16)
    out = head(features(size=(1, 1)))[0]
    assert len(out.flatten().unique()) == 3 * 16 * 16


def test_two_views_and_their_difference() -> None:
    head = make_head(HeadPlan("vector", 4), shapes(), views=2, side=32)
    vector = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    first, second = vector[0::2], vector[1::2]
    expected = torch.cat([first, second, first - second], 1) @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(head(Features(None, vector)), expected)


def test_two_views_of_a_map() -> None:
    head = make_head(HeadPlan("spatial", 4), shapes(), views=2, side=32)
    given = features(n=6)
    alone = head(Features(given.map[2:4], given.vector[2:4]))
    torch.testing.assert_close(head(given)[1:2], alone)


def test_slots_look_at_one_view() -> None:
    with pytest.raises(ValueError, match="one image"):
        make_head(HeadPlan("slots", 16, 4), shapes(), views=2, side=32)
