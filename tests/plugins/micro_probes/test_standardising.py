"""From scores to S."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from uninas_bench import UserError
from uninas_bench_plugins._micro_probes.probes.catalogue import PROBES
from uninas_bench_plugins._micro_probes.standardising import SIGNS, Reference, total, z_scores


def scores(n=20, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.normal(3, 2, n) for name in SIGNS}, index=[f"a{i}" for i in range(n)])


def test_signs_are_those_of_the_probes() -> None:
    assert {name: 1 if kind.higher_is_better else -1 for name, kind in PROBES.items()} == SIGNS


def test_three_architectures_by_hand() -> None:
    """Mean 2, deviation sqrt(2/3); errors count the other way round."""
    frame = pd.DataFrame({"csb": [1.0, 2.0, 3.0], "mf": [30.0, 20.0, 10.0]})
    step = math.sqrt(1.5)
    assert z_scores(frame)["csb"].tolist() == pytest.approx([-step, 0, step])
    assert total(frame).tolist() == pytest.approx([-2 * step, 0, 2 * step])


def test_z_scores_have_mean_0_and_deviation_1() -> None:
    standard = z_scores(scores())
    np.testing.assert_allclose(standard.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(standard.std(ddof=0), 1)


def test_units_do_not_matter() -> None:
    frame = scores()
    changed = frame.assign(lgj=1000 * frame["lgj"] - 7, vm=0.001 * frame["vm"])
    pd.testing.assert_series_equal(total(frame), total(changed))


@pytest.mark.parametrize("name", SIGNS)
def test_better_is_higher(name) -> None:
    frame = scores()
    better = frame.copy()
    better.loc["a3", name] += 5 * SIGNS[name]
    reference = Reference.of(frame)
    assert total(better, reference=reference)["a3"] > total(frame, reference=reference)["a3"]


def test_weights() -> None:
    frame = scores()
    standard = z_scores(frame)
    weights = dict.fromkeys(SIGNS, 0.0) | {"lgj": 2.0, "vm": 0.5}
    expected = 2 * standard["lgj"] + 0.5 * standard["vm"]
    np.testing.assert_allclose(total(frame, weights), expected)


def test_a_missing_score_leaves_no_sum_and_does_not_move_the_others() -> None:
    frame = scores()
    frame.loc["a4", "csb"] = math.nan
    found = total(frame)
    assert found.isna().tolist() == [name == "a4" for name in frame.index]
    others = frame.drop(index="a4")
    np.testing.assert_allclose(z_scores(frame)["csb"].drop(index="a4"), z_scores(others)["csb"])


def test_a_probe_without_weight_may_be_missing() -> None:
    frame = scores().assign(csb=math.nan)
    assert total(frame, dict.fromkeys(SIGNS, 1.0) | {"csb": 0.0}).notna().all()
    assert total(frame).isna().all()


def test_a_probe_that_tells_nothing_apart_says_nothing(caplog) -> None:
    frame = scores()
    constant = frame.assign(rm=0.1)
    np.testing.assert_allclose(total(constant), total(frame.drop(columns="rm")))
    assert "rm scores all architectures the same" in caplog.text


def test_one_architecture_is_average() -> None:
    assert total(scores(1)).tolist() == [0]


def test_reference_makes_scores_independent_of_the_population(tmp_path) -> None:
    frame = scores(40)
    Reference.of(frame).write(tmp_path / "reference.json")
    reference = Reference.read(tmp_path / "reference.json")
    assert reference == Reference.of(frame)
    part = total(frame[:7], reference=reference)
    np.testing.assert_allclose(part, total(frame)[:7])
    assert not np.allclose(part, total(frame[:7]))


@pytest.mark.parametrize("text", ["", "[]", '{"format": "another"}', "{}", "not json"])
def test_other_files_are_refused(tmp_path, text) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(UserError, match="expected a file of format"):
        Reference.read(path)
    with pytest.raises(UserError, match="No such file"):
        Reference.read(tmp_path / "none.json")


def test_a_reference_without_a_probe_is_refused(tmp_path) -> None:
    frame = scores()
    Reference.of(frame[["lgj", "oip"]]).write(tmp_path / "two.json")
    assert set(json.loads((tmp_path / "two.json").read_text())["probes"]) == {"lgj", "oip"}
    with pytest.raises(UserError, match="no statistics of rm; it has lgj, oip"):
        total(frame[["lgj", "rm"]], reference=Reference.read(tmp_path / "two.json"))
