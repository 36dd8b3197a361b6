"""Numbers, comparisons, bits, and sums along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.values import Number, Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

D = ir.DataType
FLOATS = frozenset([D.FLOAT16, D.BFLOAT16, D.FLOAT, D.DOUBLE])
SIGNED = frozenset([D.INT8, D.INT16, D.INT32, D.INT64])
BITS = {
    D.UINT8: 8,
    D.INT8: 8,
    D.UINT16: 16,
    D.INT16: 16,
    D.UINT32: 32,
    D.INT32: 32,
    D.UINT64: 64,
    D.INT64: 64,
}

Operand = Tensor | Number


def tensors(g: Builder, *operands: Operand) -> list[Tensor]:
    """Operands as tensors of the dtype of the first that is one."""
    dtype = next((o.dtype for o in operands if isinstance(o, Tensor)), None)
    return [g.constant(o, dtype) for o in operands]


@lowering("Max", before=ALWAYS)
def max_by_where(g: Builder, *operands: Operand) -> Tensor:
    """The larger of two integers is selected where there is no Max for them, or not a right one."""
    return _extreme(g, "Max", "Greater", operands)


@lowering("Min", before=ALWAYS)
def min_by_where(g: Builder, *operands: Operand) -> Tensor:
    """The smaller of two integers is selected; see `max_by_where`."""
    return _extreme(g, "Min", "Less", operands)


def _extreme(g: Builder, op_type: str, test: str, operands: Sequence[Operand]) -> Tensor:
    result, *rest = tensors(g, *operands)
    sizes = all(operand.elements is not None for operand in (result, *rest))
    if sizes or _has_extremes(g, result.dtype):
        return g.native(op_type, result, *rest)  # type: ignore[no-any-return]
    for other in rest:
        result = g.Where(g.op(test, result, other), result, other)
    return result


def _has_extremes(g: Builder, dtype: ir.DataType) -> bool:
    """Whether Max, Min and Clip are right for a dtype: integers come with opset 12.

    onnxruntime 1.31 compares the lower halves of int64 numbers as if they had a sign: the larger of
    0 and 2**31 would be 0. So these are only used for sizes, which are below that.
    """
    return dtype in FLOATS or (g.opset >= 12 and dtype != D.INT64)


@lowering("Clip", before=ALWAYS)
def clip_by_extremes(
    g: Builder, input: Tensor, min: Operand | None = None, max: Operand | None = None
) -> Tensor:
    """min(max(x, low), high): bounds are inputs from opset 11 on, integers come with 12.

    An open bound is no bound: onnxruntime would take the smallest finite number for it, and move
    an infinity there.
    """
    both = min is not None and max is not None
    if both and g.opset >= 11 and _has_extremes(g, input.dtype):
        return g.native("Clip", input, min, max)  # type: ignore[no-any-return]
    if min is not None:
        input = g.Max(input, min)
    return input if max is None else g.Min(input, max)


@lowering("Add", before=ALWAYS)
def sum_with_zero(g: Builder, a: Operand, b: Operand) -> Tensor:
    """A Sum, for onnxruntime 1.32 takes x + 0.0 for x: where x is -0.0 it is 0.0."""
    for zero, other in ((a, b), (b, a)):
        if isinstance(other, Tensor) and not other.known and other.dtype in FLOATS:
            array = zero.array if isinstance(zero, Tensor) else zero
            if isinstance(array, (float, int, np.ndarray)) and _is_zero(array):
                return g.native("Sum", a, b)  # type: ignore[no-any-return]
    return g.native("Add", a, b)  # type: ignore[no-any-return]


def _is_zero(value: float | np.ndarray) -> bool:
    """Whether this is one number, and 0.0."""
    array = np.asarray(value)
    return array.size == 1 and array.item() == 0 and not np.signbit(array).item()


@lowering("Relu", before=ALWAYS)
def relu_of_integers(g: Builder, x: Tensor) -> Tensor:
    """Relu takes integers from opset 14 on, and onnxruntime not all of them: max(x, 0)."""
    if x.dtype in FLOATS:
        return g.native("Relu", x)  # type: ignore[no-any-return]
    return g.Max(x, 0)  # type: ignore[no-any-return]


@lowering("GreaterOrEqual", before=12)
def greater_or_equal(g: Builder, a: Operand, b: Operand) -> Tensor:
    """Greater or equal, which leaves NaN false on both sides."""
    a, b = tensors(g, a, b)
    return g.Or(g.Greater(a, b), g.Equal(a, b))  # type: ignore[no-any-return]


@lowering("LessOrEqual", before=12)
def less_or_equal(g: Builder, a: Operand, b: Operand) -> Tensor:
    """Less or equal."""
    a, b = tensors(g, a, b)
    return g.Or(g.Less(a, b), g.Equal(a, b))  # type: ignore[no-any-return]


@lowering("Equal", before=11)
def equal_by_order(g: Builder, a: Operand, b: Operand) -> Tensor:
    """Equal takes floats from opset 11 on: neither less nor greater, and no NaN."""
    a, b = tensors(g, a, b)
    if a.dtype not in FLOATS:
        return g.native("Equal", a, b)  # type: ignore[no-any-return]
    differs = g.Or(g.Less(a, b), g.Greater(a, b))
    return g.Not(g.Or(differs, g.Or(g.IsNaN(a), g.IsNaN(b))))  # type: ignore[no-any-return]


@lowering("IsInf", before=10)
def is_inf_by_order(
    g: Builder, x: Tensor, *, detect_negative: int = 1, detect_positive: int = 1
) -> Tensor:
    """Beyond the largest finite number."""
    largest = float(np.finfo(x.dtype.numpy()).max)
    above, below = g.Greater(x, largest), g.Less(x, -largest)
    if detect_negative and detect_positive:
        return g.Or(above, below)  # type: ignore[no-any-return]
    if not detect_negative and not detect_positive:
        return g.And(above, below)  # type: ignore[no-any-return]
    return above if detect_positive else below  # type: ignore[no-any-return]


@lowering("NonZero", before=ALWAYS)
def non_zero_of_any(g: Builder, x: Tensor) -> Tensor:
    """Onnxruntime has no kernel for doubles and small integers; as bools they keep their zeros."""
    return g.native("NonZero", g.cast(x, D.BOOL))  # type: ignore[no-any-return]


@lowering("Mod", before=10)
def mod_by_division(g: Builder, a: Operand, b: Operand, *, fmod: int = 0) -> Tensor:
    """A - b * (a / b) truncated, moved to the divisor's sign unless `fmod`; integers only."""
    a, b = tensors(g, a, b)
    if a.dtype in FLOATS:
        raise Unsupported("Mod of floats needs opset 10")
    rest = g.Sub(a, g.Mul(g.Div(a, b), b))
    if fmod or a.dtype not in SIGNED:
        return rest  # type: ignore[no-any-return]
    crosses = g.Xor(g.Less(rest, 0), g.Less(b, 0))
    moved = g.And(crosses, g.Not(g.Equal(rest, 0)))
    return g.Where(moved, g.Add(rest, b), rest)  # type: ignore[no-any-return]


@lowering("Pow", before=12)
def pow_of_one_dtype(g: Builder, x: Operand, y: Operand) -> Tensor:
    """Base and exponent have one floating dtype before opset 12; integers go through double.

    Back through int64, which wraps around for narrower integers as a product would.
    """
    base = x if isinstance(x, Tensor) else tensors(g, x, y)[0]
    exponent = g.constant(y, base.dtype) if not isinstance(y, Tensor) else y
    dtype = base.dtype
    if base.dtype in FLOATS and exponent.dtype == base.dtype:
        return g.native("Pow", base, exponent)  # type: ignore[no-any-return]
    both = {base.dtype, exponent.dtype}
    working = D.FLOAT if both <= {D.FLOAT, D.FLOAT16} else D.DOUBLE
    power = g.native("Pow", g.cast(base, working), g.cast(exponent, working))
    if dtype in BITS:
        power = g.cast(power, D.INT64)
    return g.cast(power, dtype)


@lowering("Round", before=11)
def round_half_to_even(g: Builder, x: Tensor) -> Tensor:
    """The floor, or one more: by the fraction, and where it is a half by which of them is even."""
    floor = g.Floor(x)
    fraction = g.Sub(x, floor)
    odd = g.Sub(floor, g.Mul(g.Floor(g.Mul(floor, 0.5)), 2))
    nearest = g.Add(floor, g.Where(g.Equal(fraction, 0.5), odd, g.Floor(g.Add(fraction, 0.5))))
    # Also infinities, NaN and integers too large for a fraction.
    whole = g.Not(g.Less(floor, x))
    return g.Where(whole, x, nearest)  # type: ignore[no-any-return]


@lowering("Range", before=11)
def range_by_counting(g: Builder, start: Operand, limit: Operand, delta: Operand) -> Tensor:
    """Start + i * delta for the i below (limit - start) / delta, counted by NonZero over ones."""
    start, limit, delta = tensors(g, start, limit, delta)
    dtype = start.dtype
    if dtype in FLOATS:
        ratio = g.Div(g.Sub(limit, start), delta)
        count = g.cast(g.Ceil(ratio), D.INT64)
    else:
        low, high, step = (g.integer(t) for t in (start, limit, delta))
        count = g.constant(-((low - high) // step), D.INT64)
    count = g.Max(count, 0)
    ones = g.ConstantOfShape(g.reshape(count, [1]), value=np.array([1], np.int64))
    places = g.reshape(g.NonZero(ones), [-1])
    if count.elements is not None:
        places.shape = count.elements
    steps = g.cast(places, dtype)
    if delta.array != 1:
        steps = g.Mul(steps, delta)
    return steps if start.array == 0 else g.Add(start, steps)


@lowering("CumSum", before=11)
def cumsum_by_scan(
    g: Builder, x: Tensor, axis: Operand, *, exclusive: int = 0, reverse: int = 0
) -> Tensor:
    """A Scan whose state is the sum so far. onnxruntime 1.32 dies of one over an empty tensor."""
    shape = x.require_shape()
    if 0 in shape:
        return x
    along = int(g.integer(g.constant(axis, D.INT64))) % len(shape)
    rest = shape[:along] + shape[along + 1 :]
    start = g.ConstantOfShape(g.constant(list(rest), D.INT64), value=np.zeros(1, x.dtype.numpy()))
    from exporter.onnx_graph.shapes import OutputType  # noqa: PLC0415  imports the rules, which need this package

    with g.body("cumsum") as scope:
        total, item = (
            ir.Value(name=g.unique(n, out=True), type=ir.TensorType(x.dtype))
            for n in ("total", "item")
        )
        before = Tensor(x.dtype, rest, value=total, scope=scope)
        after = g.Add(before, Tensor(x.dtype, rest, value=item, scope=scope))
        body = g.close(scope, [total, item], [after, before if exclusive else after])
    results = g.emit(
        "Scan",
        [g.value(start), g.value(x)],
        {
            "body": body,
            "num_scan_inputs": 1,
            "scan_input_axes": [along],
            "scan_output_axes": [along],
            "scan_input_directions": [int(bool(reverse))],
            "scan_output_directions": [int(bool(reverse))],
        },
        [OutputType(x.dtype, rest), OutputType(x.dtype, shape)],
    )
    return results[1]


@lowering("Gemm", before=11)
def gemm(g: Builder, a: Tensor, b: Tensor, c: Operand | None = None, **factors: Any) -> Tensor:
    """The addend may be left out from opset 11 on; before, it is a zero."""
    return g.native("Gemm", a, b, np.zeros(1, a.dtype.numpy()) if c is None else c, **factors)  # type: ignore[no-any-return]


# ------------------------------------------------------------ bits


@lowering("BitwiseAnd", before=18)
def bitwise_and(g: Builder, a: Operand, b: Operand) -> Tensor:
    """A product of bits."""
    return _bitwise(g, "And", "Mul", a, b)


@lowering("BitwiseOr", before=18)
def bitwise_or(g: Builder, a: Operand, b: Operand) -> Tensor:
    """The larger of two bits."""
    return _bitwise(g, "Or", "Max", a, b)


@lowering("BitwiseXor", before=18)
def bitwise_xor(g: Builder, a: Operand, b: Operand) -> Tensor:
    """The difference of two bits, without its sign."""
    return _bitwise(g, "Xor", "Sub", a, b)


@lowering("BitShift", before=11)
def bit_shift(g: Builder, x: Operand, y: Operand, *, direction: str) -> Tensor:
    """Times or by a power of 2, of integers without a sign; 64 and more shift everything out."""
    x, y = tensors(g, x, y)
    powers = np.array([1 << k for k in range(BITS[x.dtype])], x.dtype.numpy())
    count = g.cast(y, D.INT64)
    power = g.Gather(powers, g.Min(count, len(powers) - 1), axis=0)
    shifted = g.Mul(x, power) if direction == "LEFT" else g.Div(x, power)
    return g.Where(g.Less(count, len(powers)), shifted, g.constant(0, x.dtype))  # type: ignore[no-any-return]


@lowering("BitwiseNot", before=18)
def bitwise_not(g: Builder, x: Tensor) -> Tensor:
    """-1 - x in two's complement; without a sign, the largest number - x."""
    if x.dtype in SIGNED:
        return g.Sub(-1, x)  # type: ignore[no-any-return]
    return g.Sub(2 ** BITS[x.dtype] - 1, x)  # type: ignore[no-any-return]


def _bitwise(g: Builder, logical: str, of_bits: str, a: Operand, b: Operand) -> Tensor:
    """Take the bits of both numbers apart along a new last dim, combine them, add them up."""
    a, b = tensors(g, a, b)
    dtype = a.dtype
    if dtype == D.BOOL:
        return g.op(logical, a, b)  # type: ignore[no-any-return]
    if dtype == D.UINT64:
        raise Unsupported("bitwise operators on uint64 need opset 18")
    bits = g.op(of_bits, _bits(g, a), _bits(g, b))
    if of_bits == "Sub":
        bits = g.Abs(bits)
    weights = np.array([*(1 << k for k in range(63)), -(1 << 63)], np.int64)
    # MatMul adds integers up as such; onnxruntime's ReduceSum goes through doubles.
    return g.cast(g.MatMul(bits, weights), dtype)


def _bits(g: Builder, x: Tensor) -> Tensor:
    """The 64 bits of the number as an int64, lowest first, along a new last dim."""
    wide = g.Unsqueeze(g.cast(x, D.INT64), axes=[x.require_rank()])
    negative = g.Less(wide, 0)
    # Without the sign bit; the largest int64 is added before 1, so that nothing overflows.
    low = g.Where(negative, g.Add(g.Add(wide, (1 << 63) - 1), 1), wide)
    halves = g.Div(low, np.array([1 << k for k in range(63)], np.int64))
    digits = g.Sub(halves, g.Mul(g.Div(halves, 2), 2))
    return g.Concat(digits, g.cast(negative, D.INT64), axis=-1)  # type: ignore[no-any-return]
