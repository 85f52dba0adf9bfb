"""The pytest plugin, in pytest runs of its own."""

from __future__ import annotations

import pytest

from tests.baseline.plugin import write_plugin

pytest_plugins = ["pytester"]


@pytest.fixture
def ran(folder, pytester):
    def ran(*arguments, **changes):
        plugin = write_plugin(pytester.path, **changes)
        return pytester.runpytest_inprocess(
            "-p", "no:cacheprovider", "-p", "no:benchmark", "--uninas-plugin", plugin, "--uninas-no-cost",
            *(argument.format(baseline=folder / "baseline.json") for argument in arguments),
        )  # fmt: skip

    return ran


def test_a_test_per_proxy_and_one_of_the_ranking(ran):
    ran("--uninas-baseline", "{baseline}").assert_outcomes(passed=5)


def test_a_regression_is_a_failure_in_one_sentence(ran):
    result = ran("--uninas-baseline", "{baseline}", sign=-1)
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        [
            "spread on nasbench201 ?channels=8, cells=1? on mnist-hard: tau *significantly worse*",
            "FAILED *baseline.json::spread*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_what_is_not_comparable_is_skipped(ran):
    ran("--uninas-baseline", "{baseline}", version=2).assert_outcomes(passed=4, skipped=1)


def test_chosen_by_name_and_beside_other_tests(ran, pytester):
    pytester.makepyfile("def test_other(): pass")
    ran("--uninas-baseline", "{baseline}", "-k", "skips").assert_outcomes(passed=1, deselected=5)


def test_a_file_that_is_none_is_a_usage_error(ran):
    result = ran("--uninas-baseline", "none.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: none.json: no such file*"])


def test_fixtures(ran, pytester):
    pytester.makepyfile(
        """
        import pytest

        def test_scores(proxy_scores):
            scores = proxy_scores("skips", sample=5)
            assert len(scores) == 5
            assert (scores == [encoding.count("skip") for encoding in scores.index]).all()
            smaller = proxy_scores("spread", sample=3, batch=4)
            assert (smaller != proxy_scores("spread", sample=3)).any()

        def test_stable(assert_ranking_stable):
            assert assert_ranking_stable("skips").passed

        def test_unstable(assert_ranking_stable):
            assert_ranking_stable("spread", tolerance=0.5)
        """
    )
    result = ran("--uninas-baseline", "{baseline}", "-k", "test_", sign=-1)
    result.assert_outcomes(passed=2, failed=1, deselected=5)
    result.stdout.fnmatch_lines(["*spread on nasbench201*the sign is flipped*"])
