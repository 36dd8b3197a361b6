"""What counts as equal, and what is said where it is not; works without PyTorch."""

import numpy as np
import pytest

from models.comparison import difference, flat_arrays

ONE = np.ones((2, 3), np.float32)
NAN = np.array([np.nan, np.inf, 1], np.float32)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ([], []),
        ([ONE], [ONE * 1.0005]),
        ([ONE * 0], [ONE * 5e-6]),
        ([ONE * np.float32([0, 0, 1e6])], [ONE * np.float32([5, 5, 1e6])]),
        ([NAN], [NAN.copy()]),
        ([np.zeros((0, 4), np.float32)], [np.zeros((0, 4), np.float32)]),
    ],
)
def test_equal(expected: list[np.ndarray], actual: list[np.ndarray]) -> None:
    assert difference(expected, actual) is None


@pytest.mark.parametrize(
    ("expected", "actual", "said"),
    [
        ([ONE], [], "1 outputs expected, 0 returned"),
        ([ONE], [ONE.T], r"output 0: shape \(2, 3\) expected, \(3, 2\) returned"),
        ([ONE], [ONE.astype(np.float64)], "output 0: dtype float32 expected, float64 returned"),
        ([ONE[:1, :1]], [ONE[0, 0]], r"shape \(1, 1\) expected, \(\) returned"),
        ([ONE, ONE], [ONE, ONE * 1.01], r"output 1: values differ by up to 0\.01"),
        ([NAN], [np.array([1, np.inf, 1], np.float32)], "values differ"),
        ([np.array([1, 2])], [np.array([1, 3])], "output 0: 1 of 2 differ"),
    ],
)
def test_different(expected: list[np.ndarray], actual: list[np.ndarray], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(difference(expected, actual))


def test_flat_arrays() -> None:
    """Nested values in order; Python numbers get the dtype that TorchScript gives them."""
    flat = flat_arrays([ONE, (True, {"b": 2, "a": 1.5})])
    assert [(a.dtype.name, a.tolist()) for a in flat[1:]] == [
        ("bool", True),
        ("int64", 2),
        ("float32", 1.5),
    ]
    with pytest.raises(TypeError, match="no arrays can be made of str"):
        flat_arrays("x")
