"""How a Reshape is written, so that it holds for all sizes, and where another operator does.

A dim that stays is written 0, and the one dim that is left -1: a constant for all sizes, which
other runtimes than onnxruntime like best too. Where a dim that stays may be 0, nothing can be told
about what is left (onnxruntime fails), so there the dims are computed from shapes, by a few small
nodes. Two things make that rare: a Reshape to two dims may be a Flatten, and of one dynamic dim
nothing is left once it stays. Below opset 14 a computed dim of 0 would copy one: there the -1 is
written all the same, and an empty tensor is an error at run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.onnx_graph import complex_numbers, quantized, size_nodes
from exporter.onnx_graph.symbolic import Dim, Shape, SymInt, is_ge
from exporter.onnx_graph.target_shapes import is_flat, unit_dims, without_rest, written_shape
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["reshape"]

# Since which opset Reshape can be told that a 0 is a 0 (allowzero).
TRUE_ZEROS = 14


def reshape(g: Builder, tensor: Tensor, shape: Sequence[Dim] | Tensor) -> Tensor:
    """The tensor in another shape; see `Builder.reshape`."""
    if isinstance(shape, Tensor):
        if shape.elements is None:
            return g.Reshape(tensor, shape)  # type: ignore[no-any-return]
        shape = shape.elements
    if complex_numbers.is_complex(tensor.dtype):
        pair = complex_numbers.as_real(tensor)
        return complex_numbers.from_real(reshape(g, pair, [*shape, 2]))
    if tensor.quantization is not None:
        if tensor.quantization.axis is not None:
            return g.Reshape(tensor, list(shape))  # type: ignore[no-any-return]
        integers = reshape(g, tensor.quantization.integers, shape)
        return quantized.carried(integers, tensor)
    target = without_rest(tensor.shape, tuple(shape))
    if target is None:
        return g.Reshape(tensor, list(shape))  # type: ignore[no-any-return]
    if tensor.shape is not None and tensor.shape == target:
        return tensor
    if (axes := unit_dims(tensor.shape, target)) is not None:
        return g.Unsqueeze(tensor, axes=axes)  # type: ignore[no-any-return]
    if (axes := unit_dims(target, tensor.shape)) is not None:
        return g.Squeeze(tensor, axes=axes)  # type: ignore[no-any-return]
    written = written_shape(tensor.shape, target)
    if written == (0, -1) and is_flat(tensor.shape, target):
        result = g.Flatten(tensor, axis=1)
    elif _must_be_computed(g, target, written):
        _compute_merged(g, tensor.shape, target)
        result = g.Reshape(tensor, list(target), allowzero=1)
    else:
        result = g.Reshape(tensor, list(written))
    if result.array is None and result.value is not None and result.shape != target:
        result.shape = target
        result.value.shape = ir.Shape([d if isinstance(d, int) else str(d) for d in target])
    return result  # type: ignore[no-any-return]


def _must_be_computed(g: Builder, target: Shape, written: Shape) -> bool:
    """Whether the dims stand for themselves: a 0 is a 0, and no dim is left to be found.

    So for a true zero, for computed sizes, which may turn out as 0, and for a -1 beside a dim that
    stays and may be 0.
    """
    if any(isinstance(d, int) and d == 0 for d in target):
        return True
    if g.opset < TRUE_ZEROS:
        return False
    if any(isinstance(d, SymInt) for d in written):
        return True
    stays = [d for d, w in zip(target, written, strict=True) if isinstance(d, SymInt) and w == 0]
    return -1 in written and not all(is_ge(d, 1) for d in stays)


def _compute_merged(g: Builder, source: Shape | None, target: Shape) -> None:
    """Have dims that are some of the source's as one computed as their product.

    Multiplied out, as expressions are, they may hold no size that any tensor has.
    """
    for dim in target:
        if source is None or not isinstance(dim, SymInt) or not dim.has_functions():
            continue
        for i in range(len(source)):
            product = source[i]
            for j in range(i + 1, len(source)):
                product = product * source[j]
                if product == dim:
                    size_nodes.product(g, dim, source[i : j + 1])
