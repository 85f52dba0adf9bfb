"""Ranges of costs: read exactly, refuse in one line, hold at both ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninas_bench.architecture import Costs
from uninas_bench.bounds import Bounds, count_text
from uninas_bench.errors import UserError


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("22M..27M", 22_000_000, 27_000_000),
        ("..20G", None, 20_000_000_000),
        ("6G..", 6_000_000_000, None),
        (" 1.5k .. 2.25K ", 1_500, 2_250),
        ("0..1T", 0, 10**12),
        (".5M..500000", 500_000, 500_000),
        ("1...5M", 1, 500_000),
        ("26.871124M..", 26_871_124, None),
    ],
)
def test_ranges_are_read_exactly(text: str, low: int | None, high: int | None) -> None:
    assert Bounds.read(params=text) == Bounds(params_min=low, params_max=high)
    assert Bounds.read(flops=text) == Bounds(flops_min=low, flops_max=high)


@pytest.mark.parametrize(
    "text", ["27M", "..", "", "a..b", "-1..5", "1e6..2e6", "27m..", "1..2..3", ".0001k.."]
)
def test_what_is_no_range_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"params .*expected") as caught:
        Bounds.read(params=text)
    assert "\n" not in str(caught.value)


def test_a_range_that_holds_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"flops 20G..6G: the minimum exceeds the maximum"):
        Bounds.read(flops="20G..6G")
    with pytest.raises(UserError, match="at least 0"):
        Bounds(params_max=-1)


def test_both_ends_are_within_and_both_costs_count() -> None:
    bounds = Bounds(params_min=10, params_max=20, flops_max=5)
    assert bounds.allows(Costs(10, 0))
    assert bounds.allows(Costs(20, 5))
    for params, flops in ((9, 0), (21, 0), (15, 6)):
        assert not bounds.allows(Costs(params, flops))
    assert Bounds().allows(Costs(0, 10**15))


@given(st.integers(0, 10**14), st.integers(0, 10**14))
def test_a_text_means_what_it_was_made_of(first: int, second: int) -> None:
    low, high = sorted((first, second))
    text = f"{count_text(low)}..{count_text(high)}"
    assert Bounds.read(params=text) == Bounds(params_min=low, params_max=high)
    assert str(Bounds.read(params=text)) == f"params {text}"
