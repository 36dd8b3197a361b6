"""Comparisons, logical operators, bits and choices."""

from __future__ import annotations

import operator

import pytest
import torch

from tests.symbolics.harness import check

INF, NAN = float("inf"), float("nan")
EDGES = torch.tensor([0.0, -0.0, 1.0, -1.5, INF, -INF, NAN])
INTS = torch.tensor([-(2**40), -7, -1, 0, 1, 3, 2**40])
BOOLS = torch.tensor([True, False])

COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("values", [EDGES, INTS, BOOLS, EDGES.half(), EDGES.double(), INTS.byte()])
def test_comparisons(compare: object, values: torch.Tensor) -> None:
    check(compare, values, values.reshape(-1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [0, 0.5, -1])
def test_with_numbers(number: float) -> None:
    check(lambda a, b, c: (a > number, b == number, c != number), EDGES, INTS, BOOLS)


def test_isclose() -> None:
    x = torch.tensor([1.0, 1.000001, 1.1, INF, -INF, NAN])
    check(torch.isclose, x, x.reshape(-1, 1))
    check(lambda a, b: torch.isclose(a, b, 0.2, 0.0, True), x, x.reshape(-1, 1))
    check(lambda a, b: torch.isclose(a, b, rtol=0, atol=0), x, x.reshape(-1, 1))
    check(torch.isclose, INTS, INTS.reshape(-1, 1))


QUESTIONS = [torch.isnan, torch.isinf, torch.isposinf, torch.isneginf, torch.isfinite, torch.isreal]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("values", [EDGES, EDGES.half(), INTS, BOOLS, torch.tensor(NAN)])
def test_questions(question: object, values: torch.Tensor) -> None:
    check(question, values, opsets=(9, 13, 20, 26))  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [EDGES, INTS, BOOLS])
def test_logical(values: torch.Tensor) -> None:
    column = values.reshape(-1, 1)
    check(torch.logical_and, values, column)
    check(torch.logical_or, values, column)
    check(torch.logical_xor, values, column)
    check(torch.logical_not, values)


@pytest.mark.parametrize("values", [INTS, BOOLS, INTS.int(), INTS.to(torch.uint8)])
def test_bitwise(values: torch.Tensor) -> None:
    check(lambda a, b: (a & b, a | b, a ^ b, ~a), values, values.reshape(-1, 1))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
def test_shifts(dtype: torch.dtype) -> None:
    """Counts that are negative or too large move all bits out."""
    x = torch.tensor([-128, -7, -1, 0, 1, 5, 100]).to(dtype)
    counts = torch.tensor([[0], [1], [3], [7], [63], [100]]).to(dtype)
    check(lambda a, b: (a << b, a >> b), x, counts)
    check(lambda a: (a << 2, a >> 2, 2 << a.abs() % 4), x)


def test_choices() -> None:
    mask = torch.tensor([[True], [False]])
    x, y = torch.tensor([1, 2]), torch.tensor([0.5, NAN])
    check(torch.where, mask, x, y)
    check(lambda m, a: (torch.where(m, a, 2.5), torch.where(m, 1, a)), mask, x)
    check(lambda m: (torch.where(m, 1.0, 2.0), torch.where(m, 1, 2)), mask)
    check(lambda m: torch.where(m), mask)
    check(lambda m: torch.where(m), torch.tensor(True))
    check(lambda a, m: a.masked_fill(m, -INF), torch.randn(2, 3), mask)
    check(lambda a, m: a.masked_fill(m, torch.tensor(7.9)), x.int(), torch.tensor([True, False]))


def test_sizes_may_vary() -> None:
    check(
        lambda m, a: (torch.where(m, a, 0.0), a.masked_fill(m, 1.0), torch.where(m)),
        torch.tensor([True, False]),
        torch.randn(3, 2),
        dynamic=True,
        calls=[(torch.tensor([True] * 4), torch.randn(1, 4))],
        opsets=(20,),
    )
