"""Derivatives of matrix products, convolutions and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from exporter.errors import UnsupportedError
from exporter.onnx_graph.derivatives.pieces import inverse, number, summed_to
from exporter.onnx_graph.derivatives.registry import Step, derivative
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__: list[str] = []

Grads = Sequence[Tensor | None]


def _swapped(g: Builder, x: Tensor) -> Tensor:
    """The matrices transposed."""
    *batch, rows, columns = range(x.require_rank())
    return g.Transpose(x, perm=[*batch, columns, rows])  # type: ignore[no-any-return]


@derivative("MatMul")
def _matmul(g: Builder, step: Step, grad: Tensor) -> Grads:
    """A vector is a matrix of one row or one column."""
    a, b = step[0], step[1]
    left = a if a.require_rank() > 1 else g.Unsqueeze(a, axes=[0])
    right = b if b.require_rank() > 1 else g.Unsqueeze(b, axes=[1])
    if b.rank == 1:
        grad = g.Unsqueeze(grad, axes=[-1])
    if a.rank == 1:
        grad = g.Unsqueeze(grad, axes=[-2])
    grads: list[Tensor | None] = [None, None]
    if step.wants(0):
        wide = summed_to(g, g.MatMul(grad, _swapped(g, right)), left, matrices=True)
        grads[0] = g.reshape(wide, g.shape(a))
    if step.wants(1):
        wide = summed_to(g, g.MatMul(_swapped(g, left), grad), right, matrices=True)
        grads[1] = g.reshape(wide, g.shape(b))
    return grads


@derivative("Gemm")
def _gemm(g: Builder, step: Step, grad: Tensor) -> Grads:
    a, b, c = step[0], step[1], step.optional(2)
    flipped_a, flipped_b = step.attribute("transA", 0), step.attribute("transB", 0)
    alpha, beta = step.attribute("alpha", 1.0), step.attribute("beta", 1.0)
    scaled = grad if alpha == 1 else g.Mul(grad, number(g, alpha, grad))
    grads: list[Tensor | None] = [None, None, None]
    if step.wants(0):
        other = b if flipped_b else _swapped(g, b)
        product = g.MatMul(scaled, other)
        grads[0] = _swapped(g, product) if flipped_a else product
    if step.wants(1):
        other = a if flipped_a else _swapped(g, a)
        product = g.MatMul(other, scaled)
        grads[1] = _swapped(g, product) if flipped_b else product
    if c is not None and step.wants(2):
        grads[2] = summed_to(g, grad if beta == 1 else g.Mul(grad, number(g, beta, grad)), c)
    return grads


@derivative("Einsum")
def _einsum(g: Builder, step: Step, grad: Tensor) -> Grads:
    """Swap an operand with the result; letters that only it has are broadcast."""
    equation = step.attribute("equation", "").replace(" ", "")
    left, arrow, result = equation.partition("->")
    terms = left.split(",")
    if not arrow or "." in equation or any(len(set(t)) < len(t) for t in [*terms, result]):
        raise UnsupportedError(f"the gradient of einsum {equation!r}")
    grads: list[Tensor | None] = []
    for i, term in enumerate(terms):
        if not step.wants(i):
            grads.append(None)
            continue
        others = [(t, step[j]) for j, t in enumerate(terms) if j != i]
        seen = set(result).union(*(t for t, _ in others))
        kept = "".join(letter for letter in term if letter in seen)
        inputs = ",".join([result, *(t for t, _ in others)])
        part = g.Einsum(grad, *(x for _, x in others), equation=f"{inputs}->{kept}")
        alone = [k for k, letter in enumerate(term) if letter not in seen]
        if alone:
            part = g.Unsqueeze(part, axes=alone)
        grads.append(g.Expand(part, g.shape(step[i])))
    return grads


# ---------------------------------------------------------------- convolutions


class _Window:
    """The spatial attributes of a convolution or pool, one number a dim."""

    def __init__(self, step: Step, kernel: Sequence[Dim]) -> None:
        if step.attribute("auto_pad", "NOTSET") != "NOTSET":
            raise UnsupportedError(f"the gradient of a {step.call.op_type} with auto_pad")
        rank = len(kernel)
        if not all(isinstance(k, int) for k in kernel):
            raise UnsupportedError("the gradient of a convolution whose kernel's size is not known")
        self.kernel = [int(k) for k in kernel]
        self.strides: list[int] = list(step.attribute("strides", [1] * rank))
        self.dilations: list[int] = list(step.attribute("dilations", [1] * rank))
        pads = step.attribute("pads", [0] * 2 * rank)
        self.begins: list[int] = list(pads[:rank])
        self.ends: list[int] = list(pads[rank:])

    @property
    def spans(self) -> list[int]:
        """How far each kernel reaches."""
        return [d * (k - 1) + 1 for d, k in zip(self.dilations, self.kernel, strict=True)]


def _placed(g: Builder, full: Tensor, window: _Window, shape: Sequence[Dim]) -> Tensor:
    """What a transposed convolution without padding gave, cut and filled to a spatial shape."""
    rank = len(shape)
    grown = full.require_shape()[2:]
    reach = [b + size + e for b, size, e in zip(window.begins, shape, window.ends, strict=True)]
    missing = [r - have for r, have in zip(reach, grown, strict=True)]
    if any(m != 0 for m in missing):
        full = g.Pad(full, [0] * (rank + 4) + missing)
    starts: list[Dim] = list(window.begins)
    ends = [b + size for b, size in zip(window.begins, shape, strict=True)]
    return g.Slice(full, starts, ends, list(range(2, rank + 2)))  # type: ignore[no-any-return]


def _kernel_gradient(
    g: Builder, window: _Window, big: Tensor, small: Tensor, groups: int
) -> Tensor:
    """Of a kernel that takes `big` (N, C, ...) to `small` (N, M, ...): (M, C / groups, kernel).

    It is a convolution of the one with the other, channels and batch having changed places,
    strides and dilations too.
    """
    batch, channels, *spatial = big.require_shape()
    rank = len(spatial)
    rest = list(range(3, rank + 3))
    per_group = channels // groups
    rows = g.reshape(big, [batch, groups, per_group, *spatial])
    rows = g.Transpose(rows, perm=[2, 1, 0, *rest])
    rows = g.reshape(rows, [per_group, groups * batch, *spatial])
    kernels = g.Transpose(small, perm=[1, 0, *range(2, rank + 2)])
    wide = g.Conv(
        rows,
        kernels,
        group=groups,
        strides=window.dilations,
        dilations=window.strides,
        pads=[*window.begins, *window.ends],
    )
    wide = g.Slice(wide, [0] * rank, window.kernel, list(range(2, rank + 2)))
    return g.Transpose(wide, perm=[1, 0, *range(2, rank + 2)])  # type: ignore[no-any-return]


def _bias_gradient(g: Builder, grad: Tensor) -> Tensor:
    axes = [i for i in range(grad.require_rank()) if i != 1]
    return g.ReduceSum(grad, axes=axes, keepdims=0)  # type: ignore[no-any-return]


@derivative("Conv")
def _conv(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, weight = step[0], step[1]
    window = _Window(step, weight.require_shape()[2:])
    groups = step.attribute("group", 1)
    grads: list[Tensor | None] = [None, None, None]
    if step.wants(0):
        full = g.ConvTranspose(
            grad, weight, group=groups, strides=window.strides, dilations=window.dilations
        )
        grads[0] = _placed(g, full, window, x.require_shape()[2:])
    if step.wants(1):
        grads[1] = _kernel_gradient(g, window, x, grad, groups)
    if step.wants(2):
        grads[2] = _bias_gradient(g, grad)
    return grads


@derivative("ConvTranspose")
def _conv_transpose(g: Builder, step: Step, grad: Tensor) -> Grads:
    x, weight = step[0], step[1]
    window = _Window(step, weight.require_shape()[2:])
    groups = step.attribute("group", 1)
    rank = len(window.kernel)
    grads: list[Tensor | None] = [None, None, None]
    if step.wants(0):
        wide = g.Conv(
            grad,
            weight,
            group=groups,
            strides=window.strides,
            dilations=window.dilations,
            pads=[*window.begins, *window.ends],
        )
        # What output_padding added may have room for one more.
        sizes = list(x.require_shape()[2:])
        grads[0] = g.Slice(wide, [0] * rank, sizes, list(range(2, rank + 2)))
    if step.wants(1):
        grads[1] = _kernel_gradient(g, window, grad, x, groups)
    if step.wants(2):
        grads[2] = _bias_gradient(g, grad)
    return grads


# ---------------------------------------------------------------- pooling


@derivative("GlobalAveragePool")
def _global_average_pool(g: Builder, step: Step, grad: Tensor) -> Grads:
    count: Dim = 1
    for size in step[0].require_shape()[2:]:
        count = count * size
    share = g.Div(grad, g.cast(g.constant(count), grad.dtype))
    return [g.Expand(share, g.shape(step[0]))]


@derivative("AveragePool")
def _average_pool(g: Builder, step: Step, grad: Tensor) -> Grads:
    window = _Window(step, step.attribute("kernel_shape", []))
    padded = any(window.begins) or any(window.ends)
    if step.attribute("ceil_mode", 0):
        raise UnsupportedError("the gradient of an average pool with ceil_mode")
    shape, out = step[0].require_shape(), grad.require_shape()
    rank = len(window.kernel)
    ones = g.constant(np.ones((1, 1, *window.kernel)), grad.dtype)
    size = number(g, float(np.prod(window.kernel)), grad)
    if padded and not step.attribute("count_include_pad", 0):
        inside = g.Expand(number(g, 1, grad), g.constant([1, 1, *shape[2:]]))
        size = g.Conv(
            inside,
            ones,
            strides=window.strides,
            dilations=window.dilations,
            pads=[*window.begins, *window.ends],
        )
    rows = g.reshape(g.Div(grad, size), [-1, 1, *out[2:]])
    full = g.ConvTranspose(rows, ones, strides=window.strides, dilations=window.dilations)
    return [g.reshape(_placed(g, full, window, shape[2 : rank + 2]), list(shape))]


@derivative("MaxPool")
def _max_pool(g: Builder, step: Step, grad: Tensor) -> Grads:
    """The operator's second output says where each maximum was."""
    x = step[0]
    attributes = {k: v for k, v in step.call.attributes.items() if v is not None}
    _, index = g.MaxPool(x, outputs=2, **attributes)
    base = g.Expand(number(g, 0, grad), g.reshape(g.Size(x), [1]))
    flat = g.ScatterElements(
        base, g.reshape(index, [-1]), g.reshape(grad, [-1]), axis=0, reduction="add"
    )
    return [g.reshape(flat, g.shape(x))]


@derivative("GlobalMaxPool")
def _global_max_pool(g: Builder, step: Step, grad: Tensor) -> Grads:
    hit = g.cast(g.Equal(step[0], step.result), grad.dtype)
    axes = list(range(2, step[0].require_rank()))
    return [g.Mul(hit, g.Div(grad, g.ReduceSum(hit, axes=axes, keepdims=1)))]


# ---------------------------------------------------------------- resizing


@derivative("Resize")
def _resize(g: Builder, step: Step, grad: Tensor) -> Grads:
    """Each dim is resized by a matrix, which the operator itself makes of an identity."""
    attributes = {k: v for k, v in step.call.attributes.items() if v is not None}
    mode = attributes.get("coordinate_transformation_mode", "half_pixel")
    if step.call.opset < 11 or mode == "tf_crop_and_resize":
        raise UnsupportedError(f"the gradient of this Resize ({mode}, opset {step.call.opset})")
    shape, sizes = step[0].require_shape(), step.result.require_shape()
    rank = len(shape)
    scales: dict[int, float] = {}
    if step.optional(2) is not None:
        axes = [axis % rank for axis in attributes.get("axes", range(rank))]
        scales = dict(zip(axes, step[2].require_array().tolist(), strict=False))
    attributes.pop("axes", None)
    for axis, (size, out) in enumerate(zip(shape, sizes, strict=True)):
        if size == out:
            continue
        square = g.ConstantOfShape(g.constant([size, size]))
        rows = g.reshape(g.EyeLike(square, dtype=int(grad.dtype)), [1, size, size, 1])
        form: list[Tensor | None] = [None, None, g.constant([1, size, out, 1])]
        if axis in scales:
            form = [None, g.constant([1.0, 1.0, scales[axis], 1.0]), None]
        matrix = g.reshape(g.Resize(rows, *form, **attributes), [size, out])
        order = [*(i for i in range(rank) if i != axis), axis]
        moved = g.MatMul(g.Transpose(grad, perm=order), _swapped(g, matrix))
        grad = g.Transpose(moved, perm=inverse(order))
    return [grad]
