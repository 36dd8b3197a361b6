"""Strides of views, as far as they are known: what tells whether `reshape` copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exporter.conversion.values.tensors import TensorRef, dense_strides
from exporter.onnx_graph.symbolic import Dim, Shape
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["regrouped", "view_strides"]


def view_strides(
    kind: str,
    base: TensorRef,
    g: Builder,
    arguments: Mapping[str, Any],
    value: Tensor,
    index: int | None,
) -> Shape | None:
    """The strides of `value` as a view of `base` taken by `kind`; None where they aren't known."""
    strides, shape = base.strides, base.read(g).shape
    if strides is None or shape is None or value.shape is None:
        return None
    rank = len(shape)
    name = kind.removeprefix("aten::").removeprefix("unsafe_")

    def dim(key: str = "dim") -> int:
        return int(arguments[key]) % max(rank, 1)

    if name in ("view", "reshape", "flatten", "view_as", "unflatten", "_unsafe_view", "ravel"):
        return dense_strides(value.shape) if base.is_contiguous(g) else None
    if name in ("alias", "detach", "lift_fresh"):
        return strides
    if name in ("t", "numpy_T") or (name in ("mT", "adjoint", "matrix_H") and rank == 2):
        return strides[::-1]
    if name in ("transpose", "swapaxes", "swapdims"):
        keys = [k for k in arguments if k.startswith(("dim", "axis"))]
        a, b = (int(arguments[k]) % max(rank, 1) for k in keys[:2])
        swapped: list[Dim] = list(strides)
        if rank:
            swapped[a], swapped[b] = swapped[b], swapped[a]
        return tuple(swapped)
    if name == "permute":
        return tuple(strides[int(d) % rank] for d in arguments["dims"])
    if name in ("select", "unbind"):
        return strides[: dim()] + strides[dim() + 1 :]
    if (
        name in ("split", "split_with_sizes", "chunk", "narrow", "tensor_split")
        and index is not None
    ):
        return strides
    if name == "narrow":
        return strides
    if name == "slice":
        step = arguments.get("step", 1)
        return (*strides[: dim()], strides[dim()] * step, *strides[dim() + 1 :])
    if name == "unsqueeze":
        where = int(arguments["dim"]) % (rank + 1)
        inserted = shape[where] * strides[where] if where < rank else 1
        return (*strides[:where], inserted, *strides[where:])
    if name == "squeeze" and "dim" in arguments and isinstance(arguments["dim"], int):
        if len(value.shape) == rank:
            return strides
        return strides[: dim()] + strides[dim() + 1 :]
    if name in ("expand", "expand_as", "broadcast_to"):
        extra = len(value.shape) - rank
        kept = [
            0 if old != new else stride
            for old, new, stride in zip(shape, value.shape[extra:], strides, strict=True)
        ]
        return (*([0] * extra), *kept)
    return None


def regrouped(
    shape: Sequence[int], strides: Sequence[int], target: Sequence[int]
) -> tuple[int, ...] | None:
    """The strides of the elements in another shape, in the same order; None if only a copy has it.

    Neighbouring dims that lie one in the other form a block. A dim of the new shape must lie in one
    block, so each block is cut up from the outside.
    """
    if 0 in shape:
        return tuple(int(d) for d in dense_strides(tuple(target)))
    blocks: list[tuple[int, int]] = []
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if blocks and blocks[-1][1] == size * stride:
            blocks[-1] = (blocks[-1][0] * size, stride)
        else:
            blocks.append((size, stride))
    result = []
    left, stride = 1, 1
    for size in target:
        if size != 1 and left == 1:
            left, stride = blocks.pop(0)
        if left % size:
            return None
        left //= size
        result.append(stride * left)
    return tuple(result)
