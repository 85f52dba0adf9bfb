"""Two tables of one space: which architectures are compared, and the correlation against scipy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import uninas_bench as ub
from tests import toy
from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.comparison import attainable, compare
from uninas_bench.ground_truth.importing import import_file
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.host import default_host

SPACE = toy.SPACE


def made(
    name: str, values: dict[str, float], scale: str = "channels=8,cells=1", task: str = "cifar10"
) -> GroundTruth:
    rows = pd.DataFrame({"architecture": list(values), "accuracy": list(values.values())})
    info = GroundTruthInfo(name, "nasbench201", scale, task, "made up", "tests")
    return GroundTruth(info, rows.assign(seed="mean", count=1, loss=math.nan))


def values(n: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    return {point.encoding: float(rng.uniform(20, 90)) for point in toy.architectures(60)[:n]}


def twins() -> tuple[str, str, str]:
    """Three spellings of one class: an edge that nothing reaches may be anything."""
    rest = "|avg_pool_3x3~0|{}~1|none~2|"
    dead = [
        f"|none~0|+|nor_conv_3x3~0|none~1|+{rest.format(op)}"
        for op in ("none", "skip_connect", "nor_conv_1x1")
    ]
    assert len({SPACE.canonical(Architecture("nasbench201", text)) for text in dead}) == 1
    return dead[0], dead[1], dead[2]


def test_equal_encodings_are_compared_whatever_their_order_scale_and_task() -> None:
    ours, theirs = values(40, 1), values(60, 2)
    turned = dict(reversed(theirs.items()))
    found = compare(made("a", ours), made("b", turned, "channels=16,cells=5", "cifar100"), default_host())
    common = [encoding for encoding in ours if encoding in theirs]
    x, y = [ours[e] for e in common], [theirs[e] for e in common]
    assert found.rank.n == len(found.pairs) == 40
    assert found.rank.tau == pytest.approx(stats.kendalltau(x, y).statistic)
    assert found.rank.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.rank.tau_low < found.rank.tau < found.rank.tau_high
    assert found.by_class == 0
    assert found.sizes == (40, 60)
    assert found.ceilings == (None, None)
    assert math.isnan(found.attainable)


def test_a_table_agrees_with_itself_and_disagrees_with_its_mirror() -> None:
    ours = values(20, 1)
    mirrored = {encoding: 100 - value for encoding, value in ours.items()}
    assert compare(made("a", ours), made("b", ours), default_host()).rank.tau == pytest.approx(1)
    assert compare(made("a", ours), made("b", mirrored), default_host()).rank.tau == pytest.approx(-1)


def test_other_encodings_meet_in_their_class_whichever_table_is_first() -> None:
    one, two, three = twins()
    shared = dict(list(values(5, 1).items()))
    ours, theirs = made("a", {**shared, one: 50.0}), made("b", {**shared, two: 60.0, three: 70.0})
    found, turned = compare(ours, theirs, default_host()), compare(theirs, ours, default_host())
    assert (found.by_class, found.rank.n) == (turned.by_class, turned.rank.n) == (1, 6)
    assert found.pairs.loc[one].tolist() == [50.0, 65.0]
    assert turned.pairs.loc[two].tolist() == [65.0, 50.0]
    assert found.rank.tau == pytest.approx(turned.rank.tau)


def test_a_class_that_a_pair_is_of_gives_no_second_pair() -> None:
    one, two, three = twins()
    shared = values(5, 1)
    found = compare(
        made("a", {**shared, one: 50.0, two: 55.0}),
        made("b", {**shared, one: 60.0, three: 70.0}),
        default_host(),
    )
    assert found.rank.n == 6
    assert found.by_class == 0
    assert found.pairs.loc[one].tolist() == [50.0, 60.0]


def test_chance_level_goes_from_both() -> None:
    ours = {encoding: 10.0 if i < 2 else 50.0 + i for i, encoding in enumerate(values(20, 1))}
    theirs = {encoding: 11.0 if 5 <= i < 8 else 40.0 + i for i, encoding in enumerate(ours)}
    host = default_host()
    assert compare(made("a", ours), made("b", theirs), host).rank.n == 20
    found = compare(made("a", ours), made("b", theirs), host, chance="exclude")
    assert found.rank.n == 15
    assert found.rank.tau == pytest.approx(1)


def test_noise_of_both_bounds_what_can_be_reached() -> None:
    """Two noisy copies of one truth agree about as well as the estimate says."""
    rng = np.random.default_rng(4)
    points = toy.architectures(400, seed=3)
    truth = rng.normal(60, 5, len(points))
    tables = []
    for name, noise, seeds in (("a", 3.0, 6), ("b", 4.0, 4)):
        rows = zip(points, truth, strict=True)
        frame = pd.DataFrame(
            [(p.encoding, str(k), 1, t + rng.normal(0, noise), math.nan) for p, t in rows
             for k in range(seeds)],
            columns=["architecture", "seed", "count", "accuracy", "loss"],
        )  # fmt: skip
        info = GroundTruthInfo(name, "nasbench201", str(SPACE.scale), "cifar10", "", "")
        tables.append(GroundTruth(info, frame))
    found = compare(tables[0], tables[1], default_host())
    assert None not in found.ceilings
    ceilings = [ceiling.corrected for ceiling in found.ceilings if ceiling is not None]
    assert found.attainable < min(ceilings)
    assert found.attainable == pytest.approx(found.rank.tau, abs=0.03)


def test_attainable_by_the_formula() -> None:
    assert attainable(0.8) == pytest.approx(0.8)
    assert attainable(1.0, 0.7) == pytest.approx(0.7)
    # Correlations of .9 and .8 multiply.
    taus = [2 / math.pi * math.asin(rho) for rho in (0.9, 0.8)]
    assert attainable(*taus) == pytest.approx(2 / math.pi * math.asin(0.72))


def test_mistakes() -> None:
    host = default_host()
    foreign = GroundTruth(
        GroundTruthInfo("c", "nats_size", "", "cifar10", "", ""), made("c", values(5, 1)).rows
    )
    with pytest.raises(UserError, match="compare tables of one space"):
        compare(made("a", values(5, 1)), foreign, host)
    few = dict(list(values(5, 1).items())[:2])
    with pytest.raises(UserError, match="2 architectures in common; a correlation needs 3"):
        compare(made("a", values(5, 1)), made("b", few), host)


@pytest.mark.data
def test_the_shipped_table_speaks_for_the_official_one(real_data: Path, data_folder: Path) -> None:
    """How far 12-pixel digits speak for CIFAR-10: over the same cells, against scipy."""
    path = real_data / "ground_truth" / "nasbench201.csv.gz"
    columns = {"architecture": "arch_str", "accuracy": "cifar10_test_acc_200ep"}
    import_file(path, space=ub.space("nasbench201"), task="cifar10", name="official", columns=columns)
    ours, theirs = ub.ground_truth("nasbench201-mnist-hard"), ub.ground_truth("official")
    found = compare(ours, theirs, default_host())
    assert found.rank.n == len(ours)
    raw = pd.read_csv(path).set_index("arch_str")["cifar10_test_acc_200ep"]
    means = ours.rows.groupby("architecture")["accuracy"].mean().round(12)
    expected = stats.kendalltau(means, raw.loc[means.index]).statistic
    assert found.rank.tau == pytest.approx(expected)
    assert found.rank.tau_low > 0.6
    assert found.ceilings[1] is None
    ceiling = found.ceilings[0]
    assert ceiling is not None
    assert found.attainable == pytest.approx(ceiling.corrected)
