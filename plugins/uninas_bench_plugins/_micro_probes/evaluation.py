"""Train a fresh network on each probe for a moment, and say how well it then does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from uninas_bench_plugins._micro_probes.networks.extraction import Extractor, Taps
from uninas_bench_plugins._micro_probes.networks.heads import make_head
from uninas_bench_plugins._micro_probes.probes.catalogue import probes
from uninas_bench_plugins._micro_probes.probes.images import ImagePool
from uninas_bench_plugins._micro_probes.probes.probe import Examples, Probe, Source
from uninas_bench_plugins._micro_probes.results import Evaluation, ProbeResult
from uninas_bench_plugins._micro_probes.seeding import numpy_generator, torch_seed
from uninas_bench_plugins._micro_probes.settings import MicroProbesSettings
from uninas_bench_plugins._micro_probes.training import Limit, Recipe, outputs, recalibrate, train

Progress = Callable[[str, ProbeResult], None]

_KEPT = 6
"""Probes whose examples a process keeps, for the next network."""
_KEPT_BYTES = 2**28
"""For each probe; what is larger is made again."""


class ProbeModel(nn.Module):
    """A network with the head that a probe needs: inputs (N, V, 3, s, s) to the probe's output."""

    def __init__(self, network: nn.Module, probe: Probe, side: int, features: Taps | None) -> None:
        super().__init__()
        self.network = network
        self.extract = Extractor(network, side, features)
        self.head = make_head(probe.head, self.extract, views=probe.views, side=side)

    def forward(self, inputs: Tensor) -> Tensor:
        """All views go through the network in one batch."""
        out: Tensor = self.head(self.extract(inputs.flatten(0, 1)))
        return out


def evaluate(
    build: Callable[[], nn.Module],
    settings: MicroProbesSettings,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    side: int | None = None,
    images: ImagePool | None = None,
    features: Taps | None = None,
    progress: Progress | None = None,
    keep: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> Evaluation:
    """Score a network on the probes that the settings name.

    Every probe trains a network of its own, with the same weights to begin with, on examples, in an order and
    from a head that all networks have in common. The global generators of torch are left as they were.

    Args:
        build: makes the network, which becomes this function's own. What it draws from torch's global
            generator is fixed by the seed.
        settings: what is done.
        seed: of examples, order, heads and dropout.
        device: where it is done.
        side: of the images, default that of the settings.
        images: real ones, for the probes that take them.
        features: the user's own extraction; default what `Extractor` finds.
        progress: called after every probe.
        keep: whether results can predict, which keeps their networks alive.
        clock: in seconds, for the limit of the settings.

    Raises:
        NotApplicable: no features were found.
        UserError: the probes cannot make examples of that side or of those images.
    """
    start, device = clock(), torch.device(device)
    source = (seed, side or settings.side, images)
    chosen = probes(settings.names, settings.options_of)
    results: dict[str, ProbeResult] = {}
    data_seconds = 0.0
    for number, probe in enumerate(chosen):
        begin = clock()
        data = _data(probe, settings.data, settings.test, *source)
        ready = clock()
        data_seconds += ready - begin
        # Each probe gets its part of what is left, by the images of an example; what it does not need stays.
        left = settings.seconds - (ready - start - data_seconds) if settings.seconds else math.inf
        part = probe.views / sum(other.views for other in chosen[number:])
        limit = Limit(ready + left * part, clock)
        with torch_seed(device, seed, "network"):
            network = build()
        with torch_seed(device, seed, probe.name, "head"):
            model = ProbeModel(network.to(device), probe, source[1], features).to(device)
        with torch_seed(device, seed, probe.name, "training"):
            result = _run(probe, model, data.to(device), settings, seed, limit)
        results[probe.name] = replace(
            result, seconds=clock() - ready, predict=_predictor(model, device) if keep else None
        )
        if progress is not None:
            progress(probe.name, results[probe.name])
    return Evaluation(results, clock() - start, data_seconds)


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    train: Examples
    test: Examples
    baselines: Mapping[str, float]

    def to(self, device: torch.device) -> _Data:
        return _Data(self.train.to(device), self.test.to(device), self.baselines)


def _run(
    probe: Probe, model: ProbeModel, data: _Data, settings: MicroProbesSettings, seed: int, limit: Limit
) -> ProbeResult:
    recipe = Recipe(
        settings.batch, settings.epochs, settings.steps_per_epoch, settings.lr, settings.weight_decay
    )
    batches = recipe.batches(
        len(data.train), lambda epoch: numpy_generator(seed, probe.name, "order", str(epoch))
    )
    losses = train(model, probe, data.train, recipe, batches, limit)
    cut = len(losses) < recipe.steps(len(data.train))
    if not math.isfinite(losses[-1]):
        train_measure = math.nan if probe.scores_training else None
        return ProbeResult(
            math.nan,
            math.nan,
            train_measure,
            data.baselines,
            tuple(losses),
            0.0,
            len(losses),
            truncated=False,
        )
    if settings.recalibrate:
        recalibrate(model, data.train, settings.batch, limit)
    test, shown = _measure(probe, model, data.test, settings.batch, limit)
    cut |= shown < len(data.test)
    train_measure = None
    if probe.scores_training:
        train_measure, shown = _measure(probe, model, data.train, settings.batch, limit)
        cut |= shown < len(data.train)
    score = probe.score(test, train_measure)
    return ProbeResult(
        score, test, train_measure, data.baselines, tuple(losses), 0.0, len(losses), truncated=cut
    )


def _measure(probe: Probe, model: nn.Module, data: Examples, batch: int, limit: Limit) -> tuple[float, int]:
    """The measure, and of how many examples; NaN where an output is no number: its largest means nothing."""
    found = outputs(model, data, batch, limit)
    if not bool(found.isfinite().all()):
        return math.nan, len(found)
    return probe.measure(found, data[: len(found)].targets), len(found)


def _predictor(model: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    def predict(inputs: Tensor) -> Tensor:
        with torch.no_grad():
            out: Tensor = model(inputs.to(device))
        return out

    return predict


def _data(probe: Probe, count: int, test: int, seed: int, side: int, images: ImagePool | None) -> _Data:
    """The examples of a probe, from the last networks' evaluation where they were the same."""
    size = (count + test) * probe.views * 3 * side**2 * 4
    make = _kept_data if size <= _KEPT_BYTES else _kept_data.__wrapped__
    return make(probe, count, test, seed, side, images)


@lru_cache(maxsize=_KEPT)
def _kept_data(probe: Probe, count: int, test: int, seed: int, side: int, images: ImagePool | None) -> _Data:
    source = Source(seed, side, images)
    tests = probe.examples(test, "test", source)
    return _Data(probe.examples(count, "train", source), tests, probe.baselines(tests))
