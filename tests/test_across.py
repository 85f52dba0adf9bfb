"""The board across tables, on tables whose answer is known by construction."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import uninas_bench as ub
from tests import toy
from uninas_bench.across import COLUMNS, build, matrix, summary
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.files import write_table
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.host import default_host
from uninas_bench.leaderboard import build as board
from uninas_bench.packing import pack
from uninas_bench.space import SMALLEST_FAMILY
from uninas_bench.store import open_store
from uninas_bench.store.packed import PackedScores

ZOO = ub.space("timm_zoo")


def renamed(table, name, rows=None, **changes):
    info = table.info
    fields = {"name": name, "space": info.space, "scale": info.scale, "task": info.task} | changes
    return GroundTruth(GroundTruthInfo(**fields, protocol="made up", source="tests"),
                       table.rows if rows is None else rows)  # fmt: skip


CELLS = renamed(toy.table(toy.architectures(30, seed=1)), "cells")
OTHERS = renamed(toy.table(toy.architectures(24, seed=2)), "others", task="cifar100")


def zoo_table():
    """Accuracies that follow the parameters among networks of one kind, and fall with them in the other."""
    points = list(ZOO.enumerate())
    rows = [
        {"architecture": point.encoding, "seed": str(seed), "count": 1,
         "accuracy": worth(point) + seed * 1e-3, "loss": math.nan}
        for point in points
        for seed in range(2)
    ]  # fmt: skip
    info = GroundTruthInfo("zoo", "timm_zoo", str(ZOO.scale), "cifar10", "made up", "tests")
    return GroundTruth(info, pd.DataFrame(rows))


def worth(point):
    params = ZOO.costs(point, ub.Task("cifar10", "cifar10", 32, 10)).params / 1e7
    return 50.0 + params if ZOO.family(point) == "cnn" else 50.0 - params


@ub.simple_proxy("truth", version=1)
def truth(subject):
    """The accuracy itself, in every toy table."""
    point = subject.architecture
    return worth(point) if point.space == "timm_zoo" else toy.truth_of(point)


@ub.simple_proxy("cells_only", version=1)
def cells_only(subject):
    """Perfect, where it applies."""
    if subject.architecture.space != "nasbench201":
        raise ub.NotApplicable("no cells")
    return toy.truth_of(subject.architecture)


@ub.simple_proxy("constant", version=1)
def constant(subject):
    """Has no tau anywhere."""
    return 1.0


@pytest.fixture(scope="module")
def store():
    with open_store(None) as opened:
        yield opened


@pytest.fixture
def across(store):
    def across(tables, proxies, **options):
        return build(
            tables, proxies, store=options.pop("store", store), packed=options.pop("packed", None), **options
        )

    return across


def test_a_proxy_equal_to_accuracy_has_tau_one_and_the_first_place(across):
    frame = across([CELLS, OTHERS], [truth, toy.opposite, toy.fussy])
    assert list(frame.columns) == list(COLUMNS)
    own = frame[frame["proxy"] == "truth"]
    assert own["tau"].tolist() == pytest.approx([1.0, 1.0])
    assert own["place"].tolist() == own["mean_place"].tolist() == [1.0, 1.0]
    # The noise of the tables is far below the distance of neighbours.
    assert own["mean_of_ceiling"].tolist() == pytest.approx([1.0, 1.0], abs=1e-3)
    assert frame["proxy"].iloc[0] == "truth"
    assert frame["proxy"].iloc[-1] == "opposite"
    last = frame[frame["proxy"] == "opposite"]
    assert last["tau"].tolist() == pytest.approx([-1.0, -1.0])
    assert last["mean_place"].iloc[0] == 5.0


def test_each_table_has_the_taus_of_its_own_board(across, store):
    proxies = [toy.fussy, toy.opposite, "flops"]
    for options in (
        {},
        {"failed": "exclude"},
        {"sample": 15, "seed": 3},
        {"intervals": "bootstrap", "resamples": 20},
    ):
        frame = across([OTHERS, CELLS], proxies, **options)
        for table in (CELLS, OTHERS):
            own = {"intervals": "asymptotic", **options}
            alone = board(ground_truth=table, proxies=proxies, store=store, packed=None, **own)
            part = frame[frame["ground_truth"] == table.info.name].set_index("proxy")
            for name in (
                "tau",
                "tau_low",
                "tau_high",
                "rho",
                "n",
                "failed",
                "tau_given_size",
                "tau_given_params",
            ):
                expected = alone.set_index("proxy")[name].reindex(part.index)
                assert part[name].tolist() == pytest.approx(expected.tolist(), nan_ok=True), name


def test_neither_the_order_of_rows_nor_that_of_tables_matters(across):
    rng = np.random.default_rng(0)
    rows = CELLS.rows
    encodings = list(rows["architecture"].unique())
    order = {encoding: place for place, encoding in enumerate(rng.permutation(encodings))}
    shuffled = rows.iloc[rows["architecture"].map(order).argsort(kind="stable")]
    first = across([CELLS, OTHERS], [toy.fussy, toy.opposite])
    second = across([OTHERS, renamed(CELLS, "cells", shuffled)], [toy.opposite, toy.fussy])
    keys = ["ground_truth", "proxy"]
    for name in ("tau", "place", "mean_place", "of_ceiling", "tau_given_size", "tau_low"):
        left, right = (frame.set_index(keys)[name].sort_index() for frame in (first, second))
        # The interval of the ceiling is resampled row by row; its middle is not.
        assert left.tolist() == pytest.approx(right.tolist(), nan_ok=True), name


def test_a_proxy_that_applies_nowhere_or_is_constant_shares_the_last_places(across):
    frame = across([CELLS, zoo_table()], [truth, cells_only, constant, toy.opposite.with_settings(batch=8)])
    zoo = frame[frame["ground_truth"] == "zoo"].set_index("proxy")
    assert zoo.loc[["cells_only", "constant"], "tau"].isna().all()
    # Six rows; ``opposite`` fails on the zoo too, since it reads cells: three share places 4, 5 and 6.
    assert zoo["failed"]["cells_only"] == len(ZOO.sample(30, np.random.default_rng(0)))
    without = zoo["tau"].isna()
    assert set(zoo.index[without]) == {"cells_only", "constant"} | ({"opposite"} & set(zoo.index[without]))
    count, known = len(zoo), int((~without).sum())
    assert zoo.loc[without, "place"].tolist() == [(known + 1 + count) / 2] * int(without.sum())
    cells = frame[frame["ground_truth"] == "cells"].set_index("proxy")
    assert cells["place"]["cells_only"] == cells["place"]["truth"] == 1.5
    # Without a tau it counts as 0 in the mean share of the ceiling.
    assert summary(frame).set_index("proxy")["mean_of_ceiling"]["cells_only"] == pytest.approx(
        cells["of_ceiling"]["cells_only"] / 2
    )
    assert frame.attrs["tables"]["zoo"]["failures"]["cells_only"] == {"not-applicable: no cells": 30}


def test_places_are_means_over_tables_of_ranks_by_tau(across):
    frame = across([CELLS, OTHERS], [toy.fussy, toy.opposite, constant])
    taus = matrix(frame)
    expected = taus.rank(ascending=False, na_option="bottom").mean(axis=1)
    found = frame.drop_duplicates("proxy").set_index("proxy")["mean_place"]
    assert found.to_dict() == pytest.approx(expected.to_dict())
    assert found.is_monotonic_increasing
    assert list(taus.columns) == ["cells", "others"]


def test_without_computing_a_proxy_that_lacks_scores_has_no_place(across, tmp_path):
    location = tmp_path / "scores.db"
    across([CELLS], [truth, toy.fussy], store=location)
    across([OTHERS], [truth], store=location)
    frame = across([CELLS, OTHERS], [truth, toy.fussy], store=location, compute=False)
    taus = matrix(frame)
    assert math.isnan(taus.loc["fussy", "others"])
    assert not math.isnan(taus.loc["fussy", "cells"])
    means = frame.drop_duplicates("proxy").set_index("proxy")
    assert math.isnan(means["mean_place"]["fussy"])
    assert frame["proxy"].iloc[-1] == "fussy"
    # It takes no place from the others, either.
    assert frame[frame["proxy"] == "truth"]["place"].tolist() == [1.0, 1.0]
    assert set(frame[frame["baseline"]]["place"]) == {2.5}
    assert frame.attrs["tables"]["others"]["lacking"] == ("fussy",)
    nowhere = across([CELLS], [truth], store=tmp_path / "none.db", compute=False)
    assert set(nowhere["proxy"]) == {"params", "flops"}
    assert not (tmp_path / "none.db").exists()


def test_a_table_without_a_ceiling_is_left_out_of_the_mean_share(across):
    rows = OTHERS.rows
    single = renamed(OTHERS, "single", rows[rows["seed"] == "0"])
    frame = across([CELLS, single], [toy.fussy])
    part = frame[frame["proxy"] == "fussy"].set_index("ground_truth")
    assert math.isnan(part["of_ceiling"]["single"])
    assert part["mean_of_ceiling"]["cells"] == pytest.approx(part["of_ceiling"]["cells"])
    assert math.isnan(across([single], [toy.fussy])["mean_of_ceiling"].iloc[0])


def test_families_are_ranked_alone(across):
    frame = across([zoo_table(), CELLS], [truth, "params"], strata=True, store=None)
    strata = frame[frame["stratum"] != ""]
    families = pd.Series([ZOO.family(point) for point in ZOO.enumerate()]).value_counts()
    large = {f"family: {name}": count for name, count in families.items() if count >= SMALLEST_FAMILY}
    assert dict(zip(strata["stratum"], strata["n"], strict=True)) == large
    facts = frame.attrs["tables"]["zoo"]
    assert facts["small_strata"] == {
        f"family: {name}": count for name, count in families.items() if count < SMALLEST_FAMILY
    }
    assert frame.attrs["tables"]["cells"]["strata"] == {}, "the space knows no families"


def test_tau_in_a_family_is_that_of_its_architectures(monkeypatch, across):
    monkeypatch.setattr("uninas_bench.strata.SMALLEST_FAMILY", 5)
    frame = across([zoo_table()], [truth, "params"], strata=True, store=None)
    taus = matrix(frame, strata=True)
    assert taus.loc["params", ("zoo", "family: cnn")] == pytest.approx(1.0)
    assert taus.loc["params", ("zoo", "family: vit")] == pytest.approx(-1.0)
    assert set(taus.loc["truth"].round(9)) == {1.0}
    assert abs(matrix(frame).loc["params", "zoo"]) < 0.9
    assert frame.attrs["tables"]["zoo"]["strata"]["family: cnn"]["n"] == 9
    assert frame.attrs["tables"]["zoo"]["strata"]["family: cnn"]["noise_ceiling"] is not None


def test_the_families_of_hybrid_spaces():
    uninas, hytra = ub.space("uninas"), ub.space("hytra")
    for name, attention, convolution in (
        ("vit", "51-100%", "0%"), ("resnet", "0%", "51-100%"), ("coatnet", "51-100%", "1-50%"),
    ):  # fmt: skip
        families = uninas.families(uninas.parse(name))
        assert families == {"attention": attention, "convolution": convolution}
    for text, attention in (("vit-t/16", "51-100%"), ("r50-t", "0%"), ("bot50-t", "1-50%")):
        assert hytra.families(hytra.parse(text)) == {"attention": attention}


def test_all_are_the_tables_whose_scores_come_with_the_package(across, tmp_path, monkeypatch, fresh_host):
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(tmp_path))
    write_table(CELLS, tmp_path / "ground_truth" / "cells.csv.gz")
    with open_store(None) as store:
        across([CELLS], ["params"], store=store)
        pack(
            store,
            CELLS,
            tmp_path / "cells.csv.gz",
            host=default_host(),
            proxies=["params", "flops"],
        )
    packed = PackedScores([tmp_path / "cells.csv.gz"])
    monkeypatch.setattr("uninas_bench.evaluate.Evaluator.__call__", None)
    for tables in ("all", "cells", " cells, "):
        frame = across(tables, ["params"], store=None, packed=packed)
        assert set(frame["ground_truth"]) == {"cells"}
        assert frame.attrs["packed"] == frame.attrs["cells"] == 60
    stored = across("all", None, store=None, packed=packed, compute=False)
    assert set(stored["proxy"]) == {"params", "flops"}
    with pytest.raises(UserError, match='no scores came with the package: name tables instead of "all"'):
        across("all", ["params"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"across": [CELLS, CELLS]}, "ground truth cells is given twice"),
        ({"across": []}, "no table to rank proxies on"),
        ({"across": "nothing"}, 'no ground truth "nothing"'),
        ({"across": [CELLS], "space": "nasbench201"}, "give one or the other"),
        ({"across": [CELLS], "intervals": "wide"}, "expected auto, bootstrap"),
    ],
)
def test_mistakes(arguments, said):
    with pytest.raises(UserError, match=said):
        ub.leaderboard(proxies=["params"], store=None, **arguments)


def test_an_ensemble_is_a_row_on_every_table(across):
    frame = ub.leaderboard(
        across=[CELLS, OTHERS],
        proxies=[truth, toy.opposite],
        aggregates=["both = rank: flops - 0.5*params"],
        store=None,
    )
    assert matrix(frame).loc["both"].notna().all()
