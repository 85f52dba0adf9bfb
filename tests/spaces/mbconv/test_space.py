"""Conformance, the numbering, the 23 networks of known accuracy, costs and networks."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kendalltau, spearmanr
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from uninas_bench.architecture import Architecture, Task
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.ground_truth.tabular import read_tabular
from uninas_bench.space import SearchSpace
from uninas_bench.spaces.mbconv.network import MbconvNetwork
from uninas_bench.spaces.mbconv.space import Mbconv
from uninas_bench.tasks import find_task
from uninas_bench.testing.spaces import SpaceTestCase

SPACE = Mbconv()
SMALL = Mbconv().scaled(widths="4:8:8:8:16", stem="8:4", final=16, head=32)
IMAGENET = find_task("imagenet1k")
BEST = "11 0110 0111 1100 0110"


class TestConformance(SpaceTestCase):
    task: ClassVar[Task] = Task("conformance", "conformance", 32, 5)
    samples = 8
    malformed = (
        "11 0110 0111 1100 011",
        "11 0110 0111 1100 0114",
        str(4**18),
        "-1",
        "MB6_3x3",
        "11,x",
        "11,0,0,0,55555",
    )

    def make_space(self) -> SearchSpace:
        return Mbconv().scaled(widths="4:8:8:8:16", stem="8:4", final=16, head=32)


class TestFewLayers(TestConformance):
    """Small enough to be enumerated, and with skips between equal widths of different blocks."""

    def make_space(self) -> SearchSpace:
        return Mbconv().scaled(widths="4:4:4:4:4", depths="1:1:1:2:1", stem="4:4", final=4, head=8)


# Specification 3: multiply-accumulates in millions and parameters in millions of networks like EfficientNet.
@pytest.mark.parametrize(
    ("encoding", "macs", "params"),
    [
        ("11 1111 1101 1011 1101", 487, 5.66), ("11 1031 1301 1110 3011", 454, 5.45),
        ("10 1231 1311 1221 3131", 397, 4.96), ("10 3110 1220 1000 3021", 421, 5.07),
        ("01 3100 3201 3011 0301", 429, 5.19), ("00 3021 3120 3311 0031", 399, 5.08),
        ("00 3231 3331 0010 0001", 417, 5.44), ("31 2111 1012 2101 3210", 416, 5.08),
        ("21 0331 1033 3201 0221", 377, 4.74), ("21 2131 1223 2031 1200", 381, 4.97),
        ("30 0000 0100 2321 3020", 383, 4.90), ("30 3220 3013 2021 0030", 371, 5.03),
        ("20 0320 0020 1112 0000", 405, 5.39), ("13 2321 0201 1123 1103", 386, 5.05),
        ("13 3103 0200 1233 1333", 355, 4.38), ("12 0220 0330 1002 1312", 379, 4.79),
        ("03 2020 2101 1022 3233", 351, 4.37), ("03 0013 2031 0312 0103", 390, 5.03),
        ("02 3203 2311 3133 0213", 351, 4.68), ("02 3032 2320 3213 0303", 338, 4.60),
        ("33 0033 0123 3333 1002", 341, 4.81), ("32 2133 2102 0223 0023", 329, 4.60),
        ("22 2202 2323 2002 0022", 324, 4.61),
    ],
)  # fmt: skip
def test_costs_of_the_23_networks(encoding: str, macs: int, params: float) -> None:
    costs = SPACE.costs(SPACE.parse(encoding), IMAGENET)
    assert round(costs.flops / 1e6) == macs
    assert round(costs.params / 1e6, 2) == params


@pytest.mark.parametrize("resolution", [224, 33, 8])
def test_costs_are_what_torch_counts(resolution: int) -> None:
    task = find_task(f"imagenet1k@{resolution}")
    for architecture in (SPACE.parse(BEST), *SPACE.sample(2, np.random.default_rng(resolution))):
        with torch.device("meta"):
            network = SPACE.build(architecture, task).eval()
            with FlopCounterMode(display=False) as counter:
                network(torch.empty(1, 3, resolution, resolution))
        costs = SPACE.costs(architecture, task)
        assert costs.flops == counter.get_total_flops() // 2
        assert costs.params == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.data
def test_the_users_table_is_read(real_data: Path) -> None:
    path = real_data / "ground_truth" / "mbconv23.csv"
    columns = {
        "architecture": "+".join(f"stage{block}_ops" for block in range(5)),
        "accuracy": "imagenet_top1",
    }
    rows = read_tabular(path, SPACE, columns)
    with path.open() as file:
        lines = list(csv.DictReader(file))
    assert len(rows) == len(lines) == 23
    for architecture, line in zip(rows["architecture"], lines, strict=True):
        # The table's groups are numbers: it has lost their leading zeros.
        assert list(map(int, architecture.split())) == [int(line[f"stage{block}_ops"]) for block in range(5)]
        assert list(map(len, architecture.split())) == [2, 4, 4, 4, 4]
    assert rows["accuracy"].max() == 75.52
    assert rows["architecture"][rows["accuracy"].idxmax()] == "11 1111 1101 1011 1101"


# Specification 5: rank correlations of the trivial baselines with the 23 accuracies.
@pytest.mark.data
@pytest.mark.parametrize(("cost", "tau", "rho"), [("flops", 0.755, 0.903), ("params", 0.708, 0.869)])
def test_costs_correlate_with_the_accuracies_as_published(
    real_data: Path, cost: str, tau: float, rho: float
) -> None:
    columns = {
        "architecture": "+".join(f"stage{block}_ops" for block in range(5)),
        "accuracy": "imagenet_top1",
    }
    rows = read_tabular(real_data / "ground_truth" / "mbconv23.csv", SPACE, columns)
    costs = [
        getattr(SPACE.costs(Architecture("mbconv", encoding), IMAGENET), cost)
        for encoding in rows["architecture"]
    ]
    assert round(kendalltau(costs, rows["accuracy"]).statistic, 3) == tau
    assert round(spearmanr(costs, rows["accuracy"]).statistic, 3) == rho


def test_the_index_is_a_number_in_base_four() -> None:
    assert SPACE.size == 4**18 == 68_719_476_736
    assert SPACE.index(SPACE.parse(BEST)) == int(BEST.replace(" ", ""), 4)
    assert SPACE.parse("68719476735").encoding == "33 3333 3333 3333 3333"
    assert SPACE.parse("0").encoding == "00 0000 0000 0000 0000"
    for text in ("110110011111000110", "11-0110-0111-1100-0110", "(11, 110, 111, 1100, 110)"):
        assert SPACE.parse(text).encoding == BEST
    assert [a.encoding[-2:] for a in islice(SPACE.enumerate(), 5)] == ["00", "01", "02", "03", "10"]


def test_samples_are_uniform() -> None:
    drawn = [SPACE.digits(a) for a in SPACE.sample(4000, np.random.default_rng(0))]
    assert len(set(drawn)) == 4000
    pvalues = [chisquare(list(Counter(column).values())).pvalue for column in zip(*drawn, strict=True)]
    assert min(pvalues) > 1e-3


def test_mutants_are_the_54_neighbours() -> None:
    architecture = SPACE.parse(BEST)
    rng = np.random.default_rng(0)
    found = Counter(SPACE.mutate(architecture, rng).encoding for _ in range(5400))
    assert all(sum(a != b for a, b in zip(BEST, other, strict=True)) == 1 for other in found)
    assert len(found) == 18 * 3
    assert chisquare(list(found.values())).pvalue > 1e-3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("11 0110 0111 1100 011", "mbconv: expected 18 layers, got 17"),
        ("mbconv:11 0110 0411 1100 0110", 'unknown digit "4" at position 17 (layer 8); known: 0, 1, 2, 3'),
        ("11, 110, 111, 1100", "expected 5 numbers, got 4"),
        ("11, 110, 111, 1100, 11110", "expected 18 layers, got 19"),
        ("11, 110, 111, 1100, x110", "mbconv: cannot read"),
        ("68719476736", "index 68719476736 out of range; expected 0..68719476735"),
        ("best", 'cannot read "best"; expected 18 digits such as 11 1111 1111 1111 1111, or an index 0..687'),
    ],
)
def test_malformed_texts_say_where_and_what(text: str, message: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        SPACE.parse(text)
    assert message in str(caught.value)


def test_architectures_of_another_space_or_scale_are_refused() -> None:
    for architecture in (
        Architecture("hytra", BEST),
        Architecture("mbconv", BEST.replace(" ", "")),
        Architecture("mbconv", BEST.replace("0", "4")),
    ):
        with pytest.raises(InvalidArchitecture, match="is no architecture of this space"):
            SPACE.index(architecture)
    with pytest.raises(InvalidArchitecture, match="expected 10 layers, got 18"):
        SPACE.scaled(depths="2:2:2:2:2").parse(BEST)
    with pytest.raises(UserError, match="scale depths=6:6:6:6:6: expected at most 29 layers"):
        SPACE.scaled(depths="6:6:6:6:6")


def built(encoding: str = BEST) -> MbconvNetwork:
    torch.manual_seed(0)
    network = SMALL.build(SMALL.parse(encoding), Task("toy", "toy", 64, 5))
    assert isinstance(network, MbconvNetwork)
    return network


def test_features_are_four_maps_of_any_images() -> None:
    network = built().eval()
    for height, width in ((64, 64), (33, 50), (5, 4)):
        maps = network.features(torch.randn(2, 3, height, width))
        assert [tuple(m.shape) for m in maps] == [
            (2, channels, -(-height // part), -(-width // part))
            for channels, part in ((4, 4), (8, 8), (8, 16), (16, 32))
        ]


def test_layers_have_their_kernels_expansions_and_skips() -> None:
    network = built("01 2301 0123 3210 1032")
    kernels, expansions, skips = [], [], []
    for _, layer in network.blocks():
        convolutions = [module for module in layer.modules() if isinstance(module, nn.Conv2d)]
        depthwise = next(c for c in convolutions if c.groups > 1)
        kernels.append(depthwise.kernel_size[0])
        entering = convolutions[0].in_channels
        expansions.append(depthwise.out_channels // entering)
        assert layer.residual.excitation.reduce.out_channels == entering // 4  # type: ignore[union-attr]
        skips.append(layer.skips)
    digits = "012301012332101032"
    assert kernels == [3, *(3 if digit in "02" else 5 for digit in digits), 3]
    assert expansions == [1, *(6 if digit in "01" else 3 for digit in digits), 6]
    # By shape: not the first of a block, unless it neither strides nor changes width (block 4, and the last).
    assert skips == [
        False, False, True, False, True, True, True, False, True, True, True, True, True, True, True,
        False, True, True, True, True,
    ]  # fmt: skip


def test_drop_path_grows_with_depth() -> None:
    network = built()
    network.set_drop_path(0.19)
    assert [layer.drop_path.p for _, layer in network.blocks()] == pytest.approx(  # type: ignore[union-attr]
        [0.01 * number for number in range(20)]
    )
