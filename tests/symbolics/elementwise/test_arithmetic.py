"""Arithmetic of two or three tensors."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check, refuses

INF, NAN = float("inf"), float("nan")
EDGES = torch.tensor([0.0, -0.0, 1.0, -1.5, 2.5, 7.0, -7.0, INF, -INF, NAN])
ROW, COLUMN = EDGES.reshape(1, -1), EDGES.reshape(-1, 1)
INTS = torch.tensor([-7, -3, -1, 0, 1, 3, 7])
DIVISORS = torch.tensor([[-3], [2], [5]])
BOOLS = torch.tensor([True, False, True])

PAIRS = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "div floor": lambda a, b: torch.div(a, b, rounding_mode="floor"),
    "div trunc": lambda a, b: torch.div(a, b, rounding_mode="trunc"),
    "remainder": torch.remainder,
    "fmod": torch.fmod,
    "atan2": torch.atan2,
    "hypot": torch.hypot,
    "copysign": torch.copysign,
    "lerp": lambda a, b: torch.lerp(a, b, torch.tensor([[0.25], [0.75]]).repeat(5, 1)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_edges_of_floats(name: str) -> None:
    """Every pair of zeros, infinities, NaN and plain numbers."""
    check(PAIRS[name], ROW, COLUMN)


@pytest.mark.parametrize("name", [n for n in PAIRS if n not in ("lerp", "hypot")])
def test_integers(name: str) -> None:
    check(PAIRS[name], INTS, DIVISORS)


def test_flooring_is_by_the_remainder() -> None:
    """1 // 0.1 is 9: the quotient of the two floats rounds to 10."""
    check(torch.floor_divide, torch.tensor([1.0, -1.0, 0.3]), torch.tensor(0.1))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_small_integers_wrap_around(dtype: torch.dtype) -> None:
    x = torch.tensor([1, 100, 120], dtype=dtype)
    check(lambda a: (a + 100, a * 3, a - 100, a // 7, a % 7, a + a), x)


MIXED = [
    (torch.ones(2, dtype=torch.int32), torch.tensor(2.5)),
    (torch.ones(2, dtype=torch.float16), torch.tensor(2.5)),
    (torch.ones(2, dtype=torch.uint8), torch.ones(2, dtype=torch.int8)),
    (torch.ones(2, dtype=torch.float64), torch.ones(2)),
    (BOOLS, torch.tensor([1, 2, 3])),
    (BOOLS, BOOLS),
    (torch.ones(0, 3), torch.ones(1, 3)),
    (torch.tensor(2), torch.tensor(3.0)),
]


@pytest.mark.parametrize("pair", MIXED, ids=str)
def test_promotion(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    check(lambda a, b: (a + b, a * b, a / b), *pair)


NUMBERS = [2, 2.5, True, -1]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float16, torch.float32])
def test_python_numbers(dtype: torch.dtype, number: float) -> None:
    x = torch.tensor([[0, 1], [1, 1]]).to(dtype)
    check(lambda a: (a + number, number * a, a / number, number + a), x, opsets=(20,))


def test_alpha() -> None:
    x, y = torch.arange(3), torch.arange(3)
    check(lambda a, b: (torch.add(a, b, alpha=3), torch.sub(a, b, alpha=2)), x, y)
    check(lambda a, b: (torch.add(a, b, alpha=0.5), torch.rsub(a, b, alpha=2)), x / 2, y / 2)
    check(lambda a: torch.rsub(a, 2, alpha=3), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_a_zero_that_is_added(dtype: torch.dtype) -> None:
    """It makes 0.0 of -0.0, which atan2 tells apart; a zero that is taken off does not."""
    x = torch.tensor([0.0, -0.0, 2.0, -INF]).to(dtype)
    check(lambda a: torch.reciprocal(a * 1.5 + 0.0), x)
    check(lambda a: (torch.reciprocal(a - 0.0), torch.atan2(-a + 0.0, -a.abs() - 1)), x)
    check(lambda a: torch.reciprocal(-a + torch.zeros(1, dtype=a.dtype)), x)


def test_three_operands() -> None:
    x = torch.randn(3, 4)
    check(lambda a, b: torch.addcmul(a, b, b, value=0.5), x, x[0])
    check(lambda a, b: torch.addcdiv(a, b, b + 3, value=2), x, x[0])
    check(lambda a, b: (torch.lerp(a, b, 0.3), torch.lerp(a, b, 0.9)), x, x[0])
    # A weight that is a tensor counts for the dtype.
    check(torch.lerp, torch.tensor([1, 2]), torch.tensor([4, 8]), torch.tensor(0.25))
    check(torch.lerp, x.half(), x[0].half(), torch.tensor(0.25))


POWERS = [0, 1, 2, 3, 0.5, -0.5, -1, -2, 2.5]


@pytest.mark.parametrize("exponent", POWERS)
def test_powers_of_floats(exponent: float) -> None:
    check(lambda a: a**exponent, EDGES)


def test_powers() -> None:
    check(lambda a: (a**0, a**1, a**2, a**5, a**0.5, 2 ** a.abs(), 2.5**a), INTS)
    check(torch.pow, INTS, torch.tensor([[0], [1], [-1], [-2], [3], [40], [120]]))
    for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        limits = torch.iinfo(dtype)
        known = {0, 1, 2, 3, 7, limits.min, limits.min + 1, limits.max - 1, limits.max}
        edges = torch.tensor(sorted(known | ({-1, -2} if limits.min else set())), dtype=dtype)
        check(torch.pow, edges[:, None], edges, dynamic=True, calls=[(edges[:0, None], edges[:0])])
        check(lambda a: (3**a, a**3), edges)
    check(torch.pow, ROW, COLUMN, rtol=1e-3)
    check(lambda a: (torch.float_power(a, 2), torch.float_power(2, a)), INTS)
    check(lambda a: (a**2, a ** INTS[-1]), BOOLS)


def test_common_divisors() -> None:
    big = torch.tensor([2**62, 7540113804746346429, 12, 0, -8])
    check(torch.gcd, big, torch.tensor([[0], [4660046610375530309], [18], [-4]]))
    check(torch.lcm, torch.tensor([4, 6, 0, -8]), torch.tensor([[6], [0], [5]]))
    for dtype in (torch.int8, torch.uint8, torch.int16, torch.int32):
        row = torch.tensor([3, 80, 79, 127, 0]).to(dtype)
        check(torch.lcm, row, row.flip(0)[:, None], opsets=(20,))
    check(
        torch.lcm, torch.tensor([30000], dtype=torch.int16), torch.tensor([-7], dtype=torch.int16)
    )


def test_sizes_may_vary() -> None:
    check(
        lambda a, b: (a + b, a // 2, a % b, a**2),
        torch.rand(2, 3) + 1,
        torch.rand(3) + 1,
        dynamic=True,
        calls=[(torch.rand(5, 4) + 1, torch.rand(4) + 1), (torch.rand(0, 1), torch.rand(1))],
        opsets=(20,),
    )


def test_what_pytorch_refuses_is_refused() -> None:
    """A script is checked at run time only, so the exporter has to say it."""

    def invert(x: torch.Tensor) -> torch.Tensor:
        return x - x

    refuses(invert, BOOLS, match="does not subtract bool", mode="script")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_ldexp(dtype: torch.dtype) -> None:
    """A float keeps its dtype, whatever the power of two alone would be."""
    x = torch.tensor([0.0, 1.0, -3.0, 1e-4, INF, NAN], dtype=dtype)[:, None]
    for places in (torch.int64, torch.uint8):
        other = torch.tensor([0, 1, 3, 20, 100, 200], dtype=places)
        check(torch.ldexp, x, other)
        check(torch.ldexp, x[0, 0], other)
    check(torch.ldexp, x, torch.tensor([-3, -140, -1000, 1000, 2**40, -(2**40)]))
    check(torch.ldexp, torch.tensor([1e-30]), torch.tensor([140]))
    check(torch.ldexp, torch.tensor([1e-300], dtype=torch.float64), torch.tensor([1900]))
    check(torch.ldexp, torch.tensor([3]), torch.tensor([-2]))
    check(torch.ldexp, x.float(), torch.tensor([0.5, -2.5]))
