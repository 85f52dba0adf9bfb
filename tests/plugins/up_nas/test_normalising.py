from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from uninas_bench import UserError
from uninas_bench_plugins._up_nas.normalising import Kind, fit_normaliser, read_normaliser

RNG = np.random.default_rng(0)
SCORES = pd.DataFrame(
    {
        "heavy": np.exp(RNG.normal(0, 8, 200)),
        "small": RNG.normal(-0.07, 0.01, 200),
        "signed": RNG.normal(0, 1e6, 200),
    }
)
KINDS = get_args(Kind)


@pytest.mark.parametrize("kind", KINDS)
def test_order_is_kept_and_what_is_missing_is_the_worst(kind: Kind) -> None:
    scores = SCORES.mask(RNG.random(SCORES.shape) < 0.1)
    found = fit_normaliser(kind, scores).transform(scores)
    assert list(found.columns) == list(scores.columns)
    assert found.notna().all(axis=None)
    for name in scores:
        present = scores[name].notna()
        order = scores[name][present].argsort()
        assert (np.diff(found[name][present].to_numpy()[order]) >= 0).all()
        assert (found[name][~present] <= found[name][present].min()).all()
        assert found[name][~present].nunique() == 1


def test_each_kind_by_its_definition() -> None:
    found = {kind: fit_normaliser(kind, SCORES).transform(SCORES) for kind in KINDS}
    pd.testing.assert_frame_equal(found["raw"], SCORES)
    pd.testing.assert_frame_equal(found["z"], (SCORES - SCORES.mean()) / SCORES.std(ddof=0))
    low, high = SCORES.min(), SCORES.max()
    pd.testing.assert_frame_equal(found["minmax"], (SCORES - low) / (high - low))
    logs = SCORES.map(lambda value: math.copysign(math.log(1 + abs(value)), value))
    pd.testing.assert_frame_equal(found["log"], (logs - logs.mean()) / logs.std(ddof=0))
    # Without ties: half a place below, and one apart.
    np.testing.assert_allclose(found["rank"], (SCORES.rank() - 0.5) / len(SCORES))


@pytest.mark.parametrize("kind", KINDS)
def test_others_are_measured_by_the_training_scores(kind: Kind) -> None:
    normaliser = fit_normaliser(kind, SCORES[:100])
    alone = pd.concat([normaliser.transform(SCORES[place : place + 1]) for place in range(150, 160)])
    together = normaliser.transform(SCORES)
    pd.testing.assert_frame_equal(alone, together[150:160])
    again = read_normaliser(kind, normaliser.to_json())
    assert again == normaliser
    pd.testing.assert_frame_equal(again.transform(SCORES), together)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [3.0, math.nan])
def test_a_proxy_that_tells_nothing_apart_is_refused_in_one_line(kind: Kind, value: float) -> None:
    scores = SCORES.assign(flat=value)
    with pytest.raises(UserError, match=r"^flat (is 3 for all 200 architectures|has no score)") as caught:
        fit_normaliser(kind, scores)
    assert "\n" not in str(caught.value)
