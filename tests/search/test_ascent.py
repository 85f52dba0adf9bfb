"""Search by a proxy's own proposals: it is asked about starts, and what it names is scored as any other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import uninas_bench as ub
from tests.engine.toy import TASK, Toy, weights
from tests.search.toy import Words, bees
from uninas_bench import (
    Architecture,
    FitContext,
    NotApplicable,
    Proxy,
    SearchSpace,
    Settings,
    Subject,
    UserError,
)
from uninas_bench.search.driver import SearchResult


@dataclass(frozen=True, kw_only=True)
class LettersSettings(Settings):
    favourite: str = "b"
    stride: int = 1


class Letters(Proxy):
    """Learns nothing but a name: the more of its favourite letter the better; it knows where to put one."""

    name = "letters"
    needs = frozenset({"fit"})
    Settings = LettersSettings
    settings: LettersSettings

    def fit_settings(self) -> LettersSettings:
        return LettersSettings(favourite=self.settings.favourite)

    def fit(self, space: SearchSpace, context: FitContext) -> None:
        context.report(1, 1, "fitted")
        context.write("favourite.json", json.dumps(self.settings.favourite).encode())

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        assert subject.architecture is not None
        favourite = json.loads((subject.fitted / "favourite.json").read_text())
        return {self.name: float(subject.architecture.encoding.count(favourite))}

    def propose(
        self, space: SearchSpace, starts: Sequence[Architecture], fitted: Path | None, seed: int
    ) -> list[Architecture]:
        assert fitted is not None
        favourite = json.loads((fitted / "favourite.json").read_text())
        return [climbed(space, start, favourite, self.settings.stride) for start in starts]


def climbed(space: Any, start: Architecture, favourite: str, stride: int = 1) -> Architecture:
    """The first ``stride`` letters that are no favourite are made one."""
    letters = list(start.encoding)
    for place in [place for place, letter in enumerate(letters) if letter != favourite][:stride]:
        letters[place] = favourite
    return Architecture(space.name, "".join(letters))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNINAS_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def ascend(space: Any = None, proxy: Any = None, **options: Any) -> SearchResult:
    options = {"task": TASK, "store": None, "strategy": "ascent", **options}
    return ub.search(space or Toy(), proxy or Letters(), **options)


def test_what_is_scored_is_what_the_proxy_names() -> None:
    messages: list[str] = []
    result = ascend(iterations=50, children=2, fitting=lambda event: messages.append(event.text))
    assert messages.count("fitted") == 1
    space = Toy()
    for row in result.history.itertuples():
        assert row.architecture == climbed(space, Architecture("toy", str(row.parent)), "b").encoding
        assert row.score == str(row.architecture).count("b")
    # The draws are all 27 words, once each.
    named = {climbed(space, start, "b").encoding for start in space.enumerate()}
    assert set(result.history["architecture"]) == named
    assert result.best.encoding == "bbb"
    # Two starts an iteration, whose number they carry.
    assert result.history["iteration"].max() <= 14
    assert result.history["iteration"].is_monotonic_increasing


def test_starts_come_first_and_a_longer_search_goes_on() -> None:
    given = ["aaa", "cab"]
    short = ascend(start=given, iterations=3, seed=5)
    assert short.history["parent"].tolist()[:2] == given
    assert short.history["architecture"].tolist()[:2] == ["baa", "bab"]
    assert short.candidates.search.start == tuple(given)
    longer = ascend(start=given, iterations=40, seed=5).history
    assert len(longer) > len(short.history)
    columns = ["iteration", "architecture", "parent"]
    assert longer[columns].iloc[: len(short.history)].equals(short.history[columns])


def test_an_endless_space_and_bounds() -> None:
    result = ascend(Words(), iterations=100, params="..40")
    assert result.history["params"].max() <= 40
    assert result.best.encoding.startswith("bb")
    assert len(result.history) < 100, "starts that led to what was known, or outside, are spent"


def test_the_same_search_again_finds_everything_stored(tmp_path: Path) -> None:
    options = {"iterations": 20, "store": tmp_path / "scores.db", "output": tmp_path / "run"}
    first, messages = ascend(**options), []
    again = ascend(**options, fitting=lambda event: messages.append(event.text))
    assert again.computed == 0 < first.computed
    assert again.history.equals(first.history)
    assert messages == []


def test_settings_that_the_fit_does_not_depend_on_share_it(cache: Path) -> None:
    messages: list[str] = []
    options = {"iterations": 5, "fitting": lambda event: messages.append(event.text)}
    first = ascend(**options)
    far = ascend(proxy=Letters().with_settings(stride=3), **options)
    assert far.history["architecture"].tolist() == ["bbb"]
    assert first.history["architecture"].tolist() != ["bbb"]
    assert messages.count("fitted") == 1
    ascend(proxy=Letters().with_settings(favourite="c"), **options)
    assert messages.count("fitted") == 2
    assert len(list(cache.glob("fitted/letters/*/complete.json"))) == 2


class Unwilling(Letters):
    def propose(self, space: Any, starts: Any, fitted: Any, seed: Any) -> list[Architecture]:
        raise NotApplicable("it is Sunday")


class Forgetful(Letters):
    def propose(self, space: Any, starts: Any, fitted: Any, seed: Any) -> list[Architecture]:
        return starts[1:]


class Unfit(Letters):
    def fit(self, space: Any, context: Any) -> None:
        raise NotApplicable("no fit for words")


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        (weights, r"strategy=ascent: weights proposes no architectures; those that do: .*"),
        (bees, r"strategy=ascent: bees proposes no architectures; those that do: .*"),
        (Unwilling(), r"letters proposes nothing in toy: it is Sunday"),
        (Unfit(), r"letters: fit: no fit for words"),
    ],
)
def test_mistakes_are_one_line(proxy: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}$"):
        ascend(proxy=proxy, iterations=2)


def test_a_plugin_that_loses_a_start_is_told() -> None:
    with pytest.raises(TypeError, match="letters proposed 26 architectures for 27 starts"):
        ascend(proxy=Forgetful(), iterations=2)
