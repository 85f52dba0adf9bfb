"""Evidence with a known answer, for pages and plots."""

from __future__ import annotations

import datetime
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

import uninas_bench as ub
from tests import toy
from uninas_bench.ground_truth.noise import noise_ceiling
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.host import default_host
from uninas_bench.report.page.views import page_view
from uninas_bench.report.plots.evidence import Evidence, Question, collect

WHEN = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
EVIL = "<script>alert('x')</script>\"&"


@ub.simple_proxy("nowhere", version=4)
def nowhere(subject):
    raise ub.NotApplicable("never")


PROXIES = (toy.perfect, toy.opposite, toy.fussy, nowhere)


def table(name="toy", seed=0, task="cifar10", count=24, protocol="made up"):
    found = toy.table(toy.architectures(count, seed=seed), task=task)
    info = GroundTruthInfo(name, "nasbench201", str(toy.SPACE.scale), task, protocol, "tests")
    return GroundTruth(info, found.rows)


def gathered(tables, proxies=PROXIES, **question):
    """Of one table, or across several."""
    one = len(tables) == 1
    asked = {"ground_truth": tables[0]} if one else {"across": list(tables)}
    return collect(Question(proxies=proxies, **asked, **question), store=None, packed=None)


def viewed(evidence, **options):
    options = {"command": "uninas-bench report", "made": WHEN, "pictures": 1, **options}
    return page_view(evidence, host=default_host(), **options)


def drawn(name, *, task="cifar10", count=300, proxies=20, seed=0, space=toy.SPACE):
    """A table with made-up scores of so many proxies: nothing is computed, everything has a size."""
    from uninas_bench.architecture import Costs
    from uninas_bench.gathering import Gathered
    from uninas_bench.report.plots.evidence import evidence_of
    from uninas_bench.score_columns import ScoreColumn
    from uninas_bench.tasks import find_task

    rng = np.random.default_rng(seed)
    points = space.sample(count, rng)
    found = GroundTruth(
        GroundTruthInfo(name, space.name, str(space.scale), task, "made up", "tests"),
        pd.DataFrame(
            {"architecture": point.encoding, "seed": str(k), "count": 1, "loss": math.nan,
             "accuracy": float(np.clip(60 + 12 * quality + rng.normal(), 0, 100))}
            for point, quality in zip(points, rng.normal(size=count), strict=True)
            for k in range(4)
        ),
    )  # fmt: skip
    accuracies = found.accuracies()
    costs = {
        str(encoding): Costs(params=int(params), flops=int(params * 130))
        for encoding, params in zip(accuracies.index, rng.integers(20_000, 2_000_000, count), strict=True)
    }
    rows = [
        ScoreColumn(
            f"proxy_{i:02}", 1, "batch=64",
            pd.Series(accuracies.to_numpy() * (1 if i % 4 else -1) + rng.normal(scale=4 * i + 1, size=count),
                      index=accuracies.index).where(rng.random(count) > 0.02 * (i % 3)),
            seconds=0.01 * (i + 1), passes=1.0 + i,
        )
        for i in range(proxies - 2)
    ]  # fmt: skip
    rows += [
        ScoreColumn(n, 1, "", pd.Series({e: float(getattr(c, n)) for e, c in costs.items()}), 1e-5)
        for n in ("params", "flops")
    ]
    subject = {
        "space": space.name, "scale": str(space.scale), "task": task, "n": count, "seed": 0,
        "sample": None, "dedup": "none", "chance": "include", "failed": "last", "packed": 0,
        "cells": count * proxies, "not_comparable": {}, "failures": {}, "fitted": [], "unseen": [],
        "aggregates": {}, "noise_ceiling": asdict(noise_ceiling(found)),
        "ground_truth": {
            "name": name, "task": task, "architectures": count, "seeds": 4, "protocol": "made up",
            "source": "tests",
        },
    }  # fmt: skip
    gathered = Gathered(found, space, find_task(task), tuple(rows), accuracies, costs, subject)
    return evidence_of(gathered, Question(), "asymptotic")


def across_of(tables):
    """The board across drawn tables, made as `across.build` makes it."""
    from uninas_bench.across import _OF_A_BOARD, _part, _summarised

    blank: dict[str, Any] = {"lacking": (), "sampled": {}, "strata": {}}
    facts = {table.name: {**table.found.subject, **blank} for table in tables}
    parts = [_part(table.found, table.board[list(_OF_A_BOARD)], "") for table in tables]
    frame = _summarised(pd.concat(parts, ignore_index=True), facts)
    frame.attrs = {
        **tables[0].board.attrs, "tables": facts, "strata": False,
        "cells": 0, "packed": 0, "aggregates": {},
    }  # fmt: skip
    return Evidence(tuple(tables), frame)
