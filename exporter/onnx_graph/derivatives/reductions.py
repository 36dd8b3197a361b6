"""Derivatives of reductions, running sums, softmax and normalizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.errors import UnsupportedError
from exporter.onnx_graph.derivatives.pieces import inverse, number, summed_to
from exporter.onnx_graph.derivatives.registry import Step, derivative
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__: list[str] = []

Grads = Sequence[Tensor | None]


def _axes(step: Step) -> list[int]:
    """The dims that a reduction runs over."""
    x, axes = step[0], step.integers(1, "axes")
    if axes is None and step.optional(1) is not None:
        raise UnsupportedError("the gradient of a reduction over dims known only at run time")
    rank = x.require_rank()
    if not axes:
        empty = axes is not None or step.attribute("noop_with_empty_axes", 0)
        return [] if empty and step.attribute("noop_with_empty_axes", 0) else list(range(rank))
    return [int(a) % rank for a in axes]


def _spread(g: Builder, step: Step, reduced: Tensor) -> Tensor:
    """What has the shape of a reduction's result, with the reduced dims as dims of 1."""
    axes = _axes(step)
    if step.attribute("keepdims", 1) or not axes:
        return reduced
    return g.Unsqueeze(reduced, axes=sorted(axes))  # type: ignore[no-any-return]


def _count(g: Builder, step: Step, like: Tensor) -> Tensor:
    """How many elements each result was made of."""
    shape = step[0].require_shape()
    count = _number_of_elements([shape[axis] for axis in _axes(step)])
    return g.cast(g.constant(count), like.dtype)


def _number_of_elements(shape: Sequence[Dim]) -> Dim:
    count: Dim = 1
    for size in shape:
        count = count * size
    return count


def _full(g: Builder, step: Step, grad: Tensor) -> Tensor:
    return g.Expand(grad, g.shape(step[0]))  # type: ignore[no-any-return]


@derivative("ReduceSum")
def _sum(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [_full(g, step, _spread(g, step, grad))]


@derivative("ReduceMean")
def _mean(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [_full(g, step, g.Div(_spread(g, step, grad), _count(g, step, grad)))]


@derivative("ReduceMax", "ReduceMin")
def _extreme(g: Builder, step: Step, grad: Tensor) -> Grads:
    """Equal elements share, as in `amax`."""
    hit = g.cast(g.Equal(step[0], _spread(g, step, step.result)), grad.dtype)
    shares = g.ReduceSum(hit, axes=_axes(step), keepdims=1)
    return [g.Mul(hit, g.Div(_spread(g, step, grad), shares))]


@derivative("ReduceL1")
def _l1(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [g.Mul(g.Sign(step[0]), _spread(g, step, grad))]


@derivative("ReduceL2")
def _l2(g: Builder, step: Step, grad: Tensor) -> Grads:
    """X / |x|, and zero where the norm is."""
    norm, zero = _spread(g, step, step.result), number(g, 0, grad)
    slope = g.Where(g.Equal(norm, zero), zero, g.Div(step[0], norm))
    return [g.Mul(slope, _spread(g, step, grad))]


@derivative("ReduceSumSquare")
def _sum_square(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [g.Mul(g.Mul(step[0], number(g, 2, grad)), _spread(g, step, grad))]


@derivative("ReduceLogSumExp")
def _log_sum_exp(g: Builder, step: Step, grad: Tensor) -> Grads:
    share = g.Exp(g.Sub(step[0], _spread(g, step, step.result)))
    return [g.Mul(share, _spread(g, step, grad))]


@derivative("ReduceLogSum")
def _log_sum(g: Builder, step: Step, grad: Tensor) -> Grads:
    total = g.Exp(_spread(g, step, step.result))
    return [_full(g, step, g.Div(_spread(g, step, grad), total))]


@derivative("ReduceProd")
def _prod(g: Builder, step: Step, grad: Tensor) -> Grads:
    """The product of the others, element by element: also right where some are zero."""
    x, axes = step[0], sorted(_axes(step))
    order = [i for i in range(x.require_rank()) if i not in axes] + axes
    moved = g.Transpose(x, perm=order)
    shape = moved.require_shape()
    kept, size = list(shape[: len(shape) - len(axes)]), _number_of_elements(shape[-len(axes) :])
    rows = g.reshape(moved, [*kept, size])
    index = consecutive(g, size)
    itself = g.Equal(g.Unsqueeze(index, axes=[1]), index)
    square = g.Expand(g.Unsqueeze(rows, axes=[-2]), g.constant([*kept, size, size]))
    others = g.ReduceProd(g.Where(itself, number(g, 1, x), square), axes=[-1], keepdims=0)
    others = g.Transpose(g.reshape(others, list(shape)), perm=inverse(order))
    return [g.Mul(others, _spread(g, step, grad))]


@derivative("CumSum")
def _cumsum(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [
        g.CumSum(
            grad,
            step[1],
            exclusive=step.attribute("exclusive", 0),
            reverse=1 - step.attribute("reverse", 0),
        ),
        None,
    ]


# ---------------------------------------------------------------- softmax and normalizations


def _softmax_axis(step: Step) -> int:
    if step.call.opset < 13:
        axis = step.attribute("axis", 1) % step[0].require_rank()
        if axis != step[0].require_rank() - 1:
            raise UnsupportedError("the gradient of a softmax over several dims at once")
    return int(step.attribute("axis", -1))


@derivative("Softmax")
def _softmax(g: Builder, step: Step, grad: Tensor) -> Grads:
    weighted = g.Mul(grad, step.result)
    total = g.ReduceSum(weighted, axes=[_softmax_axis(step)], keepdims=1)
    return [g.Sub(weighted, g.Mul(step.result, total))]


@derivative("LogSoftmax")
def _log_softmax(g: Builder, step: Step, grad: Tensor) -> Grads:
    total = g.ReduceSum(grad, axes=[_softmax_axis(step)], keepdims=1)
    return [g.Sub(grad, g.Mul(g.Exp(step.result), total))]


def standardized_gradient(
    g: Builder, x: Tensor, grad: Tensor, axes: Sequence[int], eps: float
) -> tuple[Tensor, Tensor]:
    """The gradient of (x - mean) / sqrt(var + eps) over some dims, and that value itself."""
    centred = g.Sub(x, g.ReduceMean(x, axes=axes, keepdims=1))
    variance = g.ReduceMean(g.Mul(centred, centred), axes=axes, keepdims=1)
    scale = g.Reciprocal(g.Sqrt(g.Add(variance, number(g, eps, x))))
    value = g.Mul(centred, scale)
    mean = g.ReduceMean(grad, axes=axes, keepdims=1)
    slant = g.Mul(value, g.ReduceMean(g.Mul(grad, value), axes=axes, keepdims=1))
    return g.Mul(g.Sub(g.Sub(grad, mean), slant), scale), value


@derivative("LayerNormalization")
def _layer_norm(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, scale, bias = step[0], step[1], step.optional(2)
    rank = x.require_rank()
    axes = list(range(step.attribute("axis", -1) % rank, rank))
    eps = step.attribute("epsilon", 1e-5)
    inner, value = standardized_gradient(g, x, g.Mul(grad, scale), axes, eps)
    return [
        inner,
        summed_to(g, g.Mul(grad, value), scale) if step.wants(1) else None,
        summed_to(g, grad, bias) if bias is not None and step.wants(2) else None,
    ]


@derivative("RMSNormalization")
def _rms_norm(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, scale = step[0], step[1]
    rank = x.require_rank()
    axes = list(range(step.attribute("axis", -1) % rank, rank))
    square = g.ReduceMean(g.Mul(x, x), axes=axes, keepdims=1)
    eps = number(g, step.attribute("epsilon", 1e-5), x)
    inverse = g.Reciprocal(g.Sqrt(g.Add(square, eps)))
    value = g.Mul(x, inverse)
    scaled = g.Mul(grad, scale)
    slant = g.Mul(value, g.ReduceMean(g.Mul(scaled, value), axes=axes, keepdims=1))
    return [
        g.Mul(g.Sub(scaled, slant), inverse),
        summed_to(g, g.Mul(grad, value), scale) if step.wants(1) else None,
    ]


def _channels(g: Builder, values: Tensor, rank: int) -> Tensor:
    """Values of each channel, shaped to be broadcast over (N, C, ...)."""
    return g.reshape(values, [values.require_shape()[0], *[1] * (rank - 2)])


def _per_channel(g: Builder, tensor: Tensor) -> Tensor:
    """The sum over all dims but the channels'."""
    axes = [i for i in range(tensor.require_rank()) if i != 1]
    return g.ReduceSum(tensor, axes=axes, keepdims=0)  # type: ignore[no-any-return]


@derivative("InstanceNormalization")
def _instance_norm(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, scale = step[0], step[1]
    rank = x.require_rank()
    scaled = g.Mul(grad, _channels(g, scale, rank))
    eps = step.attribute("epsilon", 1e-5)
    inner, value = standardized_gradient(g, x, scaled, list(range(2, rank)), eps)
    return [
        inner,
        _per_channel(g, g.Mul(grad, value)) if step.wants(1) else None,
        _per_channel(g, grad) if step.wants(2) else None,
    ]


@derivative("GroupNormalization")
def _group_norm(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, scale = step[0], step[1]
    shape, groups = x.require_shape(), step.attribute("num_groups", 1)
    if step.call.opset < 21:
        raise UnsupportedError("the gradient of a GroupNormalization with one scale a group")
    scaled = g.Mul(grad, _channels(g, scale, len(shape)))
    rows = [shape[0], groups, -1]
    inner, value = standardized_gradient(
        g, g.reshape(x, rows), g.reshape(scaled, rows), [2], step.attribute("epsilon", 1e-5)
    )
    value = g.reshape(value, list(shape))
    return [
        g.reshape(inner, list(shape)),
        _per_channel(g, g.Mul(grad, value)) if step.wants(1) else None,
        _per_channel(g, grad) if step.wants(2) else None,
    ]


@derivative("BatchNormalization")
def _batch_norm(g: Builder, step: Step, grad: Tensor) -> Grads:
    """With given statistics: what is done to each channel is linear."""
    if step.attribute("training_mode", 0):
        raise UnsupportedError("the gradient of a batch_norm in training mode")
    x, scale, mean, variance = step[0], step[1], step[3], step[4]
    rank = x.require_rank()
    eps = number(g, step.attribute("epsilon", 1e-5), variance)
    inverse = g.Reciprocal(g.Sqrt(g.Add(variance, eps)))
    factor = g.cast(g.Mul(g.cast(scale, variance.dtype), inverse), grad.dtype)
    grads: list[Tensor | None] = [
        g.Mul(grad, _channels(g, factor, rank)) if step.wants(0) else None
    ]
    if step.wants(1):
        centred = g.Sub(x, _channels(g, g.cast(mean, x.dtype), rank))
        value = g.Mul(centred, _channels(g, g.cast(inverse, x.dtype), rank))
        grads.append(_per_channel(g, g.Mul(grad, value)))
    else:
        grads.append(None)
    grads.append(_per_channel(g, grad) if step.wants(2) else None)
    if step.wants(3) or step.wants(4):
        raise UnsupportedError("the gradient of batch_norm's statistics")
    return grads
