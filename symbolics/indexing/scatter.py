"""Writing along a dim: scatter, scatter_add, scatter_reduce, index_add and their like.

Next door: `indexing` reads what is written here, `index_put` writes with several indices and masks. Where several sources go to one place and none is
added up, PyTorch leaves open which one wins, and so does ONNX.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import Number, Tensor
from symbolics.indexing.indexing import fitting
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import (
    BOOL,
    FLOAT,
    INT64,
    highest,
    is_bool,
    is_complex,
    is_float,
    is_half,
    lowest,
    onnx_dtype,
    wrapped_dim,
)
from symbolics.views.shape import at_least, expand_to

__all__ = ["Scatter", "accumulated", "scatter_elements"]

INT32 = onnx_dtype(3)
# An index that no tensor has, for which a model fails; times a stride it is still an int64.
_NOWHERE = 1 << 36
# A scatter into a base, given the base, the sources and ONNX's word for the reduction.
Scatter = Callable[[Tensor, Tensor, str], Tensor]


# ------------------------------------------------------------ reductions


def accumulated(
    g: Builder, scatter: Scatter, base: Tensor, source: Tensor, reduction: str
) -> Tensor:
    """A scatter that reduces, in a dtype that can hold it.

    Bools are added, multiplied and compared as 0 and 1, and what is not 0 is true.
    """
    if reduction == "none" or not is_bool(base.dtype):
        return scatter(base, source, reduction)
    return g.cast(scatter(g.cast(base, INT32), g.cast(source, INT32), reduction), BOOL)


def reduced(
    g: Builder,
    scatter: Scatter,
    base: Tensor,
    source: Tensor,
    reduce: str,
    include_self: bool,
) -> Tensor:
    """`scatter_reduce` and `index_reduce` with the same plan.

    1. Without the base's own values, the places that are written to start from the neutral element.
    2. Sources are added, multiplied or compared.
    3. A mean is divided by the number of values at each place; integers round down.
    4. A NaN wins every comparison; ONNX does not say so, hence it is put in afterwards.
    """
    if reduce not in _REDUCTIONS:
        raise Unsupported(f"reduce={reduce!r}")
    dtype, shape = base.dtype, source.require_shape()
    reduction = _REDUCTIONS[reduce]
    if is_complex(dtype) and reduction in ("max", "min"):
        raise Unsupported(f"reduce={reduce!r} of complex numbers, which have no order")
    if not include_self:
        neutral = expand_to(g, _neutral(g, reduce, base), shape)
        start = scatter(base, neutral, "none")
    else:
        start = base
    result = accumulated(g, scatter, start, source, reduction)
    if reduce == "mean":
        wide = FLOAT if is_half(dtype) else dtype
        ones = expand_to(g, g.constant(1, INT64), shape)
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
    edge = lowest if reduce == "amax" else highest
    return g.constant(edge(base.dtype), base.dtype)


def _divided(g: Builder, total: Tensor, counts: Tensor, dtype: object) -> Tensor:
    quotient = g.Div(total, counts)
    if not is_float(total.dtype):
        # ONNX truncates.
        rest = g.Sub(total, g.Mul(quotient, counts))
        quotient = g.Sub(quotient, g.cast(g.Less(rest, 0), total.dtype))
    return g.cast(quotient, dtype)  # type: ignore[arg-type]


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
    index = _from_front(g, at_least(g, g.cast(index, INT64), 1))
    source = at_least(g, source, 1)
    if source.rank != base.rank:
        raise Raised(f"a source of {source.rank} dims for a tensor of {base.rank}")
    result = combine(along(g, at, index, source), base, source)
    return g.reshape(result, []) if self.shape == () else result


def _from_front(g: Builder, index: Tensor) -> Tensor:
    """Indices that count from the front alone: ONNX takes negative ones, and must fail for them."""
    if index.array is None:
        return g.Where(g.Less(index, 0), _NOWHERE, index)
    if np.any(index.array < 0):
        raise Raised("a negative index")
    return index


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
    if index.require_rank() != base.rank:
        raise Raised(f"an index of {index.rank} dims into a tensor of {base.rank}")
    index = fitting(g, index, base, axis)
    if isinstance(source, Tensor):
        updates = at_least(g, g.cast(source, self.dtype), 1)
        larger = [i for i, d in enumerate(index.require_shape()) if g.size(updates, i) != d]
        if larger:
            ends = [g.size(index, i) for i in larger]
            updates = g.Slice(updates, starts=[0] * len(larger), ends=ends, axes=larger)
    else:
        updates = expand_to(g, g.constant(source, self.dtype), index.require_shape())

    def scatter(into: Tensor, values: Tensor, reduction: str) -> Tensor:
        return g.ScatterElements(into, index, values, axis=axis, reduction=reduction)

    result = combine(scatter, base, updates)
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
