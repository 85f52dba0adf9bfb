"""`train` from the outside: what it prints, what it leaves, how it goes on, and what it says of mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import uninas_bench as ub

Run = Callable[..., Result]
SMALL = ("--space", "nasbench201", "--scale", "channels=4,cells=1")
DIGITS = ("--set", "data.dataset=digits", "--set", "data.resolution=[8,8]", "--set", "augmentation.padding=1")


def arguments(output: Path, *more: object) -> tuple[object, ...]:
    return ("train", "fashion-mnist", "--smoke", *SMALL, *DIGITS, "--output", output, *more)


def test_from_a_search_to_a_leaderboard_of_what_was_trained(run: Run, tmp_path: Path) -> None:
    """The main job: candidates, their training, a table, and proxies ranked on it."""
    search = tmp_path / "search"
    run("search", *SMALL, "--proxy", "flops", "--task", "digits", "--iterations", 30, "--population", 8,
        "--store", tmp_path / "s.db", "--workers", 1, "--output", search)  # fmt: skip
    trained = tmp_path / "trained"
    said = run(
        "train", "fashion-mnist", "--smoke", "--candidates", search / "candidates.json", "--top", 3,
        "--seeds", 2, *DIGITS, "--output", trained,
    ).stdout  # fmt: skip
    assert said.count("accuracy ") >= 6
    assert "their metrics mean nothing" in said
    truth = tmp_path / "truth.csv.gz"
    shown = run("train", "results", trained, "--ground-truth", truth)
    assert "3 architectures, seeds 0, 1" in shown.stderr
    assert shown.stdout.count("nasbench201:") == 3
    board = run("leaderboard", "--ground-truth", truth, "--proxies", "params", "--store", tmp_path / "s.db",
                "--workers", 1, "--format", "json")  # fmt: skip
    found = json.loads(board.stdout)
    assert found["board"]["n"] == 3
    assert {row["proxy"] for row in found["rows"]} == {"params", "flops"}


def test_the_same_command_again_trains_nothing(run: Run, tmp_path: Path) -> None:
    first = run(*arguments(tmp_path, "--architecture", "6111")).stdout
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pt")}
    assert before
    assert run(*arguments(tmp_path, "--architecture", "6111")).stdout == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pt")} == before


@pytest.mark.parametrize("format_", ["csv", "json", "markdown", "latex"])
def test_results_in_every_form(run: Run, tmp_path: Path, format_: str) -> None:
    run(*arguments(tmp_path, "--architecture", "6111"))
    text = run("train", "results", tmp_path, "--format", format_).stdout
    assert "fashion-mnist" in text
    if format_ == "json":
        assert json.loads(text)[0]["metric"] == "accuracy"
    run("train", "results", tmp_path, "--format", format_, "--output", tmp_path / "out")
    assert (tmp_path / "out").read_text().strip() == text.strip()


PLAN = """\
recipe   classification 1: classification on imagenet1k at 224x224: 150 epochs (5 of warm-up), 48 images per \
device and step, AdamW, cosine rate 0.0001 per 48 images, weight decay 0.05, drop path 0.2, \
rand-m15-n2-mstd0.5; UniNAS, Table III, image classification
step     384 images: 8 devices x batch 48 x 1 passes
steps    500,400: 150 epochs of 3,336, the first 16,680 of them warm-up
rates    x 8 of the recipe's, which are for 48 images a step
         epoch       step  rate
             0          0  8e-07
             5     16,680  0.0008
           149    500,399  8e-06
"""


def test_the_plan_of_the_published_protocol(run: Run) -> None:
    """Every figure is of Table III at eight GPUs of 48 images; the last step's rate rounds to the minimum."""
    lines = run("train", "plan", "classification", *SMALL, "--architecture", "6111", "--devices", 8).stdout
    shown = lines.splitlines()
    for line in PLAN.splitlines():
        assert line in shown
    assert any("1,281,167 training images (as published" in line for line in shown)


def test_a_plan_as_json(run: Run) -> None:
    text = run("train", "plan", "segmentation", *SMALL, "--architecture", "6111", "--json").stdout
    found = json.loads(text)
    # 125 epochs of 20,210 images, four a step.
    assert found["plan"]["steps"] == 125 * (20_210 // 4)
    assert found["rates"][-1]["rate"] < 1e-9


def test_what_cannot_fit_is_refused(run: Run) -> None:
    words = ("train", "plan", "classification", *SMALL, "--architecture", "6111", "--memory", "64M")
    message = run(*words, code=2).stderr
    assert message.startswith("error: recipe classification: a batch of 48 needs at least ")
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "clasification", "--output", "x", *SMALL, "--architecture", "6111"],
         'no recipe "clasification"; did you mean "classification"?'),
        (["train", "imagenet1k", "--architecture", "timm:resnet18"], "--output DIR"),
        (["train", "classification", "--output", "x"], "either --architecture"),
        (["train", "classification", "--output", "x", "--architecture", "6111"], "of which space"),
        (["train", "classification", "--output", "x", "--architecture", "timm:resnet5"], "did you mean"),
        (["train", "classification", "--output", "x", "--architecture", "timm:resnet50", "--top", "2"],
         "--top needs --candidates"),
        (["train", "classification", "--output", "x", "--candidates", "n.json"], "n.json: no such file"),
        (["train", "classification", "--output", "x", *SMALL, "--architecture", "6111"], "imagenet1k"),
        (["train", "classification", "--output", "x", *SMALL, "--architecture", "6111",
          "--set", "schedule.epoch=3"], 'did you mean "epochs"'),
        (["train", "classification", "--output", "x", *SMALL, "--architecture", "6111",
          "--data", "imagenet1k=/nowhere"], "/nowhere"),
        (["train", "classification", "--smoke", "--output", "x", *SMALL, "--architecture", "6111",
          "--init", "nothing"], "nothing: no such file"),
        (["train", "plan", "classification", *SMALL, "--architecture", "6111", "--memory", "lots"],
         "--memory lots: expected a size such as 40G"),
        (["train", "results", "nowhere"], "nowhere: no such folder"),
    ],
)  # fmt: skip
def test_mistakes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(tmp_path / "data"))
    said = run(*words, code=2).stderr
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def _start(output: Path) -> subprocess.Popen[str]:
    command = arguments(
        output, "--architecture", "6111", "--set", "schedule.epochs=60", "--set", "run.evaluate_every=0"
    )
    return subprocess.Popen(
        [sys.executable, "-m", "uninas_bench", *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def _finish(output: Path) -> str:
    process = _start(output)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert "goes on after step" not in _finish(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_command_that_is_stopped_goes_on(
    whole: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = _start(tmp_path)
    deadline = time.monotonic() + 200
    while not list(tmp_path.rglob("step-*.pt")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("result.json"))
    assert "goes on after step" in _finish(tmp_path)
    for name in ("log.jsonl", "weights.safetensors"):
        ours, theirs = (next(folder.rglob(name)).read_bytes() for folder in (tmp_path, whole))
        assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["classification", "detection", "segmentation"])
@pytest.mark.parametrize(
    ("space", "architecture"),
    [
        ("uninas", "vit"),
        ("uninas", "efficientnet"),
        ("uninas", "resnet"),
        ("hytra", "bossnet-t0"),
        ("uninas", "walked"),
    ],
)
def test_smoke_runs(run: Run, tmp_path: Path, space: str, architecture: str, recipe: str) -> None:
    """At the papers' own sizes, each in less than a minute on an idle core."""
    scale = ("--scale", "style=se") if space == "hytra" else ()
    if architecture == "walked":
        architecture = ub.space("uninas").sample(1, np.random.default_rng(0))[0].encoding
    said = run(
        "train",
        recipe,
        "--smoke",
        "--space",
        space,
        *scale,
        "--architecture",
        architecture,
        "--output",
        tmp_path,
    ).stdout
    assert f"{recipe}-smoke" in said
    (result,) = tmp_path.rglob("result.json")
    metrics = json.loads(result.read_text())["metrics"]
    assert all(0 <= value <= 100 for name, value in metrics.items() if name != "loss")
