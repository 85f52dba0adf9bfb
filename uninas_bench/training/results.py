"""What trainings gave: a file per run, and the frame and the ground-truth tables that runs make together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.store.contract import Provenance
from uninas_bench.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "uninas-bench result"
SCHEMA_VERSION = 1
"""Raise it when a field changes its meaning or goes; a file of a newer version is refused."""
RESULT = "result.json"
WEIGHTS = "weights.safetensors"
CARD = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One finished training.

    Attributes:
        space: ``timm`` for a model of timm's that is of no space.
        scale: of the space; empty for timm's.
        recipe: its name; ``recipe_version`` and ``recipe_sha`` say exactly which, overrides included.
        kind: of the task.
        protocol: the recipe in one sentence.
        smoke: whether it was the recipe's short form, whose metrics mean nothing.
        task: a name of the catalogue, with ``@`` and the resolution where it is another than there.
        resolution: height and width of what the network saw.
        pretrained: recipe and sha256 of the weights that it began with; empty for a fresh network.
        params: of the network with its classifier.
        flops: of one image at ``flops_resolution``, counted as ``convention``; None where the space cannot.
        macs: multiply-accumulates of the backbone on one image at ``resolution``, counted by torch.
        network_params: of all that was trained, heads included.
        metric: the headline among ``metrics``, which are percentages, except losses.
        images_per_second: of the finished network in eval mode, ``timed_batch`` images at a time on
            ``device``.
        seconds: of the training, evaluations included, of all the processes that it took one after another.
        notes: what the run did to the network that one should know.
    """

    space: str
    scale: str
    architecture: str
    recipe: str
    recipe_version: int
    recipe_sha: str
    kind: str
    protocol: str
    smoke: bool
    task: str
    resolution: tuple[int, int]
    classes: int
    seed: int
    pretrained: str
    params: int
    flops: int | None
    flops_resolution: int
    convention: str
    macs: int
    network_params: int
    metric: str
    metrics: Mapping[str, float]
    steps: int
    images_per_step: int
    training_images: int
    test_images: int
    data: str
    device: str
    images_per_second: float
    timed_batch: int
    seconds: float
    weights_sha: str
    notes: tuple[str, ...]
    provenance: Provenance

    @property
    def headline(self) -> float:
        """The value of `metric`."""
        return self.metrics[self.metric]


def write_result(result: Result, folder: Path) -> None:
    """Write ``result.json`` into the folder of a run.

    Raises:
        UserError: it cannot be written.
    """
    content = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **asdict(result)}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_whole(folder / RESULT, (text + "\n").encode())


def read_result(path: Path) -> Result:
    """Read a file that `write_result` wrote.

    Raises:
        InvalidFile: it is missing, of a newer version, or malformed: one line, with the field.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InvalidFile(f"{path}: no such file") from None
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InvalidFile(f"{path}: not JSON: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InvalidFile(f"{path}: no result of a training, as uninas-bench train writes it")
    version = content.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise InvalidFile(
            f"{path}: results schema {version!r}, this uninas-bench reads up to {SCHEMA_VERSION}; upgrade it"
        )
    try:
        return TypeAdapter(Result).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidFile(f"{path}: {where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None


def find_results(folders: Sequence[Path]) -> list[Result]:
    """Every result in or under the folders, in the order of their paths.

    Raises:
        InvalidFile: a folder does not exist, there is no result at all, or one cannot be read.
    """
    paths: list[Path] = []
    for folder in folders:
        if not folder.exists():
            raise InvalidFile(f"{folder}: no such folder")
        paths += [folder] if folder.is_file() else sorted(folder.rglob(RESULT))
    if not paths:
        listing = ", ".join(map(str, folders))
        raise InvalidFile(f"{listing}: no {RESULT} there: no training has finished yet")
    return [read_result(path) for path in dict.fromkeys(paths)]


def frame(results: Iterable[Result]) -> pd.DataFrame:
    """One row per run: what was trained how, its costs, one column per metric, images per second."""
    import pandas as pd

    names = (
        "space", "scale", "architecture", "recipe", "smoke", "task", "seed", "pretrained", "params", "flops",
        "convention", "macs", "metric", "steps", "training_images", "images_per_second", "device", "seconds",
    )  # fmt: skip
    return pd.DataFrame(
        {**{name: getattr(result, name) for name in names}, **result.metrics} for result in results
    )


def ground_truth_of(
    results: Sequence[Result], name: str | None = None, metric: str | None = None
) -> GroundTruth:
    """A table of the runs of one recipe on one space: a leaderboard ranks proxies on it.

    Args:
        results: all of one space, scale, task and recipe; each architecture once per seed.
        name: of the table; default ``SPACE-TASK-RECIPE``.
        metric: what stands under ``accuracy``, in percent; default the recipe's headline.

    Raises:
        UserError: runs of different kinds, an unknown metric, or an architecture twice with a seed.
    """
    import pandas as pd

    for what in ("space", "scale", "task", "recipe", "recipe_sha", "data", "pretrained"):
        found = sorted({str(getattr(result, what)) for result in results})
        if what == "pretrained":  # of other architectures, hence other weights; but all fresh, or none
            found = sorted({text.partition(" ")[0] for text in found})
        if len(found) > 1:
            raise UserError(
                f"results with {what} {' and '.join(map(_short, found))}: one table holds runs of "
                "one space, task and recipe; choose with --recipe or give their folders"
            )
    first = results[0]
    metric = metric or first.metric
    lacking = [result for result in results if metric not in result.metrics]
    if lacking:
        raise UserError(f'no metric "{metric}" in the results (there is: {", ".join(lacking[0].metrics)})')
    rows = pd.DataFrame(
        {
            "architecture": [result.architecture for result in results],
            "seed": [str(result.seed) for result in results],
            "count": 1,
            "accuracy": [result.metrics[metric] for result in results],
            "loss": [result.metrics.get("loss", float("nan")) for result in results],
        }
    )
    measured = metric if metric == first.metric else f"{metric} (not the headline {first.metric})"
    info = GroundTruthInfo(
        name=name or f"{first.space}-{first.task}-{first.recipe}",
        space=first.space,
        scale=first.scale,
        task=first.task,
        protocol=f"{measured} in percent · {first.protocol}",
        source=f"trained by uninas-bench: recipe {first.recipe} {first.recipe_sha[:12]}, data {first.data}",
    )
    return GroundTruth(info, rows)


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:12]}..."
