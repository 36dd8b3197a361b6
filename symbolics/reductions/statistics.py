"""Variance, standard deviation, quantiles, covariance, and histograms' kin."""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import make, part_dtype, parts
from exporter.onnx_graph.symbolic import Dim, SymInt, sym_max
from exporter.onnx_graph.values import Number, Tensor
from symbolics.elementwise.arithmetic import lerp
from symbolics.elementwise.complex_numbers import adjoint, real
from symbolics.reductions.reduction import Dims, any_along, mean_dim, reduce, sum_dim
from symbolics.reductions.sorting import sorted_along
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import (
    DOUBLE,
    FLOAT,
    INT64,
    default_float,
    element_count,
    is_complex,
    is_float,
    is_half,
    reduced_dims,
    result_type,
    wrapped_dim,
)
from symbolics.views.shape import squeeze_where_one

__all__ = ["var_correction"]


def variance(
    g: Builder, self: Tensor, dim: Dims, correction: Number | None, keepdim: bool, *, root: bool
) -> Tensor:
    """Squared deviation from the mean, summed over `dim`, divided by N - correction.

    No correction means 1, not 0. A divisor below zero counts as zero, so the result is inf or NaN.
    """
    if is_complex(self.dtype):
        both = (variance(g, p, dim, correction, keepdim, root=False) for p in parts(g, self))
        total = g.Add(*both)
        return deviation(g, total) if root else total
    if not is_float(self.dtype):
        raise Unsupported(f"the variance of a {self.dtype.name} tensor: PyTorch wants floats")
    if isinstance(correction, complex):
        raise Unsupported("a correction that is complex")
    if is_half(self.dtype):
        wide = g.cast(self, FLOAT)
        found = variance(g, wide, dim, correction, keepdim, root=False)
        return g.cast(deviation(g, found) if root else found, self.dtype)
    if root and self.dtype == FLOAT:
        # The squares of what is beyond 1e19 are no floats, though the root of their mean is one.
        wide = g.cast(self, DOUBLE)
        return g.cast(variance(g, wide, dim, correction, keepdim, root=True), FLOAT)
    correction = 1 if correction is None else correction
    dims = reduced_dims(self, dim)
    centred = g.Sub(self, reduce(g, "ReduceMean", self, dim, True))
    squares = g.Mul(centred, centred)
    total = reduce(g, "ReduceSum", squares, dim, keepdim)
    count = element_count(g, self, dims)
    if isinstance(count, int) and isinstance(correction, (int, float)):
        divisor = g.constant(max(count - correction, 0), self.dtype)
    elif isinstance(correction, (int, SymInt)):
        divisor = g.constant(sym_max(count - correction, 0), self.dtype)
    else:
        divisor = g.Max(g.Sub(g.constant(count, self.dtype), g.constant(correction, self.dtype)), 0)
    result = g.Div(total, divisor)
    return deviation(g, result) if root else result


def deviation(g: Builder, variance: Tensor) -> Tensor:
    """The root of a variance, which has no slope where that is 0."""
    return g.known_as("deviation", g.Sqrt(variance), variance)


@symbolic("aten::var(Tensor self, bool unbiased=True) -> Tensor")
def var(g: Builder, self: Tensor, unbiased: bool = True) -> Tensor:
    """The variance of all elements, with correction 1 if unbiased."""
    return variance(g, self, None, int(unbiased), False, root=False)


@symbolic(
    "aten::var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor"
)
def var_dim(
    g: Builder, self: Tensor, dim: Dims, unbiased: bool = True, keepdim: bool = False
) -> Tensor:
    """The variance over `dim`, with correction 1 if unbiased."""
    return variance(g, self, dim, int(unbiased), keepdim, root=False)


@symbolic(
    "aten::var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor"
)
def var_correction(
    g: Builder,
    self: Tensor,
    dim: Dims = None,
    *,
    correction: Number | None = None,
    keepdim: bool = False,
) -> Tensor:
    """The variance over `dim`."""
    return variance(g, self, dim, correction, keepdim, root=False)


@symbolic("aten::std(Tensor self, bool unbiased=True) -> Tensor")
def std(g: Builder, self: Tensor, unbiased: bool = True) -> Tensor:
    """The standard deviation of all elements, with correction 1 if unbiased."""
    return variance(g, self, None, int(unbiased), False, root=True)


@symbolic(
    "aten::std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor"
)
def std_dim(
    g: Builder, self: Tensor, dim: Dims, unbiased: bool = True, keepdim: bool = False
) -> Tensor:
    """The standard deviation over `dim`, with correction 1 if unbiased."""
    return variance(g, self, dim, int(unbiased), keepdim, root=True)


@symbolic(
    "aten::std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor"
)
def std_correction(
    g: Builder,
    self: Tensor,
    dim: Dims = None,
    *,
    correction: Number | None = None,
    keepdim: bool = False,
) -> Tensor:
    """The standard deviation over `dim`."""
    return variance(g, self, dim, correction, keepdim, root=True)


def _with_mean(
    g: Builder, self: Tensor, dim: Dims, correction: Number | None, keepdim: bool, *, root: bool
) -> tuple[Tensor, Tensor]:
    spread = variance(g, self, dim, correction, keepdim, root=root)
    return spread, mean_dim(g, self, dim, keepdim)


@symbolic("aten::var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)")
def var_mean(g: Builder, self: Tensor, unbiased: bool = True) -> tuple[Tensor, Tensor]:
    """Variance and mean of all elements."""
    return _with_mean(g, self, None, int(unbiased), False, root=False)


@symbolic(
    "aten::var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)"
)
def var_mean_dim(
    g: Builder, self: Tensor, dim: Dims, unbiased: bool = True, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """Variance and mean over `dim`."""
    return _with_mean(g, self, dim, int(unbiased), keepdim, root=False)


@symbolic(
    "aten::var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)"
)
def var_mean_correction(
    g: Builder,
    self: Tensor,
    dim: Dims = None,
    *,
    correction: Number | None = None,
    keepdim: bool = False,
) -> tuple[Tensor, Tensor]:
    """Variance and mean over `dim`."""
    return _with_mean(g, self, dim, correction, keepdim, root=False)


@symbolic("aten::std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)")
def std_mean(g: Builder, self: Tensor, unbiased: bool = True) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean of all elements."""
    return _with_mean(g, self, None, int(unbiased), False, root=True)


@symbolic(
    "aten::std_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)"
)
def std_mean_dim(
    g: Builder, self: Tensor, dim: Dims, unbiased: bool = True, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean over `dim`."""
    return _with_mean(g, self, dim, int(unbiased), keepdim, root=True)


@symbolic(
    "aten::std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)"
)
def std_mean_correction(
    g: Builder,
    self: Tensor,
    dim: Dims = None,
    *,
    correction: Number | None = None,
    keepdim: bool = False,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean over `dim`."""
    return _with_mean(g, self, dim, correction, keepdim, root=True)


# ---------------------------------------------------------------- quantiles


def _quantile(
    g: Builder,
    self: Tensor,
    q: Tensor | float,
    dim: int | None,
    keepdim: bool,
    interpolation: str,
    *,
    ignore_nan: bool,
) -> Tensor:
    """Between the elements around position q * (N - 1) of the ascending order.

    1. Sort along `dim`, moved to the end; NaN comes last.
    2. Positions: N counts all elements, or what is not NaN. Where a NaN counts, the position is
       that of the last element, which is NaN.
    3. Take the elements below and above, and interpolate as `lerp` does, from the nearer end.
    4. The dim of several `q` comes first in the result.
    """
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise Unsupported(f"quantile with interpolation {interpolation!r}")
    rank = self.require_rank()
    kept: list[Dim] = [1] * rank
    if dim is None:
        self = g.reshape(self, [-1])
    elif rank == 0:
        wrapped_dim(dim, 0)
        self = g.reshape(self, [1])
    else:
        axis = wrapped_dim(dim, rank)
        order = [i for i in range(rank) if i != axis] + [axis]
        kept = [1 if i == axis else g.size(self, i) for i in range(rank)]
        self = self if axis == rank - 1 else g.Transpose(self, perm=order)
    last = self.require_rank() - 1
    values, _ = sorted_along(g, self, last)
    share = g.cast(g.constant(q, self.dtype), self.dtype)
    several = share.require_rank() == 1
    top = g.constant(g.size(self, last) - 1, self.dtype)
    nan = g.IsNaN(self)
    if ignore_nan:
        valid = g.ReduceSum(g.cast(g.Not(nan), self.dtype), axes=[last], keepdims=True)
        position = g.Max(g.Mul(share, g.Sub(valid, 1)), 0)
    else:
        position = g.Where(any_along(g, nan, last, True), top, g.Mul(share, top))
    if interpolation == "lower":
        position = g.Floor(position)
    elif interpolation == "higher":
        position = g.Ceil(position)
    elif interpolation == "nearest":
        position = g.Round(position)
    below = g.Floor(position)
    result = g.GatherElements(values, g.cast(below, INT64), axis=last)
    if interpolation in ("linear", "midpoint"):
        above = g.GatherElements(values, g.cast(g.Ceil(position), INT64), axis=last)
        half = interpolation == "midpoint"
        weight = g.constant(0.5, self.dtype) if half else g.Sub(position, below)
        result = lerp(g, result, above, weight)
    if several:
        result = g.Transpose(result, perm=[last, *range(last)])
        count = g.size(share, 0)
        return g.reshape(result, [count, *kept]) if keepdim else result
    return g.reshape(result, kept) if keepdim else g.Squeeze(result, axes=[last])


@symbolic(
    'aten::quantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation="linear") -> Tensor'
)
def quantile(
    g: Builder,
    self: Tensor,
    q: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The q-th quantiles; NaN where there is a NaN."""
    return _quantile(g, self, q, dim, keepdim, interpolation, ignore_nan=False)


@symbolic(
    'aten::quantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation="linear") -> Tensor'
)
def quantile_scalar(
    g: Builder,
    self: Tensor,
    q: float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The q-th quantile; NaN where there is a NaN."""
    return _quantile(g, self, q, dim, keepdim, interpolation, ignore_nan=False)


@symbolic(
    'aten::nanquantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation="linear") -> Tensor'
)
def nanquantile(
    g: Builder,
    self: Tensor,
    q: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The q-th quantiles of what is not NaN."""
    return _quantile(g, self, q, dim, keepdim, interpolation, ignore_nan=True)


@symbolic(
    'aten::nanquantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation="linear") -> Tensor'
)
def nanquantile_scalar(
    g: Builder,
    self: Tensor,
    q: float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The q-th quantile of what is not NaN."""
    return _quantile(g, self, q, dim, keepdim, interpolation, ignore_nan=True)


# ---------------------------------------------------------------- covariance


@symbolic(
    "aten::cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor"
)
def cov(
    g: Builder,
    self: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariance of the rows; PyTorch squeezes it, so a single row gives a number."""
    return _squeezed(g, _covariances(g, self, correction, fweights, aweights))


def _squeezed(g: Builder, matrix: Tensor) -> Tensor:
    """A square matrix, or a number where it has one row."""
    result = squeeze_where_one(g, matrix, [0, 1])
    if result.shape is None:
        result.possible = ((), matrix.require_shape())
    return result


def _covariances(
    g: Builder,
    self: Tensor,
    correction: int,
    fweights: Tensor | None,
    aweights: Tensor | None,
) -> Tensor:
    """The matrix of the covariances of the rows, each column an observation.

    Frequency weights count an observation several times, reliability weights scale it. The divisor
    is sum(w) - correction * sum(w * aweights) / sum(w), at least zero.
    """
    x = self if self.require_rank() == 2 else g.reshape(self, [1, -1])
    dtype = x.dtype if aweights is None else result_type(x, aweights)
    x = g.cast(x, default_float(dtype))
    number = part_dtype(x.dtype) if is_complex(x.dtype) else x.dtype
    weights = None
    for part in (fweights, aweights):
        if part is not None:
            part = g.cast(part, number)
            weights = part if weights is None else g.Mul(weights, part)
    if weights is None:
        count = g.constant(g.size(x, 1), number)
        average = mean_dim(g, x, 1, True)
        freedom = g.Sub(count, correction)
    else:
        total = sum_dim(g, weights, None)
        weighted = sum_dim(g, g.Mul(x, g.cast(weights, x.dtype)), 1, True)
        average = g.Div(weighted, g.cast(total, x.dtype))
        if aweights is None:
            freedom = g.Sub(total, correction)
        else:
            scaled = sum_dim(g, g.Mul(weights, g.cast(aweights, number)), None)
            freedom = g.Sub(total, g.Div(g.Mul(scaled, correction), total))
    centred = g.Sub(x, average)
    weighted = centred if weights is None else g.Mul(centred, g.cast(weights, x.dtype))
    product = g.MatMul(centred, adjoint(g, weighted))
    return g.Div(product, g.cast(g.Max(freedom, 0), x.dtype))


@symbolic("aten::corrcoef(Tensor self) -> Tensor")
def corrcoef(g: Builder, self: Tensor) -> Tensor:
    """The covariance scaled by both deviations, limited to [-1, 1], as are both complex parts."""
    covariance = _covariances(g, self, 1, None, None)
    size = g.size(covariance, 0)
    if size == 1:
        return g.reshape(g.Div(covariance, covariance), [])
    flat = g.reshape(real(g, covariance), [size * size])
    deviation = g.Sqrt(g.Slice(flat, [0], [size * size], [0], [size + 1]))

    def limited(part: Tensor) -> Tensor:
        rows = g.Div(part, g.Unsqueeze(deviation, axes=[1]))
        return g.Clip(g.Div(rows, g.Unsqueeze(deviation, axes=[0])), -1, 1)

    if is_complex(covariance.dtype):
        return _squeezed(g, make(g, *map(limited, parts(g, covariance))))
    return _squeezed(g, limited(covariance))
