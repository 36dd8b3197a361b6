"""A folded node has the value that onnxruntime computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Tensor
from tests.onnx_graph.running import run

FEW = settings(max_examples=15, deadline=None)
DTYPES = st.sampled_from(["int64", "int32", "uint8", "int8", "float32", "float64"])


def arrays(dtype: str, shape: Any) -> st.SearchStrategy[np.ndarray]:
    kind = np.dtype(dtype).kind
    elements = (
        st.floats(-100, 100, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.5, -2.5])
        if kind == "f"
        else None
    )
    return hnp.arrays(dtype, shape, elements=elements)


def same(function: Callable[..., Any], *inputs: np.ndarray, folded: bool | None = True) -> None:
    """Computed from constants, and run from inputs."""
    g = Builder(20)
    found = function(g, *[g.constant(a) for a in inputs])
    results = list(found) if isinstance(found, tuple) else [found]
    if folded is False:
        assert all(r.array is None for r in results)
        return
    if folded is None and any(r.array is None for r in results):
        return
    expected = run(function, *inputs, fold=False)
    for result, value in zip(results, expected, strict=True):
        assert isinstance(result, Tensor)
        assert result.array is not None
        assert result.array.dtype == value.dtype
        assert result.array.shape == value.shape
        np.testing.assert_allclose(
            result.array.astype("f8"), value.astype("f8"), rtol=1e-6, equal_nan=True
        )


@FEW
@given(st.data(), st.sampled_from(["Add", "Sub", "Mul", "Div", "Max", "Min", "Equal", "Less"]))
def test_arithmetic(data: st.DataObject, op_type: str) -> None:
    """Overflowing integers wrap around; a division by zero is left to the runtime."""
    dtype = data.draw(DTYPES)
    x, y = data.draw(arrays(dtype, (3, 1))), data.draw(arrays(dtype, (2,)))
    if op_type in ("Max", "Min") and np.dtype(dtype).kind == "f":
        x, y = np.nan_to_num(x), np.nan_to_num(y)
    same(lambda g, a, b: g.op(op_type, a, b), x, y, folded=None)


@FEW
@given(st.data(), st.sampled_from(["Abs", "Sign", "Round", "Floor", "Ceil", "IsNaN", "IsInf"]))
def test_functions_of_one_tensor(data: st.DataObject, op_type: str) -> None:
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    x = data.draw(arrays(dtype, (4,)))
    # The sign of NaN is 0 in onnxruntime.
    same(lambda g, a: g.op(op_type, a), np.nan_to_num(x) if op_type == "Sign" else x)


@FEW
@given(st.data(), DTYPES, DTYPES)
def test_casts(data: st.DataObject, source: str, target: str) -> None:
    x = data.draw(arrays(source, (4,)))
    dtype = ir.DataType.from_numpy(np.dtype(target))
    same(lambda g, a: g.Cast(a, to=int(dtype)), x, folded=None)


@pytest.mark.parametrize("value", [3e9, -3e9, np.nan, np.inf])
def test_a_float_beyond_the_integer_is_not_folded(value: float) -> None:
    same(lambda g, a: g.Cast(a, to=6), np.array([value], "f4"), folded=False)


@pytest.mark.parametrize(("left", "right"), [(1, 0), (-(2**63), -1)], ids=["by zero", "overflow"])
def test_a_division_without_a_result_is_not_folded(left: int, right: int) -> None:
    same(lambda g, a, b: g.Div(a, b), np.array([left]), np.array([right]), folded=False)


@FEW
@given(st.data(), st.sampled_from(["ReduceSum", "ReduceMax", "ReduceMin"]), st.booleans())
def test_reductions_of_integers(data: st.DataObject, op_type: str, keep: bool) -> None:
    x = data.draw(hnp.arrays("int64", (2, 3), elements=st.integers(-99, 99)))
    same(lambda g, a: g.op(op_type, a, axes=[1], keepdims=int(keep)), x)


@FEW
@given(st.integers(-6, 6), st.integers(-9, 9), st.sampled_from([1, 2, -1, -3]))
def test_slices(start: int, end: int, step: int) -> None:
    same(lambda g, a: g.Slice(a, [start], [end], [0], [step]), np.arange(5.0))


@FEW
@given(st.integers(-6, 6), st.integers(-9, 9), st.sampled_from([1, 2, -1, -3]))
def test_ranges(start: int, limit: int, delta: int) -> None:
    same(lambda g, *a: g.Range(*a), *(np.array(v) for v in (start, limit, delta)))


X = np.arange(12, dtype="f4").reshape(3, 4)
LONG_TAIL = {
    "Trilu": lambda g, x: g.Trilu(x),
    "CumSum": lambda g, x: g.CumSum(x, 1),
    "Pad": lambda g, x: g.Pad(x, [0, 1, 0, 1]),
    "TopK": lambda g, x: g.TopK(x, [2], outputs=2),
    "GatherND": lambda g, x: g.GatherND(x, [[1], [0]]),
    "MatMul": lambda g, x: g.MatMul(x, g.Transpose(x, perm=[1, 0])),
    "Split": lambda g, x: g.Split(x, [1, 3], axis=1, outputs=2),
    "Softmax": lambda g, x: g.Softmax(x, axis=1),
    "NonZero": lambda g, x: g.NonZero(x),
    "Tile": lambda g, x: g.Tile(x, [2, 1]),
}


@pytest.mark.parametrize("name", LONG_TAIL)
def test_the_long_tail_is_run(name: str) -> None:
    same(LONG_TAIL[name], X)


def test_random_numbers_are_not_folded() -> None:
    same(lambda g, x: g.RandomUniformLike(x), X, folded=False)
    same(lambda g, x: g.Bernoulli(x), X, folded=False)


def test_big_weights_and_growing_results_are_not_folded() -> None:
    big = np.zeros((1 << 10, 1 << 9), "f4")
    same(lambda g, x: g.Transpose(x, perm=[1, 0]), big, folded=False)
    same(lambda g, x: g.Expand(x, [1 << 11]), np.zeros(1, "f4"), folded=False)
    same(lambda g, x: g.Tile(x, [1 << 11]), np.zeros(1, "f4"), folded=False)
