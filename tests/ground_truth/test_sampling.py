"""Samples for tables: uniform or by walks, deterministic, no class twice, extremes included."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from scipy.stats import chisquare

import uninas_bench as ub
from uninas_bench.errors import UserError
from uninas_bench.ground_truth import sampling
from uninas_bench.ground_truth.sampling import extremes, representatives, walks
from uninas_bench.space import SearchSpace
from uninas_bench.spaces.uninas.space import Uninas
from uninas_bench.tasks import find_task

TASK = find_task("mnist-hard@16")
SMALL: dict[str, dict[str, str | int]] = {
    "uninas": {"widths": "32:32:64:64", "depths": "1:1:1:1", "stem": "16:32"},
    "hytra": {"blocks": "2:2:1:1"},
    "mbconv": {"depths": "1:1:1:1:1"},
    "nats_size": {},
    "nasbench201": {"channels": 8, "cells": 1},
}


def small(name: str) -> SearchSpace:
    return ub.space(name, **SMALL[name])


def test_representatives_are_of_different_classes_and_hold_the_uniform_cells() -> None:
    space = ub.space("nasbench201")
    chosen = representatives(space, 50, seed=3)
    classes = [space.canonical(architecture) for architecture in chosen]
    assert len(set(classes)) == len(classes)
    assert 50 <= len(classes) <= 59
    for operation in ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"):
        uniform = space.parse(",".join([operation] * 6))
        assert space.canonical(uniform) in classes


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_decides(name: str) -> None:
    space = small(name)
    chosen = representatives(space, 12, 3, TASK)
    assert chosen == representatives(space, 12, 3, TASK)
    assert chosen[:12] != representatives(space, 12, 4, TASK)[:12]
    assert len({space.canonical(architecture) for architecture in chosen}) == len(chosen) >= 12


@pytest.mark.parametrize("name", ["hytra", "mbconv", "nasbench201", "nats_size"])
def test_nothing_is_smaller_or_larger_than_the_extremes(name: str) -> None:
    space = small(name)
    known = [space.costs(architecture, TASK) for architecture in extremes(space, TASK)]
    others = [space.costs(a, TASK) for a in space.sample(100, np.random.default_rng(1))]
    for amount in ("params", "flops"):
        ends = [getattr(costs, amount) for costs in known]
        assert all(min(ends) <= getattr(costs, amount) <= max(ends) for costs in others)
    chosen = representatives(space, 5, 0, TASK)
    classes = {space.canonical(architecture) for architecture in chosen}
    assert {space.canonical(architecture) for architecture in extremes(space, TASK)} <= classes


def test_paths_of_hytra_are_uniform() -> None:
    # The chance of a digit in a layer follows from counting all paths by enumeration.
    space = small("hytra")
    everything = [space.parse(a.encoding).encoding.replace(" ", "") for a in space.enumerate()]
    drawn = [a.encoding.replace(" ", "") for seed in range(40) for a in representatives(space, 20, seed)[:20]]
    expected = Counter(text[3] for text in everything)
    found = Counter(text[3] for text in drawn)
    digits = sorted(expected)
    weights = np.array([expected[digit] for digit in digits]) / len(everything)
    assert chisquare([found[digit] for digit in digits], weights * len(drawn)).pvalue > 1e-4


def test_walks_begin_at_every_kind_of_network_and_end_at_every_length() -> None:
    space = small("uninas")
    assert isinstance(space, Uninas)
    found = list(islice(walks(space, TASK, np.random.default_rng(0)), 150))
    blocks = [architecture.encoding.split(" | ") for architecture in found]
    for code in ("E", "R", "T1"):
        assert any(code in parts for parts in blocks), code
    whole = [parts for parts in blocks if set(parts) <= {"E", "R", "T1", "T2"}]
    assert 1 <= len(whole) <= 30, "networks of templates alone are the shortest walks"
    lengths = np.array([len(architecture.encoding) for architecture in found])
    assert lengths.max() > 1.5 * np.median(lengths) > 10 * lengths.min()
    params = np.array([space.costs(architecture, TASK).params for architecture in found])
    assert np.percentile(params, 95) > 1.8 * np.percentile(params, 5)
    for architecture in found[:20]:
        space.build(architecture, TASK)


def test_walks_keep_below_their_bound() -> None:
    space = small("uninas")
    assert isinstance(space, Uninas)
    largest = max(
        space.costs(space.parse(f"{a} | {a} | {b} | {b}"), TASK).params
        for a, b in (("E", "E"), ("R", "R"), ("T1", "T2"))
    )
    for architecture in islice(walks(space, TASK, np.random.default_rng(1)), 40):
        assert space.costs(architecture, TASK).params <= sampling.GROWTH * largest


def test_extremes_of_uninas_are_its_templates_and_the_empty_network() -> None:
    space = small("uninas")
    encodings = [architecture.encoding for architecture in extremes(space, TASK)]
    assert encodings == [
        "E | E | E | E", "R | R | R | R", "T1 | T1 | T2 | T2",
        "[- / -] | [- / -] | [- / -] | [- / -]",
    ]  # fmt: skip
    narrow = ub.space("uninas", widths="6:8:32:64", depths="1:1:1:1", stem="4:6")
    assert [a.encoding for a in extremes(narrow, TASK)][:3] == [
        "R | E | E | E",
        "R | R | R | R",
        "R | R | T1 | T2",
    ]


def test_more_classes_than_there_are() -> None:
    with pytest.raises(UserError, match="6466 classes"):
        representatives(ub.space("nasbench201"), 6467, seed=0)
