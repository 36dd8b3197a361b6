"""Conditions are decided as far as the integers in them are known."""

from __future__ import annotations

import pytest

from exporter.onnx_graph.conditions import And, Condition, NonNegative, Not, Or, Zero, decide
from exporter.onnx_graph.symbolic import Dim, Symbol, SymInt, resolved

N, M = Symbol("n"), Symbol("m")
n, m = SymInt.of(N), SymInt.of(M)


@pytest.mark.parametrize(
    ("condition", "values", "wanted"),
    [
        (Zero(n - 3), {N: 3}, True),
        (Zero(n - 3), {N: 5}, False),
        (Zero(n - 3), {}, None),
        (Zero(n + 1), {}, False),
        (Zero(n - m), {N: m}, True),
        (NonNegative(n), {}, True),
        (NonNegative(-1 - n), {}, False),
        (NonNegative(n - 2), {N: 2}, True),
        (Not(Zero(n)), {N: 0}, False),
        (And(Zero(n - 1), None), {N: 2}, False),
        (And(Zero(n - 1), None), {N: 1}, None),
        (Or(Zero(n - 1), None), {N: 1}, True),
        (Or(Zero(n - 1), Zero(n - 2)), {N: 3}, False),
        (Or(Zero(n - 1), Zero(m)), {N: 3}, None),
    ],
)
def test_decide(condition: Condition, values: dict[Symbol, Dim], wanted: bool | None) -> None:
    """True, False, or None where it can't be told."""
    assert decide(condition, values) is wanted


def test_resolved() -> None:
    """A symbol that can have one value only is that value, inside functions too."""
    k = Symbol("k")
    size = SymInt.of(k)
    expression = (size * n + 1) // 2
    assert resolved(expression) == expression
    k.values = (4,)
    assert resolved(expression) == 2 * n
    k.values = (4, 6)
    assert resolved(expression) == expression
    assert resolved(size) == size
    assert isinstance(size, SymInt)
    assert size.bounds() == (4, 6)
