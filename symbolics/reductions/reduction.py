"""Reductions to a sum, a product, an extreme or a truth value, and where the extreme is.

Variance, median and quantile are in `statistics`, norms in `norms`, running reductions in
`cumulative`.

PyTorch counts NaN as larger (and smaller) than any number, so an extreme over NaN is NaN, and its
index is that of the first NaN. ONNX leaves it open and onnxruntime skips some.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import parts
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.clamping import maximum, minimum
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import (
    BOOL,
    FLOAT,
    INT64,
    D,
    accumulation_dtype,
    category,
    default_float,
    element_count,
    is_bool,
    is_complex,
    is_float,
    is_half,
    onnx_dtype,
    reduced_dims,
    wrapped_dim,
)

__all__ = ["amax", "amin", "any_along", "extreme", "extreme_index", "mean_dim", "reduce", "sum_dim"]

Dims = Sequence[int] | int | None


def reduce(g: Builder, op_type: str, self: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    """An ONNX reduction over PyTorch's dims; a 0-d tensor is its own sum, product or extreme."""
    dims = reduced_dims(self, dim)
    if self.rank == 0:
        return self
    return getattr(g, op_type)(self, axes=dims, keepdims=keepdim)


def may_be_empty(self: Tensor, dims: Sequence[int] | None) -> bool:
    """Whether a reduction over these dims may have nothing to reduce."""
    if self.shape is None:
        return True
    sizes = self.shape if dims is None else [self.shape[d] for d in dims]
    return not all(is_ge(size, 1) for size in sizes)


# ---------------------------------------------------------------- sums and products


@symbolic("aten::sum(Tensor self, *, ScalarType? dtype=None) -> Tensor")
def sum(g: Builder, self: Tensor, *, dtype: int | None = None) -> Tensor:
    """The sum of all elements; bools and ints are summed as int64."""
    return sum_dim(g, self, None, dtype=dtype)


@symbolic(
    "aten::sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def sum_dim(
    g: Builder, self: Tensor, dim: Dims, keepdim: bool = False, *, dtype: int | None = None
) -> Tensor:
    """The sum over `dim`, in int64 for bools and ints; no dims mean all of them.

    ONNX sums int64 exactly; onnxruntime 1.31 does it in doubles, which is exact up to 2**53.
    """
    return reduce(g, "ReduceSum", g.cast(self, accumulation_dtype(self, dtype)), dim, keepdim)


@symbolic("aten::sum_to_size(Tensor self, SymInt[] size) -> Tensor")
def sum_to_size(g: Builder, self: Tensor, size: Sequence[Dim]) -> Tensor:
    """Undo a broadcast: sum the leading dims that `size` lacks, and those it has as 1."""
    if len(size) == 0:
        # A tensor of its own even where there is nothing to sum.
        return g.Identity(sum(g, self))
    shape = self.require_shape()
    lead = len(shape) - len(size)
    dims = list(range(lead))
    dims += [lead + i for i, s in enumerate(size) if s == 1 and shape[lead + i] != 1]
    open_sizes = [s for s, n in zip(size, shape[lead:], strict=True) if s != n and _may_be_1(s)]
    if open_sizes:
        self = _summed_where_1(g, self, size, lead)
    elif dims:
        self = sum_dim(g, self, dims, keepdim=True)
    return g.reshape(self, list(size)) if dims or open_sizes else self


def _may_be_1(size: Dim) -> bool:
    return not isinstance(size, int) and is_ge(size, 2) is not True


def _summed_where_1(g: Builder, self: Tensor, size: Sequence[Dim], lead: int) -> Tensor:
    """The sum over the leading dims, and over those that shall have a size of 1."""
    if category(self) < 2:
        raise Unsupported("sum_to_size of integers to sizes of run time: int64 if there is a sum")
    wanted = g.constant([*[1] * lead, *size], INT64)
    axes = g.reshape(g.NonZero(g.Equal(wanted, 1)), [-1])
    return g.ReduceSum(self, axes, keepdims=True, noop_with_empty_axes=1)


@symbolic(
    "aten::nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def nansum(
    g: Builder, self: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: int | None = None
) -> Tensor:
    """The sum with NaN as 0."""
    if is_float(self.dtype):
        self = g.Where(g.IsNaN(self), g.constant(0, self.dtype), self)
    return sum_dim(g, self, dim, keepdim, dtype=dtype)


@symbolic("aten::mean(Tensor self, *, ScalarType? dtype=None) -> Tensor")
def mean(g: Builder, self: Tensor, *, dtype: int | None = None) -> Tensor:
    """The mean of all elements."""
    return mean_dim(g, self, None, dtype=dtype)


@symbolic(
    "aten::mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def mean_dim(
    g: Builder, self: Tensor, dim: Dims, keepdim: bool = False, *, dtype: int | None = None
) -> Tensor:
    """The mean over `dim`; of nothing it is NaN, where onnxruntime's ReduceMean gives 0.

    A half mean is taken in float32: the sum could overflow.
    """
    result_dtype = self.dtype if dtype is None else onnx_dtype(dtype)
    if category(result_dtype) < 2:
        raise Unsupported(f"the mean of a {result_dtype.name} tensor: PyTorch asks for a dtype")
    compute = FLOAT if is_half(result_dtype) else result_dtype
    self = g.cast(self, compute)
    dims = reduced_dims(self, dim)
    if not may_be_empty(self, dims):
        result = reduce(g, "ReduceMean", self, dim, keepdim)
    else:
        count = g.constant(element_count(g, self, dims), compute)
        result = g.Div(reduce(g, "ReduceSum", self, dim, keepdim), count)
    return g.cast(result, result_dtype)


@symbolic(
    "aten::nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def nanmean(
    g: Builder, self: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: int | None = None
) -> Tensor:
    """The mean of what is not NaN."""
    total = nansum(g, self, dim, keepdim, dtype=dtype)
    count = sum_dim(g, g.Not(g.IsNaN(self)), dim, keepdim)
    return g.Div(total, g.cast(count, total.dtype))


@symbolic("aten::prod(Tensor self, *, ScalarType? dtype=None) -> Tensor")
def prod(g: Builder, self: Tensor, *, dtype: int | None = None) -> Tensor:
    """The product of all elements; of bools and ints as int64."""
    return reduce(g, "ReduceProd", g.cast(self, accumulation_dtype(self, dtype)), None, False)


@symbolic(
    "aten::prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def prod_dim_int(
    g: Builder, self: Tensor, dim: int, keepdim: bool = False, *, dtype: int | None = None
) -> Tensor:
    """The product over `dim`; of bools and ints as int64."""
    return reduce(g, "ReduceProd", g.cast(self, accumulation_dtype(self, dtype)), dim, keepdim)


@symbolic("aten::logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor")
def logsumexp(g: Builder, self: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """The logarithm of the summed exponentials, shifted by the largest; ints become float32.

    An infinite largest one is no shift: inf - inf would be NaN.
    """
    self = g.cast(self, default_float(self.dtype))
    dims = reduced_dims(self, dim)
    if self.rank == 0:
        # The angle of a complex number ends in [-pi, pi].
        return logsumexp(g, g.reshape(self, [1]), [0]) if is_complex(self.dtype) else self
    sizes = parts(g, self)[0] if is_complex(self.dtype) else self
    most = g.ReduceMax(sizes, axes=dims, keepdims=True)
    infinite = g.Equal(g.Abs(most), float("inf"))
    shift = g.cast(g.Where(infinite, g.constant(0, most.dtype), most), self.dtype)
    total = g.ReduceSum(g.Exp(g.Sub(self, shift)), axes=dims, keepdims=True)
    result = g.Add(g.Log(total), shift)
    if keepdim:
        return result
    return g.reshape(result, []) if dims is None else g.Squeeze(result, axes=dims)


@symbolic("aten::special_logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor")
def special_logsumexp(g: Builder, self: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """Another name of `logsumexp`."""
    return logsumexp(g, self, dim, keepdim)


@symbolic("aten::trace(Tensor self) -> Tensor")
def trace(g: Builder, self: Tensor) -> Tensor:
    """The sum of the diagonal: every (columns + 1)th element of the flattened matrix."""
    if self.require_rank() != 2:
        raise Raised(f"trace of a tensor with {self.rank} dims: it takes 2")
    rows, columns = self.require_shape()
    flat = g.reshape(self, [rows * columns])
    diagonal = g.Slice(flat, [0], [sym_min(rows, columns) * columns], [0], [columns + 1])
    return sum(g, diagonal)


# ---------------------------------------------------------------- truth values


def any_along(g: Builder, self: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    """Whether any element over `dim` is not zero, as bool. A sum of none is 0, so False."""
    truth = g.cast(self, BOOL)
    return g.cast(reduce(g, "ReduceSum", g.cast(truth, D.INT32), dim, keepdim), BOOL)


def _any(g: Builder, self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    result = any_along(g, self, dim, keepdim)
    return g.cast(result, D.UINT8 if self.dtype == D.UINT8 else BOOL)


def _all(g: Builder, self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    zero = g.Not(g.cast(self, BOOL))
    result = g.Not(any_along(g, zero, dim, keepdim))
    return g.cast(result, D.UINT8 if self.dtype == D.UINT8 else BOOL)


@symbolic("aten::_is_any_true(Tensor self) -> Tensor")
@symbolic("aten::any(Tensor self) -> Tensor")
def any(g: Builder, self: Tensor) -> Tensor:
    """Whether any element is not zero; uint8 stays uint8."""
    return _any(g, self)


@symbolic("aten::any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor")
def any_dim(g: Builder, self: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """Whether any element over `dim` is not zero; uint8 stays uint8."""
    return _any(g, self, dim, keepdim)


@symbolic("aten::any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor")
def any_dims(g: Builder, self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element over `dim` is not zero. Unlike elsewhere, an empty list is no dim."""
    if isinstance(dim, (list, tuple)) and len(dim) == 0:
        return g.cast(g.cast(self, BOOL), D.UINT8 if self.dtype == D.UINT8 else BOOL)
    return _any(g, self, dim, keepdim)


@symbolic("aten::_is_all_true(Tensor self) -> Tensor")
@symbolic("aten::all(Tensor self) -> Tensor")
def all_(g: Builder, self: Tensor) -> Tensor:
    """Whether no element is zero; uint8 stays uint8."""
    return _all(g, self)


@symbolic("aten::all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor")
def all_dim(g: Builder, self: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """Whether no element over `dim` is zero; uint8 stays uint8."""
    return _all(g, self, dim, keepdim)


@symbolic("aten::all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor")
def all_dims(g: Builder, self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether no element over `dim` is zero. Unlike elsewhere, an empty list is no dim."""
    if isinstance(dim, (list, tuple)) and len(dim) == 0:
        return any_dims(g, self, dim, keepdim)
    return _all(g, self, dim, keepdim)


@symbolic("aten::count_nonzero(Tensor self, int? dim=None) -> Tensor")
def count_nonzero(g: Builder, self: Tensor, dim: int | None = None) -> Tensor:
    """How many elements are not zero."""
    return sum_dim(g, g.cast(self, BOOL), dim)


@symbolic("aten::count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor")
def count_nonzero_dim_intlist(g: Builder, self: Tensor, dim: Sequence[int]) -> Tensor:
    """How many elements over `dim` are not zero."""
    return sum_dim(g, g.cast(self, BOOL), dim)


# ---------------------------------------------------------------- extremes


def extreme(g: Builder, self: Tensor, dim: Dims, keepdim: bool, *, largest: bool) -> Tensor:
    """The largest or smallest element over `dim`; NaN where there is one."""
    found = reduce(g, "ReduceMax" if largest else "ReduceMin", self, dim, keepdim)
    if self.rank == 0 or not is_float(self.dtype):
        return found
    has_nan = any_along(g, g.IsNaN(self), dim, keepdim)
    return g.Where(has_nan, g.constant(float("nan"), self.dtype), found)


def extreme_index(
    g: Builder, self: Tensor, dim: int | None, keepdim: bool, *, largest: bool
) -> Tensor:
    """The index of the first largest or smallest element, or of the first NaN.

    Without a dim it counts through the whole tensor.
    """
    op_type = "ArgMax" if largest else "ArgMin"
    rank = self.rank
    if dim is None or rank == 0:
        if dim is not None:
            wrapped_dim(dim, 0)
        result = _first_index(g, g.reshape(self, [-1]), op_type, 0, False)
        return g.reshape(result, [1] * self.require_rank()) if keepdim else result
    return _first_index(g, self, op_type, wrapped_dim(dim, self.require_rank()), keepdim)


def _first_index(g: Builder, self: Tensor, op_type: str, axis: int, keepdim: bool) -> Tensor:
    index = getattr(g, op_type)(self, axis=axis, keepdims=keepdim)
    if not is_float(self.dtype):
        return index
    nan = g.IsNaN(self)
    first = g.ArgMax(g.cast(nan, D.UINT8), axis=axis, keepdims=keepdim)
    return g.Where(any_along(g, nan, axis, keepdim), first, index)


@symbolic("aten::amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor")
def amax(g: Builder, self: Tensor, dim: Dims = [], keepdim: bool = False) -> Tensor:  # noqa: B006
    """The largest element over `dim`."""
    return extreme(g, self, dim, keepdim, largest=True)


@symbolic("aten::amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor")
def amin(g: Builder, self: Tensor, dim: Dims = [], keepdim: bool = False) -> Tensor:  # noqa: B006
    """The smallest element over `dim`."""
    return extreme(g, self, dim, keepdim, largest=False)


@symbolic(
    "aten::aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)"
)
def aminmax(
    g: Builder, self: Tensor, *, dim: int | None = None, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """Both extremes over `dim`, or over all."""
    return amin(g, self, dim, keepdim), amax(g, self, dim, keepdim)


@symbolic("aten::_aminmax(Tensor self) -> (Tensor, Tensor)")
def _aminmax(g: Builder, self: Tensor) -> tuple[Tensor, Tensor]:
    """Both extremes of all elements."""
    return aminmax(g, self)


@symbolic("aten::_aminmax.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor, Tensor)")
def _aminmax_dim(
    g: Builder, self: Tensor, dim: int, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """Both extremes over `dim`."""
    return aminmax(g, self, dim=dim, keepdim=keepdim)


@symbolic("aten::max(Tensor self) -> Tensor")
def max(g: Builder, self: Tensor) -> Tensor:
    """The largest of all elements."""
    return amax(g, self, None)


@symbolic("aten::min(Tensor self) -> Tensor")
def min(g: Builder, self: Tensor) -> Tensor:
    """The smallest of all elements."""
    return amin(g, self, None)


@symbolic(
    "aten::max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"
)
def max_dim(g: Builder, self: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The largest elements over `dim` and the indices of their first occurrence."""
    return _extreme_with_index(g, self, dim, keepdim, largest=True)


@symbolic(
    "aten::min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"
)
def min_dim(g: Builder, self: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest elements over `dim` and the indices of their first occurrence."""
    return _extreme_with_index(g, self, dim, keepdim, largest=False)


def _extreme_with_index(
    g: Builder, self: Tensor, dim: int, keepdim: bool, *, largest: bool
) -> tuple[Tensor, Tensor]:
    """Value and index, each computed without the other: often only one of them is used."""
    if is_bool(self.dtype):
        self = g.cast(self, D.UINT8)
        value, index = _extreme_with_index(g, self, dim, keepdim, largest=largest)
        return g.cast(value, BOOL), index
    value = extreme(g, self, dim, keepdim, largest=largest)
    if self.rank == 0:
        wrapped_dim(dim, 0)
        return value, g.constant(0, INT64)
    return value, extreme_index(g, self, dim, keepdim, largest=largest)


@symbolic("aten::max.other(Tensor self, Tensor other) -> Tensor")
def max_other(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """Another name of `maximum`."""
    return maximum(g, self, other)


@symbolic("aten::min.other(Tensor self, Tensor other) -> Tensor")
def min_other(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """Another name of `minimum`."""
    return minimum(g, self, other)


@symbolic("aten::argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor")
def argmax(g: Builder, self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the first largest element."""
    return extreme_index(g, self, dim, keepdim, largest=True)


@symbolic("aten::argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor")
def argmin(g: Builder, self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the first smallest element."""
    return extreme_index(g, self, dim, keepdim, largest=False)
