"""Writing to elements that tensors point at: index_put, scatter, index_add, masked_scatter.

Next door: `indexing` reads what is written here. Where several sources go to one place and none is
added up, PyTorch leaves open which one wins, and so does ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.indexing import flat, in_range, is_mask, pick
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import (
    BOOL,
    FLOAT,
    INT64,
    is_bool,
    is_float,
    onnx_dtype,
    wrapped_dim,
)
from symbolics.shape import at_least, broadcast_tensors, expand_to, move_dims
from symbolics.views import arange, slice_tensor

__all__ = ["one_element", "scatter_elements"]

INT32 = onnx_dtype(3)
HALVES = (onnx_dtype(5), onnx_dtype(15))
# A scatter into a base, given the base, the sources and ONNX's word for the reduction.
Scatter = Callable[[Tensor, Tensor, str], Tensor]


# ------------------------------------------------------------ reductions


def accumulated(
    g: Builder, scatter: Scatter, base: Tensor, source: Tensor, reduction: str
) -> Tensor:
    """A scatter that reduces, in a dtype that can hold it.

    Bools are added, multiplied and compared as 0 and 1, and what is not 0 is true. float16 goes
    through float32, as it does in PyTorch.
    """
    dtype = base.dtype
    if reduction == "none":
        return scatter(base, source, reduction)
    wide = INT32 if is_bool(dtype) else FLOAT if dtype in HALVES else dtype
    result = scatter(g.cast(base, wide), g.cast(source, wide), reduction)
    return g.cast(result, dtype)


def reduced(
    g: Builder, scatter: Scatter, base: Tensor, source: Tensor, reduce: str, include_self: bool
) -> Tensor:
    """`scatter_reduce` and `index_reduce` with the same plan.

    1. Without the base's own values, the places that are written to start from the neutral element.
    2. Sources are added, multiplied or compared.
    3. A mean is divided by the number of values at each place; integers round down.
    4. A NaN wins every comparison; ONNX does not say so, hence it is put in afterwards.
    """
    if reduce not in _REDUCTIONS:
        raise Unsupported(f"reduce={reduce!r}")
    dtype = base.dtype
    reduction = _REDUCTIONS[reduce]
    if not include_self:
        neutral = expand_to(g, _neutral(g, reduce, base), source.require_shape())
        start = scatter(base, neutral, "none")
    else:
        start = base
    result = accumulated(g, scatter, start, source, reduction)
    if reduce == "mean":
        wide = dtype if dtype not in HALVES else FLOAT
        ones = expand_to(g, g.constant(1, INT64), source.require_shape())
        before = expand_to(g, g.constant(int(include_self), INT64), base.require_shape())
        counts = g.cast(g.Max(scatter(before, ones, "add"), 1), wide)
        return _divided(g, g.cast(result, wide), counts, dtype)
    if reduce in ("amax", "amin") and is_float(dtype):
        nans = scatter(g.cast(g.IsNaN(start), INT32), g.cast(g.IsNaN(source), INT32), "max")
        return g.Where(g.cast(nans, BOOL), g.constant(np.nan, dtype), result)
    return result


_REDUCTIONS = {"sum": "add", "prod": "mul", "mean": "add", "amax": "max", "amin": "min"}


def _neutral(g: Builder, reduce: str, base: Tensor) -> Tensor:
    if reduce in ("sum", "mean"):
        return g.constant(0, base.dtype)
    if reduce == "prod":
        return g.constant(1, base.dtype)
    if is_bool(base.dtype):
        return g.constant(reduce == "amin", BOOL)
    if is_float(base.dtype):
        return g.constant(-np.inf if reduce == "amax" else np.inf, base.dtype)
    limits = np.iinfo(base.dtype.numpy())
    return g.constant(limits.min if reduce == "amax" else limits.max, base.dtype)


def _divided(g: Builder, total: Tensor, counts: Tensor, dtype: object) -> Tensor:
    quotient = g.Div(total, counts)
    if not is_float(total.dtype):
        # ONNX truncates.
        rest = g.Sub(total, g.Mul(quotient, counts))
        quotient = g.Sub(quotient, g.cast(g.Less(rest, 0), total.dtype))
    return g.cast(quotient, dtype)  # type: ignore[arg-type]


# ------------------------------------------------------------ index_put


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


# ------------------------------------------------------------ whole slices along a dim


def along(g: Builder, dim: int, index: Tensor, source: Tensor) -> Scatter:
    """A scatter of slices: `source[i]` goes to `index[i]` of a dim."""
    if dim == 0:
        rows = g.Unsqueeze(index, axes=[1])
        return lambda base, updates, how: g.ScatterND(base, rows, updates, reduction=how)
    rank = source.require_rank()
    others = [i for i in range(rank) if i != dim]
    spread = g.Unsqueeze(index, axes=others) if others else index
    places = expand_to(
        g, spread, [-1 if i == dim else d for i, d in enumerate(source.require_shape())]
    )
    return lambda base, updates, how: g.ScatterElements(
        base, places, updates, axis=dim, reduction=how
    )


def put_slices(
    g: Builder,
    self: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    combine: Callable[[Scatter, Tensor, Tensor], Tensor],
) -> Tensor:
    """The frame of the `index_*` operators: 0-d tensors count as [1]."""
    base = at_least(g, self, 1)
    at = wrapped_dim(dim, base.require_rank())
    index = at_least(g, g.cast(index, INT64), 1)
    source = at_least(g, source, 1)
    if source.rank != base.rank:
        raise Unsupported(f"a source of {source.rank} dims for a tensor of {base.rank}")
    result = combine(along(g, at, index, source), base, source)
    return g.reshape(result, []) if self.shape == () else result


@symbolic("aten::index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor")
def index_copy(g: Builder, self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Replace indices of a dim by the slices of `source`."""
    return put_slices(
        g, self, dim, index, source, lambda scatter, base, src: scatter(base, src, "none")
    )


@symbolic(
    "aten::index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor"
)
def index_add(
    g: Builder, self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1
) -> Tensor:
    """Add alpha times the slices of `source` to indices of a dim; an index may come repeatedly."""
    if is_bool(self.dtype):
        source = g.And(source, g.constant(alpha, BOOL))
    elif alpha != 1:
        source = g.Mul(source, g.constant(alpha, self.dtype))
    return put_slices(
        g,
        self,
        dim,
        index,
        source,
        lambda scatter, base, src: accumulated(g, scatter, base, src, "add"),
    )


@symbolic(
    "aten::index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor"
)
def index_reduce(
    g: Builder,
    self: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """Reduce the slices of `source` into indices of a dim: prod, mean, amax or amin."""
    return put_slices(
        g,
        self,
        dim,
        index,
        source,
        lambda scatter, base, src: reduced(g, scatter, base, src, reduce, include_self),
    )


@symbolic("aten::index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor")
def index_fill(g: Builder, self: Tensor, dim: int, index: Tensor, value: Number) -> Tensor:
    """Set indices of a dim to a number."""
    return _filled(g, self, dim, index, g.constant(value, self.dtype))


@symbolic("aten::index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor")
def index_fill_tensor(g: Builder, self: Tensor, dim: int, index: Tensor, value: Tensor) -> Tensor:
    """Set indices of a dim to a number that is a 0-d tensor."""
    return _filled(g, self, dim, index, g.cast(value, self.dtype))


def _filled(g: Builder, self: Tensor, dim: int, index: Tensor, value: Tensor) -> Tensor:
    """Where a vector that is true at the indices is true."""
    base = at_least(g, self, 1)
    rank = base.require_rank()
    at = wrapped_dim(dim, rank)
    index = at_least(g, g.cast(index, INT64), 1)
    false = expand_to(g, g.constant([False], BOOL), [g.size(base, at)])
    true = expand_to(g, g.constant([True], BOOL), index.require_shape())
    mask = g.ScatterElements(false, index, true, axis=0)
    if rank > at + 1:
        mask = g.Unsqueeze(mask, axes=list(range(at + 1 - rank, 0)))
    result = g.Where(mask, g.reshape(value, []), base)
    return g.reshape(result, []) if self.shape == () else result


# ------------------------------------------------------------ scatter


def scatter_elements(
    g: Builder,
    self: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor | Number,
    combine: Callable[[Scatter, Tensor, Tensor], Tensor],
) -> Tensor:
    """The frame of the `scatter` operators.

    0-d tensors count as [1], an empty index changes nothing, a number is used at each place, and
    a source larger than the index is cut to its shape.
    """
    if 0 in index.require_shape():
        return self
    base, index = at_least(g, self, 1), at_least(g, g.cast(index, INT64), 1)
    axis = wrapped_dim(dim, base.require_rank())
    if isinstance(source, Tensor):
        source = at_least(g, g.cast(source, self.dtype), 1)
        for i, size in enumerate(index.require_shape()):
            if g.size(source, i) != size:
                source = slice_tensor(g, source, i, 0, size)
    else:
        source = expand_to(g, g.constant(source, self.dtype), index.require_shape())

    def scatter(into: Tensor, updates: Tensor, reduction: str) -> Tensor:
        return g.ScatterElements(into, index, updates, axis=axis, reduction=reduction)

    result = combine(scatter, base, source)
    return g.reshape(result, []) if self.shape == () else result


def _replaced(scatter: Scatter, base: Tensor, source: Tensor) -> Tensor:
    return scatter(base, source, "none")


def _accumulating(g: Builder, reduce: str) -> Callable[[Scatter, Tensor, Tensor], Tensor]:
    word = {"add": "add", "multiply": "mul"}.get(reduce)
    if word is None:
        raise Unsupported(f"scatter with reduce={reduce!r}")
    return lambda scatter, base, source: accumulated(g, scatter, base, source, word)


@symbolic("aten::scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor")
def scatter_src(g: Builder, self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Each element of `src` goes to its own place, but for the place in `dim`, which `index` has."""
    return scatter_elements(g, self, dim, index, src, _replaced)


@symbolic("aten::scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor")
def scatter_value(g: Builder, self: Tensor, dim: int, index: Tensor, value: Number) -> Tensor:
    """A number goes to all the places of `scatter`."""
    return scatter_elements(g, self, dim, index, value, _replaced)


@symbolic(
    "aten::scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor"
)
def scatter_with_reduce(
    g: Builder, self: Tensor, dim: int, index: Tensor, src: Tensor, *, reduce: str
) -> Tensor:
    """`scatter` that adds or multiplies."""
    return scatter_elements(g, self, dim, index, src, _accumulating(g, reduce))


@symbolic(
    "aten::scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor"
)
def scatter_value_with_reduce(
    g: Builder, self: Tensor, dim: int, index: Tensor, value: Number, *, reduce: str
) -> Tensor:
    """`scatter` of a number that adds or multiplies."""
    return scatter_elements(g, self, dim, index, value, _accumulating(g, reduce))


@symbolic("aten::scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor")
def scatter_add(g: Builder, self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`scatter` that adds."""
    return scatter_elements(g, self, dim, index, src, _accumulating(g, "add"))


@symbolic(
    "aten::scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor"
)
def scatter_reduce(
    g: Builder,
    self: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """`scatter` that reduces: sum, prod, mean, amax or amin; with or without `self`'s own values."""
    return scatter_elements(
        g,
        self,
        dim,
        index,
        src,
        lambda scatter, base, source: reduced(g, scatter, base, source, reduce, include_self),
    )


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
        raise Unsupported(f"fill_diagonal of a tensor with {rank} dims: it takes 2 or more")
    rows = arange(g, shape[0])
    if wrap and rank == 2:
        rows = g.Mod(rows, g.constant(shape[1] + 1, INT64))
    mask: Tensor | None = None
    for i in range(1, rank):
        column = g.Reshape(arange(g, shape[i]), [-1] + [1] * (rank - 1 - i))
        equal = g.Equal(g.Reshape(rows, [-1] + [1] * (rank - 1)), column)
        mask = equal if mask is None else g.And(mask, equal)
    assert mask is not None
    return g.Where(mask, g.constant(fill_value, self.dtype), self)
