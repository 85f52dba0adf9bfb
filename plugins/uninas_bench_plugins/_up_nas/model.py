"""What a fit leaves: encoder, decoder, estimator and normaliser of a space."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from uninas_bench import Architecture, SearchSpace
from uninas_bench_plugins._arch2vec.autoencoder import Autoencoder
from uninas_bench_plugins._arch2vec.training import train_autoencoder
from uninas_bench_plugins._up_nas import estimator
from uninas_bench_plugins._up_nas.estimator import Estimator
from uninas_bench_plugins._up_nas.normalising import Normaliser, read_normaliser
from uninas_bench_plugins._up_nas.settings import UpNasSettings
from uninas_bench_plugins._up_nas.weights import TPE, weights_of

CLOUD = "cloud.pt"
"""Where the training latents lie."""
FILE = "up_nas.json"
"""Written by the fit at its end: normaliser, weights that were found, notes."""
RIDGE = 1e-3
"""Of the mean variance, added to the covariance of latents: some directions have none."""


@dataclass(frozen=True, eq=False)
class UnifiedProxy:
    """Predicts the weighted sum of the members' normalised scores.

    Attributes:
        autoencoder: of the space.
        estimator: from latents to normalised scores.
        weights: (members,).
        cloud: mean (size,) and lower Cholesky factor (size, size) of the covariance of training latents.
    """

    autoencoder: Autoencoder
    estimator: Estimator
    weights: Tensor
    cloud: tuple[Tensor, Tensor]

    def objective(self, latents: Tensor) -> Tensor:
        """(n, size) -> (n,): the unified proxy, with a gradient."""
        found: Tensor = self.estimator(latents) @ self.weights
        return found

    @torch.no_grad()
    def predict(self, architectures: Sequence[Architecture]) -> Tensor:
        """(n, members): the members' normalised scores, float64."""
        found: Tensor = self.estimator(self.autoencoder.encode(architectures)).double()
        return found

    def scores_of(self, architectures: Sequence[Architecture]) -> dict[Architecture, float]:
        """The unified proxy of each."""
        different = list(dict.fromkeys(architectures))
        scores = self.predict(different) @ self.weights.double()
        return dict(zip(different, scores.tolist(), strict=True))

    def distance(self, latents: Tensor) -> Tensor:
        """(n, size) -> (n,): the Mahalanobis distance from the training latents."""
        mean, factor = self.cloud
        apart: Tensor = torch.linalg.solve_triangular(factor, (latents - mean).T, upper=False)
        return apart.square().sum(0).sqrt()


def cloud_of(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and Cholesky factor of the covariance of latents (n, size), which is made regular."""
    mean = latents.mean(0)
    apart = (latents - mean).double()
    covariance = apart.T @ apart / max(len(latents) - 1, 1)
    ridge = RIDGE * covariance.diagonal().mean().clamp(min=1e-12)
    factor = torch.linalg.cholesky(covariance + ridge * torch.eye(len(covariance), dtype=torch.float64))
    return mean, factor.float()


@dataclass(frozen=True)
class Finished:
    """The folder of a training that is over: nothing is drawn, written or reported any more."""

    folder: Path

    def generator(self, stream: str = "") -> torch.Generator:
        """Of no use."""
        raise TypeError(f"{self.folder}: asks for random numbers ({stream}) though the fit is complete")

    def write(self, name: str, data: bytes) -> None:
        """Of no use."""
        raise TypeError(f"{self.folder}: writes {name} though the fit is complete")

    def report(self, done: int, total: int, text: str = "") -> None:
        """Nobody listens."""


def read_model(folder: Path, space: SearchSpace, settings: UpNasSettings) -> UnifiedProxy:
    """The model of a fit with the weights of some settings.

    Args:
        folder: of the complete fit.
        space: that it was fitted to.
        settings: of the proxy, which may weigh otherwise than those of the fit.
    """
    parts = _parts(folder, cast("Any", space), settings.for_fit())
    weights: Mapping[str, float] | None = weights_of(settings.weights, parts.normaliser.proxies)
    if weights is None:
        weights = parts.found
    values = torch.tensor([weights[name] for name in parts.normaliser.proxies])
    return UnifiedProxy(parts.autoencoder, parts.estimator, values, parts.cloud)


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a fit has for all weights."""

    autoencoder: Autoencoder
    estimator: Estimator
    cloud: tuple[Tensor, Tensor]
    normaliser: Normaliser
    found: Mapping[str, float]


@lru_cache(maxsize=4)
def _parts(folder: Path, space: Any, settings: UpNasSettings) -> _Parts:
    # Modules draw their first weights from the global generator, before the saved ones replace them.
    with torch.random.fork_rng(devices=[]):
        autoencoder = train_autoencoder(space, settings.autoencoder(space.name), Finished(folder))
        notes = json.loads((folder / FILE).read_text(encoding="utf-8"))
        state = estimator.load(folder)
        assert state is not None, f"{folder}: complete without an estimator"
        network = Estimator(autoencoder.size, len(settings.names), settings.layers, settings.width)
    network.load_state_dict(state["network"])
    cloud = torch.load(folder / CLOUD, map_location="cpu", weights_only=True)
    return _Parts(
        autoencoder,
        network.eval().requires_grad_(False),
        (cloud["mean"], cloud["factor"]),
        read_normaliser(settings.normaliser, notes["normaliser"]),
        notes[TPE]["weights"] if settings.accuracies else {},
    )
