"""`path_ratings`: architectures by ratings of their parts that somebody else has published.

Block-wise search rates the paths of every block of a supernet, and an architecture by the sum over its
blocks. The authors of BossNAS ship such losses for their MBConv supernet and for the size space of
NATS-Bench; with them Tables 3 and 4 of the paper can be computed again without training anything.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from uninas_bench import NotApplicable, Proxy, Settings, Subject, UserError, hookimpl

COLUMNS = ("stage", "ops", "loss")
_DIGEST = 12

Blocks = tuple[Mapping[str, float], ...]
"""For each block, the loss of every path; a path is a text of one digit per layer."""


@dataclass(frozen=True, kw_only=True)
class PathRatingsSettings(Settings):
    """Settings of `PathRatings`.

    Attributes:
        file: a CSV with the columns stage, ops, loss; or a folder with one YAML file of (path, loss) tuples
            per block, in the order of their names, as the authors' search writes them.
        digest: the beginning of the content's sha256; found by itself, it keeps scores of one file apart
            from those of another of the same name.
        decimals: digits after the point of the total; the authors' scripts round to 4. -1: not rounded.
    """

    file: str = ""
    digest: str = ""
    decimals: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.file:
            # Frozen against everybody else.
            object.__setattr__(self, "digest", _digest(Path(self.file)))


class PathRatings(Proxy):
    """Minus the sum of the losses of an architecture's paths, one for each block.

    Li et al., BossNAS: Exploring Hybrid CNN-transformers with Block-wisely Self-supervised Neural
    Architecture Search, ICCV 2021, equation 3 with every lambda 1.
    """

    name = "path_ratings"
    reference = "Li et al., BossNAS, ICCV 2021: published ratings of paths"
    on_request = True
    Settings = PathRatingsSettings
    settings: PathRatingsSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        """The rating.

        Raises:
            UserError: no file was given, or it is none of this kind.
            NotApplicable: the file does not rate a path of the architecture.
        """
        if not self.settings.file:
            raise UserError("path_ratings needs a file: --set path_ratings.file=RATINGS.csv")
        if subject.architecture is None or subject.architecture.space not in _DIGITS:
            raise NotApplicable(f"paths are known of {', '.join(_DIGITS)} alone")
        digits = _DIGITS[subject.architecture.space](subject.architecture.encoding)
        total = sum(path_losses(read_ratings(Path(self.settings.file)), digits))
        return {self.name: -(total if self.settings.decimals < 0 else round(total, self.settings.decimals))}


def path_losses(blocks: Blocks, digits: str) -> list[float]:
    """The loss of each block's path in an architecture given as one digit per layer.

    Raises:
        NotApplicable: the layers are of another number, or a path is not rated.
    """
    ends = list(accumulate((len(next(iter(block))) for block in blocks), initial=0))
    if ends[-1] != len(digits):
        raise NotApplicable(f"the ratings are of {ends[-1]} layers, the architecture has {len(digits)}")
    losses = []
    for number, (block, (start, end)) in enumerate(zip(blocks, pairwise(ends), strict=True)):
        path = digits[start:end]
        if path not in block:
            raise NotApplicable(f"block {number}: path {path} has no rating")
        losses.append(block[path])
    return losses


@lru_cache(maxsize=8)
def read_ratings(path: Path) -> Blocks:
    """The losses of every block; zeros that a spreadsheet cut off in front of a path are put back.

    Raises:
        UserError: the file or folder is missing or malformed; naming it and the fault.
    """
    rows = list(_yaml_rows(path) if path.is_dir() else _csv_rows(path))
    layers: dict[int, int] = {}
    for stage, ops, _ in rows:
        layers[stage] = max(layers.get(stage, 0), len(ops))
    blocks: dict[int, dict[str, float]] = {stage: {} for stage in layers}
    for stage, ops, loss in rows:
        blocks[stage][ops.zfill(layers[stage])] = loss
    if sorted(blocks) != list(range(len(blocks))) or not blocks:
        raise UserError(f"{path}: stages {', '.join(map(str, sorted(blocks)))}: expected 0, 1, 2, ...")
    return tuple(blocks[stage] for stage in sorted(blocks))


def _csv_rows(path: Path) -> Iterator[tuple[int, str, float]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    reader = csv.DictReader(text.splitlines())
    if reader.fieldnames is None or not set(COLUMNS) <= set(reader.fieldnames):
        raise UserError(f"{path}: expected the columns {', '.join(COLUMNS)}")
    for number, row in enumerate(reader, 2):
        yield _row(f"{path}: line {number}", row["stage"], row["ops"], row["loss"])


def _yaml_rows(folder: Path) -> Iterator[tuple[int, str, float]]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain data and tuples: the authors' files have nothing else."""

    def tuple_(loader: Loader, node: yaml.SequenceNode) -> list[Any]:
        return loader.construct_sequence(node)

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", tuple_)
    files = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])
    if not files:
        raise UserError(f"{folder}: no .yml file in it")
    for stage, file in enumerate(files):
        try:
            content: Any = yaml.load(file.read_text(encoding="utf-8"), Loader)  # noqa: S506  (a safe one)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{file}: cannot be read: {' '.join(str(error).split())[:200]}") from None
        if not isinstance(content, list) or not all(
            isinstance(row, list) and len(row) == 2 for row in content
        ):
            raise UserError(f"{file}: expected a list of (path, loss) tuples")
        for place, (ops, loss) in enumerate(content):
            yield _row(f"{file}: entry {place + 1}", str(stage), str(ops), str(loss))


def _row(where: str, stage: str, ops: str, loss: str) -> tuple[int, str, float]:
    try:
        found = int(stage), ops.strip(), float(loss)
    except (TypeError, ValueError):
        raise UserError(f"{where}: expected an integer, a path and a number") from None
    if not found[1].isdecimal():
        raise UserError(f'{where}: path "{ops[:40]}": expected one digit per layer')
    return found


def _digest(path: Path) -> str:
    files: Iterable[Path] = sorted(path.iterdir()) if path.is_dir() else [path]
    digest = sha256()
    for file in files:
        if file.is_file():
            digest.update(file.read_bytes())
        elif not path.is_dir():
            raise UserError(f"path_ratings.file={path}: no such file")
    return digest.hexdigest()[:_DIGEST]


_DIGITS: Mapping[str, Callable[[str], str]] = {
    # Width 8 (i + 1) is candidate i of the slimmable supernet.
    "nats_size": lambda encoding: "".join(str(int(width) // 8 - 1) for width in encoding.split(":")),
    "mbconv": lambda encoding: "".join(filter(str.isdecimal, encoding)),
    "hytra": lambda encoding: "".join(filter(str.isdecimal, encoding)),
}
"""How an encoding becomes one digit per layer, by the name of the space."""


@hookimpl
def uninas_bench_proxies() -> list[Proxy]:
    """`path_ratings`, without a file."""
    return [PathRatings()]
