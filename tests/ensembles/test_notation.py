"""What is written for an ensemble, and what is said to a slip."""

from __future__ import annotations

import pytest

from uninas_bench import Ensemble, UserError
from uninas_bench.ensembles.notation import Term, read_ensembles


@pytest.mark.parametrize(
    ("text", "name", "kind", "terms"),
    [
        ("rank: vkdnw + flops", "", "rank", [("vkdnw", 1), ("flops", 1)]),
        ("mine = rank: vkdnw+flops", "mine", "rank", [("vkdnw", 1), ("flops", 1)]),
        (" a-b=log-rank :a_1 - b-2 ", "a-b", "log-rank", [("a_1", 1), ("b-2", -1)]),
        ("z: -.5*x + 2 * y - 1e-3*z", "", "z", [("x", -0.5), ("y", 2), ("z", -0.001)]),
        ("tpe:a\n + b\n + c", "", "tpe", [("a", 1), ("b", 1), ("c", 1)]),
        ("rank: + 3d + 2*2d", "", "rank", [("3d", 1), ("2d", 2)]),
        ("rank: 1e1*e1 + 1.*e2", "", "rank", [("e1", 10), ("e2", 1)]),
    ],
)
def test_texts_are_read(text, name, kind, terms):
    found = Ensemble.read(text)
    assert found.kind == kind
    assert [(term.member, term.coefficient) for term in found.terms] == terms
    assert found.name == (name or str(found))
    assert found.members == tuple(member for member, _ in terms)


@pytest.mark.parametrize("text", ["rank: 2*vkdnw - 0.5*flops", "z: -0.1*a + b", "log-rank: a + 1e-07*b - c"])
def test_the_notation_is_what_it_is_read_from(text):
    assert str(Ensemble.read(f"x = {text}")) == text
    assert Ensemble.read(str(Ensemble.read(text))) == Ensemble.read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vkdnw + flops", 'aggregate "vkdnw + flops": expected KIND: PROXY + PROXY, as in "rank: '),
        ("", 'aggregate "": expected KIND'),
        ("ranks: a + b", 'no kind of aggregate "ranks"; did you mean "rank"?'),
        (": a + b", 'no kind of aggregate "" (known: log-rank, rank, tpe, z)'),
        ("my board = rank: a + b", 'name "my board": expected letters, digits, - and _'),
        ("= rank: a + b", 'name "": expected letters'),
        ("rank:", 'aggregate "rank:": expected a proxy at position 6, found the end'),
        ("rank: a ++ b", 'expected a proxy at position 10, found "+"'),
        ("rank: a + ", "expected a proxy at position 11, found the end"),
        ("rank: a b", 'expected + or - at position 9, found "b"'),
        ("rank: a + 2*", "expected a proxy at position 13, found the end"),
        ("rank: a + b*2", 'expected + or - at position 12, found "*2"'),
        ("rank: a, b", 'expected + or - at position 8, found ","'),
        ("rank: (a + b)", 'expected a proxy at position 7, found "(a"'),
        ("rank: a", 'aggregate "rank: a": expected at least two proxies'),
        ("rank: a + b + 2*a", "a is in it twice"),
        ("rank: a + 0*b", "the coefficient of b is 0.0"),
        ("rank: a + 1e999*b", "the coefficient of b is inf"),
        ("tpe: a - b", 'tpe finds the coefficients itself; name the proxies alone, as in "tpe: a + b"'),
        ("tpe: 2*a + b", "tpe finds the coefficients itself"),
    ],
)
def test_a_slip_is_one_line_with_its_place(text, message):
    with pytest.raises(UserError) as raised:
        Ensemble.read(text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_position_points_at_the_fault():
    text = "rank: vkdnw + $flops"
    with pytest.raises(UserError, match=f"position {text.index('$') + 1},"):
        Ensemble.read(text)


def test_a_value_is_checked_as_its_text():
    assert Ensemble("rank", (Term("a"), Term("b", -2.0))) == Ensemble.read("rank: a - 2*b")
    with pytest.raises(UserError, match='no kind of aggregate "mean"'):
        Ensemble("mean", (Term("a"), Term("b")))
    with pytest.raises(UserError, match="at least two"):
        Ensemble("rank", ())
    with pytest.raises(UserError, match='name "a b"'):
        Ensemble("rank", (Term("a"), Term("b")), "a b")


def test_several_have_different_names():
    first, second = read_ensembles(["rank: a + b", Ensemble.read("mine = rank: a + b")])
    assert (first.name, second.name) == ("rank: a + b", "mine")
    with pytest.raises(UserError, match='aggregate "rank: a \\+ b" is asked for twice'):
        read_ensembles(["rank: a + b", "rank:a+b"])
    with pytest.raises(UserError, match="expected a list"):
        read_ensembles("rank: a + b")
