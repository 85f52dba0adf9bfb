"""The commands `spaces`, `proxies`, `plugins`, `architecture show` and `scores`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result

import uninas_bench as ub

Run = Callable[..., Result]


def test_spaces(run: Run) -> None:
    rows = {row["name"]: row for row in json.loads(run("spaces", "--json").stdout)}
    assert rows["nasbench201"]["architectures"] == 15_625
    assert rows["nats_size"]["architectures"] == 32_768
    assert rows["nasbench201"]["scale"] == "channels=16,cells=5"
    table = run("spaces").stdout.splitlines()
    assert len(table) == 1 + len(rows)
    assert any("15,625" in line for line in table)


def test_proxies(run: Run) -> None:
    rows = {row["name"]: row for row in json.loads(run("proxies", "--json").stdout)}
    assert rows["az_nas"]["components"] == ["expressivity", "progressivity", "trainability", "complexity"]
    assert rows["params"]["plugin"] == "costs"
    assert "batch=" in rows["nwot"]["settings"]
    assert len(run("proxies").stdout.splitlines()) == 1 + len(rows)


def test_plugins(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import a_module_that_nobody_has\n")
    result = run("plugins", "--plugin", broken, "--json")
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["vkdnw"]["state"] == "ok"
    assert rows["vkdnw"]["hooks"] == ["proxies"]
    assert rows[str(broken)]["state"] == "broken"
    assert result.stderr.count("a_module_that_nobody_has") == 1
    assert "a_module_that_nobody_has" in run("plugins", "--plugin", broken).stdout


@pytest.mark.parametrize("spelling", ["6111", "(2, 2, 0, 2, 2, 3)"])
def test_architecture_show(run: Run, spelling: str) -> None:
    facts = json.loads(run("architecture", "show", "nasbench201", spelling, "--json").stdout)
    assert facts["spellings"]["index"] == "6111"
    assert facts["class"]["classes"] == 6466
    costs = {row["task"]: (row["params"], row["flops"]) for row in facts["costs"]}
    assert costs["cifar10"][0] == 1_073_466
    text = run("architecture", "show", "nasbench201", spelling).stdout
    assert "params 1,073,466 · FLOPs 153.27 M (multiply-accumulates)" in text


def test_architecture_of_a_space_too_large_to_list(run: Run) -> None:
    facts = json.loads(run("architecture", "show", "mbconv", "11 0110 0111 1100 0110", "--json").stdout)
    assert facts["class"] == {"canonical": "11 0110 0111 1100 0110"}
    facts = json.loads(run("architecture", "show", "hytra", "r50-t", "--json").stdout)
    assert facts["spellings"]["stages"] == "[[1,1,1],[1,1,1,1],[1,1,1,1,1,1],[1,1,1]]"


def test_architecture_show_counts_the_class(run: Run) -> None:
    """By hand: with zeros on the edges out of nodes 1 and 2, four free operations are never seen."""
    space = ub.space("nasbench201")
    point = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
    facts = json.loads(run("architecture", "show", "nasbench201", point, "--json").stdout)
    same = sum(space.canonical(other) == facts["class"]["canonical"] for other in space.enumerate())
    assert facts["class"]["members"] == same > 1


def test_architecture_show_at_another_scale_and_task(run: Run) -> None:
    arguments = ["--scale", "channels=8,cells=1", "--task", "mnist-hard", "--json"]
    facts = json.loads(run("architecture", "show", "nasbench201", "6111", *arguments).stdout)
    assert [row["task"] for row in facts["costs"]] == ["mnist-hard"]
    assert facts["costs"][0]["params"] < 100_000


def test_architecture_show_knows_stored_scores(run: Run, store: Path) -> None:
    exported = pd.read_csv(io.StringIO(run("scores", "export", "--store", store).stdout))
    row = exported[(exported["proxy"] == "nwot") & (exported["status"] == "ok")].iloc[0]
    facts = json.loads(
        run("architecture", "show", "nasbench201", row["architecture"], "--store", store, "--json").stdout
    )
    scores = {score["proxy"]: score for score in facts["scores"]}
    assert scores["nwot"]["components"]["nwot"] == pytest.approx(row["value"])
    assert scores["params"]["components"]["params"] > 0
    text = run("architecture", "show", "nasbench201", row["architecture"], "--store", store).stdout
    assert "nwot v1, seed 0, mnist-hard, channels=4,cells=1, batch=8" in text


def test_architecture_show_knows_accuracies(run: Run, table: Path, tmp_path: Path) -> None:
    """A plugin registers the table; the accuracy is the mean over its three seeds."""
    rows = pd.read_csv(table, comment="#")
    first = rows["architecture"].iloc[0]
    plugin = tmp_path / "tables.py"
    plugin.write_text(
        "from uninas_bench import hookimpl, ground_truth\n"
        "from uninas_bench.ground_truth.table import GroundTruthEntry\n"
        f"table = ground_truth({str(table)!r})\n"
        "@hookimpl\n"
        "def uninas_bench_ground_truth():\n"
        "    return [GroundTruthEntry('tiny', lambda: table.info, lambda: table)]\n"
    )
    call = ["architecture", "show", "nasbench201", first, "--plugin", plugin]
    facts = json.loads(run(*call, "--json").stdout)
    mine = next(row for row in facts["accuracies"] if row["table"] == "tiny")
    assert mine["accuracy"] == pytest.approx(rows["accuracy"].iloc[:3].mean())
    assert mine["trainings"] == 3
    assert "3 trainings; table tiny, channels=4,cells=1" in run(*call).stdout


def test_scores_list(run: Run, store: Path) -> None:
    rows = {row["proxy"]: row for row in json.loads(run("scores", "list", "--store", store, "--json").stdout)}
    assert {"params", "flops", "nwot"} == set(rows)
    assert rows["nwot"]["architectures"] == 16
    assert rows["nwot"]["task"] == "mnist-hard"
    only = json.loads(run("scores", "list", "--store", store, "--proxies", "params", "--json").stdout)
    assert [row["proxy"] for row in only] == ["params"]
    none = json.loads(run("scores", "list", "--store", store, "--scale", "channels=16", "--json").stdout)
    assert none == []


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_scores_export(run: Run, store: Path, tmp_path: Path, kind: str) -> None:
    output = tmp_path / f"scores.{kind}"
    run("scores", "export", "--store", store, "--space", "nasbench201", "--output", output)
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[kind]
    frame = read(output)
    space = ub.space("nasbench201", channels=4, cells=1)
    params = frame[frame["proxy"] == "params"]
    assert len(params) == 16
    for encoding, value in zip(params["architecture"], params["value"], strict=True):
        network = space.build(space.parse(encoding), ub.Task("mnist-hard", "mnist-hard", 16, 10))
        assert sum(p.numel() for p in network.parameters()) == value
    needed = {
        "settings",
        "seed",
        "version",
        "proxy_version",
        "status",
        "seconds",
        "torch",
        "package",
        "command",
        "started",
    }
    assert needed - {"version"} <= set(frame.columns)
    assert set(frame["package"].astype(str)) == {ub.__version__}
    assert frame["started"].notna().all()


def test_scores_export_says_what_is_missing(run: Run, store: Path) -> None:
    assert (
        "no stored scores of proxy"
        in run("scores", "export", "--store", store, "--proxies", "zen", code=2).stderr
    )
    assert (
        "no stored scores match"
        in run("scores", "export", "--store", store, "--task", "cifar10", code=2).stderr
    )
    assert "needs --output" in run("scores", "export", "--store", store, "--format", "parquet", code=2).stderr
