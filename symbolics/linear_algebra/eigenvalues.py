"""Eigenvalues of matrices that need not be symmetric. Those of symmetric ones are in `spectral`.

The matrix is turned into an upper triangle by QR steps, in complex doubles. PyTorch gives the values
in no specific order, and the vectors up to a number of length 1; here both are others.
"""

from __future__ import annotations

import math

import numpy as np

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import make, parts
from exporter.onnx_graph.loops import loop, loop_while
from exporter.onnx_graph.ranges import consecutive
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.complex_numbers import adjoint, conj
from symbolics.linear_algebra.decompositions import identity
from symbolics.linear_algebra.triangular import linalg_qr
from symbolics.registry import Unsupported, symbolic
from symbolics.rules import DOUBLE, INT64, D, is_complex

__all__: list[str] = []

# What is left below the diagonal counts as zero from here on, as a share of the matrix's length.
SMALL = 1e-14
# A step in so many takes another shift, for the usual one leads some matrices in a circle.
UNUSUAL = 10
STEPS_FOR_EACH = 30


def _triangle(g: Builder, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Schur's form: a unitary Q and an upper triangle T with matrix = Q T Q^H.

    1. `left` rows and columns are still to do. The shift is that eigenvalue of their last two rows
       and columns which is nearer to the last diagonal element.
    2. T, shifted, is Q R; with this Q it becomes Q^H T Q, whose last row is nearer to the triangle's.
    3. Once that row is zero before the diagonal, it is done.

    Where the steps do not come to an end, the triangle is NaN.
    """
    *batch, size, _ = matrix.require_shape()
    dtype, axes = matrix.dtype, [len(batch), len(batch) + 1]
    column = consecutive(g, size)
    row = g.Unsqueeze(column, axes=[1])
    zero, unit = g.constant(0, dtype), identity(g, size, dtype)
    enough = g.Mul(g.ReduceL2(matrix, axes=axes, keepdims=True), SMALL)

    def entry(t: Tensor, i: Tensor, j: Tensor) -> Tensor:
        here = g.And(g.Equal(row, i), g.Equal(column, j))
        return g.ReduceSum(g.Where(here, t, zero), axes=axes, keepdims=True)

    def below(t: Tensor, last: Tensor) -> Tensor:
        """The length of the last row before the diagonal."""
        rest = g.And(g.Equal(row, last), g.Less(column, last))
        return g.ReduceL2(g.Where(rest, t, zero), axes=axes, keepdims=True)

    def step(states: list[Tensor]) -> list[Tensor]:
        q, t, left, count = states
        last = g.Sub(left, 1)
        before = g.Sub(left, 2)
        corner = entry(t, last, last)
        half = g.Mul(g.Sub(entry(t, before, before), corner), 0.5)
        product = g.Mul(entry(t, before, last), entry(t, last, before))
        root = g.Sqrt(g.Add(g.Mul(half, half), product))
        plus, minus = g.Add(half, root), g.Sub(half, root)
        usual = g.Where(g.Less(g.Abs(plus), g.Abs(minus)), plus, minus)
        other = g.cast(g.Mul(below(t, last), 0.75), dtype)
        is_other = g.Equal(g.Mod(count, UNUSUAL), UNUSUAL - 1)
        shift = g.Add(corner, g.Where(is_other, other, usual))
        active = g.And(g.Less(row, left), g.Less(column, left))
        shifted = g.Where(active, g.Sub(t, g.Mul(unit, shift)), unit)
        turn = linalg_qr(g, shifted, "complete")[0]
        t = g.MatMul(adjoint(g, turn), g.MatMul(t, turn))
        done = g.LessOrEqual(below(t, last), enough)
        return [g.MatMul(q, turn), t, g.Sub(left, g.cast(done, INT64)), g.Add(count, 1)]

    def going(states: list[Tensor]) -> Tensor:
        unfinished = g.Greater(g.ReduceMax(states[2], keepdims=False), 1)
        return g.And(unfinished, g.Less(states[3], STEPS_FOR_EACH * size))

    start = g.Expand(unit, [*batch, size, size])
    left = g.Expand(g.constant(size, INT64), [*batch, 1, 1])
    q, t, left, _ = loop_while(g, going, step, [start, matrix, left, g.constant(0, INT64)])
    return q, g.Where(g.Greater(left, 1), g.constant(math.nan, dtype), t)


def _diagonal(g: Builder, triangle: Tensor) -> Tensor:
    axis = triangle.require_rank() - 1
    on_it = g.Mul(triangle, identity(g, g.size(triangle, -1), triangle.dtype))
    return g.ReduceSum(on_it, axes=[axis], keepdims=False)


def _vectors(g: Builder, q: Tensor, triangle: Tensor, values: Tensor) -> Tensor:
    """Eigenvectors of length 1, the largest element of each of them real.

    Those of the triangle are found from the diagonal upwards, a row of all vectors at a time. Where
    an eigenvalue comes again, the number that it would be divided by is a tiny one.
    """
    *batch, size, _ = triangle.require_shape()
    dtype, rank = triangle.dtype, len(batch) + 2
    column = consecutive(g, size)
    row = g.Unsqueeze(column, axes=[1])
    zero, one = g.constant(0, dtype), g.constant(1, dtype)
    values = g.Unsqueeze(values, axes=[rank - 2])
    tiny = g.Mul(g.ReduceL2(triangle, axes=[rank - 2, rank - 1], keepdims=True), 2.0**-52)
    tiny = g.Max(tiny, 2.0**-1000)

    def step(trip: Tensor, states: list[Tensor]) -> list[Tensor]:
        (found,) = states
        k = g.Sub(g.constant(size - 1, INT64), trip)
        whole = g.Unsqueeze(g.Gather(triangle, k, axis=rank - 2), axes=[rank - 2])
        behind = g.Where(g.Greater(column, k), whole, zero)
        here = g.ReduceSum(g.Where(g.Equal(column, k), whole, zero), axes=[rank - 1], keepdims=True)
        divisor = g.Sub(here, values)
        divisor = g.Where(g.Less(g.Abs(divisor), tiny), g.cast(tiny, dtype), divisor)
        above = g.Neg(g.Div(g.MatMul(behind, found), divisor))
        new = g.Where(g.Equal(column, k), one, g.Where(g.Greater(column, k), above, zero))
        return [g.Where(g.Equal(row, k), new, found)]

    start = g.Expand(zero, [*batch, size, size])
    vectors = g.MatMul(q, loop(g, size, step, [start])[0])
    length = g.ReduceL2(vectors, axes=[rank - 2], keepdims=True)
    vectors = g.Div(vectors, g.cast(length, dtype))
    sizes = g.Abs(vectors)
    largest = g.ArgMax(sizes, axis=rank - 2, keepdims=True)
    head = g.GatherElements(vectors, largest, axis=rank - 2)
    turn = g.Div(conj(g, head), g.cast(g.Abs(head), dtype))
    return g.Mul(vectors, turn)


def _schur(g: Builder, self: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Q, the triangle and its diagonal, which is real where a real matrix has a real eigenvalue."""
    *batch, rows, columns = self.require_shape()
    if not isinstance(columns, int) or rows != columns:
        raise Unsupported("eigenvalues of a matrix whose size is only known at run time")
    q, t = _triangle(g, g.cast(self, D.COMPLEX128))
    values = _diagonal(g, t)
    if not is_complex(self.dtype):
        length = g.ReduceL2(g.cast(self, DOUBLE), axes=[len(batch), len(batch) + 1], keepdims=False)
        noise = g.Mul(g.Unsqueeze(length, axes=[len(batch)]), 100 * SMALL)
        x, y = parts(g, values)
        values = make(g, x, g.Where(g.Less(g.Abs(y), noise), g.constant(0.0, DOUBLE), y))
    return q, t, values


def _whole_dtype(self: Tensor) -> D:
    """The complex dtype that has the precision of this one."""
    return D.COMPLEX128 if self.dtype in (DOUBLE, D.COMPLEX128) else D.COMPLEX64


@symbolic("aten::linalg_eig(Tensor self) -> (Tensor eigenvalues, Tensor eigenvectors)")
def linalg_eig(g: Builder, self: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors, complex also of real matrices."""
    whole = _whole_dtype(self)
    if 0 in self.require_shape():
        return linalg_eigvals(g, self), g.cast(self, whole)
    q, t, values = _schur(g, self)
    return g.cast(values, whole), g.cast(_vectors(g, q, t, values), whole)


@symbolic("aten::_linalg_eigvals(Tensor self) -> Tensor")
@symbolic("aten::linalg_eigvals(Tensor self) -> Tensor")
def linalg_eigvals(g: Builder, self: Tensor) -> Tensor:
    """Eigenvalues, complex also of real matrices."""
    whole = _whole_dtype(self)
    shape = self.require_shape()
    if 0 in shape:
        return g.constant(np.zeros([int(d) for d in shape[:-1]], whole.numpy()))
    return g.cast(_schur(g, self)[2], whole)
