"""A small board whose answer is known: a table made from costs, and proxies that need no network."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from uninas_bench import NotApplicable, Proxy, simple_proxy
from uninas_bench.api import space as find_space
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo

SPACE = find_space("nasbench201", channels=8, cells=1)


def architectures(n=60, seed=0):
    return SPACE.sample(n, np.random.default_rng(seed))


def truth_of(architecture):
    """An accuracy that depends on the operations and is never tied: convolutions help, zeros hurt."""
    worth = {"nor_conv_3x3": 9.0, "nor_conv_1x1": 7.0, "avg_pool_3x3": 3.0, "skip_connect": 4.0, "none": 0.0}
    operations = re.findall(r"(\w+)~", architecture.encoding)
    return 30.0 + sum(worth[name] for name in operations) + SPACE.index(architecture) * 1e-5


def table(points=None, seeds=3, task="cifar10"):
    points = architectures() if points is None else points
    rng = np.random.default_rng(1)
    rows = [
        {"architecture": point.encoding, "seed": str(seed), "count": 1,
         "accuracy": truth_of(point) + noise, "loss": float("nan")}
        for point in points
        for seed, noise in enumerate(rng.normal(scale=1e-6, size=seeds))
    ]  # fmt: skip
    info = GroundTruthInfo("toy", "nasbench201", str(SPACE.scale), task, "made up", "tests")
    return GroundTruth(info, pd.DataFrame(rows))


@simple_proxy("perfect", version=3)
def perfect(subject):
    """The accuracy itself."""
    return truth_of(subject.architecture)


@simple_proxy("opposite", version=1)
def opposite(subject):
    """The accuracy, upside down."""
    return -truth_of(subject.architecture)


@simple_proxy("fussy", version=1)
def fussy(subject):
    """The accuracy, but no answer for cells with the operation none."""
    if "none" in subject.architecture.encoding:
        raise NotApplicable("has a none")
    return truth_of(subject.architecture)


class Pair(Proxy):
    """Two components of its own, and one of another proxy."""

    name = "pair"
    components = ("half", "rest")
    requires = ("perfect",)

    def evaluate(self, subject):
        value = truth_of(subject.architecture)
        return {"half": value / 2, "rest": -value / 2}

    def aggregate(self, components):
        assert list(components.columns) == ["half", "rest", "perfect.perfect"]
        return components["half"] + components["rest"] + components["perfect.perfect"].rank()


class Rank(Proxy):
    """No component of its own: the rank of another proxy over the population."""

    name = "rank"
    requires = ("perfect",)

    def aggregate(self, components):
        return components["perfect.perfect"].rank()
