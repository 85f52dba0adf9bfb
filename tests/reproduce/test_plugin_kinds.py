"""The kinds of recipes that plugins bring, and the ablation: small, end to end."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import uninas_bench as ub
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.reproduce.ablation_kind import spread
from uninas_bench.reproduce.outcome import Verdict
from uninas_bench.reproduce.running import reproduce
from uninas_bench_plugins._up_nas.weights import paper_members

SPACE = ub.space("nasbench201")


def everything(task: str = "cifar10") -> GroundTruth:
    """Every architecture, with the number of its 3x3 convolutions as accuracy, and a little more."""
    encodings = [architecture.encoding for architecture in SPACE.enumerate()]
    noise = np.random.default_rng(1).uniform(0, 5, len(encodings))
    accuracy = np.array([encoding.count("conv_3x3") for encoding in encodings]) * 12 + 20 + noise
    rows = pd.DataFrame(
        {"architecture": encodings, "seed": "mean", "count": 1, "accuracy": accuracy, "loss": np.nan}
    )
    return GroundTruth(
        GroundTruthInfo("made-up", "nasbench201", str(SPACE.scale), task, "made up", "this test"), rows
    )


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 80 architectures: every member counts convolutions, in its own way; plain the other way round."""
    rng = np.random.default_rng(2)
    chosen = SPACE.sample(80, rng)
    count = np.array([architecture.encoding.count("conv_3x3") for architecture in chosen], dtype=float)
    frame = pd.DataFrame({"architecture": [architecture.encoding for architecture in chosen]})
    for place, name in enumerate(paper_members()):
        frame[name] = (-1 if name == "plain" else 1) * count + rng.normal(0, 0.2 + 0.1 * place, len(count))
    path = tmp_path_factory.mktemp("scores") / "scores.csv"
    frame.drop_duplicates("architecture").to_csv(path, index=False)
    return path


def test_up_nas_measures_the_half_that_it_did_not_learn(scores, tmp_path):
    small = {
        "scores": str(scores), "epochs": 2, "width": 16, "autoencoder_epochs": 1,
        "autoencoder_architectures": 200,
    }  # fmt: skip
    options = {
        "ground_truths": [everything()],
        "settings": {"up_nas": small},
        "store": None,
        "folder": tmp_path,
    }
    found = reproduce("up-nas-2", rows=["snip", "plain", "sum"], **options)
    cells = {(cell.row, cell.column): cell for cell in found.cells if cell.measured is not None}
    assert set(cells) == {
        (row, column) for row in ("snip", "plain", "sum") for column in ("original", "predicted")
    }
    count = len(pd.read_csv(scores))
    assert {cell.measured.n for cell in cells.values()} == {count - count // 2}
    assert cells["snip", "original"].measured.value > 0.5
    assert cells["plain", "original"].measured.value < -0.3
    assert cells["sum", "original"].measured.low < cells["sum", "original"].measured.value
    assert any("stand for those on cifar10-valid" in fact for fact in found.facts)

    bound = reproduce("up-nas-3", rows=["upper bound", "TE-NAS", "snip"], **options)
    cells = {(cell.row, cell.column): cell for cell in bound.cells}
    best = everything().accuracies().max()
    assert cells["upper bound", "cifar10"].measured.value == best
    assert cells["upper bound", "cifar10"].verdict is Verdict.OUTSIDE
    assert "import NATS-tss" in cells["upper bound", "cifar100"].reason
    assert "results of other papers" in cells["TE-NAS", "cifar10"].reason
    assert cells["snip", "cifar10"].measured.value <= best


def test_every_step_of_the_probes_is_a_change_of_mean_tau():
    settings = {"micro_probes": {"data": 8, "epochs": 1, "side": 16, "test": 8, "probes": "csb+mf+oip"}}
    found = reproduce("tf-nas-tasks", sample=4, settings=settings, store=None)
    cells = {cell.row: cell for cell in found.cells}
    assert cells["1 to 2"].measured.n == 4
    assert cells["1 to 2"].measured.low <= cells["1 to 2"].measured.value <= cells["1 to 2"].measured.high
    assert cells["1 to 2"].verdict in {Verdict.INSIDE, Verdict.OUTSIDE, Verdict.UNDECIDED}
    assert cells["5 to 6"].reason == "needs more than the 3 probes that are trained"
    before, after = (
        float(number) for number in cells["1 to 2"].reason.removeprefix("mean tau ").split(" to ")
    )
    assert after - before == pytest.approx(cells["1 to 2"].measured.value, abs=2e-3)


def test_the_interval_of_a_mean_of_trainings_is_students():
    from scipy import stats

    values = [80.0, 81.0, 83.0]
    assert spread(values) == pytest.approx(
        stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    )
    assert all(math.isnan(end) for end in spread([80.0]))


@pytest.mark.slow
def test_the_ablation_searches_and_trains_scaled_down(tmp_path, monkeypatch):
    """One proxy of Table VI, smaller still than what ships."""
    from uninas_bench.reproduce import ablation_kind

    whole = ablation_kind.Ablation.recipe

    def smaller(self, table):
        recipe = whole(self, table)
        sizes = recipe.scaled.model_copy(
            update={
                "iterations": 3, "population": 2, "batch": 4, "seeds": 1,
                "overrides": (
                    "data.dataset=mnist-hard", "data.resolution=[16, 16]", "data.training_images=64",
                    "data.test_images=64", "schedule.epochs=2", "run.batch=16",
                ),
            }
        )  # fmt: skip
        return recipe.model_copy(update={"scaled": sizes})

    monkeypatch.setattr(ablation_kind.Ablation, "recipe", smaller)
    found = reproduce("uninas-6", rows=["ZenNAS"], store=None, folder=tmp_path)
    cells = {cell.column: cell for cell in found.cells if cell.row == "ZenNAS"}
    assert {cell.verdict for cell in cells.values()} == {Verdict.INCOMPARABLE}
    assert 0 < cells["params"].measured.value <= 220_000
    assert 0 < cells["flops"].measured.value <= 1.6e6
    assert 0 <= cells["accuracy"].measured.value <= 100
    assert "scaled down" in cells["accuracy"].reason
    assert any(fact.startswith("scaled down; --full runs the paper's size") for fact in found.facts)
    assert {cell.row for cell in found.cells} == {"ZenNAS"}


def test_the_full_ablation_says_what_it_lacks():
    found = reproduce("uninas-6", rows=["ZiCo"], full=True, store=None)
    reasons = {cell.reason for cell in found.cells}
    assert reasons == {"needs images of imagenet1k: --data imagenet1k=FILE.npz or a folder"}
    assert any(fact.startswith("the paper's size: uninas on imagenet1k") for fact in found.facts)
