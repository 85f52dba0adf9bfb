"""Candidates through recipes: all of them, whatever happens to one; and the Python call."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import uninas_bench as ub
from tests.training.test_run import SPACE, tiny
from uninas_bench.errors import UserError
from uninas_bench.host import default_host
from uninas_bench.training import run as runs
from uninas_bench.training.hand_over import Job, Outcome, candidate_trainees, jobs_of, train_all
from uninas_bench.training.loop.distributed import Processes
from uninas_bench.training.loop.fit import TrainingDiverged
from uninas_bench.training.networks.trainee import Trainee, trainee_of
from uninas_bench.training.recipes.chain import load_chain
from uninas_bench.training.recipes.recipe import Recipe
from uninas_bench.training.results import Result
from uninas_bench.training.run import RunBusy, Settings

TRAINEES = [trainee_of(SPACE, SPACE.parse(text)) for text in ("6111", "77")]


def hand_over(
    output: Path, chain: list[Recipe], seeds: int = 1, finished: list[Result] | None = None
) -> list[Outcome]:
    return train_all(
        jobs_of(TRAINEES, range(seeds)), chain, output=output, processes=Processes(), settings=Settings(),
        host=default_host(),
        finished=None if finished is None else lambda _, result: finished.append(result),
    )  # fmt: skip


def test_seed_after_seed() -> None:
    assert [(job.trainee, job.seed) for job in jobs_of(TRAINEES, (3, 4))] == [
        (TRAINEES[0], 3), (TRAINEES[1], 3), (TRAINEES[0], 4), (TRAINEES[1], 4),
    ]  # fmt: skip


def test_all_are_trained_and_the_second_recipe_begins_with_the_weights_of_the_first(tmp_path: Path) -> None:
    first, second = tiny(), tiny(schedule={"epochs": 1}).model_copy(update={"name": "second"})
    third = second.model_copy(update={"name": "third"})
    finished: list[Result] = []
    outcomes = hand_over(tmp_path, [first, second, third], finished=finished)
    assert [len(outcome.results) for outcome in outcomes] == [3, 3]
    assert [result.recipe for result in finished] == ["fashion-mnist", "second", "third"] * 2
    for outcome in outcomes:
        whole, *others = outcome.results
        assert whole.pretrained == ""
        assert {result.pretrained for result in others} == {f"fashion-mnist {whole.weights_sha}"}
    # Once more: nothing is trained.
    assert [outcome.results for outcome in hand_over(tmp_path, [first, second, third])] == [
        outcome.results for outcome in outcomes
    ]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TrainingDiverged("step 3 of 12: diverged"), "fashion-mnist: step 3 of 12: diverged"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. And more"),
            "fashion-mnist: CUDA out of memory; --set run.batch=6 and more accumulation keep the protocol",
        ),
    ],
)
def test_one_that_fails_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, failure: str
) -> None:
    original = runs.train_one

    def train_one(trainee: Trainee, recipe: Recipe, **options: object) -> Result:
        if trainee == TRAINEES[0]:
            raise error
        return original(trainee, recipe, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "train_one", train_one)
    bad, good = hand_over(tmp_path, [tiny()])
    assert (bad.failure, bad.results) == (failure, ())
    assert (good.failure, len(good.results)) == ("", 1)


def test_what_others_are_at_comes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = runs.train_one
    asked: list[Trainee] = []

    def train_one(trainee: Trainee, recipe: Recipe, **options: object) -> Result:
        asked.append(trainee)
        if len(asked) == 1:
            raise RunBusy("another process is at this run")
        return original(trainee, recipe, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "train_one", train_one)
    outcomes = hand_over(tmp_path, [tiny()])
    assert asked == [TRAINEES[0], TRAINEES[1], TRAINEES[0]]
    assert [outcome.job.trainee for outcome in outcomes] == TRAINEES


def test_candidates_of_a_search(tmp_path: Path) -> None:
    ub.search(SPACE, "flops", task="digits", iterations=10, population=4, output=tmp_path, store=None)
    found = candidate_trainees(tmp_path / "candidates.json", 2, default_host())
    assert [trainee.scale for trainee in found] == ["channels=4,cells=1"] * 2
    assert len(set(found)) == 2
    with pytest.raises(UserError, match="--top 9 asks for more"):
        candidate_trainees(tmp_path / "candidates.json", 9, default_host())


def test_overrides_of_one_recipe_among_several() -> None:
    chain = load_chain(
        ["classification", "detection"],
        ["schedule.epochs=9", "detection.run.batch=3", "detection.schedule.epochs=12"],
        smoke=False,
    )
    assert [(one.schedule.epochs, one.run.batch) for one in chain] == [(9, 48), (12, 3)]
    assert (
        load_chain(
            ["imagenet1k", "coco"],
            ["schedule.epochs=9", "coco.run.batch=3", "coco.schedule.epochs=12"],
            smoke=False,
        )
        == chain
    )
    with pytest.raises(UserError, match="recipe detection is named twice"):
        load_chain(["detection", "coco"], [], smoke=False)


def test_from_python(tmp_path: Path) -> None:
    frame = ub.train(
        ["6111", SPACE.parse("77")], "fashion-mnist", space=SPACE, output=tmp_path, seeds=2, smoke=True,
        overrides=["data.dataset=digits", "data.resolution=[8, 8]"],
    )  # fmt: skip
    assert len(frame) == 4
    assert set(frame["architecture"]) == {SPACE.parse(text).encoding for text in ("6111", "77")}
    assert frame["accuracy"].between(0, 100).all()
    with pytest.raises(UserError, match="of which space"):
        ub.train(["6111"], "fashion-mnist", output=tmp_path)
    with pytest.raises(UserError, match='no recipe "imagenet"'):
        ub.train(["6111"], "imagenet", space=SPACE, output=tmp_path)


def test_a_job_has_a_number() -> None:
    assert jobs_of(TRAINEES, [0])[1] == Job(2, TRAINEES[1], 0)
