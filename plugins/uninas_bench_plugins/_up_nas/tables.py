"""The paper's tables again, on a benchmark whose scores and accuracies are at hand.

`learn` gives an estimator half of the scores. `table2` says how well it ranks the other half, `distribution`
what gradient ascent finds from many starts, `compare` what random and evolutionary search find with as many
queries.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

import uninas_bench as ub
from uninas_bench import Architecture, FitContext, SearchSpace
from uninas_bench_plugins._arch2vec.autoencoder import Autoencoder
from uninas_bench_plugins._arch2vec.training import train_autoencoder
from uninas_bench_plugins._up_nas.ascent import Climb, climb
from uninas_bench_plugins._up_nas.estimator import Estimator, train_estimator
from uninas_bench_plugins._up_nas.model import UnifiedProxy, cloud_of
from uninas_bench_plugins._up_nas.normalising import fit_normaliser
from uninas_bench_plugins._up_nas.settings import UpNasSettings
from uninas_bench_plugins._up_nas.weights import published
from uninas_bench_plugins.up_nas import UpNas

if TYPE_CHECKING:
    import pandas as pd

POPULATION = 100
"""Of the evolutionary search, as in the paper's section 4.4.1."""


@dataclass(frozen=True, eq=False)
class Study:
    """What was learned of half of a benchmark.

    Attributes:
        space: of the architectures.
        autoencoder: of the space.
        estimator: trained on one half.
        cloud: of that half's latents.
        held_out: encodings of the other half.
        targets: (architectures, members), normalised scores of both halves.
        predictions: as ``targets``, by the estimator.
        seconds: of this process that the estimator's training took.
    """

    space: SearchSpace
    autoencoder: Autoencoder
    estimator: Estimator
    cloud: tuple[Tensor, Tensor]
    held_out: list[str]
    targets: pd.DataFrame
    predictions: pd.DataFrame
    seconds: float

    def model(self, weights: Mapping[str, float]) -> UnifiedProxy:
        """The unified proxy with some weights, one for each member."""
        values = torch.tensor([weights[str(name)] for name in self.targets.columns])
        return UnifiedProxy(self.autoencoder, self.estimator, values, self.cloud)


def learn(
    space: SearchSpace, scores: pd.DataFrame, settings: UpNasSettings, folder: Path, seed: int = 0
) -> Study:
    """Train an autoencoder of the space, and an estimator on a random half of the architectures.

    Args:
        space: that the architectures are of.
        scores: (architectures by encoding, members), as `files.read_scores` gives them.
        settings: of both.
        folder: keeps what is trained: the autoencoder for every seed, an estimator for the same scores,
            settings and seed alone.
        seed: of the halves and of the estimator.
    """
    import pandas as pd

    autoencoder = train_autoencoder(space, settings.autoencoder(space.name), _context(space, folder, 0))
    digest = hashlib.sha256(f"{settings} {seed}\n{scores.to_csv()}".encode()).hexdigest()[:12]
    context = _context(space, folder / f"estimator-{digest}", seed)
    order = torch.randperm(len(scores), generator=context.generator("halves")).numpy()
    trained = np.sort(order[: len(scores) // 2])
    held_out = np.sort(order[len(scores) // 2 :])
    targets = fit_normaliser(settings.normaliser, scores.iloc[trained]).transform(scores)
    latents = autoencoder.encode([Architecture(space.name, encoding) for encoding in scores.index])
    chosen = torch.from_numpy(trained)
    start = time.process_time()
    estimator = train_estimator(
        latents[chosen], torch.from_numpy(targets.to_numpy(copy=True))[chosen], settings, context
    )
    seconds = time.process_time() - start
    predictions = pd.DataFrame(estimator(latents).double().numpy(), targets.index, targets.columns)
    return Study(
        space, autoencoder, estimator, cloud_of(latents[chosen]),
        [str(scores.index[place]) for place in held_out], targets, predictions, seconds,
    )  # fmt: skip


def table2(
    study: Study, accuracies: pd.Series[float], weightings: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """Kendall's tau with accuracy on the held-out half, of scores and of what is predicted; the paper's.

    Args:
        study: what was learned.
        accuracies: by encoding.
        weightings: rows below those of the members, by name, one weight for each member.
    """
    import pandas as pd

    truth = accuracies.loc[study.held_out]
    columns: dict[str, dict[str, float]] = {"original": {}, "predicted": {}}
    for title, frame in (("original", study.targets), ("predicted", study.predictions)):
        part = frame.loc[study.held_out]
        sums = pd.DataFrame({name: part @ pd.Series(weights) for name, weights in weightings.items()})
        for name, column in pd.concat([part, sums], axis=1).items():
            columns[title][str(name)] = ub.correlation.kendall(column, truth)
    paper = published()["table2"]
    columns |= {f"paper {title}": dict(paper[title]) for title in ("original", "predicted")}
    return pd.DataFrame(columns).reindex(list(columns["original"]))


def distribution(
    study: Study,
    weights: Mapping[str, float],
    settings: UpNasSettings,
    accuracies: pd.DataFrame,
    starts: int = 32,
    seed: int = 0,
) -> pd.DataFrame:
    """What gradient ascent finds: one row for each of the starts, best first by the predicted score.

    Args:
        study: what was learned.
        weights: one for each member.
        settings: of the ascent.
        accuracies: (architectures by encoding, tasks).
        starts: drawn uniformly.
        seed: of the draw.

    Returns:
        ``score`` and ``found``, the best on the way, ``last``, what the paper takes, ``steps``, ``invalid``;
        for each task the accuracy of ``found``, and of ``last`` with `` (last)`` behind its name. Its
        ``attrs`` have ``seconds`` of this process and ``queries``, the architectures passed on all ways.
    """
    import pandas as pd

    model = study.model(weights)
    drawn = study.space.sample(starts, np.random.default_rng(seed))
    began = time.process_time()
    climbs = climb(model, drawn, settings)
    seconds = time.process_time() - began
    frame = pd.DataFrame([_row(entry, accuracies) for entry in climbs])
    frame = frame.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    queries = len({architecture for entry in climbs for architecture in entry.path})
    frame.attrs.update(seconds=seconds, queries=queries)
    return frame


def compare(
    study: Study,
    weights: Mapping[str, float],
    accuracies: pd.DataFrame,
    queries: int,
    repeats: int = 32,
    seed: int = 0,
) -> pd.DataFrame:
    """What random and evolutionary search find by the same predicted score: a row for each run of either.

    Args:
        study: what was learned.
        weights: one for each member.
        accuracies: (architectures by encoding, tasks).
        queries: architectures whose predicted score is asked for, in each run.
        repeats: runs.
        seed: of them.

    Returns:
        ``search``, ``score``, ``found``, and a column for each task.
    """
    import pandas as pd

    model = study.model(weights)
    known: dict[Architecture, float] = {}

    def score(architectures: Sequence[Architecture]) -> list[float]:
        new = [entry for entry in architectures if entry not in known]
        known.update(model.scores_of(new))
        return [known[entry] for entry in architectures]

    rows = []
    for name, search in (("random", random_search), ("evolution", evolutionary_search)):
        for repeat in range(repeats):
            found = search(study.space, score, queries, np.random.default_rng([seed, repeat]))
            row = {"search": name, "score": known[found], "found": found.encoding}
            rows.append(row | _accuracies(found, accuracies))
    return pd.DataFrame(rows)


Score = Callable[[Sequence[Architecture]], list[float]]


def random_search(space: SearchSpace, score: Score, queries: int, rng: np.random.Generator) -> Architecture:
    """The best of architectures that are drawn."""
    drawn = space.sample(queries, rng)
    return drawn[int(np.argmax(score(drawn)))]


def evolutionary_search(
    space: SearchSpace, score: Score, queries: int, rng: np.random.Generator
) -> Architecture:
    """The best of a population: one is drawn, mutated, and takes the place of the worst if it is better."""
    population = space.sample(min(POPULATION, queries), rng)
    scores = score(population)
    for _ in range(queries - len(population)):
        child = space.mutate(population[int(rng.integers(len(population)))], rng)
        (value,) = score([child])
        worst = int(np.argmin(scores))
        if value > scores[worst] and child not in population:
            population[worst], scores[worst] = child, value
    return population[int(np.argmax(scores))]


def _row(entry: Climb, accuracies: pd.DataFrame) -> dict[str, Any]:
    row = {
        "score": max(entry.scores), "found": entry.best.encoding, "last": entry.last.encoding,
        "steps": entry.steps, "invalid": entry.invalid,
    }  # fmt: skip
    last = {f"{task} (last)": value for task, value in _accuracies(entry.last, accuracies).items()}
    return row | _accuracies(entry.best, accuracies) | last


def _accuracies(architecture: Architecture, accuracies: pd.DataFrame) -> dict[str, Any]:
    return {str(task): value for task, value in accuracies.loc[architecture.encoding].items()}


def _context(space: SearchSpace, folder: Path, seed: int) -> FitContext:
    folder.mkdir(parents=True, exist_ok=True)
    return FitContext(UpNas(), space.tasks[0], None, seed=seed, folder=folder)
