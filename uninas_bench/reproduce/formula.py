"""Arithmetic that a table prints, evaluated: numbers, letters, + - * / **, brackets, sqrt; nothing else."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

from uninas_bench.errors import UserError

_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def evaluate(formula: str, letters: Mapping[str, float]) -> float:
    """The value of a formula.

    >>> evaluate("C*(9*C + 1)", {"C": 2})
    38.0

    Raises:
        UserError: it is none, or has a letter without a value.
    """
    try:
        return float(_value(ast.parse(formula, mode="eval").body, letters))
    except (SyntaxError, KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"formula {formula!r}: {error}") from None


def _value(node: ast.expr, letters: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return letters[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, letters)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, letters), _value(right, letters))
        case ast.Call(func=ast.Name(id="sqrt"), args=[argument], keywords=[]):
            return math.sqrt(_value(argument, letters))
    raise TypeError(f"{ast.unparse(node)} is no arithmetic")
