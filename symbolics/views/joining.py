"""Several tensors become one: cat, stack and NumPy's words for them.

Next door: `splitting` is the way back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, is_ge
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import INT64, promote, wrapped_dim
from symbolics.views.shape import at_least, unsqueeze

__all__ = ["cat", "left_out", "stack"]

# A list of run-time length comes as one ONNX Sequence.
Tensors: TypeAlias = Sequence[Tensor] | Tensor


def known_length(tensors: Tensors) -> Sequence[Tensor]:
    """The tensors one by one; an error where their number is only known at run time."""
    if isinstance(tensors, Tensor):
        raise Unsupported("a list of tensors whose length is only known at run time")
    return tensors


@symbolic("aten::cat(Tensor[] tensors, int dim=0) -> Tensor")
def cat(g: Builder, tensors: Tensors, dim: int = 0) -> Tensor:
    """Tensors one after the other along a dim.

    An empty 1-D tensor goes with tensors of any shape: it counts for the dtype, and is left out.
    """
    if isinstance(tensors, Tensor):
        return g.ConcatFromSequence(tensors, axis=dim)
    if not tensors:
        raise Unsupported("cat of no tensors")
    promoted = [t for t in promote(g, *tensors) if t.shape != (0,)] or [promote(g, *tensors)[0]]
    ranks = {t.rank for t in promoted} - {None}
    if len(ranks) > 1:
        # What has one dim beside tensors with more must be empty; its size just is not known.
        promoted = [t for t in promoted if t.rank != 1]
        ranks = {t.rank for t in promoted} - {None}
    if len(ranks) > 1:
        raise Raised(f"cat of tensors with {' and '.join(sorted(map(str, ranks)))} dims")
    if len(promoted) == 1:
        return promoted[0]
    for rank in ranks:
        assert rank is not None
        if rank == 0:
            raise Raised("cat of 0-d tensors")
        dim = wrapped_dim(dim, rank)
    return g.Concat(*_of_one_rank(g, promoted, dim), axis=dim)


def _of_one_rank(g: Builder, tensors: Sequence[Tensor], dim: int) -> Sequence[Tensor]:
    """Tensors of `cat`, those that may be empty and 1-D among others with other dims reshaped.

    If they are, they become the others' shape with a 0 in the dim along which they are put.
    """
    open_ones = [t for t in tensors if _may_be_left_out(t)]
    if all(t.rank is not None for t in tensors) or not open_ones:
        return tensors
    others = [t for t in tensors if t not in open_ones]
    if any(t.rank == 1 for t in others):
        return tensors
    known = next((t.shape for t in others if t.shape is not None), None)
    if known is None:
        shape = _common_shape(g, others or open_ones)
        places = g.Range(0, g.reshape(g.Size(shape), []), 1)
        nothing = g.Where(g.Equal(places, dim if dim >= 0 else g.Add(g.Size(shape), dim)), 0, shape)
    else:
        nothing = g.constant([0 if i == dim else d for i, d in enumerate(known)], INT64)
    result = []
    for tensor in tensors:
        if tensor in open_ones:
            own = g.Shape(tensor)
            tensor = g.Reshape(tensor, g.Where(left_out(g, own), nothing, own), allowzero=1)
            if known is not None:
                dims = tuple(None if i == dim else d for i, d in enumerate(known))
                tensor = g.assume(tensor, dims)
        result.append(tensor)
    return result


def _may_be_left_out(tensor: Tensor) -> bool:
    """Whether a tensor may have one dim, and no elements."""
    shapes = tensor.possible if tensor.shape is None else (tensor.shape,)
    if shapes is None:
        return True
    return any(len(s) == 1 and (s[0] is None or is_ge(s[0], 1) is not True) for s in shapes)


def left_out(g: Builder, shape: Tensor) -> Tensor:
    """Whether this is the shape of an empty 1-D tensor, which `cat` leaves out."""
    return g.And(g.Equal(g.Size(shape), 1), g.Equal(g.ReduceProd(shape, keepdims=False), 0))


def _common_shape(g: Builder, tensors: Sequence[Tensor]) -> Tensor:
    """The shape of the first tensor that is not left out, else of the last."""
    shape = g.Shape(tensors[0])
    for tensor in tensors[1:]:
        shape = g.Where(left_out(g, shape), g.Shape(tensor), shape)
    return shape


@symbolic("aten::concat(Tensor[] tensors, int dim=0) -> Tensor")
def concat(g: Builder, tensors: Tensors, dim: int = 0) -> Tensor:
    """Another word for `cat`."""
    return cat(g, tensors, dim)


@symbolic("aten::concatenate(Tensor[] tensors, int dim=0) -> Tensor")
def concatenate(g: Builder, tensors: Tensors, dim: int = 0) -> Tensor:
    """Another word for `cat`."""
    return cat(g, tensors, dim)


@symbolic("aten::stack(Tensor[] tensors, int dim=0) -> Tensor")
def stack(g: Builder, tensors: Tensors, dim: int = 0) -> Tensor:
    """Tensors of one shape along a new dim."""
    if isinstance(tensors, Tensor):
        return g.ConcatFromSequence(tensors, axis=dim, new_axis=1)
    if not tensors:
        raise Unsupported("stack of no tensors")
    rank = next((t.rank for t in tensors if t.rank is not None), None)
    if rank is not None:
        dim = wrapped_dim(dim, rank + 1)
    elif dim < 0:
        raise Unsupported("stack along the end: the number of dims of the tensors is not known")
    rows = [unsqueeze(g, tensor, dim) for tensor in promote(g, *tensors)]
    return g.Concat(*rows, axis=dim) if len(rows) > 1 else rows[0]


@symbolic("aten::hstack(Tensor[] tensors) -> Tensor")
def hstack(g: Builder, tensors: Tensors) -> Tensor:
    """`cat` along dim 1, of vectors and scalars along dim 0."""
    rows = [at_least(g, tensor, 1) for tensor in known_length(tensors)]
    return cat(g, rows, 0 if rows and rows[0].rank == 1 else 1)


@symbolic("aten::vstack(Tensor[] tensors) -> Tensor")
def vstack(g: Builder, tensors: Tensors) -> Tensor:
    """`cat` along dim 0, vectors being rows."""
    return cat(g, [at_least(g, tensor, 2) for tensor in known_length(tensors)])


@symbolic("aten::row_stack(Tensor[] tensors) -> Tensor")
def row_stack(g: Builder, tensors: Tensors) -> Tensor:
    """Another word for `vstack`."""
    return vstack(g, tensors)


@symbolic("aten::dstack(Tensor[] tensors) -> Tensor")
def dstack(g: Builder, tensors: Tensors) -> Tensor:
    """`cat` along dim 2, of tensors made 3-D."""
    return cat(g, [at_least(g, tensor, 3) for tensor in known_length(tensors)], 2)


@symbolic("aten::column_stack(Tensor[] tensors) -> Tensor")
def column_stack(g: Builder, tensors: Tensors) -> Tensor:
    """`cat` along dim 1, vectors and scalars being columns."""
    columns = []
    for tensor in known_length(tensors):
        rank = tensor.require_rank()
        columns.append(g.Unsqueeze(tensor, axes=[0, 1][rank:]) if rank < 2 else tensor)
    return cat(g, columns, 1)


@symbolic("aten::block_diag(Tensor[] tensors) -> Tensor")
def block_diag(g: Builder, tensors: Tensors) -> Tensor:
    """A matrix with the tensors along its diagonal; vectors are rows."""
    blocks = [at_least(g, tensor, 2) for tensor in promote(g, *known_length(tensors))]
    if any(block.rank != 2 for block in blocks):
        raise Raised("block_diag of a tensor with more than 2 dims")
    total: Dim = 0
    for block in blocks:
        total = total + g.size(block, 1)
    rows: list[Tensor] = []
    left: Dim = 0
    for block in blocks:
        right = total - left - g.size(block, 1)
        rows.append(block if left == right == 0 else g.Pad(block, [0, left, 0, right]))
        left = left + g.size(block, 1)
    return g.Concat(*rows, axis=0) if len(rows) > 1 else rows[0]


@symbolic("aten::flatten_dense_tensors(Tensor[] tensors) -> Tensor")
def flatten_dense_tensors(g: Builder, tensors: Sequence[Tensor]) -> Tensor:
    """All elements in a row."""
    return cat(g, [g.reshape(t, [-1]) for t in tensors], 0)


@symbolic("aten::_chunk_cat(Tensor[] tensors, int dim, int num_chunks) -> Tensor")
def _chunk_cat(g: Builder, tensors: Sequence[Tensor], dim: int, num_chunks: int) -> Tensor:
    """Each tensor cut into chunks along `dim`, zeros behind the last, and chunk joined to chunk.

    A chunk is a row with all that follows `dim`: the result is [..., num_chunks, all rows].
    """
    pieces = []
    for tensor in tensors:
        rank = tensor.require_rank()
        axis = wrapped_dim(dim, rank)
        size, leading = g.size(tensor, axis), list(tensor.require_shape()[:axis])
        missing = (size + num_chunks - 1) // num_chunks * num_chunks - size
        pads = g.constant([0] * (rank + axis) + [missing] + [0] * (rank - axis - 1), INT64)
        padded = tensor if missing == 0 else g.Pad(tensor, pads)
        pieces.append(g.reshape(padded, [*leading, num_chunks, -1]))
    return cat(g, pieces, pieces[0].require_rank() - 1)
