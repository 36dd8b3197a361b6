"""Triangular systems, Cholesky and QR factors; see `decompositions` for how they are made."""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.symbolic import sym_min
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.complex_numbers import adjoint as conjugated
from symbolics.elementwise.complex_numbers import conj, imag, real
from symbolics.linear_algebra.decompositions import identity, row_order
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import INT64, D, is_complex
from symbolics.views.shape import mT

__all__ = ["cholesky", "linalg_qr", "substituted"]


def _triangle(g: Builder, matrix: Tensor, *, upper: bool) -> Tensor:
    """One triangle with the diagonal, zero elsewhere."""
    rows, columns = matrix.require_shape()[-2:]
    row, column = g.Unsqueeze(consecutive(g, rows), axes=[1]), consecutive(g, columns)
    outside = g.Greater(row, column) if upper else g.Less(row, column)
    return g.Where(outside, g.constant(0, matrix.dtype), matrix)


def substituted(
    g: Builder, matrix: Tensor, right: Tensor, *, upper: bool, unit: bool = False
) -> Tensor:
    """X with triangle(matrix) @ X = right, row by row from the corner with one element.

    Rows of X that are not known yet are zero, so that a row of the matrix times X is the sum
    over the known ones.
    """
    size = matrix.require_shape()[-1]
    triangle = _triangle(g, matrix, upper=upper)
    rows = g.Unsqueeze(consecutive(g, size), axes=[1])
    start = g.Expand(g.constant(0, matrix.dtype), g.shape(g.MatMul(triangle, right)))

    def step(trip: Tensor, states: list[Tensor]) -> list[Tensor]:
        (x,) = states
        k = g.Sub(g.constant(size - 1, INT64), trip) if upper else trip
        row = g.Unsqueeze(g.Gather(triangle, k, axis=-2), axes=[-2])
        value = g.Sub(g.Unsqueeze(g.Gather(right, k, axis=-2), axes=[-2]), g.MatMul(row, x))
        if not unit:
            value = g.Div(value, g.Unsqueeze(g.Gather(row, k, axis=-1), axes=[-1]))
        return [g.Where(g.Equal(rows, k), value, x)]

    return loop(g, size, step, [start])[0]


@symbolic(
    "aten::linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor"
)
def linalg_solve_triangular(
    g: Builder,
    self: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Tensor:
    """X with A X = B, or X A = B if not `left`; the other triangle of A is not read."""
    matrix = _with_unit_diagonal(g, self) if unitriangular else self
    if left:
        return substituted(g, matrix, B, upper=upper)
    result = substituted(g, mT(g, matrix), mT(g, B), upper=not upper)
    return mT(g, result)


@symbolic(
    "aten::triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)"
)
def triangular_solve(
    g: Builder,
    self: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> tuple[Tensor, Tensor]:
    """X with A X = B, or with A^T X = B, and A: the form of old archives."""
    matrix = mT(g, A) if transpose else A
    side = bool(upper) != bool(transpose)
    return linalg_solve_triangular(g, matrix, self, upper=side, unitriangular=unitriangular), A


def _with_unit_diagonal(g: Builder, matrix: Tensor) -> Tensor:
    row = consecutive(g, matrix.require_shape()[-1])
    on_it = g.Equal(g.Unsqueeze(row, axes=[1]), row)
    return g.Where(on_it, g.constant(1, matrix.dtype), matrix)


# ---------------------------------------------------------------- Cholesky


def _cholesky(g: Builder, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The lower factor, and the number of the first leading part that is not positive definite.

    Column k is what the columns before leave of the matrix's, divided by the root of its head.
    """
    size = matrix.require_shape()[-1]
    index = consecutive(g, size)
    zero = g.constant(0, matrix.dtype)
    start = g.Expand(zero, g.shape(matrix))
    info = g.Expand(g.constant(0, INT64), list(matrix.require_shape()[:-2]))

    def step(k: Tensor, states: list[Tensor]) -> list[Tensor]:
        factor, info = states
        row = g.Unsqueeze(g.Gather(factor, k, axis=-2), axes=[-1])
        known = g.Squeeze(g.MatMul(factor, conj(g, row)), axes=[-1])
        rest = g.Sub(g.Gather(matrix, k, axis=-1), known)
        head = real(g, g.Gather(rest, k, axis=-1))
        fails = g.And(g.Equal(info, 0), g.Not(g.Greater(head, 0)))
        info = g.Where(fails, g.Add(k, 1), info)
        column = g.Div(rest, g.cast(g.Unsqueeze(g.Sqrt(head), axes=[-1]), rest.dtype))
        column = g.Where(g.Less(index, k), zero, column)
        return [g.Where(g.Equal(index, k), g.Unsqueeze(column, axes=[-1]), factor), info]

    factor, info = loop(g, size, step, [start, info])
    return factor, g.cast(info, D.INT32)


@symbolic(
    "aten::linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)"
)
def linalg_cholesky_ex(
    g: Builder, self: Tensor, *, upper: bool = False, check_errors: bool = False
) -> tuple[Tensor, Tensor]:
    """L with L L^H = self, or its adjoint if `upper`; one triangle of `self` is read."""
    factor, info = _cholesky(g, conjugated(g, self) if upper else self)
    return conjugated(g, factor) if upper else factor, info


@symbolic("aten::linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor")
def linalg_cholesky(g: Builder, self: Tensor, *, upper: bool = False) -> Tensor:
    """The Cholesky factor; NaN where the matrix is not positive definite."""
    return linalg_cholesky_ex(g, self, upper=upper)[0]


@symbolic("aten::cholesky(Tensor self, bool upper=False) -> Tensor")
def cholesky(g: Builder, self: Tensor, upper: bool = False) -> Tensor:
    """The Cholesky factor; NaN where the matrix is not positive definite."""
    return linalg_cholesky(g, self, upper=upper)


@symbolic("aten::cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor")
def cholesky_solve(g: Builder, self: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    """X with A X = self, where `input2` is A's Cholesky factor."""
    lower = conjugated(g, input2) if upper else input2
    half = substituted(g, lower, self, upper=False)
    return substituted(g, conjugated(g, lower), half, upper=True)


@symbolic("aten::_cholesky_solve_helper(Tensor self, Tensor A, bool upper) -> Tensor")
def _cholesky_solve_helper(g: Builder, self: Tensor, A: Tensor, upper: bool) -> Tensor:
    """`cholesky_solve`."""
    return cholesky_solve(g, self, A, upper)


@symbolic("aten::cholesky_inverse(Tensor self, bool upper=False) -> Tensor")
def cholesky_inverse(g: Builder, self: Tensor, upper: bool = False) -> Tensor:
    """The inverse of the matrix whose Cholesky factor this is."""
    return cholesky_solve(g, identity(g, g.size(self, -1), self.dtype), self, upper)


# ---------------------------------------------------------------- LU solutions


@symbolic(
    "aten::linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor"
)
def linalg_lu_solve(
    g: Builder,
    LU: Tensor,
    pivots: Tensor,
    B: Tensor,
    *,
    left: bool = True,
    adjoint: bool = False,
) -> Tensor:
    """X with A X = B for a factored A (A^H if `adjoint`), or X A = B if not `left`."""
    if not left:
        result = linalg_lu_solve(g, LU, pivots, conjugated(g, B), adjoint=not adjoint)
        return conjugated(g, result)
    lower = _with_unit_diagonal(g, LU)
    order = row_order(g, pivots, g.size(LU, -2))
    rows = consecutive(g, g.size(LU, -2))
    # P^T as a matrix: it may broadcast against the batch of B, as Gather could not.
    moves = g.cast(g.Equal(g.Unsqueeze(order, axes=[-1]), rows), LU.dtype)
    if adjoint:
        half = substituted(g, conjugated(g, LU), B, upper=False)
        half = substituted(g, conjugated(g, lower), half, upper=True)
        return g.MatMul(mT(g, moves), half)
    half = substituted(g, lower, g.MatMul(moves, B), upper=False)
    return substituted(g, LU, half, upper=True)


@symbolic("aten::lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor")
def lu_solve(g: Builder, self: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """X with A X = self for a factored A."""
    return linalg_lu_solve(g, LU_data, LU_pivots, self)


# ---------------------------------------------------------------- QR


def _reflection(
    g: Builder, column: Tensor, k: Tensor, index: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The vector v (1 at k, zero before), tau and beta of column k's reflection, as LAPACK's.

    beta is minus the sign of the head times the norm from the head on; v is the rest over
    head - beta; tau is (beta - head) / beta. A rest of zeros needs no reflection: tau is 0. A
    complex head is reflected onto a real beta, and its real part has the sign that counts.
    """
    zero, one = g.constant(0, column.dtype), g.constant(1, column.dtype)
    head = g.Unsqueeze(g.Gather(column, k, axis=-1), axes=[-1])
    rest = g.Where(g.Greater(index, k), column, zero)
    squares = g.ReduceSumSquare(rest, axes=[rest.require_rank() - 1], keepdims=True)
    if is_complex(column.dtype):
        of_head = g.ReduceSumSquare(head, axes=[head.require_rank() - 1], keepdims=True)
        nothing = g.And(g.Equal(squares, 0), g.Equal(imag(g, head), 0))
    else:
        of_head, nothing = g.Mul(head, head), g.Equal(squares, 0)
    norm = g.Sqrt(g.Add(of_head, squares))
    beta = g.cast(g.Where(g.Less(real(g, head), 0), norm, g.Neg(norm)), column.dtype)
    divisor = g.Where(nothing, one, beta)
    tau = g.Where(nothing, zero, g.Div(g.Sub(beta, head), divisor))
    over = g.Where(nothing, one, g.Sub(head, beta))
    v = g.Where(g.Equal(index, k), one, g.Div(rest, over))
    return v, tau, g.Where(nothing, head, beta)


def _reflected(g: Builder, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Q (square) and R: both are reflected at each column's vector in turn."""
    rows, columns = matrix.require_shape()[-2:]
    index = consecutive(g, rows)
    batch = list(matrix.require_shape()[:-2])
    start = g.Expand(identity(g, rows, matrix.dtype), [*batch, rows, rows])

    def step(k: Tensor, states: list[Tensor]) -> list[Tensor]:
        q, r = states
        v, tau, _ = _reflection(g, g.Gather(r, k, axis=-1), k, index)
        v_row = g.Unsqueeze(conj(g, v), axes=[-2])
        weighted = g.Unsqueeze(g.Mul(conj(g, tau), v), axes=[-1])
        r = g.Sub(r, g.MatMul(weighted, g.MatMul(v_row, r)))
        q_v = g.MatMul(q, g.Unsqueeze(v, axes=[-1]))
        return [g.Sub(q, g.MatMul(q_v, conjugated(g, weighted))), r]

    q, r = loop(g, sym_min(rows, columns), step, [start, matrix])
    return q, _triangle(g, r, upper=True)


@symbolic("aten::geqrf(Tensor self) -> (Tensor a, Tensor tau)")
def geqrf(g: Builder, self: Tensor) -> tuple[Tensor, Tensor]:
    """R on and above the diagonal, the reflections' vectors below it, and their taus."""
    *batch, rows, columns = self.require_shape()
    steps = sym_min(rows, columns)
    index, step_index, column_index = (
        consecutive(g, rows),
        consecutive(g, steps),
        consecutive(g, columns),
    )
    taus = g.Expand(g.constant(0, self.dtype), [*batch, steps])

    def step(k: Tensor, states: list[Tensor]) -> list[Tensor]:
        a, taus = states
        v, tau, beta = _reflection(g, g.Gather(a, k, axis=-1), k, index)
        v = g.Where(g.Less(index, k), g.constant(0, self.dtype), v)
        products = g.MatMul(g.Unsqueeze(conj(g, v), axes=[-2]), a)
        weighted = g.Unsqueeze(g.Mul(conj(g, tau), v), axes=[-1])
        reflected = g.Sub(a, g.MatMul(weighted, products))
        stored = g.Where(g.Equal(index, k), beta, v)
        stored = g.Where(g.Less(index, k), g.Gather(a, k, axis=-1), stored)
        a = g.Where(g.Greater(column_index, k), reflected, a)
        a = g.Where(g.Equal(column_index, k), g.Unsqueeze(stored, axes=[-1]), a)
        return [a, g.Where(g.Equal(step_index, k), tau, taus)]

    a, taus = loop(g, steps, step, [self, taus])
    return a, taus


@symbolic('aten::linalg_qr(Tensor A, str mode="reduced") -> (Tensor Q, Tensor R)')
def linalg_qr(g: Builder, A: Tensor, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """A = Q R with orthonormal columns in Q; "complete" has Q square, "r" has none."""
    if mode not in ("reduced", "complete", "r"):
        raise Unsupported(f"QR with mode {mode!r}")
    rows, columns = A.require_shape()[-2:]
    q, r = _reflected(g, A)
    if mode == "complete":
        return q, r
    least = sym_min(rows, columns)
    r = g.Slice(r, [0], [least], [-2])
    if mode == "r":
        return g.Expand(g.constant(0, A.dtype), [0]), r
    return g.Slice(q, [0], [least], [-1]), r


@symbolic("aten::qr(Tensor self, bool some=True) -> (Tensor Q, Tensor R)")
def qr(g: Builder, self: Tensor, some: bool = True) -> tuple[Tensor, Tensor]:
    """A = Q R; Q is square unless `some`."""
    return linalg_qr(g, self, "reduced" if some else "complete")


@symbolic("aten::linalg_householder_product(Tensor input, Tensor tau) -> Tensor")
def linalg_householder_product(g: Builder, input: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of the reflections whose vectors lie below the diagonal."""
    rows, columns = input.require_shape()[-2:]
    index = consecutive(g, rows)
    batch = list(input.require_shape()[:-2])
    start = g.Expand(identity(g, rows, input.dtype), [*batch, rows, rows])
    zero, one = g.constant(0, input.dtype), g.constant(1, input.dtype)

    def step(k: Tensor, states: list[Tensor]) -> list[Tensor]:
        (q,) = states
        rest = g.Where(g.Greater(index, k), g.Gather(input, k, axis=-1), zero)
        v = g.Unsqueeze(g.Where(g.Equal(index, k), one, rest), axes=[-1])
        factor = g.Unsqueeze(g.Unsqueeze(g.Gather(tau, k, axis=-1), axes=[-1]), axes=[-1])
        return [g.Sub(q, g.MatMul(g.MatMul(q, v), g.Mul(factor, conjugated(g, v))))]

    q = loop(g, tau.require_shape()[-1], step, [start])[0]
    return g.Slice(q, [0], [columns], [-1])


@symbolic("aten::orgqr(Tensor self, Tensor input2) -> Tensor")
def orgqr(g: Builder, self: Tensor, input2: Tensor) -> Tensor:
    """Another name of `linalg_householder_product`."""
    return linalg_householder_product(g, self, input2)


@symbolic(
    "aten::ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor"
)
def ormqr(
    g: Builder,
    self: Tensor,
    input2: Tensor,
    input3: Tensor,
    left: bool = True,
    transpose: bool = False,
) -> Tensor:
    """`input3` times the square Q of the reflections in `self` and their taus `input2`."""
    *batch, rows, _ = self.require_shape()
    count = g.size(input2, -1)
    self = g.Slice(self, [0], [count], [-1])
    missing = rows - count
    if not (isinstance(missing, int) and missing == 0):
        zeros = g.Expand(g.constant(0, self.dtype), [*batch, rows, missing])
        self = g.Concat(self, zeros, axis=-1)
    q = linalg_householder_product(g, self, input2)
    q = conjugated(g, q) if transpose else q
    return g.MatMul(q, input3) if left else g.MatMul(input3, q)
