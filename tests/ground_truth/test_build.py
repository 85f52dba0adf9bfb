"""Building a table: the rows, and going on after a stop."""

from __future__ import annotations

from pathlib import Path

import pytest

import uninas_bench as ub
from uninas_bench.engine import ProgressEvent
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.build import build_table
from uninas_bench.ground_truth.sampling import representatives
from uninas_bench.ground_truth.training import TrainingSettings
from uninas_bench.host import build_host
from uninas_bench.tasks import find_task


def test_build_goes_on_where_it_stopped(tmp_path: Path) -> None:
    space = ub.space("nasbench201", channels=2, cells=1)
    architectures = representatives(space, 2, seed=0)[:3]
    host = build_host()
    events: list[ProgressEvent] = []

    def build(store: str, seeds: int) -> ub.GroundTruth:
        return build_table(
            "tiny", space, architectures, find_task("digits"), seeds=seeds, store=tmp_path / store, host=host,
            settings=TrainingSettings(steps=3), progress=events.append,
        )  # fmt: skip

    first = build("a.db", 1)
    assert len(events) == 3
    both = build("a.db", 2)
    assert len(events) == 6
    assert both.seeds == ("0", "1")
    at_once = build("b.db", 2)
    assert at_once.rows.equals(both.rows)
    seed_zero = both.rows[both.rows["seed"] == "0"].reset_index(drop=True)
    assert seed_zero.equals(first.rows.reset_index(drop=True))
    assert both.rows["accuracy"].between(0, 100).all()
    assert both.info.scale == "channels=2,cells=1"


@pytest.mark.slow
def test_processes_change_no_digit(tmp_path: Path) -> None:
    # MBConv's last maps have one pixel, so that its convolutions are computed as products.
    space = ub.space("mbconv", depths="1:1:1:1:1", widths="8:8:8:8:8", stem="8:8", final=8, head=8)
    tables = [
        build_table(
            "tiny", space, representatives(space, 4, 0)[:4], find_task("digits"), seeds=1, workers=workers,
            store=tmp_path / f"{workers}.db", host=build_host(), settings=TrainingSettings(steps=4),
        )
        for workers in (1, 2)
    ]  # fmt: skip
    assert tables[0].rows.equals(tables[1].rows)


def test_a_task_without_images_says_how_to_give_them(tmp_path: Path) -> None:
    space = ub.space("nasbench201", channels=2, cells=1)
    with pytest.raises(UserError, match="--data cifar100="):
        build_table(
            "none", space, list(space.enumerate())[:1], find_task("cifar100"), seeds=1,
            store=tmp_path / "s.db", host=build_host(),
        )  # fmt: skip
