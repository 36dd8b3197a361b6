"""Layer, group, batch and RMS normalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.onnx_graph.lowerings.registry import ALWAYS, lowering
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

D = ir.DataType


def _last_axes(x: Tensor, axis: int) -> list[int]:
    rank = x.require_rank()
    return list(range(axis % rank, rank))


@lowering("LayerNormalization", before=17)
def layer_normalization(
    g: Builder,
    x: Tensor,
    scale: Tensor,
    bias: Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    outputs: int = 1,
) -> Tensor | tuple[Tensor, ...]:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, over the dims from `axis` on.

    Mean and root are computed in the dtype that `stash_type` names, doubles as such. In this form
    onnxruntime knows it again.
    """
    axes = _last_axes(x, axis)
    working = D.DOUBLE if x.dtype == D.DOUBLE else D(stash_type)
    wide = g.cast(x, working)
    mean = g.ReduceMean(wide, axes=axes, keepdims=True)
    centred = g.Sub(wide, mean)
    variance = g.ReduceMean(g.Pow(centred, _two(g, working)), axes=axes, keepdims=True)
    root = g.Sqrt(g.Add(variance, epsilon))
    result = g.Mul(g.cast(g.Div(centred, root), x.dtype), scale)
    if bias is not None:
        result = g.Add(result, bias)
    return result if outputs == 1 else (result, mean, g.Reciprocal(root))[:outputs]


def _two(g: Builder, dtype: D) -> Tensor:
    return g.constant(2, dtype)


@lowering("RMSNormalization", before=23)
def rms_normalization(
    g: Builder,
    x: Tensor,
    scale: Tensor,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Tensor:
    """X / sqrt(mean(x^2) + epsilon) * scale, over the dims from `axis` on."""
    working = D.DOUBLE if x.dtype == D.DOUBLE else D(stash_type)
    wide = g.cast(x, working)
    square = g.ReduceMean(g.Pow(wide, _two(g, working)), axes=_last_axes(x, axis), keepdims=True)
    normal = g.cast(g.Mul(wide, g.Div(1.0, g.Sqrt(g.Add(square, epsilon)))), x.dtype)
    is_one = scale.array is not None and bool((scale.array == 1).all())
    return normal if is_one else g.Mul(normal, scale)


@lowering("InstanceNormalization", before=ALWAYS)
def instance_normalization(
    g: Builder, input: Tensor, scale: Tensor, B: Tensor, *, epsilon: float = 1e-5
) -> Tensor:
    """Each channel of each sample by itself; for doubles onnxruntime has no kernel."""
    if input.dtype != D.DOUBLE:
        return g.native("InstanceNormalization", input, scale, B, epsilon=epsilon)  # type: ignore[no-any-return]
    rank = input.require_rank()
    axes = list(range(2, rank))
    centred = g.Sub(input, g.ReduceMean(input, axes=axes, keepdims=True))
    variance = g.ReduceMean(g.Mul(centred, centred), axes=axes, keepdims=True)
    normal = g.Div(centred, g.Sqrt(g.Add(variance, epsilon)))
    per_channel = [input.require_shape()[1], *([1] * (rank - 2))]
    return g.Add(g.Mul(normal, g.reshape(scale, per_channel)), g.reshape(B, per_channel))  # type: ignore[no-any-return]


@lowering("GroupNormalization", before=21)
def group_normalization(
    g: Builder,
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Tensor:
    """Each group of channels with its own mean and variance; scale and bias are of the channels.

    (At opsets 18 to 20 the operator's scale and bias are of the groups, which can't say the same.)
    A group is a channel of an InstanceNormalization, where that has a kernel.
    """
    shape = x.require_shape()
    grouped = g.reshape(x, [shape[0], num_groups, -1])
    if x.dtype == D.FLOAT:
        ones, zeros = np.ones(num_groups, np.float32), np.zeros(num_groups, np.float32)
        normal = g.InstanceNormalization(grouped, ones, zeros, epsilon=epsilon)
    else:
        wide = grouped if x.dtype == D.DOUBLE else g.cast(grouped, D(stash_type))
        centred = g.Sub(wide, g.ReduceMean(wide, axes=[2], keepdims=True))
        variance = g.ReduceMean(g.Mul(centred, centred), axes=[2], keepdims=True)
        normal = g.cast(g.Div(centred, g.Sqrt(g.Add(variance, epsilon))), x.dtype)
    per_channel = [shape[1], *([1] * (len(shape) - 2))]
    result = g.Mul(g.reshape(normal, list(shape)), g.reshape(scale, per_channel))
    return g.Add(result, g.reshape(bias, per_channel))  # type: ignore[no-any-return]


@lowering("BatchNormalization", before=14)
def batch_normalization(
    g: Builder,
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    input_mean: Tensor,
    input_var: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
    outputs: int = 1,
) -> Tensor | tuple[Tensor, ...]:
    """Training has another form before opset 14: the batch's mean and variance are computed here.

    running = running * momentum + batch * (1 - momentum), with the variance of the population.
    """
    if not training_mode:
        return g.native(  # type: ignore[no-any-return]
            "BatchNormalization", x, scale, bias, input_mean, input_var, epsilon=epsilon
        )
    rank = x.require_rank()
    axes = [i for i in range(rank) if i != 1]
    mean = g.ReduceMean(x, axes=axes, keepdims=True)
    centred = g.Sub(x, mean)
    variance = g.ReduceMean(g.Mul(centred, centred), axes=axes, keepdims=True)
    per_channel: Sequence[Dim] = [x.require_shape()[1], *([1] * (rank - 2))]
    normal = g.Div(centred, g.Sqrt(g.Add(variance, epsilon)))
    result = g.Add(g.Mul(normal, g.reshape(scale, per_channel)), g.reshape(bias, per_channel))

    def running(old: Tensor, new: Tensor) -> Tensor:
        flat = g.cast(g.reshape(new, [-1]), old.dtype)
        return g.Add(g.Mul(old, momentum), g.Mul(flat, 1 - momentum))  # type: ignore[no-any-return]

    means, variances = running(input_mean, mean), running(input_var, variance)
    return result if outputs == 1 else (result, means, variances)[:outputs]
