"""Determinants, inverses and linear systems; LU, Cholesky and QR factors.

ONNX has nothing of this but Det. Each is its textbook algorithm, one column a trip of a Loop (a few
are written out), batches going in step. Pivots are chosen as LAPACK does, so that
factors agree and not just their products. Where PyTorch raises an error for a singular matrix, the
result here holds inf or NaN.

Singular values and eigenvalues are in `spectral`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import parts
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import Dim, SymInt, sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import BOOL, DOUBLE, FLOAT, INT64, D, is_complex
from symbolics.views.shape import mT

__all__ = ["identity", "is_vector", "linalg_inv", "solved"]


# ---------------------------------------------------------------- pieces


def identity(g: Builder, size: Dim, dtype: D) -> Tensor:
    """The identity matrix."""
    row = consecutive(g, size)
    return g.cast(g.Equal(g.Unsqueeze(row, axes=[1]), row), dtype)


def _column(g: Builder, matrix: Tensor, index: Tensor) -> Tensor:
    """A column (..., rows); the index is 0-d."""
    return g.Gather(matrix, index, axis=-1)


def _row(g: Builder, matrix: Tensor, index: Tensor) -> Tensor:
    """A row (..., columns); the index is 0-d."""
    return g.Gather(matrix, index, axis=-2)


def _diagonal(g: Builder, matrix: Tensor) -> Tensor:
    """The diagonal, as the last dim."""
    *batch, rows, columns = matrix.require_shape()
    flat = g.reshape(matrix, [*batch, rows * columns])
    end = sym_min(rows, columns) * columns
    return g.Slice(flat, [0], [end], [len(batch)], [columns + 1])


def _exchanged(g: Builder, matrix: Tensor, k: Tensor, pivot: Tensor) -> Tensor:
    """The matrix with rows k (0-d) and pivot (one a batch element) exchanged."""
    rows = consecutive(g, g.size(matrix, -2))
    at = g.Unsqueeze(pivot, axes=[-1])
    order = g.Where(g.Equal(rows, k), at, g.Where(g.Equal(rows, at), k, rows))
    order = g.Expand(g.Unsqueeze(order, axes=[-1]), g.shape(matrix))
    return g.GatherElements(matrix, order, axis=-2)


def _pivot(g: Builder, matrix: Tensor, k: Tensor) -> Tensor:
    """The row, from k on, with the largest element in column k; the first of equal ones."""
    rows = consecutive(g, g.size(matrix, -2))
    column = _column(g, matrix, k)
    if is_complex(column.dtype):
        # LAPACK takes the sum of both parts' sizes for that of a complex number.
        sizes = g.Add(*(g.Abs(p) for p in parts(g, column)))
    else:
        sizes = g.Abs(column)
    below = g.Where(g.Less(rows, k), g.constant(-1, sizes.dtype), sizes)
    return g.ArgMax(below, axis=below.require_rank() - 1, keepdims=False)


def _over_last(g: Builder, op_type: str, tensor: Tensor) -> Tensor:
    """A reduction over the last dim, counted from the front.

    onnxruntime 1.31 gives an empty tensor the wrong shape for an axis of -1.
    """
    return getattr(g, op_type)(tensor, axes=[tensor.require_rank() - 1], keepdims=False)


def _last_two(matrix: Tensor, what: str) -> tuple[Dim, Dim]:
    if matrix.require_rank() < 2:
        raise Unsupported(f"{what} of a tensor with {matrix.rank} dims: it wants matrices")
    rows, columns = matrix.require_shape()[-2:]
    return rows, columns


# ---------------------------------------------------------------- LU


def _factored(g: Builder, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """L and U in one matrix, the row order as indices, and pivots counted from 1.

    For each column k: exchange rows so that the largest element from k on is at (k, k); divide
    the column below by it; subtract the products of column and row from what is right and below.
    """
    rows, columns = _last_two(matrix, "the LU factors")
    batch = matrix.require_shape()[:-2]
    steps = sym_min(rows, columns)
    row_index, column_index = consecutive(g, rows), consecutive(g, columns)
    order = g.Expand(row_index, [*batch, rows])
    pivots = g.Expand(g.constant(0, INT64), [*batch, steps])
    step_index = consecutive(g, steps)

    def step(k: Tensor, states: list[Tensor]) -> list[Tensor]:
        lu, order, pivots = states
        pivot = _pivot(g, lu, k)
        lu = _exchanged(g, lu, k, pivot)
        order = g.Squeeze(_exchanged(g, g.Unsqueeze(order, axes=[-1]), k, pivot), axes=[-1])
        at = g.Add(g.Unsqueeze(pivot, axes=[-1]), 1)
        pivots = g.Where(g.Equal(step_index, k), at, pivots)
        column, row = _column(g, lu, k), _row(g, lu, k)
        divisor = g.Unsqueeze(g.Gather(row, k, axis=-1), axes=[-1])
        zero = g.constant(0, matrix.dtype)
        below = g.And(g.Greater(row_index, k), g.Not(g.Equal(divisor, 0)))
        factor = g.Unsqueeze(g.Where(below, g.Div(column, divisor), zero), axes=[-1])
        right = g.Unsqueeze(g.Where(g.Greater(column_index, k), row, zero), axes=[-2])
        lu = g.Sub(lu, g.Mul(factor, right))
        in_column = g.And(g.Equal(column_index, k), g.Unsqueeze(below, axes=[-1]))
        return [g.Where(in_column, factor, lu), order, pivots]

    lu, order, pivots = loop(g, steps, step, [matrix, order, pivots])
    return lu, order, g.cast(pivots, D.INT32)


def _first_zero(g: Builder, matrix: Tensor) -> Tensor:
    """The number (from 1) of the first zero on the diagonal, 0 if there is none: LAPACK's info."""
    zero = g.cast(g.Equal(_diagonal(g, matrix), 0), D.INT32)
    # An axis of size 1 more, for ArgMax can't take an empty one.
    zero = g.Concat(
        zero, g.Expand(g.constant(0, D.INT32), [*zero.require_shape()[:-1], 1]), axis=-1
    )
    axis = zero.require_rank() - 1
    first = g.Add(g.ArgMax(zero, axis=axis, keepdims=False), 1)
    found = g.cast(g.ReduceMax(zero, axes=[axis], keepdims=False), BOOL)
    return g.cast(g.Where(found, first, g.constant(0, INT64)), D.INT32)


def _swap_sign(g: Builder, pivots: Tensor, dtype: D) -> Tensor:
    """-1 where the number of exchanges is odd, else 1."""
    count = g.size(pivots, -1)
    moved = g.Not(g.Equal(g.cast(pivots, INT64), g.Add(consecutive(g, count), 1)))
    number = _over_last(g, "ReduceSum", g.cast(moved, INT64))
    odd = g.cast(g.Mod(number, 2), dtype)
    return g.Sub(1.0, g.Mul(odd, 2.0))


@symbolic(
    "aten::linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)"
)
def linalg_lu_factor_ex(
    g: Builder, A: Tensor, *, pivot: bool = True, check_errors: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """L below and U on and above the diagonal, the row exchanges, and the first zero pivot."""
    if not pivot:
        raise Raised("LU without pivoting: PyTorch has it on CUDA only")
    lu, _, pivots = _factored(g, A)
    return lu, pivots, _first_zero(g, lu)


@symbolic("aten::linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)")
def linalg_lu_factor(g: Builder, A: Tensor, *, pivot: bool = True) -> tuple[Tensor, Tensor]:
    """L below and U on and above the diagonal, and the row exchanges."""
    return linalg_lu_factor_ex(g, A, pivot=pivot)[:2]


@symbolic(
    "aten::_lu_with_info(Tensor self, bool pivot=True, bool check_errors=True) -> (Tensor LU, Tensor pivots, Tensor info)"
)
def _lu_with_info(
    g: Builder, self: Tensor, pivot: bool = True, check_errors: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Another name of `linalg_lu_factor_ex`."""
    return linalg_lu_factor_ex(g, self, pivot=pivot)


@symbolic("aten::linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)")
def linalg_lu(g: Builder, A: Tensor, *, pivot: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """A = P L U."""
    if not pivot:
        raise Raised("LU without pivoting: PyTorch has it on CUDA only")
    lu, order, _ = _factored(g, A)
    lower, upper = _triangles(g, lu)
    return _permutation(g, order, A.dtype), lower, upper


def _permutation(g: Builder, order: Tensor, dtype: D) -> Tensor:
    """P with P[order[i], i] = 1."""
    rows = g.Unsqueeze(consecutive(g, g.size(order, -1)), axes=[-1])
    return g.cast(g.Equal(rows, g.Unsqueeze(order, axes=[-2])), dtype)


def _triangles(g: Builder, lu: Tensor) -> tuple[Tensor, Tensor]:
    """L with ones on the diagonal, and U, each cut to the smaller size."""
    rows, columns = _last_two(lu, "LU")
    least = sym_min(rows, columns)
    lower = g.Slice(lu, [0], [least], [-1])
    upper = g.Slice(lu, [0], [least], [-2])
    zero = g.constant(0, lu.dtype)
    row, column = g.Unsqueeze(consecutive(g, rows), axes=[1]), consecutive(g, least)
    ones = g.cast(g.Equal(row, column), lu.dtype)
    lower = g.Add(g.Where(g.Greater(row, column), lower, zero), ones)
    row, column = g.Unsqueeze(consecutive(g, least), axes=[1]), consecutive(g, columns)
    return lower, g.Where(g.Greater(row, column), zero, upper)


@symbolic(
    "aten::lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)"
)
def lu_unpack(
    g: Builder,
    LU_data: Tensor,
    LU_pivots: Tensor,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """P, L and U of a packed factorisation; what is not asked for is empty."""
    nothing = g.Expand(g.constant(0, LU_data.dtype), [0])
    permutation, lower, upper = nothing, nothing, nothing
    if unpack_pivots:
        order = row_order(g, LU_pivots, g.size(LU_data, -2))
        permutation = _permutation(g, order, LU_data.dtype)
    if unpack_data:
        lower, upper = _triangles(g, LU_data)
    return permutation, lower, upper


def row_order(g: Builder, pivots: Tensor, rows: Dim) -> Tensor:
    """The row order that the exchanges lead to."""
    *batch, steps = pivots.require_shape()
    pivots = g.cast(pivots, INT64)
    order = g.Expand(g.Unsqueeze(consecutive(g, rows), axes=[-1]), [*batch, rows, 1])

    def step(k: Tensor, states: list[Tensor]) -> list[Tensor]:
        return [_exchanged(g, states[0], k, g.Sub(g.Gather(pivots, k, axis=-1), 1))]

    return g.Squeeze(loop(g, steps, step, [order])[0], axes=[-1])


# ---------------------------------------------------------------- determinants


@symbolic("aten::linalg_det(Tensor A) -> Tensor")
def linalg_det(g: Builder, A: Tensor) -> Tensor:
    """The determinant. onnxruntime has Det for float32 alone; others multiply U's diagonal."""
    if A.dtype == FLOAT and A.static_shape is not None and 0 not in A.static_shape:
        return g.Det(A)
    lu, _, pivots = _factored(g, A)
    product = _over_last(g, "ReduceProd", _diagonal(g, lu))
    return g.Mul(product, _swap_sign(g, pivots, A.dtype))


@symbolic("aten::det(Tensor self) -> Tensor")
def det(g: Builder, self: Tensor) -> Tensor:
    """The determinant."""
    return linalg_det(g, self)


@symbolic("aten::_linalg_det(Tensor A) -> (Tensor result, Tensor LU, Tensor pivots)")
def _linalg_det(g: Builder, A: Tensor) -> tuple[Tensor | None, ...]:
    """The determinant. The factors are of A or of its transpose, by A's strides: not given."""
    return linalg_det(g, A), None, None


@symbolic("aten::linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)")
def linalg_slogdet(g: Builder, A: Tensor) -> tuple[Tensor, Tensor]:
    """The determinant's sign, and the logarithm of its absolute value, which can't overflow."""
    if g.fold and A.array is not None and A.dtype in (FLOAT, DOUBLE):
        known, size = np.linalg.slogdet(A.array)
        return g.constant(np.asarray(known)), g.constant(np.asarray(size))
    lu, _, pivots = _factored(g, A)
    diagonal = _diagonal(g, lu)
    sign = _over_last(g, "ReduceProd", g.Sign(diagonal))
    logarithm = _over_last(g, "ReduceSum", g.Log(g.Abs(diagonal)))
    return g.Mul(sign, _swap_sign(g, pivots, A.dtype)), logarithm


@symbolic(
    "aten::_linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet, Tensor LU, Tensor pivots)"
)
def _linalg_slogdet(g: Builder, A: Tensor) -> tuple[Tensor | None, ...]:
    """`linalg_slogdet`; for the factors see `_linalg_det`."""
    return (*linalg_slogdet(g, A), None, None)


@symbolic("aten::slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)")
def slogdet(g: Builder, self: Tensor) -> tuple[Tensor, Tensor]:
    """Another name of `linalg_slogdet`."""
    return linalg_slogdet(g, self)


@symbolic("aten::logdet(Tensor self) -> Tensor")
def logdet(g: Builder, self: Tensor) -> Tensor:
    """The logarithm of the determinant; NaN where that is negative."""
    sign, logarithm = linalg_slogdet(g, self)
    if is_complex(self.dtype):
        return g.Add(g.Log(sign), logarithm)
    return g.Where(g.Less(sign, 0), g.constant(float("nan"), self.dtype), logarithm)


# ---------------------------------------------------------------- inverses and systems


def solved(g: Builder, matrix: Tensor, right: Tensor) -> Tensor:
    """X with matrix @ X = right, by Gauss and Jordan's elimination with row exchanges.

    Both stand side by side; for each column k the pivot's row is divided by the pivot, and
    subtracted from all others so often that the column becomes zero there.
    """
    size, _ = _last_two(matrix, "the inverse")
    batch = g.shape(g.Add(_corner(g, matrix), _corner(g, right)))
    if matrix.require_rank() > 2 or right.require_rank() > 2:
        matrix = g.Expand(matrix, g.Concat(batch, g.constant([size, size], INT64), axis=0))
        wide = g.constant([size, g.size(right, -1)], INT64)
        right = g.Expand(right, g.Concat(batch, wide, axis=0))
    both = g.Concat(matrix, right, axis=-1)
    rows = g.Unsqueeze(consecutive(g, size), axes=[1])

    def step(k: Tensor, states: list[Tensor]) -> list[Tensor]:
        (current,) = states
        current = _exchanged(g, current, k, _pivot(g, current, k))
        row = _row(g, current, k)
        divisor = g.Unsqueeze(g.Gather(row, k, axis=-1), axes=[-1])
        unit = g.Unsqueeze(g.Div(row, divisor), axes=[-2])
        column = g.Unsqueeze(_column(g, current, k), axes=[-1])
        return [g.Where(g.Equal(rows, k), unit, g.Sub(current, g.Mul(column, unit)))]

    result = loop(g, size, step, [both])[0]
    return g.Slice(result, [size], [2**63 - 1], [-1])


def _corner(g: Builder, matrix: Tensor) -> Tensor:
    """A tensor of the batch's shape."""
    batch = list(matrix.require_shape()[:-2])
    return g.Expand(g.constant(0, FLOAT), batch)


@symbolic("aten::linalg_inv(Tensor A) -> Tensor")
def linalg_inv(g: Builder, A: Tensor) -> Tensor:
    """The inverse; of a singular matrix inf and NaN.

    That of a parameter, as the 1x1 convolutions of flows have it, is computed here.
    """
    size, _ = _last_two(A, "the inverse")
    if size == 0:
        return A
    if g.fold and A.array is not None and A.dtype in (FLOAT, DOUBLE):
        try:
            return g.constant(np.linalg.inv(A.array))
        except np.linalg.LinAlgError:
            pass  # the matrix is singular
    return solved(g, A, identity(g, size, A.dtype))


@symbolic("aten::inverse(Tensor self) -> Tensor")
def inverse(g: Builder, self: Tensor) -> Tensor:
    """Another name of `linalg_inv`."""
    return linalg_inv(g, self)


@symbolic(
    "aten::linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)"
)
def linalg_inv_ex(g: Builder, A: Tensor, *, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    """The inverse, and the number of the first zero pivot."""
    return linalg_inv(g, A), _first_zero(g, _factored(g, A)[0])


def is_vector(left: Tensor, right: Tensor) -> bool:
    """Whether B is a batch of vectors: 1-D, or of the shape of A without its last dim."""
    if right.require_rank() == 1 or left.require_rank() - 1 != right.require_rank():
        return right.require_rank() == 1
    gaps = [a - b for a, b in zip(left.require_shape(), right.require_shape(), strict=False)]
    if any(isinstance(gap, int) and gap != 0 for gap in gaps):
        return False
    if any(isinstance(gap, SymInt) for gap in gaps):
        raise Unsupported(
            f"solve of {right!r} by {left!r}: it is a batch of vectors if its sizes are those of "
            "the matrices without the last, else of matrices; give axes of equal size one name"
        )
    return True


@symbolic("aten::linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor")
def linalg_solve(g: Builder, A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or X A = B if not `left`."""
    vector = is_vector(A, B)
    right = g.Unsqueeze(B, axes=[-1]) if vector else B
    result = solved(g, A, right) if left or vector else mT(g, solved(g, mT(g, A), mT(g, right)))
    return g.Squeeze(result, axes=[-1]) if vector else result


@symbolic(
    "aten::linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)"
)
def linalg_solve_ex(
    g: Builder, A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False
) -> tuple[Tensor, Tensor]:
    """The solution, and the number of the first zero pivot."""
    return linalg_solve(g, A, B, left=left), _first_zero(g, _factored(g, A)[0])


@symbolic(
    "aten::_linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor LU, Tensor pivots, Tensor info)"
)
def _linalg_solve_ex(
    g: Builder, A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False
) -> tuple[Tensor, ...]:
    """`linalg_solve_ex`, and the factors it comes from."""
    lu, pivots, info = linalg_lu_factor_ex(g, A)
    return linalg_solve(g, A, B, left=left), lu, pivots, info


@symbolic("aten::linalg_tensorinv(Tensor self, int ind=2) -> Tensor")
def linalg_tensorinv(g: Builder, self: Tensor, ind: int = 2) -> Tensor:
    """The inverse of the matrix whose rows are the first `ind` dims, and its columns the rest."""
    shape = self.require_shape()
    rows = _total(shape[:ind])
    matrix = g.reshape(self, [rows, _total(shape[ind:])])
    return g.reshape(linalg_inv(g, matrix), [*shape[ind:], *shape[:ind]])


@symbolic("aten::linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor")
def linalg_tensorsolve(
    g: Builder, self: Tensor, other: Tensor, dims: Sequence[int] | None = None
) -> Tensor:
    """X with tensordot(self, X, X's rank) = other; `dims` of `self` are moved to its end first."""
    rank = self.require_rank()
    if dims is not None:
        moved = [d % rank for d in dims]
        self = g.Transpose(self, perm=[i for i in range(rank) if i not in moved] + moved)
    shape = self.require_shape()[other.require_rank() :]
    size = _total(other.require_shape())
    matrix = g.reshape(self, [size, _total(shape)])
    return g.reshape(solved(g, matrix, g.reshape(other, [size, 1])), list(shape))


def _total(sizes: Sequence[Dim]) -> Dim:
    total: Dim = 1
    for size in sizes:
        total = total * size
    return total
