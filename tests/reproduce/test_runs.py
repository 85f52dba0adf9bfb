"""Recomputing on tiny tables: samples, budgets, subsets, absences, what is kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import uninas_bench as ub
from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.host import default_host
from uninas_bench.reproduce.budget import Budget
from uninas_bench.reproduce.outcome import Verdict
from uninas_bench.reproduce.request import TableRequest
from uninas_bench.reproduce.running import reproduce
from uninas_bench.reproduce.sampling import nested_order, subset_of

SPACE = ub.space("nasbench201")


def truth(task: str = "cifar10", n: int = 60) -> GroundTruth:
    """Accuracies that grow with parameters, with noise."""
    rng = np.random.default_rng(0)
    chosen = SPACE.sample(n, rng)
    encodings = list(dict.fromkeys(architecture.encoding for architecture in chosen))
    params = np.array([SPACE.costs(Architecture(SPACE.name, e), ub_task()).params for e in encodings])
    accuracy = 50 + 40 * params / params.max() + rng.normal(0, 3, len(params))
    rows = pd.DataFrame(
        {
            "architecture": encodings,
            "seed": "mean",
            "count": 1,
            "accuracy": accuracy.clip(0, 100),
            "loss": np.nan,
        }
    )
    info = GroundTruthInfo("tiny", "nasbench201", str(SPACE.scale), task, "made up", "this test")
    return GroundTruth(info, rows)


def ub_task():
    from uninas_bench.tasks import find_task

    return find_task("cifar10")


def test_the_9445_architectures_are_those_without_unreachable_operations():
    encodings = [architecture.encoding for architecture in SPACE.enumerate()]
    found = subset_of("reachable", SPACE, encodings)
    assert len(found) == 9445
    assert SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|").encoding not in found
    assert subset_of("all", SPACE, encodings) == encodings


def test_unknown_subsets_are_named():
    with pytest.raises(UserError, match="expected all, reachable"):
        subset_of("half", SPACE, [])
    with pytest.raises(UserError, match="not known of nats_size"):
        subset_of("reachable", ub.space("nats_size"), [])


def test_samples_are_nested_and_uniform_in_seed():
    names = [str(n) for n in range(100)]
    first = nested_order(SPACE, names, 0)
    assert sorted(first) == sorted(names)
    assert first == nested_order(SPACE, names, 0)
    assert first != nested_order(SPACE, names, 1)


def test_without_accuracies_a_cell_says_which_command_gets_them():
    found = reproduce("vkdnw-1", rows=["FLOPs"], store=None)
    reasons = {cell.reason for cell in found.cells}
    assert all("uninas-bench ground-truth import NATS-tss-v1_0-3ffb9-simple" in reason for reason in reasons)
    assert {(cell.row, cell.verdict) for cell in found.cells} == {("FLOPs", Verdict.IMPOSSIBLE)}


def test_proxies_without_networks_take_all_architectures_and_tau_is_scipys():
    from scipy import stats

    table = truth()
    found = reproduce(
        "vkdnw-repository", rows=["FLOPs"], columns=["CIFAR-10"], ground_truths=[table], store=None
    )
    cells = {cell.column: cell for cell in found.cells if cell.measured is not None}
    accuracies = table.accuracies()
    flops = [SPACE.costs(Architecture(SPACE.name, e), ub_task()).flops for e in accuracies.index]
    assert cells["tau-cifar10"].measured.value == pytest.approx(stats.kendalltau(flops, accuracies).statistic)
    assert cells["rho-cifar10"].measured.value == pytest.approx(stats.spearmanr(flops, accuracies).statistic)
    assert cells["tau-cifar10"].measured.n == len(accuracies)
    assert not cells["tau-cifar10"].measured.exact, "the printed number rests on all 15,625"
    assert any("15,625" in fact for fact in found.facts)


def test_the_best_is_the_accuracy_of_what_is_scored_best():
    from uninas_bench.reproduce.correlating import correlate

    accuracies = pd.Series([10.0, 20.0, 30.0, 40.0], index=list("abcd"))
    scores = pd.Series([1.0, 5.0, np.nan, 5.0], index=list("abcd"))
    found = correlate("best", scores, accuracies)
    assert (found.value, found.n) == (30.0, 4)
    assert found.note == "b, d; 1 failed"
    with pytest.raises(UserError, match="expected tau, rho"):
        correlate("sum", scores, accuracies)


def test_pearsons_interval_holds_the_value_and_narrows():
    from uninas_bench.reproduce.correlating import correlate

    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    y = pd.Series(50 + x + rng.normal(size=400))
    wide, narrow = (correlate("pearson", pd.Series(x[:n]), y[:n]) for n in (40, 400))
    assert wide.low < wide.value < wide.high
    assert narrow.high - narrow.low < 0.6 * (wide.high - wide.low)
    assert narrow.value == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_a_sample_has_no_ndcg_at_1000_and_names_what_is_missing():
    found = reproduce(
        "vkdnw-repository",
        rows=["SynFlow"],
        columns=["CIFAR-10"],
        sample=4,
        ground_truths=[truth()],
        store=None,
    )
    cells = {cell.column: cell for cell in found.cells if cell.row == "SynFlow"}
    assert cells["tau-cifar10"].measured.n == 4
    assert "--sample all" in cells["ndcg-cifar10"].reason
    assert set(cells) == {"tau-cifar10", "rho-cifar10", "ndcg-cifar10"}
    assert any(re.search(r"4 of \d+ drawn uniformly, seed 0", fact) for fact in found.facts)


def test_a_proxy_that_needs_images_says_which():
    found = reproduce(
        "vkdnw-repository", rows=["ZiCo"], columns=["tau-cifar10"], ground_truths=[truth()], store=None
    )
    reason = next(cell.reason for cell in found.cells if (cell.row, cell.column) == ("ZiCo", "tau-cifar10"))
    assert reason.startswith("needs images of cifar10: --data cifar10=")


def test_rows_that_take_long_wait_to_be_named():
    found = reproduce("vkdnw-1", columns=["tau-cifar10"], ground_truths=[truth()], store=None, budget=1e-9)
    verdicts = {cell.row: cell for cell in found.cells if cell.column == "tau-cifar10"}
    assert verdicts["TE-NAS"].verdict is Verdict.LEFT_OUT
    assert "--rows 'TE-NAS' runs it" in verdicts["TE-NAS"].reason
    assert "random forest" in verdicts["GRAF_model"].reason
    assert verdicts["VKDNW_agg"].reason == "needs images of cifar10: --data cifar10=FILE.npz or a folder"
    assert "fit into the budget" in verdicts["SynFlow"].reason, "nothing was scored: the budget was spent"
    assert verdicts["FLOPs"].measured is not None


def test_a_budget_stops_the_scoring_after_what_fits():
    now, seen, told = [0.0], [], []
    request = TableRequest(default_host(), budget=Budget(100, clock=lambda: now[0]), announce=told.append)

    def score(encodings):
        now[0] += 8 * len(encodings) + (10 if not seen else 0)  # imports
        seen.extend(encodings)

    order = [str(n) for n in range(50)]
    assert request.in_chunks(order, score, things=1) == 11
    assert seen == order[:11]
    assert now[0] == 98
    assert told == ["pilot: 8.0 s per architecture; 11 of 50 fit"]


def test_without_a_budget_all_are_scored():
    seen = []
    assert TableRequest(default_host()).in_chunks(["a", "b", "c"], seen.extend, things=1) == 3
    assert seen == ["a", "b", "c"]


def test_what_was_scored_before_an_interruption_is_not_scored_again(tmp_path: Path):
    store, table = tmp_path / "scores.db", truth()
    cells = []

    def stop(event):
        cells.append(event)
        if len(cells) == 3:
            raise KeyboardInterrupt

    options = {
        "rows": ["SynFlow"],
        "columns": ["tau-cifar10"],
        "sample": 5,
        "ground_truths": [table],
        "store": store,
    }
    with pytest.raises(KeyboardInterrupt):
        reproduce("vkdnw-repository", progress=stop, **options)
    again = []
    found = reproduce("vkdnw-repository", progress=again.append, **options)
    assert len(cells) + len(again) <= 5 + 1
    assert len(again) < 5
    fresh = reproduce("vkdnw-repository", **{**options, "store": None})
    assert [cell.measured for cell in found.cells] == [cell.measured for cell in fresh.cells]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": ["SNPI"]}, 'no row "SNPI"; did you mean "SNIP"'),
        ({"columns": ["tau"], "rows": ["FLOPs"], "sample": 0}, "sample=0"),
        ({"columns": ["CIFAR-11"]}, 'no column "CIFAR-11"'),
        ({"budget": "soon"}, "expected a time such as 30m"),
        ({"settings": {"vkdwn": {}}}, 'no proxy "vkdwn"; did you mean "vkdnw"'),
        ({"ground_truths": ["nothing.csv"]}, "nothing.csv"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_computed(options, message):
    with pytest.raises(UserError, match=re.escape(message)) as found:
        reproduce("vkdnw-1", store=None, **options)
    assert "\n" not in str(found.value)
