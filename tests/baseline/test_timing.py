"""Costs in bare passes: of turns, without waits."""

from __future__ import annotations

import math
import time

import pytest

from uninas_bench.architecture import Costs
from uninas_bench.baseline import timing
from uninas_bench.baseline.measuring import timed_architectures


def test_waiting_for_a_core_does_not_count(monkeypatch):
    waits = iter([3.0, 3.75])
    monkeypatch.setattr(timing, "_waited", lambda: next(waits))
    now = iter([10.0, 11.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(now))
    assert timing._Clock().seconds() == pytest.approx(0.25)


def test_without_a_scheduler_that_tells_it_is_the_wall_clock(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, "_SCHEDULER", tmp_path / "none")
    clock = timing._Clock()
    time.sleep(0.02)
    assert clock.seconds() >= 0.02


def test_sleeping_counts():
    """A wait that the proxy itself asks for is its cost."""
    clock = timing._Clock()
    time.sleep(0.05)
    assert clock.seconds() == pytest.approx(0.05, abs=0.04)


def test_the_sum_of_the_parts():
    costs = timing.whole_costs({"a": 2.0, "b": 3.5}, {"a": ["a"], "ab": ["a", "b"], "free": []})
    assert costs["ab"] == 5.5
    assert costs["a"] == 2
    assert math.isnan(costs["free"])


def test_the_largest_the_median_and_one_between():
    costs = {str(i): Costs(params=1, flops=i) for i in range(21)}
    assert timed_architectures(costs) == ["10", "15", "20"]
    assert timed_architectures({"a": Costs(1, 1), "b": Costs(1, 2)}) == ["a", "b"]
