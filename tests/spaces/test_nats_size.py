from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from uninas_bench.errors import InvalidArchitecture
from uninas_bench.space import SearchSpace
from uninas_bench.spaces.nats_size import NatsSize
from uninas_bench.tasks import find_task
from uninas_bench.testing.spaces import SpaceTestCase

SPACE = NatsSize()


class TestConformance(SpaceTestCase):
    samples = 12
    malformed = ("32768", "-1", "8:8:8:8", "8:8:8:8:8:8", "8:8:8:8:9", "(8, 8, 8, 8, 0)", "width")

    def make_space(self) -> SearchSpace:
        return NatsSize()


@pytest.fixture(scope="module")
def official(real_data: Path) -> list[dict[str, str]]:
    with gzip.open(real_data / "ground_truth" / "nats_size.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


@pytest.mark.data
def test_order_of_every_index(official: list[dict[str, str]]) -> None:
    assert [a.encoding for a in SPACE.enumerate()] == [row["arch_str"] for row in official]


@pytest.mark.data
@pytest.mark.parametrize("name", ["cifar10", "cifar100", "imagenet16-120"])
def test_costs_of_every_index_equal_the_official_table(name: str, official: list[dict[str, str]]) -> None:
    column = name.replace("-", "_")
    priced = [SPACE.costs(a, find_task(name)) for a in SPACE.enumerate()]
    assert [c.params for c in priced] == [int(row[f"params_{column}"]) for row in official]
    assert [c.flops for c in priced] == [round(float(row[f"flops_m_{column}"]) * 1e6) for row in official]


def test_index_counts_in_base_eight() -> None:
    architecture = SPACE.parse("8:16:24:32:64")
    assert SPACE.index(architecture) == int("01237", 8)
    assert SPACE.parse("(8, 16, 24, 32, 64)") == SPACE.parse(str(int("01237", 8))) == architecture
    assert SPACE.canonical(architecture) == "8:16:24:32:64"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8:16:20:32:64", 'nats_size: unknown width "20" at position 6 (stage 2); known: 8, 16, 24'),
        ("nats_size:8:16:24:32:72", 'unknown width "72" at position 22 (stage 3)'),
        ("8:16:24:32", "expected 5 widths, got 4"),
        ("32768", "index 32768 out of range; expected 0..32767"),
        ("big", 'cannot read "big"; expected five widths such as 8:16:24:32:64'),
    ],
)
def test_malformed_texts_say_where_and_what(text: str, message: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        SPACE.parse(text)
    assert message in str(caught.value)
