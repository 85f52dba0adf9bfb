"""The folder of a walk: what is in it, and that it does not matter how often the walk was interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uninas_bench.architecture import Task
from uninas_bench.bounds import Bounds
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.search.walk_files import (
    HEADER,
    OUTCOMES,
    WalkHeader,
    chunks,
    read_chunk,
    read_encodings,
    read_header,
    read_walk,
)
from uninas_bench.search.walk_statistics import dead_shares, named_costs, outcome_counts, share_table
from uninas_bench.search.walking import (
    WalkEvent,
    architecture_at,
    claim,
    replay,
    steps_held,
    walk_header,
    walk_steps,
    walkable,
)
from uninas_bench.spaces.nasbench201 import NasBench201
from uninas_bench.spaces.uninas.liveness import dead_flops
from uninas_bench.spaces.uninas.macro import places
from uninas_bench.spaces.uninas.moves import KINDS
from uninas_bench.spaces.uninas.space import Uninas
from uninas_bench.spaces.uninas.walk import WalkSettings
from uninas_bench.testing.stores import PROVENANCE

SPACE = Uninas().scaled(widths=(32, 32, 64, 64), depths=(1, 2, 1, 1), stem=(8, 8))
START = "E | R, T1 | [conv3 gelu / zero] | R"
TASK = Task("small", "small", 32, 10)
CHUNK, EVERY, STEPS = 200, 30, 700


def header(seed: int = 1, **changes: object) -> WalkHeader:
    start = SPACE.parse(START)
    costs = SPACE.costs(start, TASK)
    made = walk_header(
        SPACE,
        start,
        task=TASK,
        bounds=Bounds(costs.params // 2, 2 * costs.params, costs.flops // 2, 2 * costs.flops),
        settings=WalkSettings(max_nodes=32),
        record=PROVENANCE,
        seed=seed,
        every=EVERY,
        chunk=CHUNK,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != HEADER}


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walked")
    walk_steps(header(), folder, STEPS)
    return folder


def test_what_the_folder_holds(walked: Path) -> None:
    assert sorted(content(walked)) == [
        *(f"encodings-0000{number}.txt.gz" for number in range(4)),
        *(f"steps-0000{number}.npz" for number in range(4)),
    ]
    assert read_header(walked) == header()
    record = read_walk(walked)
    assert record.step.tolist() == list(range(1, STEPS + 1))
    assert record.flops_of.shape == (STEPS, len(KINDS))
    kept = [step for step, _ in read_encodings(walked)]
    ends = {200, 400, 600, 700}
    assert kept == [step for step in range(1, STEPS + 1) if step % EVERY == 0 or step in ends]
    assert [step for step, _ in read_encodings(walked, 100)] == [200, 300, 400, 600, 700]


def test_encodings_have_the_costs_of_their_steps(walked: Path) -> None:
    record = read_walk(walked)
    for step, encoding in read_encodings(walked):
        costs = SPACE.costs(SPACE.parse(encoding), TASK)
        assert (record.params[step - 1], record.flops[step - 1]) == (costs.params, costs.flops)


def test_costs_change_with_the_moves(walked: Path) -> None:
    record = read_walk(walked)
    frame = record.frame(read_header(walked).operations)
    assert set(frame["outcome"]) <= set(OUTCOMES)
    grown = np.diff(frame["params"])
    outcome = frame["outcome"].to_numpy()[1:]
    assert (grown[outcome == "add"] >= 0).all()
    assert (grown[outcome == "eliminate"] <= 0).all()
    assert (grown[outcome == "failed"] == 0).all()
    assert ((frame["block"] == -1) == (frame["outcome"] == "failed")).all()
    assert ((frame["move"] == "") == (frame["outcome"] == "failed")).all()
    blocks = frame[list(KINDS)].sum(axis=1)
    assert len(set(frame["flops"] - blocks)) == 1, "what surrounds the blocks costs the same at every step"
    convolutions = frame[(frame["outcome"] == "add") & (frame["move"] == "conv3")]
    assert len(convolutions) > 3
    before = frame["conv3"].shift()[convolutions.index]
    assert (convolutions["conv3"] > before)[before.notna()].all()
    assert list(record.frame().columns) == ["step", "outcome", "block", "move", "params", "flops"]


def test_a_walk_continued_is_a_walk_in_one_go(walked: Path, tmp_path: Path) -> None:
    events: list[WalkEvent] = []
    for steps in (1, 250, 400, 650, STEPS):
        run = walk_steps(header(), tmp_path, steps, events.append)
        assert run.steps == steps == steps_held(tmp_path, header())
    assert content(tmp_path) == content(walked)
    assert [event.step for event in events] == [1, 200, 250, 400, 600, 650, 700]


def test_a_finished_walk_is_left_alone(walked: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in walked.iterdir()}
    assert walk_steps(header(), walked, 300).steps == STEPS
    assert walk_steps(header(), walked, STEPS).walked == 0
    assert {path: path.stat().st_mtime_ns for path in walked.iterdir()} == before


def test_another_seed_walks_elsewhere(walked: Path, tmp_path: Path) -> None:
    walk_steps(header(seed=2), tmp_path, STEPS)
    assert (read_walk(tmp_path).flops != read_walk(walked).flops).any()


def test_every_step_can_be_found_again(walked: Path) -> None:
    stored = dict(read_encodings(walked))
    record = read_walk(walked)
    seen = list(replay(walked))
    assert [step for step, _ in seen] == list(range(STEPS + 1))
    assert seen[0][1] == SPACE.parse(START)
    for step, architecture in seen[1:]:
        assert architecture.encoding == stored.get(step, architecture.encoding)
        if step % 7 == 0:
            costs = SPACE.costs(architecture, TASK)
            assert (record.params[step - 1], record.flops[step - 1]) == (costs.params, costs.flops)
    for step in (0, 1, 199, 200, 201, 555, STEPS):
        assert architecture_at(walked, step) == seen[step][1]
    assert list(replay(walked, 190, 410, 100)) == [seen[190], seen[290], seen[390]]
    for wrong in ((-1, None, 1), (0, STEPS + 1, 1), (5, 4, 1), (0, None, 0)):
        with pytest.raises(UserError, match="expected steps from 0 to 700"):
            next(replay(walked, *wrong))


def test_a_program_that_walks_otherwise_says_so(walked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[replay.__module__], "derive_seed", lambda *_: 7)
    with pytest.raises(InvalidFile, match=r"walks otherwise than .* did \(step \d+\)"):
        architecture_at(walked, 150)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"seed": 4}, "seed"),
        ({"every": 10}, "every"),
        ({"bounds": Bounds()}, "bounds"),
        ({"settings": WalkSettings(live=True)}, "settings"),
        ({"start": "R | R, R | R | R"}, "start"),
    ],
)
def test_another_walk_is_not_mixed_in(walked: Path, changes: dict[str, object], name: str) -> None:
    with pytest.raises(UserError, match=rf"walk.json is of another walk \({name} differs\)"):
        walk_steps(header(**changes), walked, STEPS)  # type: ignore[arg-type]


def test_damage_is_one_line(walked: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for path in walked.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        return folder

    with pytest.raises(InvalidFile, match=r"walk.json: no such file"):
        read_header(tmp_path)
    folder = copy("newer")
    found = json.loads((folder / HEADER).read_text())
    for change, message in (
        ({"schema_version": 2}, "schema_version 2: this uninas-bench reads up to 1"),
        ({"format": "something"}, "no walk, as uninas-bench walk writes it"),
        ({"seed": "one"}, "seed: input should be a valid integer"),
        ({"settings": {**found["settings"], "n_try": 0}}, "expected at least 1 attempt"),
    ):
        (folder / HEADER).write_text(json.dumps({**found, **change}))
        with pytest.raises(InvalidFile, match=message):
            read_header(folder)
    (folder / HEADER).write_text("{")
    with pytest.raises(InvalidFile, match="not JSON"):
        read_header(folder)
    folder = copy("cut")
    (folder / "steps-00002.npz").write_bytes((folder / "steps-00002.npz").read_bytes()[:500])
    with pytest.raises(InvalidFile, match=r"steps-00002.npz: cannot be read"):
        read_walk(folder)
    (folder / "encodings-00001.txt.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(InvalidFile, match=r"encodings-00001.txt.gz: cannot be read"):
        list(read_encodings(folder))
    (folder / "steps-00002.npz").unlink()
    with pytest.raises(InvalidFile, match=r"steps-00002.npz: missing, and later steps are there"):
        chunks(folder)
    (folder / HEADER).unlink()
    (folder / "steps-00003.npz").unlink()
    with pytest.raises(InvalidFile, match=r"steps of a walk without their walk.json"):
        claim(header(), folder)
    with pytest.raises(InvalidFile, match="no steps of a walk"):
        read_walk(tmp_path)


def test_no_pickle_is_ever_read(walked: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    record = read_chunk(walked, 0)
    arrays = {name: getattr(record, name) for name in record.__slots__}
    np.savez_compressed(folder / "steps-00000.npz", **{**arrays, "moves": np.array([{}], dtype=object)})
    with pytest.raises(InvalidFile, match="cannot be read"):
        read_chunk(folder, 0)


def test_a_start_outside_the_bounds_or_elsewhere_is_refused() -> None:
    start = SPACE.parse(START)

    def made(**changes: object) -> WalkHeader:
        arguments = {"task": TASK, "bounds": Bounds(), "settings": WalkSettings(), "record": PROVENANCE}
        return walk_header(SPACE, start, **{**arguments, **changes})  # type: ignore[arg-type]

    assert made().start == start.encoding
    with pytest.raises(
        UserError, match=r"are outside the bounds \(params 1M\.\.\); a walk stays within them"
    ):
        made(bounds=Bounds.read("1M.."))
    with pytest.raises(UserError, match="every=0: expected at least 1"):
        made(every=0)
    with pytest.raises(UserError, match="nasbench201: no walk through this space; expected uninas"):
        walkable(NasBench201())


# --- statistics ------------------------------------------------------------------------------------


def test_shares_of_the_halves(walked: Path) -> None:
    record, names = read_walk(walked), read_header(walked).operations
    table = share_table(record, names).set_index("operation")
    share = record.flops_of / record.flops_of.sum(axis=1, keepdims=True)
    for name in ("conv3", "gelu", "conv_exp"):
        column = share[:, names.index(name)]
        row = table.loc[name]
        assert row["first"] == pytest.approx(column[:350].mean())
        assert row["second"] == pytest.approx(column[350:].mean())
        assert (column[350:] <= row["second_high"]).mean() == pytest.approx(0.95, abs=0.02)
        assert row["shift"] == pytest.approx((row["second"] - row["first"]) / column.std())
        assert row["present"] == pytest.approx((column > 0).mean())
    assert table["mean"].sum() == pytest.approx(1.0)
    assert table["mean"].is_monotonic_decreasing
    assert "copy" not in table.index, "what costs nothing has no share"
    counts = outcome_counts(record)
    assert sum(counts.values()) == STEPS
    assert counts["add"] == (record.outcome == OUTCOMES.index("add")).sum()


def test_dead_shares(walked: Path) -> None:
    found, record = read_header(walked), read_walk(walked)
    table = dead_shares(found, record, walked, 100)
    assert table["step"].tolist() == [200, 300, 400, 600, 700]
    assert table["share"].max() > 0
    for row in table.itertuples():
        design = SPACE.design(architecture_at(walked, row.step))
        blocks = [(g, p) for p in places(design, SPACE.scale, TASK.resolution) for g in p.block]
        dead = sum(dead_flops(graph, place.channels, place.size, "exact") for graph, place in blocks)
        assert (row.dead, row.share) == (dead, dead / record.flops[row.step - 1])


def test_a_live_walk_has_no_dead_share(tmp_path: Path) -> None:
    live = header(settings=WalkSettings(live=True, max_nodes=32))
    walk_steps(live, tmp_path, 400)
    assert dead_shares(live, read_walk(tmp_path), tmp_path, 1)["dead"].tolist() == [0] * 15


def test_named_networks_are_there_where_they_exist(walked: Path) -> None:
    assert named_costs(read_header(walked)) == {}
    paper = Uninas()
    costs = named_costs(replace(header(), scale=str(paper.scale)))
    assert set(costs) == {"coatnet", "efficientnet", "resnet", "vit"}
    # Table IV's 24.8M are with a thousand classes, this task has ten.
    assert 24.8e6 - costs["resnet"].params == pytest.approx(990 * 513, abs=0.05e6)


# --- the real command ------------------------------------------------------------------------------


def start(folder: Path) -> subprocess.Popen[str]:
    words = [
        "walk", "--steps", 60_000, "--every", 2500, "--output", folder / "run", "--no-figures",
        "--max-nodes", 48,
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "uninas_bench", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(folder: Path, number: int) -> None:
    for _ in range(12_000):
        if len(list(folder.glob("run/steps-*.npz"))) >= number:
            return
        time.sleep(0.005)
    raise AssertionError("the walk does nothing")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start(folder)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return content(folder / "run")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)], ids=["killed", "interrupted"]
)
def test_a_disturbed_walk_is_to_the_byte_an_undisturbed_one(
    tmp_path: Path, undisturbed: dict[str, bytes], how: signal.Signals, code: int
) -> None:
    for number in (1, 3):
        process = start(tmp_path)
        wait_for(tmp_path, number)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        held = len(list(tmp_path.glob("run/steps-*.npz")))
        assert number <= held < 6
        if how == signal.SIGINT:
            assert f"interrupted; {held}0,000 of 60,000 steps are saved, the same command goes on" in err
    process = start(tmp_path)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert f"{60_000 - 10_000 * held:,} steps now" in out
    assert content(tmp_path / "run") == undisturbed
