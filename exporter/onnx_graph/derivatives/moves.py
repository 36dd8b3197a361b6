"""Derivatives of what moves elements: shapes, slices, gathers, scatters, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.errors import UnsupportedError
from exporter.onnx_graph.derivatives.pieces import (
    added_along,
    inverse,
    number,
    summed_to,
    zeros,
)
from exporter.onnx_graph.derivatives.registry import (
    Step,
    derivative,
    derivative_of_results,
)
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__: list[str] = []

Grads = Sequence[Tensor | None]


@derivative("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshape(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [g.reshape(grad, g.shape(step[0]))]


@derivative("Expand")
def _expand(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [summed_to(g, grad, step[0])]


@derivative("Transpose")
def _transpose(g: Builder, step: Step, grad: Tensor) -> Grads:
    rank = step[0].require_rank()
    return [g.Transpose(grad, perm=inverse(step.attribute("perm", range(rank)[::-1])))]


@derivative("Tile")
def _tile(g: Builder, step: Step, grad: Tensor) -> Grads:
    shape, repeats = step[0].require_shape(), step.integers(1, "repeats")
    if repeats is None:
        raise UnsupportedError("the gradient of a Tile whose counts are known only at run time")
    split = [d for pair in zip(repeats, shape, strict=True) for d in pair]
    blocks = g.reshape(grad, split)
    return [g.ReduceSum(blocks, axes=list(range(0, len(split), 2)), keepdims=0)]


@derivative("Concat")
def _concat(g: Builder, step: Step, grad: Tensor) -> Grads:
    axis = step.attribute("axis", 0) % grad.require_rank()
    grads: list[Tensor | None] = []
    start = g.constant(0)
    for i, wanted in enumerate(step.wanted):
        end = g.Add(start, g.constant(step[i].require_shape()[axis]))
        ends = [g.reshape(t, [1]) for t in (start, end)]
        grads.append(g.Slice(grad, *ends, g.constant([axis])) if wanted else None)
        start = end
    return grads


@derivative_of_results("Split")
def _split(g: Builder, step: Step, grads: Sequence[Tensor | None]) -> Grads:
    pieces = [
        zeros(g, result) if grad is None else grad
        for grad, result in zip(grads, step.results, strict=True)
    ]
    return [g.Concat(*pieces, axis=step.attribute("axis", 0))]


@derivative("Trilu")
def _trilu(g: Builder, step: Step, grad: Tensor) -> Grads:
    k = step.optional(1)
    return [g.Trilu(grad, 0 if k is None else k, upper=step.attribute("upper", 1))]


@derivative("DepthToSpace")
def _depth_to_space(g: Builder, step: Step, grad: Tensor) -> Grads:
    blocks = step.attribute("blocksize", 1)
    if step.attribute("mode", "DCR") == "DCR":
        return [g.SpaceToDepth(grad, blocksize=blocks)]
    n, c, h, w = step[0].require_shape()
    rows = g.reshape(grad, [n, c // (blocks * blocks), h, blocks, w, blocks])
    return [g.reshape(g.Transpose(rows, perm=[0, 1, 3, 5, 2, 4]), [n, c, h, w])]


@derivative("SpaceToDepth")
def _space_to_depth(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [g.DepthToSpace(grad, blocksize=step.attribute("blocksize", 1), mode="DCR")]


# ---------------------------------------------------------------- slices and padding


@derivative("Slice")
def _slice(g: Builder, step: Step, grad: Tensor) -> Grads:
    """Where the elements came from is found by slicing their positions."""
    shape = step[0].require_shape()
    starts, ends = step.integers(1, "starts"), step.integers(2, "ends")
    if starts is None or ends is None:
        raise UnsupportedError("the gradient of a slice whose bounds are tensors")
    axes = step.integers(3, "axes") or list(range(len(starts)))
    steps = step.integers(4, "steps") or [1] * len(starts)
    for start, end, axis, stride in zip(starts, ends, axes, steps, strict=True):
        at = int(axis) % len(shape)
        size = shape[at]
        index = g.Slice(consecutive(g, size), [start], [end], [0], [stride])
        grad = added_along(g, grad, at, index, size, distinct=True)
    return [grad]


@derivative("Pad")
def _pad(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, mode = step[0], step.attribute("mode", "constant")
    shape, pads = x.require_shape(), step.integers(1, "pads")
    axes = step.integers(3, "axes")
    if pads is None or (axes is None and step.optional(3) is not None):
        raise UnsupportedError("the gradient of a Pad whose amounts are known only at run time")
    axes = list(range(len(shape))) if axes is None else axes
    for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False):
        if before == 0 and after == 0:
            continue
        at = int(axis) % len(shape)
        size = shape[at]
        if mode == "constant" and isinstance(before, int) and before >= 0:
            end = g.reshape(g.Add(g.constant(before), g.constant(size)), [1])
            grad = g.Slice(grad, [before], end, [at])
            if not (isinstance(after, int) and after >= 0):
                raise UnsupportedError("the gradient of a Pad that may cut off elements")
        elif mode == "constant":
            raise UnsupportedError("the gradient of a Pad that may cut off elements")
        else:
            index = g.Pad(consecutive(g, size), [before, after], mode=mode)
            grad = added_along(g, grad, at, index, size)
    return [grad]


# ---------------------------------------------------------------- gathers and scatters


@derivative("Gather")
def _gather(g: Builder, step: Step, grad: Tensor) -> Grads:
    shape, index = step[0].require_shape(), step[1]
    axis = step.attribute("axis", 0) % len(shape)
    rows = g.reshape(grad, [*shape[:axis], -1, *shape[axis + 1 :]])
    index = g.reshape(g.cast(index, ir.DataType.INT64), [-1])
    return [added_along(g, rows, axis, index, shape[axis])]


@derivative("GatherElements")
def _gather_elements(g: Builder, step: Step, grad: Tensor) -> Grads:
    axis = step.attribute("axis", 0)
    return [g.ScatterElements(zeros(g, step[0]), step[1], grad, axis=axis, reduction="add")]


@derivative("GatherND")
def _gather_nd(g: Builder, step: Step, grad: Tensor) -> Grads:
    if step.attribute("batch_dims", 0):
        raise UnsupportedError("the gradient of a GatherND with batch dims")
    return [g.ScatterND(zeros(g, step[0]), step[1], grad, reduction="add")]


def _reduction(step: Step) -> str:
    reduction = step.attribute("reduction", "none")
    if reduction not in ("none", "add"):
        raise UnsupportedError(f"the gradient of a scatter with reduction {reduction}")
    return str(reduction)


@derivative("ScatterElements", "Scatter")
def _scatter_elements(g: Builder, step: Step, grad: Tensor) -> Grads:
    index, axis = step[1], step.attribute("axis", 0)
    kept = grad
    if _reduction(step) == "none":
        nothing = g.Expand(number(g, 0, grad), g.shape(index))
        kept = g.ScatterElements(grad, index, nothing, axis=axis)
    return [
        kept if step.wants(0) else None,
        None,
        g.GatherElements(grad, index, axis=axis) if step.wants(2) else None,
    ]


@derivative("ScatterND")
def _scatter_nd(g: Builder, step: Step, grad: Tensor) -> Grads:
    kept = grad
    if _reduction(step) == "none":
        kept = g.ScatterND(grad, step[1], zeros(g, step[2]))
    return [
        kept if step.wants(0) else None,
        None,
        g.GatherND(grad, step[1]) if step.wants(2) else None,
    ]


@derivative("TopK")
def _topk(g: Builder, step: Step, grad: Tensor) -> Grads:
    axis = step.attribute("axis", -1)
    found = step.results[1]
    return [g.ScatterElements(zeros(g, step[0]), found, grad, axis=axis)]


@derivative("Compress")
def _compress(g: Builder, step: Step, grad: Tensor) -> Grads:
    axis = step.call.attributes.get("axis")
    if axis is None:
        raise UnsupportedError("the gradient of a Compress of all elements")
    size = step[0].require_shape()[axis]
    index = g.Compress(consecutive(g, size), step[1], axis=0)
    at = axis % step[0].require_rank()
    return [added_along(g, grad, at, index, size, distinct=True)]


@derivative("ReverseSequence")
def _reverse_sequence(g: Builder, step: Step, grad: Tensor) -> Grads:
    return [
        g.ReverseSequence(
            grad,
            step[1],
            batch_axis=step.attribute("batch_axis", 1),
            time_axis=step.attribute("time_axis", 0),
        )
    ]
