"""`ground-truth import | list | show | verify` from the outside."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from uninas_bench.ground_truth.catalogue import find_ground_truth

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_host: None) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(folder))
    return folder


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    lines = [f"{i},{50 + i % 40 + seed * 0.25},{seed}" for i in range(30) for seed in (1, 2)]
    path.write_text("\n".join(["arch_index,acc,run", *lines]))
    return path


def arguments(csv: Path) -> tuple[object, ...]:
    return (
        "ground-truth", "import", csv, "--space", "nasbench201", "--task", "cifar10",
        "--column", "accuracy=acc", "--column", "seed=run", "--protocol", "mine",
    )  # fmt: skip


def test_import_list_show_verify(run: Run, csv: Path, data_folder: Path) -> None:
    said = run(*arguments(csv), "--name", "mine").stdout
    assert "mine: 30 architectures, seeds 1, 2 (2 each), accuracy 50.38 to 79.38, 0 at chance level" in said
    assert str(data_folder) in said

    assert "mine" in run("ground-truth", "list").stdout
    (info,) = [
        info for info in json.loads(run("ground-truth", "list", "--json").stdout) if info["name"] == "mine"
    ]
    assert (info["space"], info["task"], info["protocol"]) == ("nasbench201", "cifar10", "mine")

    facts = json.loads(run("ground-truth", "show", "mine", "--json").stdout)
    assert (facts["architectures"], facts["rows"], facts["seeds"]) == (30, 60, ["1", "2"])
    assert facts["noise_ceiling"]["split_half"] == 1.0
    text = run("ground-truth", "show", "mine").stdout
    assert "tau 1.000 [1.000, 1.000] between halves of 2 seeds" in text

    assert "FAILED" not in run("ground-truth", "verify", "mine").stdout
    csv.write_text("altered")
    failed = run("ground-truth", "verify", "mine", code=2)
    assert "FAILED source" in failed.stdout


def test_scale_and_show_of_means(run: Run, csv: Path) -> None:
    csv.write_text("arch_index,accuracy\n0,50\n1,60\n")
    base = (
        "ground-truth",
        "import",
        csv,
        "--space",
        "nasbench201",
        "--task",
        "cifar10",
        "--scale",
        "channels=8",
    )
    run(*base, "--count", "3")
    table = find_ground_truth("nasbench201-cifar10")
    assert table.info.scale == "channels=8,cells=5"
    assert table.counts().tolist() == [3, 3]
    text = run("ground-truth", "show", "nasbench201-cifar10").stdout
    assert "means of 3 seeds" in text
    assert "it takes at least two seeds" in text
    run(*base, "--replace")
    assert "means of an unknown number of seeds" in run("ground-truth", "show", "nasbench201-cifar10").stdout


class Bomb:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (self.command,)


def fresh(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "uninas_bench", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_mistakes_are_one_line_on_stderr(tmp_path: Path, csv: Path, data_folder: Path) -> None:
    (tmp_path / "evil.pickle").write_bytes(pickle.dumps({"meta_archs": Bomb(f"touch {tmp_path}/pwned")}))
    (tmp_path / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08\x00")
    table = ("--space", "nasbench201", "--task", "cifar10")
    for wrong, message in (
        ((tmp_path / "evil.pickle",), "refused: it asks to load"),
        ((tmp_path / "absent.csv", *table), "no such file"),
        ((tmp_path / "cut.csv.gz", *table), "truncated or damaged"),
        ((csv, *table), 'column "accuracy" is missing; found: arch_index, acc, run'),
        ((csv, "--space", "nasbench202", "--task", "cifar10"), 'did you mean "nasbench201"'),
        ((csv, *table, "--column", "acc"), "--column acc: expected ours=theirs"),
    ):
        done = fresh("ground-truth", "import", *wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "pwned").exists()
    assert not data_folder.exists()


def test_list_imports_neither_torch_nor_pandas(run: Run, csv: Path) -> None:
    run(*arguments(csv))
    code = (
        "import sys; from uninas_bench.cli import main\n"
        "try: main(['ground-truth', 'list'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'pandas', 'scipy', 'nats_bench') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "nasbench201-cifar10" in done.stdout


def test_a_damaged_table_is_reported_beside_the_others(run: Run, csv: Path, data_folder: Path) -> None:
    run(*arguments(csv))
    (data_folder / "ground_truth" / "bad.csv.gz").write_bytes(b"garbage")
    done = run("ground-truth", "list")
    assert "nasbench201-cifar10" in done.stdout
    assert "bad.csv.gz: no ground-truth table" in done.stderr
