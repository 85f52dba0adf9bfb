"""What a proxy sees of a bare network: its features, by name, by function, or found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from uninas_bench.api import space
from uninas_bench.errors import UserError
from uninas_bench.proxy import Settings
from uninas_bench.subject import CellSubject, NetworkSubject


@pytest.fixture
def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
        return nn.Sequential(nn.Linear(2, 4), body)


def subject(network: nn.Module, features: Any) -> NetworkSubject:
    batches = [(torch.arange(6.0).reshape(3, 2), torch.zeros(3, dtype=torch.int64))]
    return NetworkSubject(network, batches, Settings(), init="keep", seed=0, features=features)


def by_hand(network: Any, images: Tensor) -> list[Tensor]:
    """The stem's output, and that of each of the three layers after it."""
    outputs = [network[0](images)]
    for layer in network[1]:
        outputs.append(layer(outputs[-1]))
    return outputs


def check(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_named_features_are_outputs(network: nn.Module) -> None:
    images = torch.arange(6.0).reshape(3, 2)
    wanted = by_hand(network, images)
    check(subject(network, ["1.0", "1.2"]).features(images), [wanted[1], wanted[3]])
    check(subject(network, ["0", "1.0", "1.1", "1.2"]).features(images), wanted)


def test_found_features_start_with_the_input_of_the_first_block(network: nn.Module) -> None:
    images = torch.arange(6.0).reshape(3, 2)
    found = subject(network, None)
    assert [name for name, _ in found.blocks(network)] == ["1.0", "1.1", "1.2"]
    check(found.features(images), by_hand(network, images))


def test_features_of_a_function(network: nn.Module) -> None:
    images = torch.arange(6.0).reshape(3, 2)
    check(subject(network, by_hand).features(images), by_hand(network, images))


def test_a_feature_that_is_not_there(network: nn.Module) -> None:
    with pytest.raises(UserError, match='no module "2"'):
        subject(network, ["2"]).features(torch.zeros(1, 2))


@pytest.mark.parametrize(("init", "deviation"), [("gaussian", 1.0), ("kaiming", (2 / 400) ** 0.5)])
def test_weights_are_redrawn_as_the_settings_say(init: Any, deviation: float) -> None:
    layer = nn.Linear(400, 300)
    network = nn.Sequential(layer, nn.BatchNorm1d(300))
    network[1].weight.data.fill_(7)

    def seen(init: Any, whose: str) -> nn.Module:
        return NetworkSubject(
            network, [], Settings(init=init), init=whose, seed=0, features=None
        ).network()  # fmt: skip

    redrawn: Any = seen(init, "proxy")
    assert redrawn[0].weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert abs(redrawn[0].weight.mean().item()) < 0.02 * deviation
    assert not redrawn[0].bias.any()
    assert (redrawn[1].weight == 1).all()
    for kept in (seen(init, "keep"), seen("model", "proxy")):
        assert torch.equal(kept.get_parameter("0.weight"), layer.weight)
        assert (kept.get_parameter("1.weight") == 7).all()


def test_a_network_may_be_asked_for_at_another_resolution() -> None:
    """The tables of relative positions are of the resolution that a network is built for."""
    found = space("uninas")
    task = replace(found.tasks[0], resolution=32)
    hybrid = next(a for a in found.sample(20, np.random.default_rng(0)) if "rel_pos_bias" in a.encoding)
    subject = CellSubject(found, hybrid, task, Settings(), cell_seed=1, run_seed=2, images=None)

    def tables(network: nn.Module) -> list[torch.Size]:
        return [weight.shape for name, weight in network.named_parameters() if name.endswith(".table")]

    assert (subject.resolution, subject.run_seed) == (32, 2)
    assert tables(subject.network()) == tables(subject.network(32)) != tables(subject.network(64))


def test_a_bare_network_is_what_it_is(network: nn.Module) -> None:
    found = subject(network, None)
    assert (found.resolution, found.run_seed, found.images) == (2, 0, None)
    torch.testing.assert_close(found.network(64).state_dict(), network.state_dict())
