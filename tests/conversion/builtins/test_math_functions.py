"""Arithmetic and `math` of run-time numbers, and of the same numbers known beforehand.

The reference is the scripted program: C++ gives NaN and infinity where Python raises. The inverse
and hyperbolic functions have no kernel for doubles in onnxruntime, and come back from floats.
"""

import math
from typing import Any

import numpy as np
import pytest
import torch

import exporter
from exporter.errors import ExportError
from tests.conversion.harness import loaded, run

INF, NAN = math.inf, math.nan
LARGE = 2**63 - 1
INEXACT = {"asin", "acos", "atan", "sinh", "asinh", "acosh", "atanh"}
FLOATS = [0.5, -0.5, 3.0, 0.0, -2.0, 2.5, 1e-9, -7.75, INF, -INF, NAN]
PAIRS = [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (1.0, 0.1), (-0.5, 0.25), (1e-9, -1e9), (0.0, 3.0),
         (5.0, INF), (-5.0, INF)]  # fmt: skip
INTS = [(7, 2), (-7, 2), (7, -2), (-7, -2), (0, 3), (LARGE, 2), (-(2**62), 3)]


def compare_both(
    source: str, calls: list[tuple[Any, ...]], names: tuple[str, ...], rtol: float = 1e-9
) -> None:
    """Compare a function's results for run-time arguments, and for arguments bound to constants."""
    function = torch.jit.CompilationUnit(source).f
    session = loaded(exporter.export(function, calls[0]))
    for call in calls:
        wanted = function(*call)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        bound = exporter.export(function, constants=dict(zip(names, call, strict=True)))
        for found in (run(session, call), run(loaded(bound), ())):
            assert len(found) == len(wanted)
            for one, other in zip(found, wanted, strict=True):
                assert np.asarray(one).dtype == np.asarray(other).dtype
                np.testing.assert_allclose(one, other, rtol, 1e-12, err_msg=f"{source} {call}")


@pytest.mark.parametrize(
    "function",
    ["sqrt", "exp", "log", "log10", "log1p", "expm1", "sin", "cos", "atan", "tanh", "sinh", "asin",
     "acos", "acosh", "atanh", "asinh", "fabs", "degrees", "radians", "erf", "erfc", "lgamma",
     "gamma"],
)  # fmt: skip
def test_functions(function: str) -> None:
    calls = [(x,) for x in FLOATS if function not in ("sin", "cos") or math.isfinite(x)]
    rtol = 1e-9 if function not in INEXACT else 1e-6
    compare_both(f"def f(a: float):\n    return math.{function}(a)\n", calls, ("a",), rtol)


def test_small_arguments() -> None:
    """Where the sum with 1 would lose all digits."""
    source = "def f(a: float):\n    return math.log1p(a) * 1e12, math.expm1(a) * 1e12\n"
    compare_both(source, [(1e-12,), (-1e-12,)], ("a",))


@pytest.mark.parametrize(
    "expression",
    ["a // b", "a % b", "a / b", "divmod(a, b)", "math.fmod(a, b)", "math.atan2(a, b)",
     "math.copysign(a, b)", "math.remainder(a, b)", "a ** b", "math.pow(a, b)", "min(a, b), max(a, b)"],
)  # fmt: skip
def test_two_floats(expression: str) -> None:
    source = f"def f(a: float, b: float):\n    return {expression}\n"
    compare_both(source, PAIRS, ("a", "b"), 1e-6 if "atan2" in expression else 1e-9)


def test_remainder_halfway_and_beyond() -> None:
    """Halfway between two multiples the even one counts; the sign is the dividend's."""
    source = "def f(a: float, b: float):\n    return math.remainder(a, b)\n"
    calls = [(a, b) for a in (3.0, -3.0, 5.0, 1e17, 0.7, -0.0) for b in (2.0, -2.0, 0.3, math.inf)]
    compare_both(source, calls, ("a", "b"))


def test_division_by_zero() -> None:
    """Floats give infinity or NaN; ints raise, which a conversion for that value says."""
    source = "def f(a: float, b: float):\n    return a / b, a // b, a % b, math.fmod(a, b)\n"
    compare_both(source, [(5.0, 0.0), (-5.0, 0.0), (0.0, 0.0)], ("a", "b"))
    function = torch.jit.CompilationUnit("def f(a: int, b: int):\n    return a // b\n").f
    with pytest.raises(ExportError, match="division by 0"):
        exporter.export(function, constants={"a": 5, "b": 0})


@pytest.mark.parametrize(
    "expression",
    ["a // b", "a % b", "divmod(a, b)", "a / b", "math.gcd(a, b)", "a & b, a | b, a ^ b",
     "a + b, a - b, a * b", "math.fmod(a, b)", "abs(a), -a, min(a, b), max(a, b)"],
)  # fmt: skip
def test_two_ints(expression: str) -> None:
    """Rounded down, and wrapped to 64 bits."""
    compare_both(f"def f(a: int, b: int):\n    return {expression}\n", INTS, ("a", "b"))


def test_shifts() -> None:
    calls = [(a, b) for a in (5, -5, LARGE) for b in (0, 1, 40, 62, 63)]
    compare_both("def f(a: int, b: int):\n    return a << b, a >> b\n", calls, ("a", "b"))


def test_powers_of_ints() -> None:
    calls = [(2, 3), (-2, 3), (2, 0), (3, -2)]
    compare_both("def f(a: int, b: int):\n    return a ** b, a ** 2\n", calls, ("a", "b"))


def test_logarithm_to_a_base() -> None:
    compare_both("def f(a: int, b: float):\n    return math.log(a, b)\n", [(3, 2.0)], ("a", "b"))


def test_parts_of_floats() -> None:
    source = "def f(a: float):\n    return math.modf(a)\n"
    compare_both(source, [(x,) for x in FLOATS if not math.isnan(x)], ("a",))
    finite = [(0.5,), (-2.75,), (8.0,), (0.0,), (1e-300,)]
    compare_both("def f(a: float):\n    return math.frexp(a)\n", finite, ("a",))
    source = "def f(a: float, b: int):\n    return math.ldexp(a, b)\n"
    compare_both(source, [(0.75, 3), (-2.0, -2), (1.5, 1023), (0.75, 1024)], ("a", "b"))


def test_factorial() -> None:
    function = torch.jit.CompilationUnit("def f(a: int):\n    return math.factorial(a)\n").f
    compare_both(
        "def f(a: int):\n    return math.factorial(a)\n", [(0,), (5,), (21,), (65,)], ("a",)
    )
    session = loaded(exporter.export(function, (1,)))
    for number in (-1, 66):
        with pytest.raises(Exception, match="out of data bounds|out of bounds|indices"):
            run(session, (number,))
    with pytest.raises(ExportError, match="negative values"):
        exporter.export(function, constants={"a": -1})


def test_rounding() -> None:
    """Half to even; the sign of zero stays."""
    calls = [(0.5,), (1.5,), (2.5,), (-0.5,), (-1.5,), (2.4999,), (1e17,)]
    source = "def f(a: float):\n    return round(a), math.floor(a), math.ceil(a), int(a), 1.0 / round(a)\n"
    compare_both(source, calls, ("a",))
    unit = torch.jit.CompilationUnit("def f(a: float):\n    return math.floor(a)\n")
    with pytest.raises(ExportError, match="cannot convert float inf"):
        exporter.export(unit.f, constants={"a": INF})
