"""How far each path is from the population's centre (equations 5 and 6), and the supervised ratings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from uninas_bench_plugins._bossnas.heads import cosine_loss
from uninas_bench_plugins._bossnas.networks import Siamese, Side
from uninas_bench_plugins._bossnas.objectives import Objective
from uninas_bench_plugins._bossnas.plan import Chain, Path
from uninas_bench_plugins._bossnas.settings import BossnasSettings
from uninas_bench_plugins._bossnas.traversal import Batch, Passes, Runner, traverse, untouched


@dataclass(frozen=True)
class Examples:
    """Normalised images that a supernet is rated on, with one fixed pair of views of each.

    Attributes:
        images: (B, 3, R, R).
        labels: (B,).
        views: two of ``images``.
    """

    images: Tensor
    labels: Tensor
    views: tuple[Tensor, Tensor]


def rate_block(
    networks: Siamese,
    objective: Objective,
    block: int,
    paths: Sequence[Path],
    chain: Chain,
    validation: Sequence[Examples],
    calibration: Examples,
    settings: BossnasSettings,
) -> tuple[dict[Path, float], Passes]:
    """The loss of every path, lower is better, as the mean over the validation batches; and the passes.

    The networks are left as they were.
    """
    rater = _Rater(networks, objective, block, paths, chain, calibration, settings)
    rate = (
        rater.linear if settings.rating == "linear" else rater.centre if objective.bootstraps else rater.head
    )
    sums = dict.fromkeys(sorted(paths), 0.0)
    with untouched(networks):
        for examples in validation:
            for path, loss in rate(examples).items():
                sums[path] += loss * len(examples.images)
    total = sum(len(examples.images) for examples in validation)
    return {path: loss / total for path, loss in sums.items()}, rater.passes


class _Rater:
    """The rating of one block's paths; see `rate_block`."""

    def __init__(
        self,
        networks: Siamese,
        objective: Objective,
        block: int,
        paths: Sequence[Path],
        chain: Chain,
        calibration: Examples,
        settings: BossnasSettings,
    ) -> None:
        self.networks = networks
        self.objective = objective
        self.block = block
        self.paths = paths
        self.chain = chain
        self.calibration = calibration
        self.settings = settings
        self.passes = Passes()

    @torch.no_grad()
    def centre(self, examples: Examples) -> dict[Path, float]:
        """Distance of a path's view to the centre of the target side's representations of the other view."""
        runner, target = Runner(self.networks.target), self.networks.target
        views = (0, 1) if self.settings.direction == "symmetric" else (0,)
        centres: dict[int, Tensor] = {}
        for view in (1 - view for view in views):
            total: Tensor | None = None
            for _, features in self._features(runner, target, examples, view):
                z = runner(target.projectors[self.block], features).images
                if self.settings.centre == "unit":
                    z = functional.normalize(z, dim=1)
                total = z if total is None else total + z
            assert total is not None
            centres[view] = total / len(self.paths)
        losses = dict.fromkeys(self.paths, 0.0)
        online = self.networks.online
        runner = Runner(self.networks)
        for view in views:
            for path, features in self._features(runner, online, examples, view):
                said = runner(online.projectors[self.block], features)
                if self.settings.predictor == "on":
                    said = runner(self.networks.predictors[self.block], said)
                losses[path] += float(cosine_loss(said.images, centres[1 - view]))
        return losses

    @torch.no_grad()
    def head(self, examples: Examples) -> dict[Path, float]:
        """The loss of the supervised head on the images themselves."""
        target = self.objective.head_target(self.block, examples.images, examples.labels)
        return {
            path: float(self.objective.head_loss(self.networks, self.block, features.images, target))
            for path, features in self._features(Runner(self.networks), self.networks.online, examples, None)
        }

    @torch.no_grad()
    def linear(self, examples: Examples) -> dict[Path, float]:
        """The share of images that a ridge classifier on the calibration images' features tells wrongly."""
        runner, online = Runner(self.networks), self.networks.online
        losses = {}
        for path, features in self._features(runner, online, examples, None, calibrate=True):
            assert features.calibration is not None
            scores = _ridge(features.calibration, self.calibration.labels, features.images)
            losses[path] = float((scores.argmax(1) != examples.labels).double().mean())
        return losses

    def _features(
        self, runner: Runner, side: Side, examples: Examples, view: int | None, calibrate: bool = False
    ) -> Iterator[tuple[Path, Batch]]:
        """Features of every path; the block's input is computed once."""
        images = examples.images if view is None else examples.views[view]
        batch = Batch(images)
        if calibrate or self.settings.statistics == "recalibrated":
            batch = Batch(images, self.calibration.images if view is None else self.calibration.views[view])
        entered = runner(lambda x: side.enter(self.chain, x), batch)
        before = sum(map(len, self.chain))
        self.passes.add(Passes(before, before))
        return traverse(runner, side, self.block, self.paths, self.chain, entered, self.passes)


def _ridge(features: Tensor, labels: Tensor, others: Tensor, penalty: float = 1e-2) -> Tensor:
    """Scores (N, classes) of ``others`` by least squares on one-hot labels, with standardised features."""
    mean, std = features.mean(0), features.std(0) + 1e-6
    a, b = ((x - mean).double() / std for x in (features, others))
    wanted = functional.one_hot(labels).double()
    offset = wanted.mean(0)
    gram = a.T @ a + penalty * len(a) * torch.eye(a.shape[1], dtype=a.dtype, device=a.device)
    scores: Tensor = b @ torch.linalg.solve(gram, a.T @ (wanted - offset)) + offset
    return scores
