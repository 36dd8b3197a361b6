"""How to write through a view: the base with the part that the view shows replaced.

Each function here takes the base, the new value of the view (its shape, the base's dtype) and the
view's other arguments, and returns the new base. For operators that return several views `index`
says which. `view_scatter` has the operators that are nothing but such a write.

Where a view has no function here, the write goes through a tensor of indices, which is always right
and costs more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, SymInt, is_ge
from exporter.onnx_graph.values import Tensor
from symbolics.registry import view_write
from symbolics.rules import INT64, element_count, wrapped_dim, wrapped_dims
from symbolics.views.rearranging import diagonal_mask, on_diagonal
from symbolics.views.shape import expand_to, move_dims, moved, swapped
from symbolics.views.splitting import chunk_sizes, section_sizes, split_sizes
from symbolics.views.views import (
    clamped,
    covers,
    int64_max,
    narrow_start,
    slice_range,
    slice_tensor,
    strided_index,
    unfold,
    wrapped_index,
)

__all__ = [
    "write_diagonal",
    "write_select",
    "write_slice",
    "write_strided",
]


# ------------------------------------------------------------ the whole tensor in another shape


@view_write(
    "aten::alias",
    "aten::detach",
    "aten::contiguous",
    "aten::resolve_conj",
    "aten::resolve_neg",
    "aten::lift_fresh",
    "aten::positive",
)
def write_all(g: Builder, base: Tensor, source: Tensor, /, **arguments: object) -> Tensor:
    """The view is the tensor itself."""
    return source


@view_write(
    "aten::view",
    "aten::_unsafe_view",
    "aten::_reshape_alias",
    "aten::reshape",
    "aten::view_as",
    "aten::reshape_as",
    "aten::flatten.using_ints",
    "aten::unflatten.int",
    "aten::ravel",
    "aten::squeeze",
    "aten::squeeze.dim",
    "aten::squeeze.dims",
)
def write_reshaped(g: Builder, base: Tensor, source: Tensor, /, **arguments: object) -> Tensor:
    """The same elements in the base's shape."""
    return (
        g.Reshape(source, g.Shape(base), allowzero=1)
        if base.shape is None
        else g.reshape(source, base.shape)
    )


@view_write("aten::unsqueeze")
def write_unsqueezed(g: Builder, base: Tensor, source: Tensor, /, dim: int) -> Tensor:
    """Without the dim that the view has more; not by a Reshape, which can't infer sizes that are 0."""
    return g.Squeeze(source, [dim if source.rank is None else wrapped_dim(dim, source.rank)])


@view_write("aten::expand", "aten::expand_as", "aten::broadcast_to")
def write_expanded(g: Builder, base: Tensor, source: Tensor, /, **arguments: object) -> Tensor:
    """The tensor as it is where nothing is repeated, else what has changed of its elements."""
    expanded, own = source.require_shape(), base.require_shape()
    extra = len(expanded) - len(own)
    if all(d == 1 for d in expanded[:extra]) and expanded[extra:] == own:
        return g.reshape(source, own)
    return _scattered_changes(g, base, source, expand_to(g, _numbers(g, base), expanded))


# ------------------------------------------------------------ the whole tensor with its dims moved


def _reversed(rank: int) -> list[int]:
    return list(range(rank))[::-1]


def _last_two(rank: int) -> list[int]:
    return swapped(rank, -2, -1) if rank else []


def _one_or_many(
    rank: int, source: int | Sequence[int], destination: int | Sequence[int]
) -> list[int]:
    sources = [source] if isinstance(source, int) else source
    destinations = [destination] if isinstance(destination, int) else destination
    if rank == 0:
        return []
    return moved(rank, wrapped_dims(sources, rank), wrapped_dims(destinations, rank))


# The permutation of dims that each operator is, from the rank and its arguments.
_PERMUTATIONS: dict[str, Callable[..., list[int]]] = {
    "aten::transpose.int": swapped,
    "aten::swapdims": swapped,
    "aten::swapaxes": lambda rank, axis0, axis1: swapped(rank, axis0, axis1),
    "aten::t": _reversed,
    "aten::numpy_T": _reversed,
    "aten::mT": _last_two,
    "aten::permute": lambda rank, dims: wrapped_dims(dims, rank),
    "aten::movedim.int": _one_or_many,
    "aten::movedim.intlist": _one_or_many,
    "aten::moveaxis.int": _one_or_many,
    "aten::moveaxis.intlist": _one_or_many,
}


def _write_permuted(permutation: Callable[..., list[int]]) -> Callable[..., Tensor]:
    def write(
        g: Builder, base: Tensor, source: Tensor, /, *args: object, **arguments: object
    ) -> Tensor:
        """The dims moved back."""
        rank = base.require_rank()
        perm = permutation(rank, *args, **arguments)
        return move_dims(g, source, range(rank), perm)

    return write


for _head, _permutation in _PERMUTATIONS.items():
    view_write(_head)(_write_permuted(_permutation))


# ------------------------------------------------------------ one index of a dim


@view_write("aten::select.int")
def write_select(g: Builder, base: Tensor, source: Tensor, dim: int, index: Dim) -> Tensor:
    """One row of the first dim is a ScatterND; elsewhere the pieces around it are joined.

    An index that is negative or not at run time is compared with the numbers of the dim instead.
    """
    if base.shape is None and dim == 0:
        return _written_row(g, base, source, index)
    shape = base.require_shape()
    at = wrapped_dim(dim, len(shape))
    row = g.Unsqueeze(source, axes=[at])
    if shape[at] == 1:
        return row
    if at == 0:
        return _written_row(g, base, source, index)
    first = wrapped_index(index, shape[at])
    if isinstance(index, SymInt) and is_ge(index, 0) is None:
        mask = g.Equal(consecutive(g, shape[at]), first)
        return g.Where(_beside(g, mask, len(shape) - at - 1), row, base)
    return _spliced(g, base, row, at, first, first + 1)


def _written_row(g: Builder, base: Tensor, source: Tensor, index: Dim) -> Tensor:
    where = g.Reshape(g.constant(index, INT64), [1, 1])
    return g.ScatterND(base, where, g.Unsqueeze(source, axes=[0]))


def _spliced(g: Builder, base: Tensor, source: Tensor, dim: int, start: Dim, end: Dim) -> Tensor:
    """`base` up to `start`, then `source`, then `base` from `end` on; empty pieces are left out.

    The sizes of the pieces add up to that of the base, whatever has become of them as expressions.
    """
    size = g.size(base, dim)
    pieces = [source]
    if start != 0:
        pieces.insert(0, slice_tensor(g, base, dim, 0, start))
    if end not in (size, int64_max):
        pieces.append(slice_tensor(g, base, dim, end))
    return g.sized_as(g.Concat(*pieces, axis=dim), base) if len(pieces) > 1 else source


def _beside(g: Builder, vector: Tensor, dims: int) -> Tensor:
    """A vector with dims of size 1 after its own, so that it lies along an inner dim."""
    return g.Unsqueeze(vector, axes=list(range(1, dims + 1))) if dims else vector


# ------------------------------------------------------------ a slice of a dim


@view_write("aten::slice.Tensor")
def write_slice(
    g: Builder,
    base: Tensor,
    source: Tensor,
    dim: int = 0,
    start: Dim | None = None,
    end: Dim | None = None,
    step: Dim = 1,
) -> Tensor:
    """With step 1 the pieces around the slice are joined, else its elements are scattered.

    That the source has as many elements as the slice says where the slice ends: no bound but a
    negative start needs to be clamped.
    """
    shape = base.require_shape()
    at = wrapped_dim(dim, len(shape))
    size = shape[at]
    if covers(size, start, end, step):
        return source
    if isinstance(size, int):
        known = slice_range(size, start, end, step)
        if known is not None:
            return _write_range(g, base, source, at, known)
    first = 0 if start is None else start
    if is_ge(first, 0) is not True:
        first = clamped(first, size)
    length = g.size(source, at)
    if step == 1:
        open_end = end is None or end == int64_max
        return _spliced(g, base, source, at, first, int64_max if open_end else first + length)
    index = g.Add(g.Mul(consecutive(g, length), g.constant(step, INT64)), g.constant(first, INT64))
    return _scattered(g, base, source, at, index)


def _write_range(g: Builder, base: Tensor, source: Tensor, dim: int, where: range) -> Tensor:
    """A slice of known indices."""
    size = g.size(base, dim)
    if len(where) == 0:
        return base
    if len(where) == size:
        return source
    if where.step == 1 or len(where) == 1:
        return _spliced(g, base, source, dim, where.start, where[-1] + 1)
    return _scattered(g, base, source, dim, g.constant(np.array(where, np.int64)))


def _scattered(g: Builder, base: Tensor, source: Tensor, dim: int, index: Tensor) -> Tensor:
    """`source[i]` put at `index[i]` of a dim.

    For an inner dim the dim is brought to the front and back: ScatterElements would need an index
    for each element.
    """
    front = move_dims(g, base, [dim], [0])
    rows = move_dims(g, source, [dim], [0])
    written = g.ScatterND(front, g.Unsqueeze(index, axes=[1]), rows)
    return move_dims(g, written, [0], [dim])


@view_write("aten::narrow")
def write_narrow(
    g: Builder, base: Tensor, source: Tensor, dim: int, start: Dim, length: Dim
) -> Tensor:
    """A slice from `start` on."""
    at = wrapped_dim(dim, base.require_rank())
    first = narrow_start(g, g.size(base, at), start, length)
    return write_slice(g, base, source, at, first, first + length)


@view_write("aten::narrow.Tensor")
def write_narrow_tensor(
    g: Builder, base: Tensor, source: Tensor, dim: int, start: Tensor, length: Dim
) -> Tensor:
    """A slice from an index that is a 0-d tensor."""
    return write_narrow(g, base, source, dim, g.integer(start), length)


# ------------------------------------------------------------ one of several views


@view_write("aten::unbind.int")
def write_unbind(g: Builder, base: Tensor, source: Tensor, dim: int = 0, *, index: int) -> Tensor:
    """The index of a dim that the output is."""
    return write_select(g, base, source, dim, index)


def _write_piece(
    g: Builder, base: Tensor, source: Tensor, dim: int, sizes: Sequence[Dim], index: int
) -> Tensor:
    start: Dim = 0
    for size in sizes[:index]:
        start = start + size
    end = start + sizes[index] if index + 1 < len(sizes) else None
    return write_slice(g, base, source, dim, start, end)


@view_write("aten::split.Tensor", "aten::unsafe_split.Tensor")
def write_split(
    g: Builder, base: Tensor, source: Tensor, split_size: Dim, dim: int = 0, *, index: int
) -> Tensor:
    """The slice that the output is."""
    total = g.size(base, wrapped_dim(dim, base.require_rank()))
    return _write_piece(g, base, source, dim, split_sizes(total, split_size), index)


@view_write("aten::split_with_sizes", "aten::unsafe_split_with_sizes", "aten::split")
def write_split_with_sizes(
    g: Builder,
    base: Tensor,
    source: Tensor,
    split_sizes: Sequence[Dim],
    dim: int = 0,
    *,
    index: int,
) -> Tensor:
    """The slice that the output is."""
    return _write_piece(g, base, source, dim, split_sizes, index)


@view_write("aten::split.sizes")
def write_split_sizes(
    g: Builder, base: Tensor, source: Tensor, split_size: Sequence[Dim], dim: int = 0, *, index: int
) -> Tensor:
    """The slice that the output is."""
    return _write_piece(g, base, source, dim, split_size, index)


@view_write("aten::chunk", "aten::unsafe_chunk")
def write_chunk(
    g: Builder, base: Tensor, source: Tensor, chunks: int, dim: int = 0, *, index: int
) -> Tensor:
    """The slice that the output is."""
    total = g.size(base, wrapped_dim(dim, base.require_rank()))
    return _write_piece(g, base, source, dim, chunk_sizes(total, chunks), index)


@view_write("aten::tensor_split.sections")
def write_tensor_split(
    g: Builder, base: Tensor, source: Tensor, sections: Dim, dim: int = 0, *, index: int
) -> Tensor:
    """The slice that the output is."""
    total = g.size(base, wrapped_dim(dim, base.require_rank()))
    return _write_piece(g, base, source, dim, section_sizes(total, int(sections)), index)


@view_write("aten::tensor_split.indices")
def write_tensor_split_indices(
    g: Builder, base: Tensor, source: Tensor, indices: Sequence[Dim], dim: int = 0, *, index: int
) -> Tensor:
    """The slice that the output is."""
    bounds = [0, *indices, None]
    return write_slice(g, base, source, dim, bounds[index], bounds[index + 1])


# ------------------------------------------------------------ diagonals and strides


@view_write("aten::diagonal")
def write_diagonal(
    g: Builder, base: Tensor, source: Tensor, offset: Dim = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """The source where the two dims are on the diagonal, the base elsewhere."""
    rank = base.require_rank()
    dims = wrapped_dims([dim1, dim2], rank)
    matrices = move_dims(g, base, dims, [rank - 2, rank - 1])
    rows, columns = matrices.require_shape()[-2:]
    mask = diagonal_mask(g, rows, columns, offset)
    new = on_diagonal(g, source, rows, columns, offset)
    return move_dims(g, g.Where(mask, new, matrices), [rank - 2, rank - 1], dims)


@view_write("aten::linalg_diagonal")
def write_linalg_diagonal(
    g: Builder, base: Tensor, source: Tensor, *, offset: Dim = 0, dim1: int = -2, dim2: int = -1
) -> Tensor:
    """`diagonal` of the last two dims."""
    return write_diagonal(g, base, source, offset, dim1, dim2)


@view_write("aten::as_strided")
def write_strided(
    g: Builder,
    base: Tensor,
    source: Tensor,
    size: Sequence[Dim],
    stride: Sequence[Dim],
    storage_offset: Dim | None = None,
) -> Tensor:
    """Elements by their place in memory; `base` must be all of its storage, in row-major order."""
    offset = 0 if storage_offset is None else storage_offset
    places = strided_index(g, size, stride, offset)
    return _scattered_changes(g, base, source, places)


@view_write("aten::unfold")
def write_unfold(
    g: Builder, base: Tensor, source: Tensor, dimension: int, size: int, step: int
) -> Tensor:
    """The windows put back by the numbers of the elements that they are taken from."""
    places = unfold(g, _numbers(g, base), dimension, size, step)
    return _scattered_changes(g, base, source, places)


def _numbers(g: Builder, base: Tensor) -> Tensor:
    """The places of a tensor's elements, in its shape."""
    return g.reshape(consecutive(g, element_count(g, base)), base.require_shape())


def _scattered_changes(g: Builder, base: Tensor, source: Tensor, places: Tensor) -> Tensor:
    """Elements of a view at their places in the base, where several may be at one place.

    A write to such a view as a whole is refused by PyTorch, but a view of it may show each place
    once. So only what differs from before was written; the rest goes to a spare place at the end.
    """
    count = element_count(g, base)
    flat = g.reshape(base, [count])
    index = g.reshape(places, [-1])
    new = g.reshape(source, [-1])
    known = index.array
    if known is None or len(np.unique(known)) < len(known):
        old = g.Gather(flat, index, axis=0)
        same = g.Equal(new, old)
        if base.dtype.is_floating_point():
            same = g.Or(same, g.And(g.IsNaN(new), g.IsNaN(old)))
        index = g.Where(same, g.constant(count, INT64), index)
        flat = g.Concat(flat, g.constant(np.zeros(1, base.dtype.numpy())), axis=0)
    written = g.ScatterElements(flat, index, new, axis=0)
    return g.reshape(slice_tensor(g, written, 0, 0, count), base.require_shape())
