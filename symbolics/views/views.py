"""Parts of a tensor: select, slice, narrow, diagonal, windows, and strides.

Next door: `indexing` picks by tensors of indices, `splitting` cuts into several pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.errors import RaisedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge, sym_max, sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.registry import symbolic
from symbolics.rules import INT64, element_count, wrapped_dim
from symbolics.views.shape import move_dims

__all__ = [
    "clamped",
    "covers",
    "diagonal_length",
    "diagonal_start",
    "int64_max",
    "narrow",
    "narrow_start",
    "select",
    "slice_range",
    "strided_index",
    "wrapped_index",
]

int64_max = (1 << 63) - 1


# ------------------------------------------------------------ helpers


def wrapped_index(index: Dim, size: Dim) -> Dim:
    """An index counted from the front. A negative one of run time is told by min(max(-i, 0), 1)."""
    known = is_ge(index, 0)
    if known is None:
        return index + size * sym_min(sym_max(-index, 0), 1)
    return index if known else index + size


def clamped(index: Dim, size: Dim) -> Dim:
    """Where a slice that is given this bound starts or ends, as in Python."""
    return sym_max(0, sym_min(wrapped_index(index, size), size))


def covers(size: Dim, start: Dim | None, end: Dim | None, step: Dim) -> bool:
    """Whether a slice certainly is the whole dim."""
    return (
        step == 1
        and (start is None or start == 0)
        and (end is None or end == int64_max or is_ge(end, size) is True)
    )


def slice_range(size: int, start: Dim | None, end: Dim | None, step: Dim) -> range | None:
    """The indices that a slice of a known size takes, where all its bounds are known."""
    if any(isinstance(v, SymInt) for v in (start, end, step)):
        return None
    return range(size)[slice(start, end, step)]


def strided_index(g: Builder, size: Sequence[Dim], stride: Sequence[Dim], offset: Dim) -> Tensor:
    """Where in the storage each element of a strided tensor lies."""
    index = g.constant(offset, INT64)
    for i, (count, step) in enumerate(zip(size, stride, strict=True)):
        dims = [1] * len(size)
        dims[i] = -1
        index = g.Add(index, g.Mul(g.Reshape(consecutive(g, count), dims), step))
    return index


def diagonal_start(offset: Dim) -> tuple[Dim, Dim]:
    """The row and the column of a diagonal's first element; an `offset` below 0 is rows down."""
    return sym_max(0, -offset), sym_max(0, offset)


def diagonal_length(rows: Dim, columns: Dim, offset: Dim) -> Dim:
    """How many elements a diagonal has."""
    row, column = diagonal_start(offset)
    return sym_max(0, sym_min(rows - row, columns - column))


# Indices that `narrow` spells out, where the dim's size is of run time.
MOST_GATHERED = 1024


def narrow_start(g: Builder, size: Dim, start: Dim, length: Dim) -> Dim:
    """Where `narrow` starts, counted from the front; the model fails where its end is out of range.

    A slice would be cut off instead: so the start is looked up among those that are possible.
    """
    first, last = wrapped_index(start, size), size - length
    signs = [(value, is_ge(value, 0)) for value in (first, length)]
    fits = is_ge(last, first)
    if False in (fits, is_ge(last, 0), *(known for _, known in signs)):
        raise RaisedError(f"narrow from {start} on by {length} in a dim of size {size}")
    if fits and all(known for _, known in signs):
        return first
    place = g.scalar(first)
    for value, known in signs:
        if not known:
            place = g.Where(g.Less(g.scalar(value), 0), int64_max, place)
    found = g.Gather(consecutive(g, last + 1), place, axis=0)
    return g.symbol("start", found)


# ------------------------------------------------------------ parts along a dim


@symbolic("aten::select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)")
def select(g: Builder, self: Tensor, dim: int, index: Dim) -> Tensor:
    """What lies at one index of a dim; the dim goes."""
    if self.shape is None:
        return g.Gather(self, g.constant(index, INT64), axis=dim)
    if not self.shape:
        raise RaisedError("select from a 0-d tensor")
    at = wrapped_dim(dim, len(self.shape))
    size = self.shape[at]
    if isinstance(size, int) and isinstance(index, int):
        if not -size <= index < size:
            raise RaisedError(f"index {index} is out of range for dim {dim} of size {size}")
        index %= size
        if size == 1:
            return g.Squeeze(self, axes=[at])
    elif isinstance(index, int):
        g.at_least(size, index + 1 if index >= 0 else -index)
    return g.Gather(self, g.constant(index, INT64), axis=at)


@symbolic(
    "aten::slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)"
)
def slice_tensor(
    g: Builder,
    self: Tensor,
    dim: int = 0,
    start: Dim | None = None,
    end: Dim | None = None,
    step: Dim = 1,
) -> Tensor:
    """A part of a dim with Python's rules for bounds, which are ONNX's too."""
    if is_ge(0, step):
        raise RaisedError(f"a slice with step {step}: it must be positive")
    if self.shape is not None:
        if not self.shape:
            raise RaisedError("a slice of a 0-d tensor")
        dim = wrapped_dim(dim, len(self.shape))
        if covers(self.shape[dim], start, end, step):
            return self
    elif (start is None or start == 0) and (end is None or end == int64_max) and step == 1:
        return self
    start = 0 if start is None else start
    end = int64_max if end is None else end
    return g.Slice(self, starts=[start], ends=[end], axes=[dim], steps=[step])


@symbolic("aten::narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)")
def narrow(g: Builder, self: Tensor, dim: int, start: Dim, length: Dim) -> Tensor:
    """`length` indices of a dim from `start` on; a negative start counts from the end."""
    sizes = list(self.require_shape())
    if not sizes:
        raise RaisedError("narrow of a 0-d tensor")
    at = wrapped_dim(dim, len(sizes))
    if (
        isinstance(start, int)
        and isinstance(length, int)
        and start >= 0
        and 0 < length <= MOST_GATHERED
        and is_ge(sizes[at], start + length) is None
    ):
        # Gather fails where an index is out of range: one node does with the check.
        return g.Gather(self, g.constant(list(range(start, start + length)), INT64), axis=at)
    first = narrow_start(g, sizes[at], start, length)
    sizes[at] = length
    part = slice_tensor(g, self, at, first, first + length)
    return g.sized_as(part, Tensor(self.dtype, tuple(sizes)))


@symbolic("aten::narrow.Tensor(Tensor(a) self, int dim, Tensor start, SymInt length) -> Tensor(a)")
def narrow_tensor(g: Builder, self: Tensor, dim: int, start: Tensor, length: Dim) -> Tensor:
    """`narrow` from an index that is a 0-d tensor."""
    return narrow(g, self, dim, g.integer(start), length)


# ------------------------------------------------------------ diagonals


@symbolic("aten::diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)")
def diagonal(g: Builder, self: Tensor, offset: Dim = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dims, as the last dim.

    The two dims become one, in which a diagonal is every (columns + 1)th element.
    """
    rank = self.require_rank()
    first, second = wrapped_dim(dim1, rank), wrapped_dim(dim2, rank)
    if first == second:
        raise RaisedError(f"diagonal of dims {dim1} and {dim2}: they are the same")
    matrices = move_dims(g, self, [first, second], [rank - 2, rank - 1])
    *batch, rows, columns = matrices.require_shape()
    row, column = diagonal_start(offset)
    length = diagonal_length(rows, columns, offset)
    index = g.Add(g.Mul(consecutive(g, length), columns + 1), columns * row + column)
    return g.Gather(g.reshape(matrices, [*batch, rows * columns]), index, axis=rank - 2)


@symbolic(
    "aten::linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)"
)
def linalg_diagonal(
    g: Builder, A: Tensor, *, offset: Dim = 0, dim1: int = -2, dim2: int = -1
) -> Tensor:
    """`diagonal` of the last two dims."""
    return diagonal(g, A, offset, dim1, dim2)


# ------------------------------------------------------------ windows and strides


@symbolic("aten::unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)")
def unfold(g: Builder, self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` along a dim, `step` apart, each as a new last dim."""
    if self.shape == ():
        return slice_tensor(g, g.Unsqueeze(self, axes=[0]), 0, 0, size)
    rank = self.require_rank()
    at = wrapped_dim(dimension, rank)
    count = (g.size(self, at) - size) // step + 1
    starts = g.Mul(consecutive(g, count), step)
    index = g.Add(g.Unsqueeze(starts, axes=[1]), consecutive(g, size))
    return move_dims(g, g.Gather(self, index, axis=at), [at + 1], [rank])


@symbolic(
    "aten::as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor(a)"
)
def as_strided(
    g: Builder,
    self: Tensor,
    size: Sequence[Dim],
    stride: Sequence[Dim],
    storage_offset: Dim | None = None,
) -> Tensor:
    """Elements by their place in memory; `self` must be all of its storage, in row-major order."""
    offset = 0 if storage_offset is None else storage_offset
    index = strided_index(g, size, stride, offset)
    return g.Gather(g.reshape(self, [element_count(g, self)]), index, axis=0)
