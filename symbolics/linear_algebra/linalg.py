"""Products of matrices that are no single contraction: `kron`, `cross`, powers, `vander`.

Plain products are in `matmul`, determinants, inverses and factors in `decompositions`.
"""

from __future__ import annotations

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.loops import loop
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_max
from exporter.onnx_graph.values import Tensor
from symbolics.linear_algebra.decompositions import identity, linalg_inv
from symbolics.reductions.cumulative import cumprod
from symbolics.reductions.reduction import extreme, sum_dim
from symbolics.registry import Raised, Unsupported, symbolic
from symbolics.rules import (
    DOUBLE,
    FLOAT,
    INT64,
    category,
    common_dtype,
    is_half,
    promote,
    wrapped_dim,
)
from symbolics.views.rearranging import flip

__all__ = ["cross", "kron", "matrix_power"]


@symbolic("aten::kron(Tensor self, Tensor other) -> Tensor")
def kron(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """Each element of `self` times all of `other`; the shorter shape gets leading dims of 1.

    A 0-d tensor has dims by then, so its dtype counts in full.
    """
    dtype = common_dtype(self.dtype, other.dtype)
    self, other = g.cast(self, dtype), g.cast(other, dtype)
    rank = max(self.require_rank(), other.require_rank())
    left: list[Dim] = [*[1] * (rank - self.require_rank()), *self.require_shape()]
    right: list[Dim] = [*[1] * (rank - other.require_rank()), *other.require_shape()]
    spread_left: list[Dim] = [d for size in left for d in (size, 1)]
    spread_right: list[Dim] = [d for size in right for d in (1, size)]
    product = g.Mul(g.reshape(self, spread_left), g.reshape(other, spread_right))
    return g.reshape(product, [a * b for a, b in zip(left, right, strict=True)])


# ---------------------------------------------------------------- cross product


@symbolic("aten::linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor")
def linalg_cross(g: Builder, self: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of the 3-vectors along `dim`; the other dims broadcast."""
    self, other = promote(g, self, other)
    if self.require_rank() != other.require_rank():
        raise Raised(f"the cross product of tensors with {self.rank} and {other.rank} dims")
    axis = wrapped_dim(dim, self.require_rank())
    sizes = [g.size(tensor, axis) for tensor in (self, other)]
    if any(isinstance(size, int) and size != 3 for size in sizes):
        raise Raised(f"the cross product of vectors of {sizes[0]} and {sizes[1]} elements, not 3")

    def turned(tensor: Tensor, order: list[int]) -> Tensor:
        return g.Gather(tensor, g.constant(order, INT64), axis=axis)

    first = g.Mul(turned(self, [1, 2, 0]), turned(other, [2, 0, 1]))
    return g.Sub(first, g.Mul(turned(self, [2, 0, 1]), turned(other, [1, 2, 0])))


@symbolic("aten::cross(Tensor self, Tensor other, int? dim=None) -> Tensor")
def cross(g: Builder, self: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product along `dim`, or along the first dim of size 3."""
    if dim is None:
        sizes = self.require_shape()
        dim = next((i for i, size in enumerate(sizes) if size == 3), None)
        if dim is None:
            raise Unsupported("cross without a dim, where no dim is known to have size 3")
    return linalg_cross(g, self, other, dim=dim)


# ---------------------------------------------------------------- powers


@symbolic("aten::linalg_matrix_power(Tensor self, int n) -> Tensor")
def linalg_matrix_power(g: Builder, self: Tensor, n: int) -> Tensor:
    """The matrix times itself, by repeated squaring; the inverse's powers where n is negative."""
    return matrix_power(g, self, n)


@symbolic("aten::matrix_power(Tensor self, int n) -> Tensor")
def matrix_power(g: Builder, self: Tensor, n: int) -> Tensor:
    """The matrix times itself, by repeated squaring; the inverse's powers where n is negative."""
    if not isinstance(n, int):
        raise Unsupported("matrix_power with an exponent that is only known at run time")
    if n == 0:
        return g.Expand(identity(g, g.size(self, -1), self.dtype), g.shape(self))
    if n < 0:
        return matrix_power(g, linalg_inv(g, self), -n)
    result: Tensor | None = None
    square = self
    while True:
        if n & 1:
            result = square if result is None else g.MatMul(result, square)
        n >>= 1
        if n == 0:
            assert result is not None
            return result
        square = g.MatMul(square, square)


@symbolic("aten::linalg_matrix_exp(Tensor self) -> Tensor")
def linalg_matrix_exp(g: Builder, self: Tensor) -> Tensor:
    """e to the matrix, by scaling and squaring.

    1. Halve the largest column sum of the batch below 1/2, s times.
    2. Sum the exponential series, whose rest is below the dtype's precision then.
    3. Square s times.
    """
    size = g.size(self, -1)
    if size == 0:
        return self
    if is_half(self.dtype):
        return g.cast(linalg_matrix_exp(g, g.cast(self, FLOAT)), self.dtype)
    one = identity(g, size, self.dtype)
    norm = extreme(g, sum_dim(g, g.Abs(self), -2), None, False, largest=True)
    halvings = g.Ceil(g.Div(g.Log(g.Max(norm, 0.5)), 0.6931471805599453))
    halvings = g.Add(halvings, 1)
    scaled = g.Div(self, g.Pow(g.constant(2, self.dtype), halvings))
    terms = 16 if self.dtype == DOUBLE else 9
    result = g.Add(g.Div(scaled, terms), one)
    for k in range(terms - 1, 0, -1):
        result = g.Add(g.Div(g.MatMul(scaled, result), k), one)
    count = g.integer(g.cast(halvings, INT64))
    return loop(g, count, lambda _, states: [g.MatMul(states[0], states[0])], [result])[0]


@symbolic("aten::matrix_exp(Tensor self) -> Tensor")
def matrix_exp(g: Builder, self: Tensor) -> Tensor:
    """Another name of `linalg_matrix_exp`."""
    return linalg_matrix_exp(g, self)


@symbolic("aten::linalg_vander(Tensor x, *, SymInt? N=None) -> Tensor")
def linalg_vander(g: Builder, x: Tensor, *, N: Dim | None = None) -> Tensor:
    """The powers 0 to N - 1 of each element as a new last dim; bools and ints become int64."""
    rank = x.require_rank()
    count = N
    if count is None:
        count = g.size(x, -1) if rank else 1
    x = x if category(x) >= 2 else g.cast(x, INT64)
    x = g.reshape(x, [1]) if rank == 0 else x
    column = g.Unsqueeze(x, axes=[-1])
    if not isinstance(count, int):
        factors = g.Expand(column, [*x.require_shape(), sym_max(count - 1, 0)])
        one = g.Expand(g.constant(1, x.dtype), g.shape(column))
        powers = cumprod(g, g.Concat(one, factors, axis=-1), -1)
        return powers if is_ge(count, 1) else g.Slice(powers, [0], [count], [-1])
    power = g.Expand(g.constant(1, x.dtype), g.shape(column))
    columns = []
    for _ in range(count):
        columns.append(power)
        power = g.Mul(power, column)
    return g.Concat(*columns, axis=-1)


@symbolic("aten::vander(Tensor x, int? N=None, bool increasing=False) -> Tensor")
def vander(g: Builder, x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of each element as a row, the highest first unless `increasing`."""
    if N == 0:
        return g.cast(g.Expand(g.constant(0, INT64), [g.size(x, 0), 0]), x.dtype)
    powers = linalg_vander(g, x, N=N)
    return powers if increasing else flip(g, powers, [-1])
