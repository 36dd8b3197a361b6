"""`F.interpolate` as one operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.symbolics.harness import check, refuses

X, ROW = torch.randn(1, 2, 6, 5), torch.randn(1, 2, 9)


def by_a_factor(x: Tensor) -> Any:
    return (
        torch.ops.aten.__interpolate(x, None, 2.0),
        torch.ops.aten.__interpolate(x, None, [1.3, 0.7], "bilinear", False),
        torch.ops.aten.__interpolate(x, None, [1.3, 0.7], "bilinear", False, False),
        torch.ops.aten.__interpolate(x, None, [0.5, 0.5], "area"),
    )


def to_a_size(x: Tensor) -> Any:
    return (
        torch.ops.aten.__interpolate(x, 9, None, "bilinear", True),
        torch.ops.aten.__interpolate(x, [4, 7], None, "bicubic", False),
        torch.ops.aten.__interpolate(x, [x.size(2) + 1, 3], None, "nearest"),
    )


def earlier_names(x: Tensor) -> Any:
    return (
        torch.ops.aten.__upsample(x, [3, 4]),
        torch.ops.aten.__upsample_nearest(x, None, 2),
        torch.ops.aten.__upsample_bilinear(x, None, [2, 3]),
    )


@pytest.mark.parametrize("function", [by_a_factor, to_a_size, earlier_names])
def test_images(function: Callable[[Tensor], Any]) -> None:
    calls = [(torch.randn(2, 2, 8, 6),)]
    check(function, X, mode="script", dynamic=True, calls=calls)


def test_rows() -> None:
    def function(x: Tensor) -> Tensor:
        return torch.ops.aten.__interpolate(x, None, 1.5, "linear", False)

    check(function, ROW, mode="script")


def test_errors() -> None:
    def wrong_dims(x: Tensor) -> Tensor:
        return torch.ops.aten.__interpolate(x, 3, None, "linear")

    def neither(x: Tensor) -> Tensor:
        return torch.ops.aten.__interpolate(x)

    refuses(wrong_dims, X, mode="script", match="mode='linear' of 2 dims")
    refuses(neither, X, mode="script", match="either a size or a scale factor")
