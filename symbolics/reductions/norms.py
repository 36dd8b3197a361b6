"""Vector and matrix norms, and the distances and similarities made of them.

`cdist` and `pdist` are in `distances`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import SymInt, is_ge
from exporter.onnx_graph.values import Number, SymScalar, Tensor
from symbolics.elementwise.complex_numbers import real
from symbolics.linear_algebra.decompositions import linalg_inv
from symbolics.linear_algebra.spectral import singular_values
from symbolics.reductions.reduction import Dims, extreme, reduce
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import (
    BOOL,
    FLOAT,
    is_complex,
    is_float,
    is_half,
    onnx_dtype,
    promote,
    reduced_dims,
    widened,
    wrapped_dim,
    wrapped_dims,
)

__all__ = ["pairwise_distance", "vector_norm"]


def vector_norm(g: Builder, self: Tensor, ord: Number, dim: Dims, keepdim: bool) -> Tensor:
    """(sum |x|^ord)^(1/ord); the largest or smallest |x| at infinity, the nonzero count at 0.

    Half norms are computed in float32, where the powers don't overflow.
    """
    if is_complex(self.dtype):
        self = g.Abs(self)
    if not is_float(self.dtype):
        raise Unsupported(f"the norm of a {self.dtype.name} tensor: PyTorch wants floats")
    if isinstance(ord, complex):
        raise Unsupported("a norm whose order is complex")
    if is_half(self.dtype):
        return g.cast(vector_norm(g, g.cast(self, FLOAT), ord, dim, keepdim), self.dtype)
    if isinstance(ord, (SymInt, SymScalar)):
        return _norm_of_any_order(g, self, g.constant(ord, self.dtype), dim, keepdim)
    if ord == 0:
        return reduce(g, "ReduceSum", g.cast(g.cast(self, BOOL), self.dtype), dim, keepdim)
    dims = reduced_dims(self, dim)
    if dims is not None and all(g.size(self, d) == 1 for d in dims):
        # Whatever the order, and powers could overflow.
        return g.Abs(self) if keepdim or not dims else g.Squeeze(g.Abs(self), axes=dims)
    if ord == 1:
        return reduce(g, "ReduceL1", self, dim, keepdim)
    if ord == 2:
        return reduce(g, "ReduceL2", self, dim, keepdim)
    if math.isinf(ord):
        return extreme(g, g.Abs(self), dim, keepdim, largest=ord > 0)
    powers = g.Pow(g.Abs(self), g.constant(ord, self.dtype))
    total = reduce(g, "ReduceSum", powers, dim, keepdim)
    return g.Pow(total, g.constant(1 / ord, self.dtype))


def _norm_of_any_order(g: Builder, self: Tensor, order: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    """`vector_norm` whose order is only known at run time."""
    powers = g.Pow(g.Abs(self), order)
    total = reduce(g, "ReduceSum", powers, dim, keepdim)
    result = g.Pow(total, g.Div(g.constant(1, self.dtype), order))
    for special in (0, math.inf, -math.inf):
        found = vector_norm(g, self, special, dim, keepdim)
        result = g.Where(g.Equal(order, special), found, result)
    return result


@symbolic(
    "aten::linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def linalg_vector_norm(
    g: Builder,
    self: Tensor,
    ord: Number = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: int | None = None,
) -> Tensor:
    """The norm of the elements over `dim` as one vector; no dims mean all of them."""
    if dtype is not None:
        self = g.cast(self, onnx_dtype(dtype))
    return vector_norm(g, self, ord, dim, keepdim)


@symbolic(
    "aten::linalg__powsum(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def linalg__powsum(
    g: Builder,
    self: Tensor,
    ord: Number = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: int | None = None,
) -> Tensor:
    """sum |x|^ord: a vector norm before the root is drawn."""
    if dtype is not None:
        self = g.cast(self, onnx_dtype(dtype))
    if not isinstance(ord, (int, float)) or math.isinf(ord) or ord == 0:
        raise Unsupported(f"a sum of powers of order {ord}")
    if is_half(self.dtype):
        total = linalg__powsum(g, g.cast(self, FLOAT), ord, dim, keepdim)
        return g.cast(total, self.dtype)
    powers = g.Pow(g.Abs(self), g.constant(ord, self.dtype))
    return reduce(g, "ReduceSum", powers, dim, keepdim)


# ---------------------------------------------------------------- matrix norms


def _matrix_dims(self: Tensor, dim: Sequence[int]) -> tuple[int, int]:
    row, column = wrapped_dims(dim, self.require_rank())
    if row == column:
        raise Raised(f"a matrix norm over dims {list(dim)}, which are the same")
    return row, column


def _singular_norm(
    g: Builder, self: Tensor, dims: tuple[int, int], keepdim: bool, *, largest: bool | None
) -> Tensor:
    """The largest or smallest singular value, or (None) the sum of all."""
    others = [i for i in range(self.require_rank()) if i not in dims]
    order = [*others, *dims]
    matrix = self if order == sorted(order) else g.Transpose(self, perm=order)
    if 0 in matrix.require_shape()[-2:]:
        return reduce(g, "ReduceSum", real(g, self), list(dims), keepdim)
    values = singular_values(g, matrix)
    last = values.require_rank() - 1
    if largest is None:
        result = g.ReduceSum(values, axes=[last], keepdims=False)
    else:
        result = extreme(g, values, last, False, largest=largest)
    return g.Unsqueeze(result, axes=sorted(dims)) if keepdim else result


@symbolic("aten::nuclear_norm(Tensor self, bool keepdim=False) -> Tensor")
def nuclear_norm(g: Builder, self: Tensor, keepdim: bool = False) -> Tensor:
    """The sum of the singular values of a matrix."""
    return _singular_norm(g, self, (0, 1), keepdim, largest=None)


@symbolic("aten::nuclear_norm.dim(Tensor self, int[2] dim, bool keepdim=False) -> Tensor")
def nuclear_norm_dim(g: Builder, self: Tensor, dim: Sequence[int], keepdim: bool = False) -> Tensor:
    """The sum of the singular values over two dims."""
    return _singular_norm(g, self, _matrix_dims(self, dim), keepdim, largest=None)


@symbolic("aten::linalg_cond(Tensor self, Scalar? p=None) -> Tensor")
def linalg_cond(g: Builder, self: Tensor, p: Number | None = None) -> Tensor:
    """The largest singular value over the smallest, or a norm times that of the inverse."""
    if p is None or p in (2, -2):
        most = linalg_matrix_norm(g, self, 2)
        least = linalg_matrix_norm(g, self, -2)
        return g.Div(least, most) if p == -2 else g.Div(most, least)
    return g.Mul(linalg_matrix_norm(g, self, p), linalg_matrix_norm(g, linalg_inv(g, self), p))


@symbolic("aten::linalg_cond.p_str(Tensor self, str p) -> Tensor")
def linalg_cond_p_str(g: Builder, self: Tensor, p: str) -> Tensor:
    """A norm known by name times that of the inverse."""
    inverse = linalg_inv(g, self)
    return g.Mul(linalg_matrix_norm_str_ord(g, self, p), linalg_matrix_norm_str_ord(g, inverse, p))


@symbolic(
    "aten::linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def linalg_matrix_norm(
    g: Builder,
    self: Tensor,
    ord: Number,
    dim: Sequence[int] = [-2, -1],
    keepdim: bool = False,
    *,
    dtype: int | None = None,
) -> Tensor:
    """At 1 and -1 the extreme column sum, at inf and -inf the extreme row sum of |x|.

    At 2 and -2 it is the extreme singular value.
    """
    if dtype is not None:
        self = g.cast(self, onnx_dtype(dtype))
    if isinstance(ord, (SymInt, SymScalar, complex)) or abs(ord) not in (1, 2, math.inf):
        raise Unsupported(f"a matrix norm of order {ord}: PyTorch knows 1, 2, inf and negatives")
    if is_half(self.dtype):
        half = linalg_matrix_norm(g, g.cast(self, FLOAT), ord, dim, keepdim)
        return g.cast(half, self.dtype)
    row, column = _matrix_dims(self, dim)
    if abs(ord) == 2:
        return _singular_norm(g, self, (row, column), keepdim, largest=ord > 0)
    if 0 in (g.size(self, row), g.size(self, column)):
        return reduce(g, "ReduceSum", g.Abs(self), [row, column], keepdim)
    summed, rest = (row, column) if abs(ord) == 1 else (column, row)
    sums = g.ReduceSum(g.Abs(self), axes=[summed], keepdims=True)
    result = extreme(g, sums, rest, True, largest=ord > 0)
    if ord > 0 and not is_ge(g.size(self, rest), 1):
        result = g.Max(result, 0)
    return result if keepdim else g.Squeeze(result, axes=sorted((row, column)))


@symbolic(
    'aten::linalg_matrix_norm.str_ord(Tensor self, str ord="fro", int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor'
)
def linalg_matrix_norm_str_ord(
    g: Builder,
    self: Tensor,
    ord: str = "fro",
    dim: Sequence[int] = [-2, -1],
    keepdim: bool = False,
    *,
    dtype: int | None = None,
) -> Tensor:
    """The vector norm of all elements ("fro"), or the sum of the singular values ("nuc")."""
    if ord == "nuc":
        if dtype is not None:
            self = g.cast(self, onnx_dtype(dtype))
        return _singular_norm(g, self, _matrix_dims(self, dim), keepdim, largest=None)
    if ord != "fro":
        raise Unsupported(f"a matrix norm of order {ord!r}: PyTorch knows 'fro' and 'nuc'")
    return linalg_vector_norm(g, self, 2, _matrix_dims(self, dim), keepdim, dtype=dtype)


@symbolic(
    "aten::linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def linalg_norm(
    g: Builder,
    self: Tensor,
    ord: Number | None = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: int | None = None,
) -> Tensor:
    """A vector norm, or a matrix norm: where an order is given and there are two dims.

    Without an order it is the vector 2-norm of all that the dims hold.
    """
    count = self.require_rank() if dim is None else len(dim) if isinstance(dim, list) else 1
    if ord is None or count == 1:
        return linalg_vector_norm(g, self, 2 if ord is None else ord, dim, keepdim, dtype=dtype)
    if count != 2:
        raise Unsupported(f"linalg_norm of order {ord} over {count} dims")
    dims = [0, 1] if dim is None else dim
    assert isinstance(dims, list)
    return linalg_matrix_norm(g, self, ord, dims, keepdim, dtype=dtype)


@symbolic(
    "aten::linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"
)
def linalg_norm_ord_str(
    g: Builder,
    self: Tensor,
    ord: str,
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: int | None = None,
) -> Tensor:
    """A matrix norm known by name."""
    dims = [0, 1] if dim is None else dim
    return linalg_matrix_norm_str_ord(g, self, ord, dims, keepdim, dtype=dtype)


# ---------------------------------------------------------------- torch.norm


@symbolic("aten::norm.Scalar(Tensor self, Scalar p=2) -> Tensor")
def norm_scalar(g: Builder, self: Tensor, p: Number = 2) -> Tensor:
    """The vector norm of all elements."""
    return vector_norm(g, self, p, None, False)


@symbolic(
    "aten::norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor"
)
def norm_scalaropt_dim(
    g: Builder, self: Tensor, p: Number | None, dim: Dims, keepdim: bool = False
) -> Tensor:
    """The vector norm over `dim`; None is order 2."""
    return vector_norm(g, self, 2 if p is None else p, dim, keepdim)


@symbolic("aten::norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor")
def norm_scalaropt_dtype(g: Builder, self: Tensor, p: Number | None, *, dtype: int) -> Tensor:
    """The vector norm of all elements, computed in `dtype`."""
    return linalg_vector_norm(g, self, 2 if p is None else p, dtype=dtype)


@symbolic(
    "aten::norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, ScalarType dtype) -> Tensor"
)
def norm_scalaropt_dim_dtype(
    g: Builder, self: Tensor, p: Number | None, dim: Dims, keepdim: bool, *, dtype: int
) -> Tensor:
    """The vector norm over `dim`, computed in `dtype`."""
    return linalg_vector_norm(g, self, 2 if p is None else p, dim, keepdim, dtype=dtype)


@symbolic("aten::frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor")
def frobenius_norm_dim(g: Builder, self: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """The vector 2-norm over `dim`."""
    return vector_norm(g, self, 2, dim, keepdim)


# ---------------------------------------------------------------- what is made of norms


@symbolic("aten::dist(Tensor self, Tensor other, Scalar p=2) -> Tensor")
def dist(g: Builder, self: Tensor, other: Tensor, p: Number = 2) -> Tensor:
    """The norm of the difference."""
    return vector_norm(g, g.Sub(*promote(g, self, other)), p, None, False)


@symbolic("aten::renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor")
def renorm(g: Builder, self: Tensor, p: Number, dim: int, maxnorm: Number) -> Tensor:
    """Scale each slice along `dim` whose norm is above `maxnorm` down to it.

    PyTorch divides by the norm plus 1e-7.
    """
    axis = wrapped_dim(dim, self.require_rank())
    others = [i for i in range(self.require_rank()) if i != axis]
    norm = vector_norm(g, widened(g, self), p, others, True)
    factor = g.Div(g.constant(maxnorm, norm.dtype), g.Add(norm, 1e-7))
    factor = g.Where(g.Greater(norm, maxnorm), factor, g.constant(1, norm.dtype))
    return g.Mul(self, g.cast(factor, self.dtype))


@symbolic("aten::cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor")
def cosine_similarity(
    g: Builder, x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-08
) -> Tensor:
    """The product of both vectors over `dim`, each divided by its norm, or by `eps` if larger.

    `dim` counts in the shape that both broadcast to.
    """
    x1, x2 = promote(g, x1, x2)
    if not is_float(x1.dtype):
        raise Unsupported(f"cosine_similarity of {x1.dtype.name} tensors: PyTorch wants floats")
    rank = max(x1.require_rank(), x2.require_rank())
    axis = wrapped_dim(dim, rank)
    x1, x2 = (_with_rank(g, x, rank) for x in (x1, x2))
    if rank and g.size(x1, axis) != g.size(x2, axis):
        shape = g.shape(g.Add(x1, x2))
        x1, x2 = g.Expand(x1, shape), g.Expand(x2, shape)
    units = []
    for x in (x1, x2):
        norm = vector_norm(g, x, 2, axis, True)
        units.append(g.Div(x, g.Max(norm, eps)))
    return reduce(g, "ReduceSum", g.Mul(*units), axis, False)


def _with_rank(g: Builder, tensor: Tensor, rank: int) -> Tensor:
    missing = rank - tensor.require_rank()
    return g.Unsqueeze(tensor, axes=list(range(missing))) if missing else tensor


@symbolic(
    "aten::pairwise_distance(Tensor x1, Tensor x2, float p=2., float eps=9.9999999999999995e-07, bool keepdim=False) -> Tensor"
)
def pairwise_distance(
    g: Builder,
    x1: Tensor,
    x2: Tensor,
    p: float = 2.0,
    eps: float = 9.9999999999999995e-07,
    keepdim: bool = False,
) -> Tensor:
    """The norm over the last dim of the difference, to which `eps` is added first."""
    difference = g.Sub(*promote(g, x1, x2))
    return vector_norm(g, g.Add(*promote(g, difference, eps)), p, -1, keepdim)
