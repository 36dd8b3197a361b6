"""All pairs of edge values, in all pairs of dtypes: every operator of two numbers at once.

Left out is what C++ leaves open: integers divided by zero, the smallest one divided by -1 and what
is computed from both by a fused multiplication. Powers of integers have a test of their own.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.symbolics.harness import check

INF, NAN = float("inf"), float("nan")
FLOATS = [
    0.0,
    -0.0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3,
    7,
    -7,
    0.1,
    1e-8,
    1e10,
    -1e10,
    INF,
    -INF,
    NAN,
]
DTYPES = (
    torch.float32,
    torch.float64,
    torch.int64,
    torch.int32,
    torch.int8,
    torch.uint8,
    torch.bool,
)

Function = Callable[[Tensor, Tensor], Tensor]
BINARY = (
    "add mul div maximum minimum fmax fmin atan2 copysign heaviside logical_and logical_or "
    "logical_xor eq ne lt le gt ge xlogy float_power"
)
ANY: dict[str, Function] = {name: getattr(torch, name) for name in BINARY.split()}
NUMBERS: dict[str, Function] = {
    "sub": torch.sub,
    "where": lambda a, b: torch.where(a > b, a, b),
    "clamp": lambda a, b: torch.clamp(a, b, b),
}
QUOTIENTS: dict[str, Function] = {
    "remainder": torch.remainder,
    "fmod": torch.fmod,
    "floor": lambda a, b: torch.div(a, b, rounding_mode="floor"),
    "trunc": lambda a, b: torch.div(a, b, rounding_mode="trunc"),
}
WHOLE: dict[str, Function] = {
    "and": torch.bitwise_and,
    "or": torch.bitwise_or,
    "xor": torch.bitwise_xor,
    "left": torch.bitwise_left_shift,
    "right": torch.bitwise_right_shift,
    "gcd": torch.gcd,
}


def edges(dtype: torch.dtype) -> Tensor:
    """The values at which something may go wrong."""
    if dtype == torch.bool:
        return torch.tensor([False, True])
    if dtype.is_floating_point:
        return torch.tensor(FLOATS, dtype=dtype)
    limits = torch.iinfo(dtype)
    known = {0, 1, 2, 3, 7, 63, 100, limits.max, limits.max - 1, limits.min, limits.min + 1}
    return torch.tensor(sorted(known | ({-1, -2, -7} if limits.min else set())), dtype=dtype)


def taken(functions: dict[str, Function], a: Tensor, b: Tensor) -> list[Function]:
    """Those of the functions that PyTorch has for these dtypes."""
    found = []
    for function in functions.values():
        try:
            function(a[:1], b[:1])
        except (RuntimeError, NotImplementedError):
            continue
        found.append(function)
    return found


def check_pairs(functions: dict[str, Function], a: Tensor, b: Tensor) -> None:
    """Compare each with each, in one model."""
    left = a[:, None].expand(len(a), len(b)).reshape(-1)
    right = b.expand(len(a), len(b)).reshape(-1)
    known = taken(functions, left, right)
    if known:
        check(lambda x, y: tuple(f(x, y) for f in known), left, right, opsets=[20], rtol=1e-5)


@pytest.mark.parametrize("second", DTYPES)
@pytest.mark.parametrize("first", DTYPES)
def test_pairs(first: torch.dtype, second: torch.dtype) -> None:
    a, b = edges(first), edges(second)
    check_pairs({**ANY, **NUMBERS}, a, b)
    if not (first.is_floating_point or second.is_floating_point):
        check_pairs(WHOLE, a, b)
        a, b = a[a != a.min()] if first != torch.bool else a, b[b != 0]
    check_pairs(QUOTIENTS, a, b)


@pytest.mark.parametrize("number", [0, 1, -1, 3, 0.5, -2.5, 300])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_and_a_number(dtype: torch.dtype, number: float) -> None:
    """A Python number decides over the dtype by its kind alone."""
    functions: dict[str, Function] = {
        "add": lambda x, _: x + number,
        "rsub": lambda x, _: number - x,
        "mul": lambda x, _: x * number,
        "div": lambda x, _: x / number,
        "less": lambda x, _: x < number,
        "equal": lambda x, _: x == number,
        "where": lambda x, _: torch.where(x > 0, x, number),
        "clamp": lambda x, _: x.clamp(min=number),
        "fill": lambda x, _: x.masked_fill(x > 0, number),
    }
    x = edges(dtype)
    known = taken(functions, x, x)
    check(lambda x: tuple(f(x, x) for f in known), x, opsets=[20], rtol=1e-5)
