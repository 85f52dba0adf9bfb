"""The centre, the traversal and the sums, against computations without any cache."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

import uninas_bench as ub
from tests.plugins.bossnas.toy import WIDTHS, ToyContext, siamese, small, supernet
from uninas_bench_plugins._bossnas.networks import Siamese
from uninas_bench_plugins._bossnas.objectives import Bootstrapping, Classification
from uninas_bench_plugins._bossnas.rating import Examples, rate_block
from uninas_bench_plugins._bossnas.size_plan import SizePlan
from uninas_bench_plugins._bossnas.table import Table, outer_sum, rate
from uninas_bench_plugins._bossnas.training import fit

CHAIN = ((3, 2),)


def examples(n, seed):
    draw = torch.Generator().manual_seed(seed)
    images, first, second = torch.randn(3, n, 3, 8, 8, generator=draw)
    return Examples(images, torch.randint(0, 4, (n,), generator=draw), (first, second))


def represented(side, images, path, tail=()):
    """Both blocks, neck, projector and ``tail``, for a whole batch at once."""
    x = side.supernet.run(0, CHAIN[0], images, None)
    x = side.supernet.neck(1, path[-1], side.supernet.run(1, path, x, CHAIN[0][-1]))
    x = side.projectors[1](x)
    for module in tail:
        x = module(x)
    return x


def by_hand(networks, paths, batch, calibration, settings):
    """Equations 5 and 6 with the options, path by path from the images."""
    for module in networks.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0

    def run(side, view, path, tail=()):
        if settings.statistics == "recalibrated":
            networks.train()
            represented(side, calibration.views[view], path, tail)
            networks.eval()
        else:
            networks.train()
        return represented(side, batch.views[view], path, tail)

    tail = [networks.predictors[1]] if settings.predictor == "on" else []
    losses = dict.fromkeys(paths, 0.0)
    for view in (0, 1) if settings.direction == "symmetric" else (0,):
        outputs = torch.stack([run(networks.target, 1 - view, path) for path in paths])
        if settings.centre == "unit":
            outputs = functional.normalize(outputs, dim=2)
        centre = functional.normalize(outputs.mean(0), dim=1)
        for path in paths:
            said = functional.normalize(run(networks.online, view, path, tail), dim=1)
            losses[path] += ((said - centre).square().sum(1) - 2).mean().item()
    return losses


@pytest.mark.parametrize("statistics", ["batch", "recalibrated"])
@pytest.mark.parametrize(
    "options",
    [
        {"centre": "raw", "direction": "symmetric", "predictor": "on"},
        {"centre": "unit", "direction": "paper", "predictor": "off"},
    ],
    ids=["code", "paper"],
)
@torch.no_grad()
def test_distance_to_the_centre_written_out(statistics, options):
    settings = small(statistics=statistics, **options)
    networks, paths = siamese(), list(itertools.product(WIDTHS, repeat=2))
    batch, calibration = examples(20, 1), examples(16, 2)
    before = {name: tensor.clone() for name, tensor in networks.state_dict().items()}
    losses, _ = rate_block(networks, Bootstrapping(True), 1, paths, CHAIN, [batch], calibration, settings)
    assert all(torch.equal(before[name], tensor) for name, tensor in networks.state_dict().items())
    wanted = by_hand(networks, paths, batch, calibration, settings)
    assert list(losses) == sorted(paths)
    assert [losses[path] for path in paths] == pytest.approx([wanted[path] for path in paths], abs=2e-5)
    assert len(set(losses.values())) == len(paths)


def test_traversal_counts():
    """64 paths of two layers: 8 + 64 layers are run; both sides and both views."""
    net = Siamese(supernet(widths=tuple(range(1, 9))), hidden=4, out=4)
    paths = net.online.supernet.plan.paths(1, 0)
    assert len(paths) == 64
    _, passes = rate_block(
        net, Bootstrapping(True), 1, paths, CHAIN, [examples(4, 1)], examples(4, 2), small()
    )
    assert passes.run == 4 * (2 + 8 + 64)
    assert passes.without_prefixes == 4 * (2 + 64 * 2)
    assert passes.without_caches == 4 * (64 * 4)


def test_batches_are_weighted_by_their_images():
    parts = [examples(12, 1), examples(6, 2)]
    net, paths = siamese((4, 4, 4)), [(2, 3), (4, 4)]

    def rated(batches):
        return rate_block(
            net, Classification(), 1, paths, CHAIN, batches, examples(8, 3), small(training="classification")
        )[0]

    first, second, both = rated(parts[:1]), rated(parts[1:]), rated(parts)
    for path in paths:
        assert both[path] == pytest.approx((12 * first[path] + 6 * second[path]) / 18)


def test_linear_evaluation_tells_separable_classes_apart():
    def bright(n, seed):
        base = examples(n, seed)
        images = 0.1 * base.images + torch.eye(4)[base.labels, :3, None, None]
        return Examples(images, base.labels, (images, images))

    net, settings, paths = siamese(), small(rating="linear"), [(3, 4), (4, 4)]
    validation, training = bright(60, 1), bright(160, 2)
    draw = torch.Generator().manual_seed(0)
    mixed = Examples(training.images, training.labels[torch.randperm(160, generator=draw)], training.views)

    def errors(examples):
        rated = rate_block(net, Bootstrapping(True), 0, paths, (), [validation], examples, settings)
        return rated[0].values()

    assert all(0 <= error < 0.3 for error in errors(training))
    assert all(error > 0.4 for error in errors(mixed)), "chance is 0.75"


def random_table(partition, widths=tuple(range(8, 65, 8)), seed=0):
    plan = SizePlan(partition, widths)
    rng = np.random.default_rng(seed)
    blocks = [{0: {path: rng.normal() for path in plan.paths(k, 0)}} for k in range(plan.blocks)]
    return plan, Table(blocks, [], {})


@pytest.mark.parametrize("partition", [(2, 2, 1), (2, 1, 2)])
def test_outer_sum_is_the_rating_of_every_architecture_in_official_order(partition):
    space = ub.space("nats_size")
    plan, table = random_table(partition)
    sums = outer_sum([block[0] for block in table.blocks])
    assert sums.shape == (space.size,)
    for architecture in space.sample(300, np.random.default_rng(1)):
        wanted = -sum(table.blocks[k][0][path] for k, path in enumerate(plan.split(architecture)))
        assert rate(table, plan, architecture, "equal") == pytest.approx(wanted)
        assert -sums[space.index(architecture)] == pytest.approx(wanted)


def test_ratings_of_300_architectures_are_their_paths_losses_by_brute_force(tmp_path):
    """From the trained networks, without traversal, prefixes or table: C4 of issue 4."""
    from uninas_bench_plugins._bossnas import training

    context, settings, plan = ToyContext(tmp_path), small(epochs=1), SizePlan((2, 2, 1), WIDTHS)
    table = fit(supernet, context, settings)
    fitted = training._Fit(supernet, context, settings, None, 1e9)
    fitted._restore()
    networks, (batch,) = fitted.networks, fitted.images.validation
    for module in networks.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.0
    networks.train()

    def one(side, view, chain, path):
        with torch.no_grad():
            x = side.supernet.enter(chain, batch.views[view])
            block = len(chain)
            features = side.supernet.neck(block, path[-1], side.supernet.run(block, path, x, None))
            return side.projectors[block](features)

    chains = [(), *(stage[0] for stage in table.chains)]
    centres = [
        [sum(one(networks.target, v, chains[k], path) for path in plan.paths(k, 0)) for v in (0, 1)]
        for k in range(3)
    ]

    def brute(choices):
        ends = itertools.accumulate(plan.partition)
        total = 0.0
        for k, (end, size) in enumerate(zip(ends, plan.partition, strict=True)):
            path = choices[end - size : end]
            for view in (0, 1):
                with torch.no_grad():
                    said = networks.predictors[k](one(networks.online, view, chains[k], path))
                total -= 2 * functional.cosine_similarity(said, centres[k][1 - view]).mean().item()
        return total

    everything = list(itertools.product(WIDTHS, repeat=5))
    sums = outer_sum([block[0] for block in table.blocks])
    assert len(sums) == len(everything) == 243
    rng = np.random.default_rng(0)
    for index in rng.choice(243, 300):
        assert sums[index] == pytest.approx(brute(everything[index]), abs=1e-4)


def test_spread_weights_standardise_the_blocks():
    space = ub.space("nats_size")
    plan, table = random_table((2, 2, 1))
    table.blocks[0][0] = {path: 100 * loss for path, loss in table.blocks[0][0].items()}
    architecture = space.parse("8:16:24:32:64")
    wanted = 0.0
    for k, path in enumerate(plan.split(architecture)):
        losses = table.blocks[k][0]
        wanted -= losses[path] / np.std(list(losses.values()))
    assert rate(table, plan, architecture, "spread") == pytest.approx(wanted)


def test_a_path_that_was_not_rated_has_no_rating():
    plan, table = random_table((2, 2, 1))
    del table.blocks[1][0][(24, 32)]
    assert math.isnan(rate(table, plan, ub.space("nats_size").parse("8:16:24:32:64"), "equal"))


def test_table_survives_its_file():
    _, table = random_table((2, 2, 1))
    table.chains = [{0: ((8, 16),)}, {0: ((8, 16), (24, 32))}]
    again = Table.from_json(table.to_json())
    assert again == table
