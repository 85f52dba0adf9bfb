"""The supernet of MBConv: operations side by side; behind its shortcuts, the space's own layers."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins.bossnas.toy import KilledError, ToyContext, interrupted, same, small
from uninas_bench.spaces.mbconv.macro import OPERATIONS, STRIDES
from uninas_bench_plugins._bossnas import mbconv_plan, mbconv_supernet
from uninas_bench_plugins._bossnas.mbconv_plan import MbconvPlan
from uninas_bench_plugins._bossnas.mbconv_supernet import MbconvSupernet
from uninas_bench_plugins._bossnas.networks import Siamese
from uninas_bench_plugins._bossnas.objectives import Bootstrapping, Step
from uninas_bench_plugins._bossnas.table import rate
from uninas_bench_plugins._bossnas.training import fit

SPACE = ub.space("mbconv")
NARROW = SPACE.scaled(widths="4:6:8:8:12", stem="6:4")
TOY = SPACE.scaled(depths="1:2:1:1:2", widths="4:4:6:6:8", stem="4:3")


def supernet(space=NARROW):
    """Norms that differ, so that a wrong one shows."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = MbconvSupernet(space.scale)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                    tensor.uniform_(0.5, 1.5)
            elif isinstance(module, nn.Conv2d) and module.bias is not None:
                module.bias.data.normal_(0, 0.1)
    return net


def test_constants_are_those_of_the_space():
    assert tuple((found.expansion, found.kernel) for found in OPERATIONS) == mbconv_plan.OPERATIONS
    assert mbconv_supernet.STRIDES == STRIDES


def test_paths_of_the_blocks_are_the_space():
    plan = MbconvPlan(SPACE.scale.depths)
    counts = [len(plan.paths(block, 0)) for block in range(plan.blocks)]
    assert counts == [16, 256, 256, 256, 256]
    assert math.prod(counts) == SPACE.size
    assert set(plan.paths(1, 0)) == set(itertools.product(range(4), repeat=4))


def test_split_and_back():
    plan = MbconvPlan()
    for architecture in SPACE.sample(1000, np.random.default_rng(0)):
        chain = plan.split(architecture)
        assert SPACE.parse(" ".join("".join(map(str, path)) for path in chain)) == architecture
        assert all(path in set(plan.paths(block, 0)) for block, path in enumerate(chain))


def test_each_operation_once_per_layer_and_round():
    plan, draw = MbconvPlan(), torch.Generator().manual_seed(0)
    first = Counter()
    for _ in range(50):
        paths = plan.sample(2, 0, 4, draw)
        assert len(paths) == 4
        assert all(sorted(layer) == [0, 1, 2, 3] for layer in zip(*paths, strict=True))
        first[paths[0]] += 1
    assert len(first) > 40, "layers are shuffled apart"
    assert all(len(set(layer)) == 2 for layer in zip(*plan.sample(2, 0, 2, draw), strict=True))


def stand_alone(net, space, architecture):
    """The space's network with the supernet's weights; its first layers of a block get the shortcut."""
    built = space.build(architecture, space.tasks[0])

    def load(alone, shared):
        states = zip(alone.state_dict(), shared.state_dict().values(), strict=True)
        alone.load_state_dict(dict(states))

    stem = net.bodies[0][0].stem
    load(built.stem, stem.stem)
    load(built.stages[0][0].residual, stem.fixed)
    parts = [built.stem, built.stages[0]]
    for block, path in enumerate(net.plan.split(architecture)):
        for number, (choice, alone) in enumerate(zip(path, built.stages[1 + block], strict=True)):
            layer = net.bodies[block][number]
            load(alone.residual, layer.operations[choice])
            assert alone.skips == (not len(layer.shortcut))
            parts.append(alone if alone.skips else Sum(alone, layer.shortcut))
    return nn.Sequential(*parts)


class Sum(nn.Module):
    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        return sum(part(x) for part in self.parts)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stem", ["6:4", "4:4"])
def test_a_path_is_the_network_of_the_space_with_a_shortcut_in_every_layer(stem, training):
    """Layers that keep channels and resolution have one in the space too; so has a fixed layer of 4:4."""
    space = NARROW.scaled(stem=stem)
    net, draw = supernet(space).train(training), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for architecture in space.sample(5, np.random.default_rng(2)):
            images = torch.randn(4, 3, 50, 38, generator=draw)
            wanted = stand_alone(net, space, architecture).train(training)(images)
            found = net.enter(net.plan.split(architecture), images)
            assert found.std() > 0.01
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5 * wanted.abs().max().item())


def test_shortcuts_are_pooling_and_projection_and_shared_by_the_operations():
    net = supernet()
    kinds = [[type(module).__name__ for module in body[0].shortcut] for body in net.bodies]
    pool, projection = "AvgPool2d", ["Conv2d", "BatchNorm2d"]
    assert kinds == [[pool], [pool, *projection], [pool, *projection], [], [pool, *projection]]
    assert supernet(SPACE.scaled(widths="4:4:8:9:9")).bodies[3][0].shortcut[0].kernel_size == (1, 1)
    layer = net.bodies[1][0]
    for choice in range(4):
        layer.zero_grad(set_to_none=True)
        net.layer(1, 0, choice, torch.randn(2, 4, 8, 8), 0).square().mean().backward()
        touched = {name for name, weight in layer.named_parameters() if weight.grad is not None}
        operations = {name for name in touched if name.startswith("operations.")}
        assert {name.split(".")[1] for name in operations} == {str(choice)}
        assert {name.split(".")[0] for name in touched - operations} == {"shortcut"}


@pytest.mark.parametrize("size", [8, 17, 64])
def test_any_resolution_will_do(size):
    net = supernet(TOY)
    chain = net.plan.split(TOY.sample(1, np.random.default_rng(0))[0])
    for block in range(5):
        x = net.enter(chain[: block + 1], torch.randn(2, 3, size, size))
        halvings = 1 + sum(stride == 2 for stride in STRIDES[: block + 1])
        assert x.shape[2:] == (-(-size // 2**halvings),) * 2
        assert net.neck(block, chain[block][-1], x).shape == (2, TOY.scale.widths[block])


def test_gradients_stay_in_their_block():
    torch.manual_seed(0)
    networks = Siamese(supernet(TOY), hidden=10, out=6).train()
    views = torch.randn(3, 8, 3, 16, 16)
    step = Step(1, ((2,),), [(0, 3), (1, 1)], [(views[0], views[1])] * 2, views[2], torch.zeros(8).long())
    for loss in Bootstrapping(True).losses(networks, step):
        loss.backward()
    touched = {name for name, weight in networks.named_parameters() if weight.grad is not None}
    assert {".".join(name.split(".")[:4]) for name in touched if "supernet" in name} == {
        "online.supernet.bodies.1"
    }


def context(folder):
    return ToyContext(folder, pixels=16)


def test_every_architecture_is_rated(tmp_path):
    settings = small(resolution=16, epochs=1, images=64, lr=0.005)
    table = fit(lambda: supernet(TOY), context(tmp_path), settings)
    assert [{kind: len(losses) for kind, losses in block.items()} for block in table.blocks] == [
        {0: 4**depth} for depth in TOY.scale.depths
    ]
    ratings = [rate(table, MbconvPlan(), architecture, "equal") for architecture in TOY.enumerate()]
    assert len(ratings) == 4**7
    assert np.isfinite(ratings).all()
    assert len(set(ratings)) > 0.9 * len(ratings)
    losses = [block[0] for block in table.blocks]
    wanted = -(losses[0][1,] + losses[1][2, 3] + losses[2][0,] + losses[3][1,] + losses[4][2, 3])
    assert rate(table, MbconvPlan(), TOY.parse("1 23 0 1 23"), "equal") == pytest.approx(wanted)


@pytest.mark.parametrize("changes", [{"training": "classification"}, {"rating": "linear"}])
def test_heads_have_the_features_of_their_blocks(tmp_path, changes):
    """A neck of MBConv gives as many numbers as its block has channels."""
    space = TOY.scaled(depths="1:1:1:1:1", widths="3:4:5:6:7")
    settings = small(resolution=16, images=32, epochs=1, **changes)
    table = fit(lambda: supernet(space), context(tmp_path), settings)
    losses = [loss for block in table.blocks for loss in block[0].values()]
    assert len(losses) == 20
    if "rating" in changes:
        assert all(0 <= error <= 1 for error in losses)
    else:
        assert all(0 < loss < 20 for loss in losses), "cross-entropy of ten classes"


def test_an_interrupted_fit_ends_bit_for_bit_the_same(tmp_path):
    settings = small(resolution=16, images=64, epochs=1, optimizer="lars", pairs="each", paths=4)
    space = TOY.scaled(depths="1:1:1:1:1")

    def make():
        return supernet(space)

    fit(make, context(tmp_path / "whole"), settings)
    with pytest.raises(KilledError):
        interrupted(context(tmp_path / "killed"), settings, 4, make)  # in the second block
    fit(make, context(tmp_path / "killed"), settings)
    same(tmp_path / "whole", tmp_path / "killed")
