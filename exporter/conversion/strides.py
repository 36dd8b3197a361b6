"""Strides of views, as far as they are known: what tells whether `reshape` copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exporter.conversion.tensors import TensorRef, dense_strides
from exporter.onnx_graph.symbolic import Dim, Shape
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["view_strides"]


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
    name = kind.removeprefix("aten::")

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
