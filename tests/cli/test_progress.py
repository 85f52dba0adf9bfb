"""A bar on a terminal, few lines elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from uninas_bench.cli import progress as module
from uninas_bench.cli.progress import scoring_progress
from uninas_bench.engine import ProgressEvent
from uninas_bench.fitting import FitEvent


def told(console_options, events):
    file = io.StringIO()
    with scoring_progress(Console(file=file, width=200, **console_options)) as progress:
        progress.begin(1200, 2, 3)
        for event in events:
            progress.fit(event) if isinstance(event, FitEvent) else progress.update(event)
    return file.getvalue(), progress


EVENTS = [
    ProgressEvent(done, 2400, ("fast", "slow")[done % 2], (0.1, 0.5)[done % 2], 1) for done in range(1, 2401)
]


def test_elsewhere_the_first_and_the_last_line():
    text, progress = told({}, EVENTS)
    lines = text.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "scoring 1,200 architectures x 2 proxies on 3 workers: 1/2,400, 1 failed, about"
    )
    assert "2,400/2,400" in lines[1]
    assert lines[1].endswith("about 0 s left, fast 0.1 s/architecture")
    assert progress.computed == 2400


def test_elsewhere_a_line_whenever_time_has_passed(monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.0)
    text, _ = told({}, EVENTS[:30])
    assert len(text.splitlines()) == 30


def test_on_a_terminal_a_bar():
    text, _ = told({"force_terminal": True, "color_system": None}, EVENTS)
    assert "2400/2400" in text
    assert "s/architecture · 1 failed" in text


def test_nothing_is_said_where_nothing_is_missing():
    text, progress = told({"force_terminal": True}, [])
    assert text == ""
    assert progress.computed == 0


FITS = [
    FitEvent("learned", 0, 0, "starts"),
    *(FitEvent("learned", done, 150, "loss [0.5]") for done in range(1, 151)),
    FitEvent("other", 1, 2, ""),
]


def test_elsewhere_a_fit_is_a_few_lines_before_the_scores():
    text, _ = told({}, [*FITS, *EVENTS])
    assert text.splitlines()[:3] == [
        "fitting learned: starts",
        "fitting learned: 150/150 loss [0.5]",
        "fitting other: 1/2",
    ]
    assert len(text.splitlines()) == 5


def test_elsewhere_a_line_of_a_fit_whenever_time_has_passed(monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.0)
    assert told({}, FITS[:13])[0].splitlines()[-1] == "fitting learned: 12/150 loss [0.5]"


def test_the_time_of_a_fit_is_not_the_scores(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    file = io.StringIO()
    with scoring_progress(Console(file=file, width=200)) as progress:
        progress.begin(10, 1, 1)
        clock[0] = 1000.0
        progress.fit(FITS[-1])
        clock[0] = 1002.0
        progress.update(ProgressEvent(1, 10, "other", 2.0, 0))
    assert "1/10, about 18 s left" in file.getvalue()


def test_on_a_terminal_a_fit_has_a_bar_of_its_own():
    text, _ = told({"force_terminal": True, "color_system": None}, [*FITS[:151], *EVENTS])
    assert "fitting learned" in text
    assert "150/150" in text
    assert "loss [0.5]" in text
    assert "2400/2400" in text
