"""The `prims::` namespace: the primitives that PyTorch's decompositions end in (`torch._prims`).

They promote nothing and broadcast only where asked. What differs from ATen by name alone is
registered with ATen's symbolic.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim
from exporter.onnx_graph.values import Number, Tensor
from symbolics.creation.creation import filled, full_like, integer_range, scalar_tensor
from symbolics.elementwise import (  # noqa: F401  what is looked up below is registered by them
    arithmetic,
    bessel,
    clamping,
    comparison,
    complex_numbers,
    gamma,
    pointwise,
    special,
)
from symbolics.reductions import reduction, statistics
from symbolics.registry import Unsupported, overloads, symbolic
from symbolics.rules import accumulation_dtype, category, onnx_dtype, wrapped_dim
from symbolics.views import shape, views  # noqa: F401  what is looked up below is registered by them
from symbolics.views.conversion import cast_to
from symbolics.views.joining import cat

__all__: list[str] = []

# By their names here, those that ATen calls otherwise.
_ATEN = {
    "bessel_i0": "special_i0",
    "bessel_i0e": "special_i0e",
    "bessel_i1": "special_i1",
    "bessel_i1e": "special_i1e",
    "bessel_j0": "special_bessel_j0",
    "bessel_j1": "special_bessel_j1",
    "erf_inv": "erfinv",
    "erfcx": "special_erfcx",
    "ndtri": "special_ndtri",
    "shift_left": "bitwise_left_shift.Tensor",
    "shift_right_arithmetic": "bitwise_right_shift.Tensor",
    "zeta": "special_zeta",
}
_OF_ONE = (
    "abs acos acosh asin asinh atan atanh bessel_i0 bessel_i0e bessel_i1 bessel_i1e bessel_j0 "
    "bessel_j1 bitwise_not ceil conj_physical cos cosh digamma erf erf_inv erfc erfcx exp exp2 "
    "expm1 floor isfinite lgamma log log10 log1p log2 ndtri neg reciprocal round rsqrt sign "
    "signbit sin sinh sqrt tan tanh trunc"
)
_OF_TWO = (
    "atan2 bitwise_and.Tensor bitwise_or.Tensor bitwise_xor.Tensor eq.Tensor fmax fmin "
    "fmod.Tensor gcd ge.Tensor gt.Tensor hypot igamma igammac le.Tensor lt.Tensor maximum minimum "
    "mul.Tensor ne.Tensor nextafter remainder.Tensor shift_left shift_right_arithmetic "
    "zeta"
)


def _register(names: str, arguments: str) -> None:
    for text in names.split():
        name = text.split(".", 1)[0]
        head = f"aten::{_ATEN.get(name, text)}"
        functions = [
            o.function for o in overloads(head.split(".", 1)[0]) if o.text.split("(", 1)[0] == head
        ]
        symbolic(f"prims::{name}({arguments}) -> Tensor")(functions[0])


_register(_OF_ONE, "Tensor self")
_register(_OF_TWO, "Tensor self, Tensor other")


symbolic("prims::real(Tensor(a) self) -> Tensor(a)")(complex_numbers.real)
symbolic("prims::imag(Tensor(a) self) -> Tensor(a)")(complex_numbers.imag)
symbolic("prims::frexp(Tensor self) -> (Tensor mantissa, Tensor exponent)")(pointwise.frexp)


@symbolic("prims::conj(Tensor(a) a) -> Tensor(a)")
def conj(g: Builder, a: Tensor) -> Tensor:
    """The complex conjugate."""
    return complex_numbers.conj(g, a)


@symbolic("prims::add(Tensor self, Tensor other) -> Tensor")
def add(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The sum."""
    return arithmetic.add_tensor(g, self, other)


@symbolic("prims::sub(Tensor self, Tensor other) -> Tensor")
def sub(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The difference."""
    return arithmetic.sub_tensor(g, self, other)


@symbolic("prims::spherical_bessel_j0(Tensor self) -> Tensor")
def spherical_bessel_j0(g: Builder, self: Tensor) -> Tensor:
    """See `bessel`."""
    return overloads("aten::special_spherical_bessel_j0")[0].function(g, self)


@symbolic("prims::div(Tensor self, Tensor other) -> Tensor")
def div(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The quotient; integers' is cut off towards zero."""
    if category(self) < 2:
        return arithmetic.div_mode(g, self, other, rounding_mode="trunc")
    return g.Div(self, other)


@symbolic("prims::pow(Tensor self, Tensor other) -> Tensor")
def pow(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The power."""
    return arithmetic.pow(g, self, other)


@symbolic("prims::cbrt(Tensor self) -> Tensor")
def cbrt(g: Builder, self: Tensor) -> Tensor:
    """The cube root, which has the sign of x."""
    root = g.Pow(g.Abs(self), g.constant(1 / 3, self.dtype))
    return g.Mul(g.Sign(self), root)


@symbolic("prims::where(Tensor pred, Tensor a, Tensor b) -> Tensor")
def where(g: Builder, pred: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`a` where the predicate holds, `b` elsewhere."""
    return g.Where(pred, a, b)


# ---------------------------------------------------------------- reductions


@symbolic("prims::sum(Tensor inp, int[]? dims, *, ScalarType? output_dtype=None) -> Tensor")
def sum(
    g: Builder, inp: Tensor, dims: Sequence[int] | None, *, output_dtype: int | None = None
) -> Tensor:
    """The sum, over all dims where none are named."""
    return reduction.sum_dim(g, inp, dims, dtype=output_dtype)


@symbolic("prims::prod(Tensor inp, int[]? dims, *, ScalarType? output_dtype=None) -> Tensor")
def prod(
    g: Builder, inp: Tensor, dims: Sequence[int] | None, *, output_dtype: int | None = None
) -> Tensor:
    """The product, over all dims where none are named."""
    wide = g.cast(inp, accumulation_dtype(inp, output_dtype))
    return reduction.reduce(g, "ReduceProd", wide, dims, False)


@symbolic("prims::amax(Tensor inp, int[]? dims, *, ScalarType? output_dtype=None) -> Tensor")
def amax(
    g: Builder, inp: Tensor, dims: Sequence[int] | None, *, output_dtype: int | None = None
) -> Tensor:
    """The largest element."""
    return cast_to(g, reduction.amax(g, inp, list(dims or [])), output_dtype)


@symbolic("prims::amin(Tensor inp, int[]? dims, *, ScalarType? output_dtype=None) -> Tensor")
def amin(
    g: Builder, inp: Tensor, dims: Sequence[int] | None, *, output_dtype: int | None = None
) -> Tensor:
    """The smallest element."""
    return cast_to(g, reduction.amin(g, inp, list(dims or [])), output_dtype)


@symbolic(
    "prims::var(Tensor inp, int[]? dims, float? correction=1, *, ScalarType? output_dtype=None) -> Tensor"
)
def var(
    g: Builder,
    inp: Tensor,
    dims: Sequence[int] | None,
    correction: float | None = 1,
    *,
    output_dtype: int | None = None,
) -> Tensor:
    """The variance."""
    found = statistics.variance(g, inp, dims, correction, False, root=False)
    return cast_to(g, found, output_dtype)


# ---------------------------------------------------------------- dtypes, shapes and views


@symbolic("prims::convert_element_type(Tensor a, ScalarType dtype) -> Tensor")
def convert_element_type(g: Builder, a: Tensor, dtype: int) -> Tensor:
    """The tensor in another dtype."""
    return cast_to(g, a, dtype)


@symbolic("prims::device_put(Tensor a, Device device, bool non_blocking=False) -> Tensor")
def device_put(g: Builder, a: Tensor, device: object, non_blocking: bool = False) -> Tensor:
    """The tensor itself: ONNX knows no devices."""
    return a


@symbolic("prims::clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor")
def clone(g: Builder, self: Tensor, *, memory_format: object = None) -> Tensor:
    """The same values."""
    return self


@symbolic("prims::view_of(Tensor(a) a) -> Tensor(a)")
def view_of(g: Builder, a: Tensor) -> Tensor:
    """All of the tensor."""
    return a


@symbolic("prims::copy_strided(Tensor a, SymInt[] stride) -> Tensor")
def copy_strided(g: Builder, a: Tensor, stride: Sequence[Dim]) -> Tensor:
    """The same values, wherever they lie."""
    return a


@symbolic("prims::reshape(Tensor a, SymInt[] shape) -> Tensor")
def reshape(g: Builder, a: Tensor, shape: Sequence[Dim]) -> Tensor:
    """The elements in another shape."""
    return g.reshape(a, list(shape))


@symbolic("prims::transpose(Tensor(a) a, int[] permutation) -> Tensor(a)")
def transpose(g: Builder, a: Tensor, permutation: Sequence[int]) -> Tensor:
    """The dims in another order."""
    return shape.permute(g, a, list(permutation))


@symbolic("prims::squeeze(Tensor(a) a, int[] dimensions) -> Tensor(a)")
def squeeze(g: Builder, a: Tensor, dimensions: Sequence[int]) -> Tensor:
    """Without some dims of 1."""
    return shape.squeeze_dims(g, a, list(dimensions))


@symbolic(
    "prims::broadcast_in_dim(Tensor(a) a, SymInt[] shape, int[] broadcast_dimensions) -> Tensor(a)"
)
def broadcast_in_dim(
    g: Builder, a: Tensor, shape: Sequence[Dim], broadcast_dimensions: Sequence[int]
) -> Tensor:
    """A tensor of this shape, in which the dims of `a` are those named."""
    placed: list[Dim] = [1] * len(shape)
    for size, dim in zip(a.require_shape(), broadcast_dimensions, strict=True):
        placed[dim] = size
    wide = g.reshape(a, placed)
    return wide if wide.shape == tuple(shape) else g.Expand(wide, g.constant(list(shape)))


@symbolic("prims::collapse(Tensor a, int start, int end) -> Tensor")
@symbolic("prims::collapse_view(Tensor(a) a, int start, int end) -> Tensor(a)")
def collapse(g: Builder, a: Tensor, start: int, end: int) -> Tensor:
    """The dims from start to end, which is one of them, as one."""
    sizes = list(a.require_shape())
    count: Dim = 1
    for size in sizes[start : end + 1]:
        count = count * size
    return g.reshape(a, [*sizes[:start], count, *sizes[end + 1 :]])


@symbolic("prims::split_dim(Tensor(a) a, int dim, SymInt outer_length) -> Tensor(a)")
def split_dim(g: Builder, a: Tensor, dim: int, outer_length: Dim) -> Tensor:
    """One dim as two."""
    sizes = list(a.require_shape())
    inner = sizes[dim] // outer_length
    return g.reshape(a, [*sizes[:dim], outer_length, inner, *sizes[dim + 1 :]])


@symbolic("prims::rev(Tensor a, int[] dims) -> Tensor")
def rev(g: Builder, a: Tensor, dims: Sequence[int]) -> Tensor:
    """The elements in reverse order along some dims."""
    axes = [wrapped_dim(dim, a.require_rank()) for dim in dims]
    count = len(axes)
    return g.Slice(a, [-1] * count, [-(2**63)] * count, axes, [-1] * count) if axes else a


@symbolic("prims::cat(Tensor[] tensors, int dim) -> Tensor")
def cat_(g: Builder, tensors: Sequence[Tensor], dim: int) -> Tensor:
    """The tensors one after the other."""
    return cat(g, tensors, dim)


# ---------------------------------------------------------------- new tensors


@symbolic(
    "prims::iota(SymInt length, *, SymInt start, SymInt step, ScalarType dtype, Device device, bool requires_grad) -> Tensor"
)
def iota(
    g: Builder,
    length: Dim,
    *,
    start: Dim,
    step: Dim,
    dtype: int,
    device: object,
    requires_grad: bool,
) -> Tensor:
    """Start, start + step and so on."""
    if not isinstance(step, int) or step == 0:
        raise Unsupported("prims::iota with a step of 0, or one only known at run time")
    return cast_to(g, integer_range(g, start, start + step * length, step), dtype)


@symbolic(
    "prims::full(SymInt[] shape, Scalar fill_value, *, ScalarType dtype, Device device, bool requires_grad) -> Tensor"
)
def full(
    g: Builder,
    shape: Sequence[Dim],
    fill_value: Number,
    *,
    dtype: int,
    device: object,
    requires_grad: bool,
) -> Tensor:
    """A tensor of one value."""
    return filled(g, shape, fill_value, onnx_dtype(dtype))


@symbolic(
    "prims::full_like(Tensor a, Scalar fill_value, *, ScalarType dtype, Device device, bool requires_grad) -> Tensor"
)
def full_like_(
    g: Builder,
    a: Tensor,
    fill_value: Number,
    *,
    dtype: int,
    device: object,
    requires_grad: bool,
) -> Tensor:
    """A tensor of one value, of another's shape."""
    return full_like(g, a, fill_value, dtype=dtype)


@symbolic("prims::fill(Tensor self, Scalar value) -> Tensor")
def fill(g: Builder, self: Tensor, value: Number) -> Tensor:
    """A tensor of one value, of another's shape and dtype."""
    return full_like(g, self, value)


@symbolic(
    "prims::scalar_tensor(Scalar s, *, ScalarType? dtype=None, Device? device=None) -> Tensor"
)
def scalar_tensor_(
    g: Builder, s: Number, *, dtype: int | None = None, device: object = None
) -> Tensor:
    """A number as a tensor without dims."""
    return scalar_tensor(g, s, dtype=dtype)


@symbolic(
    "prims::empty(SymInt[] shape, *, ScalarType dtype, Device device, bool requires_grad) -> Tensor"
)
def empty(
    g: Builder, shape: Sequence[Dim], *, dtype: int, device: object, requires_grad: bool
) -> Tensor:
    """Zeros: what memory happens to hold has no counterpart."""
    return filled(g, shape, 0, onnx_dtype(dtype))
