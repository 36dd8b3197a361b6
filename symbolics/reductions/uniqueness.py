"""`unique` in all its forms, sorted and consecutive."""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.reductions.reduction import any_along
from symbolics.registry import symbolic
from symbolics.rules import BOOL, INT64, D, is_bool, is_float, wrapped_dim

__all__ = ["unique_consecutive"]

Three = tuple[Tensor, Tensor, Tensor]


def _none(g: Builder) -> Tensor:
    """What PyTorch returns for a result that was not asked for."""
    return g.constant([], INT64)


def _kernel_dtype(dtype: D) -> D:
    """A dtype that onnxruntime's Unique takes, and that holds the values of this one."""
    if is_float(dtype):
        return D.DOUBLE if dtype == D.DOUBLE else D.FLOAT
    return INT64


def _distinct(g: Builder, flat: Tensor) -> Three:
    """The distinct elements of a row, which of them each element is, and how often each occurs."""
    values, _, inverse, counts = g.Unique(flat, sorted=1, outputs=4)
    return values, inverse, counts


def _distinct_floats(g: Builder, flat: Tensor) -> Three:
    """`_distinct` of floats: each NaN is one of its own, behind the numbers.

    onnxruntime takes a NaN for equal to any number.
    """
    nan = g.IsNaN(flat)
    numbers, inverse, counts = _distinct(g, g.Compress(flat, g.Not(nan), axis=0))
    nans = g.Compress(flat, nan, axis=0)
    number_index = g.Sub(g.CumSum(g.cast(g.Not(nan), INT64), 0), 1)
    nan_index = g.Sub(g.CumSum(g.cast(nan, INT64), 0), 1)
    # One more, so that there is something to gather where there are no numbers at all.
    inverse = g.Gather(g.Concat(inverse, [0], axis=0), g.Max(number_index, 0), axis=0)
    inverse = g.Where(nan, g.Add(nan_index, g.Size(numbers)), inverse)
    ones = g.Expand(g.constant(1, INT64), g.Shape(nans))
    return g.Concat(numbers, nans, axis=0), inverse, g.Concat(counts, ones, axis=0)


@symbolic(
    "aten::_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)"
)
def _unique2(
    g: Builder,
    self: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
) -> Three:
    """The distinct elements in ascending order, which PyTorch's CPU keeps unasked as well."""
    flat = g.reshape(g.cast(self, _kernel_dtype(self.dtype)), [-1])
    values, inverse, counts = (
        _distinct_floats(g, flat) if is_float(flat.dtype) else _distinct(g, flat)
    )
    return (
        g.cast(values, self.dtype),
        g.reshape(inverse, self.require_shape()) if return_inverse else _none(g),
        counts if return_counts else _none(g),
    )


@symbolic(
    "aten::_unique(Tensor self, bool sorted=True, bool return_inverse=False) -> (Tensor, Tensor)"
)
def _unique(
    g: Builder, self: Tensor, sorted: bool = True, return_inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """The distinct elements in ascending order, and which of them each element is."""
    values, inverse, _ = _unique2(g, self, sorted, return_inverse)
    return values, inverse


@symbolic(
    "aten::unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)"
)
def unique_dim(
    g: Builder,
    self: Tensor,
    dim: int,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
) -> Three:
    """The distinct slices across `dim`, in the order of their elements.

    With a dim PyTorch returns the inverse and the counts whether asked for or not.
    """
    axis = wrapped_dim(dim, self.require_rank())
    values, _, inverse, counts = g.Unique(
        g.cast(self, _kernel_dtype(self.dtype)), axis=axis, sorted=1, outputs=4
    )
    return (
        g.cast(values, self.dtype),
        inverse,
        counts,
    )


@symbolic(
    "aten::unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)"
)
def unique_consecutive(
    g: Builder,
    self: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Three:
    """The first of each run of equal elements, or of equal slices across `dim`."""
    if dim is not None:
        return unique_dim_consecutive(g, self, dim, return_inverse, return_counts)
    flat = g.reshape(self, [-1])
    values, inverse, counts = unique_dim_consecutive(g, flat, 0)
    return (
        values,
        g.reshape(inverse, self.require_shape()) if return_inverse else _none(g),
        counts if return_counts else _none(g),
    )


@symbolic(
    "aten::unique_dim_consecutive(Tensor self, int dim, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)"
)
def unique_dim_consecutive(
    g: Builder,
    self: Tensor,
    dim: int,
    return_inverse: bool = False,
    return_counts: bool = False,
) -> Three:
    """The first of each run of equal slices across `dim`.

    1. A run starts at the first slice, and where a slice differs from the one before.
    2. The number of starts so far tells the run; the distance of starts tells its length.
       With a dim PyTorch returns both whether asked for or not.
    """
    rank = self.require_rank()
    axis = wrapped_dim(dim, rank)
    if rank == 0:
        self = g.reshape(self, [1])
        rank = 1
    size = g.size(self, axis)
    comparable = g.cast(self, D.INT32) if is_bool(self.dtype) else self
    after = g.Slice(comparable, [1], [2**63 - 1], [axis])
    before = g.Slice(comparable, [0], [-1], [axis])
    differs = g.Not(g.Equal(after, before))
    others = [i for i in range(rank) if i != axis]
    if others:
        differs = any_along(g, differs, others, False)
    first = g.Expand(g.constant(1, INT64), [sym_min(size, 1)])
    starts = g.Concat(first, g.cast(differs, INT64), axis=0)
    at = g.reshape(g.NonZero(starts), [-1])
    inverse = g.Sub(g.CumSum(starts, 0), 1)
    following = g.Concat(at, [size], axis=0)
    counts = g.Sub(g.Slice(following, [1], [2**63 - 1], [0]), at)
    return g.Compress(self, g.cast(starts, BOOL), axis=axis), inverse, counts
