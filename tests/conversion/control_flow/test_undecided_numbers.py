"""Dims and modes that only the run tells, staged with each that they may be."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.conversion.harness import check, converted, loaded, refuses, run, script

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
DIMS = [(X, d) for d in (0, 1, -1, -2)]


def test_a_dim() -> None:
    def program(x: Tensor, d: int) -> tuple[Tensor, Tensor, int]:
        total = x.softmax(d).max() + torch.cat([x, x], d).sum()
        return x.cumsum(d), total, x.size(d)

    check(program, *DIMS)
    check(program, (X, 1), (torch.randn(4, 2), -1), (torch.randn(1, 5), 0), dynamic=True)


def test_a_dim_that_decides_the_shape() -> None:
    def program(x: Tensor, d: int) -> tuple[Tensor, Tensor, Tensor]:
        values, where = x.max(d)
        return x.sum(d), values, where

    check(program, *DIMS)


def test_a_new_dim() -> None:
    """There is one place more than there are dims."""

    def program(x: Tensor, d: int) -> tuple[Tensor, Tensor]:
        return x.unsqueeze(d), torch.stack([x, -x], d)

    check(program, *[(X, d) for d in (0, 2, -1, -3)])


def test_several_dims() -> None:
    def program(x: Tensor, a: int, b: int) -> Tensor:
        return x.permute(a, b)

    check(program, (X, 0, 1), (X, 1, 0), (X, -1, -2))


def test_a_dim_out_of_range() -> None:
    def program(x: Tensor, d: int) -> Tensor:
        return x.cumsum(d)

    session = loaded(converted(script(program), (X, 1)))
    with pytest.raises(Exception, match="out of data bounds|out of bounds|indices"):
        run(session, (X, 2))


def test_a_mode_that_a_branch_decides() -> None:
    def program(x: Tensor, c: bool) -> tuple[Tensor, Tensor]:
        reduction = "sum" if c else "mean"
        mode = "nearest" if c else "bilinear"
        y = F.interpolate(x[None, None], scale_factor=2.0, mode=mode)
        return F.mse_loss(x, x * 2, reduction=reduction), y

    check(program, (X, True), (X, False))


def test_a_dtype_that_a_branch_decides() -> None:
    def kept(x: Tensor, c: bool) -> Tensor:
        dtype = torch.float64 if c else torch.float32
        return x.to(dtype)

    refuses(kept, X, True, match="DOUBLE or FLOAT|FLOAT or DOUBLE")
