"""Kind ``ablation``: a search with each proxy, then a training of what each has found."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from uninas_bench.reproduce.kind import RecipeFields, RowOrColumn, TableKind
from uninas_bench.reproduce.outcome import Measured
from uninas_bench.reproduce.published import PublishedTable
from uninas_bench.reproduce.request import BudgetSpent, Lacking, TableRequest
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.architecture import Architecture
    from uninas_bench.space import SearchSpace


class Sizes(RowOrColumn):
    """Everything about a search and the training after it that has a size.

    Attributes:
        scale: of the space.
        task: that proxies see and networks are trained on.
        params, flops: bounds.
        iterations, population, steps, p_eliminate: of the search.
        start: the first architecture.
        batch: of the proxies.
        training, overrides: the training recipe, and the fields that differ from it.
        seeds: trainings of each architecture.
    """

    scale: Mapping[str, str] = {}
    task: str
    params: str
    flops: str
    iterations: int
    population: int
    steps: int
    p_eliminate: float
    start: str
    batch: int = 64
    training: str
    overrides: tuple[str, ...] = ()
    seeds: int = 1


class AblationRecipe(RecipeFields):
    """One procedure in two sizes.

    Attributes:
        space: that is searched.
        full: as the paper did it.
        scaled: the same on a small machine.
    """

    space: str
    full: Sizes
    scaled: Sizes


class AblationRow(RowOrColumn):
    """A proxy that is searched with.

    Attributes:
        proxy: its name; ``settings`` where they are not its defaults.
        aggregate: ``block-mean`` or ``network``, as in `uninas_bench.search`.
    """

    proxy: str = ""
    settings: Mapping[str, object] = {}
    aggregate: Literal["network", "block-mean", ""] = ""


class AblationColumn(RowOrColumn):
    """What is told of the network that was found."""

    quantity: Literal["params", "flops", "accuracy"] = "accuracy"


class Ablation(TableKind):
    """Search, then train: scaled down unless the full size was asked for."""

    name = "ablation"
    Recipe = AblationRecipe
    Row = AblationRow
    Column = AblationColumn

    def run(self, table: PublishedTable, request: TableRequest) -> None:
        """Proxy by proxy; a proxy that no longer fits into the budget is left out."""
        recipe = self.recipe(table)
        assert isinstance(recipe, AblationRecipe)
        sizes = recipe.full if request.full else recipe.scaled
        cells = self.wanted(table, request)
        _state(request, recipe, sizes)
        with _folder(request.folder) as folder:
            longest = 0.0
            for name in dict.fromkeys(row for row, _ in cells):
                entry = self.row(table, name)
                assert isinstance(entry, AblationRow)
                columns = [column for row, column in cells if row == name]
                if request.budget.left < longest:
                    for column in columns:
                        request.lack(name, column, BudgetSpent("the budget was spent"))
                    continue
                before = request.budget.spent
                try:
                    found = _searched_and_trained(request, recipe, sizes, name, entry, folder)
                except Lacking as lacking:
                    for column in columns:
                        request.lack(name, column, lacking)
                    continue
                longest = max(longest, request.budget.spent - before)
                for column in columns:
                    asked = self.column(table, column)
                    assert isinstance(asked, AblationColumn)
                    request.record(name, column, _measured(found, asked.quantity, scaled=not request.full))


def _state(request: TableRequest, recipe: AblationRecipe, sizes: Sizes) -> None:
    which = "the paper's size" if request.full else "scaled down; --full runs the paper's size"
    scale = f" [{', '.join(f'{k}={v}' for k, v in sizes.scale.items())}]" if sizes.scale else ""
    request.fact(
        f"{which}: {recipe.space}{scale} on {sizes.task}, params {sizes.params}, FLOPs {sizes.flops}; "
        f"evolution of {sizes.iterations} iterations, population {sizes.population}, {sizes.steps} moves, "
        f"p_eliminate {sizes.p_eliminate:g}, from {sizes.start}; batch {sizes.batch}"
    )
    changed = f" with {', '.join(sizes.overrides)}" if sizes.overrides else ""
    request.fact(f"trained by {sizes.training}{changed}, {sizes.seeds} seed{'s' * (sizes.seeds > 1)} each")


def _searched_and_trained(
    request: TableRequest, recipe: AblationRecipe, sizes: Sizes, name: str, entry: AblationRow, folder: Path
) -> tuple[int, int, list[float], str]:
    """Parameters, FLOPs, accuracies by seed and encoding of what a proxy finds."""
    from uninas_bench.bounds import Bounds
    from uninas_bench.search.driver import search
    from uninas_bench.search.settings import search_settings
    from uninas_bench.training.recipes.reading import load_recipe

    space = request.space(recipe.space, sizes.scale)
    task = find_task(sizes.task)
    proxy = request.proxy(entry.proxy, {"batch": sizes.batch, **entry.settings})
    request.check_images(proxy, task)
    # Before hours of search: the images of the training after it.
    request.check_data(load_recipe(sizes.training, sizes.overrides).data.dataset)
    request.announce(f"{name}: searching")
    found = search(
        space, proxy,
        search_settings(
            strategy="evolution", iterations=sizes.iterations, population=sizes.population, steps=sizes.steps,
            p_eliminate=sizes.p_eliminate, children=1, bounds=Bounds.read(sizes.params, sizes.flops),
        ),
        host=request.host, start=[sizes.start], task=task, aggregate=entry.aggregate or None,
        seed=request.seed, workers=request.workers, store=request.store, data=request.data,
        device=request.device,
    )  # fmt: skip
    request.announce(f"{name}: training what it found")
    frame = _trained(request, space, found.best, sizes, folder)
    costs = space.costs(found.best, task)
    accuracies = [float(value) for value in frame["accuracy"]]
    return costs.params, costs.flops, accuracies, found.best.encoding


def _trained(
    request: TableRequest, space: SearchSpace, architecture: Architecture, sizes: Sizes, folder: Path
) -> pd.DataFrame:
    from uninas_bench.training.calls import train

    return train(
        [architecture], sizes.training, output=folder, space=space, top=1, then=(), smoke=False,
        overrides=sizes.overrides, seeds=sizes.seeds, seed=request.seed, pretrained=None,
        data={name: path for name, path in request.data.items() if isinstance(path, str | Path)},
        device=request.device, loaders=0,
    )  # fmt: skip


def _measured(found: tuple[int, int, list[float], str], quantity: str, *, scaled: bool) -> Measured:
    params, flops, accuracies, encoding = found
    why = "scaled down: another size of networks, data and training" if scaled else ""
    if quantity == "params":
        return Measured(float(params), incomparable=why or "another network was found", note=encoding)
    if quantity == "flops":
        return Measured(float(flops), incomparable=why or "another network was found")
    low, high = spread(accuracies)
    mean = math.fsum(accuracies) / len(accuracies)
    seeds = f"{len(accuracies)} trainings" if len(accuracies) > 1 else "one training: no interval"
    return Measured(mean, low, high, incomparable=why, note=seeds)


def spread(values: list[float]) -> tuple[float, float]:
    """The 95% t interval of a mean; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    from statistics import mean, stdev

    from scipy.stats import t

    reach = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return mean(values) - reach, mean(values) + reach


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="uninas-bench-reproduce-") as folder:
        yield Path(folder)
