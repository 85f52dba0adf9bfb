"""A world in which it is known what data and epochs bring and cost: scores are accuracies with noise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.toy import SPACE, truth_of
from uninas_bench import Architecture, Proxy, Settings, Subject
from uninas_bench.seeds import derive_seed
from uninas_bench_plugins._micro_probes.budget.bench import Bench, Measured


@dataclass(frozen=True, kw_only=True)
class PupilSettings(Settings):
    batch: int = 32
    data: int = 256
    epochs: int = 4
    steps_per_epoch: int = 0


class Pupil(Proxy):
    """Its two scores are the accuracy with noise that fades with data and epochs; of one, lower is better."""

    name = "pupil"
    components = ("good", "bad")
    Settings = PupilSettings
    settings: PupilSettings

    def evaluate(self, subject: Subject) -> Mapping[str, float]:
        assert subject.architecture is not None
        if "PUPIL_LOG" in os.environ:
            with Path(os.environ["PUPIL_LOG"]).open("a") as log:
                log.write(f"{self.settings.data} {self.settings.epochs}\n")
        return scores_of(subject.architecture, self.settings.data, self.settings.epochs, subject.seed)

    def aggregate(self, components: pd.DataFrame) -> pd.Series[float]:
        z = (components - components.mean()) / components.std(ddof=0)
        return z["good"] - z["bad"]


def scores_of(architecture: Architecture, data: int, epochs: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(derive_seed("pupil", architecture.encoding, data, epochs, seed))
    noise = 60 * (64 / data) ** 0.5 / epochs**0.5
    good, bad = rng.normal(scale=noise, size=2)
    accuracy = truth_of(architecture)
    return {"good": accuracy + good, "bad": 100 - accuracy - bad}


def seconds_of(data: int, epochs: int) -> float:
    return 0.5 + 0.001 * data + 0.002 * data * epochs


class QuickBench(Bench):
    """A bench without an engine, whose clock is exact."""

    def measure(
        self, architectures: Sequence[Architecture], data: int, epochs: int, seed: int, text: str = ""
    ) -> Measured:
        self.announce(text, len(architectures))
        encodings = [architecture.encoding for architecture in architectures]
        rows = [scores_of(architecture, data, epochs, seed) for architecture in architectures]
        return Measured(
            data, epochs, seed,
            pd.DataFrame(rows, index=pd.Index(encodings, name="architecture")),
            pd.Series(seconds_of(data, epochs), index=encodings),
        )  # fmt: skip


def quick_bench(**options: Any) -> QuickBench:
    return QuickBench(space=SPACE, task="cifar10", proxy=Pupil(), store=None, **options)


def real_bench(store: Path, **options: Any) -> Bench:
    return Bench(space=SPACE, task="cifar10", proxy=Pupil(), store=store, **options)


def at_scale(table: Any, scale: str) -> Any:
    return type(table)(replace(table.info, scale=scale), table.rows)
