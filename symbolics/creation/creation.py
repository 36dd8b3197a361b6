"""Tensors from nothing: filled ones, ranges, the identity, index grids.

Window functions are in `window_functions`, random numbers in `random`, copies and conversions of a
tensor in `conversion`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import MOST_STORED, consecutive
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge, sym_max
from exporter.onnx_graph.values import Number, SymFloat, Tensor
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import (
    BOOL,
    DOUBLE,
    FLOAT,
    INT64,
    category,
    is_complex,
    is_float,
    is_integral,
    onnx_dtype,
)

__all__ = ["filled", "filled_like", "full", "number_dtype", "zeros"]


def number_dtype(value: Number, dtype: int | None = None) -> ir.DataType:
    """The dtype asked for, or that of a tensor made of a number: int64, float32 or bool."""
    if dtype is not None:
        return onnx_dtype(dtype)
    return (BOOL, INT64, FLOAT, ir.DataType.COMPLEX64)[category(value)]


def filled(g: Builder, size: Sequence[Dim] | Tensor, value: Number, dtype: ir.DataType) -> Tensor:
    """A tensor of one number."""
    if isinstance(size, Tensor):
        dims = size
    else:
        for dim in size:
            g.at_least(dim, 0)
        dims = g.constant(list(size), INT64)
    if isinstance(value, (bool, int, float)) and not is_complex(dtype):
        array = g.constant(value, dtype).require_array().reshape(1)
        return g.ConstantOfShape(dims, value=ir.Tensor(array, dtype=dtype))
    return g.Expand(g.constant(value, dtype), dims)


def filled_like(g: Builder, self: Tensor, value: Number, dtype: int | None = None) -> Tensor:
    """A tensor of one number in the shape of another, and in its dtype if no other is asked for."""
    return filled(g, g.shape(self), value, self.dtype if dtype is None else onnx_dtype(dtype))


LDP = "Layout? layout=None, Device? device=None, bool? pin_memory=None"


def _register_filled(name: str, value: int) -> None:
    """`zeros`, `ones` and what PyTorch leaves uninitialised, in all forms."""
    memory = ", MemoryFormat? memory_format=None" if name == "empty" else ""
    head = "empty.memory_format" if name == "empty" else name

    @symbolic(f"aten::{name}_like(Tensor self, *, ScalarType? dtype=None, {LDP}, MemoryFormat? memory_format=None) -> Tensor")  # fmt: skip
    def like(
        g: Builder,
        self: Tensor,
        *,
        dtype: int | None = None,
        layout: object = None,
        device: object = None,
        pin_memory: object = None,
        memory_format: object = None,
    ) -> Tensor:
        return filled_like(g, self, value, dtype)

    @symbolic(f"aten::new_{name}(Tensor self, SymInt[] size, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
    def new(
        g: Builder,
        self: Tensor,
        size: Sequence[Dim] | Tensor,
        *,
        dtype: int | None = None,
        layout: object = None,
        device: object = None,
        pin_memory: object = None,
    ) -> Tensor:
        return filled(g, size, value, self.dtype if dtype is None else onnx_dtype(dtype))

    if memory:
        symbolic(f"aten::{head}(SymInt[] size, *, ScalarType? dtype=None, {LDP}{memory}) -> Tensor")(empty)  # fmt: skip
        return

    @symbolic(f"aten::{head}(SymInt[] size, *, ScalarType? dtype=None, {LDP}) -> Tensor")
    def plain(
        g: Builder,
        size: Sequence[Dim] | Tensor,
        *,
        dtype: int | None = None,
        layout: object = None,
        device: object = None,
        pin_memory: object = None,
    ) -> Tensor:
        return filled(g, size, value, FLOAT if dtype is None else onnx_dtype(dtype))


def empty(
    g: Builder,
    size: Sequence[Dim] | Tensor,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
    memory_format: object = None,
) -> Tensor:
    """Zeros: any content would do, and this one is the same on every run."""
    return filled(g, size, 0, FLOAT if dtype is None else onnx_dtype(dtype))


for _name, _value in (("zeros", 0), ("ones", 1), ("empty", 0)):
    _register_filled(_name, _value)


def zeros(g: Builder, size: Sequence[Dim], dtype: ir.DataType) -> Tensor:
    """A tensor of zeros."""
    return filled(g, size, 0, dtype)


@symbolic(f"aten::_efficientzerotensor(SymInt[] size, *, ScalarType? dtype=None, {LDP}) -> Tensor")
def efficientzerotensor(
    g: Builder,
    size: Sequence[Dim] | Tensor,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """Zeros."""
    return filled(g, size, 0, FLOAT if dtype is None else onnx_dtype(dtype))


@symbolic(f"aten::empty_strided(SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def empty_strided(
    g: Builder,
    size: Sequence[Dim] | Tensor,
    stride: Sequence[Dim],
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """See `empty`."""
    return empty(g, size, dtype=dtype)


@symbolic(f"aten::empty_permuted(SymInt[] size, int[] physical_layout, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def empty_permuted(
    g: Builder,
    size: Sequence[Dim] | Tensor,
    physical_layout: Sequence[int],
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """See `empty`."""
    return empty(g, size, dtype=dtype)


@symbolic(f"aten::new_empty_strided(Tensor self, SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def new_empty_strided(
    g: Builder,
    self: Tensor,
    size: Sequence[Dim] | Tensor,
    stride: Sequence[Dim],
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """See `empty`."""
    return filled(g, size, 0, self.dtype if dtype is None else onnx_dtype(dtype))


@symbolic(f"aten::full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def full(
    g: Builder,
    size: Sequence[Dim] | Tensor,
    fill_value: Number,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """One number everywhere; it decides the dtype if none is asked for."""
    return filled(g, size, fill_value, number_dtype(fill_value, dtype))


@symbolic(f"aten::full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, {LDP}, MemoryFormat? memory_format=None) -> Tensor")  # fmt: skip
def full_like(
    g: Builder,
    self: Tensor,
    fill_value: Number,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
    memory_format: object = None,
) -> Tensor:
    """One number in the shape and dtype of `self`."""
    return filled_like(g, self, fill_value, dtype)


@symbolic(f"aten::new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def new_full(
    g: Builder,
    self: Tensor,
    size: Sequence[Dim] | Tensor,
    fill_value: Number,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """One number in the dtype of `self`."""
    return filled(g, size, fill_value, self.dtype if dtype is None else onnx_dtype(dtype))


@symbolic(f"aten::scalar_tensor(Scalar s, *, ScalarType? dtype=None, {LDP}) -> Tensor")
def scalar_tensor(
    g: Builder,
    s: Number,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """A 0-d tensor of a number: float32, whatever the number, if no dtype is asked for."""
    return g.constant(s, FLOAT if dtype is None else onnx_dtype(dtype))


@symbolic("aten::fill.Scalar(Tensor self, Scalar value) -> Tensor")
@symbolic("aten::fill.Tensor(Tensor self, Tensor value) -> Tensor")
def fill(g: Builder, self: Tensor, value: Number | Tensor) -> Tensor:
    """One number in the shape and dtype of `self`."""
    if isinstance(value, Tensor):
        return g.Expand(g.constant(value, self.dtype), g.shape(self))
    return filled_like(g, self, value)


@symbolic("aten::zero(Tensor self) -> Tensor")
def zero(g: Builder, self: Tensor) -> Tensor:
    """Zeros in the shape and dtype of `self`."""
    return filled_like(g, self, 0)


# ---------------------------------------------------------------- ranges


def integer_range(g: Builder, start: Dim, end: Dim, step: Dim) -> Tensor:
    """start, start + step, ... below end (above it, if the step is negative) as int64.

    onnxruntime (1.32) makes a Slice of a Gather by a Range, and in a Slice negative bounds count from
    the end: a Range that may go below zero is the negative of another.
    """
    known = isinstance(start, int) and isinstance(end, int) and isinstance(step, int)
    if known and len(range(start, end, step)) <= MOST_STORED:
        return g.constant(np.arange(start, end, step))  # type: ignore[arg-type]
    if is_ge(start, 0) and is_ge(step, 1):
        return g.Range(*(g.constant(v, INT64) for v in (start, end, step)))
    return g.Neg(g.Range(*(g.constant(-v, INT64) for v in (start, end, step))))


@symbolic(f"aten::arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def arange_start_step(
    g: Builder,
    start: Number,
    end: Number,
    step: Number = 1,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """start, start + step, ... before end; int64 if all are integers, else float32.

    The count and each element come from doubles, not from adding up in the result's dtype.
    """
    if isinstance(step, (int, float)) and step == 0:
        raise Unsupported("arange with step = 0")
    integers = max(category(v) for v in (start, end, step)) < 2
    target = onnx_dtype(dtype) if dtype is not None else INT64 if integers else FLOAT
    if integers:
        whole = [int(v) if isinstance(v, bool) else v for v in (start, end, step)]
        if whole[0] == 0 and whole[2] == 1:
            g.at_least(whole[1], 0)  # type: ignore[arg-type]
        return g.cast(integer_range(g, *whole), target)  # type: ignore[arg-type]
    if not is_float(target) and isinstance(start, (int, float)) and isinstance(step, (int, float)):
        # PyTorch counts in doubles but then adds truncated steps to the truncated start.
        first, stride = int(start), int(step)
    else:
        first, stride = start, step  # type: ignore[assignment]
    if all(isinstance(v, (int, float)) for v in (start, end, step)):
        count = max(0, math.ceil((end - start) / step))  # type: ignore[operator,arg-type]
        index = consecutive(g, count)
        if index.array is not None:
            values = index.array.astype(np.float64) * float(stride) + float(first)
            return g.constant(values, target)
    else:
        low, high, by = (g.constant(v, DOUBLE) for v in (start, end, step))
        span = g.Ceil(g.Div(g.Sub(high, low), by))
        index = consecutive(g, g.integer(g.cast(g.Max(span, 0), INT64)))
    wide = g.Mul(g.cast(index, DOUBLE), g.constant(stride, DOUBLE))
    return g.cast(g.Add(wide, g.constant(first, DOUBLE)), target)


@symbolic(f"aten::arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def arange_start(
    g: Builder,
    start: Number,
    end: Number,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """See `arange_start_step`; the step is 1."""
    return arange_start_step(g, start, end, 1, dtype=dtype)


@symbolic(f"aten::arange(Scalar end, *, ScalarType? dtype=None, {LDP}) -> Tensor")
def arange(
    g: Builder,
    end: Number,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """See `arange_start_step`; from 0 in steps of 1."""
    return arange_start_step(g, 0, end, 1, dtype=dtype)


@symbolic("aten::_dim_arange(Tensor like, int dim) -> Tensor")
def _dim_arange(g: Builder, like: Tensor, dim: int) -> Tensor:
    """The indices of a dim."""
    return arange(g, g.size(like, dim))


@symbolic(f"aten::range.step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def range_step(
    g: Builder,
    start: Number,
    end: Number,
    step: Number = 1,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """Like `arange`, with the end included, and float32 also for integers."""
    if not all(isinstance(v, (int, float)) for v in (start, end, step)):
        raise Unsupported("range with numbers that are only known at run time")
    count = math.floor((end - start) / step) + 1  # type: ignore[operator,arg-type]
    index = g.cast(consecutive(g, count), DOUBLE)
    values = g.Add(g.Mul(index, g.constant(step, DOUBLE)), g.constant(start, DOUBLE))
    return g.cast(values, FLOAT if dtype is None else onnx_dtype(dtype))


@symbolic(f"aten::range(Scalar start, Scalar end, *, ScalarType? dtype=None, {LDP}) -> Tensor")
def range_plain(
    g: Builder,
    start: Number,
    end: Number,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """See `range_step`."""
    return range_step(g, start, end, 1, dtype=dtype)


def spaced(g: Builder, start: Number | Tensor, end: Number | Tensor, steps: Dim, target: ir.DataType) -> Tensor:  # fmt: skip
    """`steps` equally spaced numbers from start to end, both included, in doubles.

    The second half is counted from the end, as PyTorch does, so that the end is exact. To integers
    PyTorch truncates, the ends before all else.
    """
    low, high = g.constant(start, DOUBLE), g.constant(end, DOUBLE)
    if isinstance(start, Tensor) or isinstance(end, Tensor) or is_integral(target):
        low, high = g.cast(g.cast(low, target), DOUBLE), g.cast(g.cast(high, target), DOUBLE)
    last = steps - 1
    if isinstance(last, int) and last <= 0:
        return g.reshape(low, [1]) if last == 0 else g.constant(np.zeros(0))
    divisor = g.constant(sym_max(last, 1), DOUBLE)
    stride = g.Div(g.Sub(high, low), divisor)
    index = consecutive(g, steps)
    forward = g.cast(index, DOUBLE)
    backward = g.cast(g.Sub(g.constant(last, INT64), index), DOUBLE)
    early = g.Less(index, g.constant(steps // 2, INT64))
    rising = g.Add(low, g.Mul(stride, forward))
    if isinstance(last, SymInt):
        # A single step is the start, not the end.
        early = g.Or(early, g.Equal(g.constant(last, INT64), 0))
    return g.Where(early, rising, g.Sub(high, g.Mul(stride, backward)))


@symbolic(f"aten::linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
@symbolic(f"aten::linspace.Tensor_Tensor(Tensor start, Tensor end, int steps, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
@symbolic(f"aten::linspace.Tensor_Scalar(Tensor start, Scalar end, int steps, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
@symbolic(f"aten::linspace.Scalar_Tensor(Scalar start, Tensor end, int steps, *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def linspace(
    g: Builder,
    start: Number | Tensor,
    end: Number | Tensor,
    steps: Dim,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """Equally spaced numbers, both ends included; float32 if no dtype is asked for."""
    target = FLOAT if dtype is None else onnx_dtype(dtype)
    return g.cast(spaced(g, start, end, steps, target), target)


@symbolic(f"aten::logspace(Scalar start, Scalar end, int steps, float base=10., *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
@symbolic(f"aten::logspace.Tensor_Tensor(Tensor start, Tensor end, int steps, float base=10., *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
@symbolic(f"aten::logspace.Tensor_Scalar(Tensor start, Scalar end, int steps, float base=10., *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
@symbolic(f"aten::logspace.Scalar_Tensor(Scalar start, Tensor end, int steps, float base=10., *, ScalarType? dtype=None, {LDP}) -> Tensor")  # fmt: skip
def logspace(
    g: Builder,
    start: Number | Tensor,
    end: Number | Tensor,
    steps: Dim,
    base: float | SymFloat = 10.0,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
) -> Tensor:
    """base to the power of equally spaced numbers; of one number start is not made an integer."""
    target = FLOAT if dtype is None else onnx_dtype(dtype)
    powers = spaced(g, start, end, steps, target)
    if not is_float(target):
        alone = g.Equal(g.constant(steps, INT64), 1)
        powers = g.Where(alone, g.constant(start, DOUBLE), powers)
    return g.cast(g.Pow(g.constant(base, DOUBLE), powers), target)
