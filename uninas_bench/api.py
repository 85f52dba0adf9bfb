"""The public calls. Each is a thin door: the work is in the module it imports when called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import Tensor, nn

    from uninas_bench.architecture import Architecture, Task
    from uninas_bench.baseline.model import Baseline
    from uninas_bench.baseline.verdict import Check
    from uninas_bench.data.source import ImageSource
    from uninas_bench.engine import Progress
    from uninas_bench.ensembles.notation import Ensemble
    from uninas_bench.fitting import FitProgress
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.proxy import Proxy
    from uninas_bench.search.driver import Aggregate, SearchEvent, SearchResult
    from uninas_bench.search.settings import Strategy
    from uninas_bench.space import SearchSpace
    from uninas_bench.subject import Features


def space(space: str | SearchSpace, **scale: object) -> SearchSpace:
    """A search space at its benchmark's scale, or at another: ``space("nasbench201", channels=8, cells=1)``.

    Raises:
        UserError: no such space, or no such scale parameter.
    """
    from uninas_bench.host import default_host

    found = default_host().space(space) if isinstance(space, str) else space
    return found.scaled(**scale) if scale else found


def proxy(proxy: str | Proxy | Path, **settings: object) -> Proxy:
    """A proxy by name, by the path of a plugin file that holds exactly one, or an object; with settings.

    Raises:
        UserError: no such proxy, or no such setting.
    """
    from uninas_bench.host import default_host, proxy_of_file

    if isinstance(proxy, Path) or (isinstance(proxy, str) and proxy.endswith(".py")):
        found = proxy_of_file(Path(proxy))
    else:
        found = default_host().proxy(proxy) if isinstance(proxy, str) else proxy
    return found.with_settings(**settings)


def ground_truth(table: str | Path | GroundTruth, task: str | None = None) -> GroundTruth:
    """A ground-truth table: by name, by the name of a space with ``task``, by path, or an object.

    Raises:
        UserError: no such table, or a malformed file.
    """
    from uninas_bench.ground_truth.catalogue import find_ground_truth

    return find_ground_truth(table, task=task)


def score(
    architectures: Sequence[Architecture | str],
    proxies: Sequence[str | Proxy],
    *,
    space: str | SearchSpace | None = None,
    task: str | Task = "cifar10",
    seed: int = 0,
    workers: int = 1,
    executor: str | None = None,
    store: str | Path | Literal["default"] | None = None,
    data: Mapping[str, str | Path | ImageSource] | None = None,
    timeout: float | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    fitting: FitProgress | None = None,
) -> pd.DataFrame:
    """Score architectures with proxies: compute what the store lacks, return a tidy frame of everything.

    Args:
        architectures: of one space; texts are parsed by ``space``.
        proxies: names or objects; a proxy's `requires` are added.
        space: needed where ``architectures`` are texts or at another scale; else taken from them.
        task: decides resolution, classes and images.
        seed: fixes weights and images; see `uninas_bench.subject`.
        workers: processes of one torch thread each.
        executor: by name; default ``serial`` for one worker, ``processes`` for more.
        store: a path or a database URL; ``default`` is the user's store, None keeps scores in memory only.
        data: image sources for data sets, as paths or objects.
        timeout: seconds before which no cell is stopped; a hung one ends with the status ``timeout``.
        device: where networks run.
        progress: called after every finished cell.
        fitting: called while a proxy is fitted to the space, before it evaluates.

    Returns:
        One row per architecture, proxy and component: ``space, scale, architecture, task, proxy, version,
        settings, component, value, status, message, seconds, peak_memory, passes, seed``. A failed
        evaluation has NaN values and a status.

    Raises:
        UserError: a name, a setting, an encoding or a file is wrong; nothing was computed.
    """
    from uninas_bench.engine import run
    from uninas_bench.store import default_store_url

    return run(
        architectures, proxies, space=space, task=task, seed=seed, workers=workers, executor=executor,
        store=default_store_url() if store == "default" else store, data=data, timeout=timeout,
        device=device, progress=progress, fitting=fitting,
    ).tidy()  # fmt: skip


def score_network(
    network: nn.Module,
    proxies: Sequence[str | Proxy],
    batches: Sequence[tuple[Tensor, Tensor]],
    *,
    init: str = "keep",
    seed: int = 0,
    features: Sequence[str] | Features | None = None,
) -> dict[str, dict[str, float]]:
    """Score any module on your own tensors and weights.

    Args:
        network: left bit-identical: same weights, buffers, mode, gradients and hooks.
        proxies: names or objects.
        batches: images (B, 3, R, R) and labels (B,); ZiCo uses two, the others the first.
        init: ``keep`` the weights, or ``proxy``: each proxy's own initialisation on its copy.
        seed: seeds the generator of each proxy directly.
        features: the modules whose outputs are the features, by name; or a callable from (network,
            images) to a list of tensors. Default: the entries of the longest `Sequential` or `ModuleList`,
            whose input is then the first feature, as a space's networks have it.

    Returns:
        Components by proxy; NaN where a proxy says that it does not apply.
    """
    from uninas_bench.engine import score_network as run

    return run(network, proxies, batches, init=init, seed=seed, features=features)


def leaderboard(
    space: str | SearchSpace | None = None,
    task: str | None = None,
    ground_truth: str | Path | GroundTruth | None = None,
    proxies: Sequence[str | Proxy] | None = None,
    sample: int | None = None,
    seed: int = 0,
    *,
    across: str | Sequence[str | Path | GroundTruth] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Rank proxies by rank correlation with ground truth; without arguments, on the embedded table.

    Args:
        space: its scale must be the table's.
        task: a task's name; default the table's.
        ground_truth: a table's name, path or object; default the one of ``space`` and ``task``.
        proxies: default all that are installed.
        sample: how many architectures to draw from the table; None takes all.
        seed: fixes the sample, the scores and the bootstrap.
        across: instead of ``space``, ``task`` and ``ground_truth``: several tables, by name, path or object,
            or ``"all"`` whose scores come with the package; see `uninas_bench.across.build`.
        options: see `uninas_bench.leaderboard.build`; such as ``aggregates=["rank: vkdnw + flops"]``. With
            ``across`` also ``strata=True`` and ``compute=False``.

    Returns:
        One row per proxy, best first: ``proxy, tau, tau_low, tau_high, rho, ...``; ``frame.attrs`` holds n,
        seeds, noise ceiling, table and versions. With ``across`` one row per proxy and table, best mean
        place first.

    Raises:
        UserError: ``across`` beside ``space``, ``task`` or ``ground_truth``; or what `build` raises.
    """
    if across is not None:
        from uninas_bench.across import build as build_across
        from uninas_bench.errors import UserError

        if not (space is None and task is None and ground_truth is None):
            raise UserError("across=... with space, task or ground_truth: give one or the other")
        return build_across(across, proxies, sample=sample, seed=seed, **options)
    from uninas_bench.leaderboard import build

    return build(space, task, ground_truth, proxies, sample=sample, seed=seed, **options)


def record_baseline(
    output: str | Path,
    space: str | SearchSpace | None = None,
    task: str | None = None,
    ground_truth: str | Path | GroundTruth | None = None,
    proxies: Sequence[str | Proxy] | None = None,
    *,
    sample: int | None = 60,
    seed: int = 0,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    tolerances: Mapping[str, float] | None = None,
    stored_only: bool = False,
    cost: bool = True,
    store: str | Path | None = None,
    workers: int = 1,
    data: Mapping[str, str | Path | ImageSource] | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Baseline:
    """Record a board in a file: scores, taus with intervals, ranks, costs, settings and versions.

    Args:
        output: the file; it is overwritten.
        space: as in `leaderboard`, and so are ``task, ground_truth, proxies, settings, data``.
        task: default the table's.
        ground_truth: default the table of ``space`` and ``task``, or the embedded one.
        proxies: default all; ``params`` and ``flops`` are added.
        sample: how many architectures; None, or at least as many as there are, takes all.
        seed: of sample, scores and bootstrap.
        settings: by proxy; a check uses them, too.
        tolerances: by proxy, by how much of their spread its scores may differ; default 0.001.
        stored_only: compute nothing, take the scores of the store and of the package.
        cost: whether evaluations are timed against bare passes.
        store: default: compute everything anew, in memory.
        workers: processes.
        data: image sources.
        device: where networks run.
        progress: called after every finished cell.

    Raises:
        UserError: a name, a value or a file is wrong, or scores are missing where none were to be computed.
    """
    from uninas_bench.baseline.measuring import Running
    from uninas_bench.baseline.recording import record
    from uninas_bench.host import default_host

    return record(
        Path(output), host=default_host(), space=space, task=task, ground_truth=ground_truth,
        proxies=proxies, sample=sample, seed=seed, settings=settings, tolerances=tolerances,
        running=Running(
            stored_only=stored_only, store=store, cost=cost, workers=workers, data=data, device=device,
            progress=progress,
        ),
    )  # fmt: skip


def check_baseline(
    baseline: str | Path | Baseline,
    proxies: Sequence[str | Proxy] | None = None,
    *,
    ground_truth: str | Path | GroundTruth | None = None,
    tolerance: float | None = None,
    cost_tolerance: float = 1.6,
    inversions: int = 0,
    alpha: float = 0.05,
    strict: bool = False,
    stored_only: bool = False,
    cost: bool = True,
    store: str | Path | None = None,
    workers: int = 1,
    data: Mapping[str, str | Path | ImageSource] | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Check:
    """Hold a recorded board against what is installed now.

    Args:
        baseline: a file, or what `record_baseline` returned.
        proxies: some of the baseline's, by name or as objects that stand for what is installed; default all.
        ground_truth: where the table is, if not where the baseline says.
        tolerance: of all scores, in their spread; default the baseline's.
        cost_tolerance: how many times its recorded bare passes a proxy may cost.
        inversions: how many pairs of proxies may change places significantly.
        alpha: the chance of a false alarm about taus.
        strict: whether a proxy fails that is not comparable.
        stored_only: as in `record_baseline`, and so are the other arguments.
        cost: see there.
        store: see there.
        workers: see there.
        data: see there.
        device: see there.
        progress: see there.

    Returns:
        ``passed``, ``regressions`` as sentences, and ``findings``, one per proxy.

    Raises:
        UserError: the baseline is of another space, scale, task or table than there are.
    """
    from uninas_bench.baseline.checking import check
    from uninas_bench.baseline.judging import Limits
    from uninas_bench.baseline.measuring import Running
    from uninas_bench.host import default_host

    return check(
        baseline, host=default_host(), proxies=proxies, ground_truth=ground_truth,
        limits=Limits(
            tolerance=tolerance, cost=cost_tolerance, inversions=inversions, alpha=alpha, strict=strict
        ),
        running=Running(
            stored_only=stored_only, store=store, cost=cost, workers=workers, data=data, device=device,
            progress=progress,
        ),
    )  # fmt: skip


def search(
    space: str | SearchSpace,
    proxy: str | Proxy | Ensemble,
    *,
    task: str | Task | None = None,
    aggregate: Aggregate | None = None,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    params: str | None = None,
    flops: str | None = None,
    latency: str | None = None,
    budget: str | None = None,
    strategy: Strategy = "evolution",
    iterations: int | None = None,
    population: int = 64,
    steps: int = 5,
    p_eliminate: float = 0.3,
    children: int = 1,
    start: Sequence[str | Architecture] = (),
    output: str | Path | None = None,
    seed: int = 0,
    workers: int = 1,
    executor: str | None = None,
    store: str | Path | Literal["default"] | None = "default",
    data: Mapping[str, str | Path | ImageSource] | None = None,
    timeout: float | None = None,
    device: str = "cpu",
    progress: Callable[[SearchEvent], None] | None = None,
    fitting: FitProgress | None = None,
) -> SearchResult:
    """Search a space for the architectures that a proxy scores best.

    What it finds follows from these arguments, ``workers`` and ``executor`` aside. Every score is stored as
    it comes: after an interruption, even a ``kill -9``, the same call goes on from there.

    Args:
        space: by name or object.
        proxy: by name or object; also one that ranks the population, such as ``az_nas``, or an ensemble,
            ``rank: vkdnw + jacov - 0.5*flops``.
        task: default the space's first.
        aggregate: ``block-mean`` scores block by block and takes the mean, ``network`` the whole; for
            proxies with a setting ``scope``.
        settings: of the proxy and those that it requires: ``{"vkdnw": {"batch": 32}}``.
        params: bounds of the parameters: ``22M..27M``, ``..27M``, ``22M..``.
        flops: bounds of the FLOPs, in the space's convention.
        latency: bounds of the seconds of one image, ``5ms..20ms`` or ``..800us``, measured here on one
            thread of ``device``; ``latencies.jsonl`` in ``output`` keeps it for the same search again.
        budget: the task that these are counted and measured for, where it is not ``task``.
        strategy: ``evolution``, ``random``, ``exhaustive`` or, with a proxy that proposes, ``ascent``; see
            `uninas_bench.search.strategies`.
        iterations: default 1024; for ``exhaustive`` none.
        population: how many of the best are kept.
        steps: moves from a parent to its child.
        p_eliminate: probability that a move takes something away, in spaces that know their bounds.
        children: architectures per iteration.
        start: the first architectures; default one that is drawn.
        output: a folder for ``candidates.json`` and ``history.csv``.
        seed: fixes proposals, weights and images.
        workers: processes of one torch thread each; evolution uses as many as there are children.
        executor: as in `score`.
        store: a path or a database URL; ``default`` is the user's store, None keeps scores in memory only.
        data: as in `score`.
        timeout: as in `score`.
        device: where networks run.
        progress: called after every finished cell and every round.
        fitting: as in `score`.

    Returns:
        ``candidates``, ``history`` and ``best``.

    Raises:
        UserError: a mistake in the arguments, before anything is scored; or nothing could be scored.
    """
    from uninas_bench.bounds import Bounds
    from uninas_bench.host import default_host
    from uninas_bench.search.driver import search as run
    from uninas_bench.search.latency import LatencyBounds
    from uninas_bench.search.settings import search_settings

    return run(
        space, proxy,
        search_settings(
            strategy=strategy, iterations=iterations, population=population, steps=steps,
            p_eliminate=p_eliminate, children=children, bounds=Bounds.read(params, flops),
            latency=LatencyBounds.read(latency), budget=budget,
        ),
        host=default_host(), start=start, task=task, aggregate=aggregate, proxy_settings=settings,
        output=Path(output) if output is not None else None, seed=seed, workers=workers, executor=executor,
        store=store, data=data, timeout=timeout, device=device, progress=progress,
        fitting=fitting,
    )  # fmt: skip


def train(
    architectures: Sequence[Architecture | str] | str | Path,
    recipe: str | Path,
    *,
    output: str | Path,
    space: str | SearchSpace | None = None,
    top: int = 1,
    then: Sequence[str | Path] = (),
    smoke: bool = False,
    overrides: Sequence[str] = (),
    seeds: int = 1,
    seed: int = 0,
    pretrained: str | Path | None = None,
    data: Mapping[str, str | Path] | None = None,
    device: str = "cpu",
    loaders: int = 0,
) -> pd.DataFrame:
    """Train architectures under a recipe; what is finished in ``output`` is not repeated.

    Args:
        architectures: of ``space``, in any spelling, or ``timm:NAME``; or the path of a search's
            candidates.json, of which the best ``top`` are taken.
        recipe: ``classification``, ``detection``, ``segmentation``, ``fashion-mnist``, or a .toml file.
        output: folder of all runs: checkpoints, logs, weights, results, model cards.
        space: needed where architectures are texts of a space, or at another scale.
        top: how many candidates.
        then: recipes to go on with, each from the weights that ``recipe`` left.
        smoke: the recipes' short forms.
        overrides: fields of the recipes, ``schedule.epochs=30``, or ``detection.run.batch=2`` for one of
            several.
        seeds: trainings of each architecture, from ``seed`` on.
        seed: of the first.
        pretrained: weights to begin with: a run's folder or a .safetensors file.
        data: where data sets are, by name.
        device: ``cpu``, ``cuda`` or ``auto``.
        loaders: processes that read images.

    Returns:
        One row per run: what was trained, its costs, its metrics, images per second.

    Raises:
        UserError: a name, a file or a value is wrong, or a training failed; what is finished is kept.
    """
    from uninas_bench.training.calls import train as run

    return run(
        architectures, recipe, output=Path(output), space=space, top=top, then=then, smoke=smoke,
        overrides=overrides, seeds=seeds, seed=seed,
        pretrained=None if pretrained is None else Path(pretrained), data=data or {}, device=device,
        loaders=loaders,
    )  # fmt: skip


def reproduce(
    table: str,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    sample: int | Literal["all"] | None = None,
    budget: str | float | None = None,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Recompute what can be recomputed here of a published table, cell by cell beside what is printed.

    Args:
        table: its name, ``vkdnw-1``; `uninas-bench reproduce list` has all.
        rows: only those, by name. A row that takes long is computed only where it is named.
        columns: only those, by key, group or name.
        sample: architectures to draw; default what the table's recipe says.
        budget: ``30m`` or seconds: a pilot is timed, and as many architectures scored as fit.
        seed: of sample, scores, bootstrap and trainings.
        options: see `uninas_bench.reproduce.running.reproduce`: ``store, workers, data, ground_truths,
            settings, device, folder, full``.

    Returns:
        One row per printed cell: ``row, column, published, recomputed, low, high, n, verdict, reason`` and
        others; see `uninas_bench.reproduce.outcome.Reproduction.frame`. Numbers that are printed and numbers
        that came out here have columns of their own.

    Raises:
        UserError: a name, a setting or a file is wrong.
    """
    from uninas_bench.reproduce.running import reproduce as run

    return run(
        table, rows=rows, columns=columns, sample=sample, budget=budget, seed=seed, **options
    ).frame()  # fmt: skip


def report(
    output: str | Path = "report.html",
    *,
    candidates: Sequence[str | Path] = (),
    reproduced: Sequence[str | Path] = (),
    points: int = 600,
    pictures: int = 3,
    **options: Any,
) -> Path:
    """Write a page that opens anywhere: boards, plots, pictures, and where every number comes from.

    Args:
        output: the HTML file.
        candidates: folders of searches: their course and their best.
        reproduced: files of ``uninas-bench reproduce run --format json``: published beside recomputed.
        points: architectures of each table that are drawn and listed; statistics are of all.
        pictures: of the best architectures of each table, and of the most contested.
        options: which boards: the fields of `uninas_bench.report.plots.evidence.Question`, such as
            ``across`` or ``ground_truth``; default every table whose scores come with the package. And what
            `leaderboard` takes besides: ``store, settings, workers, data``, ...

    Returns:
        The path of the file, which asks nothing of any network.

    Raises:
        UserError: a name, a file or a value is wrong.
    """
    from uninas_bench.report.page.report import write_report

    return write_report(
        Path(output), candidates=list(map(Path, candidates)), reproduced=list(map(Path, reproduced)),
        most_points=points, pictures=pictures, **options,
    )  # fmt: skip


def plot(
    kind: str,
    *,
    candidates: Sequence[str | Path] = (),
    width: Literal["single", "double"] = "double",
    **options: Any,
) -> Figure:
    """Draw a figure for a paper.

    Args:
        kind: ``scatter``, ``ceiling``, ``pareto``, ``agreement``, ``matrix`` or ``search``.
        candidates: for ``search``: folders of searches.
        width: of one column of a paper, or of two.
        options: which board, as in `report`; default the embedded table, of ``matrix`` all tables.

    Returns:
        A figure of its own, which needs no pyplot; `uninas_bench.drawing.save` writes it reproducibly.

    Raises:
        UserError: a name, a file or a value is wrong.
    """
    from uninas_bench.report.plots.kinds import draw_kind

    return draw_kind(kind, candidates=list(map(Path, candidates)), width=width, **options)


def draw(
    architecture: str | Architecture,
    *,
    space: str | SearchSpace | None = None,
    part: str | None = None,
    block: str | None = None,
    task: str | Task | None = None,
) -> Figure:
    """Draw an architecture: its cell, its network, or one of its blocks.

    Args:
        architecture: as ``space:encoding``, or any text that ``space`` parses.
        space: needed where the architecture does not name it, and at another scale.
        part: what to draw; each space has its own: ``cell`` and ``network``, ``block`` and ``network``.
        block: which block, where there are several: ``3.2`` is the second of the third stage.
        task: adds what depends on it: shapes and costs.

    Returns:
        A figure of its own, which needs no pyplot; `uninas_bench.drawing.save` writes it reproducibly.

    Raises:
        UserError: no such space, architecture, part, block or task.
    """
    from uninas_bench.drawing import draw as run

    return run(architecture, space=space, part=part, block=block, task=task)
