"""Several tensors into one, and one into several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.symbolics.harness import check

X = torch.arange(24.0).reshape(2, 3, 4)
MORE = [(torch.rand(4, 4, 4),)]

JOINED: list[Callable[[Tensor], Any]] = [
    lambda x: torch.cat([x, x * 2], 1),
    lambda x: torch.cat([x, x[:, :1], x[:, 1:]], -2),
    lambda x: torch.cat([x]),
    lambda x: torch.cat([torch.zeros(0), x, torch.zeros(0, dtype=torch.float64)]),
    lambda x: torch.cat([x, x.int(), x.half()]),
    lambda x: torch.cat([x > 3, x.to(torch.uint8)], 2),
    lambda x: torch.stack([x, x * 2], -1),
    lambda x: torch.stack([x[0, 0, 0], x[1, 0, 0].long()]),
    lambda x: (torch.hstack([x[0, 0, 0], x[0, 0]]), torch.hstack([x, x])),
    lambda x: (torch.vstack([x[0, 0], x[0]]), torch.dstack([x[0], x[0]])),
    lambda x: torch.column_stack([x[0, 0, :2], x[0, :2], x[0, 1, :2]]),
    lambda x: torch.block_diag(x[0], x[0, 0], x[0, 0, 0], x[1]),
    lambda x: torch.cartesian_prod(x[0, 0], x[0, :, 0], x[:, 0, 0]),
]


@pytest.mark.parametrize("function", JOINED)
def test_joined(function: Callable[[Tensor], Any]) -> None:
    check(function, X)
    check(function, X, opsets=(9, 20), dynamic=True, calls=MORE)


def one_of_two(x: Tensor, empty: bool, n: int) -> list[Tensor]:
    a = torch.zeros(0) if empty else x
    c = torch.zeros(0)
    for i in range(n):
        c = torch.cat([c, x[i : i + 1]])
    return [torch.cat([a, x]), torch.cat([x, a, a], -1), torch.cat([a, a * 2]), c]


def test_an_empty_vector_is_left_out_where_the_run_decides() -> None:
    for dynamic in (False, True):
        calls = [(X, False, 0), (X[:1], True, 1)]
        check(
            one_of_two,
            X,
            True,
            2,
            mode="script",
            opsets=(14, 20),
            dynamic=dynamic,
            calls=calls[: 1 + dynamic],
        )


SPLIT: list[Callable[[Tensor], Any]] = [
    lambda x: x.chunk(2, 2),
    lambda x: x.tensor_split(2, -1),
    lambda x: x.tensor_split(3, 2),
    lambda x: x.tensor_split((1, 3), 2),
    lambda x: x.tensor_split((3, 1, -1, 9), 2),
    lambda x: (x[0, 0].hsplit(2), x.hsplit((1,)), x.vsplit(2), x.dsplit((1, 2))),
    lambda x: x.split((x.size(2) - 2, 2), 2),
]


@pytest.mark.parametrize("function", SPLIT)
def test_split(function: Callable[[Tensor], Any]) -> None:
    check(function, X)
    check(function, X, opsets=(13, 20), dynamic=True, calls=MORE)


def test_split_of_known_sizes() -> None:
    check(lambda x: (x.split(3, 2), x.split(9, 2), x.unbind(1), x.unbind(-1)), X)
    check(lambda x: (x.chunk(3, 2), x.chunk(9, 0), x.tensor_split(5, 1)), X)
    check(lambda x: (x.split(2), x.chunk(3), x.tensor_split(2)), torch.zeros(0, 3))


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    a, b = x.chunk(2, 0)
    return a, b


def test_chunk_of_sizes_that_do_not_divide() -> None:
    calls = [(torch.rand(n, 2),) for n in (2, 3, 4, 7)]
    check(halves, torch.rand(5, 2), mode="script", opsets=(13, 20), dynamic=True, calls=calls)


def thirds(x: Tensor) -> list[Tensor]:
    return torch.cat([x, x, x], 1).split(x.size(1), 1)


def test_pieces_of_a_size_of_run_time() -> None:
    check(thirds, X, mode="script", opsets=(13, 20), dynamic=True, calls=MORE)


def test_another_number_of_pieces_than_were_traced_is_an_error() -> None:
    """The pieces of a trace are unpacked: four of seven rows."""

    def rows(x: Tensor) -> list[Tensor]:
        return x.split(2)

    check(rows, torch.rand(7, 3), opsets=(13, 20), dynamic=True, calls=[(torch.rand(8, 3),)])
