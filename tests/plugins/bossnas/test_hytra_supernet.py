"""The supernet of HyTra: its paths are the fabric's, and a path is the network that the space builds."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.plugins.bossnas.toy import KilledError, ToyContext, interrupted, same, small
from uninas_bench.spaces.hytra.fabric import ATTENTIONS, STAGE_OF
from uninas_bench.spaces.hytra.macro import HytraScale, Place
from uninas_bench.spaces.hytra.modules import HytraBlock
from uninas_bench_plugins._bossnas import hytra_plan
from uninas_bench_plugins._bossnas.hytra_plan import HytraPlan, HytraReading
from uninas_bench_plugins._bossnas.hytra_supernet import HytraSupernet
from uninas_bench_plugins._bossnas.lars import Lars
from uninas_bench_plugins._bossnas.networks import Siamese
from uninas_bench_plugins._bossnas.objectives import Bootstrapping, Step
from uninas_bench_plugins._bossnas.table import rate
from uninas_bench_plugins._bossnas.training import fit

SPACE = ub.space("hytra")
NARROW = {"widths": "4:4:8:8", "stem": 6, "head": 4}
CHANNELS = 4
"""Between blocks there are this many times the channels inside."""


def narrow(**scale):
    return ub.space("hytra", **{**NARROW, **scale})


def supernet(space, features=12, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HytraSupernet(space.scale, features)


def disturb(net):
    """Norms that differ, and residuals that do not begin at 0: so that a wrong one shows."""
    draw = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=draw)
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            module.bias.data.normal_(0, 0.1, generator=draw)
    return net


# Paths


def legal(length, start):
    """Every path of four scales by brute force; the first layer's scale is one of ``start``."""
    for digits in itertools.product("012345", repeat=length):
        scales = [["01", "23", "4", "5"].index(found) for found in map(column, digits)]
        steps = itertools.pairwise(scales)
        if scales[0] in start and all(after in (before, before - 1) for before, after in steps):
            yield tuple(map(int, digits))


def column(digit):
    return next(pair for pair in ("01", "23", "4", "5") if digit in pair)


def test_paths_of_four_layers_from_every_stage():
    """The released lists: 51, 99, 80, 16 "restricted" ones, 131, 115, 80, 16 in "all" for 4 to 1 scales."""
    plan = HytraPlan(SPACE.scale.fabric)
    assert len(plan.paths(0, 0)) == 51
    for block in (1, 2, 3):
        assert plan.kinds(block) == (0, 1, 2, 3)
        for stage, restricted, everything in zip(range(4), (51, 99, 80, 16), (131, 115, 80, 16), strict=True):
            scale = 3 - stage
            paths = plan.paths(block, stage)
            assert len(paths) == len(set(paths)) == restricted
            assert set(paths) == set(legal(4, (scale, scale - 1)))
            from_here_on = {path for kind in range(stage, 4) for path in plan.paths(block, kind)}
            assert from_here_on == set(legal(4, range(scale + 1)))
            assert len(from_here_on) == everything
    assert len(HytraPlan(SPACE.scaled(definition="A").scale.fabric).paths(0, 0)) == 131


@pytest.mark.parametrize("definition", ["A", "B", "C", "D", "E"])
@pytest.mark.parametrize("blocks", ["2:2:1:2", "1:1:1:1"])
def test_paths_are_the_parts_of_the_legal_architectures_and_no_others(definition, blocks):
    space = ub.space("hytra", definition=definition, blocks=blocks)
    wanted = defaultdict(set)
    for architecture in space.enumerate():
        kind = 0
        for block, group in enumerate(architecture.encoding.split()):
            wanted[block, kind].add(tuple(map(int, group)))
            kind = STAGE_OF[group[-1]]
    plan = HytraPlan(space.scale.fabric)
    found = {(k, kind): plan.paths(k, kind) for k in range(plan.blocks) for kind in plan.kinds(k)}
    assert {key: set(paths) for key, paths in found.items()} == wanted
    assert all(len(set(paths)) == len(paths) for paths in found.values())


@pytest.mark.parametrize("definition", ["A", "B", "E"])
def test_split_and_back(definition):
    space = SPACE.scaled(definition=definition)
    plan, reading = HytraPlan(space.scale.fabric), HytraReading()
    for architecture in space.sample(1000, np.random.default_rng(0)):
        chain = reading.split(architecture)
        assert space.parse(" ".join("".join(map(str, path)) for path in chain)) == architecture
        kind = 0
        for block, path in enumerate(chain):
            assert path in plan.paths(block, kind)
            kind = reading.kind_after(block, path)
            assert kind == STAGE_OF[str(path[-1])]


def test_digits_mean_what_they_mean_in_the_space():
    assert {str(choice): stage for choice, stage in hytra_plan.STAGE_OF.items()} == STAGE_OF
    assert {str(choice) for choice in hytra_plan.ATTENTIONS} == set(ATTENTIONS)


def test_sampled_paths_are_distinct_and_uniform():
    plan, draw = HytraPlan(SPACE.scale.fabric), torch.Generator().manual_seed(0)
    counts = defaultdict(int)
    for _ in range(1000):
        sampled = plan.sample(1, 3, 4, draw)
        assert len(set(sampled)) == 4
        for path in sampled:
            counts[path] += 1
    assert set(counts) == set(plan.paths(1, 3))
    # Four of 16 without replacement: 250 each, with a standard deviation of 13.7.
    assert all(abs(count - 250) < 5 * 13.7 for count in counts.values())
    assert sorted(plan.sample(1, 3, 99, draw)) == sorted(plan.paths(1, 3))


# Networks


def copied(block, candidate, way):
    """The space's block with a candidate's weights, and its shortcut: supernets have other shortcuts."""
    entry = candidate.entries[way]
    pairs = [(getattr(block, name), getattr(entry, name)) for name in ("reduce", "position", "norm1")]
    pairs += [
        (getattr(block, name), getattr(candidate, name)) for name in ("mix", "norm2", "expand", "norm3")
    ]
    if hasattr(block.excitation, "reduce"):
        weigh = candidate.excitation.weigh
        pairs += [(block.excitation.reduce, weigh[0]), (block.excitation.expand, weigh[2])]
    for alone, shared in pairs:
        alone.load_state_dict(shared.state_dict())
    if way != "stay":
        block.shortcut = entry.shortcut
    else:
        assert isinstance(block.shortcut, nn.Identity)
        assert isinstance(entry.shortcut, nn.Identity)
    return block


def stand_alone(net, space, architecture):
    """The network that the space builds: its stem, what adapts that to the first layer, its blocks."""
    built = space.build(architecture, space.tasks[0])
    layers = [layer for body in net.bodies for layer in body]
    digits = space.digits(architecture)
    built.stem.load_state_dict(
        dict(zip(built.stem.state_dict(), layers[0].stem.state_dict().values(), strict=True))
    )
    blocks = [block for _, block in space.blocks(built)]
    stages = [STAGE_OF[digit] for digit in digits]
    first = layers[0].candidates[digits[0]]
    planes = space.scale.widths[stages[0]]
    kind = "attention" if digits[0] in ATTENTIONS else "convolution"
    place = Place(stages[0], 0, kind, planes, planes, space.scale.heads(stages[0]), 1, (8, 8), (8, 8))
    parts = [built.stem, first.entries["stem"].adapt]
    parts.append(copied(HytraBlock(place, space.scale), first, "stem"))
    for number in range(1, len(digits)):
        way = "stay" if stages[number] == stages[number - 1] else "down"
        parts.append(copied(blocks[number], layers[number].candidates[digits[number]], way))
    return nn.Sequential(*parts)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "scale",
    [{}, {"style": "se", "strides": "1:2:2:1"}, {"definition": "A", "blocks": "2:1:3:2"}],
    ids=["plain", "t1", "any-start"],
)
def test_a_path_is_the_network_of_the_space_with_the_supernets_shortcuts(scale, training):
    space = narrow(**scale)
    net = disturb(supernet(space)).train(training)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for architecture in space.sample(6, np.random.default_rng(2)):
            images = torch.randn(3, 3, 72, 56, generator=draw)
            wanted = stand_alone(net, space, architecture).train(training)(images)
            found = net.enter(net.plan.split(architecture), images)
            assert found.std() > 0.01
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_shortcuts_and_the_way_in_are_the_papers():
    """Where channels or resolution change: convolution (3x3 with stride 2, or 1x1), norm, activation."""
    net = supernet(narrow(strides="1:2:2:1", widths="4:4:8:16"))
    candidate = net.bodies[1][1].candidates["3"]
    conv, norm, act = candidate.entries["down"].shortcut
    assert (conv.kernel_size, conv.stride, conv.in_channels, conv.out_channels) == ((3, 3), (2, 2), 16, 32)
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(act, nn.ReLU)
    conv = net.bodies[1][1].candidates["0"].entries["down"].shortcut[0]
    assert (conv.kernel_size, conv.stride, conv.in_channels) == ((1, 1), (1, 1), 32), (
        "the stage keeps its size"
    )
    adapt = net.bodies[0][0].candidates["4"].entries["stem"].adapt
    assert (adapt.depthwise[0].kernel_size, adapt.depthwise[0].groups) == ((2, 2), 6)
    assert adapt.project[0].out_channels == 4, "the channels inside"
    assert set(net.bodies[0][0].candidates) == {"4", "5"}


def test_weights_behind_the_entry_are_shared_by_both_ways_in():
    space = narrow()
    net = disturb(supernet(space))
    candidate = net.bodies[2][0].candidates["2"]

    def touched(previous):
        net.zero_grad(set_to_none=True)
        channels = CHANNELS * space.scale.widths[STAGE_OF[str(previous)]]
        net.layer(2, 0, 2, torch.randn(4, channels, 6, 6), previous).square().mean().backward()
        return {name for name, weight in candidate.named_parameters() if weight.grad is not None}

    stay, down = touched(3), touched(4)
    assert touched(2) == stay, "any candidate of the own stage may come before"
    shared = {name for name, _ in candidate.named_parameters() if not name.startswith("entries.")}
    assert "mix.qkv.weight" in shared
    assert stay & down == shared
    assert {name.split(".")[1] for name in stay - shared} == {"stay"}
    assert {name.split(".")[1] for name in down - shared} == {"down"}
    assert stay | down == {name for name, _ in candidate.named_parameters()}


def test_every_weight_is_on_some_path():
    space = narrow(blocks="2:1:1:2", definition="A")
    net = disturb(supernet(space))
    choice_of = {STAGE_OF[digit]: int(digit) for digit in "5420"}
    for block in range(4):
        for kind in net.plan.kinds(block):
            previous = choice_of[kind] if block else None
            channels = CHANNELS * space.scale.widths[kind] if block else 3
            for path in net.plan.paths(block, kind):
                x = net.run(block, path, torch.randn(2, channels, 9, 9), previous)
                net.neck(block, path[-1], x).square().mean().backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("size", [(8, 8), (33, 50), (64, 64), (224, 224)])
def test_necks_bring_all_stages_to_the_same_numbers_at_any_resolution(size):
    space = narrow(blocks="1:1:1:1")
    net = supernet(space)
    for chain in ("5 5 5 5", "5 5 5 4", "5 5 4 2", "4 3 1 0"):
        path = net.plan.split(space.parse(chain))
        x = net.enter(path, torch.randn(2, 3, *size))
        stage = STAGE_OF[chain[-1]]
        assert x.shape[1] == CHANNELS * space.scale.widths[stage]
        assert x.shape[2:] == tuple(-(-pixels // (4 * 2**stage)) for pixels in size)
        neck = net.necks[3][str(stage)]
        assert neck(x).shape[2:] == tuple(-(-pixels // 32) for pixels in size)
        assert net.neck(3, path[-1][-1], x).shape == (2, 12)


def test_the_last_stage_needs_no_neck_where_it_has_as_many_channels():
    net = supernet(narrow(), features=32)
    assert isinstance(net.necks[0]["3"], nn.Identity)
    x = torch.randn(2, 32, 3, 3)
    torch.testing.assert_close(net.neck(0, 1, x), x.mean((2, 3)))


# Training


def siamese(space):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Siamese(HytraSupernet(space.scale, 12), hidden=10, out=6).train()


def step(block, chain, paths, seed=0):
    draw = torch.Generator().manual_seed(seed)
    views = torch.randn(3, 8, 3, 32, 32, generator=draw)
    return Step(block, chain, paths, [(views[0], views[1])] * len(paths), views[2], torch.zeros(8).long())


def test_gains_of_residuals_begin_at_0_and_learn_by_lars():
    """The authors' optimizer holds those of ResAtt at 0 for ever: its rate is in proportion to the weight."""
    networks = siamese(narrow())
    paths = [(0, 1, 0, 0), (1, 0, 1, 1)]
    chain = ((5, 4, 3, 1),)
    optimizer = Lars(networks.trained(1), lr=0.5)
    gains = {
        (position, choice): networks.online.supernet.bodies[1][position].candidates[str(choice)].norm3.weight
        for path in paths
        for position, choice in enumerate(path)
    }
    assert all(not gain.any() for gain in gains.values())
    for number in range(3):
        optimizer.zero_grad(set_to_none=True)
        for loss in Bootstrapping(True).losses(networks, step(1, chain, paths, number)):
            loss.backward()
        optimizer.step()
    assert len(gains) == 8
    for gain in gains.values():
        assert (gain.abs() > 1e-6).float().mean() > 0.5


def test_gradients_stay_in_their_block():
    networks = siamese(narrow())
    for loss in Bootstrapping(True).losses(networks, step(1, ((4, 4, 3, 2),), [(2, 3, 1, 0), (1, 0, 0, 1)])):
        loss.backward()
    touched = {name for name, weight in networks.named_parameters() if weight.grad is not None}
    parts = {".".join(name.split(".")[:4]) for name in touched if name.startswith("online.supernet")}
    assert parts == {"online.supernet.bodies.1", "online.supernet.necks.1"}
    assert {name.split(".")[1] for name in touched if name.startswith("predictors")} == {"1"}


TOY = narrow(blocks="2:2:2:2", widths="2:2:4:4", stem=4, head=2)


def toy():
    """Its residuals do not begin at 0, so that choices differ from the start."""
    return disturb(HytraSupernet(TOY.scale, 8))


@pytest.mark.parametrize("weights", ["equal", "spread"])
def test_every_architecture_is_rated(fitted, weights):
    ratings = [rate(fitted, HytraReading(), architecture, weights) for architecture in TOY.enumerate()]
    assert len(ratings) == TOY.size == 2591
    assert np.isfinite(ratings).all()
    assert len(set(ratings)) > 0.9 * len(ratings)
    begins_at_14 = TOY.parse("22 22 22 22")
    assert math.isnan(rate(fitted, HytraReading(), begins_at_14, weights)), "not by definition B"


def test_a_rating_is_of_the_paths_from_the_stages_at_which_they_begin(fitted):
    paths = (4, 3), (2, 2), (0, 1), (1, 1)
    blocks = [fitted.blocks[0][0], fitted.blocks[1][2], fitted.blocks[2][2], fitted.blocks[3][3]]
    wanted = -sum(losses[path] for losses, path in zip(blocks, paths, strict=True))
    found = rate(fitted, HytraReading(), TOY.parse("43 22 01 11"), "equal")
    assert found == pytest.approx(wanted, rel=1e-12)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    settings = small(resolution=16, images=64)
    return fit(toy, ToyContext(tmp_path_factory.mktemp("hytra"), pixels=16), settings)


def test_chains_end_in_the_stage_that_they_feed(fitted):
    plan = HytraPlan(TOY.scale.fabric)
    for block, chains in enumerate(fitted.chains[:-1]):
        assert tuple(chains) == plan.kinds(block + 1)
        for kind, chain in chains.items():
            assert plan.kind_after(block, chain[-1]) == kind


def test_an_interrupted_fit_ends_bit_for_bit_the_same(tmp_path):
    space = narrow(blocks="1:1:1:1", widths="2:2:4:4", stem=4, head=2, style="se")
    settings = small(
        resolution=16, images=64, epochs=1, warmup=0, optimizer="lars", lr=0.5, pairs="each", paths=2
    )

    def make():
        return HytraSupernet(space.scale, 8)

    def context(name):
        return ToyContext(tmp_path / name, pixels=16)

    fit(make, context("whole"), settings)
    for at in (1, 4):  # in the first block, in the second
        with pytest.raises(KilledError):
            interrupted(context(str(at)), settings, at, make)
        assert not (tmp_path / str(at) / "ratings.json").exists()
        fit(make, context(str(at)), settings)
        same(tmp_path / "whole", tmp_path / str(at))


def test_scales_reach_the_supernet():
    scale = HytraScale().updated({"widths": "2:4:6:8", "stem": 3, "head": 2, "style": "se"})
    net = HytraSupernet(scale, 5)
    candidate = net.bodies[3][3].candidates["0"]
    assert candidate.mix.heads == 4
    assert candidate.expand.out_channels == 32
    assert isinstance(candidate.act, nn.SiLU)
    assert isinstance(candidate.excitation, nn.Identity), "attention is not weighed"
    assert net.bodies[0][0].stem[0].out_channels == 3
    assert hasattr(net.bodies[3][3].candidates["1"].excitation, "weigh")
