"""Which arrays agree, and what is said of those that don't."""

import ml_dtypes
import numpy as np
import pytest

from exporter.verification import Tolerance, compare

NAN, INF = np.nan, np.inf


def problem(expected, actual, **tolerance) -> str | None:
    return compare("y", np.asarray(expected), np.asarray(actual), Tolerance(**tolerance)).problem


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ([1.0, NAN, INF, -INF], [1.0, NAN, INF, -INF]),
        ([1.0], [1.0 + 5e-6]),
        ([1e6, 0.0], [1e6, 1.0]),  # next to a million
        (np.float32(2), np.float32(2.001)),
        (np.empty((0, 3)), np.empty((0, 3))),
        (np.array([1 + 1j]), np.array([1 + 1.0001j])),
        (np.array([1], np.float16), np.array([1.005], np.float16)),
        (np.array([1], ml_dtypes.bfloat16), np.array([1.01], ml_dtypes.bfloat16)),
        ([1, 2], [1, 2]),
        ([True], [True]),
        (["a"], ["a"]),
    ],
)
def test_what_agrees(expected, actual) -> None:
    assert problem(expected, actual) is None


@pytest.mark.parametrize(
    ("expected", "actual", "said"),
    [
        ([1.0], np.array([1.0], np.float32), "has dtype float32, expected float64"),
        ([1.0], [[1.0]], r"has shape [1, 1], expected [1]"),
        ([1, 2, 3], [1, 5, 6], "differs in 2 of 3 elements, first at [1]: 5, expected 2"),
        ([[1.0, 2.0]], [[1.0, 2.5]], "largest absolute error 0.5, relative 0.25"),
        ([1.0, 2.0], [1.0, NAN], "at [1]: nan, expected 2.0"),
        ([INF], [-INF], "differs in 1 of 1 elements"),
        ([1.0], [INF], "at [0]: inf, expected 1.0"),
        ([0.0], [1e-4], "absolute error 0.0001, relative 0 (rtol 0.001, atol 1e-05)"),
    ],
)
def test_what_differs(expected, actual, said) -> None:
    assert said in str(problem(expected, actual))


def test_tolerances_are_the_callers() -> None:
    assert problem([1.0], [1.4], rtol=0.5) is None
    assert problem([1.0], [1.0 + 5e-6], rtol=0.0, atol=1e-6) is not None


def test_errors_of_what_agrees_are_told() -> None:
    found = compare("y", np.array([1.0, 4.0]), np.array([1.0, 4.0004]), Tolerance())
    assert found.problem is None
    assert found.max_abs == pytest.approx(4e-4)
    assert found.max_rel == pytest.approx(1e-4)


def test_quantized_models_are_held_to_a_few_steps() -> None:
    """Relative to the largest number, unless a tolerance is given."""
    expected, actual = np.array([2.0, 0.5], np.float32), np.array([1.95, 0.58], np.float32)
    tolerance = Tolerance().for_model({"QuantizeLinear", "Conv"})
    assert compare("y", expected, actual, tolerance).problem is None
    assert compare("y", expected, -actual, tolerance).problem is not None
    assert compare("y", expected, actual, Tolerance().for_model({"Conv"})).problem is not None
    strict = Tolerance(atol=1e-3).for_model({"QuantizeLinear"})
    assert compare("y", expected, actual, strict).problem is not None
