"""Ensemble bootstrapping and its ablations, on paths of a tiny supernet."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from tests.plugins.bossnas.toy import siamese
from uninas_bench_plugins._bossnas.objectives import Bootstrapping, Classification, Distillation, Step
from uninas_bench_plugins._bossnas.schedules import teacher_momentum

CHAIN = ((3, 2),)


def step(paths, block=1, chain=CHAIN):
    draw = torch.Generator().manual_seed(2)
    images, first, second = torch.randn(3, 16, 3, 8, 8, generator=draw)
    labels = torch.randint(0, 4, (16,), generator=draw)
    return Step(block, chain, paths, [(first, second)] * len(paths), images, labels)


def losses(objective, networks, given):
    return [loss.item() for loss in objective.losses(networks, given)]


def test_ensemble_of_one_path_is_plain_bootstrapping():
    given = step([(2, 4)])
    one = losses(Bootstrapping(ensemble=True), siamese(), given)
    assert one == losses(Bootstrapping(ensemble=False), siamese(), given)
    several = step([(2, 4), (3, 3), (4, 2)])
    ensemble = losses(Bootstrapping(ensemble=True), siamese(), several)
    assert ensemble != losses(Bootstrapping(ensemble=False), siamese(), several)


@pytest.mark.parametrize("ensemble", [True, False])
def test_losses_written_out(ensemble):
    given, networks = step([(2, 4), (4, 3)]), siamese()
    first, second = given.views[0]

    def side(network, view, path):
        x = network.supernet.run(0, CHAIN[0], view, None)
        x = network.supernet.neck(1, path[-1], network.supernet.run(1, path, x, CHAIN[0][-1]))
        return network.projectors[1](x)

    wanted = []
    for path in given.paths:
        sources = given.paths if ensemble else [path]
        total = 0.0
        for view, other in ((first, second), (second, first)):
            units = [functional.normalize(side(networks.target, other, source)) for source in sources]
            target = functional.normalize(sum(units) / len(units))
            said = functional.normalize(networks.predictors[1](side(networks.online, view, path)))
            total += ((said - target).square().sum(1) - 2).mean().item()
        wanted.append(total)
    assert losses(Bootstrapping(ensemble), networks, given) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("objective", "targets"),
    [(Bootstrapping(ensemble=True), ()), (Classification(), (4, 4, 4))],
    ids=["bootstrapping", "classification"],
)
def test_gradients_stay_in_their_block(objective, targets):
    networks = siamese(targets)
    for loss in objective.losses(networks, step([(2, 4), (3, 3), (4, 2)])):
        loss.backward()
    moved = {name for name, p in networks.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert moved
    for name in moved:
        place = name.removeprefix("online.supernet.").removeprefix("online.")
        assert place.split(".")[1] == "1", f"{name} is not of block 1"
        assert not name.startswith("target")
    trained = {id(p) for p in networks.trained(1)}
    assert {id(dict(networks.named_parameters())[name]) for name in moved} <= trained
    for body in ("bodies.1", "necks.1"):
        assert any(body in name for name in moved)


def test_target_follows_with_its_necks_of_every_width():
    networks = siamese()
    before = {name: p.clone() for name, p in networks.target.named_parameters()}
    online = dict(networks.online.named_parameters())
    networks.follow(1, teacher_momentum(0, 10))
    fixes = 0
    for name, target in networks.target.named_parameters():
        of_block = name.split(".")[2 if name.startswith("supernet") else 1] == "1"
        wanted = 0.99 * before[name] + 0.01 * online[name] if of_block else before[name]
        torch.testing.assert_close(target, wanted)
        fixes += of_block and ".fix." in name and not torch.equal(target, before[name])
    assert fixes == 3, "the per-width layers of the neck are averaged too"
    before = {name: p.clone() for name, p in networks.target.named_parameters()}
    networks.follow(1, teacher_momentum(10, 10))
    assert all(torch.equal(p, before[name]) for name, p in networks.target.named_parameters())


def test_the_target_sees_batch_statistics():
    networks, given = siamese(), step([(2, 4)])
    shifted = siamese()
    for module in shifted.target.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean += 5
    assert losses(Bootstrapping(True), networks, given) == losses(Bootstrapping(True), shifted, given)


def test_distillation_takes_the_teachers_map_of_the_same_depth():
    def teacher(images):
        return [images * (k + 1) ** 2 + k * images**2 for k in range(6)]

    objective, given = Distillation(teacher, 3), step([(2, 4)])
    means = (images := given.images).mul(16).add(3 * images**2).mean((2, 3))
    target = objective.head_target(1, given.images, given.labels)
    torch.testing.assert_close(target, (means - means.mean(0)) / means.std(0), atol=1e-4, rtol=1e-4)
    networks = siamese((3, 3, 3))
    torch.nn.init.zeros_(networks.heads[1].weight)
    torch.nn.init.zeros_(networks.heads[1].bias)
    assert losses(objective, networks, given) == pytest.approx([15 / 16], rel=1e-3)
