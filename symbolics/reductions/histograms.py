"""Histograms, of one or more dims: how many elements lie between edges."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, SymInt
from exporter.onnx_graph.values import Number, SymScalar, Tensor
from symbolics.reductions.searching import positions, tallied
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import BOOL, INT64, D

__all__: list[str] = []


@symbolic("aten::histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor")
def histc(g: Builder, self: Tensor, bins: int = 100, min: Number = 0, max: Number = 0) -> Tensor:
    """How many elements lie in each of `bins` equal parts of [min, max]; others don't count.

    Equal limits stand for the data's own; if those are equal too, for one more on either side.
    """
    flat = g.reshape(self, [-1])
    low, high = g.constant(min, self.dtype), g.constant(max, self.dtype)
    open_limits = any(isinstance(limit, (SymInt, SymScalar)) for limit in (min, max))
    if open_limits or min == max:
        unset = g.Equal(low, high)
        low = g.Where(unset, g.ReduceMin(flat, axes=[0], keepdims=False), low)
        high = g.Where(unset, g.ReduceMax(flat, axes=[0], keepdims=False), high)
        equal = g.Equal(low, high)
        low, high = g.Where(equal, g.Sub(low, 1), low), g.Where(equal, g.Add(high, 1), high)
    inside = g.And(g.GreaterOrEqual(flat, low), g.LessOrEqual(flat, high))
    share = g.Div(g.Mul(g.Sub(flat, low), bins), g.Sub(high, low))
    position = g.cast(g.Where(inside, share, g.constant(0, share.dtype)), INT64)
    position = g.Min(position, bins - 1)
    return tallied(g, position, g.cast(inside, self.dtype), bins)


def _edges(g: Builder, low: Tensor, high: Tensor, bins: int, dtype: D) -> Tensor:
    """`linspace` of bins + 1 points: from the start in the first half, from the end in the other."""
    step = g.Div(g.Sub(high, low), bins)
    forward = g.cast(g.constant(list(range(bins + 1)), INT64), dtype)
    backward = g.cast(g.constant([bins - i for i in range(bins + 1)], INT64), dtype)
    first = g.constant([i < (bins + 1) // 2 for i in range(bins + 1)], BOOL)
    return g.Where(first, g.Add(low, g.Mul(step, forward)), g.Sub(high, g.Mul(step, backward)))


def _range_edges(g: Builder, flat: Tensor, bins: int, limits: Sequence[float] | None) -> Tensor:
    """The edges of `bins` equal parts of a range, or of the data's own."""
    if limits is not None:
        low, high = (g.constant(v, flat.dtype) for v in limits)
        if limits[0] == limits[1]:
            low, high = (g.constant(v, flat.dtype) for v in (limits[0] - 0.5, limits[1] + 0.5))
    else:
        empty = g.Equal(g.Size(flat), 0)
        low = g.Where(empty, g.constant(0, flat.dtype), g.ReduceMin(flat, axes=[0], keepdims=False))
        high = g.ReduceMax(flat, axes=[0], keepdims=False)
        high = g.Where(empty, g.constant(1, flat.dtype), high)
        equal = g.Equal(low, high)
        low, high = g.Where(equal, g.Sub(low, 0.5), low), g.Where(equal, g.Add(high, 0.5), high)
    return _edges(g, low, high, bins, flat.dtype)


@symbolic(
    "aten::histogram.bin_ct(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)"
)
def histogram_bin_ct(
    g: Builder,
    self: Tensor,
    bins: int = 100,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, Tensor]:
    """Counts in `bins` equal parts of a range (of the data's own without one), and their edges."""
    edges = _range_edges(g, g.reshape(self, [-1]), bins, range)
    return histogram_bins_tensor(g, self, edges, weight=weight, density=density)


@symbolic(
    "aten::histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)"
)
def histogram_bins_tensor(
    g: Builder,
    self: Tensor,
    bins: Tensor,
    *,
    weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, Tensor]:
    """Counts between given edges; the last part is closed on both sides, the others on the left."""
    points = g.reshape(self, [-1, 1])
    return _histogram(g, points, [bins], weight, density), bins


def _histogram(
    g: Builder, points: Tensor, edges: Sequence[Tensor], weight: Tensor | None, density: bool
) -> Tensor:
    """The weights of points, [count, dims], summed in each of the boxes between the edges."""
    counts: list[Dim] = [g.size(e, 0) - 1 for e in edges]
    place: Tensor = g.constant(0, INT64)
    inside: Tensor = g.constant(True)
    total: Dim = 1
    for i, (bounds, count) in enumerate(zip(edges, counts, strict=True)):
        line = g.Squeeze(g.Slice(points, [i], [i + 1], [1]), axes=[1])
        first = g.Slice(bounds, [0], [1], [0])
        last = g.Slice(bounds, [-1], [2**63 - 1], [0])
        here = g.And(g.GreaterOrEqual(line, first), g.LessOrEqual(line, last))
        inside = g.And(inside, here)
        number = g.Sub(positions(g, bounds, line, right=True, out_int32=False), 1)
        number = g.Max(g.Min(number, g.constant(count - 1, INT64)), 0)
        place = g.Add(g.Mul(place, g.constant(count, INT64)), number)
        total = total * count
    weights = g.cast(inside, points.dtype)
    if weight is not None:
        own = g.reshape(g.cast(weight, points.dtype), [-1])
        weights = g.Where(inside, own, g.constant(0, points.dtype))
    hist = g.reshape(tallied(g, place, weights, total), counts)
    if not density:
        return hist
    axes = list(range(len(edges)))
    hist = g.Div(hist, g.ReduceSum(hist, axes=axes, keepdims=True))
    for i, bounds in enumerate(edges):
        width = g.Sub(g.Slice(bounds, [1], [2**63 - 1], [0]), g.Slice(bounds, [0], [-1], [0]))
        hist = g.Div(hist, g.Unsqueeze(width, axes=[a for a in axes if a != i]))
    return hist


@symbolic(
    "aten::histogramdd(Tensor self, int[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)"
)
def histogramdd(
    g: Builder,
    self: Tensor,
    bins: Sequence[int],
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Counts of points, whose coordinates are the last dim, in boxes; a number of bins for each dim."""
    points = g.reshape(self, [-1, len(bins)])
    edges = []
    for i, count in enumerate(bins):
        line = g.Squeeze(g.Slice(points, [i], [i + 1], [1]), axes=[1])
        limits = None if range is None else range[2 * i : 2 * i + 2]
        edges.append(_range_edges(g, line, count, limits))
    return _histogram(g, points, edges, weight, density), edges


@symbolic(
    "aten::histogramdd.int_bins(Tensor self, int bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)"
)
def histogramdd_int_bins(
    g: Builder,
    self: Tensor,
    bins: int,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """`histogramdd` with as many bins in each dim."""
    dims = g.size(self, -1)
    if not isinstance(dims, int):
        raise Unsupported("histogramdd of points whose number of coordinates is not known")
    return histogramdd(g, self, [bins] * dims, range, weight, density)


@symbolic(
    "aten::histogramdd.TensorList_bins(Tensor self, Tensor[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)"
)
def histogramdd_tensor_list_bins(
    g: Builder,
    self: Tensor,
    bins: list[Tensor],
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """`histogramdd` with the edges given."""
    points = g.reshape(self, [-1, len(bins)])
    return _histogram(g, points, bins, weight, density), list(bins)
