"""The gate in earnest: a proxy is broken in the ways that happen, and each is caught and named."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests import toy
from tests.baseline.plugin import NAMES, host, write_plugin, write_toy_table
from uninas_bench.baseline.checking import check
from uninas_bench.baseline.files import read_baseline
from uninas_bench.baseline.judging import Limits, settings_changes
from uninas_bench.baseline.measuring import Running
from uninas_bench.baseline.model import ELSEWHERE, SCORE_TOLERANCE
from uninas_bench.baseline.recording import record
from uninas_bench.baseline.verdict import Verdict
from uninas_bench.errors import UnknownName, UserError
from uninas_bench.ground_truth.files import write_table

OTHER_HOOK = """
@hookimpl
def uninas_bench_spaces():
    return []


del uninas_bench_proxies
"""
SUBJECT = "spread on nasbench201 [channels=8, cells=1] on mnist-hard: "


def found(result, name="spread"):
    return next(finding for finding in result.findings if finding.name == name)


def test_what_has_not_changed_passes_and_is_computed_anew(checked):
    result = checked(cost=True)
    assert result.passed
    assert [finding.verdict for finding in result.findings] == [Verdict.SAME] * 4
    assert {finding.drift.equal for finding in result.findings} == {30}
    assert {finding.name for finding in result.findings} == {*NAMES, "params", "flops"}
    assert found(result).passes == pytest.approx(found(result).recorded.passes, rel=0.5)


def test_a_sign_flip(checked):
    result = checked(sign=-1)
    (sentence,) = result.of(found(result))
    assert found(result).verdict is Verdict.WORSE
    assert sentence.startswith(SUBJECT)
    assert "significantly worse" in sentence
    assert "the sign is flipped" in sentence
    assert found(result).change.now == pytest.approx(-found(result).change.then)
    # It was better than the number of skips, and now it is worse.
    assert [(pair.above, pair.below) for pair in result.inversions if pair.below == "skips"]
    assert result.of_ranking()[0].startswith(SUBJECT + "it is now significantly behind skips (tau +")


def test_a_changed_default_batch(checked):
    result = checked(batch=4)
    (sentence,) = result.of(found(result))
    assert sentence.startswith(SUBJECT)
    assert "(batch 8 -> 4?)" in sentence
    assert "of 30 scores moved by more than 0.001 of their spread" in sentence
    assert found(result).verdict is Verdict.CHANGED


def test_an_implementation_that_takes_twice_as_long(checked):
    result = checked(cost=True, times=2)
    (sentence,) = result.of(found(result))
    assert sentence.startswith(SUBJECT + "costs ")
    assert "bare passes" in sentence
    assert found(result).passes / found(result).recorded.passes == pytest.approx(2, rel=0.3)
    assert found(result).verdict is Verdict.SAME


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hook": "proxies", "mark": ""}, "plugin gate_plugin.py: it implements no hook"),
        ({"mark": ""}, "plugin gate_plugin.py: uninas_bench_proxies lacks @hookimpl"),
        ({"statistic": "1 +"}, "plugin gate_plugin.py: SyntaxError"),
        ({"others": OTHER_HOOK}, "plugin gate_plugin.py has no hook uninas_bench_proxies any more"),
        ({"names": "[skips]"}, "plugin gate_plugin.py does not register it any more"),
    ],
)
def test_a_hook_that_is_gone(checked, changes, reason):
    result = checked(**changes)
    (sentence,) = result.of(found(result))
    assert found(result).verdict is Verdict.FAILING
    assert sentence.startswith(f"{SUBJECT}it is gone: {reason}")
    assert found(result, "params").verdict is Verdict.SAME


def test_a_plugin_that_is_not_installed_any_more(folder):
    from uninas_bench.host import build_host

    result = check(folder / "baseline.json", host=build_host(), running=Running(cost=False))
    assert "plugin gate_plugin.py is not installed" in result.of(found(result))[0]


def test_a_harmless_refactor(checked):
    result = checked(cost=True, statistic="(last.abs().double().sum() / last.numel()).item()")
    assert result.passed, result.regressions
    assert found(result).verdict is Verdict.CHANGED
    assert 0 < found(result).drift.largest < 1e-5
    assert found(result).drift.equal < 30


def test_a_new_version_is_not_comparable_and_fails_only_a_strict_check(folder, tmp_path):
    plugins = host(tmp_path, version=2, sign=-1)
    running = Running(cost=False)
    result = check(folder / "baseline.json", host=plugins, running=running)
    assert found(result).verdict is Verdict.NOT_COMPARABLE
    assert found(result).reason == "version 1 -> 2"
    assert result.passed
    assert result.not_comparable == ("spread",)
    strict = check(folder / "baseline.json", host=plugins, running=running, limits=Limits(strict=True))
    assert strict.regressions == (SUBJECT + "not comparable: version 1 -> 2",)


def test_a_new_version_of_a_required_proxy(folder, tmp_path):
    path = tmp_path / "ranks.json"
    table, running = folder / "toy.csv.gz", Running(cost=False)
    record(path, host=host(tmp_path), ground_truth=table, proxies=["ranks"], sample=10, running=running)
    assert check(path, host=host(tmp_path), running=running).passed
    result = check(path, host=host(tmp_path, version=2, sign=-1), running=running)
    assert found(result, "ranks").verdict is Verdict.NOT_COMPARABLE
    assert found(result, "ranks").reason == "spread version 1 -> 2"
    assert result.passed


def test_what_a_proxy_requires_is_named_as_the_cause(folder, tmp_path):
    path, running = tmp_path / "ranks.json", Running(cost=False)
    plugins = host(tmp_path)
    record(
        path, host=plugins, ground_truth=folder / "toy.csv.gz", proxies=["ranks", "spread"], sample=10,
        running=running,
    )  # fmt: skip
    result = check(path, host=host(tmp_path, sign=-1), running=running)
    assert "it requires spread, which changed" in result.of(found(result, "ranks"))[0]


def test_architectures_that_fail_newly_and_those_that_no_longer_do(folder, checked, tmp_path):
    fails = "'avg' in subject.architecture.encoding.split('+')[0]"
    result = checked(fails=fails)
    assert found(result).verdict is Verdict.FAILING
    assert "not-applicable: it does not like this one" in result.of(found(result))[0]
    table, path = folder / "toy.csv.gz", tmp_path / "failing.json"
    record(
        path, host=host(tmp_path, fails=fails), ground_truth=table, proxies=["spread"], sample=12,
        running=Running(cost=False),
    )  # fmt: skip
    fixed = check(path, host=host(tmp_path), running=Running(cost=False), ground_truth=table)
    assert found(fixed).verdict in {Verdict.FIXED, Verdict.BETTER}
    assert found(fixed).drift.fixed
    assert fixed.passed, fixed.regressions


def test_equal_scores_everywhere(checked):
    result = checked(statistic="0", sign=0)
    assert "every architecture has the same score" in result.of(found(result))[0]
    assert found(result).verdict is Verdict.WORSE


def test_stored_scores_hide_a_change_unless_they_are_asked_for(folder, tmp_path):
    """The trap: the version is the same, so the store has an answer, and it is that of yesterday."""
    store = tmp_path / "scores.db"
    running = Running(store=store, cost=False)
    assert check(folder / "baseline.json", host=host(tmp_path), running=running).passed
    flipped = host(tmp_path, sign=-1)
    assert check(folder / "baseline.json", host=flipped, running=running).passed
    stored = replace(running, stored_only=True)
    assert check(folder / "baseline.json", host=flipped, running=stored).passed
    assert not check(folder / "baseline.json", host=flipped, running=Running(cost=False)).passed


def test_nothing_is_stored(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("UNINAS_BENCH_STORE", str(tmp_path / "scores.db"))
    assert check(folder / "baseline.json", host=host(tmp_path), running=Running(cost=False)).passed
    assert not (tmp_path / "scores.db").exists()


def test_a_setting_of_the_occasion_is_kept(folder, tmp_path):
    path = tmp_path / "small.json"
    record(
        path, host=host(tmp_path), ground_truth=folder / "toy.csv.gz", proxies=["spread"], sample=10,
        settings={"spread": {"batch": 5}}, running=Running(cost=False),
    )  # fmt: skip
    assert "batch=5" in read_baseline(path).proxy("spread").settings
    assert check(path, host=host(tmp_path), running=Running(cost=False)).passed


def test_an_object_stands_for_what_is_installed(folder, tmp_path):
    plugins = host(tmp_path)
    other = plugins.proxy("spread").with_settings(batch=16)
    result = check(folder / "baseline.json", host=plugins, proxies=[other], running=Running(cost=False))
    assert [finding.name for finding in result.findings] == ["spread"]
    assert "batch 8 -> 16" in result.regressions[0]
    with pytest.raises(UnknownName, match='did you mean "spread"'):
        check(folder / "baseline.json", host=plugins, proxies=["spred"])


def test_another_table_is_refused(folder, tmp_path):
    write_plugin(tmp_path)
    moved = toy.table(toy.architectures(40), task="mnist-hard", seeds=2)
    write_table(moved, tmp_path / "toy.csv.gz")
    with pytest.raises(UserError, match=r"another accuracies than ground truth toy.*record it again"):
        check(folder / "baseline.json", host=host(tmp_path), ground_truth=tmp_path / "toy.csv.gz")


def test_the_table_is_found_beside_the_baseline(tmp_path, monkeypatch):
    table = write_toy_table(tmp_path, 12)
    inner = tmp_path / "baselines"
    running = Running(cost=False)
    record(inner / "b.json", host=host(tmp_path), ground_truth=table, proxies=["skips"], running=running)
    assert read_baseline(inner / "b.json").ground_truth_file == "../toy.csv.gz"
    monkeypatch.chdir(inner)
    assert check("b.json", host=host(tmp_path), running=running).passed
    assert str(tmp_path) not in (inner / "b.json").read_text()


def test_tolerances(folder, checked, tmp_path):
    statistic = "last.abs().mean().item() * 1.01"
    moved = found(checked(statistic=statistic)).drift
    assert SCORE_TOLERANCE < moved.largest < 0.1
    plugins = host(tmp_path, statistic=statistic)
    running = Running(cost=False)
    loose = check(folder / "baseline.json", host=plugins, running=running, limits=Limits(tolerance=0.1))
    assert loose.passed
    own = tmp_path / "own.json"
    table = folder / "toy.csv.gz"
    record(
        own, host=host(tmp_path), ground_truth=table, proxies=["spread"], sample=12,
        tolerances={"spread": 0.1}, running=running,
    )  # fmt: skip
    assert check(own, host=host(tmp_path, statistic=statistic), running=running).passed
    with pytest.raises(UserError, match="tolerance of zico: it is not on this board"):
        record(
            own, host=plugins, ground_truth=table, proxies=["spread"], tolerances={"zico": 1}, running=running
        )


def test_elsewhere_scores_may_differ_more_and_the_check_says_so(folder, tmp_path):
    text = json.loads((folder / "baseline.json").read_text())
    text["made_with"]["torch"] = "1.0"
    text["ground_truth_file"] = str(folder / "toy.csv.gz")
    (tmp_path / "baseline.json").write_text(json.dumps(text))
    result = check(tmp_path / "baseline.json", host=host(tmp_path), running=Running(cost=False))
    assert result.elsewhere[0].startswith("torch 1.0 -> ")
    assert found(result).drift.tolerance == ELSEWHERE


def test_settings_in_words():
    assert settings_changes("a=1,b=2", "a=1,b=3") == ["b 2 -> 3"]
    assert settings_changes("a=1", "a=1,c=x") == ["c (none) -> x"]
    assert settings_changes("", "") == []


@pytest.mark.parametrize("values", [{"tolerance": -1.0}, {"cost": 1.0}, {"inversions": -1}, {"alpha": 0.0}])
def test_limits_that_are_none(values):
    with pytest.raises(UserError):
        Limits(**values)


def test_importing_it_needs_no_torch():
    code = (
        "import sys, uninas_bench.cli.baseline, uninas_bench.pytest_plugin, uninas_bench.baseline.files; "
        "assert not {'torch', 'pandas', 'matplotlib', 'scipy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
