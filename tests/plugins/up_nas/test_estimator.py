from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.plugins.up_nas.toy import Workshop
from uninas_bench_plugins._up_nas import estimator as module
from uninas_bench_plugins._up_nas.estimator import Estimator, train_estimator
from uninas_bench_plugins._up_nas.settings import UpNasSettings


def problem(count: int = 600, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    """Latents and two targets: a linear one, and one that is not."""
    draw = torch.Generator().manual_seed(1)
    latents = torch.randn(count, 8, generator=draw)
    weights = torch.randn(8, generator=draw)
    targets = torch.stack([latents @ weights / 3, (latents[:, 0] * latents[:, 1]).tanh()], 1)
    return latents, targets + noise * torch.randn(targets.shape, generator=draw)


def settings(**changes: Any) -> UpNasSettings:
    return UpNasSettings(**{"epochs": 30, "width": 64, "minibatch": 16, **changes})


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_hidden_layers_are_those_of_the_paper(layers: int) -> None:
    network = Estimator(128, 13, layers, 256)
    kinds = [type(part) for part in network.layers]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * layers + [nn.Linear]
    count = sum(parameter.numel() for parameter in network.parameters())
    hidden = (128 * 256 + 256) + (layers - 1) * (256 * 256 + 256) + layers * 2 * 256
    assert count == hidden + 256 * 13 + 13


def test_what_was_not_seen_is_predicted(tmp_path: Path) -> None:
    latents, targets = problem()
    network = train_estimator(latents[:400], targets[:400], settings(), Workshop(tmp_path))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    held_out, truth = network(latents[400:]), targets[400:]
    explained = 1 - (held_out - truth).square().mean(0) / truth.var(0)
    # Least squares can do the first, and nothing of the second.
    solved = torch.linalg.lstsq(latents[:400], targets[:400]).solution
    linear = 1 - (latents[400:] @ solved - truth).square().mean(0) / truth.var(0)
    assert linear[0] > 0.999 > 0.9 > 0.2 > linear[1]
    assert explained[0] > 0.9
    assert explained[1] > 0.6


def test_predictions_do_not_depend_on_company(tmp_path: Path) -> None:
    latents, targets = problem(64)
    network = train_estimator(latents, targets, settings(epochs=2), Workshop(tmp_path))
    together = network(latents)
    for place in (0, 30, 63):
        assert torch.allclose(network(latents[place : place + 1])[0], together[place], atol=1e-6)


def test_an_interrupted_training_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.0)
    latents, targets = problem(100)
    whole = train_estimator(latents, targets, settings(epochs=6), Workshop(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        train_estimator(latents, targets, settings(epochs=6), Workshop(tmp_path / "part", last=4))
    torch.manual_seed(99)
    workshop = Workshop(tmp_path / "part")
    resumed = train_estimator(latents, targets, settings(epochs=6), workshop)
    assert workshop.reports[0].startswith("estimator, epoch 4:"), "the one that was not saved is done again"
    for ours, theirs in zip(resumed.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    other = train_estimator(latents, targets, settings(epochs=6), Workshop(tmp_path / "other", seed=1))
    assert not torch.equal(other(latents), whole(latents))


def test_a_last_batch_of_one_is_dropped(tmp_path: Path) -> None:
    """Alone it has no variance to be normalised by, and torch would refuse it."""
    latents, targets = problem(33)
    network = train_estimator(latents, targets, settings(epochs=1), Workshop(tmp_path))
    norm = network.layers[1]
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.num_batches_tracked == 2


def test_the_loss_is_summed_over_proxies(tmp_path: Path) -> None:
    """Equation 3: a proxy more adds its squared error, so that of equal columns each counts."""
    latents, _ = problem(32)
    reports = []
    for copies in (1, 3):
        workshop = Workshop(tmp_path / str(copies))
        column = torch.full((32, copies), 100.0)
        train_estimator(latents, column, settings(epochs=1, minibatch=32, lr=1e-9), workshop)
        reports.append(float(workshop.reports[0].rpartition(" ")[2]))
    assert reports[0] == pytest.approx(100**2, rel=0.05)
    assert reports[1] == pytest.approx(3 * 100**2, rel=0.05)
