"""`_foreach_` operators give what the operator on one tensor gives for each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.symbolics.harness import check, refuses

X, Y = torch.rand(3), torch.rand(2, 2)
UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 max "
    "neg reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc norm clone"
)

FUNCTIONS: dict[str, Callable[..., list[torch.Tensor]]] = {
    **{name: lambda x, y, n=name: getattr(torch, f"_foreach_{n}")([x, y]) for name in UNARY.split()},
    "add.Scalar": lambda x, y: torch._foreach_add([x, y], 2.0),
    "add.List": lambda x, y: torch._foreach_add([x, y], [y[0, 0], x[0]], alpha=2),
    "div.Tensor": lambda x, y: torch._foreach_div([x, y], y[0, 0]),
    "norm of an order": lambda x, y: torch._foreach_norm([x, y], 1),
    "maximum.Scalar": lambda x, y: torch._foreach_maximum([x, y], 0.5),
    "maximum.List": lambda x, y: torch._foreach_maximum([x, y], [1 - x, y * y]),
    "minimum.Scalar": lambda x, y: torch._foreach_minimum([x, y], 0.5),
    "clamp_min.List": lambda x, y: torch._foreach_clamp_min([x, y], [1 - x, y * y]),
    "addcmul.Scalar": lambda x, y: torch._foreach_addcmul([x, y], [x, y], [x, y], 0.5),
    "addcmul.Tensor": lambda x, y: torch._foreach_addcmul([x, y], [x, y], [x, y], X[:2]),
    "addcdiv.Tensor": lambda x, y: torch._foreach_addcdiv([x, y], [x, y], [x, y], X[1:]),
    "lerp.Scalar": lambda x, y: torch._foreach_lerp([x, y], [x * 2, y * 3], 0.3),
    "pow.ScalarAndTensor": lambda x, y: torch._foreach_pow(2.0, [x, y]),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results(name: str) -> None:
    """Results are a list, one for each tensor."""
    check(FUNCTIONS[name], X, Y, opsets=[20])


def test_in_place() -> None:
    """The tensors of the list are written."""

    def function(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = x.clone(), y.clone()
        torch._foreach_add_([a, b], 1.5)
        torch._foreach_mul_([a, b], [b[0, 0], a[0]])
        torch._foreach_copy_([a, b], [a + 1, b * 2])
        torch._foreach_maximum_([a, b], 2.0)
        torch._foreach_zero_([b])
        return a, b

    check(function, X, Y, opsets=[20])


def test_lists_of_different_lengths() -> None:
    @torch.jit.script
    def function(x: torch.Tensor) -> list[torch.Tensor]:
        return torch._foreach_add([x, x], [x])

    refuses(function, X, mode="script", match="_foreach_add: lists of different lengths")
