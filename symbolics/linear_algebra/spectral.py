"""Singular values and symmetric eigenvalues: ranks, pseudo-inverses and least squares from them.

All rest on one-sided Jacobi rotations: pairs of columns are turned until all are orthogonal. Their
lengths are the singular values. Singular vectors and eigenvectors are only determined up to their
sign (and up to a rotation where values repeat), so they may differ from PyTorch's in that.
"""

from __future__ import annotations

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import make, parts
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import is_ge, sym_max, sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.complex_numbers import adjoint, conj, real
from symbolics.linear_algebra.decompositions import identity, is_vector
from symbolics.linear_algebra.triangular import linalg_qr
from symbolics.reductions.reduction import extreme, sum_dim
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import DOUBLE, INT64, is_complex, is_float

__all__ = ["linalg_pinv", "singular_values"]

# Convergence is quadratic; a hundred columns are done after ten sweeps.
SWEEPS = 12


def _turned(g: Builder, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """W = matrix @ V with orthogonal columns, and the orthogonal V.

    1. V, the identity at first, stands below the matrix, so that it is turned along with it. An
       odd column gets a column of zeros as its partner.
    2. The left half's columns are paired with the right half's, all pairs at once. Each pair with
       products a, b of its columns with themselves and c with each other is turned by the angle
       whose tangent t solves t^2 + 2zt = 1, z = (b - a) / 2c, the smaller of both solutions.
    3. Between two steps the columns move on like the players of a tournament, the first one
       staying, so that a sweep of columns - 1 steps brings every two together.

    Of a complex matrix the imaginary parts stand below the real ones. Before a pair is turned, the
    right column is multiplied by the number of length 1 that makes c real, and positive.
    """
    whole = matrix.dtype
    if not (is_float(whole) or is_complex(whole)):
        raise Unsupported(f"singular values of a {whole.name} tensor")
    *batch, rows, columns = matrix.require_shape()
    if not isinstance(columns, int):
        raise Unsupported("singular values of a matrix whose size is only known at run time")
    square = g.Expand(identity(g, columns, whole), [*batch, columns, columns])
    if columns < 2:
        return matrix, square
    axis, height = len(batch), rows + columns
    both = g.Concat(matrix, square, axis=axis)
    if is_complex(whole):
        both = g.Concat(*parts(g, both), axis=axis)
    dtype = both.dtype
    if columns % 2:
        zeros = g.Expand(g.constant(0, dtype), [*both.require_shape()[:-1], 1])
        both = g.Concat(both, zeros, axis=axis + 1)
    half = (columns + 1) // 2
    left_half, right_half = list(range(half)), list(range(half, 2 * half))
    order = left_half + right_half
    if half > 1:
        order = [0, half, *left_half[1:-1], *right_half[1:], half - 1]
    zero, one = g.constant(0, dtype), g.constant(1, dtype)

    def product(left: Tensor, right: Tensor) -> Tensor:
        products = g.Mul(left, right)
        upper = g.Slice(products, [0], [rows], [axis])
        if is_complex(whole):
            upper = g.Add(upper, g.Slice(products, [height], [height + rows], [axis]))
        return g.ReduceSum(upper, axes=[axis], keepdims=True)

    def aligned(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """The right columns, and their products with the left ones."""
        c = product(left, right)
        if not is_complex(whole):
            return right, c
        above = g.Slice(right, [0], [height], [axis])
        below = g.Slice(right, [height], [2 * height], [axis])
        by_minus_i = g.Concat(below, g.Neg(above), axis=axis)
        imaginary = product(left, by_minus_i)
        # Over the larger part, so that no square of a tiny one is lost: what turns must have length 1.
        larger = g.Max(g.Abs(c), g.Abs(imaginary))
        none = g.Equal(larger, 0)
        divisor = g.Where(none, one, larger)
        cosine, sine = g.Where(none, one, g.Div(c, divisor)), g.Div(imaginary, divisor)
        size = g.Sqrt(g.Add(g.Mul(cosine, cosine), g.Mul(sine, sine)))
        turned = g.Add(g.Mul(right, g.Div(cosine, size)), g.Mul(by_minus_i, g.Div(sine, size)))
        return turned, g.Mul(larger, size)

    def step(_: Tensor, states: list[Tensor]) -> list[Tensor]:
        (current,) = states
        left = g.Slice(current, [0], [half], [axis + 1])
        right = g.Slice(current, [half], [2 * half], [axis + 1])
        right, c = aligned(left, right)
        a, b = product(left, left), product(right, right)
        none = g.Equal(c, 0)
        z = g.Div(g.Sub(b, a), g.Mul(g.Where(none, one, c), 2))
        size = g.Add(g.Abs(z), g.Sqrt(g.Add(g.Mul(z, z), 1)))
        t = g.Div(g.Where(g.Less(z, 0), g.Neg(one), one), size)
        t = g.Where(none, zero, t)
        cosine = g.Div(one, g.Sqrt(g.Add(g.Mul(t, t), 1)))
        sine = g.Mul(cosine, t)
        new_left = g.Sub(g.Mul(cosine, left), g.Mul(sine, right))
        new_right = g.Add(g.Mul(sine, left), g.Mul(cosine, right))
        turned = g.Concat(new_left, new_right, axis=axis + 1)
        return [g.Gather(turned, g.constant(order, INT64), axis=axis + 1)]

    trips = SWEEPS * max(2 * half - 1, 1)
    result = loop(g, trips, step, [both])[0]
    # A whole number of sweeps brings each column back, the zeros to the end.
    result = g.Slice(result, [0], [columns], [axis + 1])
    if is_complex(whole):
        result = make(
            g,
            g.Slice(result, [0], [height], [axis]),
            g.Slice(result, [height], [2**63 - 1], [axis]),
        )
    return (
        g.Slice(result, [0], [rows], [axis]),
        g.Slice(result, [rows], [2**63 - 1], [axis]),
    )


def _upright(g: Builder, matrix: Tensor) -> tuple[Tensor, bool]:
    """The matrix or its adjoint, with the fewer columns, and whether it is the adjoint."""
    rows, columns = matrix.require_shape()[-2:]
    if columns != rows and is_ge(columns, rows):
        return adjoint(g, matrix), True
    return matrix, False


def _lengths(g: Builder, columns: Tensor) -> Tensor:
    return g.ReduceL2(columns, axes=[columns.require_rank() - 2], keepdims=False)


def singular_values(g: Builder, matrix: Tensor) -> Tensor:
    """The singular values, the largest first."""
    upright, _ = _upright(g, matrix)
    rows, columns = upright.require_shape()[-2:]
    if columns == 0:
        return _lengths(g, upright)
    lengths = _lengths(g, _turned(g, upright)[0])
    count = sym_min(rows, columns)
    return g.TopK(lengths, [count], axis=-1, largest=1, sorted=1, outputs=2)[0]


@symbolic("aten::linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor")
def linalg_svdvals(g: Builder, A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, the largest first."""
    return singular_values(g, A)


@symbolic(
    "aten::linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)"
)
def linalg_svd(
    g: Builder, A: Tensor, full_matrices: bool = True, *, driver: str | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """A = U diag(S) Vh.

    The turned columns, the longest first, are U times S. QR makes them orthonormal, also where
    some are zero, and completes U if it is to be square.
    """
    *batch, rows, columns = A.require_shape()
    if 0 in (rows, columns):
        u, vh = (
            g.Expand(identity(g, size, A.dtype), [*batch, size, size]) for size in (rows, columns)
        )
        if not full_matrices:
            u = g.Slice(u, [0], [0], [len(batch) + 1]) if rows else u
            vh = g.Slice(vh, [0], [0], [len(batch)]) if columns else vh
        return u, singular_values(g, A), vh
    upright, transposed = _upright(g, A)
    axis = len(batch)
    if not is_ge(g.size(upright, axis), g.size(upright, axis + 1)):
        raise Unsupported("the SVD of a matrix of which it is not known which side is longer")
    turned, v = _turned(g, upright)
    lengths = _lengths(g, turned)
    count = g.size(lengths, -1)
    s, order = g.TopK(lengths, [count], axis=-1, largest=1, sorted=1, outputs=2)
    order = g.Unsqueeze(order, axes=[axis])
    turned = g.GatherElements(turned, g.Expand(order, g.shape(turned)), axis=axis + 1)
    v = g.GatherElements(v, g.Expand(order, g.shape(v)), axis=axis + 1)
    u, r = linalg_qr(g, turned, "complete" if full_matrices else "reduced")
    r_rows = g.Slice(r, [0], [count], [axis])
    # What QR of orthogonal columns has on the diagonal is real.
    on_diagonal = g.Mul(real(g, r_rows), identity(g, count, s.dtype))
    negative = g.Less(g.ReduceSum(on_diagonal, axes=[axis], keepdims=True), 0)
    signs = g.Where(negative, g.constant(-1, s.dtype), g.constant(1, s.dtype))
    if full_matrices:
        missing = g.size(u, -1) - count
        ones = g.Expand(g.constant(1, s.dtype), [*batch, 1, missing])
        signs = g.Concat(signs, ones, axis=axis + 1)
    u = g.Mul(u, g.cast(signs, A.dtype))
    return (v, s, adjoint(g, u)) if transposed else (u, s, adjoint(g, v))


@symbolic(
    "aten::_linalg_svd(Tensor A, bool full_matrices=False, bool compute_uv=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)"
)
def _linalg_svd(
    g: Builder,
    A: Tensor,
    full_matrices: bool = False,
    compute_uv: bool = True,
    *,
    driver: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """`linalg_svd`, or the singular values with two empty tensors."""
    if compute_uv:
        return linalg_svd(g, A, full_matrices)
    empty = g.constant(np.zeros(0), A.dtype)
    return empty, singular_values(g, A), empty


@symbolic(
    "aten::svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)"
)
def svd(
    g: Builder, self: Tensor, some: bool = True, compute_uv: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """self = U diag(S) V^H; without vectors both are zero, and square."""
    if not compute_uv:
        *batch, rows, columns = self.require_shape()
        zero = g.constant(0, self.dtype)
        empty_u = g.Expand(zero, [*batch, rows, rows])
        empty_v = g.Expand(zero, [*batch, columns, columns])
        return empty_u, singular_values(g, self), empty_v
    u, s, vh = linalg_svd(g, self, not some)
    return u, s, adjoint(g, vh)


# ---------------------------------------------------------------- symmetric matrices


def _mirrored(g: Builder, matrix: Tensor, triangle: str) -> Tensor:
    """The symmetric or Hermitian matrix of which one triangle ("L" or "U") is given.

    Its diagonal is real: LAPACK does not look at the rest.
    """
    index = consecutive(g, g.size(matrix, -1))
    row = g.Unsqueeze(index, axes=[1])
    other = g.Less(row, index) if triangle.upper() == "L" else g.Greater(row, index)
    result = g.Where(other, adjoint(g, matrix), matrix)
    if not is_complex(matrix.dtype):
        return result
    return g.Where(g.Equal(row, index), g.cast(real(g, matrix), matrix.dtype), result)


@symbolic(
    'aten::linalg_eigh(Tensor self, str UPLO="L") -> (Tensor eigenvalues, Tensor eigenvectors)'
)
def linalg_eigh(g: Builder, self: Tensor, UPLO: str = "L") -> tuple[Tensor, Tensor]:
    """Eigenvalues, the smallest first, and eigenvectors of a symmetric or Hermitian matrix.

    Shifted by its largest row sum the matrix has no negative eigenvalue, and its singular vectors
    are its eigenvectors. The values are taken from v^H A v, which knows of no shift.
    """
    matrix = _mirrored(g, self, UPLO)
    rank = matrix.require_rank()
    size = g.size(matrix, -1)
    if size == 0:
        return _lengths(g, matrix), matrix
    sums = g.ReduceSum(g.Abs(matrix), axes=[rank - 1], keepdims=True)
    shift = g.ReduceMax(sums, axes=[rank - 2], keepdims=True)
    shifts = g.cast(g.Mul(identity(g, size, shift.dtype), shift), self.dtype)
    _, v = _turned(g, g.Add(matrix, shifts))
    products = g.Mul(conj(g, v), g.MatMul(matrix, v))
    values = real(g, g.ReduceSum(products, axes=[rank - 2], keepdims=False))
    values, order = g.TopK(values, [size], axis=-1, largest=0, sorted=1, outputs=2)
    order = g.Expand(g.Unsqueeze(order, axes=[rank - 2]), g.shape(v))
    return values, g.GatherElements(v, order, axis=rank - 1)


@symbolic(
    'aten::_linalg_eigh(Tensor A, str UPLO="L", bool compute_v=True) -> (Tensor eigenvalues, Tensor eigenvectors)'
)
def _linalg_eigh(
    g: Builder, A: Tensor, UPLO: str = "L", compute_v: bool = True
) -> tuple[Tensor, Tensor]:
    """`linalg_eigh`, or the eigenvalues with an empty tensor."""
    values, vectors = linalg_eigh(g, A, UPLO)
    return values, vectors if compute_v else g.constant(np.zeros(0), A.dtype)


@symbolic('aten::linalg_eigvalsh(Tensor self, str UPLO="L") -> Tensor')
def linalg_eigvalsh(g: Builder, self: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of a symmetric matrix, the smallest first."""
    return linalg_eigh(g, self, UPLO)[0]


# ---------------------------------------------------------------- ranks and pseudo-inverses


def _tolerance(
    g: Builder,
    self: Tensor,
    largest: Tensor,
    atol: Tensor | float | None,
    rtol: Tensor | float | None,
) -> Tensor:
    """max(atol, rtol * largest); without either, rtol is the longer side times the dtype's eps."""
    if rtol is None:
        eps = 2.0**-52 if largest.dtype == DOUBLE else 2.0**-23
        longer = sym_max(*self.require_shape()[-2:])
        default = g.Mul(g.constant(longer, largest.dtype), eps)
        if atol is None:
            rtol = default
        elif isinstance(atol, Tensor):
            rtol = g.Where(g.Greater(atol, 0), g.constant(0, largest.dtype), default)
        else:
            rtol = g.constant(0, largest.dtype) if atol > 0 else default
    relative = g.constant(rtol, largest.dtype)
    absolute = g.constant(0.0 if atol is None else atol, largest.dtype)
    return g.Max(absolute, g.Mul(relative, largest))


def _rank(
    g: Builder, self: Tensor, atol: Tensor | float | None, rtol: Tensor | float | None
) -> Tensor:
    """How many singular values are above the tolerance."""
    values = singular_values(g, self)
    if 0 in self.require_shape()[-2:]:
        return sum_dim(g, g.cast(values, INT64), -1)
    last = values.require_rank() - 1
    tolerance = _tolerance(g, self, extreme(g, values, last, False, largest=True), atol, rtol)
    above = g.Greater(values, g.Unsqueeze(tolerance, axes=[-1]))
    return sum_dim(g, above, last)


@symbolic(
    "aten::linalg_matrix_rank.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor"
)
def linalg_matrix_rank_atol_rtol_float(
    g: Builder,
    self: Tensor,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    hermitian: bool = False,
) -> Tensor:
    """How many singular values are above max(atol, rtol * the largest)."""
    return _rank(g, _mirrored(g, self, "L") if hermitian else self, atol, rtol)


@symbolic(
    "aten::linalg_matrix_rank.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor"
)
def linalg_matrix_rank_atol_rtol_tensor(
    g: Builder,
    input: Tensor,
    *,
    atol: Tensor | None = None,
    rtol: Tensor | None = None,
    hermitian: bool = False,
) -> Tensor:
    """How many singular values are above max(atol, rtol * the largest)."""
    return _rank(g, _mirrored(g, input, "L") if hermitian else input, atol, rtol)


@symbolic("aten::linalg_matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor")
def linalg_matrix_rank(g: Builder, self: Tensor, tol: float, hermitian: bool = False) -> Tensor:
    """How many singular values are above `tol`."""
    return _rank(g, _mirrored(g, self, "L") if hermitian else self, tol, 0.0)


@symbolic(
    "aten::linalg_matrix_rank.tol_tensor(Tensor input, Tensor tol, bool hermitian=False) -> Tensor"
)
def linalg_matrix_rank_tol_tensor(
    g: Builder, input: Tensor, tol: Tensor, hermitian: bool = False
) -> Tensor:
    """How many singular values are above `tol`."""
    return _rank(g, _mirrored(g, input, "L") if hermitian else input, tol, 0.0)


def _pseudo_inverse(
    g: Builder, self: Tensor, atol: Tensor | float | None, rtol: Tensor | float | None
) -> Tensor:
    """V diag(1 / S) U^H over the singular values above the tolerance, U being W / S."""
    if 0 in self.require_shape()[-2:]:
        return adjoint(g, self)
    return _inverse_and_values(g, self, atol, rtol)[0]


def _inverse_and_values(
    g: Builder, self: Tensor, atol: Tensor | float | None, rtol: Tensor | float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The pseudo-inverse of a matrix that isn't empty, how many singular values counted, and these.

    They are in no order.
    """
    upright, transposed = _upright(g, self)
    axis = upright.require_rank() - 2
    columns, v = _turned(g, upright)
    lengths = g.ReduceL2(columns, axes=[axis], keepdims=True)
    largest = g.ReduceMax(lengths, axes=[axis + 1], keepdims=True)
    if isinstance(atol, Tensor):
        atol = g.reshape(atol, [*atol.require_shape(), 1, 1])
    if isinstance(rtol, Tensor):
        rtol = g.reshape(rtol, [*rtol.require_shape(), 1, 1])
    counts = g.Greater(lengths, _tolerance(g, self, largest, atol, rtol))
    one, zero = g.constant(1, lengths.dtype), g.constant(0, lengths.dtype)
    share = g.Where(counts, g.Div(one, g.Where(counts, lengths, one)), zero)
    share = g.cast(share, self.dtype)
    result = g.MatMul(g.Mul(v, share), adjoint(g, g.Mul(columns, share)))
    rank = g.ReduceSum(g.cast(counts, INT64), axes=[axis, axis + 1], keepdims=False)
    values = g.Squeeze(lengths, axes=[axis])
    return adjoint(g, result) if transposed else result, rank, values


@symbolic(
    "aten::linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor"
)
def linalg_pinv_atol_rtol_float(
    g: Builder,
    self: Tensor,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    hermitian: bool = False,
) -> Tensor:
    """The pseudo-inverse; singular values up to max(atol, rtol * the largest) count as zero."""
    return _pseudo_inverse(g, _mirrored(g, self, "L") if hermitian else self, atol, rtol)


@symbolic(
    "aten::linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor"
)
def linalg_pinv_atol_rtol_tensor(
    g: Builder,
    self: Tensor,
    *,
    atol: Tensor | None = None,
    rtol: Tensor | None = None,
    hermitian: bool = False,
) -> Tensor:
    """The pseudo-inverse; singular values up to max(atol, rtol * the largest) count as zero."""
    return _pseudo_inverse(g, _mirrored(g, self, "L") if hermitian else self, atol, rtol)


@symbolic("aten::linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor")
def linalg_pinv(g: Builder, self: Tensor, rcond: float, hermitian: bool = False) -> Tensor:
    """The pseudo-inverse; singular values up to rcond * the largest count as zero."""
    return _pseudo_inverse(g, _mirrored(g, self, "L") if hermitian else self, 0.0, rcond)


@symbolic(
    "aten::linalg_pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor"
)
def linalg_pinv_rcond_tensor(
    g: Builder, self: Tensor, rcond: Tensor, hermitian: bool = False
) -> Tensor:
    """The pseudo-inverse; singular values up to rcond * the largest count as zero."""
    return _pseudo_inverse(g, _mirrored(g, self, "L") if hermitian else self, 0.0, rcond)


@symbolic("aten::pinverse(Tensor self, float rcond=1.0000000000000001e-15) -> Tensor")
def pinverse(g: Builder, self: Tensor, rcond: float = 1.0000000000000001e-15) -> Tensor:
    """The pseudo-inverse."""
    return linalg_pinv(g, self, rcond)


@symbolic(
    "aten::linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)"
)
def linalg_lstsq(
    g: Builder, self: Tensor, b: Tensor, rcond: float | None = None, *, driver: str | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The shortest x with the least |A x - b|: the pseudo-inverse times b.

    The driver decides on what else there is: gelsy, the default, tells the rank alone; gels, which
    takes the rank for full, the residuals alone; gelsd and gelss tell both, residuals only where
    every matrix has full rank, and the singular values.
    """
    rows, columns = self.require_shape()[-2:]
    vector = is_vector(self, b)
    right = g.Unsqueeze(b, axes=[-1]) if vector else b
    inverse, rank, values = _inverse_and_values(g, self, None, rcond)
    solution = g.MatMul(inverse, right)
    nothing = g.constant(np.zeros(0, values.dtype.numpy()))
    result = g.Squeeze(solution, axes=[-1]) if vector else solution
    if driver in (None, "gelsy"):
        return result, nothing, rank, nothing
    if is_ge(columns, rows) is None:
        raise Unsupported("lstsq of a matrix of which it is not known which side is longer")
    residuals = nothing
    if not is_ge(columns, rows):
        rest = g.Sub(g.MatMul(self, solution), right)
        residuals = g.ReduceSumSquare(rest, axes=[rest.require_rank() - 2], keepdims=False)
    if driver == "gels":
        return result, residuals, g.constant(np.zeros(0, np.int64)), nothing
    if residuals is not nothing:
        if self.require_rank() > 2:
            raise Unsupported(
                f"a batch of lstsq with driver={driver!r}: without full rank the residuals are empty"
            )
        full = g.reshape(g.Equal(rank, g.constant(columns, INT64)), [1])
        residuals = g.Slice(residuals, [0], g.Mul(g.cast(full, INT64), g.size(residuals, 0)), [0])
    count = sym_min(rows, columns)
    values = g.TopK(values, [count], axis=-1, largest=1, sorted=1, outputs=2)[0]
    return result, residuals, rank, values
