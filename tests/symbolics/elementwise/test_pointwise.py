"""Functions of one tensor."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

INF, NAN = float("inf"), float("nan")
EDGES = torch.tensor([0.0, -0.0, 0.3, -0.3, 0.5, 1.5, -2.5, 1e-8, 30.0, INF, -INF, NAN])
INTS = torch.tensor([-2, 0, 1, 3])
BOOLS = torch.tensor([True, False])

WITH_BOOLS = [
    "acos", "acosh", "angle", "asin", "asinh", "atan", "atanh", "cos", "cosh", "deg2rad", "exp",
    "exp2", "expm1", "log", "log10", "log1p", "log2", "logit", "rad2deg", "reciprocal", "rsqrt",
    "sgn", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh", "sqrt", "square", "tan", "tanh",
    "nan_to_num",
]  # fmt: skip
WITHOUT_BOOLS = [
    "abs", "ceil", "floor", "neg", "round", "trunc", "positive",
]  # fmt: skip


@pytest.mark.parametrize("name", WITH_BOOLS)
def test_all_dtypes(name: str) -> None:
    function = getattr(torch, name)
    check(function, EDGES)
    for values in (INTS, BOOLS, EDGES.half(), EDGES.double(), torch.tensor(0.5), torch.ones(0, 2)):
        check(function, values, opsets=(20,), rtol=1e-3)


@pytest.mark.parametrize("name", WITHOUT_BOOLS)
def test_all_dtypes_but_bool(name: str) -> None:
    function = getattr(torch, name)
    check(function, EDGES)
    for values in (INTS, INTS.to(torch.uint8), EDGES.half(), EDGES.double(), torch.tensor(0.5)):
        check(function, values, opsets=(20,))


def test_rounding_at_decimals() -> None:
    x = torch.tensor([1.255, -0.5, 1234.5, 2.5])
    check(lambda a: (a.round(decimals=0), a.round(decimals=2), a.round(decimals=-2)), x)


def test_frac_and_frexp() -> None:
    check(torch.frac, torch.tensor([1.5, -1.5, 0.0, 3.0]))
    x = torch.tensor([1.0, 0.5, 8.0, 7.99999, -3.0, 0.0, 1e-40, 1e38, 2.0**-126, INF])
    check(torch.frexp, x)
    check(torch.frexp, x.double())


def test_nan_to_num() -> None:
    check(lambda a: torch.nan_to_num(a, 1.0, posinf=2.0), EDGES)
    check(lambda a: torch.nan_to_num(a, neginf=-3.0), EDGES.double())


def test_logit_with_a_limit() -> None:
    check(lambda a: torch.logit(a, 0.1), torch.tensor([0.0, 0.05, 0.5, 1.0, NAN]))


def test_sizes_may_vary() -> None:
    check(lambda a: torch.sin(a).abs().neg(), EDGES, dynamic=True, calls=[(INTS / 3,)])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_nextafter(dtype: torch.dtype) -> None:
    """To the bit: across powers of two, zero, subnormal numbers and the largest one."""
    limits = torch.finfo(dtype)
    least = limits.smallest_normal * limits.eps
    numbers = [0.0, -0.0, 1.0, 1.5, -2.0, limits.tiny, limits.tiny * 2, least, 3 * least]
    numbers += [limits.max, limits.min, INF, -INF, NAN, 0.1, 1 + limits.eps, limits.tiny * 1.5]
    x = torch.tensor(numbers, dtype=dtype)
    left, right = torch.meshgrid(x, x, indexing="ij")
    check(torch.nextafter, left, right, rtol=0, atol=0)
    check(torch.nextafter, torch.randn(200, dtype=dtype) * 100, x[2], rtol=0, atol=0)
    check(torch.frexp, x, rtol=0, atol=0)


def test_bfloat16() -> None:
    """Its limits are its own."""
    check(lambda x: torch.nan_to_num(x.bfloat16()).float(), EDGES, opsets=[20])
    ones = torch.ones(3)
    rrelu = torch.nn.functional.rrelu
    check(lambda x: rrelu(x.bfloat16(), training=True).float(), ones, opsets=[20])
