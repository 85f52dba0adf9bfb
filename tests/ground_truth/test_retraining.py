"""Retraining a handful: which are chosen, what passes, and what is refused before anything is trained."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import uninas_bench as ub
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.build import build_table
from uninas_bench.ground_truth.retraining import LIMIT, Retrained, retrain, together
from uninas_bench.ground_truth.table import GroundTruth, TrainingRecord
from uninas_bench.ground_truth.training import ShortTraining, TrainingSettings
from uninas_bench.host import default_host
from uninas_bench.tasks import find_task

HOST = default_host()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> GroundTruth:
    """Four architectures, three seeds, two steps of its own settings."""
    space = ub.space("nasbench201", channels=2, cells=1)
    architectures = space.sample(4, np.random.default_rng(0))
    return build_table(
        "tiny", space, architectures, find_task("digits"), seeds=3, host=HOST,
        store=tmp_path_factory.mktemp("store") / "s.db", settings=TrainingSettings(steps=2, rate=0.05),
    )  # fmt: skip


def record(table: GroundTruth) -> TrainingRecord:
    assert table.info.training is not None
    return table.info.training


def with_record(table: GroundTruth, rows: pd.DataFrame | None = None, **changes: object) -> GroundTruth:
    """The table with another record, and with other rows where given."""
    changed = replace(record(table), **changes)  # type: ignore[arg-type]
    return GroundTruth(replace(table.info, training=changed), table.rows if rows is None else rows)


def shifted(table: GroundTruth, by: float) -> pd.DataFrame:
    rows = table.rows
    rows["accuracy"] = (rows["accuracy"] + by).clip(0, 100)
    return rows


def test_a_built_table_records_its_training(built: GroundTruth) -> None:
    found = record(built)
    assert found.settings == str(TrainingSettings(steps=2, rate=0.05))
    assert found.version == ShortTraining.version
    assert found.trainings == 12
    assert 0 < found.seconds < 600
    (made_with,) = found.made_with
    assert made_with.startswith("torch 2.")


def test_the_same_libraries_give_the_same_digits(built: GroundTruth) -> None:
    found = retrain(built, HOST, count=4)
    assert found.differences == ()
    outcomes = list(found.outcomes())
    assert [(o.architecture, o.seed) for o in outcomes] == list(found.choices)
    assert {o.architecture for o in outcomes} == set(built.accuracies().index)
    assert all(o.equal and o.passed and o.count == 3 for o in outcomes)
    stored = built.rows.set_index(["architecture", "seed"])["accuracy"]
    assert [o.stored for o in outcomes] == [stored[o.architecture, o.seed] for o in outcomes]


def test_any_other_digit_fails_where_libraries_and_processor_are_the_same(built: GroundTruth) -> None:
    (outcome,) = retrain(with_record(built, shifted(built, 0.01)), HOST, count=1).outcomes()
    assert not outcome.equal
    assert abs(outcome.z) < LIMIT
    assert not outcome.passed


def test_elsewhere_the_spread_of_seeds_decides(built: GroundTruth) -> None:
    """z by hand: from the mean, in pooled standard deviations of a difference, or the architecture's own."""
    rows = built.rows
    rng = np.random.default_rng(1)
    rows["accuracy"] = rows["accuracy"].to_numpy() + rng.normal(0, 1.0, len(rows))
    other = with_record(built, rows, made_with=("torch 1.0, another processor",))
    found = retrain(other, HOST, count=4)
    assert found.differences[0].startswith("made with torch 1.0, another processor, here torch")
    matrix = other.seed_matrix()
    pooled = math.sqrt(matrix.var(axis=1, ddof=1).mean())
    assert found.deviation == pytest.approx(pooled)
    for outcome in found.outcomes():
        own = matrix.loc[outcome.architecture]
        wide = max(pooled, own.std(ddof=1)) * math.sqrt(1 + 1 / 3)
        assert outcome.mean == pytest.approx(own.mean())
        assert outcome.z == pytest.approx((outcome.now - own.mean()) / wide)
        assert outcome.passed == (abs(outcome.z) <= LIMIT)
        assert outcome.passed
    far = with_record(other, shifted(other, 60 * pooled), made_with=other.info.training.made_with)  # type: ignore[union-attr]
    assert not any(outcome.passed for outcome in retrain(far, HOST, count=4).outcomes())


def test_equal_digits_pass_on_any_machine_and_with_one_seed(built: GroundTruth) -> None:
    one = built.rows[built.rows["seed"] == "1"]
    table = with_record(built, one, made_with=("torch 1.0, another processor",))
    found = retrain(table, HOST, count=2)
    assert math.isnan(found.deviation)
    assert all(outcome.equal and outcome.passed for outcome in found.outcomes())
    moved = with_record(table, shifted(table, 1.0))
    assert not any(outcome.passed for outcome in retrain(moved, HOST, count=2).outcomes())


def test_the_choice_follows_the_seed(built: GroundTruth) -> None:
    choices = [retrain(built, HOST, count=2, seed=seed).choices for seed in range(12)]
    assert choices == [retrain(built, HOST, count=2, seed=seed).choices for seed in range(12)]
    assert len(set(choices)) > 6
    assert {number for chosen in choices for _, number in chosen} == {"0", "1", "2"}
    assert all(len({encoding for encoding, _ in chosen}) == 2 for chosen in choices)


def test_a_setting_that_came_after_the_table_has_its_default(built: GroundTruth) -> None:
    older = record(built).settings.replace(f",decay={TrainingSettings().decay}", "")
    assert older != record(built).settings
    (found,) = retrain(with_record(built, settings=older), HOST, count=1).outcomes()
    assert found.equal


def outcome(z: float, equal: bool = False) -> Retrained:
    return Retrained("a", "0", 50.0, 50.0, equal, 50.0, 4, z, True)


def test_a_shift_of_all_is_found_together() -> None:
    assert together([outcome(2.0)] * 9) == pytest.approx(6.0)
    assert together([outcome(2.0), outcome(-2.0)]) == 0
    assert together([outcome(3.0, equal=True), outcome(2.0)]) == pytest.approx(math.sqrt(2))
    assert together([outcome(math.nan), outcome(1.0)]) == 1
    assert math.isnan(together([outcome(math.nan)]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": "steps=02"}, "trained under steps=02, which is read as steps=2 here"),
        ({"settings": "steps=2,magic=1"}, 'no setting of short_training "magic"'),
    ],
)
def test_what_cannot_be_repeated_is_refused(
    built: GroundTruth, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        retrain(with_record(built, **changes), HOST, count=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"version": 99}, f"version of the protocol 99, here {ShortTraining.version}"),
        ({"space_version": 99}, "version of nasbench201 99, here 1"),
        ({"images": "others"}, "images others, here sklearn-digits"),
        ({"made_with": ()}, "made with unknown, here torch"),
    ],
)
def test_where_something_differs_digits_may(
    built: GroundTruth, changes: dict[str, object], difference: str
) -> None:
    rows = shifted(built, 0.01)
    rows["accuracy"] += np.random.default_rng(0).normal(0, 1, len(rows))
    found = retrain(with_record(built, rows, **changes), HOST, count=1)
    (only,) = found.differences
    assert only.startswith(difference)
    (outcome,) = found.outcomes()
    assert not outcome.equal
    assert outcome.passed


def test_mistakes(built: GroundTruth) -> None:
    with pytest.raises(UserError, match="--retrain 5: expected 1 to 4"):
        retrain(built, HOST, count=5)
    with pytest.raises(UserError, match="no record of its training"):
        retrain(ub.ground_truth("timm-zoo"), HOST, count=1)
    means = built.rows[built.rows["seed"] == "0"].assign(seed="mean")
    with pytest.raises(UserError, match="the seeds behind them are not known"):
        retrain(with_record(built, means), HOST, count=1)


def test_a_training_that_fails_now_is_no_pass(built: GroundTruth, monkeypatch: pytest.MonkeyPatch) -> None:
    from uninas_bench.ground_truth import training

    def diverge(*_: object) -> tuple[float, float]:
        return 10.0, math.nan

    monkeypatch.setattr(training, "test", diverge)
    (outcome,) = retrain(with_record(built), HOST, count=1).outcomes()
    assert not outcome.passed
    assert outcome.message.startswith("not-finite: loss is nan")


@pytest.mark.slow
def test_two_workers_give_the_same(built: GroundTruth) -> None:
    outcomes = list(retrain(built, HOST, count=4, workers=2).outcomes())
    assert all(outcome.equal for outcome in outcomes)
