"""What ONNX operators do with complex tensors: those that move elements, and arithmetic.

What moves elements acts on the leading dims of the pairs (`complex_numbers`); what is linear with
real factors acts on both parts alike; products follow (a + bi)(c + di) = ac - bd + (ad + bc)i, as
PyTorch computes them, so that inf and NaN spread in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.complex_numbers import (
    as_real,
    complex_rule,
    from_real,
    is_complex,
    make,
    parts,
)
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["common"]

D = ir.DataType


def common(g: Builder, *operands: Any) -> list[Tensor]:
    """Tensors and numbers as complex tensors of the dtype that the complex ones among them have."""
    dtype = next(o.dtype for o in operands if isinstance(o, Tensor) and is_complex(o.dtype))
    return [g.constant(o, dtype) for o in operands]


def _leading(axis: int) -> int:
    """A dim of the complex tensor as one of its pairs."""
    return axis if axis >= 0 else axis - 1


def _leading_all(g: Builder, axes: Any) -> list[int]:
    """Dims of the complex tensor as dims of its pairs."""
    tensor = g.constant(axes, D.INT64)
    if tensor.array is None:
        raise UnsupportedError("axes of complex numbers that are only known at run time")
    return [_leading(int(axis)) for axis in tensor.array.reshape(-1)]


def _with_pair(g: Builder, shape: Any, last: int) -> Any:
    """Numbers, one for each dim, with one more for the dim of the pairs."""
    if isinstance(shape, (list, tuple)):
        return [*shape, last]
    return g.Concat(g.constant(shape, D.INT64), g.constant([last], D.INT64), axis=0)


# ---------------------------------------------------------------- what moves elements


@complex_rule("Identity")
def _identity(g: Builder, x: Tensor) -> Tensor:
    return from_real(g.Identity(as_real(x)))


@complex_rule("Reshape")
def _reshape(g: Builder, data: Tensor, shape: Any, *, allowzero: int = 0) -> Tensor:
    target = _with_pair(g, shape, 2)
    return from_real(g.Reshape(as_real(data), target, allowzero=allowzero))


@complex_rule("Flatten")
def _flatten(g: Builder, x: Tensor, *, axis: int = 1) -> Tensor:
    return make(g, *(g.Flatten(p, axis=axis) for p in parts(g, x)))


@complex_rule("Transpose")
def _transpose(g: Builder, data: Tensor, *, perm: Sequence[int] | None = None) -> Tensor:
    rank = data.require_rank()
    order = list(range(rank))[::-1] if perm is None else list(perm)
    return from_real(g.Transpose(as_real(data), perm=[*order, rank]))


@complex_rule("Concat")
def _concat(g: Builder, *inputs: Any, axis: int) -> Tensor:
    pairs = [as_real(t) for t in common(g, *inputs)]
    return from_real(g.Concat(*pairs, axis=_leading(axis)))


@complex_rule("Gather")
def _gather(g: Builder, data: Tensor, indices: Any, *, axis: int = 0) -> Tensor:
    return from_real(g.Gather(as_real(data), indices, axis=_leading(axis)))


@complex_rule("GatherND")
def _gather_nd(g: Builder, data: Tensor, indices: Any, *, batch_dims: int = 0) -> Tensor:
    return from_real(g.GatherND(as_real(data), indices, batch_dims=batch_dims))


@complex_rule("Slice")
def _slice(
    g: Builder, data: Tensor, starts: Any, ends: Any, axes: Any = None, steps: Any = None
) -> Tensor:
    if axes is not None:
        axes = _leading_all(g, axes)
    return from_real(g.Slice(as_real(data), starts, ends, axes, steps))


@complex_rule("Split")
def _split(
    g: Builder,
    x: Tensor,
    split: Any = None,
    *,
    axis: int = 0,
    outputs: int = 1,
    **attributes: int,
) -> Any:
    pair = as_real(x)
    found = g.Split(pair, split, axis=_leading(axis), outputs=outputs, **attributes)
    return from_real(found) if outputs == 1 else tuple(from_real(f) for f in found)


@complex_rule("Unsqueeze")
def _unsqueeze(g: Builder, data: Tensor, axes: Any) -> Tensor:
    return from_real(g.Unsqueeze(as_real(data), axes=_leading_all(g, axes)))


@complex_rule("Squeeze")
def _squeeze(g: Builder, data: Tensor, axes: Any = None) -> Tensor:
    if axes is not None:
        axes = _leading_all(g, axes)
    return from_real(g.Squeeze(as_real(data), axes=axes))


@complex_rule("Expand")
def _expand(g: Builder, x: Tensor, shape: Any) -> Tensor:
    return from_real(g.Expand(as_real(x), _with_pair(g, shape, 2)))


@complex_rule("Tile")
def _tile(g: Builder, x: Tensor, repeats: Any) -> Tensor:
    return from_real(g.Tile(as_real(x), _with_pair(g, repeats, 1)))


@complex_rule("Where")
def _where(g: Builder, condition: Any, x: Any, y: Any) -> Tensor:
    mask = g.Unsqueeze(g.constant(condition), axes=[-1])
    return from_real(g.Where(mask, *(as_real(t) for t in common(g, x, y))))


@complex_rule("Shape")
def _shape(g: Builder, data: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    dims = g.Slice(g.Shape(as_real(data)), [0], [-1], [0])
    if start == 0 and end is None:
        return dims  # type: ignore[no-any-return]
    stop = np.iinfo(np.int64).max if end is None else end
    return g.Slice(dims, [start], [stop], [0])  # type: ignore[no-any-return]


@complex_rule("Size")
def _size(g: Builder, data: Tensor) -> Tensor:
    return g.Size(parts(g, data)[0])  # type: ignore[no-any-return]


@complex_rule("Pad")
def _pad(
    g: Builder,
    data: Tensor,
    pads: Any,
    constant_value: Any = None,
    axes: Any = None,
    *,
    mode: str = "constant",
) -> Tensor:
    """Each part with its part of the constant."""
    if constant_value is None:
        fills: Sequence[Any] = (None, None)
    else:
        (fill,) = common(g, constant_value) if _is_complex(constant_value) else (None,)
        whole = g.constant(constant_value, data.dtype) if fill is None else fill
        fills = parts(g, g.reshape(whole, []))
    return make(
        g,
        *(g.Pad(p, pads, f, axes, mode=mode) for p, f in zip(parts(g, data), fills, strict=True)),
    )


def _is_complex(value: object) -> bool:
    return isinstance(value, Tensor) and is_complex(value.dtype)


@complex_rule("ScatterND")
def _scatter_nd(
    g: Builder, data: Any, indices: Any, updates: Any, *, reduction: str = "none"
) -> Tensor:
    _additive(reduction)
    pair, new = (as_real(t) for t in common(g, data, updates))
    return from_real(g.ScatterND(pair, indices, new, reduction=reduction))


@complex_rule("ScatterElements")
def _scatter_elements(
    g: Builder, data: Any, indices: Any, updates: Any, *, axis: int = 0, reduction: str = "none"
) -> Tensor:
    _additive(reduction)
    olds, news = (parts(g, t) for t in common(g, data, updates))
    scattered = (
        g.ScatterElements(old, indices, new, axis=axis, reduction=reduction)
        for old, new in zip(olds, news, strict=True)
    )
    return make(g, *scattered)


def _additive(reduction: str) -> None:
    if reduction not in ("none", "add"):
        raise UnsupportedError(f'scattering complex numbers with reduction="{reduction}"')


# ---------------------------------------------------------------- both parts alike


def _register_partwise(op_type: str) -> None:
    def apply(g: Builder, x: Tensor, *args: Any, **attributes: Any) -> Tensor:
        if any(_is_complex(a) for a in args):
            raise UnsupportedError(f"{op_type} of complex numbers by complex numbers")
        return make(g, *(g.op(op_type, p, *args, **attributes) for p in parts(g, x)))

    complex_rule(op_type)(apply)


for _op_type in (
    "Compress", "CumSum", "DepthToSpace", "GatherElements", "ReduceMean", "ReduceSum",
    "ReverseSequence", "SpaceToDepth", "Trilu",
):  # fmt: skip
    _register_partwise(_op_type)


@complex_rule("ReduceSumSquare")
def _sum_of_squares(g: Builder, x: Tensor, *args: Any, **attributes: Any) -> Tensor:
    """Of the absolute values: what a real number's square is to its length."""
    squares = (g.ReduceSumSquare(p, *args, **attributes) for p in parts(g, x))
    return g.Add(*squares)  # type: ignore[no-any-return]


@complex_rule("ReduceL2")
def _length(g: Builder, x: Tensor, *args: Any, **attributes: Any) -> Tensor:
    return g.Sqrt(_sum_of_squares(g, x, *args, **attributes))  # type: ignore[no-any-return]


@complex_rule("Cast")
def _cast(g: Builder, x: Tensor, *, to: D) -> Tensor:
    return g.cast(x, D(to))


@complex_rule("IsNaN")
def _is_nan(g: Builder, x: Tensor) -> Tensor:
    return g.Or(*(g.IsNaN(p) for p in parts(g, x)))  # type: ignore[no-any-return]


@complex_rule("IsInf")
def _is_inf(g: Builder, x: Tensor) -> Tensor:
    return g.Or(*(g.IsInf(p) for p in parts(g, x)))  # type: ignore[no-any-return]


# ---------------------------------------------------------------- arithmetic


@complex_rule("Add")
def _add(g: Builder, left: Any, right: Any) -> Tensor:
    a, b = (as_real(t) for t in common(g, left, right))
    return from_real(g.Add(a, b))


@complex_rule("Sub")
def _sub(g: Builder, left: Any, right: Any) -> Tensor:
    a, b = (as_real(t) for t in common(g, left, right))
    return from_real(g.Sub(a, b))


@complex_rule("Sum")
def _sum(g: Builder, *terms: Any) -> Tensor:
    return from_real(g.Sum(*(as_real(t) for t in common(g, *terms))))


@complex_rule("Neg")
def _neg(g: Builder, x: Tensor) -> Tensor:
    return from_real(g.Neg(as_real(x)))


@complex_rule("Equal")
def _equal(g: Builder, left: Any, right: Any) -> Tensor:
    (a, b), (c, d) = (parts(g, t) for t in common(g, left, right))
    return g.And(g.Equal(a, c), g.Equal(b, d))  # type: ignore[no-any-return]


def _register_product(op_type: str) -> None:
    def multiply(g: Builder, left: Any, right: Any, **attributes: Any) -> Tensor:
        (a, b), (c, d) = (parts(g, t) for t in common(g, left, right))

        def times(x: Tensor, y: Tensor) -> Tensor:
            return g.op(op_type, x, y, **attributes)  # type: ignore[no-any-return]

        real = g.Sub(times(a, c), times(b, d))
        return make(g, real, g.Add(times(a, d), times(b, c)))

    complex_rule(op_type)(multiply)


for _op_type in ("Mul", "MatMul"):
    _register_product(_op_type)


def _register_convolution(op_type: str) -> None:
    def convolve(g: Builder, x: Any, w: Any, b: Any = None, **attributes: Any) -> Tensor:
        (xr, xi), (wr, wi) = (parts(g, t) for t in common(g, x, w))
        br, bi = (None, None) if b is None else parts(g, g.constant(b, x.dtype))

        def times(x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
            return g.op(op_type, x, w, bias, **attributes)  # type: ignore[no-any-return]

        real = g.Sub(times(xr, wr, br), times(xi, wi, None))
        return make(g, real, g.Add(times(xr, wi, bi), times(xi, wr, None)))

    complex_rule(op_type)(convolve)


for _op_type in ("Conv", "ConvTranspose"):
    _register_convolution(_op_type)


@complex_rule("Gemm")
def _gemm(
    g: Builder,
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Tensor:
    left = g.Transpose(a, perm=[1, 0]) if transA else a
    right = g.Transpose(b, perm=[1, 0]) if transB else b
    product = g.MatMul(left, right)
    if alpha != 1:
        product = g.Mul(product, alpha)
    if c is None:
        return product  # type: ignore[no-any-return]
    return g.Add(product, c if beta == 1 else g.Mul(c, beta))  # type: ignore[no-any-return]


@complex_rule("Div")
def _div(g: Builder, left: Any, right: Any) -> Tensor:
    """Smith's way: by the larger part of the divisor first, so that squares don't overflow.

    Zero divides both parts.
    """
    (a, b), (c, d) = (parts(g, t) for t in common(g, left, right))
    wide = g.GreaterOrEqual(g.Abs(c), g.Abs(d))
    large, small = g.Where(wide, c, d), g.Where(wide, d, c)
    ratio = g.Div(small, large)
    divisor = g.Add(large, g.Mul(small, ratio))
    real = g.Where(wide, g.Add(a, g.Mul(b, ratio)), g.Add(g.Mul(a, ratio), b))
    imaginary = g.Where(wide, g.Sub(b, g.Mul(a, ratio)), g.Sub(g.Mul(b, ratio), a))
    zero, size = g.Equal(large, 0), g.Abs(large)
    return make(
        g,
        g.Where(zero, g.Div(a, size), g.Div(real, divisor)),
        g.Where(zero, g.Div(b, size), g.Div(imaginary, divisor)),
    )


@complex_rule("Reciprocal")
def _reciprocal(g: Builder, x: Tensor) -> Tensor:
    return _div(g, g.constant(1, x.dtype), x)


@complex_rule("ReduceProd")
def _reduce_prod(g: Builder, x: Tensor, axes: Any = None, *, keepdims: int = 1) -> Tensor:
    """The halves of a dim are multiplied until one number is left."""
    rank = x.require_rank()
    dims = list(range(rank)) if axes is None else g.constant(axes, D.INT64).require_array().tolist()
    for dim in {d % rank for d in dims}:
        count = g.size(x, dim)
        if not isinstance(count, int):
            raise UnsupportedError("the product of a dynamic number of complex numbers")
        if count == 0:
            shape = list(x.require_shape())
            shape[dim] = 1
            x = g.Expand(g.constant(1, x.dtype), shape)
        while count > 1:
            half = count // 2
            low, high = g.Slice(x, [0], [half], [dim]), g.Slice(x, [half], [2 * half], [dim])
            rest = g.Slice(x, [2 * half], [count], [dim])
            x = g.Mul(low, high)
            if count % 2:
                x = g.Concat(x, rest, axis=dim)
            count -= half
    return x if keepdims else g.Squeeze(x, axes=sorted({d % rank for d in dims}))
