"""Results that are written to tensors given as `out=`, or under names of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.symbolics.harness import check

X, Y = torch.randn(3, 4), torch.randn(3, 4)


def empty(*dtypes: torch.dtype) -> list[torch.Tensor]:
    return [torch.empty(0, dtype=d) for d in dtypes]


def unary(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Functions that numbers have too."""
    outs = empty(*[torch.float32] * 5)
    for function, out in zip((torch.sin, torch.neg, torch.log1p, torch.trunc, torch.abs), outs):
        function(x, out=out)
    return tuple(outs)


def binary(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    less, equal = empty(torch.bool, torch.bool)
    power, floor, larger = empty(*[torch.float32] * 3)
    torch.lt(x, y, out=less)
    torch.eq(x, 0.5, out=equal)
    torch.pow(x, 2, out=power)
    torch.floor_divide(x, y, out=floor)
    torch.maximum(x, y, out=larger)
    return less, equal, power, floor, larger


def named(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Several results, in the order of the operator's own names for them."""
    floats, ints = empty(*[torch.float32] * 7), empty(*[torch.int64] * 2)
    torch.max(x, dim=1, out=(floats[0], ints[0]))
    torch.sort(x, dim=0, out=(floats[1], ints[1]))
    torch.aminmax(x, dim=1, out=(floats[2], floats[3]))
    torch.linalg.slogdet(x[:, :3], out=(floats[4], floats[5]))
    (exponent,) = empty(torch.int32)
    torch.frexp(x, out=(floats[6], exponent))
    return (*floats, *ints, exponent)


def with_part_of_a_tensor(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A view as `out=` writes to what it is a view of."""
    base = y.clone()
    torch.cos(x[0], out=base[1])
    return base


@pytest.mark.parametrize("function", [unary, binary, named, with_part_of_a_tensor])
def test_written(function: Callable[..., object]) -> None:
    check(function, X, Y, opsets=(13, 20))


def test_an_in_place_operator_whose_arguments_stand_otherwise() -> None:
    check(lambda x: (x * 1).polygamma_(1), X.abs() + 1)
