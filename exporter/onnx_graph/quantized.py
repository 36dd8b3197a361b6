"""Quantized tensors: integers with a scale and a zero point, held as one value.

A quantized `Tensor` has the dtype of its integers and their shape, and no ONNX value of its own:
its `quantization` holds the integers and what they mean, real = (integer - zero point) * scale. So
nothing can take the integers for the numbers that they stand for: an operator that is called with
a quantized tensor acts on the integers where it only moves elements (`MOVES`), and is an error
elsewhere. Whoever computes with the numbers asks for them: `dequantized`, then the operator on
floats, then `quantized`. These are DequantizeLinear and QuantizeLinear, the form (QDQ) in which
runtimes look for operators that they have integer kernels for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.values import Quantization, Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = [
    "MOVES",
    "call",
    "carried",
    "dequantized",
    "integer_range",
    "meaning_of",
    "quantized",
    "requantized",
    "same_meaning",
    "same_number",
    "whole",
]

D = ir.DataType

# What becomes of the integers becomes of the numbers. The inputs that hold elements, by position.
MOVES = {
    "Concat": None,
    "Compress": (0,),
    "DepthToSpace": (0,),
    "Expand": (0,),
    "Flatten": (0,),
    "Gather": (0,),
    "GatherElements": (0,),
    "GatherND": (0,),
    "Identity": (0,),
    "Pad": (0, 2),
    "Reshape": (0,),
    "ReverseSequence": (0,),
    "ScatterElements": (0, 2),
    "ScatterND": (0, 2),
    "Slice": (0,),
    "SpaceToDepth": (0,),
    "Split": (0,),
    "Squeeze": (0,),
    "Tile": (0,),
    "Transpose": (0,),
    "Unsqueeze": (0,),
    "Where": (1, 2),
}
# They look at no element.
_SHAPE_ONLY = {"Shape", "Size"}


def whole(integers: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None = None) -> Tensor:
    """A quantized tensor. Along `axis`, where there is one, go a scale and a zero point each.

    The scale and the zero point are of any dtype: what PyTorch's `q_scale` gives must be exact.
    """
    # It is seen where all three are: in the innermost graph that one of them was emitted in.
    scopes = [t.scope for t in (integers, scale, zero_point) if t.scope is not None]
    home = max(scopes, key=lambda scope: len(list(scope.chain())), default=None)
    made = Tensor(integers.dtype, integers.shape, scope=home)
    made.quantization = Quantization(integers, scale, zero_point, axis)
    return made


def carried(integers: Tensor, source: Tensor) -> Tensor:
    """Integers that mean what those of `source` do."""
    meaning = meaning_of(source)
    return whole(integers, meaning.scale, meaning.zero_point, meaning.axis)


def meaning_of(x: Tensor) -> Quantization:
    """The integers and what they mean; an error for a tensor that is not quantized."""
    if x.quantization is None:
        raise UnsupportedError(f"a quantized tensor is wanted here, not {x.dtype.name.lower()}")
    return x.quantization


def same_meaning(a: Tensor, b: Tensor) -> bool:
    """Whether equal integers certainly are equal numbers."""
    one, other = meaning_of(a), meaning_of(b)
    return (
        a.dtype == b.dtype
        and one.axis == other.axis
        and same_number(one.scale, other.scale)
        and same_number(one.zero_point, other.zero_point)
    )


def same_number(a: Tensor, b: Tensor) -> bool:
    """Whether two scales or zero points certainly are equal."""
    if a is b:
        return True
    return a.array is not None and b.array is not None and bool(np.array_equal(a.array, b.array))


def integer_range(dtype: D) -> tuple[int, int]:
    """The least and the greatest integer of a quantized dtype."""
    if dtype == D.UINT4:
        return 0, 15
    limits = np.iinfo(dtype.numpy())
    return int(limits.min), int(limits.max)


# ---------------------------------------------------------------- from and to numbers


def dequantized(g: Builder, x: Tensor) -> Tensor:
    """The float32 numbers that a quantized tensor stands for."""
    meaning = meaning_of(x)
    integers, axis = meaning.integers, meaning.axis
    zero_point = meaning.zero_point
    scale = g.cast(meaning.scale, D.FLOAT)
    if zero_point.dtype in (D.FLOAT, D.DOUBLE):
        # The float zero points of embedding tables, which ONNX does not have.
        if integers.dtype == D.UINT4 and integers.array is not None:
            integers = g.constant(integers.array.astype(np.uint8), name=integers.name)
        numbers = g.cast(integers, D.FLOAT)
        rank = x.require_rank()
        point = along(g, g.cast(zero_point, D.FLOAT), axis, rank)
        return g.Mul(g.Sub(numbers, point), along(g, scale, axis, rank))  # type: ignore[no-any-return]
    if x.dtype == D.INT32:
        return _dequantized_int32(g, x)
    return g.DequantizeLinear(  # type: ignore[no-any-return]
        integers, scale, g.cast(zero_point, x.dtype), **channels(g, axis)
    )


def channels(g: Builder, axis: int | None) -> dict[str, int]:
    """The attribute for a scale of each channel, where there is one.

    Opset 13 brought it. Written as a product the weights would be floats, which onnxruntime, where
    it finds them among quantized numbers, quantizes again, as a whole.
    """
    if axis is None:
        return {}
    if g.opset < 13:
        raise UnsupportedError(
            f"a tensor that is quantized per channel, at opset {g.opset}; opset 13 has that"
        )
    return {"axis": axis}


def _dequantized_int32(g: Builder, x: Tensor) -> Tensor:
    """The same for 32 bits, which DequantizeLinear takes without a zero point alone."""
    meaning = meaning_of(x)
    rank = x.require_rank() if meaning.axis is not None else 0
    point = along(g, g.cast(meaning.zero_point, D.INT64), meaning.axis, rank)
    # PyTorch subtracts in float32.
    numbers = g.Sub(g.cast(meaning.integers, D.FLOAT), g.cast(point, D.FLOAT))
    return g.Mul(numbers, along(g, g.cast(meaning.scale, D.FLOAT), meaning.axis, rank))  # type: ignore[no-any-return]


def along(g: Builder, values: Tensor, axis: int | None, rank: int) -> Tensor:
    """A scale or zero point for each index of `axis`, in a shape that broadcasts."""
    if axis is None:
        return values
    return g.reshape(values, [-1 if i == axis else 1 for i in range(rank)])


def quantized(
    g: Builder,
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    dtype: D,
    axis: int | None = None,
) -> Tensor:
    """Numbers as the nearest integers (half to even) times a scale, saturated at their range.

    PyTorch multiplies by the reciprocal of the scale where ONNX divides, and adds the zero point
    before it rounds, not after. So numbers in the middle between two integers, or within a rounding
    error of it, may go to the other one.
    """
    if x.dtype != D.FLOAT:
        raise UnsupportedError(f"PyTorch quantizes float32, not {x.dtype.name.lower()}")
    divisor = g.cast(scale, D.FLOAT)
    if dtype in (D.UINT8, D.INT8):
        integers = g.QuantizeLinear(x, divisor, g.cast(zero_point, dtype), **channels(g, axis))
    elif dtype == D.INT32:
        # In double: float32 has not the 32 bits that are rounded to.
        rank = x.require_rank() if axis is not None else 0
        steps = g.Mul(x, g.Reciprocal(along(g, divisor, axis, rank)))
        point = along(g, g.cast(zero_point, D.DOUBLE), axis, rank)
        exact = g.Add(g.Round(g.cast(steps, D.DOUBLE)), point)
        low, high = integer_range(dtype)
        integers = g.cast(g.Clip(exact, float(low), float(high)), dtype)
    else:
        raise UnsupportedError(f"quantizing to {dtype.name.lower()} at run time")
    return whole(integers, scale, zero_point, axis)


def requantized(g: Builder, x: Tensor, like: Tensor) -> Tensor:
    """Numbers quantized as another tensor is."""
    meaning = meaning_of(like)
    return quantized(g, x, meaning.scale, meaning.zero_point, like.dtype, meaning.axis)


# ---------------------------------------------------------------- operators


def call(
    g: Builder,
    op_type: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    domain: str = "",
    outputs: int = 1,
) -> Any:
    """An operator with a quantized input: on the integers, if it only moves elements."""
    first = next(a for a in args if isinstance(a, Tensor) and a.quantization is not None)
    meaning = meaning_of(first)
    if op_type in _SHAPE_ONLY:
        return g.op(op_type, meaning.integers, **kwargs)
    if domain or op_type not in MOVES:
        raise UnsupportedError(f"{op_type} of quantized numbers; dequantize() them before")
    if meaning.axis is not None:
        raise UnsupportedError(
            f"{op_type} of a tensor that is quantized per channel; dequantize() it before"
        )
    places = MOVES[op_type]
    integers: list[Any] = [
        _integers(a, first, op_type) if places is None or i in places else a
        for i, a in enumerate(args)
    ]
    if op_type == "Pad" and kwargs.get("mode", "constant") == "constant" and len(args) < 3:
        integers += [None] * (2 - len(args)) + [g.cast(meaning.zero_point, first.dtype)]
    results = g.op(op_type, *integers, outputs=outputs, **kwargs)
    if outputs == 1:
        return carried(results, first)
    return tuple(carried(r, first) for r in results)


def _integers(value: object, first: Tensor, op_type: str) -> object:
    if not isinstance(value, Tensor):
        return value
    if value.quantization is None or not same_meaning(value, first):
        raise UnsupportedError(
            f"{op_type} of tensors that are quantized with different scales or zero points"
        )
    return value.quantization.integers
