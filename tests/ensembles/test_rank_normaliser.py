"""Places among training scores: scipy's percentiles, kept as a value."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from uninas_bench import RankNormaliser, UserError

TRAINING = pd.DataFrame({"a": [3.0, 1.0, 2.0, 2.0], "b": [0.1, math.nan, 1e9, -5.0]})
FITTED = RankNormaliser.fit(TRAINING)


def test_places_by_hand():
    found = FITTED.transform(pd.DataFrame({"b": [math.nan, -9.0, 0.1, 7.0, 1e10], "a": [0, 1, 2, 2.5, 4]}))
    assert found.columns.tolist() == ["a", "b"]
    assert found["a"].tolist() == [0, 0.125, 0.5, 0.75, 1]
    assert found["b"].tolist() == pytest.approx([0, 0, 0.5, 2 / 3, 1])


def test_places_are_scipys_mean_percentiles():
    rng = np.random.default_rng(0)
    training, others = (pd.DataFrame({"a": rng.normal(size=n).round(1)}) for n in (200, 300))
    expected = stats.percentileofscore(training["a"], others["a"], kind="mean") / 100
    assert RankNormaliser.fit(training).transform(others)["a"].tolist() == pytest.approx(list(expected))


def test_only_order_matters_and_new_scores_move_nothing():
    rng = np.random.default_rng(1)
    training, others = (pd.DataFrame({"a": rng.normal(size=50)}) for _ in range(2))
    found = RankNormaliser.fit(training).transform(others)
    pd.testing.assert_frame_equal(RankNormaliser.fit(np.exp(training)).transform(np.exp(others)), found)
    pd.testing.assert_frame_equal(RankNormaliser.fit(training).transform(others.iloc[:7]), found.iloc[:7])
    assert np.argsort(found["a"].to_numpy(), kind="stable").tolist() == sorted(
        range(50), key=lambda i: (found["a"][i], i)
    )
    assert found.index.equals(others.index)


def test_it_is_a_value_that_survives_json():
    copy = RankNormaliser.from_json(FITTED.to_json())
    assert copy == FITTED
    assert hash(copy) == hash(FITTED)
    assert copy.proxies == ("a", "b")
    with pytest.raises(dataclasses.FrozenInstanceError):
        copy.proxies = ()


def test_odd_numbers_survive_json_to_the_bit():
    frame = pd.DataFrame({"a": [0.1 + 0.2, 1e-308, -1e308, 3]})
    assert RankNormaliser.from_json(RankNormaliser.fit(frame).to_json()) == RankNormaliser.fit(frame)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": [1.0, 1.0, 1.0]}, "a is 1 for all 3 architectures: it ranks nothing"),
        ({"a": [math.nan, math.nan]}, "a has no score to rank by"),
        ({"a": [1.0, math.inf]}, "a has an infinite score"),
    ],
)
def test_what_cannot_be_ranked_is_named(frame, message):
    with pytest.raises(UserError, match=message):
        RankNormaliser.fit(pd.DataFrame(frame))


def test_a_proxy_without_scores_is_named():
    with pytest.raises(UserError, match="no scores of b, which the normaliser was fitted to"):
        FITTED.transform(pd.DataFrame({"a": [1.0]}))


def changed(**changes):
    return json.dumps({**json.loads(FITTED.to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object of the format"),
        (changed(format="weights"), "expected a JSON object of the format"),
        (changed(schema_version=2), "schema_version is 2, this uninas-bench reads 1"),
        (changed(scores=[1]), "scores: expected an object of lists by proxy"),
        (changed(scores={"a": [2, 1]}), "scores.a: expected a list of ascending numbers"),
        (changed(scores={"a": ["1", "2"]}), "scores.a: expected a list of ascending numbers"),
        (changed(scores={"a": [1, 1]}), "a is 1 for all 2 architectures"),
        (changed(scores={"a": [1, math.inf]}), "a has an infinite score"),
    ],
)
def test_damage_is_one_line(text, message):
    with pytest.raises(UserError, match=message) as raised:
        RankNormaliser.from_json(text)
    assert "\n" not in str(raised.value)
