"""Latencies: read exactly, measured once, kept for the search that is resumed."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import uninas_bench as ub
from tests.search.toy import TASK, Words, bees
from uninas_bench.errors import UserError
from uninas_bench.search import latency
from uninas_bench.search.candidates import read_candidates, write_candidates
from uninas_bench.search.latency import Latencies, LatencyBounds, measure, seconds_text


class Clock(nn.Module):
    """A network whose latency is what the word says: a millisecond a letter, if time were exact."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.letters = letters


class TimedWords(Words):
    """Words with networks; c cannot be built."""

    name = "timed-words"

    def build(self, architecture: ub.Architecture, task: ub.Task) -> nn.Module:
        if architecture.encoding == "c":
            raise ValueError("no network of c")
        return Clock(len(architecture.encoding))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The letters of what was measured, in that order; every measurement is a little slower."""
    seen: list[int] = []

    def fake(network: nn.Module, resolution: int, device: str) -> float:
        assert isinstance(network, Clock)
        assert (resolution, device) == (TASK.resolution, "cpu")
        seen.append(network.letters)
        return network.letters * 1e-3 + len(seen) * 1e-7

    monkeypatch.setattr(latency, "measure", fake)
    return seen


def search(folder: Path | None, **options: Any) -> Any:
    chosen = {"latency": "..5.5ms", "iterations": 20, "population": 6, "store": None, **options}
    return ub.search(TimedWords(), bees, output=folder, **chosen)


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("5ms..20ms", (0.005, 0.02)),
        ("..800us", (None, 0.0008)),
        ("1.5s..", (1.5, None)),
        (" .5ms .. 1s ", (0.0005, 1.0)),
    ],
)
def test_ranges_are_read_exactly(text: str, bounds: tuple[float | None, float | None]) -> None:
    assert LatencyBounds.read(text).sides == pytest.approx(bounds)
    assert LatencyBounds.read(str(LatencyBounds.read(text)).removeprefix("latency ")).sides == pytest.approx(
        bounds
    )


@pytest.mark.parametrize("text", ["20ms", "..", "", "..20", "1..2ms", "..-1ms", "20ms..5ms", "..1m"])
def test_what_is_no_range_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"^latency .*(expected|minimum exceeds)") as caught:
        LatencyBounds.read(text)
    assert "\n" not in str(caught.value)


def test_both_ends_are_within() -> None:
    bounds = LatencyBounds(0.001, 0.002)
    assert [bounds.allows(value) for value in (0.0009, 0.001, 0.002, 0.0021, None)] == [
        False, True, True, False, False,
    ]  # fmt: skip
    assert LatencyBounds().open
    assert LatencyBounds().allows(None)
    assert seconds_text(0.0215) == "21.5ms"


@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_every_architecture_keeps_to_its_latency(strategy: str, measured: list[int], tmp_path: Path) -> None:
    found = search(tmp_path, strategy=strategy)
    assert len(found.history) == 21
    assert found.history["architecture"].str.len().max() == 5
    assert max(measured) > 5
    for entry in found.candidates.candidates:
        assert entry.latency == pytest.approx(len(entry.architecture) * 1e-3, rel=0.05)
    assert found.candidates.frame()["latency"].max() < 0.0055
    assert read_candidates(tmp_path / "candidates.json") == found.candidates


def test_costs_are_looked_at_first(measured: list[int]) -> None:
    search(None, params="..30")
    assert max(measured) == 3


def test_a_search_that_is_resumed_meets_the_same_latencies(measured: list[int], tmp_path: Path) -> None:
    """Killed amid a line: what is whole holds, the rest is measured again, the end is the same."""
    whole = search(tmp_path / "whole")
    lines = (tmp_path / "whole" / "latencies.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 1 + len(measured)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "latencies.jsonl").write_text("".join(lines[:5]) + lines[5][:20])
    before = len(measured)
    cut = search(tmp_path / "cut")
    assert len(measured) - before == before - 4
    assert cut.candidates.architectures == whole.candidates.architectures
    again = search(tmp_path / "whole")
    assert len(measured) == 2 * before - 4
    assert again.candidates.candidates == whole.candidates.candidates


def test_what_has_no_network_has_no_latency(
    measured: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "latencies.jsonl"
    table = Latencies(TimedWords(), TASK, "cpu", path)
    with caplog.at_level(logging.WARNING):
        assert table.of(ub.Architecture("timed-words", "c")) is None
    assert "no latency: ValueError: no network of c" in caplog.text
    assert Latencies(TimedWords(), TASK, "cpu", path).of(ub.Architecture("timed-words", "c")) is None
    assert measured == []


def test_latencies_of_something_else_are_not_mixed_in(measured: list[int], tmp_path: Path) -> None:
    path = tmp_path / "latencies.jsonl"
    word = ub.Architecture("timed-words", "ab")
    Latencies(TimedWords(), TASK, "cpu", path).of(word)
    with pytest.raises(UserError, match=r"holds other latencies \(task differs\)"):
        Latencies(TimedWords(), replace(TASK, resolution=8), "cpu", path).of(word)
    with pytest.raises(UserError, match=r"other latencies \(device differs\)"):
        Latencies(TimedWords(), TASK, "cuda", path).of(word)
    path.write_text("something\n")
    with pytest.raises(UserError, match="no file of latencies"):
        Latencies(TimedWords(), TASK, "cpu", path).of(word)


def test_another_bound_is_another_search(measured: list[int], tmp_path: Path) -> None:
    search(tmp_path)
    with pytest.raises(UserError, match=r"of another search \(latency differs\)"):
        search(tmp_path, latency="..4ms")


def test_a_start_outside_and_a_space_without_any_are_refused(measured: list[int]) -> None:
    with pytest.raises(UserError, match=r"start timed-words:aaaaaaaa: its latency, 8\..*ms, is outside"):
        search(None, start=["aaaaaaaa"])
    with pytest.raises(UserError, match=r"no architecture of timed-words has latency 1s\.\."):
        search(None, latency="1s..")


def test_files_from_before_latencies_are_read(measured: list[int], tmp_path: Path) -> None:
    found = search(None, latency=None)
    path = tmp_path / "candidates.json"
    write_candidates(found.candidates, path)
    content = json.loads(path.read_text())
    del content["search"]["latency"]
    for entry in content["candidates"]:
        del entry["latency"]
    path.write_text(json.dumps(content))
    assert read_candidates(path) == found.candidates
    assert measured == []


def test_a_measurement_is_a_median_of_single_images() -> None:
    class Slow(nn.Module):
        shapes: list[tuple[int, ...]] = []  # noqa: RUF012

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert not self.training
            self.shapes.append(tuple(images.shape))
            # One pass in ten is disturbed.
            time.sleep(0.2 if len(self.shapes) == 5 else 0.004)
            return images

    seconds = measure(Slow(), 4, "cpu")
    assert 0.004 <= seconds < 0.02
    assert set(Slow.shapes) == {(1, 3, 4, 4)}
