"""Elements moved, repeated or blanked out: flip, roll, repeat, triangles, diagonal matrices.

Next door: `shape` keeps the elements as they are, `views` takes parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge, sym_max
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import INT64, element_count, wrapped_dim, wrapped_dims
from symbolics.views.shape import at_least, expand_to, move_dims, permuted, reshape_to
from symbolics.views.views import diagonal as diagonal_of
from symbolics.views.views import diagonal_start, slice_tensor

__all__ = ["diagonal_mask", "on_diagonal"]

INT64_MIN = -(1 << 63)


# ------------------------------------------------------------ flip and roll


@symbolic("aten::flip(Tensor self, int[] dims) -> Tensor")
def flip(g: Builder, self: Tensor, dims: Sequence[int]) -> Tensor:
    """Dims in reverse order; no dims flips none."""
    axes = wrapped_dims(dims, self.require_rank())
    if len(set(axes)) != len(axes):
        raise Raised(f"flip of dims {list(dims)}: a dim is there twice")
    axes = [a for a in axes if self.shape and self.shape[a] not in (0, 1)]
    if not axes:
        return self
    count = len(axes)
    return g.Slice(
        self, starts=[-1] * count, ends=[INT64_MIN] * count, axes=axes, steps=[-1] * count
    )


@symbolic("aten::fliplr(Tensor self) -> Tensor")
def fliplr(g: Builder, self: Tensor) -> Tensor:
    """Dim 1 in reverse order."""
    return flip(g, self, [1])


@symbolic("aten::flipud(Tensor self) -> Tensor")
def flipud(g: Builder, self: Tensor) -> Tensor:
    """Dim 0 in reverse order."""
    return flip(g, self, [0])


@symbolic("aten::roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor")
def roll(g: Builder, self: Tensor, shifts: Sequence[Dim], dims: Sequence[int] = []) -> Tensor:
    """Dims shifted around; without dims the tensor is rolled as if it were flat."""
    shape = self.require_shape()
    if not dims:
        if len(shifts) != 1:
            raise Unsupported(f"roll by {list(shifts)} without dims: that is one shift")
        flat = _rolled(g, reshape_to(g, self, [-1]), shifts[0], 0)
        return g.reshape(flat, shape)
    for shift, dim in zip(shifts, wrapped_dims(dims, len(shape)), strict=True):
        self = _rolled(g, self, shift, dim) if shape else self
    return self


def _rolled(g: Builder, self: Tensor, shift: Dim, dim: int) -> Tensor:
    """The end of a dim before its start; of a size that is not known index by index."""
    size = g.size(self, dim)
    if isinstance(size, SymInt) or isinstance(shift, SymInt):
        unrolled = g.Sub(consecutive(g, size), g.constant(shift, INT64))
        return g.Gather(self, g.Mod(unrolled, g.constant(sym_max(size, 1), INT64)), axis=dim)
    places = shift % size if size else 0
    if places == 0:
        return self
    end = slice_tensor(g, self, dim, size - places)
    return g.Concat(end, slice_tensor(g, self, dim, 0, size - places), axis=dim)


@symbolic("aten::rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor")
def rot90(g: Builder, self: Tensor, k: int = 1, dims: Sequence[int] = [0, 1]) -> Tensor:
    """A plane turned k times by 90 degrees, from the first dim towards the second."""
    rank = self.require_rank()
    first, second = wrapped_dims(dims, rank)
    perm = list(range(rank))
    perm[first], perm[second] = second, first
    turns = int(k) % 4
    if turns == 0:
        return self
    if turns == 2:
        return flip(g, self, [first, second])
    return permuted(g, flip(g, self, [second if turns == 1 else first]), perm)


# ------------------------------------------------------------ repeat


@symbolic("aten::repeat(Tensor self, SymInt[] repeats) -> Tensor")
def repeat(g: Builder, self: Tensor, repeats: Sequence[Dim]) -> Tensor:
    """The tensor side by side with itself, `repeats` times a dim; extra repeats are new dims."""
    lead = len(repeats) - self.require_rank()
    if lead < 0:
        raise Raised(f"repeat by {list(repeats)}: fewer numbers than dims")
    if lead:
        self = g.Unsqueeze(self, axes=list(range(lead)))
    if all(r == 1 for r in repeats):
        return self
    return g.Tile(self, list(repeats))


@symbolic("aten::tile(Tensor self, SymInt[] dims) -> Tensor")
def tile(g: Builder, self: Tensor, dims: Sequence[Dim]) -> Tensor:
    """`repeat`, where missing numbers are 1."""
    return repeat(g, self, [1] * (self.require_rank() - len(dims)) + list(dims))


@symbolic(
    "aten::repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor"
)
def repeat_interleave(
    g: Builder,
    self: Tensor,
    repeats: Dim,
    dim: int | None = None,
    *,
    output_size: Dim | None = None,
) -> Tensor:
    """Each index of a dim repeated on the spot; without a dim the tensor is flattened."""
    if dim is None:
        self, dim = reshape_to(g, self, [-1]), 0
    self = at_least(g, self, 1)
    shape = self.require_shape()
    at = wrapped_dim(dim, len(shape))
    before, size, after = shape[:at], shape[at], shape[at + 1 :]
    spread = expand_to(g, g.Unsqueeze(self, axes=[at + 1]), [*before, size, repeats, *after])
    return g.reshape(spread, [*before, size * repeats, *after])


@symbolic("aten::repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor")
def repeat_interleave_indices(
    g: Builder, repeats: Tensor, *, output_size: Dim | None = None
) -> Tensor:
    """Index i, `repeats[i]` times.

    Row i of a mask is true in its first `repeats[i]` columns: NonZero lists the rows in order.
    """
    counts = g.cast(repeats, INT64)
    most = g.ReduceMax(g.Concat(counts, [0], axis=0), keepdims=False)
    columns = g.Range(g.constant(0, INT64), most, g.constant(1, INT64))
    mask = g.Less(columns, g.Unsqueeze(counts, axes=[1]))
    rows = g.Gather(g.NonZero(mask), g.constant(0, INT64), axis=0)
    return g.cast(rows, repeats.dtype)


@symbolic(
    "aten::repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor"
)
def repeat_interleave_tensor(
    g: Builder,
    self: Tensor,
    repeats: Tensor,
    dim: int | None = None,
    *,
    output_size: Dim | None = None,
) -> Tensor:
    """Index i of a dim `repeats[i]` times; a single number of repeats is for all."""
    if dim is None:
        self, dim = reshape_to(g, self, [-1]), 0
    self = at_least(g, self, 1)
    at = wrapped_dim(dim, self.require_rank())
    repeats = at_least(g, repeats, 1)
    if repeats.array is not None and repeats.array.size == 1:
        return repeat_interleave(g, self, int(repeats.array.item()), at)
    if repeats.require_shape()[0] == 1 or isinstance(repeats.require_shape()[0], SymInt):
        repeats = expand_to(g, repeats, [g.size(self, at)])
    return g.Gather(self, repeat_interleave_indices(g, repeats), axis=at)


# ------------------------------------------------------------ triangles


def _require_matrices(self: Tensor) -> None:
    if self.rank in (0, 1):
        raise Raised(f"a triangle of a tensor with {self.rank} dims: it takes 2 or more")


@symbolic("aten::tril(Tensor self, SymInt diagonal=0) -> Tensor")
def tril(g: Builder, self: Tensor, diagonal: Dim = 0) -> Tensor:
    """The elements on and below a diagonal of each matrix, the others 0."""
    _require_matrices(self)
    return g.Trilu(self, g.constant(diagonal, INT64), upper=0)


@symbolic("aten::triu(Tensor self, SymInt diagonal=0) -> Tensor")
def triu(g: Builder, self: Tensor, diagonal: Dim = 0) -> Tensor:
    """The elements on and above a diagonal of each matrix, the others 0."""
    _require_matrices(self)
    return g.Trilu(self, g.constant(diagonal, INT64), upper=1)


# ------------------------------------------------------------ diagonal matrices


def diagonal_mask(g: Builder, rows: Dim, columns: Dim, offset: Dim) -> Tensor:
    """True on a diagonal of a [rows, columns] matrix."""
    below = g.Add(g.Unsqueeze(consecutive(g, rows), axes=[1]), offset)
    return g.Equal(consecutive(g, columns), below)


def on_diagonal(g: Builder, source: Tensor, rows: Dim, columns: Dim, offset: Dim) -> Tensor:
    """A tensor that has `source`'s last dim on a diagonal of [rows, columns] when broadcast.

    Below the main diagonal an element's column is its place; elsewhere its row is, from the row on
    where the diagonal starts.
    """
    below = is_ge(-1, offset) is True
    size, before = (columns, 0) if below else (rows, diagonal_start(offset)[0])
    missing = size - before - g.size(source, -1)
    if before != 0 or missing != 0:
        pads: list[Dim] = [0] * (2 * source.require_rank())
        pads[source.require_rank() - 1], pads[-1] = before, missing
        source = g.Pad(source, pads)
    return g.Unsqueeze(source, axes=[-2 if below else -1])


@symbolic("aten::diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor")
def diag_embed(g: Builder, self: Tensor, offset: Dim = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dim on a diagonal, 0 elsewhere; the matrices lie in dim1 and dim2."""
    rank = self.require_rank() + 1
    first, second = wrapped_dim(dim1, rank), wrapped_dim(dim2, rank)
    if first == second:
        raise Raised(f"diag_embed into dims {dim1} and {dim2}: they are the same")
    size = g.size(self, -1) + sum(diagonal_start(offset))
    mask = diagonal_mask(g, size, size, offset)
    zero = g.constant(0, self.dtype)
    matrices = g.Where(mask, on_diagonal(g, self, size, size, offset), zero)
    return move_dims(g, matrices, [rank - 2, rank - 1], [first, second])


@symbolic("aten::diag(Tensor self, int diagonal=0) -> Tensor")
def diag(g: Builder, self: Tensor, diagonal: Dim = 0) -> Tensor:
    """A vector as a diagonal matrix, a matrix's diagonal as a vector."""
    rank = self.require_rank()
    if rank not in (1, 2):
        raise Raised(f"diag of a tensor with {rank} dims: it takes 1 or 2")
    return diag_embed(g, self, diagonal) if rank == 1 else diagonal_of(g, self, diagonal)


@symbolic("aten::diagflat(Tensor self, int offset=0) -> Tensor")
def diagflat(g: Builder, self: Tensor, offset: Dim = 0) -> Tensor:
    """All elements on a diagonal of one matrix."""
    return diag_embed(g, g.reshape(self, [element_count(g, self)]), offset)


# ------------------------------------------------------------ all choices of elements


@symbolic("aten::combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor")
def combinations(g: Builder, self: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements in their order, a row each.

    The index tuples that rise (or, with replacement, do not fall) are true in a mask of r dims;
    NonZero lists them in the right order.
    """
    if r == 0:
        return g.constant(np.zeros([0], self.dtype.numpy()))
    size = g.size(self, 0)
    index = consecutive(g, size)
    if r == 1:
        return g.Unsqueeze(self, axes=[1])
    mask: Tensor | None = None
    for i in range(r - 1):
        left = g.Reshape(index, [-1] + [1] * (r - 1 - i))
        right = g.Reshape(index, [-1] + [1] * (r - 2 - i))
        rises = g.LessOrEqual(left, right) if with_replacement else g.Less(left, right)
        mask = rises if mask is None else g.And(mask, rises)
    assert mask is not None
    return g.Gather(self, g.Transpose(g.NonZero(mask)), axis=0)


@symbolic("aten::cartesian_prod(Tensor[] tensors) -> Tensor")
def cartesian_prod(g: Builder, tensors: Sequence[Tensor]) -> Tensor:
    """All tuples with one element of each vector, a row each; of one vector the vector."""
    if len(tensors) == 1:
        return tensors[0]
    sizes = [g.size(tensor, 0) for tensor in tensors]
    columns = []
    for i, tensor in enumerate(tensors):
        spread = g.Reshape(tensor, [-1] + [1] * (len(tensors) - i))
        columns.append(expand_to(g, spread, [*sizes, 1]))
    return reshape_to(g, g.Concat(*columns, axis=len(tensors)), [-1, len(tensors)])
