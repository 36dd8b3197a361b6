"""Matrix products: `matmul` and its kin for each rank, the fused forms, `linear`.

Contractions over named dims are in `einsum`; products that are no single contraction (`kron`,
`cross`, powers) in `linalg`; what solves and factors in `decompositions`.

ONNX MatMul follows numpy as PyTorch does, for every rank. Two dims and a bias are one Gemm.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, Shape, SymInt, is_ge
from exporter.onnx_graph.values import Number, SymScalar, Tensor
from symbolics.elementwise.arithmetic import mul, scaled
from symbolics.elementwise.complex_numbers import conj
from symbolics.linear_algebra.einsum import tensordot
from symbolics.registry import Raised, symbolic
from symbolics.rules import is_float, is_integral, onnx_dtype, promote, wrapped_dim

__all__ = ["bmm", "linear", "matmul", "mm"]


def added(g: Builder, self: Tensor, product: Tensor, beta: Number, alpha: Number) -> Tensor:
    """`beta * self + alpha * product`. A beta of 0 drops `self`, NaN and inf included.

    Of integers the factors are integers too: what they have behind the point is dropped.
    """
    if is_integral(self.dtype):
        beta, alpha = (int(f) if isinstance(f, float) else f for f in (beta, alpha))
    product = scaled(g, product, alpha)
    if isinstance(beta, (int, float)) and beta == 0:
        return product
    both = g.Add(product, scaled(g, self, beta))
    if isinstance(beta, (SymInt, SymScalar)):
        return g.Where(g.Equal(g.constant(beta), 0), product, both)
    return both


def product(g: Builder, left: Tensor, right: Tensor) -> Tensor:
    """MatMul. A sum of no products is 0, where onnxruntime 1.31 may return what memory held.

    It does so for vectors, and forgets batch dims that only the right side has. Where the inner
    size may turn out as 0, a vector at the right becomes a matrix; where the left side would be
    broadcast, both sides get a zero to sum.
    """
    ranks = (left.rank, right.rank)
    if not ranks[0] or not ranks[1]:
        return g.MatMul(left, right)
    inner = (left.require_shape()[-1], right.require_shape()[max(ranks[1] - 2, 0)])
    if any(is_ge(size, 1) for size in inner):
        return g.MatMul(left, right)
    if inner[0] == 0:
        left = _with_zeros(g, left, ranks[0] - 1)
        right = _with_zeros(g, right, max(ranks[1] - 2, 0))
    elif ranks[0] == 1 or _spreads(left.require_shape(), right.require_shape()):
        left = g.Concat(left, _with_zeros(g, left, ranks[0] - 1), axis=ranks[0] - 1)
        axis = max(ranks[1] - 2, 0)
        right = g.Concat(right, _with_zeros(g, right, axis), axis=axis)
    elif ranks[1] == 1:
        column = g.MatMul(left, g.Unsqueeze(right, axes=[1]))
        return g.Squeeze(column, axes=[ranks[0] - 1])
    return g.MatMul(left, right)


def _spreads(left: Shape, right: Shape) -> bool:
    """Whether batch dims of the right side repeat the left one."""
    batch = right[:-2]
    if len(left) - 2 < len(batch):
        return bool(batch)
    return any(a == 1 and b != 1 for a, b in zip(left[-len(right) : -2], batch, strict=True))


def _with_zeros(g: Builder, tensor: Tensor, axis: int) -> Tensor:
    """One zero along an axis."""
    shape = list(tensor.require_shape())
    shape[axis] = 1
    return g.Expand(g.constant(0, tensor.dtype), shape)


# ---------------------------------------------------------------- plain products


@symbolic("aten::matmul(Tensor self, Tensor other) -> Tensor")
def matmul(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The product over the last dim of `self` and the last but one of `other`, batches broadcast."""
    return product(g, self, other)


@symbolic("aten::linalg_matmul(Tensor self, Tensor other) -> Tensor")
def linalg_matmul(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """Another name of `matmul`."""
    return matmul(g, self, other)


@symbolic("aten::mm(Tensor self, Tensor mat2) -> Tensor")
def mm(g: Builder, self: Tensor, mat2: Tensor) -> Tensor:
    """Matrix times matrix."""
    return product(g, self, mat2)


@symbolic("aten::mm.dtype(Tensor self, Tensor mat2, ScalarType out_dtype) -> Tensor")
def mm_dtype(g: Builder, self: Tensor, mat2: Tensor, out_dtype: int) -> Tensor:
    """Matrix times matrix, summed in `out_dtype`."""
    dtype = onnx_dtype(out_dtype)
    return g.MatMul(g.cast(self, dtype), g.cast(mat2, dtype))


@symbolic("aten::_int_mm(Tensor self, Tensor mat2) -> Tensor")
def _int_mm(g: Builder, self: Tensor, mat2: Tensor) -> Tensor:
    """Matrix times matrix of int8, summed in int32."""
    return g.MatMulInteger(self, mat2)


@symbolic("aten::bmm(Tensor self, Tensor mat2) -> Tensor")
def bmm(g: Builder, self: Tensor, mat2: Tensor) -> Tensor:
    """A batch of matrix products."""
    return product(g, self, mat2)


@symbolic("aten::bmm.dtype(Tensor self, Tensor mat2, ScalarType out_dtype) -> Tensor")
def bmm_dtype(g: Builder, self: Tensor, mat2: Tensor, out_dtype: int) -> Tensor:
    """A batch of matrix products, summed in `out_dtype`."""
    return mm_dtype(g, self, mat2, out_dtype)


@symbolic("aten::mv(Tensor self, Tensor vec) -> Tensor")
def mv(g: Builder, self: Tensor, vec: Tensor) -> Tensor:
    """Matrix times vector."""
    return product(g, self, vec)


@symbolic("aten::dot(Tensor self, Tensor tensor) -> Tensor")
def dot(g: Builder, self: Tensor, tensor: Tensor) -> Tensor:
    """The inner product of two vectors."""
    return product(g, self, tensor)


@symbolic("aten::vdot(Tensor self, Tensor other) -> Tensor")
def vdot(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The inner product of two vectors, the first one conjugated."""
    return product(g, conj(g, self), other)


@symbolic("aten::inner(Tensor self, Tensor other) -> Tensor")
def inner(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The product over the last dims of both; a 0-d tensor just multiplies."""
    if self.require_rank() == 0 or other.require_rank() == 0:
        return mul(g, self, other)
    return tensordot(g, self, other, [-1], [-1])


@symbolic("aten::outer(Tensor self, Tensor vec2) -> Tensor")
def outer(g: Builder, self: Tensor, vec2: Tensor) -> Tensor:
    """Every element of one vector times every element of the other."""
    left, right = _common(g, self, vec2)
    return g.Mul(g.Unsqueeze(left, axes=[1]), g.Unsqueeze(right, axes=[0]))


@symbolic("aten::ger(Tensor self, Tensor vec2) -> Tensor")
def ger(g: Builder, self: Tensor, vec2: Tensor) -> Tensor:
    """Another name of `outer`."""
    return outer(g, self, vec2)


@symbolic("aten::linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor")
def linalg_vecdot(g: Builder, x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Products of elements summed over `dim`, the other dims broadcast."""
    x, y = _common(g, x, y)
    product = g.Mul(conj(g, x), y)
    axis = wrapped_dim(dim, product.require_rank())
    return g.ReduceSum(product, axes=[axis], keepdims=False)


# ---------------------------------------------------------------- products with a sum


@symbolic(
    "aten::addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"
)
def addmm(
    g: Builder,
    self: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
) -> Tensor:
    """`beta * self + alpha * mat1 @ mat2`, as one Gemm for floats."""
    symbolic_factor = any(isinstance(v, (SymInt, SymScalar)) for v in (beta, alpha))
    if not is_float(self.dtype) or symbolic_factor:
        return added(g, self, mm(g, mat1, mat2), beta, alpha)
    if beta == 0:
        return g.Gemm(mat1, mat2, alpha=alpha)
    if not is_ge(g.size(mat1, 1), 1):
        # onnxruntime's Gemm forgets beta where there is nothing to multiply.
        self, beta = scaled(g, self, beta), 1
    return g.Gemm(mat1, mat2, self, alpha=alpha, beta=beta)


@symbolic(
    "aten::addmm.dtype(Tensor self, Tensor mat1, Tensor mat2, ScalarType out_dtype, *, Scalar beta=1, Scalar alpha=1) -> Tensor"
)
def addmm_dtype(
    g: Builder,
    self: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    out_dtype: int,
    *,
    beta: Number = 1,
    alpha: Number = 1,
) -> Tensor:
    """`addmm` in the dtype asked for."""
    dtype = onnx_dtype(out_dtype)
    self, mat1, mat2 = (g.cast(t, dtype) for t in (self, mat1, mat2))
    return addmm(g, self, mat1, mat2, beta=beta, alpha=alpha)


@symbolic(
    "aten::_addmm_activation(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1, bool use_gelu=False) -> Tensor"
)
def _addmm_activation(
    g: Builder,
    self: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    use_gelu: bool = False,
) -> Tensor:
    """`addmm`, then relu or the exact gelu: the encoder layer's fast path calls it."""
    result = addmm(g, self, mat1, mat2, beta=beta, alpha=alpha)
    return g.Gelu(result) if use_gelu else g.Relu(result)


@symbolic(
    "aten::baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"
)
def baddbmm(
    g: Builder,
    self: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
) -> Tensor:
    """`beta * self + alpha * batch1 @ batch2`, batch by batch."""
    return added(g, self, bmm(g, batch1, batch2), beta, alpha)


@symbolic(
    "aten::baddbmm.dtype(Tensor self, Tensor batch1, Tensor batch2, ScalarType out_dtype, *, Scalar beta=1, Scalar alpha=1) -> Tensor"
)
def baddbmm_dtype(
    g: Builder,
    self: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    out_dtype: int,
    *,
    beta: Number = 1,
    alpha: Number = 1,
) -> Tensor:
    """`baddbmm` in the dtype asked for."""
    product = bmm_dtype(g, batch1, batch2, out_dtype)
    return added(g, g.cast(self, onnx_dtype(out_dtype)), product, beta, alpha)


@symbolic(
    "aten::addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"
)
def addbmm(
    g: Builder,
    self: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
) -> Tensor:
    """`beta * self + alpha * (the sum of all batch1[i] @ batch2[i])`."""
    total = g.ReduceSum(bmm(g, batch1, batch2), axes=[0], keepdims=False)
    return added(g, self, total, beta, alpha)


@symbolic(
    "aten::addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor"
)
def addmv(
    g: Builder, self: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """`beta * self + alpha * mat @ vec`."""
    return added(g, self, mv(g, mat, vec), beta, alpha)


@symbolic(
    "aten::addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"
)
def addr(
    g: Builder, self: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """`beta * self + alpha * outer(vec1, vec2)`, in the dtype of all three."""
    vec1, vec2, self = _common(g, vec1, vec2, self)
    if is_integral(self.dtype) and (isinstance(beta, float) or isinstance(alpha, float)):
        raise Raised("addr of integers with a factor that is a float")
    return added(g, self, outer(g, vec1, vec2), beta, alpha)


# ---------------------------------------------------------------- layers


@symbolic("aten::linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor")
def linear(g: Builder, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input @ weight.T + bias` over the last dim; a 1-D weight makes it a dot product.

    Two dims are one Gemm, which takes the weight as it is stored. For more, MatMul wants the
    transpose. It stays a node for big weights, so that they are neither copied nor untied in the
    file; onnxruntime folds it when it loads the model. Reshape, Gemm, Reshape would avoid it and
    runs as fast (measured at 8x32x768 by 3072), but needs every leading size in the graph.
    """
    matrices = input.rank == 2 and weight.rank == 2 and is_float(input.dtype)
    if matrices and (bias is None or bias.rank in (0, 1)):
        return g.Gemm(input, weight, bias, transB=1)
    if weight.require_rank() == 2:
        weight = g.Transpose(weight, perm=[1, 0])
    product = g.MatMul(input, weight)
    return product if bias is None else g.Add(product, bias)


@symbolic(
    "aten::bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor"
)
def bilinear(
    g: Builder, input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """`input1 @ weight[o] @ input2` for each output o: one MatMul batched over o, then a dot."""
    *leading, width = input1.require_shape()
    rows: Dim = 1
    for size in leading:
        rows = rows * size
    left = g.reshape(input1, [rows, width])
    right = g.reshape(input2, [rows, input2.require_shape()[-1]])
    products = g.Mul(g.MatMul(left, weight), right)
    total = g.Transpose(g.ReduceSum(products, axes=[2], keepdims=False), perm=[1, 0])
    result = g.reshape(total, [*leading, weight.require_shape()[0]])
    return result if bias is None else g.Add(result, bias)


# ---------------------------------------------------------------- chains


@symbolic("aten::chain_matmul(Tensor[] matrices) -> Tensor")
def chain_matmul(g: Builder, matrices: Sequence[Tensor]) -> Tensor:
    """The product of many matrices, in the order that needs the fewest multiplications."""
    return linalg_multi_dot(g, matrices)


@symbolic("aten::linalg_multi_dot(Tensor[] tensors) -> Tensor")
def linalg_multi_dot(g: Builder, tensors: Sequence[Tensor]) -> Tensor:
    """The product of many matrices, of which the first and the last may be vectors.

    The cheapest order follows from the sizes; where they are not all known it is left to right.
    """
    if len(tensors) == 1:
        return tensors[0]
    factors = list(tensors)
    first_is_vector, last_is_vector = factors[0].rank == 1, factors[-1].rank == 1
    if first_is_vector:
        factors[0] = g.Unsqueeze(factors[0], axes=[0])
    if last_is_vector:
        factors[-1] = g.Unsqueeze(factors[-1], axes=[1])
    result = _chain(g, factors)
    axes = [0] * first_is_vector + [1] * last_is_vector
    return g.Squeeze(result, axes=axes) if axes else result


def _chain(g: Builder, factors: Sequence[Tensor]) -> Tensor:
    """Matrices multiplied in the cheapest order, by the textbook's dynamic programme."""
    shapes = [f.static_shape for f in factors]
    if any(s is None for s in shapes):
        result = factors[0]
        for factor in factors[1:]:
            result = g.MatMul(result, factor)
        return result
    sizes = [s[0] for s in shapes if s is not None] + [s[1] for s in shapes[-1:] if s is not None]
    cost: dict[tuple[int, int], tuple[int, int]] = {}
    for span in range(1, len(factors)):
        for i in range(len(factors) - span):
            j = i + span
            cost[i, j] = min(
                (
                    cost.get((i, k), (0, 0))[0]
                    + cost.get((k + 1, j), (0, 0))[0]
                    + sizes[i] * sizes[k + 1] * sizes[j + 1],
                    k,
                )
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return factors[i]
        k = cost[i, j][1]
        return g.MatMul(product(i, k), product(k + 1, j))

    return product(0, len(factors) - 1)


# ---------------------------------------------------------------- shared


def _common(g: Builder, *tensors: Tensor) -> list[Tensor]:
    """The tensors in one dtype; products want equal dtypes, so mostly there is nothing to do."""
    if len({t.dtype for t in tensors}) == 1:
        return list(tensors)
    return list(promote(g, *tensors))


@symbolic("aten::_weight_int8pack_mm(Tensor self, Tensor mat2, Tensor scales) -> Tensor")
def _weight_int8pack_mm(g: Builder, self: Tensor, mat2: Tensor, scales: Tensor) -> Tensor:
    """self @ mat2.T, the rows of which are integers with a scale each."""
    product = g.MatMul(self, g.Transpose(g.cast(mat2, self.dtype), perm=[1, 0]))
    return g.Mul(product, scales)


@symbolic(
    "aten::_trilinear(Tensor i1, Tensor i2, Tensor i3, int[] expand1, int[] expand2, int[] expand3, int[] sumdim, int unroll_dim=1) -> Tensor"
)
def _trilinear(
    g: Builder,
    i1: Tensor,
    i2: Tensor,
    i3: Tensor,
    expand1: Sequence[int],
    expand2: Sequence[int],
    expand3: Sequence[int],
    sumdim: Sequence[int],
    unroll_dim: int = 1,
) -> Tensor:
    """The product of three tensors, to each of which dims of 1 are added, summed over `sumdim`."""
    factors = [
        g.Unsqueeze(factor, axes=sorted(dims)) if dims else factor
        for factor, dims in ((i1, expand1), (i2, expand2), (i3, expand3))
    ]
    product = g.Mul(g.Mul(factors[0], factors[1]), factors[2])
    return g.ReduceSum(product, axes=sorted(sumdim), keepdims=False) if sumdim else product
