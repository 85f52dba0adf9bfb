"""The course of searches: what the best score was after so many architectures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uninas_bench.errors import InvalidFile
from uninas_bench.search.candidates import Candidates, read_candidates


@dataclass(frozen=True, slots=True)
class Course:
    """One search.

    Attributes:
        name: of its folder.
        folder: where it is.
        candidates: what it found, and what it rests on.
        iterations: of every architecture that was scored, in the order of scoring.
        scores: theirs; NaN where there is none.
    """

    name: str
    folder: Path
    candidates: Candidates
    iterations: tuple[int, ...]
    scores: tuple[float, ...]

    @property
    def label(self) -> str:
        """Strategy and seed."""
        return f"{self.candidates.search.strategy}, seed {self.candidates.seed}"

    def best(self) -> list[tuple[int, float]]:
        """(architectures scored, best score so far) wherever the best rises, and at the end."""
        found: list[tuple[int, float]] = []
        top = -math.inf
        for count, score in enumerate(self.scores, 1):
            if score > top:
                top = score
                found.append((count, score))
        if found and found[-1][0] < len(self.scores):
            found.append((len(self.scores), top))
        return found


def read_course(path: Path) -> Course:
    """Of the folder of a search, or the candidates.json in it.

    Raises:
        InvalidFile: a file of it is missing or damaged.
    """
    import pandas as pd

    file = path / "candidates.json" if path.is_dir() else path
    candidates = read_candidates(file)
    history = file.with_name("history.csv")
    try:
        frame = pd.read_csv(history, usecols=["iteration", "score"])
        iterations = tuple(map(int, frame["iteration"]))
        scores = tuple(map(float, frame["score"]))
    except OSError as error:
        raise InvalidFile(
            f"{history}: {error.strerror or error}; a search writes it beside {file.name}"
        ) from None
    except ValueError as error:
        raise InvalidFile(f"{history}: not the history of a search: {' '.join(str(error).split())}") from None
    return Course(file.parent.name or str(file.parent), file.parent, candidates, iterations, scores)


def grouped(courses: Sequence[Course]) -> dict[tuple[str, str, str], list[Course]]:
    """Searches of one space and proxy, whose scores can be compared; in the order given."""
    groups: dict[tuple[str, str, str], list[Course]] = {}
    for course in courses:
        made = course.candidates
        proxy = f"{made.proxy.name} {made.proxy.version}"
        settings = f"{made.proxy.settings}; {made.space} {made.scale}; {made.task.name}"
        groups.setdefault((made.space, proxy, settings), []).append(course)
    return groups
