"""Writing to places that indices, masks and flat positions name: index_put, put, masked_scatter.

Next door: `indexing` reads what is written here, `scatter` writes along one dim. Where several
sources go to one place and are not added up, PyTorch leaves open which one wins, and so does ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.indexing.indexing import flat, in_range, is_mask, pick, require_fit
from symbolics.indexing.scatter import accumulated
from symbolics.registry import Raised, symbolic
from symbolics.rules import BOOL, INT64
from symbolics.views.shape import at_least, broadcast_tensors, expand_to, move_dims
from symbolics.views.views import slice_tensor

__all__ = ["index_put", "one_element"]


def one_element(value: Tensor) -> bool:
    """Whether a tensor certainly has a single element."""
    return value.shape is not None and all(d == 1 for d in value.shape)


@symbolic(
    "aten::index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor"
)
def index_put(
    g: Builder,
    self: Tensor,
    indices: Sequence[Tensor | None],
    values: Tensor,
    accumulate: bool = False,
) -> Tensor:
    """Replace (or add to) what `index` with these indices would pick; values are broadcast to it.

    A single value behind a mask is a Where. All else is one ScatterND over the tensor with the
    indexed dims in front.
    """
    values = g.cast(values, self.dtype)
    given = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    if len(given) == 1 and is_mask(given[0][1]) and one_element(values) and not accumulate:
        ((dim, mask),) = given
        require_fit(self, mask, dim)
        after = self.require_rank() - dim - mask.require_rank()
        mask = g.cast(mask, BOOL)
        if after:
            mask = g.Unsqueeze(mask, axes=list(range(-after, 0)))
        return g.Where(mask, g.reshape(values, []), self)
    picked = pick(g, self, indices)
    if picked is None:
        whole = expand_to(g, values, self.require_shape())
        return g.Add(self, whole) if accumulate else whole
    shape = self.require_shape()
    count = len(picked.dims)
    source = expand_to(
        g, _without_leading_ones(g, values, picked.shape(shape)), picked.shape(shape)
    )
    rank = picked.rank
    source = move_dims(g, source, range(picked.place, picked.place + rank), range(rank))
    front = move_dims(g, self, picked.dims, range(count))

    def scatter(base: Tensor, updates: Tensor, reduction: str) -> Tensor:
        return g.ScatterND(base, picked.indices, updates, reduction=reduction)

    result = accumulated(g, scatter, front, source, "add" if accumulate else "none")
    return move_dims(g, result, range(count), picked.dims)


def _without_leading_ones(g: Builder, values: Tensor, shape: Sequence[Dim]) -> Tensor:
    extra = values.require_rank() - len(shape)
    return g.Squeeze(values, axes=list(range(extra))) if extra > 0 else values


@symbolic(
    "aten::index_put.hacked_twin(Tensor self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor"
)
def index_put_hacked_twin(
    g: Builder,
    self: Tensor,
    indices: Sequence[Tensor | None],
    values: Tensor,
    accumulate: bool = False,
) -> Tensor:
    """`index_put` with a list that has no None."""
    return index_put(g, self, indices, values, accumulate)


@symbolic(
    "aten::_index_put_impl(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False, bool unsafe=False) -> Tensor"
)
def _index_put_impl(
    g: Builder,
    self: Tensor,
    indices: Sequence[Tensor | None],
    values: Tensor,
    accumulate: bool = False,
    unsafe: bool = False,
) -> Tensor:
    """`index_put` from the inside."""
    return index_put(g, self, indices, values, accumulate)


@symbolic(
    "aten::_unsafe_index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor"
)
def _unsafe_index_put(
    g: Builder,
    self: Tensor,
    indices: Sequence[Tensor | None],
    values: Tensor,
    accumulate: bool = False,
) -> Tensor:
    """`index_put` without a check of the bounds."""
    return index_put(g, self, indices, values, accumulate)


@symbolic(
    "aten::_unsafe_index_put.hacked_twin(Tensor self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor"
)
def _unsafe_index_put_hacked_twin(
    g: Builder,
    self: Tensor,
    indices: Sequence[Tensor | None],
    values: Tensor,
    accumulate: bool = False,
) -> Tensor:
    """`_unsafe_index_put` with a list that has no None."""
    return index_put(g, self, indices, values, accumulate)


@symbolic(
    "aten::_unsafe_masked_index_put_accumulate(Tensor self, Tensor mask, Tensor?[] indices, Tensor values) -> Tensor"
)
def _unsafe_masked_index_put_accumulate(
    g: Builder, self: Tensor, mask: Tensor, indices: Sequence[Tensor | None], values: Tensor
) -> Tensor:
    """Add where a mask is true; elsewhere the indices may be out of range, and 0 is added."""
    if 0 in self.require_shape():
        return self
    added = g.Where(g.cast(mask, BOOL), values, g.constant(0, values.dtype))
    return index_put(g, self, in_range(g, self, indices), added, True)


# ------------------------------------------------------------ flat places and masks


@symbolic("aten::put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor")
def put(
    g: Builder, self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False
) -> Tensor:
    """Replace (or add to) elements by their place in the flattened tensor."""
    places = flat(g, g.cast(index, INT64))

    def scatter(base: Tensor, updates: Tensor, reduction: str) -> Tensor:
        return g.ScatterElements(base, places, updates, axis=0, reduction=reduction)

    how = "add" if accumulate else "none"
    result = accumulated(g, scatter, flat(g, self), flat(g, source), how)
    return g.reshape(result, self.require_shape())


@symbolic("aten::masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor")
def masked_scatter(g: Builder, self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of `source`, in order, go where the mask is true; `source` may have more."""
    base, mask = broadcast_tensors(g, [self, g.cast(mask, BOOL)])
    shape = base.require_shape()
    rows = g.Transpose(g.NonZero(at_least(g, mask, 1)), perm=[1, 0])
    updates = slice_tensor(g, flat(g, source), 0, 0, g.size(rows, 0))
    result = g.ScatterND(at_least(g, base, 1), rows, g.cast(updates, self.dtype))
    return g.reshape(result, shape)


@symbolic("aten::fill_diagonal(Tensor self, Scalar fill_value, bool wrap=False) -> Tensor")
def fill_diagonal(g: Builder, self: Tensor, fill_value: Number, wrap: bool = False) -> Tensor:
    """Set the elements whose indices are all equal; PyTorch only has it in place.

    With `wrap` the diagonal of a matrix with more rows than columns begins anew, a row below
    where it ends.
    """
    shape = self.require_shape()
    rank = len(shape)
    if rank < 2:
        raise Raised(f"fill_diagonal of a tensor with {rank} dims: it takes 2 or more")
    rows = consecutive(g, shape[0])
    if wrap and rank == 2:
        rows = g.Mod(rows, g.constant(shape[1] + 1, INT64))
    mask: Tensor | None = None
    for i in range(1, rank):
        column = g.Reshape(consecutive(g, shape[i]), [-1] + [1] * (rank - 1 - i))
        equal = g.Equal(g.Reshape(rows, [-1] + [1] * (rank - 1)), column)
        mask = equal if mask is None else g.And(mask, equal)
    assert mask is not None
    return g.Where(mask, g.constant(fill_value, self.dtype), self)
