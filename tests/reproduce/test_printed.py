"""Printed texts as numbers, formulas and times."""

from __future__ import annotations

import math

import pytest

from uninas_bench.errors import UserError
from uninas_bench.reproduce.budget import Budget, read_duration
from uninas_bench.reproduce.formula import evaluate
from uninas_bench.reproduce.printed import read_printed


@pytest.mark.parametrize(
    ("text", "low", "value", "high"),
    [
        ("0.623", 0.6225, 0.623, 0.6235),
        ("-0.182", -0.1825, -0.182, -0.1815),
        ("24.8M", 24.75e6, 24.8e6, 24.85e6),
        ("9.0G", 8.95e9, 9e9, 9.05e9),
        ("3.4B", 3.35e9, 3.4e9, 3.45e9),
        ("27", 26.5, 27, 27.5),
    ],
)
def test_the_last_digit_says_how_much_a_number_is_rounded(text, low, value, high):
    printed = read_printed(text)
    assert printed is not None
    assert (printed.low, printed.value, printed.high) == pytest.approx((low, value, high))


def test_halves_of_the_last_digit_are_inside_and_more_is_not():
    printed = read_printed("0.65")
    assert printed.holds(0.645)
    assert printed.holds(0.655)
    assert not printed.holds(0.6449)
    assert printed.meets(0.1, 0.645)
    assert not printed.meets(0.1, 0.6449)


@pytest.mark.parametrize("text", ["", "10 GPU days", "-", "cosine", "1.2.3"])
def test_other_texts_are_no_numbers(text):
    assert read_printed(text) is None


def test_a_claim_is_open_at_one_end():
    assert read_printed("> 0").low == 0
    assert read_printed("> 0").high == math.inf


def test_formulas():
    letters = {"C": 96, "H": 4, "W": 9}
    assert evaluate("C*(9*C + 1)", letters) == 96 * (9 * 96 + 1)
    assert evaluate("2*(sqrt(H) - 1/2)*(sqrt(W) - 1/2)", letters) == 2 * 1.5 * 2.5
    assert evaluate("-C + 2*C**2*H*W", letters) == -96 + 2 * 96**2 * 36


@pytest.mark.parametrize(
    "formula", ["__import__('os')", "C.real", "D + 1", "C +", "[C]", "C if 1 else 2", "1/0"]
)
def test_what_is_no_arithmetic_is_refused_in_one_line(formula):
    with pytest.raises(UserError, match="formula") as found:
        evaluate(formula, {"C": 1})
    assert "\n" not in str(found.value)


def test_durations():
    assert read_duration("30m") == 1800
    assert read_duration("1h30m") == 5400
    assert read_duration("90s") == 90
    assert read_duration("0.5h") == 1800


@pytest.mark.parametrize("text", ["", "30", "m", "-3m", "0s", "soon"])
def test_what_is_no_duration(text):
    with pytest.raises(UserError, match="expected a time such as 30m"):
        read_duration(text)


def test_a_budget_knows_what_fits():
    now = [0.0]
    budget = Budget(100, clock=lambda: now[0])
    assert budget.fitting(7) == 14
    now[0] = 40
    assert (budget.spent, budget.left, budget.fitting(7)) == (40, 60, 8)
    assert budget.share(3).seconds == 20
    now[0] = 200
    assert budget.fitting(7) == 0
    assert Budget().fitting(1) is None
