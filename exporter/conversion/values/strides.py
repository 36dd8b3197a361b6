"""Strides of new tensors, as far as they are known: what tells if `reshape` copies.

Next door: `view_strides` has those of views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from exporter.conversion.values.tensors import (
    CONTIGUOUS,
    INNERMOST,
    RowMajor,
    TensorRef,
    dense_strides,
)
from exporter.onnx_graph.symbolic import Dim, Shape, is_ge, sym_max
from exporter.onnx_graph.values import Tensor

if TYPE_CHECKING:
    from exporter.onnx_graph.builder import Builder

__all__ = ["is_kept", "made", "regrouped"]

PRESERVE = 1
# A column for each dim of the tensor, which lies in memory one after the other.
_COLUMNS = {"aten::nonzero", "aten::argwhere"}
# Contiguous results, however the arguments lie in memory.
_CONTIGUOUS = {
    "aten::addmm", "aten::baddbmm", "aten::bmm", "aten::embedding", "aten::layer_norm",
    "aten::linear", "aten::log_softmax", "aten::mm", "aten::new_empty", "aten::new_full",
    "aten::new_ones", "aten::new_zeros", "aten::softmax", "aten::_pad_circular",
}  # fmt: skip
# Padding. By its mode it is with a value, or goes on at the other side.
_PADS = {
    "aten::constant_pad_nd", "aten::pad", "aten::_pad_enum",
    "aten::reflection_pad1d", "aten::reflection_pad2d", "aten::reflection_pad3d",
    "aten::replication_pad1d", "aten::replication_pad2d", "aten::replication_pad3d",
}  # fmt: skip
_WITH_A_VALUE, _CIRCULAR = ("constant", 0), ("circular", 3)
# By rank, the memory format that is told from strides, and the dims from the innermost.
_TOLD = {len(order): (memory_format, order) for memory_format, order in INNERMOST.items()}
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
) -> Shape | RowMajor | None:
    wanted = arguments.get("memory_format")
    if wanted not in (None, PRESERVE):
        return dense_strides(shape, wanted)
    if kind in _COLUMNS:
        return (1, sym_max(shape[0], 1))
    if kind.startswith(_STRIDED):
        return None
    if kind in _PADS:
        return _padded(g, arguments, sources[0], shape)
    if kind in _CONTIGUOUS or all(_in_order(g, source) for source in sources):
        return RowMajor(shape)
    if kind == "aten::type_as" or ("memory_format" in arguments and "self" in arguments):
        return _preserved(g, sources[0])
    return None


def _padded(
    g: Builder, arguments: Mapping[str, Any], base: TensorRef, shape: Shape
) -> Shape | None:
    """The strides of a tensor with a border, which has the memory format of the tensor.

    Where nothing is added (pads below zero) it is a copy of what is left.
    """
    mode = arguments.get("mode", _WITH_A_VALUE[0])
    of_base, strides = base.read(g).shape, base.strides
    grown: Shape | None = None
    if mode in _CIRCULAR or len(shape) not in _TOLD:
        grown = dense_strides(shape)
    elif of_base is not None and strides is not None:
        memory_format = _memory_format(of_base, strides)
        grown = None if memory_format is None else dense_strides(shape, memory_format)
    pads = arguments.get("pad", [])
    if mode not in _WITH_A_VALUE or any(is_ge(pad, 1) for pad in pads) or "padding" in arguments:
        return grown
    left = None if strides is None else _copied(shape, strides)
    return left if left == grown or all(is_ge(0, pad) for pad in pads) else None


def _memory_format(shape: Shape, strides: Shape) -> int | None:
    """The memory format that a new tensor takes over; None where it depends on the sizes.

    With the channels last strides grow from channels over columns and rows to the batch. Where
    dims are 1 a tensor may lie in both orders, and its strides alone say which it is taken for.
    """
    if strides == dense_strides(shape):
        return CONTIGUOUS
    memory_format, order = _TOLD[len(shape)]
    least: Dim = 0
    for dim in order:
        too_small = is_ge(strides[dim], least) is False or (dim == 0 and least == strides[1])
        if too_small or shape[dim] == 0 or strides[1] == 0:
            return CONTIGUOUS
        least = strides[dim] * sym_max(shape[dim], 1)
    known = all(isinstance(d, int) for d in (*shape, *strides))
    return memory_format if known else None


def _in_order(g: Builder, source: TensorRef) -> bool:
    """Whether the elements lie in the order of the dims, if with gaps: new tensors have none."""
    return source.is_contiguous(g) is True or _fall(source.read(g).shape, source.strides)


def _fall(shape: Shape | None, strides: Shape | None) -> bool:
    """Whether strides fall from the outermost dim on; of equal ones the shorter is further in."""
    if shape is None or strides is None:
        return False
    dims = pairwise(zip(strides, shape, strict=True))
    falling = all(is_ge(a, b) and (a != b or is_ge(m, n) is True) for (a, m), (b, n) in dims)
    return falling and is_ge(strides[-1], 1) is True if strides else True


def _preserved(g: Builder, base: TensorRef) -> Shape | None:
    """The strides of a copy of all of a tensor."""
    shape, strides = base.read(g).shape, base.strides
    copied = None if shape is None or strides is None else _copied(shape, strides)
    if copied is None and shape is not None and base.is_contiguous(g):
        return dense_strides(shape)
    return copied


def _copied(shape: Shape, strides: Shape) -> Shape | None:
    """The strides of a copy of what has these; None where the order depends on the sizes.

    They are the same if the elements lie side by side. If some are left out or repeated, the dims
    keep their order.
    """
    sizes = [d for d in shape if isinstance(d, int)]
    steps = [s for s in strides if isinstance(s, int)]
    if len(sizes) != len(shape) or len(steps) != len(strides):
        return dense_strides(shape) if _fall(shape, strides) else None
    expected = 1
    for step, size in sorted(zip(steps, sizes, strict=True)):
        if size != 1 and step != expected:
            break
        expected *= size
    else:
        return strides
    copied, expected = [1] * len(sizes), 1
    for dim in _from_the_innermost(sizes, steps):
        copied[dim] = expected
        expected *= max(sizes[dim], 1)
    return tuple(copied)


def _from_the_innermost(sizes: Sequence[int], strides: Sequence[int]) -> list[int]:
    """The dims by their strides.

    A dim with stride 0 has no place of its own: others pass it, and it stays where it is. Of two
    with the same stride the shorter one is further in.
    """
    order: list[int] = []
    for dim in reversed(range(len(sizes))):
        place = len(order)
        order.append(dim)
        for inner in reversed(range(place)):
            one, other = strides[order[inner]], strides[dim]
            if 0 in (one, other):
                continue
            if one < other:
                break
            if one > other or sizes[order[inner]] > sizes[dim]:
                order[inner], order[place] = order[place], order[inner]
                place = inner
    return order


def regrouped(shape: Sequence[int], strides: Sequence[Dim], target: Sequence[int]) -> Shape | None:
    """The strides of the elements in another shape, in the same order; None if only a copy has it.

    Where strides are of run time, None says no more than that they are not known to fit.

    Neighbouring dims that lie one in the other form a block. A dim of the new shape must lie in one
    block, so each block is cut up from the outside.
    """
    if 0 in shape:
        return dense_strides(tuple(target))
    blocks: list[tuple[int, Dim]] = []
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if blocks and blocks[-1][1] == size * stride:
            blocks[-1] = (blocks[-1][0] * size, stride)
        else:
            blocks.append((size, stride))
    result: list[Dim] = []
    left, step = 1, 1  # type: int, Dim
    for size in target:
        if size != 1 and left == 1:
            left, step = blocks.pop(0)
        if left % size:
            return None
        left //= size
        result.append(step * left)
    return tuple(result)
