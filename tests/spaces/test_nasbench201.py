from __future__ import annotations

import csv
import gzip
import itertools
import random
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninas_bench.architecture import Architecture, Task
from uninas_bench.errors import InvalidArchitecture, UserError
from uninas_bench.space import SearchSpace
from uninas_bench.spaces.cell_costs import EDGES, OPERATIONS
from uninas_bench.spaces.nasbench201 import NasBench201, _shuffled
from uninas_bench.tasks import find_task
from uninas_bench.testing.spaces import SpaceTestCase

SPACE = NasBench201()
ALL = list(SPACE.enumerate())
BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"


class TestConformance(SpaceTestCase):
    malformed = ("15625", "-1", "conv", "|none~0|", BEST + "|", BEST[:-1], "(0, 1, 2)", "(0, 1, 2, 3, 4, 5)")
    equivalent: ClassVar = [
        # two skips in a row are one; what enters no path is nothing
        (
            "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|",
            "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|",
        ),
        # what leads nowhere does not matter
        (
            "|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|skip_connect~0|none~1|none~2|",
            "|nor_conv_1x1~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|none~1|none~2|",
        ),
    ]

    def make_space(self) -> SearchSpace:
        return NasBench201().scaled(channels=4, cells=1)


@pytest.fixture(scope="module")
def official(real_data: Path) -> list[dict[str, str]]:
    with gzip.open(real_data / "ground_truth" / "nasbench201.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


# The three entries that the authors' own generator asserts, and the best CIFAR-10 cell of the paper.
@pytest.mark.parametrize(
    ("index", "encoding"),
    [
        (
            0,
            "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
        ),
        (9, "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"),
        (123, "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"),
        (6111, BEST),
    ],
)
def test_official_order_at_known_indices(index: int, encoding: str) -> None:
    assert ALL[index].encoding == encoding
    assert SPACE.index(Architecture("nasbench201", encoding)) == index
    assert SPACE.parse(str(index)) == SPACE.parse(encoding) == SPACE.parse(f"nasbench201:{encoding}")


@pytest.mark.parametrize("count", [1, 2, 3, 64, 65, 1000])
def test_written_out_shuffle_is_the_one_of_the_standard_library(count: int) -> None:
    expected = list(range(count))
    random.Random(88).shuffle(expected)
    assert _shuffled(count, 88) == expected


@pytest.mark.data
def test_order_and_naslib_tuples_of_every_index(official: list[dict[str, str]]) -> None:
    assert [a.encoding for a in ALL] == [row["arch_str"] for row in official]
    assert [SPACE.spellings(a)["naslib"] for a in ALL] == [row["naslib_op_tuple"] for row in official]
    assert [SPACE.parse(row["naslib_op_tuple"]) for row in official] == ALL


@pytest.mark.data
@pytest.mark.parametrize("name", ["cifar10", "cifar100", "imagenet16-120"])
def test_costs_of_every_index_equal_the_official_table(name: str, official: list[dict[str, str]]) -> None:
    column = name.replace("-", "_")
    priced = [SPACE.costs(a, find_task(name)) for a in ALL]
    assert [c.params for c in priced] == [int(row[f"params_{column}"]) for row in official]
    assert [c.flops for c in priced] == [round(float(row[f"flops_m_{column}"]) * 1e6) for row in official]


def test_canonical_has_the_classes_of_the_paper() -> None:
    # NAS-Bench-201, ICLR 2020, appendix: 6,466 unique topologies once isomorphism is considered
    assert len({SPACE.canonical(a) for a in ALL}) == 6466


def test_canonical_is_the_partition_of_the_authors_package() -> None:
    from nats_bench.genotype_utils import TopologyStructure

    theirs = [TopologyStructure.str2structure(a.encoding).to_unique_str(True) for a in ALL]
    pairs = set(zip(theirs, map(SPACE.canonical, ALL), strict=True))
    assert len(pairs) == len(set(theirs)) == 6466


def test_one_class_is_one_function_at_initialisation() -> None:
    """Evaluate every cell with fixed nonlinear operations that keep zero: a class has one value."""

    def value(operations: tuple[str, ...]) -> float:
        nodes = [0.7, 0.0, 0.0, 0.0]
        for (source, target), name in zip(EDGES, operations, strict=True):
            x = nodes[source]
            nodes[target] += {
                "none": 0.0,
                "skip_connect": x,
                "nor_conv_1x1": float(np.sin(1.3 * x)),
                "nor_conv_3x3": float(np.tanh(2.1 * x)),
                "avg_pool_3x3": float(np.log1p(x * x)),
            }[name]
        return round(nodes[3], 9)

    values = {a: value(SPACE.choices(a)) for a in ALL}
    pairs = {(SPACE.canonical(a), values[a]) for a in ALL}
    assert len(pairs) == 6466
    # what the docstring says of the converse
    assert len(set(values.values())) == 4930


@given(st.lists(st.sampled_from(OPERATIONS), min_size=6, max_size=6))
def test_operations_are_read_in_the_order_of_the_string(operations: list[str]) -> None:
    a, b, c, d, e, f = operations
    expected = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
    for text in (repr(tuple(operations)), repr(operations), ",".join(operations), expected):
        assert SPACE.parse(text).encoding == expected
    assert SPACE.choices(SPACE.parse(expected)) == tuple(operations)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "|nor_conv_3x3~0|+|nor_conv_5x5~0|nor_conv_3x3~1|+|none~0|none~1|none~2|",
            'unknown operation "nor_conv_5x5" at position 19 (edge 0->2); known: none, skip_connect',
        ),
        (" nasbench201:|pool~0|", 'unknown operation "pool" at position 15 (edge 0->1)'),
        ("|none~0|+|none~1|", 'expected "~0|" at position 15, got "~1|"'),
        ("|none~0|", 'expected "+|" at position 9, got the end of the text'),
        (BEST + "+|none~0|", f'unexpected "+|none~0|" at position {len(BEST) + 1}'),
        ("15625", "index 15625 out of range; expected 0..15624"),
        ("-1", "index -1 out of range; expected 0..15624"),
        ("9" * 5000, "out of range; expected 0..15624"),
        ("(4, 3, 3, 0, 0, 7)", 'unknown NASLib code "7" at position 17; known: 0 skip_connect'),
        ("(none, none, none, none, conv, none)", 'unknown operation "conv" at position 26 (edge 1->3)'),
        ("none,none", "expected 6 operations, got 2"),
        ("resnet", 'cannot read "resnet"; expected |op~0|'),
    ],
)
def test_malformed_texts_say_where_and_what(text: str, message: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        SPACE.parse(text)
    assert str(caught.value).startswith("nasbench201: ")
    assert message in str(caught.value)


def test_architecture_of_another_space_is_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="no architecture of this space"):
        SPACE.canonical(Architecture("nats_size", BEST))


@pytest.mark.parametrize("resolution", [0, 2, 6, 15, 30])
def test_resolution_that_cannot_be_halved_twice_is_refused(resolution: int) -> None:
    with pytest.raises(UserError, match=f"resolution {resolution} does not fit"):
        SPACE.costs(ALL[0], Task("odd", "odd", resolution, 10))


def test_mutation_reaches_all_24_neighbours_alike() -> None:
    rng = np.random.default_rng(0)
    counts: dict[str, int] = {}
    for _ in range(4800):
        mutant = SPACE.mutate(ALL[5], rng)
        differing = sum(x != y for x, y in zip(SPACE.choices(mutant), SPACE.choices(ALL[5]), strict=True))
        assert differing == 1
        counts[mutant.encoding] = counts.get(mutant.encoding, 0) + 1
    assert len(counts) == 24
    # 200 expected each, standard deviation 14
    assert all(130 < count < 270 for count in counts.values())


def test_sampling_covers_the_space_evenly() -> None:
    drawn = SPACE.sample(15625, np.random.default_rng(3))
    assert sorted(drawn) == sorted(ALL)
    first = [SPACE.index(a) for a in itertools.islice(drawn, 2000)]
    # the mean of 2,000 draws from 0..15624 has a standard deviation of 94
    assert abs(np.mean(first) - 7812) < 400
