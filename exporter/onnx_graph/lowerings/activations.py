"""Nonlinear functions of one tensor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

D = ir.DataType


@lowering("Gelu", before=20)
def gelu_from_erf(g: Builder, x: Tensor, *, approximate: str = "none") -> Tensor:
    """X times the normal CDF, (1 + erf(x / sqrt 2)) / 2; a tanh can stand for the erf.

    In these forms onnxruntime knows it again; doubles, which it does not fuse, are halved first, so
    that nothing overflows.
    """
    if approximate == "tanh":
        cubic = g.Mul(g.Pow(x, g.constant(3, x.dtype)), 0.044715)
        erf = g.Tanh(g.Mul(g.Add(x, cubic), math.sqrt(2 / math.pi)))
    else:
        erf = g.Erf(g.Div(x, math.sqrt(2)))
    twice = g.Add(erf, 1)
    if x.dtype == D.DOUBLE:
        return g.Mul(g.Mul(x, 0.5), twice)  # type: ignore[no-any-return]
    return g.Mul(g.Mul(x, twice), 0.5)  # type: ignore[no-any-return]


@lowering("Mish", before=18)
def mish(g: Builder, x: Tensor) -> Tensor:
    """X * tanh(log(1 + exp(x)))."""
    return g.Mul(x, g.Tanh(g.Softplus(x)))  # type: ignore[no-any-return]


@lowering("HardSwish", before=14)
def hard_swish(g: Builder, x: Tensor) -> Tensor:
    """X * min(max(x / 6 + 1/2, 0), 1)."""
    return g.known_as("HardSwish", g.Mul(x, g.HardSigmoid(x, alpha=1 / 6, beta=0.5)), x)


@lowering("Swish", before=ALWAYS)
def swish(g: Builder, x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """X * sigmoid(alpha * x); onnxruntime 1.31 does not know opset 24's operator."""
    return g.Mul(x, g.Sigmoid(x if alpha == 1 else g.Mul(x, alpha)))  # type: ignore[no-any-return]


@lowering("Celu", before=12)
def celu_from_elu(g: Builder, x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """X, and alpha (exp(x / alpha) - 1) below 0: an Elu of x / alpha, scaled; alpha is positive."""
    below = g.Mul(g.Elu(g.Div(g.Min(x, 0), alpha), alpha=1.0), alpha)
    return g.Where(g.Greater(x, 0), x, below)  # type: ignore[no-any-return]


@lowering("ThresholdedRelu", before=10)
def thresholded_relu(g: Builder, x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """X where it is above alpha, else 0."""
    return g.Where(g.Greater(x, alpha), x, 0)  # type: ignore[no-any-return]


@lowering("Softmax", before=13)
def softmax(g: Builder, input: Tensor, *, axis: int = -1) -> Tensor:
    """Softmax flattens all dims from `axis` on before opset 13: it must be the last."""
    return _along_last(g, "Softmax", input, axis)


@lowering("LogSoftmax", before=13)
def log_softmax(g: Builder, input: Tensor, *, axis: int = -1) -> Tensor:
    """As Softmax."""
    return _along_last(g, "LogSoftmax", input, axis)


@lowering("Hardmax", before=13)
def hardmax(g: Builder, input: Tensor, *, axis: int = -1) -> Tensor:
    """As Softmax."""
    return _along_last(g, "Hardmax", input, axis)


def _along_last(g: Builder, op_type: str, input: Tensor, axis: int) -> Tensor:
    if input.rank is None:
        if op_type == "Hardmax":
            raise Unsupported("Hardmax of a tensor of unknown rank needs opset 13")
        shifted = g.Sub(input, g.ReduceMax(input, axes=[axis], keepdims=True))
        total = g.ReduceSum(g.Exp(shifted), axes=[axis], keepdims=True)
        if op_type == "LogSoftmax":
            return g.Sub(shifted, g.Log(total))  # type: ignore[no-any-return]
        return g.Div(g.Exp(shifted), total)  # type: ignore[no-any-return]
    rank = input.rank
    axis %= rank
    if axis == rank - 1:
        return g.native(op_type, input, axis=axis)  # type: ignore[no-any-return]
    perm = list(range(rank))
    perm[axis], perm[-1] = rank - 1, axis
    inner = g.native(op_type, g.Transpose(input, perm=perm), axis=rank - 1)
    return g.Transpose(inner, perm=perm)  # type: ignore[no-any-return]


@lowering("Bernoulli", before=15)
def bernoulli(
    g: Builder, input: Tensor, *, dtype: int | None = None, seed: float | None = None
) -> Tensor:
    """1 where a uniform number is below the probability."""
    if seed is not None:
        raise Unsupported("Bernoulli with a seed needs opset 15")
    drawn = g.RandomUniformLike(input, dtype=int(input.dtype))
    return g.cast(g.Less(drawn, input), D(dtype or int(input.dtype)))


@lowering("CastLike", before=15)
def cast_like(g: Builder, input: Tensor, target_type: Tensor, *, saturate: int = 1) -> Tensor:
    """A cast whose dtype is known here."""
    return g.cast(input, target_type.dtype)


@lowering("HannWindow", before=17)
def hann_window(
    g: Builder, size: Tensor | int, *, output_datatype: int = 1, periodic: int = 1
) -> Tensor:
    """0.5 - 0.5 cos(2 pi n / N)."""
    return _cosine_window(g, size, (0.5, 0.5, 0.0), output_datatype, periodic)


@lowering("HammingWindow", before=17)
def hamming_window(
    g: Builder, size: Tensor | int, *, output_datatype: int = 1, periodic: int = 1
) -> Tensor:
    """25/46 - 21/46 cos(2 pi n / N)."""
    return _cosine_window(g, size, (25 / 46, 21 / 46, 0.0), output_datatype, periodic)


@lowering("BlackmanWindow", before=17)
def blackman_window(
    g: Builder, size: Tensor | int, *, output_datatype: int = 1, periodic: int = 1
) -> Tensor:
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)."""
    return _cosine_window(g, size, (0.42, 0.5, 0.08), output_datatype, periodic)


def _cosine_window(
    g: Builder,
    size: Tensor | int,
    weights: tuple[float, float, float],
    output_datatype: int,
    periodic: int,
) -> Tensor:
    count = g.constant(size, D.INT64)
    length = g.cast(count if periodic else g.Max(g.Sub(count, 1), 1), D.DOUBLE)
    turn = g.Div(g.Mul(g.cast(consecutive(g, count), D.DOUBLE), np.array(2 * np.pi)), length)
    constant, first, second = weights
    # Cos has no kernel for doubles in onnxruntime, and is called with what it has one for.
    window = g.Sub(constant, g.Mul(g.Cos(turn), first))
    if second:
        window = g.Add(window, g.Mul(g.Cos(g.Mul(turn, 2)), second))
    return g.cast(window, D(output_datatype))


@lowering("Dropout", before=ALWAYS)
def dropout(
    g: Builder,
    data: Tensor,
    ratio: Tensor | float = 0.5,
    training_mode: Tensor | bool = False,
    *,
    seed: int | None = None,
    outputs: int = 1,
) -> Tensor | tuple[Tensor, ...]:
    """Training came with opset 12: zeros where a uniform number is below the ratio, else x scaled.

    The mask is true where x is kept. onnxruntime's Dropout (1.32) refuses a ratio of 1, and takes
    one of run time for the result where the data are a constant. It removes a Dropout whose mask
    is not used, training or not, unless a node computes the mode: so the mask is used.
    """
    fill = g.constant(ratio, data.dtype)
    mode = g.constant(training_mode, D.BOOL)
    trains = mode.array is not None and bool(mode.array.all())
    runs = fill.array.item() < 1 if fill.array is not None else data.array is None
    if g.opset >= 12 and runs:
        if trains and outputs == 1:
            scaled, kept = g.native("Dropout", data, fill, mode, seed=seed, outputs=2)
            return g.Where(kept, scaled, 0)  # type: ignore[no-any-return]
        return g.native("Dropout", data, fill, mode, seed=seed, outputs=outputs)  # type: ignore[no-any-return]
    mode.require_array()
    if trains:
        if seed is not None:
            raise Unsupported("Dropout with a seed needs opset 12, and a ratio below 1")
        drawn = g.RandomUniformLike(data, dtype=int(data.dtype))
        kept = g.Not(g.Less(drawn, fill))
        # At a ratio of 1 nothing is kept, and the division's result is not looked at.
        scaled = g.Where(kept, g.Div(data, g.Sub(1, fill)), 0)
    else:
        scaled = data
        kept = g.ConstantOfShape(g.shape(data), value=np.array([True]))
    return scaled if outputs == 1 else (scaled, kept)
