"""What the builder emits runs in onnxruntime, with the numbers of the dtype that was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
from onnx import defs

from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.kernels import LOSSY, WIDER, detour, holds_all, kernel_dtypes, kernel_of
from exporter.onnx_graph.lowerings import find_lowering
from exporter.onnx_graph.signatures import signature
from tests.onnx_graph.running import graph_input, run

D = ir.DataType
OPSETS = (9, 11, 13, 18, 20)
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
NUMBERS = (*INTEGERS, "float16", "float32", "float64")
ANY = ("bool", *NUMBERS)

Row = tuple[Callable[..., Any], Callable[..., Any], tuple[str, ...]]
X = [3, 1, 2, 0, 3]
Y = [1, 2, 2, 5, 100]

ROWS: dict[str, Row] = {
    "Add": (lambda g, x, y: g.Add(x, y), lambda x, y: x + y, NUMBERS),
    "Sub": (lambda g, x, y: g.Sub(x, y), lambda x, y: x - y, NUMBERS),
    "Mul": (lambda g, x, y: g.Mul(x, y), lambda x, y: x * y, NUMBERS),
    "Div": (lambda g, x, y: g.Div(x, y), lambda x, y: x // y, INTEGERS),
    "Mod": (lambda g, x, y: g.Mod(x, y), lambda x, y: x % y, INTEGERS),
    "Max": (lambda g, x, y: g.Max(x, y), np.maximum, ANY),
    "Min": (lambda g, x, y: g.Min(x, y), np.minimum, ANY),
    "Equal": (lambda g, x, y: g.Equal(x, y), np.equal, ANY),
    "Less": (lambda g, x, y: g.Less(x, y), np.less, NUMBERS),
    "GreaterOrEqual": (lambda g, x, y: g.GreaterOrEqual(x, y), np.greater_equal, NUMBERS),
    "Where": (lambda g, x, y: g.Where(g.Greater(g.cast(x, D.INT32), 1), x, y),
              lambda x, y: np.where(x.astype("i4") > 1, x, y), ANY),
    "Clip": (lambda g, x, y: g.Clip(x, 1, 2), lambda x, y: np.clip(x, 1, 2), NUMBERS),
    "Pow": (lambda g, x, y: g.Pow(x, 2), lambda x, y: x * x, NUMBERS),
    "Neg": (lambda g, x, y: g.Neg(x), lambda x, y: -x, NUMBERS[1:]),
    "Abs": (lambda g, x, y: g.Abs(x), lambda x, y: np.abs(x), NUMBERS),
    "Sign": (lambda g, x, y: g.Sign(x), lambda x, y: np.sign(x), NUMBERS),
    "Relu": (lambda g, x, y: g.Relu(x), lambda x, y: np.maximum(x, 0), NUMBERS),
    "ReduceSum": (lambda g, x, y: g.ReduceSum(x, axes=[0]),
                  lambda x, y: x.sum(keepdims=True, dtype=x.dtype), NUMBERS),
    "ReduceMax": (lambda g, x, y: g.ReduceMax(x, axes=[0]),
                  lambda x, y: x.max(keepdims=True), ANY),
    "ArgMax": (lambda g, x, y: g.ArgMax(x, axis=0), lambda x, y: x.argmax(keepdims=True), NUMBERS),
    "TopK": (lambda g, x, y: g.TopK(x, [2], outputs=2)[0], lambda x, y: np.sort(x)[::-1][:2],
             NUMBERS),
    "CumSum": (lambda g, x, y: g.CumSum(x, 0), lambda x, y: np.cumsum(x, dtype=x.dtype), NUMBERS),
    "NonZero": (lambda g, x, y: g.NonZero(x), lambda x, y: np.array(np.nonzero(x)), ANY),
    "Gather": (lambda g, x, y: g.Gather(x, [0, 2]), lambda x, y: x[[0, 2]], ANY),
    "ScatterElements": (lambda g, x, y: g.ScatterElements(x, g.constant([1]), g.Gather(y, [0])),
                        lambda x, y: np.concatenate([x[:1], y[:1], x[2:]]), ANY),
    "ScatterND add": (
        lambda g, x, y: g.ScatterND(x, g.constant([[1], [1]]), g.Gather(y, [0, 1]),
                                    reduction="add"),
        lambda x, y: np.array([x[0], x[1] + y[0] + y[1], *x[2:]], x.dtype), NUMBERS),
    "Pad": (lambda g, x, y: g.Pad(x, [1, 0]), lambda x, y: np.pad(x, (1, 0)), ANY),
    "Tile": (lambda g, x, y: g.Tile(x, [2]), lambda x, y: np.tile(x, 2), ANY),
    "Expand": (lambda g, x, y: g.Expand(x, [2, 5]), lambda x, y: np.tile(x, (2, 1)), ANY),
    "Trilu": (lambda g, x, y: g.Trilu(g.Expand(x, [5, 5])),
              lambda x, y: np.triu(np.tile(x, (5, 1))), ANY),
    "MatMul": (lambda g, x, y: g.MatMul(x, y), lambda x, y: np.array(x @ y), NUMBERS),
    "Range": (lambda g, x, y: g.Range(g.cast(g.constant(0), x.dtype),
                                      g.reshape(g.Gather(x, [0]), []),
                                      g.cast(g.constant(1), x.dtype)),
              lambda x, y: np.arange(3).astype(x.dtype), NUMBERS),
    "OneHot": (lambda g, x, y: g.OneHot(g.constant([1, 0]), [2], g.Gather(x, [3, 0])),
               lambda x, y: np.array([[x[3], x[0]], [x[0], x[3]]]), ANY),
    "Unique": (lambda g, x, y: g.Unique(x), lambda x, y: np.unique(x), ANY),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_integers_keep_their_bits_and_wrap_around(name: str) -> None:
    """Every dtype at old and new opsets: what has no kernel takes a detour that loses nothing."""
    function, reference, dtypes = ROWS[name]
    for dtype in dtypes:
        x, y = np.array(X).astype(dtype), np.array(Y).astype(dtype)
        with np.errstate(all="ignore"):
            expected = np.asarray(reference(x, y))
        for opset in OPSETS:
            if (name == "Unique" and opset < 11) or (dtype == "float16" and name == "Unique"):
                continue
            found = run(function, x, y, opset=opset)[0]
            assert found.dtype == expected.dtype, (dtype, opset)
            np.testing.assert_allclose(found, expected, rtol=1e-3, err_msg=f"{dtype}, {opset}")


@pytest.mark.parametrize("opset", OPSETS)
def test_large_integers_are_exact(opset: int) -> None:
    """An int64 above 2**53 must not pass through a double where it is only moved or compared."""
    x = np.array([2**60 + 1, 2**60, -(2**62) - 1])
    for function in (
        lambda g, x: g.Max(x, 2**60),
        lambda g, x: g.Clip(x, -(2**61) - 1, 2**60),
        lambda g, x: g.Where(g.Greater(x, 2**60), x, 0),
        lambda g, x: g.Neg(x),
        lambda g, x: g.Mod(x, 7),
    ):
        expected = run(function, x, opset=20)[0]
        np.testing.assert_array_equal(run(function, x, opset=opset)[0], expected)
    np.testing.assert_array_equal(
        run(lambda g, x: g.Max(x, 2**60), x, opset=opset)[0], np.maximum(x, 2**60)
    )


def test_a_detour_that_loses_nothing_comes_before_one_that_does() -> None:
    for dtype, wider in WIDER.items():
        for candidate in wider:
            if dtype != D.BFLOAT16:
                values = np.array([1, 0, 1]) if dtype == D.BOOL else _extremes(dtype)
                there = values.astype(dtype.numpy()).astype(candidate.numpy())
                back = there.astype(dtype.numpy())
                np.testing.assert_array_equal(back, values.astype(dtype.numpy()))
        assert not set(wider) & set(LOSSY.get(dtype, ()))


def _extremes(dtype: D) -> np.ndarray:
    kind = dtype.numpy()
    limits = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    return np.array([limits.min, limits.max, 1], kind)


def test_the_dtypes_of_a_kernel_that_ends_before_the_operator_changed_do_not_count() -> None:
    """A kernel without a last version is for its own version alone."""
    relu = signature("Relu", 13)
    assert relu is not None
    assert kernel_dtypes(relu, "T") is not None
    for opset in range(9, 27):
        add = signature("Add", opset)
        assert add is not None
        found = kernel_dtypes(add, "T")
        assert found is not None
        assert D.FLOAT in found


def test_a_dtype_without_a_way_is_an_error() -> None:
    g = Builder(20)
    with pytest.raises(UnsupportedError, match="Not takes no float at opset 20"):
        g.Not(g.constant(1.0))


def test_a_dtype_of_later_opsets() -> None:
    """Nothing can be cast to what the opset does not have, nor from it."""
    g = Builder(11)
    x = graph_input(g, "x", np.zeros(3, "f4"), dynamic=False)
    y = graph_input(g, "y", np.zeros(3, ml_dtypes.bfloat16), dynamic=False)
    with pytest.raises(UnsupportedError, match="Cast takes no bfloat16 at opset 11; opset 13 does"):
        g.cast(x, D.BFLOAT16)
    with pytest.raises(UnsupportedError, match="Cast takes no bfloat16 at opset 11; opset 13 does"):
        g.Add(y, y)


def test_what_onnxruntime_takes_apart() -> None:
    """HardSwish takes bfloat16 at opset 22, but becomes a HardSigmoid without such a kernel."""
    for opset in (14, 22, 26):
        hard_swish = signature("HardSwish", opset)
        assert hard_swish is not None
        assert detour(hard_swish, "T", D.BFLOAT16, opset) == D.FLOAT
        assert detour(hard_swish, "T", D.FLOAT, opset) is None


def test_bools_and_indices_are_left_alone() -> None:
    where = signature("Where", 20)
    gather = signature("Gather", 20)
    assert where is not None
    assert gather is not None
    assert detour(where, "B", D.BOOL, 20) is None
    assert detour(gather, "Tind", D.INT32, 20) is None


@pytest.mark.parametrize("opset", range(9, 27))
def test_what_symbolics_call_has_a_kernel(opset: int) -> None:
    """At every opset: the operator's own, those of its definition, or those of a lowering."""
    for op_type in sorted(called_operators()):
        target = signature(op_type, opset)
        if target is None or find_lowering(op_type, opset) is not None:
            continue
        schema = defs.get_schema(op_type, opset)
        if schema.has_function or schema.has_context_dependent_function:
            continue
        assert kernel_of(target) is not None, f"{op_type} at opset {opset}"


def called_operators() -> set[str]:
    """The names behind `g.` in the sources of symbolics and of the exporter."""
    root = Path(__file__).parents[2]
    files = [*(root / "symbolics").rglob("*.py"), *(root / "exporter").rglob("*.py")]
    names = {n for f in files for n in re.findall(r"\bg\.([A-Z]\w+)\(", f.read_text("utf-8"))}
    return {name for name in names if signature(name, 26) is not None}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("keepdims", [0, 1])
def test_axes_from_the_end_of_an_empty_tensor(opset: int, keepdims: int) -> None:
    """onnxruntime forgets such axes there, so they are written from the front."""

    def reductions(g: Builder, x: Any) -> tuple[Any, ...]:
        return (
            g.ReduceMax(x, axes=[-1], keepdims=keepdims),
            g.ReduceSum(x, axes=[-1, -2], keepdims=keepdims),
            g.ArgMax(x, axis=-2, keepdims=keepdims),
        )

    found = run(reductions, np.zeros((0, 2, 3), "f4"), opset=opset)
    one = (1,) * keepdims
    assert [a.shape for a in found] == [(0, 2, *one), (0, *one, *one), (0, *one, 3)]


def extremes(dtype: D) -> np.ndarray:
    """Values of a dtype that others may not hold: the limits, and the finest steps."""
    kind = dtype.numpy()
    if dtype == D.BOOL:
        return np.array([False, True])
    if dtype.is_integer():
        limits = np.iinfo(kind)
        return np.array([limits.min, limits.max, limits.max - 1], kind)
    limits = ml_dtypes.finfo(kind)
    return np.array([limits.max, limits.tiny, 1 + limits.eps, -0.0], kind)


HELD = ("BOOL", "UINT16", "UINT32", "UINT64", "FLOAT16", "BFLOAT16", "FLOAT", "DOUBLE")


@pytest.mark.parametrize("source", [*HELD, *(name.upper() for name in INTEGERS)])
def test_dtypes_that_hold_all_of_another(source: str) -> None:
    """There and back is the same for exactly these; those that values go through are among them."""
    dtype = D[source]
    for other in (D[name] for name in (*HELD, *(name.upper() for name in INTEGERS))):
        values = extremes(dtype)
        with np.errstate(all="ignore"):
            back = values.astype(other.numpy()).astype(dtype.numpy())
            exact = np.array_equal(
                values.astype(object).astype(float), values.astype(other.numpy()).astype(float)
            )
        same = values.tobytes() == back.tobytes() and exact
        assert holds_all(dtype, other) == same, other
    assert all(holds_all(dtype, other) for other in WIDER.get(dtype, ()))
