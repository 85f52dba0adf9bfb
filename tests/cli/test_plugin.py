"""`plugin check` and `plugin new`: verdicts in words, exit codes, refusals, and files that are whole."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
import yaml
from click.testing import Result

from uninas_bench.errors import UserError
from uninas_bench.report.conformance import conformance_text
from uninas_bench.scaffold.distribution import LICENSES, Distribution, check_name, whole_folder
from uninas_bench.testing.kit import CHECKS, WORDS, Cost, Direction, Finding, Report

Run = Callable[..., Result]
PLUGIN = '''
from uninas_bench import hookimpl, simple_proxy


@simple_proxy("backwards", version=3, batch=4)
def backwards(subject):
    """Fewer parameters."""
    return -subject.costs.params


@simple_proxy("seeding", version=1, needs={"images"}, batch=4)
def seeding(subject):
    """Seeds everybody's generator."""
    import torch

    torch.manual_seed(1)
    return subject.features(subject.batch()[0])[-1].abs().mean().item()


@hookimpl
def uninas_bench_proxies():
    return [backwards, seeding]
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


@pytest.mark.slow
def test_check_says_what_is_wrong_and_exits_with_1(run: Run, plugin: Path) -> None:
    printed = run("plugin", "check", plugin, "--sample", "12", "--workers", "1", code=1).stdout
    backwards, seeding = printed.split("seeding 1 · Seeds")
    assert backwards.startswith("backwards 3 · Fewer parameters.\n")
    assert "✗" not in backwards
    assert "! direction: tau -." in backwards
    assert "looks reversed" in backwards
    assert "n = 12" in backwards
    assert "noise ceiling ." in backwards
    assert "without a network" in backwards
    faults = [line for line in seeding.splitlines() if "✗" in line]
    assert len(faults) == 2
    assert "torch's generator" in faults[0]
    assert "a finite score where nothing passes: seeding 0 " in faults[1]


@pytest.mark.slow
def test_check_as_json_with_a_fault_that_is_allowed(run: Run, plugin: Path) -> None:
    done = run(
        "plugin", "check", "seeding", "--plugin", plugin, "--sample", "0", "--json",
        "--allow", "global-state", "--allow", "disconnected", "--set", "seeding.batch=6",
    )  # fmt: skip
    (report,) = json.loads(done.stdout)
    assert report["passed"] is True
    assert report["direction"] is None
    assert report["settings"].startswith("batch=6,")
    found = {finding["check"]: finding["result"] for finding in report["findings"]}
    assert tuple(found) == CHECKS
    assert found["global-state"] == found["disconnected"] == "allowed"
    assert found["processes"] == found["determinism"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nwott",), 'no proxy, plugin or module "nwott"; did you mean "nwot"?'),
        (("no/such.py",), "no/such.py: no such file"),
        (("json",), "json: it implements no hook"),
        (("uninas_bench_plugins.no_such",), 'no proxy, plugin or module "uninas_bench_plugins.no_such"'),
        (("params", "--set", "nwot.batch=3"), "--set nwot.batch: nwot is not among params"),
        (("params", "--allow", "everything"), 'no check "everything"'),
        (("params", "--sample", "-1"), "--sample -1: expected an integer"),
    ],
)
def test_mistakes_of_check(run: Run, arguments: tuple[str, ...], words: str) -> None:
    *_, last = run("plugin", "check", *arguments, code=2).stderr.splitlines()
    assert last.startswith("error: ")
    assert words in last


def test_a_plugin_without_proxies_and_a_broken_one(run: Run, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.py", tmp_path / "broken.py"
    hook = "from uninas_bench import hookimpl\n@hookimpl\ndef uninas_bench_proxies():\n    return []\n"
    empty.write_text(hook)
    broken.write_text("import a_module_that_nobody_has\n")
    for path, words in ((empty, "it registers no proxy"), (broken, "a_module_that_nobody_has")):
        assert words in run("plugin", "check", path, code=2).stderr


def report(direction: Direction | None, *findings: Finding) -> str:
    found = Report("mine", 2, "a paper", "batch=4", "mine.py", findings, direction, Cost(0.0123, None, 4))
    return conformance_text(found, WORDS)


@pytest.mark.parametrize(
    ("tau", "low", "high", "words"),
    [
        (0.5, 0.4, 0.6, "direction: tau +.500 [+.400, +.600]\n"),
        (-0.5, -0.6, -0.4, "looks reversed"),
        (0.1, -0.1, 0.3, "undecided at this n"),
        (math.nan, math.nan, math.nan, "the same for all architectures"),
    ],
)
def test_words_for_a_direction(tau: float, low: float, high: float, words: str) -> None:
    ceiling = (0.9, 0.88, 0.92)
    found = Direction("table", "space", "task", tau, low, high, 60, 2, 0, 4, ceiling, 0.6)
    text = report(found, Finding("memory", "ok"))
    assert words in text
    assert "n = 60, 2 of them without a score · seed 0 · table, 4 seeds" in text
    assert "noise ceiling .900 [.880, .920] · params +.600" in text
    assert "12 ms per architecture, without a network (batch 4)" in text


def test_each_finding_is_said_once() -> None:
    text = report(
        None,
        Finding("memory", "ok"),
        Finding("hooks", "failed", "two are left"),
        Finding("network", "allowed", "changed"),
        Finding("fit", "not checked", "needs no fit"),
    )
    assert text.splitlines() == [
        "mine 2 · a paper",
        "  nothing kept alive ok",
        "  ✗ hooks removed: two are left",
        "  ~ network unchanged (allowed): changed",
        "  not checked: fit after an interruption (needs no fit)",
    ]


AUTHOR = 'A "Quoted" <b>Name</b> \\ Söhne'


@pytest.mark.parametrize("license_", LICENSES)
def test_the_files_of_a_new_plugin_are_what_they_are_named(license_: str) -> None:
    import tomllib

    files = Distribution("my_proxy", AUTHOR, license_).files()  # type: ignore[arg-type]
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "uninas-bench-my-proxy"
    assert project["authors"] == [{"name": AUTHOR}]
    assert project["entry-points"]["uninas_bench"] == {"my_proxy": "uninas_bench_my_proxy"}
    assert project.get("license") == (None if license_ == "none" else license_)
    assert ("LICENSE" in files) == (license_ != "none")
    if license_ in {"MIT", "BSD-3-Clause"}:
        assert AUTHOR in files["LICENSE"]
        assert escape(AUTHOR) not in files["LICENSE"]
    for path, text in files.items():
        assert text.endswith("\n")
        assert "<<" not in text
        if path.endswith(".py"):
            ast.parse(text)
    workflow = yaml.safe_load(files[".github/workflows/tests.yml"])
    commands = [step.get("run", "") for step in workflow["jobs"]["tests"]["steps"]]
    assert "uninas-bench plugin check my_proxy" in commands
    assert "uninas-bench baseline check baselines/my_proxy.json --github" in commands


def test_new_without_a_baseline(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "somewhere" / "new"
    printed = run("plugin", "new", "mine", "--output", folder, "--no-baseline").stdout
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == set(Distribution("mine", "x").files())
    for name in files:
        assert str(folder / name) in printed
    assert list(folder.parent.iterdir()) == [folder], "something else was left"
    assert (
        "is not empty; nothing was written" in run("plugin", "new", "mine", "--output", folder, code=2).stderr
    )


def test_nothing_is_left_of_a_plugin_that_could_not_be_written(tmp_path: Path) -> None:
    def interrupted() -> None:
        with whole_folder(tmp_path / "new") as filled:
            (filled / "file").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Mine", "small letters"),
        ("my-proxy", "small letters"),
        ("../escape", "small letters"),
        ("my__proxy", "small letters"),
        ("9lives", "small letters"),
        ("", "small letters"),
        ("a" * 41, "at most 40"),
        ("class", "a word of Python"),
        ("match", "a word of Python"),
        ("nwot", "is installed already"),
    ],
)
def test_names_that_are_none(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_name(name, {"nwot"})


def test_names_that_are() -> None:
    for name in ("a", "my_proxy", "nwot2", "x_1_y"):
        check_name(name, {"nwot"})
