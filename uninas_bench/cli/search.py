"""`uninas-bench search`: the architectures that a proxy scores best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uninas_bench.cli import options
from uninas_bench.cli.progress import SearchProgress
from uninas_bench.version import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from uninas_bench.search.driver import SearchResult


_SHORTEST = 40
"""Characters of an encoding that are shown however narrow the terminal is."""


@click.command("search")
@click.option("--space", metavar="SPACE", required=True,
              help="Search space; `uninas-bench spaces` lists them.")  # fmt: skip
@options.scale_option
@click.option("--proxy", metavar="PROXY", required=True,
              help="What scores; `uninas-bench proxies` lists them. Or 'rank: vkdnw + flops'.")  # fmt: skip
@click.option("--aggregate", type=click.Choice(("network", "block-mean")),
              help="Score the whole network, or block by block and take the mean.")  # fmt: skip
@click.option("--task", metavar="TASK", help="Task, such as cifar10; default the space's first.")
@click.option("--params", metavar="MIN..MAX", help="Bounds of the parameters, such as 22M..27M or ..27M.")
@click.option("--flops", metavar="MIN..MAX", help="Bounds of the FLOPs, such as ..20G.")
@click.option("--latency", metavar="MIN..MAX", help="Bounds of the time of one image, such as ..20ms.")
@click.option("--budget", metavar="TASK",
              help="Count params and FLOPs for that task; default the one that is scored on.")  # fmt: skip
@click.option("--strategy", type=click.Choice(("evolution", "random", "exhaustive", "ascent")),
              default="evolution", show_default=True, help="How to search.")  # fmt: skip
@click.option("--iterations", type=click.IntRange(min=0), metavar="N",
              help="Default 1024; an exhaustive search ends with the space.")  # fmt: skip
@click.option("--population", type=click.IntRange(min=1), default=64, show_default=True,
              help="How many of the best are kept.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=5, show_default=True,
              help="Moves from a parent to its child.")  # fmt: skip
@click.option("--p-eliminate", type=click.FloatRange(0, 1), default=0.3, show_default=True,
              help="Probability that a move takes something away.")  # fmt: skip
@click.option("--children", type=click.IntRange(min=1), default=1, show_default=True,
              help="Architectures per iteration, scored in parallel.")  # fmt: skip
@click.option("--start", metavar="ARCHITECTURE", multiple=True,
              help="Where to begin; may be given several times. Default: one that is drawn.")  # fmt: skip
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, metavar="N",
              help="How many of the best are shown at the end.")  # fmt: skip
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR",
              help="Folder of candidates.json and history.csv.")  # fmt: skip
@options.scoring_options
def command(
    *,
    space: str,
    scale: Mapping[str, str],
    proxy: str,
    params: str | None,
    flops: str | None,
    latency: str | None,
    budget: str | None,
    strategy: Any,
    iterations: int | None,
    population: int,
    steps: int,
    p_eliminate: float,
    children: int,
    top: int,
    output: Path,
    store: str | None,
    plugins: tuple[Path, ...],
    settings: Mapping[str, Mapping[str, str]],
    **scoring: Any,
) -> None:
    """Search a space for the architectures that a proxy scores best.

    Every score is kept as it comes: after an interruption the same command goes on from there. DIR gets the
    best architectures in candidates.json and the course of the search in history.csv.
    """
    from rich.console import Console

    from uninas_bench.bounds import Bounds
    from uninas_bench.search.driver import search
    from uninas_bench.search.latency import LatencyBounds
    from uninas_bench.search.settings import search_settings
    from uninas_bench.store import default_store_url

    console = Console(highlight=False)
    host = options.host_with(plugins)
    location = store or default_store_url()
    console.print(f"uninas-bench {__version__} · store {location}", soft_wrap=True, markup=False)
    progress = SearchProgress(Console(stderr=True, highlight=False), f"{strategy} with {proxy}")
    try:
        result = search(
            options.chosen_space(host, space, scale),
            proxy,
            search_settings(
                strategy=strategy,
                iterations=iterations,
                population=population,
                steps=steps,
                p_eliminate=p_eliminate,
                children=children,
                bounds=Bounds.read(params, flops),
                latency=LatencyBounds.read(latency),
                budget=budget,
            ),
            host=host,
            output=output,
            store=location,
            proxy_settings=settings,
            progress=progress.update,
            fitting=progress.fit,
            **scoring,
        )
    finally:
        progress.close()
    show_result(result, output, top, console)


def show_result(result: SearchResult, output: Path, top: int, console: Console) -> None:
    """The best ``top`` in a table, what was searched, and where the files are."""
    from uninas_bench.search.driver import CANDIDATES, HISTORY
    from uninas_bench.search.latency import seconds_text

    found = result.candidates.candidates[:top]
    columns = {
        "#": [str(entry.rank) for entry in found],
        "score": [f"{entry.score:.6g}" for entry in found],
        "params": [f"{entry.costs.params:,}" for entry in found],
        "FLOPs": [f"{entry.costs.flops:,}" for entry in found],
        "iteration": [str(entry.iteration) for entry in found],
    }
    if not result.candidates.search.latency.open:
        columns["latency"] = [seconds_text(entry.latency or 0.0) for entry in found]
    widths = {name: max(map(len, (name, *texts))) for name, texts in columns.items()}
    left = max(_SHORTEST, console.width - sum(widths.values()) - 2 * len(widths))
    rows = zip(*columns.values(), (_cut(entry.architecture, left) for entry in found), strict=True)
    lines = [(*columns, "architecture"), *rows]
    console.print()
    for *numbers, architecture in lines:
        cells = [text.rjust(width) for text, width in zip(numbers, widths.values(), strict=True)]
        console.print("  ".join([*cells, architecture]), soft_wrap=True, markup=False)
    console.print()
    for line in (_what(result), *_next(output / CANDIDATES, output / HISTORY)):
        console.print(line, soft_wrap=True, markup=False)


def _cut(text: str, width: int) -> str:
    """The beginning of an encoding: that of a UniNAS network fills pages; the file has it whole."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _what(result: SearchResult) -> str:
    found = result.candidates
    convention = found.candidates[0].costs.convention
    parts = [
        f"{found.space} [{found.scale}] on {found.task}",
        # An ensemble without a name is called what it is.
        found.proxy.name + (f" ({found.proxy.settings})" if found.proxy.settings != found.proxy.name else ""),
        found.search.limits,
        f"{found.scored:,} scored, {result.computed:,} scores computed now",
        *([f"{found.failed:,} failed"] if found.failed else []),
        f"scores among {found.compared:,}, FLOPs counted as {convention}"
        + (f" for {found.search.budget}" if found.search.budget else ""),
        f"seed {found.seed}",
    ]
    asked = found.search.iterations
    if asked is not None and found.iterations < asked:
        parts.append(f"ended after iteration {found.iterations:,} of {asked:,}: nothing new within reach")
    return " · ".join(parts)


def _next(candidates: Path, history: Path) -> tuple[str, ...]:
    return (
        f"best {candidates} · course {history}",
        f"look at them: uninas-bench draw {candidates} --top 3 --output {candidates.parent / 'figures'}",
        f"train them: uninas-bench train RECIPE --candidates {candidates} --top 3",
    )
