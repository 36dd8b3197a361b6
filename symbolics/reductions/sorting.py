"""Sorting, the largest elements, and what follows from an order: medians, quantiles, the mode.

PyTorch sorts NaN as larger than everything. onnxruntime's TopK leaves its place to chance, so
floats are sorted by a key in which NaN is infinity and infinity a finite number above all others.
Of equal elements TopK takes the first one first, which is a stable sort.
"""

from __future__ import annotations

import math

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Raised, symbolic
from symbolics.rules import BOOL, DOUBLE, FLOAT, INT64, D, is_bool, is_float, wrapped_dim

__all__ = ["largest_elements", "sort", "sorted_along"]


def _wider(dtype: D) -> D:
    """A dtype with finite numbers above all of this one's."""
    return FLOAT if dtype == D.FLOAT16 else DOUBLE


def _key(g: Builder, self: Tensor) -> Tensor:
    """Numbers in the same order as the elements, NaN last."""
    if is_bool(self.dtype):
        return g.cast(self, D.INT32)
    if not is_float(self.dtype):
        return self
    infinity = float("inf")
    if self.dtype == DOUBLE:
        # There is nothing wider; `_ordered_double` tells NaN and infinity apart.
        return g.Where(g.IsNaN(self), g.constant(infinity, DOUBLE), self)
    wide = _wider(self.dtype)
    finite = g.Min(g.cast(self, wide), 1e300 if wide == DOUBLE else 1e38)
    return g.Where(g.IsNaN(self), g.constant(infinity, wide), finite)


def largest_elements(
    g: Builder, self: Tensor, k: Dim, axis: int, *, largest: bool
) -> tuple[Tensor, Tensor]:
    """The first `k` elements along `axis` in descending or ascending order, and their indices."""
    if self.dtype == DOUBLE:
        indices = _ordered_double(g, self, axis, largest=largest)
        indices = g.Slice(indices, [0], [k], [axis])
        return g.GatherElements(self, indices, axis=axis), indices
    key = _key(g, self)
    values, indices = g.TopK(key, [k], axis=axis, largest=largest, sorted=True, outputs=2)
    if is_bool(self.dtype):
        return g.cast(values, BOOL), indices
    if is_float(self.dtype):
        values = g.GatherElements(self, indices, axis=axis)
    return values, indices


def _ordered_double(g: Builder, self: Tensor, axis: int, *, largest: bool) -> Tensor:
    """Indices that sort doubles: first with NaN as infinity, then stably by being NaN."""
    size = g.size(self, axis)
    _, first = g.TopK(_key(g, self), [size], axis=axis, largest=largest, sorted=True, outputs=2)
    nan = g.GatherElements(g.cast(g.IsNaN(self), D.INT32), first, axis=axis)
    _, second = g.TopK(nan, [size], axis=axis, largest=largest, sorted=True, outputs=2)
    return g.GatherElements(first, second, axis=axis)


def sorted_along(
    g: Builder, self: Tensor, dim: int, *, descending: bool = False
) -> tuple[Tensor, Tensor]:
    """The elements in order along `dim`, NaN as the largest, and where they were."""
    axis = wrapped_dim(dim, self.require_rank())
    if self.rank == 0:
        return self, g.constant(0, INT64)
    return largest_elements(g, self, g.size(self, axis), axis, largest=descending)


# ---------------------------------------------------------------- sort


@symbolic(
    "aten::sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)"
)
def sort(
    g: Builder, self: Tensor, dim: int = -1, descending: bool = False
) -> tuple[Tensor, Tensor]:
    """Sort along `dim`, equal elements in the order they come, which PyTorch leaves open."""
    return sorted_along(g, self, dim, descending=descending)


@symbolic(
    "aten::sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)"
)
def sort_stable(
    g: Builder, self: Tensor, *, stable: bool | None, dim: int = -1, descending: bool = False
) -> tuple[Tensor, Tensor]:
    """Sort along `dim`, equal elements in the order they come."""
    return sorted_along(g, self, dim, descending=descending)


@symbolic("aten::argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor")
def argsort(g: Builder, self: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """The indices that sort along `dim`."""
    return sorted_along(g, self, dim, descending=descending)[1]


@symbolic(
    "aten::argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor"
)
def argsort_stable(
    g: Builder, self: Tensor, *, stable: bool, dim: int = -1, descending: bool = False
) -> Tensor:
    """The indices that sort along `dim`, equal elements in the order they come."""
    return sorted_along(g, self, dim, descending=descending)[1]


@symbolic("aten::msort(Tensor self) -> Tensor")
def msort(g: Builder, self: Tensor) -> Tensor:
    """The elements sorted along the first dim."""
    return sorted_along(g, self, 0)[0]


# ---------------------------------------------------------------- some of the order


@symbolic(
    "aten::topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)"
)
def topk(
    g: Builder, self: Tensor, k: Dim, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Tensor, Tensor]:
    """The `k` largest or smallest elements, always in order here; of equal ones the first."""
    axis = wrapped_dim(dim, self.require_rank())
    if self.rank == 0:
        return self, g.constant(0, INT64)
    return largest_elements(g, self, k, axis, largest=largest)


@symbolic(
    "aten::kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)"
)
def kthvalue(
    g: Builder, self: Tensor, k: Dim, dim: int = -1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The `k`-th smallest element, the smallest being the first; of equal ones the first."""
    axis = wrapped_dim(dim, self.require_rank())
    if self.rank == 0:
        return self, g.constant(0, INT64)
    if is_ge(g.size(self, axis), k) is False:
        raise Raised(f"kthvalue {k} of {g.size(self, axis)} elements")
    values, indices = largest_elements(g, self, k, axis, largest=False)
    return _at(g, values, k - 1, axis, keepdim), _at(g, indices, k - 1, axis, keepdim)


def _at(g: Builder, tensor: Tensor, index: Dim, axis: int, keepdim: bool) -> Tensor:
    return g.Gather(tensor, g.constant([index] if keepdim else index, INT64), axis=axis)


# ---------------------------------------------------------------- medians


@symbolic("aten::median(Tensor self) -> Tensor")
def median(g: Builder, self: Tensor) -> Tensor:
    """The lower of the middle elements; NaN if there is one, or if there are none at all."""
    return median_dim(g, _some(g, self), 0)[0]


def _some(g: Builder, self: Tensor) -> Tensor:
    """All elements in a row; of floats one NaN where there are none."""
    flat = g.reshape(self, [-1])
    size = g.size(flat, 0)
    if not is_float(self.dtype) or is_ge(size, 1):
        return flat
    nothing = g.constant(math.nan, self.dtype)
    return g.Concat(flat, g.Expand(nothing, [1 - sym_min(size, 1)]), axis=0)


@symbolic(
    "aten::median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"
)
def median_dim(g: Builder, self: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The lower of the middle elements along `dim`; the first NaN if there is one.

    Of equal elements PyTorch returns the index of any, this that of a stable sort.
    """
    axis = wrapped_dim(dim, self.require_rank())
    if self.rank == 0:
        return self, g.constant(0, INT64)
    size = g.size(self, axis)
    middle = (size - 1) // 2
    if not is_float(self.dtype):
        return kthvalue(g, self, middle + 1, axis, keepdim)
    valid = _valid_count(g, self, axis)
    position = g.Where(g.Equal(valid, size), g.constant(middle, INT64), valid)
    return _picked(g, self, position, axis, keepdim)


@symbolic("aten::nanmedian(Tensor self) -> Tensor")
def nanmedian(g: Builder, self: Tensor) -> Tensor:
    """The lower of the middle elements that are not NaN."""
    return nanmedian_dim(g, _some(g, self), 0)[0]


@symbolic(
    "aten::nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"
)
def nanmedian_dim(
    g: Builder, self: Tensor, dim: int, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The lower of the middle elements along `dim` that are not NaN; NaN if there are none."""
    if not is_float(self.dtype) or self.rank == 0:
        return median_dim(g, self, dim, keepdim)
    axis = wrapped_dim(dim, self.require_rank())
    valid = _valid_count(g, self, axis)
    position = g.Div(g.Sub(g.Max(valid, 1), 1), 2)
    return _picked(g, self, position, axis, keepdim)


def _valid_count(g: Builder, self: Tensor, axis: int) -> Tensor:
    """How many elements along `axis` are not NaN; the dim stays, as 1."""
    valid = g.cast(g.Not(g.IsNaN(self)), INT64)
    return g.ReduceSum(valid, axes=[axis], keepdims=True)


def _picked(
    g: Builder, self: Tensor, position: Tensor, axis: int, keepdim: bool
) -> tuple[Tensor, Tensor]:
    """The elements at a position of the ascending order, and their indices."""
    values, indices = sorted_along(g, self, axis)
    picked = [g.GatherElements(t, position, axis=axis) for t in (values, indices)]
    if not keepdim:
        picked = [g.Squeeze(t, axes=[axis]) for t in picked]
    return picked[0], picked[1]


@symbolic(
    "aten::mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)"
)
def mode(g: Builder, self: Tensor, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The most frequent element, of several the smallest, and where it comes last.

    1. Sort, and count for each element how many equal it (all pairs are compared).
    2. The first of the largest counts is the start of the run that is wanted.
    3. The run's last element comes last in the tensor, for the sort is stable.
    """
    axis = wrapped_dim(dim, self.require_rank())
    if self.rank == 0:
        return self, g.constant(0, INT64)
    values, indices = sorted_along(g, self, axis)
    comparable = g.cast(values, D.INT32) if is_bool(self.dtype) else values
    pairs = g.Equal(g.Unsqueeze(comparable, axes=[axis]), g.Unsqueeze(comparable, axes=[axis + 1]))
    counts = g.ReduceSum(g.cast(pairs, INT64), axes=[axis], keepdims=False)
    start = g.ArgMax(counts, axis=axis, keepdims=True)
    length = g.ReduceMax(counts, axes=[axis], keepdims=True)
    last = g.Add(start, g.Sub(g.Max(length, 1), 1))
    picked = [g.GatherElements(t, last, axis=axis) for t in (values, indices)]
    if not keepdim:
        picked = [g.Squeeze(t, axes=[axis]) for t in picked]
    return picked[0], picked[1]
