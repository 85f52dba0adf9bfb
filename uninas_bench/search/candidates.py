"""The file of candidates: the best architectures of a search, and all that it rests on.

It is what a training reads, so it names space, scale and task completely; it is written whole or not at all.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench.architecture import Architecture, Costs, Task
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.search.settings import SearchSettings
from uninas_bench.store.contract import Provenance
from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "uninas-bench candidates"
SCHEMA_VERSION = 1
"""Raise it when a field changes its meaning or goes; a file of a newer version is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One architecture of the final population.

    Attributes:
        rank: from 1, the best.
        architecture: its encoding.
        score: among those that the file compares; see `Candidates.compared`.
        components: what the score was made of; ``proxy.component`` where another proxy computed it.
        iteration: that proposed it; 0 is the start.
        parent: the encoding of what it was made from; empty where there is none.
        latency: measured seconds of one image, where the search bounded them.
    """

    rank: int
    architecture: str
    score: float
    components: dict[str, float]
    costs: Costs
    iteration: int
    parent: str
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class ScoredBy:
    """A proxy, its version, and its settings as a text."""

    name: str
    version: int
    settings: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The content of the file.

    Attributes:
        scale: of the space, as ``channels=16,cells=5``.
        requires: the proxies whose components `proxy` aggregates.
        images: fingerprint of the task's images where a proxy saw them, else empty.
        seed: of proposals, weights and images.
        complete: whether the search was over when this was written.
        iterations: how many were done.
        scored: how many architectures were scored, of which ``failed`` have no or not all components.
        compared: how many of them the scores of the candidates were aggregated over.
        candidates: best first.
    """

    space: str
    space_version: int
    scale: str
    task: Task
    proxy: ScoredBy
    requires: tuple[ScoredBy, ...]
    images: str
    search: SearchSettings
    seed: int
    complete: bool
    iterations: int
    scored: int
    failed: int
    compared: int
    provenance: Provenance
    candidates: tuple[Candidate, ...]

    @property
    def architectures(self) -> list[Architecture]:
        """The candidates as architectures of the space, best first."""
        return [Architecture(self.space, candidate.architecture) for candidate in self.candidates]

    def frame(self) -> pd.DataFrame:
        """One row per candidate: rank, architecture, score, params, flops, iteration, parent, components.

        And ``latency``, where the search bounded it.
        """
        import pandas as pd

        rows = [
            {
                "rank": entry.rank,
                "architecture": entry.architecture,
                "score": entry.score,
                "params": entry.costs.params,
                "flops": entry.costs.flops,
                "iteration": entry.iteration,
                "parent": entry.parent,
                **({} if entry.latency is None else {"latency": entry.latency}),
                **entry.components,
            }
            for entry in self.candidates
        ]
        return pd.DataFrame(rows)

    def same_search(self, other: Candidates) -> str:
        """What differs between two searches besides their length; empty where one goes on as the other."""
        ours, theirs = self._identity(), other._identity()
        return next((name for name, value in ours.items() if theirs[name] != value), "")

    def _identity(self) -> dict[str, Any]:
        names = ("space", "space_version", "scale", "task", "proxy", "requires", "images", "seed")
        settings = asdict(replace(self.search, iterations=None if self.search.iterations is None else 0))
        return {**{name: getattr(self, name) for name in names}, **settings}


def write_candidates(candidates: Candidates, path: Path) -> None:
    """Write the file.

    Raises:
        UserError: it cannot be written.
    """
    content = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **asdict(candidates)}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, (text + "\n").encode())


def read_candidates(path: Path | str) -> Candidates:
    """Read a file that `write_candidates` wrote.

    Raises:
        InvalidFile: the file is missing, of a newer version, or malformed: one line, with the field.
    """
    from pydantic import TypeAdapter, ValidationError

    path = Path(path)
    content = _object(path)
    if content.get("format") != FORMAT:
        raise InvalidFile(f"{path}: no file of candidates, as uninas-bench search writes it")
    version = content.get("schema_version")
    if not isinstance(version, int):
        raise InvalidFile(f"{path}: schema_version: expected an integer, got {version!r}")
    if version > SCHEMA_VERSION:
        raise InvalidFile(
            f"{path}: written by a newer uninas-bench (candidates schema {version}, this one reads up to "
            f"{SCHEMA_VERSION}); upgrade uninas-bench"
        )
    try:
        # Strict as JSON is: a number in quotes is an error, a list is a tuple.
        found = TypeAdapter(Candidates).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidFile(f"{path}: {where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
    except UserError as error:
        raise InvalidFile(f"{path}: search: {error}") from None
    _check(path, found)
    return found


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise InvalidFile(f"{path}: no such file") from None
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InvalidFile(f"{path}: not JSON: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InvalidFile(f"{path}: expected a JSON object")
    return content


def _check(path: Path, found: Candidates) -> None:
    """What types cannot say."""
    for place, entry in enumerate(found.candidates):
        where = f"{path}: candidates.{place}"
        if entry.rank != place + 1:
            raise InvalidFile(f"{where}.rank: expected {place + 1}, got {entry.rank}")
        if not entry.architecture:
            raise InvalidFile(f"{where}.architecture: is empty")
    encodings = [entry.architecture for entry in found.candidates]
    if len(set(encodings)) < len(encodings):
        raise InvalidFile(f"{path}: candidates: an architecture is there twice")
