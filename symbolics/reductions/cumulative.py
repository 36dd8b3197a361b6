"""Running reductions (`cumsum`, `cummax`, ...), differences and the trapezoid rule."""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.loops import scan
from exporter.onnx_graph.values import Number, Tensor
from symbolics.elementwise.arithmetic import scaled
from symbolics.reductions.reduction import sum_dim
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import (
    BOOL,
    INT64,
    D,
    accumulation_dtype,
    default_float,
    is_bool,
    is_float,
    is_half,
    promote,
    scalar_type,
    wrapped_dim,
)

__all__ = ["cumsum", "diff"]

TO_THE_END = 2**63 - 1


@symbolic("aten::cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor")
def cumsum(g: Builder, self: Tensor, dim: int, *, dtype: int | None = None) -> Tensor:
    """Running sums, in int64 for bools and ints."""
    self = g.cast(self, accumulation_dtype(self, dtype))
    axis = wrapped_dim(dim, self.require_rank())
    return self if self.rank == 0 else g.CumSum(self, g.constant(axis, INT64))


@symbolic("aten::cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor")
def cumprod(g: Builder, self: Tensor, dim: int, *, dtype: int | None = None) -> Tensor:
    """Running products, in int64 for bools and ints. Summed logarithms would lose zeros and signs.

    Halves are multiplied in float32, and each product is rounded by itself.
    """
    self = g.cast(self, accumulation_dtype(self, dtype))
    axis = wrapped_dim(dim, self.require_rank())
    if self.rank == 0:
        return self
    if is_half(self.dtype):
        return g.cast(cumprod(g, g.cast(self, D.FLOAT), dim), self.dtype)

    def step(states: list[Tensor], rows: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        product = g.Mul(states[0], rows[0])
        return [product], [product]

    return scan(g, step, [_filled(g, self, axis, 1)], [self], axis)[0]


@symbolic("aten::cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)")
def cummax(g: Builder, self: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The largest element so far and the index of its last occurrence; a NaN stays."""
    return _running_extreme(g, self, dim, "GreaterOrEqual")


@symbolic("aten::cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)")
def cummin(g: Builder, self: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The smallest element so far and the index of its last occurrence; a NaN stays."""
    return _running_extreme(g, self, dim, "LessOrEqual")


def _running_extreme(g: Builder, self: Tensor, dim: int, comparison: str) -> tuple[Tensor, Tensor]:
    """A new element takes over where it is NaN, or compares true with what there is.

    Nothing compares true with NaN. The first element always takes over.
    """
    axis = wrapped_dim(dim, self.require_rank())
    if self.rank == 0:
        return self, g.constant(0, INT64)
    if is_bool(self.dtype):
        values, indices = _running_extreme(g, g.cast(self, D.INT32), dim, comparison)
        return g.cast(values, BOOL), indices
    if is_half(self.dtype):
        # Not every Scan may carry bfloat16.
        values, indices = _running_extreme(g, g.cast(self, D.FLOAT), dim, comparison)
        return g.cast(values, self.dtype), indices

    def step(states: list[Tensor], rows: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        value, index, count = states
        (row,) = rows
        taken = g.Or(getattr(g, comparison)(row, value), g.Equal(count, 0))
        if is_float(self.dtype):
            taken = g.Or(taken, g.IsNaN(row))
        value = g.Where(taken, row, value)
        index = g.Where(taken, count, index)
        return [value, index, g.Add(count, 1)], [value, index]

    start = _filled(g, self, axis, 0)
    states = [start, _filled(g, self, axis, 0, INT64), g.constant(0, INT64)]
    values, indices = scan(g, step, states, [self], axis)
    return values, indices


@symbolic("aten::_logcumsumexp(Tensor self, int dim) -> Tensor")
@symbolic("aten::logcumsumexp(Tensor self, int dim) -> Tensor")
def logcumsumexp(g: Builder, self: Tensor, dim: int) -> Tensor:
    """The logarithm of running sums of exponentials, each added to the logarithm so far.

    log(e^a + e^b) is max + log1p(e^(min - max)); where both are the same infinity, it is that one.
    """
    axis = wrapped_dim(dim, self.require_rank())
    self = g.cast(self, default_float(self.dtype))
    if self.rank == 0:
        return self
    dtype = self.dtype
    if is_half(dtype):
        return g.cast(logcumsumexp(g, g.cast(self, D.FLOAT), dim), dtype)

    def step(states: list[Tensor], rows: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        so_far, row = states[0], rows[0]
        most, least = g.Max(so_far, row), g.Min(so_far, row)
        total = g.Add(most, g.Log(g.Add(g.Exp(g.Sub(least, most)), 1)))
        total = g.Where(g.Equal(most, least), g.Add(most, _log_two(g, dtype)), total)
        return [total], [total]

    start = _filled(g, self, axis, float("-inf"))
    return scan(g, step, [start], [self], axis)[0]


def _log_two(g: Builder, dtype: D) -> Tensor:
    return g.constant(0.6931471805599453, dtype)


def _filled(g: Builder, self: Tensor, axis: int, value: float, dtype: D | None = None) -> Tensor:
    """A tensor of one value, of the shape of a slice across `axis`."""
    shape = self.require_shape()
    return g.Expand(g.constant(value, dtype or self.dtype), list(shape[:axis] + shape[axis + 1 :]))


# ---------------------------------------------------------------- differences


@symbolic(
    "aten::diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor"
)
def diff(
    g: Builder,
    self: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The difference of neighbours, `n` times; of bools, whether they differ."""
    if self.require_rank() == 0:
        raise Raised("diff of a tensor without dims")
    axis = wrapped_dim(dim, self.require_rank())
    pieces = [t for t in (prepend, self, append) if t is not None]
    if len(pieces) > 1 and n > 0:
        self = g.Concat(*promote(g, *pieces), axis=axis)
    for _ in range(n):
        after = g.Slice(self, [1], [TO_THE_END], [axis])
        before = g.Slice(self, [0], [-1], [axis])
        self = (g.Xor if is_bool(self.dtype) else g.Sub)(after, before)
    return self


# ---------------------------------------------------------------- the trapezoid rule


def _neighbours(g: Builder, y: Tensor, axis: int) -> Tensor:
    """The sum of each two neighbours, which wraps around in small integers."""
    after = g.Slice(y, [1], [TO_THE_END], [axis])
    return g.Add(after, g.Slice(y, [0], [-1], [axis]))


def _widths(g: Builder, y: Tensor, x: Tensor, dim: int) -> tuple[Tensor, int]:
    """The differences of `x` along `dim` of `y`, and that dim counted from the front.

    A 1-D `x` goes along `dim`; otherwise `x` has leading dims of size 1 added until it has the rank.
    """
    rank = y.require_rank()
    axis = wrapped_dim(dim, rank)
    if x.require_rank() == 1:
        width = diff(g, x)
        return g.Unsqueeze(width, axes=[i for i in range(rank) if i != axis]), axis
    if x.require_rank() > rank:
        raise Unsupported(f"trapezoid: x has {x.rank} dims, y only {rank}")
    missing = rank - x.require_rank()
    if missing:
        x = g.Unsqueeze(x, axes=list(range(missing)))
    return diff(g, x, dim=axis), axis


@symbolic("aten::trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor")
def trapezoid_x(g: Builder, y: Tensor, x: Tensor, *, dim: int = -1) -> Tensor:
    """The integral of `y` over the points `x`; over none it is 0 in the dtype of `y`.

    Twice the areas are computed in the common dtype of both, so small integers wrap around.
    """
    width, axis = _widths(g, y, x, dim)
    if g.size(y, axis) == 0:
        return sum_dim(g, y, axis, dtype=scalar_type(y.dtype))
    double_areas = sum_dim(g, g.Mul(*promote(g, _neighbours(g, y, axis), width)), axis)
    return g.Div(g.cast(double_areas, default_float(double_areas.dtype)), 2)


@symbolic("aten::trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor")
def trapezoid_dx(g: Builder, y: Tensor, *, dx: Number = 1, dim: int = -1) -> Tensor:
    """The integral of `y` over points that are `dx` apart: the sum, of which the ends count half.

    Over no points it is 0 in the dtype of `y`.
    """
    axis = wrapped_dim(dim, y.require_rank())
    if g.size(y, axis) == 0:
        return sum_dim(g, y, axis, dtype=scalar_type(y.dtype))
    ends = g.Add(g.Slice(y, [0], [1], [axis]), g.Slice(y, [-1], [TO_THE_END], [axis]))
    dtype = default_float(y.dtype)
    ends = sum_dim(g, g.Mul(g.cast(ends, dtype), 0.5), axis)
    whole = g.Sub(g.cast(sum_dim(g, y, axis), dtype), ends)
    return scaled(g, whole, dx)


@symbolic("aten::trapz.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor")
def trapz_x(g: Builder, y: Tensor, x: Tensor, *, dim: int = -1) -> Tensor:
    """Another name of `trapezoid`."""
    return trapezoid_x(g, y, x, dim=dim)


@symbolic("aten::trapz.dx(Tensor y, *, float dx=1., int dim=-1) -> Tensor")
def trapz_dx(g: Builder, y: Tensor, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """Another name of `trapezoid`."""
    return trapezoid_dx(g, y, dx=dx, dim=dim)


@symbolic("aten::cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor")
def cumulative_trapezoid_x(g: Builder, y: Tensor, x: Tensor, *, dim: int = -1) -> Tensor:
    """The running integral of `y` over the points `x`; for small integers see `trapezoid`."""
    width, axis = _widths(g, y, x, dim)
    double_areas = cumsum(g, g.Mul(*promote(g, _neighbours(g, y, axis), width)), axis)
    return g.Div(g.cast(double_areas, default_float(double_areas.dtype)), 2)


@symbolic("aten::cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor")
def cumulative_trapezoid_dx(g: Builder, y: Tensor, *, dx: Number = 1, dim: int = -1) -> Tensor:
    """The running integral of `y` over points that are `dx` apart."""
    axis = wrapped_dim(dim, y.require_rank())
    total = _neighbours(g, y, axis)
    areas = scaled(g, g.cast(total, default_float(total.dtype)), dx)
    return cumsum(g, g.Div(areas, 2), axis)
