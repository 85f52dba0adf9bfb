"""The fit: scores of some architectures, normaliser, weights, autoencoder, estimator."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from uninas_bench import Architecture, FitContext, SearchSpace, UserError
from uninas_bench_plugins._arch2vec.training import train_autoencoder
from uninas_bench_plugins._up_nas.estimator import train_estimator
from uninas_bench_plugins._up_nas.files import read_accuracies, read_scores
from uninas_bench_plugins._up_nas.model import CLOUD, FILE, cloud_of
from uninas_bench_plugins._up_nas.normalising import fit_normaliser
from uninas_bench_plugins._up_nas.scores import compute_scores
from uninas_bench_plugins._up_nas.settings import ARCHITECTURES, UpNasSettings
from uninas_bench_plugins._up_nas.tuning import tuned
from uninas_bench_plugins._up_nas.weights import TPE

if TYPE_CHECKING:
    import pandas as pd


def fit(space: SearchSpace, context: FitContext, settings: UpNasSettings) -> None:
    """Learn a space, or go on with what lies in the context's folder.

    The scores come first: what is wrong with them is said before the autoencoder takes its minutes.

    Args:
        space: any with graphs that the autoencoder knows.
        context: images, generators, folder.
        settings: of the proxy.

    Raises:
        NotApplicable: the autoencoder knows no graphs of the space.
        UserError: a member, a file or a number in the settings is wrong.
    """
    accuracies = read_accuracies(Path(settings.accuracies), space) if settings.accuracies else {}
    scores, failures = _scores(space, context, settings)
    for line in failures:
        context.report(0, 0, line)
    normaliser = fit_normaliser(settings.normaliser, scores)
    targets = normaliser.transform(scores)
    notes: dict[str, Any] = {
        "normaliser": normaliser.to_json(),
        "architectures": len(scores),
        "missing": failures,
    }
    if settings.accuracies:
        seed = context.generator(TPE).initial_seed()
        notes[TPE] = tuned(targets, accuracies, settings.trials, seed)
    autoencoder = train_autoencoder(space, settings.autoencoder(space.name), context)
    latents = autoencoder.encode([Architecture(space.name, encoding) for encoding in scores.index])
    mean, factor = cloud_of(latents)
    buffer = io.BytesIO()
    torch.save({"mean": mean, "factor": factor}, buffer)
    context.write(CLOUD, buffer.getvalue())
    train_estimator(latents, torch.from_numpy(targets.to_numpy(copy=True)), settings, context)
    context.write(FILE, json.dumps(notes, indent=1).encode())


def _scores(
    space: SearchSpace, context: FitContext, settings: UpNasSettings
) -> tuple[pd.DataFrame, list[str]]:
    """Scores (architectures, members) to train on, and a line for each proxy that lacks some."""
    rng = np.random.default_rng(context.generator("architectures of the estimator").initial_seed())
    count = settings.architectures
    if settings.scores:
        scores = read_scores(Path(settings.scores), space, settings.names, settings.column)
        if 0 < count < len(scores):
            scores = scores.iloc[np.sort(rng.choice(len(scores), count, replace=False))]
        _check(len(scores), settings)
        lacking = {name: int(column.isna().sum()) for name, column in scores.items()}
        return scores, [
            f"{name}: {number} of {len(scores)} architectures count as the worst: no score in the file"
            for name, number in lacking.items()
            if number
        ]
    count = count or ARCHITECTURES
    count = count if space.size is None else min(count, space.size)
    _check(count, settings)
    return compute_scores(space, space.sample(count, rng), context, settings)


def _check(count: int, settings: UpNasSettings) -> None:
    if count < settings.minibatch:
        raise UserError(
            f"{count} architectures are fewer than a batch of {settings.minibatch}: raise "
            "up_nas.architectures or lower up_nas.minibatch"
        )
