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
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["reshape", "rest"]

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


def unit_dims(fewer: Shape | None, more: Shape | None) -> list[int] | None:
    """The dims of size 1 that `more` has and `fewer` has not; None unless that is the difference.

    Nor for static shapes, which a Reshape names in full.
    """
    if fewer is None or more is None or all(isinstance(d, int) for d in more):
        return None
    axes: list[int] = []
    rest = list(fewer)
    for axis, dim in enumerate(more):
        if rest and rest[0] == dim:
            del rest[0]
        elif isinstance(dim, int) and dim == 1:
            axes.append(axis)
        else:
            return None
    return axes if axes and not rest else None


def written_shape(source: tuple[Dim, ...] | None, target: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """`target` for a Reshape: 0 for dims that stay, -1 for the one that is left."""
    if all(isinstance(d, int) for d in target):
        return target
    written: list[Dim] = list(target)
    has_zero = any(isinstance(d, int) and d == 0 for d in target)
    if source is not None and not has_zero:
        for i, d in enumerate(target):
            if i < len(source) and isinstance(d, SymInt) and source[i] == d:
                written[i] = 0
    left = [i for i, d in enumerate(written) if isinstance(d, SymInt)]
    if len(left) == 1 and not has_zero:
        written[left[0]] = -1
    return tuple(written)


def without_rest(source: Shape | None, target: Shape) -> Shape | None:
    """A shape with its -1 replaced by what the other dims leave; None where that isn't known."""
    if not any(isinstance(d, int) and d == -1 for d in target):
        return target
    others: list[Dim | None] = [None if d == -1 else d for d in target]
    left = None if source is None else rest(source, others)
    if left is None or others.count(None) != 1:
        return None
    return tuple(left if d is None else d for d in others)


def rest(source: Shape, dims: Sequence[Dim | None]) -> Dim | None:
    """The dim written -1: what the others leave of the element count."""
    kept = [d for d in dims if d is not None]
    total: Dim = 1
    for dim in source:
        if dim in kept:
            kept.remove(dim)
        else:
            total = total * dim
    divisor: Dim = 1
    for dim in kept:
        divisor = divisor * dim
    if divisor == 0:
        return None
    if divisor == 1:
        return total
    return total // divisor


def is_flat(source: Shape | None, target: Shape) -> bool:
    """Whether a shape has two dims: the first of another, and all others of that as one."""
    if not source or len(target) != 2 or source[0] != target[0]:
        return False
    rest: Dim = 1
    for dim in source[1:]:
        rest = rest * dim
    return rest == target[1]
