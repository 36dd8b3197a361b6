"""Random numbers where onnxruntime has none.

onnxruntime 1.31 has no kernel for the random operators in the form that opset 22 gave them;
Dropout is the one source of randomness that is left. What it keeps at a ratio of 1/2 is a random
bit, and as many bits as a dtype has digits make a number that is spread evenly over [0, 1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.control_flow import emit_loop
from exporter.onnx_graph.lowerings.registry import ALWAYS, WITHOUT_KERNELS, lowering
from exporter.onnx_graph.shapes import OutputType

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.symbolic import Shape
    from exporter.onnx_graph.values import Tensor

__all__: list[str] = []

SKIPPED = 16
DIGITS = {ir.DataType.DOUBLE: 53, ir.DataType.FLOAT: 24}


def uniform(g: Builder, shape: Tensor, dims: Shape | None, dtype: ir.DataType) -> Tensor:
    """Numbers spread evenly over [0, 1), a row of random bits for each.

    All bits come from one Dropout: those of two differ by little in onnxruntime, whose seeds are
    consecutive. For that reason the first few are thrown away, too. The Dropout is in a loop of one
    trip, for onnxruntime takes a Dropout of constants for a constant, and one in a body whose
    training mode comes from outside for one that isn't in training.
    """
    digits = DIGITS[dtype]
    count = g.Add(g.Mul(g.ReduceProd(shape, keepdims=False), digits), SKIPPED)
    drawn = OutputType(ir.DataType.FLOAT, (None,))
    start = g.Expand(g.constant(1.0, ir.DataType.FLOAT), g.Reshape(count, [1]))
    with g.body("uniform") as scope:
        trip, index = g.body_input("trip", OutputType(ir.DataType.INT64, ()))
        go_on, condition = g.body_input("condition", OutputType(ir.DataType.BOOL, ()))
        carried, ones = g.body_input("ones", drawn)
        half = g.constant(0.5, ir.DataType.FLOAT)
        kept = g.Dropout(ones, ratio=half, training_mode=g.Equal(index, index))
    body = (scope, [trip, go_on, carried], [condition, kept])
    bits = emit_loop(g, g.constant(1), None, [start], body, [drawn])[0]
    bits = g.Slice(bits, starts=[SKIPPED], ends=[np.iinfo(np.int64).max], axes=[0])
    # Dropout doubles what it keeps.
    weights = g.constant(2.0 ** -np.arange(2.0, digits + 2.0).reshape(-1, 1), dtype)
    numbers = g.MatMul(g.cast(g.Reshape(bits, [-1, digits]), dtype), weights)
    return g.reshape(numbers, shape if dims is None else dims)


def drawn_dtype(dtype: int | None, like: Tensor) -> tuple[ir.DataType, ir.DataType]:
    """The dtype asked for, and the one to draw in."""
    target = like.dtype if dtype is None else ir.DataType(dtype)
    return target, target if target in DIGITS else ir.DataType.FLOAT


@lowering("RandomUniformLike", before=ALWAYS)
def random_uniform_like(
    g: Builder,
    input: Tensor,
    *,
    dtype: int | None = None,
    low: float = 0.0,
    high: float = 1.0,
) -> Tensor:
    """Low + u * (high - low)."""
    if g.opset < WITHOUT_KERNELS:
        return g.native("RandomUniformLike", input, dtype=dtype, low=low, high=high)  # type: ignore[no-any-return]
    target, drawn = drawn_dtype(dtype, input)
    numbers = uniform(g, g.shape(input), input.shape, drawn)
    if (low, high) != (0.0, 1.0):
        numbers = g.Add(g.Mul(numbers, high - low), low)
    return g.cast(numbers, target)


@lowering("RandomNormalLike", before=ALWAYS)
def random_normal_like(
    g: Builder,
    input: Tensor,
    *,
    dtype: int | None = None,
    mean: float = 0.0,
    scale: float = 1.0,
) -> Tensor:
    """Box and Muller: sqrt(-2 log(u)) cos(2 pi v) is standard normal for u from (0, 1]."""
    if g.opset < WITHOUT_KERNELS:
        return g.native("RandomNormalLike", input, dtype=dtype, mean=mean, scale=scale)  # type: ignore[no-any-return]
    target, drawn = drawn_dtype(dtype, input)
    shape, dims = g.shape(input), input.shape
    radius = g.Log(g.Sub(g.constant(1.0, drawn), uniform(g, shape, dims, drawn)))
    turn = g.Cos(g.Mul(uniform(g, shape, dims, drawn), 2 * math.pi))
    numbers = g.Mul(g.Sqrt(g.Mul(radius, -2.0)), turn)
    if (mean, scale) != (0.0, 1.0):
        numbers = g.Add(g.Mul(numbers, scale), mean)
    return g.cast(numbers, target)


@lowering("Multinomial", before=ALWAYS)
def multinomial(
    g: Builder, input: Tensor, *, dtype: int = int(ir.DataType.INT32), sample_size: int = 1
) -> Tensor:
    """The largest of the log-probabilities with Gumbel noise, one set of noise for each sample."""
    if g.opset < WITHOUT_KERNELS:
        return g.native("Multinomial", input, dtype=dtype, sample_size=sample_size)  # type: ignore[no-any-return]
    batch, classes = input.require_shape()
    drawn = input.dtype if input.dtype in DIGITS else ir.DataType.FLOAT
    dims = (batch, sample_size, classes)
    shape = g.constant(list(dims), ir.DataType.INT64)
    noise = g.Neg(g.Log(g.Sub(g.constant(1.0, drawn), uniform(g, shape, dims, drawn))))
    scores = g.Sub(g.Unsqueeze(g.cast(input, drawn), [1]), g.Log(noise))
    return g.cast(g.ArgMax(scores, axis=2, keepdims=False), ir.DataType(dtype))
