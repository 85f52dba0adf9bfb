"""A path of the supernet is the network that the space builds for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins.bossnas.toy import supernet
from uninas_bench_plugins._bossnas.size_plan import WIDTHS, SizePlan

SPACE = ub.space("nats_size")
EDGES = {"0->1": 0, "0->2": 1, "1->2": 2, "1->3": 4, "2->3": 5}


def copy_conv(alone, shared):
    out, into = alone.weight.shape[:2]
    alone.weight.data = shared.weight.data[:out, :into].clone()


def copy_norm(alone, shared):
    alone.load_state_dict(shared[str(alone.num_features)].state_dict())


def copy_operation(alone, shared):
    copy_conv(alone.op[1], shared.conv)
    copy_norm(alone.op[2], shared.norm)


def copy_cell(alone, shared):
    for name, position in EDGES.items():
        copy_operation(alone.layers[position], shared.edges[name])
    if not isinstance(alone.layers[3], nn.Identity):
        copy_conv(alone.layers[3].conv, shared.skip)
        copy_norm(alone.layers[3].bn, shared.skip_norm)


def copy_reduction(alone, shared):
    copy_operation(alone.conv_a, shared.conv_a)
    copy_operation(alone.conv_b, shared.conv_b)
    copy_conv(alone.downsample[1], shared.shortcut)


def stand_alone(net, architecture, cells):
    """The space's own network with the supernet's slices."""
    alone = SPACE.scaled(cells=cells).build(architecture, SPACE.tasks[0])
    layers = [layer for body in net.bodies for layer in body]
    copy_conv(alone.stem[0], layers[0].stem)
    copy_norm(alone.stem[1], layers[0].stem_norm)
    places = list(alone.cells)
    for position, layer in enumerate(layers):
        if position % 2:
            copy_reduction(places.pop(0), layer)
        else:
            for cell in layer.cells:
                copy_cell(places.pop(0), cell)
    assert not places
    return alone


def body(network, images):
    x = network.stem(images)
    for cell in network.cells:
        x = cell(x)
    return x


@pytest.mark.parametrize(("partition", "cells"), [((2, 2, 1), 1), ((2, 1, 2), 2)])
@pytest.mark.parametrize("training", [True, False])
def test_slices_copied_into_the_spaces_network_give_the_same(partition, cells, training):
    net = supernet(partition, WIDTHS, cells)
    rng = torch.Generator().manual_seed(0)
    for module in net.modules():  # norms that differ, so that a wrong one shows
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=rng)
    images = torch.randn(2, 3, 8, 8, generator=rng)
    equal_widths = [SPACE.parse("16:16:16:16:16"), SPACE.parse("8:8:24:24:24")]
    for architecture in [*SPACE.sample(8, np.random.default_rng(3)), *equal_widths]:
        alone = stand_alone(net, architecture, cells).train(training)
        net.train(training)
        with torch.no_grad():
            wanted = body(alone, images)
            x = net.enter(net.plan.split(architecture), images)
        torch.testing.assert_close(x, wanted, rtol=1e-6, atol=1e-6 * wanted.abs().max().item())


def test_a_width_is_used_once_before_it_is_used_again():
    plan = SizePlan()
    draw = torch.Generator().manual_seed(1)
    for _ in range(20):
        for layer in zip(*plan.sample(0, 0, 8, draw), strict=True):
            assert sorted(layer) == list(WIDTHS)
        for layer in zip(*plan.sample(1, 0, 4, draw), strict=True):
            assert len(set(layer)) == 4


def test_paths_of_the_blocks_are_the_space():
    for partition in ((2, 2, 1), (2, 1, 2)):
        plan = SizePlan(partition)
        counts = [len(plan.paths(block, 0)) for block in range(plan.blocks)]
        assert counts == [8**layers for layers in partition]
        assert np.prod(counts) == SPACE.size
        chain = plan.split(SPACE.parse("8:16:24:32:64"))
        assert [width for path in chain for width in path] == [8, 16, 24, 32, 64]
        assert [len(path) for path in chain] == list(partition)


@pytest.mark.parametrize("width", [2, 4])
def test_necks_bring_all_widths_to_the_same_numbers(width):
    net = supernet()
    assert net.neck(1, width, torch.randn(5, width, 4, 4)).shape == (5, 12)
