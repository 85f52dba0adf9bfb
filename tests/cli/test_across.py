"""`leaderboard --across` and `scores pack`: from a store to a file to a board, and mistakes in one line."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests import toy
from tests.cli.test_leaderboard import PLUGIN
from uninas_bench.ground_truth.files import write_table
from uninas_bench.ground_truth.table import GroundTruth, GroundTruthInfo
from uninas_bench.store import packed


@pytest.fixture
def files(tmp_path, monkeypatch, fresh_host):
    """Two imported tables, and a package whose folder of scores is empty."""
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(packed, "packed_folder", lambda: tmp_path / "package")
    packed._shipped.cache_clear()
    for seed, (name, task) in enumerate((("first", "cifar10"), ("second", "cifar100"))):
        found = toy.table(toy.architectures(12, seed=seed))
        info = GroundTruthInfo(name, "nasbench201", found.info.scale, task, "made up", "tests")
        write_table(GroundTruth(info, found.rows), tmp_path / "data" / "ground_truth" / f"{name}.csv.gz")
    (tmp_path / "letters.py").write_text(PLUGIN)
    (tmp_path / "package").mkdir()
    yield tmp_path
    packed._shipped.cache_clear()


@pytest.fixture
def across(files, run):
    def across(*arguments, tables="first,second", code=0):
        return run(
            "leaderboard", "--across", tables, "--plugin", files / "letters.py",
            "--store", files / "scores.db", "--workers", 1, *arguments, code=code,
        )  # fmt: skip

    return across


def shown(name, *arguments):
    return ("--proxies", name, *arguments)


def pack(run, files, name, code=0):
    return run(
        "scores", "pack", "--ground-truth", name, "--plugin", files / "letters.py",
        "--proxies", "letters,params,flops", "--store", files / "scores.db",
        "--output", files / "package" / f"{name}.csv.gz", code=code,
    )  # fmt: skip


def test_a_board_is_computed_packed_and_shown_without_a_store(across, files, run):
    first = across(*shown("letters"))
    assert "1 nasbench201 [channels=8, cells=1] on cifar10 · ground truth: first" in first.stdout
    assert "2 nasbench201 [channels=8, cells=1] on cifar100 · ground truth: second" in first.stdout
    assert "saved: 72 scores of 72" in first.stdout
    assert "first: scoring 12 architectures x 3 proxies on 1 worker: 36/36" in first.stderr
    assert "second: scoring" in first.stderr
    second = across(*shown("letters"))
    assert "all 72 scores came from the store" in second.stdout
    for name in ("first", "second"):
        said = pack(run, files, name).stdout
        assert "36 scores, 12 architectures x 3 proxies" in said
    packed._shipped.cache_clear()
    (files / "scores.db").unlink()
    third = across("--proxies", "letters", tables="all")
    assert "72 of 72 scores came with the package" in third.stdout
    assert "nothing was computed" in third.stdout
    assert "scoring" not in third.stderr
    assert not (files / "scores.db").exists()

    def numbers(text):
        lines = [line.split() for line in text.splitlines()]
        return [line for line in lines if {"letters", "params", "flops"} & set(line[1:2])]

    # All but the last bits of mean seconds.
    assert [row[:6] for row in numbers(third.stdout)] == [row[:6] for row in numbers(second.stdout)]
    # An ordinary board says so, too.
    alone = run(
        "leaderboard", "--ground-truth", "first", "--proxies", "params", "--store", files / "scores.db"
    )
    assert "24 of 24 scores came with the package" in alone.stdout


def test_every_form_and_the_figure(across, files):
    rows = list(csv.DictReader(io.StringIO(across(*shown("letters"), "--format", "csv").stdout)))
    assert {row["ground_truth"] for row in rows} == {"first", "second"}
    found = json.loads(across(*shown("letters"), "--format", "json").stdout)
    assert list(found["board"]["tables"]) == ["first", "second"]
    markdown = across(*shown("letters"), "--format", "markdown", "--given", "size").stdout
    assert "what is not size" in markdown
    latex = across(*shown("letters"), "--format", "latex").stdout
    assert latex.startswith("% needs")
    across(*shown("letters"), "--output", files / "board.txt", "--strata")
    text = (files / "board.txt").read_text()
    assert text.startswith("1 nasbench201")
    assert "\x1b" not in text
    said = across(*shown("letters"), "--figure", files / "board.png", "--given", "size").stdout
    assert f"wrote {files / 'board.png'}" in said
    assert (files / "board.png").read_bytes()[:4] == b"\x89PNG"


def test_stored_only_computes_nothing(across, files):
    result = across(*shown("letters"), "--stored-only")
    assert "not scored, since scores are missing: letters" in result.stdout
    assert not (files / "scores.db").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--across", "all", "--space", "uninas"), "--across all with --space: give one or the other"),
        (("--across", "all", "--ground-truth", "x"), "--across all with --ground-truth"),
        (("--across", "all"), "no scores came with the package"),
        (("--across", ","), "expected names of tables"),
        (("--across", "frist"), 'no ground truth "frist"'),
        (("--across", "first,first"), "ground truth first is given twice"),
        (("--across", "first", "--figure", "board.jpg"), "expected a name that ends in .png, .svg, .pdf"),
        (("--strata", "--space", "uninas"), "--strata with --space"),
        (("--given", "size", "--task", "x"), "--given with --task"),
        (("--stored-only", "--ground-truth", "x"), "--stored-only with --ground-truth"),
        (("--figure", "x.png", "--space", "uninas"), "--figure with --space"),
        (("--top", "5"), "--top: it belongs to the board of one table"),
    ],
)
def test_mistakes_are_one_line(run, files, arguments, said):
    result = run("leaderboard", "--store", files / "scores.db", *arguments, code=2)
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_packing_what_is_not_stored(across, run, files):
    across(*shown("params"))
    assert "letters: the store has 0 of 12 scores" in pack(run, files, "first", code=2).stderr
    missing = run(
        "scores",
        "pack",
        "--ground-truth",
        "first",
        "--store",
        files / "no.db",
        "--output",
        files / "a.csv.gz",
        code=2,
    )
    assert "no.db" in missing.stderr


SEER = """
from uninas_bench import hookimpl, simple_proxy

@simple_proxy("seer", version=1, needs={"images"}, source="task", batch=2)
def seer(subject):
    return float(subject.batch()[0].mean())

@hookimpl
def uninas_bench_proxies():
    return [seer]
"""


def test_images_that_nobody_has_keep_a_proxy_off_a_table_and_not_off_the_board(across, files, run):
    across(*shown("letters"))
    for name in ("first", "second"):
        pack(run, files, name)
    packed._shipped.cache_clear()
    (files / "seer.py").write_text(SEER)
    asked = ("--plugin", files / "seer.py", "--proxies", "letters,seer")
    said = across(*asked, tables="all").stdout
    assert (
        "1: not scored, since the images of cifar10 are not at hand (--data cifar10=FILE.npz|FOLDER): seer"
        in said
    )
    assert "2: not scored, since the images of cifar100 are not at hand" in said
    assert " 1  letters " in said
    # Where a table was named, it is a mistake.
    refused = across(*asked, tables="first", code=2).stderr
    assert "seer sees the images of cifar10, which are not at hand" in refused


SLOW = """
from uninas_bench import Proxy, hookimpl

class Slow(Proxy):
    name = "slow"
    on_request = True

    def evaluate(self, subject):
        return {"slow": float(len(subject.architecture.encoding))}

@hookimpl
def uninas_bench_proxies():
    return [Slow()]
"""


def test_a_slow_proxy_packed_for_a_sample_is_on_the_board_of_that_sample_alone(files, run):
    (files / "slow.py").write_text(SLOW)
    given = ("--plugin", files / "slow.py", "--store", files / "scores.db")

    def packed_as(name, table, *arguments, code=0):
        path = files / "package" / f"{name}.csv.gz"
        try:
            return run(
                "scores", "pack", "--ground-truth", table, *given, *arguments, "--output", path, code=code
            )
        finally:
            packed._shipped.cache_clear()

    tables = "first,second"
    run("leaderboard", "--across", tables, *given, "--proxies", "params", "--workers", 1)
    run("leaderboard", "--across", tables, *given, "--proxies", "slow", "--sample", 8, "--workers", 1)
    for table in ("first", "second"):
        packed_as(table, table, "--proxies", "params,flops")
        said = packed_as(f"{table}.8", table, "--proxies", "slow", "--sample", 8).stdout
        assert "8 scores, 8 architectures x 1 proxies" in said
    refused = packed_as("x", "first", "--proxies", "slow", "--sample", 9, code=2).stderr
    assert "slow: the store has" in refused
    assert "of 9 scores" in refused
    (files / "scores.db").unlink()

    def board(*arguments, plain=("--stored-only", "--format", "csv")):
        # No proxy but those of the package: the installed ones would be computed.
        return run("leaderboard", "--across", "all", *given, *plain, *arguments).stdout

    def rows(text):
        found = list(csv.DictReader(io.StringIO(text)))
        return {(row["ground_truth"], row["proxy"]): row for row in found}

    whole, sample, other = rows(board()), rows(board("--sample", 8)), rows(board("--sample", 7))
    assert {proxy for _, proxy in whole} == {proxy for _, proxy in other} == {"params", "flops"}
    assert whole["first", "params"]["n"] == "12"
    slow = sample["first", "slow"]
    assert slow["n"] == sample["first", "params"]["n"] == "8"
    assert slow["place"]
    assert not (files / "scores.db").exists(), "nothing was computed"
    hint = "slow: its scores came with the package for 8 architectures of a table (--sample 8)"
    assert hint in " ".join(board(plain=("--stored-only",)).split())
    assert "(--sample 8)" not in board("--sample", 8, plain=("--stored-only",))
    # By another seed nothing came with the package, or a slow proxy would be computed unasked.
    assert len(packed.shipped_scores().encodings("first", "slow", seed=0)) == 8
    assert packed.shipped_scores().encodings("first", "slow", seed=1) == []
