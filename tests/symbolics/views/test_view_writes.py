"""Writes through views: the base keeps what the view does not show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.symbolics.harness import check
from tests.symbolics.views.test_views import bounds

X = torch.arange(24.0).reshape(2, 3, 4)

VIEWS: list[Callable[[Tensor], Tensor]] = [
    lambda x: x,
    lambda x: x.detach(),
    lambda x: x[0],
    lambda x: x[:, -1],
    lambda x: x[..., 1],
    lambda x: x[1:],
    lambda x: x[:, :-1],
    lambda x: x[..., 1::2],
    lambda x: x[:, -1:],
    lambda x: x.narrow(2, 1, 2),
    lambda x: x.narrow(2, -2, 2),
    lambda x: x.view(-1)[5:9],
    lambda x: x.reshape(x.size(0), -1)[:, ::3],
    lambda x: x.flatten(1)[0],
    lambda x: x.unflatten(2, (2, -1))[..., 0],
    lambda x: x.transpose(0, 2)[1],
    lambda x: x.permute(2, 0, 1)[1:3],
    lambda x: x.movedim(0, -1)[1:],
    lambda x: x[0].T[1],
    lambda x: x[0].t()[1],
    lambda x: x.mT[..., 0],
    lambda x: x.unsqueeze(1)[:, 0, 1],
    lambda x: x[:1].squeeze(0),
    lambda x: x.diagonal(),
    lambda x: x.diagonal(1, 1, 2),
    lambda x: x.diagonal(-1, -1, 0),
    lambda x: x.chunk(2, 2)[1],
    lambda x: x.tensor_split(2, 2)[0],
    lambda x: x.tensor_split((1, 2), 1)[1],
    lambda x: x.split_with_sizes((2, 2), 2)[1],
    lambda x: x.expand(x.shape)[0],
    lambda x: x.view_as(x)[1],
    lambda x: x[1:][:, :2].transpose(0, 1)[0, ..., 2],
    lambda x: x[5:],
]


@pytest.mark.parametrize("view", VIEWS)
def test_writes(view: Callable[[Tensor], Tensor]) -> None:
    """Of numbers, of tensors, and in place, in a chain of two views where there are two."""

    def write(x: Tensor) -> tuple[Tensor, Tensor]:
        y, z = x.clone(), x * 2
        view(y).copy_(view(x + 100) * 2)
        view(z).mul_(view(z) + 1)
        return y, z

    check(write, X)
    check(write, X, opsets=(11, 20), dynamic=True, calls=[(torch.rand(4, 4, 4),)])


STATIC: list[Callable[[Tensor], Tensor]] = [
    lambda x: x.unbind(1)[2],
    lambda x: x.split(2, 2)[1],
    lambda x: x.as_strided((2, 2), (3, 1), 1),
]


@pytest.mark.parametrize("view", STATIC)
def test_writes_to_known_sizes(view: Callable[[Tensor], Tensor]) -> None:
    def write(x: Tensor) -> Tensor:
        y = x.clone()
        view(y).fill_(-1)
        return y

    check(write, X)


@settings(max_examples=60, deadline=None)
@given(bounds, bounds, st.integers(1, 3), st.integers(0, 5), st.booleans())
def test_slices(start: int | None, end: int | None, step: int, size: int, dynamic: bool) -> None:
    def write(x: Tensor) -> tuple[Tensor, Tensor]:
        y, z = x.clone(), x.clone()
        y[start:end:step] = -1
        z[:, start:end:step] = x[:, start:end:step] * 2
        return y, z

    x = torch.arange(float(2 * size)).reshape(size, 2)
    calls = [(torch.rand(6, 5),)] if dynamic else []
    check(write, x, opsets=(20,), dynamic=dynamic, calls=calls)


def write_slices(x: Tensor, a: int, b: int) -> Tensor:
    y = x.clone()
    y[:, a:b] = 7.0
    y[a:, :, 1:] += 1
    y[..., a:b:2] = 5.0
    return y


def write_indices(x: Tensor, i: int) -> Tensor:
    y = x.clone()
    y[:, i] = 3.0
    y[i] += 1
    y[:, :, i].mul_(2)
    return y


def write_rows(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    for i in range(x.size(1)):
        y[:, i] = x[:, -1 - i] + i
    return y


@pytest.mark.parametrize("dynamic", [False, True])
def test_indices_of_run_time(dynamic: bool) -> None:
    ends = [(X, -1, 5), (X, -2, -1), (X, 3, 1), (X, -10, 10), (X, 1, 1)]
    check(write_slices, X, 0, 2, mode="script", dynamic=dynamic, calls=ends)
    check(write_indices, X, 0, mode="script", dynamic=dynamic, calls=[(X, -1), (X, 1), (X, -2)])
    check(write_rows, X, mode="script", dynamic=dynamic)


def test_scatter_operators() -> None:
    src = torch.full((2, 4), -1.0)
    check(lambda x, s: torch.select_scatter(x, s, 1, -1), X, src)
    check(lambda x, s: torch.slice_scatter(x, s[:, None], 1, 1, 2), X, src, dynamic=True)
    check(lambda x: torch.slice_scatter(x, x[:, :, :2], 2, 0, None, 2), X, dynamic=True)
    check(lambda x: torch.diagonal_scatter(x, x[:, 0, :2], 0, 0, 1), torch.rand(2, 2, 2))
    check(lambda x: torch.as_strided_scatter(x, x[0, :2, :2], (2, 2), (3, 1), 1), X)
