"""What is on a contact sheet: of each probe the rows of pictures, and what stands below them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from uninas_bench_plugins._micro_probes.pictures.answers import drawn, said, shown
from uninas_bench_plugins._micro_probes.probes.catalogue import probes
from uninas_bench_plugins._micro_probes.probes.probe import Examples, Probe, Source

if TYPE_CHECKING:
    from uninas_bench_plugins._micro_probes.results import Evaluation
    from uninas_bench_plugins._micro_probes.settings import MicroProbesSettings


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One probe on the sheet.

    Attributes:
        probe: the task.
        source: of the examples.
        examples: that are drawn.
        baselines: what trivial answers score.
        output: what the head of a trained network gave for the examples.
        score: that this network reached.
    """

    probe: Probe
    source: Source
    examples: Examples
    baselines: Mapping[str, float]
    output: Tensor | None = None
    score: float | None = None

    def beats_blindness(self, value: float) -> bool:
        """Whether a measure is better than that of the best answer which is the same for all examples."""
        blind = self.baselines["blind"]
        return value > blind if self.probe.higher_is_better else value < blind


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A picture (3, h, w) with a word below; whether what it says is good, if it is an answer."""

    picture: Tensor
    word: str = ""
    good: bool | None = None


def make_panels(
    settings: MicroProbesSettings, source: Source, count: int, evaluation: Evaluation | None = None
) -> list[Panel]:
    """A panel of each probe that the settings name, with its first test examples.

    Args:
        settings: of the probes and of how many test examples there are.
        source: of the examples.
        count: of the pictures in a row; an example of two views makes two of them.
        evaluation: of a network, on the same source, with what it predicts kept. A probe on which it diverged
            has no output.

    Raises:
        UserError: the probes cannot make examples of that side or of those images.
    """
    panels = []
    for probe in probes(settings.names, settings.options_of):
        tests = probe.examples(max(settings.test, count), "test", source)
        few = tests[: max(1, count // probe.views)]
        panel = Panel(probe, source, few, probe.baselines(tests))
        result = None if evaluation is None else evaluation.results[probe.name]
        if result is not None and result.predict is not None and math.isfinite(result.score):
            panel = replace(panel, output=result.predict(few.inputs).cpu(), score=result.score)
        panels.append(panel)
    return panels


def rows_of(panel: Panel) -> dict[str, list[Cell]]:
    """The rows of a panel by their names, each with all views of all examples."""
    probe, examples = panel.probe, panel.examples
    truth = examples.targets[probe.truth]
    silent = [[""] * probe.views] * len(examples)
    rows = {
        "input": _row(shown(examples), silent),
        "target": _row(drawn(probe, examples, truth, panel.source), said(probe, truth)),
    }
    if panel.output is not None:
        answers = probe.answer(panel.output)
        values = [
            probe.measure(panel.output[i : i + 1], examples[i : i + 1].targets) for i in range(len(examples))
        ]
        words = [
            [word or f"{value:.2f}" for word in line]
            for value, line in zip(values, said(probe, answers), strict=True)
        ]
        good = [panel.beats_blindness(value) for value in values]
        rows["prediction"] = _row(drawn(probe, examples, answers, panel.source), words, good)
    return rows


def _row(pictures: Tensor, words: list[list[str]], good: list[bool] | None = None) -> list[Cell]:
    return [
        Cell(picture, word, None if good is None else good[i])
        for i, (views, line) in enumerate(zip(pictures, words, strict=True))
        for picture, word in zip(views, line, strict=True)
    ]
