"""Tensors from nothing."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

X = torch.randn(2, 3)


def test_filled() -> None:
    check(lambda x: (x + torch.zeros(2, 3), torch.ones(3, dtype=torch.int32), x), X)
    check(lambda x: (torch.zeros_like(x), torch.ones_like(x, dtype=torch.bool)), X)
    check(lambda x: (x.new_zeros(2), x.new_ones(2, 1)), X.half())
    check(lambda x: (torch.empty_like(x), torch.empty(2, 3), x.new_empty(4)), X, values=False)
    check(lambda x: torch.zeros(0, 3) + x[0], X)


def fulls(x: torch.Tensor) -> list[torch.Tensor]:
    """PyTorch does not trace all of these (and TorchScript takes True for 1 here)."""
    return [
        torch.full([2], 7),
        torch.full([2], 0.5),
        torch.full_like(x, 2.5),
        torch.full_like(x, 2.5, dtype=torch.int64),
        torch.full_like(x, 2),
        x.new_full([1], 3),
        torch.fill(x, 3),
        x.clone().fill_(2),
        x.clone().zero_(),
    ]


def test_full() -> None:
    check(fulls, X, mode="script")
    check(fulls, X.half(), mode="script", opsets=(20,))


def grown(x: torch.Tensor) -> list[torch.Tensor]:
    """Sizes of an input."""
    n = x.size(0)
    return [
        torch.zeros(n, 2),
        torch.full([n], 1.5),
        torch.arange(n),
        torch.eye(n),
        x.new_ones(n, n),
    ]


def test_filled_with_sizes_of_an_input() -> None:
    more = [(torch.randn(5, 1),), (torch.randn(0, 1),)]
    check(grown, X, mode="script", dynamic=True, calls=more)


RANGES = [(5,), (2, 7), (0, 10, 3), (5, -5, -2), (0.0, 1.0, 0.1), (1, 2.5), (3, 3), (0, 0.3, 0.1)]


@pytest.mark.parametrize("arguments", RANGES, ids=str)
def test_arange(arguments: tuple[float, ...]) -> None:
    check(lambda x: (torch.arange(*arguments), x), X)
    for dtype in (torch.float64, torch.int32, torch.float16):
        check(lambda x, d=dtype: (torch.arange(*arguments, dtype=d), x), X, opsets=(20,))


def test_arange_of_run_time_numbers() -> None:
    def count(n: int, step: int, end: float) -> list[torch.Tensor]:
        return [torch.arange(n), torch.arange(0, n, step), torch.arange(0.0, end, 0.25)]

    check(count, 5, 2, 1.1, mode="script", calls=[(0, 1, 0.0), (7, 3, 2.0), (20, 7, 0.9)])


def test_long_ranges_are_computed() -> None:
    check(lambda x: (torch.arange(10000), torch.arange(0, 1000, 0.1), x), X)


SPACES = [(0, 1, 5), (3.0, 10.0, 8), (10, -3, 4), (1, 2, 1), (1, 2, 0), (0, 10, 7)]


@pytest.mark.parametrize("arguments", SPACES, ids=str)
def test_linspace(arguments: tuple[float, float, int]) -> None:
    check(lambda x: (torch.linspace(*arguments), x), X)
    check(lambda x: (torch.linspace(*arguments, dtype=torch.int64), x), X)
    check(lambda x: (torch.logspace(-1, 2, arguments[2]), x), X)
    for make in (torch.linspace, torch.logspace):
        check(lambda x: (make(-1.5, 3.9, arguments[2], dtype=torch.int32), x), X)  # noqa: B023
        check(lambda x: make(x, 3, arguments[2], dtype=torch.int64), torch.tensor(0.5))  # noqa: B023


def test_linspace_of_run_time_numbers() -> None:
    def spaces(x: torch.Tensor, steps: int) -> torch.Tensor:
        return torch.linspace(0, 1, steps)

    check(spaces, X, 5, mode="script", calls=[(X, 1), (X, 2), (X, 0)])
    check(lambda x: torch.linspace(x[0, 0], x[0, 1], 5), X)
