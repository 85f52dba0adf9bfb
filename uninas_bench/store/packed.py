"""Scores as a file that comes with the package: read-only, one gzip CSV per ground-truth table.

The first line is ``# `` and a JSON object (`PackedInfo`): what the scores were made for and with, and every
proxy with its version, its settings, and its mean seconds and passes. Then come the columns ``architecture``,
``PROXY.COMPONENT`` for each of them, and ``failures``: per architecture a JSON object
``{"PROXY": "status: message"}``, or nothing. Numbers are written in full, so they are read as they were
stored. Nothing is a pickle, and reading needs no torch.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninas_bench.cells import Configuration, Status
from uninas_bench.errors import InvalidFile
from uninas_bench.store.contract import Columns
from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "uninas-bench scores"
SCHEMA = 1
SUFFIX = ".csv.gz"
RUN = 0
"""The run of a cell that came with the package: no store has it."""
_LONGEST_HEADER = 1 << 20
_DAMAGE = (OSError, EOFError, zlib.error)
_PROVENANCE = ("package", "python", "torch", "numpy", "plugins", "commit", "device")
"""What is told of the runs; the machine's name and its paths are nobody's business."""


@dataclass(frozen=True, slots=True)
class PackedProxy:
    """One proxy of a file.

    Attributes:
        settings: those that its cells are kept by.
        sees_images: whether the values depend on the images of the task.
        seconds: mean per architecture.
        passes: mean per architecture, in bare forward passes; None where it builds no network.
    """

    name: str
    version: int
    settings: str
    sees_images: bool
    components: tuple[str, ...]
    seconds: float
    passes: float | None


@dataclass(frozen=True, slots=True)
class PackedInfo:
    """The first line of a file, but for its format.

    Attributes:
        ground_truth: name of the table whose architectures were scored.
        images: fingerprint of the task's images; empty where no proxy of the file saw them.
        provenance: of every run that the scores come from: versions, plugins, commit, device.
        sample: how many architectures were drawn, as `population.draw_population` does with ``seed``; None
            where all of the table are in the file.
    """

    ground_truth: str
    space: str
    space_version: int
    scale: str
    dataset: str
    resolution: int
    classes: int
    seed: int
    images: str
    provenance: tuple[Mapping[str, Any], ...]
    proxies: tuple[PackedProxy, ...]
    sample: int | None = None

    def configurations(self) -> dict[Configuration, PackedProxy]:
        """What a store would know the columns of the file by."""
        return {
            Configuration(
                space=self.space,
                space_version=self.space_version,
                scale=self.scale,
                dataset=self.dataset,
                resolution=self.resolution,
                classes=self.classes,
                proxy=proxy.name,
                proxy_version=proxy.version,
                settings=proxy.settings,
                images=self.images if proxy.sees_images else "",
                seed=self.seed,
            ): proxy
            for proxy in self.proxies
        }


class PackedScores:
    """The scores of some files, in the shape that a store gives them.

    First lines are read at once, the rest when somebody asks for it.

    Raises:
        InvalidFile: a file is missing, damaged, or of a newer format.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.files = {path: read_info(path) for path in paths}

    @cached_property
    def _places(self) -> dict[Configuration, tuple[Path, PackedProxy]]:
        # A file of the whole table counts more than one of a sample.
        files = sorted(self.files.items(), key=lambda item: item[1].sample is None)
        return {
            configuration: (path, proxy)
            for path, info in files
            for configuration, proxy in info.configurations().items()
        }

    def columns(
        self, configurations: Iterable[Configuration], encodings: Sequence[str]
    ) -> dict[Configuration, Columns]:
        """As `ScoreStore.columns`: of exactly these configurations, in the order of ``encodings``."""
        found = {}
        places: dict[Path, _Rows] = {}
        for configuration in configurations:
            if configuration in self._places:
                path, proxy = self._places[configuration]
                if path not in places:
                    places[path] = _Rows(*_body(path), encodings)
                found[configuration] = places[path].columns(proxy)
        return found

    def encodings(self, ground_truth: str, proxy: str, seed: int) -> list[str]:
        """Architectures of a table of which scores by a seed are known, whatever the proxy's settings."""
        found: dict[str, None] = {}
        for path, info in self.files.items():
            names = {entry.name for entry in info.proxies}
            if (info.ground_truth, info.seed) == (ground_truth, seed) and proxy in names:
                found |= dict.fromkeys(map(str, _body(path)[0].index))
        return list(found)

    def images(self, space: str, scale: str, dataset: str, resolution: int) -> str:
        """Fingerprint of the images that scores of a subject were made with; empty where none are known."""
        known = (info for info in self.files.values() if info.images)
        subject = (space, scale, dataset, resolution)
        return next((i.images for i in known if (i.space, i.scale, i.dataset, i.resolution) == subject), "")

    def unlike(self, configurations: Iterable[Configuration]) -> dict[str, str]:
        """Proxies that are packed for the same subject, but not as asked for, and in what they differ."""
        wanted = [entry for entry in configurations if entry not in self._places]
        differences: dict[str, str] = {}
        for ours in wanted:
            for theirs in self._places:
                if _subject(theirs) == _subject(ours):
                    differences[ours.proxy] = _difference(theirs, ours)
        return differences


def _subject(configuration: Configuration) -> tuple[object, ...]:
    entry = configuration
    return entry.space, entry.scale, entry.dataset, entry.resolution, entry.classes, entry.proxy


def _difference(theirs: Configuration, ours: Configuration) -> str:
    """In what two configurations of one subject differ: ``settings batch=64, not batch=32``."""
    parts = []
    for name in ("space_version", "proxy_version", "settings", "images", "seed"):
        left, right = str(getattr(theirs, name)), str(getattr(ours, name))
        if name == "settings":
            both = set(left.split(",")) & set(right.split(","))
            left, right = (
                ",".join(part for part in text.split(",") if part not in both) for text in (left, right)
            )
        if left != right:
            parts.append(f"{name.replace('_', ' ')} {left or '(none)'}, not {right or '(none)'}")
    return "; ".join(parts)


def packed_folder() -> Path:
    """Where the files lie that come with the package; it may not exist."""
    return Path(str(resources.files("uninas_bench_tables"))) / "scores"


@lru_cache(maxsize=4)
def _shipped(folder: Path) -> PackedScores:
    paths = folder.glob(f"*{SUFFIX}") if folder.is_dir() else ()
    return PackedScores(sorted(path for path in paths if not path.name.startswith(".")))


def shipped_scores() -> PackedScores:
    """The scores that come with the package.

    Raises:
        InvalidFile: a file is damaged.
    """
    return _shipped(packed_folder())


def write_packed(path: Path, info: PackedInfo, columns: Mapping[str, Columns]) -> int:
    """Write a file and return its size in bytes; equal scores give equal bytes.

    Args:
        path: of the file.
        info: its first line.
        columns: by proxy; all have the same architectures in the same order.

    Raises:
        UserError: the file cannot be written.
    """
    header = {"format": FORMAT, "schema": SCHEMA, **asdict(info)}
    text = io.StringIO()
    text.write(f"# {json.dumps(header, sort_keys=True, ensure_ascii=False)}\n")
    table = csv.writer(text, lineterminator="\n")
    names = [(proxy.name, component) for proxy in info.proxies for component in proxy.components]
    table.writerow(["architecture", *(f"{proxy}.{component}" for proxy, component in names), "failures"])
    values = [
        columns[proxy].values.reindex(columns=[component])[component].tolist() for proxy, component in names
    ]
    encodings = list(columns[info.proxies[0].name].cells.index)
    failures = _failures(columns, len(encodings))
    for row, encoding in enumerate(encodings):
        numbers = ("" if math.isnan(column[row]) else repr(float(column[row])) for column in values)
        failed = json.dumps(failures[row], ensure_ascii=False) if failures[row] else ""
        table.writerow([encoding, *numbers, failed])
    # A fixed time stamp, or the same scores would have other bytes every second.
    data = gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)
    write_whole(path, data)
    return len(data)


def told(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a run's provenance that a file tells."""
    return {name: provenance[name] for name in _PROVENANCE}


def read_info(path: Path) -> PackedInfo:
    """The first line alone.

    Raises:
        InvalidFile: the file is missing, damaged, no such file, or of a newer format.
    """
    try:
        with gzip.open(path) as file:
            line = file.readline(_LONGEST_HEADER)
    except FileNotFoundError:
        raise InvalidFile(f"{path}: no such file") from None
    except _DAMAGE as error:
        raise InvalidFile(f"{path}: no packed scores, or damaged: {_text(error)}") from None
    try:
        header = json.loads(line.removeprefix(b"# "))
        if header.pop("format") != FORMAT:
            raise ValueError("another format")
        schema = header.pop("schema")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise InvalidFile(f"{path}: its first line does not say that it holds {FORMAT}") from None
    if schema != SCHEMA:
        raise InvalidFile(
            f"{path}: scores of format {schema}; this version of uninas-bench reads format {SCHEMA}"
        )
    try:
        proxies = tuple(
            PackedProxy(**{**proxy, "components": tuple(proxy["components"])})
            for proxy in header.pop("proxies")
        )
        return PackedInfo(**{**header, "provenance": tuple(header["provenance"])}, proxies=proxies)
    except (TypeError, KeyError):
        names = ", ".join(field.name for field in fields(PackedInfo))
        raise InvalidFile(f"{path}: its first line lacks something; expected {names}") from None


@lru_cache(maxsize=32)
def _body(path: Path) -> tuple[pd.DataFrame, dict[str, Mapping[str, str]]]:
    """Every value (architectures, ``PROXY.COMPONENT``), and the failures of the architectures with some."""
    import numpy as np
    import pandas as pd

    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            file.readline()
            names, *rows = csv.reader(file)
        if names[0] != "architecture" or names[-1] != "failures":
            raise ValueError("its columns are not architecture, ..., failures")
        index = pd.Index([row[0] for row in rows], name="architecture")
        if not index.is_unique:
            raise ValueError(f"{index[index.duplicated()][0]} occurs twice")
        numbers = np.array([[float(text or "nan") for text in row[1:-1]] for row in rows])
        values = pd.DataFrame(numbers.reshape(len(rows), len(names) - 2), index=index, columns=names[1:-1])
        return values, {row[0]: json.loads(row[-1]) for row in rows if row[-1]}
    except (*_DAMAGE, ValueError, IndexError, csv.Error) as error:
        raise InvalidFile(f"{path}: damaged: {_text(error)}") from None


class _Rows:
    """The part of a file that is about some architectures."""

    def __init__(
        self, values: pd.DataFrame, failures: Mapping[str, Mapping[str, str]], encodings: Sequence[str]
    ) -> None:
        import pandas as pd

        present = values.index.get_indexer(pd.Index(encodings))
        self._values = values.iloc[present[present >= 0]]
        self._failures = [failures.get(encoding, {}) for encoding in self._values.index]

    def columns(self, proxy: PackedProxy) -> Columns:
        import pandas as pd

        index = self._values.index
        own = {name: self._values[f"{proxy.name}.{name}"].to_numpy() for name in proxy.components}
        said = [failed.get(proxy.name, "").partition(": ") for failed in self._failures]
        cells = {
            "status": [status or Status.OK.value for status, _, _ in said],
            "message": [message for _, _, message in said],
            "seconds": proxy.seconds,
            "peak_memory": math.nan,
            "passes": math.nan if proxy.passes is None else proxy.passes,
            "run": RUN,
        }
        return Columns(pd.DataFrame(own, index=index), pd.DataFrame(cells, index=index))


def _failures(columns: Mapping[str, Columns], count: int) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = [{} for _ in range(count)]
    for proxy, column in columns.items():
        for row, (status, message) in enumerate(
            zip(column.cells["status"], column.cells["message"], strict=True)
        ):
            if status != Status.OK:
                rows[row][proxy] = f"{status}: {message}"
    return rows


def _text(error: BaseException) -> str:
    return " ".join(str(error).split())
