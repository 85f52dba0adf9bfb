"""The rating of HyTra and MBConv as users meet it: a table, a command, a board; and what it costs."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from click.testing import CliRunner

import uninas_bench as ub
from uninas_bench.cli import main
from uninas_bench_plugins._bossnas.hytra_plan import HytraPlan
from uninas_bench_plugins._bossnas.mbconv_plan import MbconvPlan
from uninas_bench_plugins._bossnas.table import read_table
from uninas_bench_plugins._bossnas.traversal import Batch, Passes, traverse

SPACES = {
    "hytra": {"blocks": "1:1:1:1", "widths": "4:4:8:8", "stem": "4", "head": "4"},
    "mbconv": {"depths": "1:1:2:1:1", "widths": "4:4:6:6:8", "stem": "4:3"},
}
TINY = {
    "images": 32,
    "batch": 16,
    "epochs": 1,
    "validation": 8,
    "resolution": 0,
    "paths": 2,
    "features": 8,
    "hidden": 8,
    "out": 4,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, fresh_host):
    for name in ("CACHE", "DATA"):
        monkeypatch.setenv(f"UNINAS_BENCH_{name}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    return tmp_path


def run(*arguments):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


STAGES = {"hytra": {5: 0, 4: 1, 3: 2, 2: 2, 1: 3, 0: 3}, "mbconv": {0: 0, 1: 0, 2: 0, 3: 0}}


def rating_by_hand(space, encoding, table):
    """Minus the losses that the fit left behind, each for the stage at which its block begins."""
    stage, total = 0, 0.0
    for block, group in enumerate(encoding.split()):
        path = tuple(map(int, group))
        total -= table.blocks[block][stage][path]
        stage = STAGES[space][path[-1]]
    return total


@pytest.mark.parametrize("name", SPACES)
def test_a_board_with_the_rating(folder, name):
    space = ub.space(name, **SPACES[name])
    architectures = space.sample(8, np.random.default_rng(0))
    file, scale = folder / "mine.csv", ",".join(f"{k}={v}" for k, v in SPACES[name].items())
    lines = [f"{architecture.encoding},{60 + i}" for i, architecture in enumerate(architectures)]
    file.write_text("\n".join(["architecture,accuracy", *lines]))
    store, task = folder / "scores.db", ("--scale", scale, "--task", "digits@16")
    run("ground-truth", "import", file, "--space", name, *task, "--name", "mine")
    settings = [part for key, value in TINY.items() for part in ("--set", f"bossnas.{key}={value}")]
    board = run(
        "leaderboard", "--space", name, *task, "--ground-truth", "mine", "--store", store, "--workers", 1,
        "--proxies", "bossnas,params", *settings, "--format", "csv",
    )  # fmt: skip
    (rated,) = [row for row in csv.DictReader(io.StringIO(board)) if row["proxy"] == "bossnas"]
    assert (rated["n"], rated["failed"]) == ("8", "0")
    assert -1 <= float(rated["tau"]) <= 1
    run("scores", "export", "--proxies", "bossnas", "--store", store, "--output", folder / "scores.csv")
    text = (folder / "scores.csv").read_text()
    scores = {row["architecture"]: row for row in csv.DictReader(text.splitlines())}
    assert scores.keys() == {architecture.encoding for architecture in architectures}
    (ratings,) = (folder / "CACHE").glob("fitted/bossnas/*/ratings.json")
    table = read_table(ratings.parent)
    for encoding, row in scores.items():
        assert float(row["value"]) == pytest.approx(rating_by_hand(name, encoding, table), rel=1e-12)


def scored(space, architectures):
    return ub.score(architectures, [ub.proxy("bossnas").with_settings(**TINY)], space=space, task="digits@16")


def test_architectures_outside_of_the_definition_have_no_rating():
    space = ub.space("hytra", **SPACES["hytra"], definition="C")
    inside, outside = space.parse("4 3 1 0"), space.parse("4 3 3 2")
    frame = scored(space, [inside, outside]).set_index("architecture")
    assert frame.loc[inside.encoding, "status"] == "ok"
    assert np.isfinite(frame.loc[inside.encoding, "value"])
    assert frame.loc[outside.encoding, "status"] == "not-applicable"
    assert "one of its paths was not rated" in frame.loc[outside.encoding, "message"]


@pytest.mark.parametrize(("name", "parameter"), [("hytra", "blocks=9:1:1:1"), ("mbconv", "depths=9:1:1:1:1")])
def test_blocks_with_too_many_paths_are_declined(name, parameter):
    scale = {**SPACES[name], **dict([parameter.split("=")])}
    space = ub.space(name, **scale)
    frame = scored(space, space.sample(1, np.random.default_rng(0)))
    assert frame["status"].tolist() == ["not-applicable"]
    assert f"scale {parameter}" in frame["message"].item()
    assert "at most 8" in frame["message"].item()


class Listed:
    """A side of which nothing is run: the traversal asks for the layers, and they are listed."""

    def __init__(self):
        self.supernet = self
        self.layers = []

    def layer(self, block, position, choice, x, previous):
        self.layers.append((block, position, choice))

    def neck(self, block, choice, x):
        pass

    def __call__(self, part, batch):
        return Batch(part(batch.images))


@pytest.mark.parametrize(
    ("name", "table"),
    [("hytra", (789, 5240, 13008, 36240)), ("mbconv", (1040, 5648, 16640, 49280))],
)
def test_layers_that_a_rating_of_all_blocks_runs(name, table):
    """The documented table: both sides, both views, the blocks before once for every kind of input."""
    space = ub.space(name)
    plan = HytraPlan(space.scale.fabric) if name == "hytra" else MbconvPlan(space.scale.depths)
    sizes = space.scale.blocks if name == "hytra" else space.scale.depths
    count = np.zeros(4, dtype=int)
    for block, layers in enumerate(sizes):
        before = sum(sizes[:block])
        for kind in plan.kinds(block) if name == "hytra" else (0,):
            side, passes, paths = Listed(), Passes(), plan.paths(block, kind)
            chain = tuple((0,) * size for size in sizes[:block])
            assert len(list(traverse(side, side, block, paths, chain, Batch(None), passes))) == len(paths)
            beginnings = {path[: length + 1] for path in paths for length in range(layers)}
            assert passes.run == len(side.layers) == len(beginnings)
            count += (
                len(paths),
                4 * (before + len(beginnings)),
                4 * (before + len(paths) * layers),
                4 * len(paths) * (before + layers),
            )
    assert tuple(count) == table
