"""Flip, roll, repeat, triangles and diagonal matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.symbolics.harness import check, refuses

X = torch.arange(24.0).reshape(2, 3, 4)
MORE = [(torch.rand(3, 3, 5),)]

REARRANGED: list[Callable[[Tensor], Any]] = [
    lambda x: (x.flip(0, -1), x.flip(()), x.fliplr(), x.flipud()),
    lambda x: (x.roll(1), x.roll(-30), x.roll((1, -7), (0, 2)), x.roll(2, 1)),
    lambda x: [x.rot90(k, (0, 2)) for k in range(-1, 4)],
    lambda x: (x.repeat(2, 1, 3, 2), x.repeat(1, 1, 1), x.tile(2), x.tile(2, 1, 1, 3)),
    lambda x: (x.repeat_interleave(2), x.repeat_interleave(3, 1), x.repeat_interleave(0, 2)),
    lambda x: (x.repeat_interleave(torch.tensor([2, 0, 3]), 1), x.repeat(x.size(0), 1, 1)),
    lambda x: x.repeat_interleave(torch.tensor([2]), -1),
    lambda x: (x.tril(), x.triu(1), x.tril(-1), x.triu(-9), x.tril(9)),
    lambda x: (x.diag_embed(), x.diag_embed(1), x.diag_embed(-2, 0, 2)),
    lambda x: (x[0, 0].diag(), x[0, 0].diag(-1), x[0].diag(1), x[0].diagflat(1)),
    lambda x: (torch.combinations(x[0, 0]), torch.combinations(x[0, 0], 3, True)),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
@pytest.mark.parametrize("function", REARRANGED)
def test_rearranged(function: Callable[[Tensor], Any], dtype: torch.dtype) -> None:
    check(function, X.to(dtype))
    more = [(MORE[0][0].to(dtype),)]
    check(function, X.to(dtype), opsets=(13, 20), dynamic=True, calls=more)


def test_empty() -> None:
    empty = torch.zeros(2, 0, 4)
    check(lambda x: (x.flip(1), x.roll(1, 1), x.roll(3), x.repeat(1, 2, 1), x.tril()), empty)
    check(lambda x: (x.flip(1), x.roll(1, 1)), X, dynamic=True, calls=[(empty,)])
    check(lambda x: x.roll(3), X, opsets=(20,), dynamic=True, calls=[(empty,)])
    check(lambda x: (x.diag(), x.diag(2), torch.combinations(x)), torch.zeros(0))


def repeated(x: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return (
        x.repeat(1, n, 1),
        x.repeat_interleave(n, 1),
        x.expand(n, 2, 3, 4),
        x.roll(n, 1),
        x.tril(n),
    )


@pytest.mark.parametrize("dynamic", [False, True])
def test_numbers_of_run_time(dynamic: bool) -> None:
    check(repeated, X, 1, mode="script", dynamic=dynamic, calls=[(X, 2), (X, 5)])


def diagonals(x: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    y = x.clone()
    y.diagonal(n, 1, 2).mul_(2)
    return (
        torch.diag(x[0], n),
        torch.diag(x[0, 0], -n),
        x.diag_embed(n, 0, 2),
        x.diagonal(n, 2, 0),
        y,
        torch.tril_indices(3, 5, n),
    )


@pytest.mark.parametrize("dynamic", [False, True])
def test_diagonals_of_run_time(dynamic: bool) -> None:
    """Above or below the main one, or beyond the matrix: only the run tells."""
    calls = [(X, n) for n in (2, 0, -1, -2, 3, -3, 9, -9)]
    check(diagonals, X, 1, mode="script", dynamic=dynamic, calls=calls)


def test_diagonals_of_a_size() -> None:
    """Two views of each example stand half a matrix apart, as contrastive losses have them."""
    check(
        lambda x: [torch.diag(x @ x.T, n) for n in (x.shape[0] // 2, -(x.shape[0] // 2))],
        torch.rand(4, 3),
        dynamic={"x0": {0: "n"}},
        calls=[(torch.rand(6, 3),), (torch.rand(2, 3),)],
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=5), st.booleans())
def test_repeats_of_run_time(repeats: list[int], dynamic: bool) -> None:
    x = torch.rand(len(repeats), 2)
    counts = torch.tensor(repeats, dtype=torch.int64)
    check(
        lambda x, n: (x.repeat_interleave(n, 0), torch.repeat_interleave(n)),
        x,
        counts,
        opsets=(20,),
        dynamic=dynamic,
    )


def turned(x: torch.Tensor, k: int) -> torch.Tensor:
    return torch.rot90(x, k)


def test_turns_of_run_time_are_refused() -> None:
    """Each number of turns has another shape."""
    refuses(turned, torch.ones(2, 3), 1, mode="script", match="only known at run time")
