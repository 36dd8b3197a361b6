"""Complex tensors: made of parts, taken apart, conjugated, seen as pairs of real numbers.

What functions such as `exp` are of complex numbers is in `complex_functions`. A complex tensor is a
pair of real numbers in the graph (exporter.onnx_graph.complex_numbers), so nothing here but the
parts and the angle costs a node. Conjugation is carried out at once, not lazily as in PyTorch.
"""

from __future__ import annotations

import math

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.complex_numbers import as_real, from_real, make, parts
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import Tensor
from symbolics.elementwise.arithmetic import atan2
from symbolics.elementwise.pointwise import as_float
from symbolics.registry import Unsupported, symbolic, view_write
from symbolics.rules import BOOL, is_bool, is_complex
from symbolics.views.shape import mT

__all__ = ["angle", "conj", "imag", "polar", "real", "view_as_complex", "view_as_real"]

# ---------------------------------------------------------------- made of real numbers


@symbolic("aten::complex(Tensor real, Tensor imag) -> Tensor")
def complex_of_parts(g: Builder, real: Tensor, imag: Tensor) -> Tensor:
    """real + imag * i; the two broadcast."""
    if real.dtype != imag.dtype:
        raise Unsupported("PyTorch makes complex numbers of two tensors of one dtype")
    return make(g, real, imag)


@symbolic("aten::polar(Tensor abs, Tensor angle) -> Tensor")
def polar(g: Builder, abs: Tensor, angle: Tensor) -> Tensor:
    """abs * (cos(angle) + sin(angle) * i)."""
    if abs.dtype != angle.dtype:
        raise Unsupported("PyTorch makes complex numbers of two tensors of one dtype")
    return make(g, g.Mul(abs, g.Cos(angle)), g.Mul(abs, g.Sin(angle)))


@symbolic("aten::view_as_complex_copy(Tensor self) -> Tensor")
@symbolic("aten::view_as_complex(Tensor(a) self) -> Tensor(a)")
def view_as_complex(g: Builder, self: Tensor) -> Tensor:
    """Pairs along the last dim as complex numbers."""
    if self.shape and isinstance(self.shape[-1], SymInt):
        # The program fails unless it is 2, and so does this Reshape.
        self = g.reshape(self, [*self.shape[:-1], 2])
    elif self.shape is not None and (not self.shape or self.shape[-1] != 2):
        raise Unsupported(f"view_as_complex of shape {list(self.shape)}: the last dim must be 2")
    return from_real(self)


@symbolic("aten::view_as_real_copy(Tensor self) -> Tensor")
@symbolic("aten::view_as_real(Tensor(a) self) -> Tensor(a)")
def view_as_real(g: Builder, self: Tensor) -> Tensor:
    """Complex numbers as pairs along a new last dim."""
    if not is_complex(self.dtype):
        raise Unsupported("PyTorch has view_as_real of complex tensors only")
    return as_real(self)


@view_write("aten::view_as_complex")
def _write_as_complex(g: Builder, base: Tensor, source: Tensor, /) -> Tensor:
    return as_real(source)


@view_write("aten::view_as_real")
def _write_as_real(g: Builder, base: Tensor, source: Tensor, /) -> Tensor:
    return from_real(source)


# ---------------------------------------------------------------- taken apart


@symbolic("aten::real(Tensor(a) self) -> Tensor(a)")
def real(g: Builder, self: Tensor) -> Tensor:
    """The real part; a real tensor is its own."""
    return parts(g, self)[0] if is_complex(self.dtype) else self


@symbolic("aten::imag(Tensor(a) self) -> Tensor(a)")
def imag(g: Builder, self: Tensor) -> Tensor:
    """The imaginary part."""
    if not is_complex(self.dtype):
        raise Unsupported("PyTorch has imag of complex tensors only")
    return parts(g, self)[1]


@view_write("aten::real")
def _write_real(g: Builder, base: Tensor, source: Tensor, /) -> Tensor:
    return make(g, source, parts(g, base)[1]) if is_complex(base.dtype) else source


@view_write("aten::imag")
def _write_imag(g: Builder, base: Tensor, source: Tensor, /) -> Tensor:
    return make(g, parts(g, base)[0], source)


@symbolic("aten::angle(Tensor self) -> Tensor")
def angle(g: Builder, self: Tensor) -> Tensor:
    """The angle in the complex plane; of real numbers pi for negative ones, else 0, NaN for NaN."""
    if is_complex(self.dtype):
        x, y = parts(g, self)
        return atan2(g, y, x)
    negative = g.Less(self, 0) if not is_bool(self.dtype) else g.And(self, g.constant(False, BOOL))
    self = as_float(g, self)
    result = g.Where(negative, g.constant(math.pi, self.dtype), g.constant(0.0, self.dtype))
    return g.Where(g.IsNaN(self), self, result)


# ---------------------------------------------------------------- conjugates


@symbolic("aten::conj(Tensor(a) self) -> Tensor(a)")
@symbolic("aten::_conj(Tensor(a) self) -> Tensor(a)")
@symbolic("aten::_conj_copy(Tensor self) -> Tensor")
@symbolic("aten::conj_physical(Tensor self) -> Tensor")
@symbolic("aten::_conj_physical(Tensor self) -> Tensor")
def conj(g: Builder, self: Tensor) -> Tensor:
    """The imaginary part negated; a real tensor is its own conjugate."""
    if not is_complex(self.dtype):
        return self
    x, y = parts(g, self)
    return make(g, x, g.Neg(y))


@view_write("aten::conj", "aten::_conj")
def _write_conj(g: Builder, base: Tensor, source: Tensor, /) -> Tensor:
    return conj(g, source)


@symbolic("aten::_neg_view(Tensor(a) self) -> Tensor(a)")
@symbolic("aten::_neg_view_copy(Tensor self) -> Tensor")
def neg_view(g: Builder, self: Tensor) -> Tensor:
    """The tensor negated, which PyTorch does lazily to the imaginary part of a conjugate."""
    return g.Neg(self)


@view_write("aten::_neg_view")
def _write_neg(g: Builder, base: Tensor, source: Tensor, /) -> Tensor:
    return g.Neg(source)


@symbolic("aten::resolve_conj(Tensor(a) self) -> Tensor(a)")
def resolve_conj(g: Builder, self: Tensor) -> Tensor:
    """The tensor with a lazy conjugation carried out; no tensor here is lazy."""
    return self


@symbolic("aten::resolve_neg(Tensor(a) self) -> Tensor(a)")
def resolve_neg(g: Builder, self: Tensor) -> Tensor:
    """The tensor with a lazy negation carried out; no tensor here is lazy."""
    return self


@symbolic("aten::mH(Tensor(a) self) -> Tensor(a)")
@symbolic("aten::matrix_H(Tensor(a) self) -> Tensor(a)")
@symbolic("aten::adjoint(Tensor(a) self) -> Tensor(a)")
def adjoint(g: Builder, self: Tensor) -> Tensor:
    """The last two dims swapped; complex numbers conjugated too."""
    return conj(g, mT(g, self))


@view_write("aten::mH", "aten::matrix_H", "aten::adjoint")
def _write_adjoint(g: Builder, base: Tensor, source: Tensor, /) -> Tensor:
    return adjoint(g, source)
