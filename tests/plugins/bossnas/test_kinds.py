"""A supernet whose blocks meet inputs of two kinds, as those of HyTra do: every architecture is rated."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.plugins.bossnas.toy import ToyContext, small
from uninas_bench import Architecture
from uninas_bench_plugins._bossnas.supernet import Supernet
from uninas_bench_plugins._bossnas.table import rate
from uninas_bench_plugins._bossnas.training import fit


class FabricPlan:
    """Two blocks of two layers; a choice is 2 scale + operation, and the scale never falls."""

    blocks = 2

    def kind_after(self, block, path):
        return path[-1] // 2

    def paths(self, block, kind):
        pairs = itertools.product(range(4), repeat=2)
        return [(a, b) for a, b in pairs if kind <= a // 2 <= b // 2]

    def sample(self, block, kind, count, generator):
        paths = self.paths(block, kind)
        return [paths[i] for i in torch.randperm(len(paths), generator=generator)[:count]]

    def split(self, architecture):
        digits = tuple(map(int, architecture.encoding))
        return digits[:2], digits[2:]


class Fabric(Supernet):
    """A layer halves its input where its scale is one above the layer's before."""

    def __init__(self):
        super().__init__()
        self.plan, self.features = FabricPlan(), (12, 12)
        self.bodies = nn.ModuleList(
            nn.ModuleList(
                nn.ModuleList(
                    nn.Sequential(
                        nn.Conv2d(3, 3, 1 + 2 * (choice % 2), padding=choice % 2), nn.BatchNorm2d(3)
                    )
                    for choice in range(4)
                )
                for _ in range(2)
            )
            for _ in range(2)
        )
        self.necks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(3, 12, 2 - scale, 2 - scale) for scale in range(2)) for _ in range(2)
        )

    def layer(self, block, position, choice, x, previous):
        scale = 0 if previous is None else previous // 2
        if choice // 2 > scale:
            x = functional.avg_pool2d(x, 2)
        return x + functional.relu(self.bodies[block][position][choice](x))

    def neck(self, block, choice, x):
        return self.necks[block][choice // 2](x).mean((2, 3))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return fit(Fabric, ToyContext(tmp_path_factory.mktemp("fabric")), small(out=4))


def legal():
    for digits in itertools.product(range(4), repeat=4):
        scales = [digit // 2 for digit in digits]
        if scales == sorted(scales):
            yield digits


def test_every_block_is_rated_for_every_kind_of_input(table):
    plan = FabricPlan()
    assert [set(block) for block in table.blocks] == [{0}, {0, 1}]
    for index, block in enumerate(table.blocks):
        for kind, losses in block.items():
            assert list(losses) == sorted(plan.paths(index, kind))


def test_every_legal_architecture_has_the_rating_of_its_paths_and_kinds(table):
    count = 0
    for digits in legal():
        first, second = digits[:2], digits[2:]
        wanted = -table.blocks[0][0][first] - table.blocks[1][first[-1] // 2][second]
        architecture = Architecture("fabric", "".join(map(str, digits)))
        assert rate(table, FabricPlan(), architecture, "equal") == pytest.approx(wanted)
        count += 1
    assert count == 5 * 2**4


def test_chains_are_the_best_that_end_in_their_kind(table):
    totals = {}
    for digits in legal():
        first, second = digits[:2], digits[2:]
        feeding = table.chains[0][first[-1] // 2][0]
        if first == feeding:
            loss = table.blocks[0][0][first] + table.blocks[1][first[-1] // 2][second]
            totals[first, second] = loss
    for kind in (0, 1):
        best = {p: v for p, v in table.blocks[0][0].items() if p[-1] // 2 == kind}
        assert table.chains[0][kind] == (min(best, key=best.get),)
        ended = {chain: v for chain, v in totals.items() if chain[1][-1] // 2 == kind}
        assert table.chains[1][kind] == min(ended, key=ended.get)
