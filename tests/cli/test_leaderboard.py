"""The command: the same board as the call, in every form, and mistakes in one line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest

from tests import toy
from uninas_bench.ground_truth.files import write_table

PLUGIN = """
from uninas_bench import simple_proxy, hookimpl

@simple_proxy("letters", version=1)
def letters(subject):
    return float(len(subject.architecture.encoding))

@simple_proxy("constant", version=1)
def constant(subject):
    return 1.0

@hookimpl
def uninas_bench_proxies():
    return [letters, constant]
"""


@pytest.fixture
def files(tmp_path):
    write_table(toy.table(toy.architectures(12)), tmp_path / "toy.csv.gz")
    (tmp_path / "letters.py").write_text(PLUGIN)
    return tmp_path


@pytest.fixture
def board(files, run):
    def board(*arguments, code=0):
        return run(
            "leaderboard", "--ground-truth", files / "toy.csv.gz", "--plugin", files / "letters.py",
            "--proxies", "letters", "--store", files / "scores.db", "--workers", 1, *arguments, code=code,
        )  # fmt: skip

    return board


def test_the_board_of_a_plugin_and_the_second_one_from_the_store(board, files):
    first = board()
    assert "store " + str(files / "scores.db") in " ".join(first.stdout.split("\n"))
    assert "nasbench201 [channels=8, cells=1] on cifar10 · ground truth: toy" in first.stdout
    assert {"letters", "params", "flops"} <= set(first.stdout.split())
    assert "scoring 12 architectures x 3 proxies on 1 worker: 36/36" in first.stderr
    assert "saved: 36 scores of 36" in first.stdout
    second = board()
    assert "all 36 scores came from the store" in second.stdout
    assert "scoring" not in second.stderr
    assert "\x1b" not in first.stdout + first.stderr


def test_every_form_goes_to_stdout_alone(board):
    board()
    rows = list(csv.DictReader(io.StringIO(board("--format", "csv").stdout)))
    found = json.loads(board("--format", "json", "--intervals", "asymptotic").stdout)
    assert {row["proxy"] for row in rows} == {row["proxy"] for row in found["rows"]}
    assert found["board"]["intervals"]["method"] == "asymptotic"
    assert board("--format", "markdown").stdout.startswith("| # |")
    assert board("--format", "latex").stdout.startswith("% needs")


def test_a_file_gets_the_board_without_colours(board, files):
    result = board("--output", files / "board.txt")
    text = (files / "board.txt").read_text()
    assert "letters" in text
    assert "\x1b" not in text
    assert "letters" not in result.stdout


def test_options_reach_the_board(board):
    found = json.loads(
        board(
            "--format", "json", "--sample", 8, "--seed", 3, "--dedup", "isomorphic", "--chance", "exclude",
            "--failed", "exclude", "--top", 2, "--resamples", 20, "--set", "letters.batch=5",
        ).stdout
    )  # fmt: skip
    expected = {
        "n": 8, "sample": 8, "seed": 3, "dedup": "isomorphic", "chance": "exclude", "failed": "exclude",
        "k": 2,
    }  # fmt: skip
    assert found["board"] | expected == found["board"]
    assert found["board"]["intervals"]["resamples"] == 20
    assert any(row["settings"].startswith("batch=5,") for row in found["rows"])


def test_ensembles_are_rows(board):
    given = ("--aggregate", "mine = rank: letters - 0.5*flops", "--aggregate", "z: letters + params")
    shown = board(*given).stdout
    assert "mine = rank: letters - 0.5*flops: sum of average ranks" in shown
    assert "z: letters + params: sum of standard scores" in shown
    found = json.loads(board(*given, "--format", "json").stdout)
    assert {row["proxy"] for row in found["rows"]} == {
        "letters", "params", "flops", "mine", "z: letters + params",
    }  # fmt: skip
    members = found["board"]["aggregates"]["mine"]["members"]
    assert {name: entry["coefficient"] for name, entry in members.items()} == {"letters": 1, "flops": -0.5}
    for form in ("markdown", "latex", "csv"):
        assert "0.5*flops" in board(*given, "--format", form).stdout.replace("\\*", "*")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--proxies", "leters"), 'error: no proxy "leters"; did you mean "letters"?'),
        (("--space", "nats_size"), "error: ground truth toy is of the space nasbench201, not nats_size"),
        (
            ("--space", "nasbench201", "--scale", "channels=9"),
            "at the scale channels=8,cells=1, not channels=9",
        ),
        (("--scale", "channels=8"), "error: --scale without --space"),
        (("--task", "cifar100"), "error: ground truth toy is of task cifar10, not cifar100"),
        (("--sample", "13"), "error: sample=13: expected 2 to 12, what ground truth toy leaves"),
        (("--ground-truth", "missing.csv.gz"), "missing.csv.gz: no such file"),
        (("--set", "letters.batch=0"), "batch=0: expected at least 1 image"),
        (("--executor", "cloud"), 'no executor "cloud"'),
        (("--aggregate", "rank: leters + flops"), 'error: no proxy "leters"; did you mean "letters"?'),
        (("--aggregate", "rnk: letters + flops"), 'error: no kind of aggregate "rnk"; did you mean "rank"?'),
        (("--aggregate", "rank: letters, flops"), 'expected + or - at position 14, found ","'),
        (("--aggregate", "rank: letters"), "expected at least two proxies"),
        (("--aggregate", "rank: flops + flops"), "flops is in it twice"),
        (("--aggregate", "tpe: letters + flops"), "at least 50 architectures; there are 12"),
        (("--aggregate", "rank: flops + constant"), "constant is 1 for all 12 architectures"),
    ],
)
def test_a_mistake_is_one_line(board, arguments, message):
    result = board(*arguments, code=2)
    assert message in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error:")]) == 1
    assert "Traceback" not in result.stderr


def test_a_board_from_the_store_loads_neither_torch_nor_scipy_stats(board, files):
    aggregate = ("--aggregate", "rank: letters + flops")
    board(*aggregate)
    code = (
        "import sys\n"
        "from uninas_bench.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n"
        "    heavy = ('torch', 'scipy.stats', 'matplotlib', 'optuna')\n"
        "    print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    arguments = ("leaderboard", "--ground-truth", files / "toy.csv.gz", "--plugin", files / "letters.py",
                 "--proxies", "letters", "--store", files / "scores.db", *aggregate)  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    assert "came from the store" in found.stdout
    assert found.stderr.strip().endswith("[]")
