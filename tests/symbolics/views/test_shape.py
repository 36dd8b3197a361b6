"""Shapes: reshape, order of dims, dims of size 1, broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.symbolics.harness import check

X = torch.arange(24.0).reshape(2, 3, 4)

SHAPES: list[Callable[[Tensor], Any]] = [
    lambda x: x.view(x.size(0), -1),
    lambda x: x.view(-1, x.size(2)),
    lambda x: x.reshape(x.size(2), x.size(0) * x.size(1)),
    lambda x: x.reshape(-1),
    lambda x: x.reshape_as(x.transpose(0, 2)),
    lambda x: x.view_as(x * 2),
    lambda x: x.flatten(),
    lambda x: x.flatten(1),
    lambda x: x.flatten(0, 1),
    lambda x: x.flatten(-2, -2),
    lambda x: x.ravel(),
    lambda x: x.flatten(1).unflatten(1, (x.size(1), -1)),
    lambda x: x.flatten(1).view(x.size(0), x.size(1), x.size(2)),
    lambda x: x.transpose(0, -1),
    lambda x: x.swapaxes(1, 2),
    lambda x: x.permute(2, 0, -2),
    lambda x: x.movedim((0, 1), (-1, 0)),
    lambda x: x.movedim(2, 0),
    lambda x: x[0].T,
    lambda x: x.mT,
    lambda x: x[0, 0].t(),
    lambda x: x.unsqueeze(-1),
    lambda x: x.unsqueeze(1),
    lambda x: x.unsqueeze(0).squeeze(0),
    lambda x: x.unsqueeze(2).squeeze((2,)),
    lambda x: x.unsqueeze(1).expand(-1, 5, -1, -1),
    lambda x: x.expand(2, *x.shape),
    lambda x: x[:1].expand_as(x),
    lambda x: x[:, :1].broadcast_to(x.shape),
    lambda x: torch.broadcast_tensors(x, x[:1], x[0, 0]),
    lambda x: (torch.atleast_1d(x[0, 0, 0]), torch.atleast_2d(x[0, 0]), torch.atleast_3d(x[0])),
    lambda x: torch.atleast_3d(x[0, 0, 0], x[0, 0], x[0]),
]


@pytest.mark.parametrize("function", SHAPES)
def test_sizes_known_and_dynamic(function: Callable[[Tensor], Any]) -> None:
    check(function, X)
    check(function, X, opsets=(11, 20), dynamic=True, calls=[(torch.rand(3, 5, 2),)])


def test_squeeze_decides_over_the_rank_at_run_time() -> None:
    """A size that is 1 or not only at run time: the rank of the result is open."""
    ones = torch.rand(1, 3, 1)
    calls = [(torch.rand(2, 1, 3),), (torch.rand(1, 1, 1),), (torch.rand(2, 3, 4),)]
    for function in (
        lambda x: x.squeeze() * 2,
        lambda x: x.squeeze(0) * 2,
        lambda x: x.squeeze(-1) * 2,
        lambda x: x.squeeze((0, 2)) * 2,
    ):
        check(function, ones, dynamic=True, calls=calls)
        check(function, ones)


def test_squeeze_of_empty_tensors() -> None:
    """The 0 of an empty tensor must not copy a dim."""
    check(
        lambda x: x.squeeze() * 2,
        torch.rand(1, 0, 3),
        opsets=(11, 20),
        dynamic=True,
        calls=[(torch.rand(1, 3, 0),), (torch.rand(0, 1, 1),)],
    )
    for function in (lambda x: x[x > 0.5].squeeze(-1) * 2, lambda x: x[x > 0.5].squeeze() * 2):
        halves = torch.linspace(0, 1, 5)
        check(function, halves, calls=[(halves / 2,), (halves * 0.6,)], opsets=(9, 11, 13, 20))


def test_computed_sizes() -> None:
    """A number of the run that is a size or -1, and elements of which there may be none."""

    def sized(x: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
        picked = x[:, :, x[0, 0] > 2]
        return x.reshape(n, 4), picked.reshape(n, 2), picked.reshape(2, -1, 3) * 1

    for opset in (9, 11, 13, 20):
        check(sized, X, -1, mode="script", opsets=(opset,), calls=[(X + 1, 6), (X - 50, -1)])


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_empty(shape: tuple[int, ...]) -> None:
    empty = torch.zeros(shape)
    check(lambda x: (x.flatten(), x.flatten(1), x.transpose(0, 1), x.unsqueeze(1)), empty)
    check(lambda x: x.reshape(0, 7, 5), empty)
    check(lambda x: x.flatten(1) * 1, X, dynamic=True, calls=[(empty,)])
    check(lambda x: x.flatten(0, 1) * 1, X, opsets=(20,), dynamic=True, calls=[(empty,)])
    for unit in (
        lambda x: x.unflatten(1, [1, -1]) * 1,
        lambda x: x.view(x.size(0), 1, x.size(1), 1, x.size(2)) * 1,
        lambda x: x.unsqueeze(1).view(x.shape) * 1,
    ):
        check(unit, X, opsets=(20,), dynamic=True, calls=[(empty,)])


def test_scalars() -> None:
    check(
        lambda x: (x.view(1), x.flatten(), x.reshape(1, 1), x.transpose(0, -1), x.squeeze(0)),
        torch.tensor(3.0),
    )
    check(lambda x: (x.T, x.t(), x.mT, x.mH, x.H, x.adjoint()), torch.tensor(3))
    check(lambda x: (x.squeeze(), x.unsqueeze(0), x.expand(2, 0)), torch.tensor(3))


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """A shape and another one with as many elements, in which one size may be -1."""
    shape = draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), max_size=4))
    total = 1
    for size in shape:
        total *= size
    target = []
    while total > 1 and len(target) < 3:
        size = draw(st.sampled_from([d for d in range(1, total + 1) if total % d == 0]))
        target.append(size)
        total //= size
    target.append(total)
    if draw(st.booleans()):
        target[draw(st.integers(0, len(target) - 1))] = -1
    return shape, target


@settings(max_examples=40, deadline=None)
@given(reshapes(), st.booleans())
def test_reshape(case: tuple[list[int], list[int]], dynamic: bool) -> None:
    """Known sizes of the result, from known and from dynamic dims."""
    shape, target = case
    check(lambda x: x.reshape(target), torch.rand(shape), opsets=(20,), dynamic=dynamic)
