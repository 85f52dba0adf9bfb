from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import uninas_bench as ub
from tests.engine.toy import Toy
from tests.plugins.up_nas.toy import Words
from uninas_bench import Architecture, UserError
from uninas_bench_plugins._arch2vec.encodings import known_encoding
from uninas_bench_plugins._arch2vec.graphs import Graphs
from uninas_bench_plugins._up_nas.ascent import climb
from uninas_bench_plugins._up_nas.model import UnifiedProxy, cloud_of
from uninas_bench_plugins._up_nas.settings import UpNasSettings

WORTH = torch.tensor([[3.0, 1, 2, -1, 0, 4, 2, 5, 1], [0, 0, 1, 1, 0, 0, 0, 0, 0]]).T
EVERY = list(Toy().enumerate())
CELL = ub.space("nasbench201").parse("6111")


class Linear(nn.Module):
    """Two members whose scores are sums over letters."""

    def forward(self, latents: Tensor) -> Tensor:
        return latents @ WORTH


def model(weights: tuple[float, float] = (1.0, 0.0), forbidden: str = "") -> UnifiedProxy:
    words: Any = Words(forbidden)
    estimator: Any = Linear()
    return UnifiedProxy(words, estimator, torch.tensor(weights), cloud_of(words.encode(EVERY)))


def settings(**changes: Any) -> UpNasSettings:
    return UpNasSettings(**{"rate": 0.05, "steps": 400, **changes})


class Bowl(nn.Module):
    """Two members, each minus the squared distance from a place of its own: what climbs, arrives."""

    places = torch.tensor(
        [[0.1, 0.9, 0.3, 0.2, 0, 0.7, 0.6, 0.1, 0], [0.8, 0.1, 0, 0, 0.9, 0.1, 0, 0.2, 0.9]]
    )

    def forward(self, latents: Tensor) -> Tensor:
        return -(latents[:, None] - self.places).square().sum(2)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (2.0, 0.5)])
def test_every_start_ends_at_the_best_word(weights: tuple[float, float]) -> None:
    bowl: Any = Bowl()
    one = UnifiedProxy(model().autoencoder, bowl, torch.tensor(weights), model().cloud)
    worth = bowl(one.autoencoder.encode(EVERY)) @ torch.tensor(weights)
    best = EVERY[int(worth.argmax())]
    for start, found in zip(EVERY, climb(one, EVERY, settings()), strict=True):
        assert found.best == best == found.last
        assert found.path[0] == start
        assert list(found.scores) == sorted(found.scores)
        for architecture, score in zip(found.path, found.scores, strict=True):
            assert score == pytest.approx(float(worth[EVERY.index(architecture)]), abs=1e-5)
        assert (found.steps, found.invalid) == (400, False)


def test_a_start_climbs_as_it_would_alone() -> None:
    together = climb(model(), EVERY, settings(steps=60))
    for start, found in zip(EVERY[::5], together[::5], strict=True):
        (alone,) = climb(model(), [start], settings(steps=60))
        assert alone == found


def test_it_stops_where_no_word_is_left_and_keeps_the_best() -> None:
    """In the second place all but c are pushed down; where c is no letter, the way ends there."""
    found = climb(model(forbidden="c"), [Architecture("toy", "bbb"), Architecture("toy", "aab")], settings())
    for entry in found:
        assert entry.invalid
        assert entry.steps < 400
        assert all("c" not in architecture.encoding for architecture in entry.path)
        assert max(entry.scores) == entry.scores[entry.path.index(entry.best)]
    assert {entry.last.encoding for entry in found} <= {"abb", "aab", "bbb"}


def test_the_rule_decides_what_is_valid() -> None:
    """Minus the worth of the first letters makes their numbers fall, and with them the edge."""
    starts = [Architecture("toy", "aba")]
    loose = climb(model((-1.0, 0.0)), starts, settings(rule="operations"))
    strict = climb(model((-1.0, 0.0)), starts, settings(rule="strict"))
    assert not loose[0].invalid
    assert strict[0].invalid
    assert strict[0].steps < loose[0].steps
    assert loose[0].path[: len(strict[0].path)] == strict[0].path


class Frameless:
    """Decodes every latent to a cell whose input was lost."""

    def __init__(self, encoding: Any) -> None:
        self.encoding = encoding

    def encode(self, architectures: Any) -> Tensor:
        return torch.zeros(len(architectures), 4)

    def graphs(self, latents: Tensor) -> Iterator[Graphs]:
        for _ in latents:
            graphs = self.encoding.encode(CELL)
            graphs.operations[0, 0] = 3
            yield graphs


class Constant(nn.Module):
    def forward(self, latents: Tensor) -> Tensor:
        return latents.sum(1, keepdim=True)


def test_what_is_the_same_everywhere_need_not_be_decoded() -> None:
    lost: Any = Frameless(known_encoding(ub.space("nasbench201"), (), 0))
    one = UnifiedProxy(lost, Constant(), torch.ones(1), cloud_of(torch.randn(9, 4)))  # type: ignore[arg-type]
    (strict,) = climb(one, [CELL], settings(rule="operations", steps=3))
    (loose,) = climb(one, [CELL], settings(rule="choices", steps=3))
    assert (strict.steps, strict.invalid) == (1, True)
    assert (loose.steps, loose.invalid, loose.last) == (3, False, CELL)
    lost.encoding = known_encoding(ub.space("uninas"), ("input", "sum", "output"), 3)
    with pytest.raises(UserError, match="rule=choices: graphs of this space do not all end at the same node"):
        climb(one, [CELL], settings(rule="choices", steps=3))


def test_the_way_ends_at_a_distance() -> None:
    one = model()
    starts = EVERY[:4]
    near = climb(one, starts, settings(distance=5.0))
    free = climb(one, starts, settings())
    assert all(entry.steps < 400 and not entry.invalid for entry in near)
    assert all(entry.path == other.path[: len(entry.path)] for entry, other in zip(near, free, strict=True))


def test_distance_is_that_of_mahalanobis() -> None:
    draw = torch.Generator().manual_seed(0)
    mixing = torch.randn(5, 5, generator=draw)
    latents = 3 + torch.randn(20000, 5, generator=draw) @ mixing
    one = UnifiedProxy(Words(), Linear(), torch.ones(2), cloud_of(latents))  # type: ignore[arg-type]
    inverse = torch.linalg.inv(torch.cov(latents.T))
    apart = latents[:50] - latents.mean(0)
    expected = torch.einsum("ni,ij,nj->n", apart, inverse, apart).sqrt()
    assert torch.allclose(one.distance(latents[:50]), expected, rtol=0.05)
    # Its square is chi squared with five degrees of freedom on average.
    assert one.distance(latents).square().mean() == pytest.approx(5, rel=0.05)


def test_a_graph_is_decoded_once() -> None:
    one = model()
    climb(one, EVERY, settings())
    assert one.autoencoder.decoded <= 27  # type: ignore[attr-defined]
