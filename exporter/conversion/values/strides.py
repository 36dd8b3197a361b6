"""Strides of views and of new tensors, as far as they are known: what tells if `reshape` copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from exporter.conversion.values.tensors import (
    CONTIGUOUS,
    TensorRef,
    dense_strides,
)
from exporter.onnx_graph.symbolic import Dim, Shape, is_ge, sym_max
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["is_kept", "made", "regrouped", "view_strides"]

PRESERVE = 1
_RESHAPES = {
    "view", "reshape", "reshape_as", "flatten", "view_as", "unflatten", "_unsafe_view", "ravel",
    "atleast_1d", "atleast_2d", "atleast_3d",
}  # fmt: skip
# A column for each dim of the tensor, which lies in memory one after the other.
_COLUMNS = {"aten::nonzero", "aten::argwhere"}
# Contiguous results, however the arguments lie in memory.
_CONTIGUOUS = {
    "aten::addmm", "aten::baddbmm", "aten::bmm", "aten::embedding", "aten::layer_norm",
    "aten::linear", "aten::log_softmax", "aten::mm", "aten::new_empty", "aten::new_full",
    "aten::new_ones", "aten::new_zeros", "aten::softmax",
}  # fmt: skip
# Results whose elements lie in another order than that of the dims, at least at times.
_STRIDED = (
    # With the channels last.
    "quantized::conv", "quantized::batch_norm",
    # As LAPACK or the FFT leave them.
    "aten::fft_", "aten::stft", "aten::cholesky", "aten::geqrf", "aten::lu", "aten::inverse",
    "aten::linalg_cholesky", "aten::linalg_eig", "aten::linalg_householder", "aten::linalg_inv",
    "aten::linalg_ldl", "aten::linalg_lstsq", "aten::linalg_lu", "aten::linalg_matrix_power",
    "aten::linalg_pinv", "aten::linalg_qr", "aten::linalg_solve", "aten::linalg_svd",
    "aten::linalg_tensor", "aten::orgqr", "aten::ormqr", "aten::pinverse", "aten::qr", "aten::svd",
    "aten::triangular_solve",
    # Dims that are swapped in the end, such as those of a batch that comes first.
    "aten::einsum", "aten::gru", "aten::lstm", "aten::nanquantile", "aten::quantile",
    "aten::rnn_", "aten::rot90", "aten::_pad_packed_sequence", "aten::unique_consecutive",
    "aten::unique_dim", "aten::unravel_index",
)  # fmt: skip


def is_kept(g: Builder, kind: str, base: TensorRef, arguments: Mapping[str, Any]) -> bool | None:
    """Whether `to`, `contiguous` and their like give the tensor itself, of its dtype already.

    None where that depends on strides that are not known.
    """
    if arguments.get("copy") is True:
        return False
    wanted = arguments.get("memory_format")
    if kind == "aten::contiguous":
        return base.is_contiguous(g, wanted or CONTIGUOUS)
    if wanted is None or wanted == PRESERVE:
        return True
    contiguous = base.is_contiguous(g)
    if wanted == CONTIGUOUS and contiguous:
        return True
    # Where dims are 1 a tensor lies in both orders.
    return False if contiguous and base.is_contiguous(g, wanted) is False else None


def made(
    g: Builder, kind: str, arguments: Mapping[str, Any], sources: Sequence[TensorRef], value: Tensor
) -> TensorRef:
    """A new tensor, which an operator makes of others, with its strides where they are known."""
    ref = TensorRef.fresh(value, dense=False)
    if value.shape is not None:
        ref.strides = _made_strides(g, kind, arguments, sources, value.shape)
    return ref


def _made_strides(
    g: Builder, kind: str, arguments: Mapping[str, Any], sources: Sequence[TensorRef], shape: Shape
) -> Shape | None:
    wanted = arguments.get("memory_format")
    if wanted not in (None, PRESERVE):
        return dense_strides(shape, wanted)
    if kind in _COLUMNS:
        return (1, sym_max(shape[0], 1))
    if kind.startswith(_STRIDED):
        return None
    if kind in _CONTIGUOUS or all(_in_order(g, source) for source in sources):
        return dense_strides(shape)
    if kind == "aten::type_as" or ("memory_format" in arguments and "self" in arguments):
        return _preserved(g, sources[0])
    return None


def _in_order(g: Builder, source: TensorRef) -> bool:
    """Whether the elements lie in the order of the dims, if with gaps: new tensors have none."""
    strides = source.strides
    in_order = strides is not None and all(is_ge(a, b) for a, b in pairwise((*strides, 1)))
    return in_order or source.is_contiguous(g) is True


def _preserved(g: Builder, base: TensorRef) -> Shape | None:
    """The strides of a copy.

    They are those of the tensor if its elements lie side by side. If some are left out, the dims
    keep their order: here where that is the one of a contiguous tensor.
    """
    shape, strides = base.read(g).shape, base.strides
    if shape is None or strides is None:
        return None
    if _in_order(g, base):
        return dense_strides(shape)
    expected: Dim = 1
    pairs = [(s, d) for s, d in zip(strides, shape, strict=True) if isinstance(s, int)]
    for stride, size in sorted(pairs):
        if size != 1 and stride != expected:
            return None
        expected = expected * size
    return strides if len(pairs) == len(shape) else None


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

    if name in _RESHAPES:
        return dense_strides(value.shape) if base.is_contiguous(g) else None
    if name in ("alias", "detach", "lift_fresh"):
        return strides
    if name in ("t", "numpy_T"):
        return strides[::-1]
    if name in ("mT", "mH", "adjoint", "matrix_H") and rank > 1:
        return (*strides[:-2], strides[-1], strides[-2])
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
    if name == "squeeze":
        given = arguments.get("dim", range(rank))
        dims = [int(d) % max(rank, 1) for d in ([given] if isinstance(given, int) else given)]
        left = [i for i, size in enumerate(shape) if i not in dims or size != 1]
        return tuple(strides[i] for i in left) if len(left) == len(value.shape) else None
    if name in ("movedim", "moveaxis"):
        ends = [arguments["source"], arguments["destination"]]
        pairs = [[int(d) % max(rank, 1) for d in ([e] if isinstance(e, int) else e)] for e in ends]
        order = [i for i in range(rank) if i not in pairs[0]]
        for place, moved in sorted(zip(pairs[1], pairs[0], strict=True)):
            order.insert(place, moved)
        return tuple(strides[i] for i in order)
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
