"""The same values anew: dtype conversion, copies and what is no change at all on a CPU.

What makes a tensor of Python numbers (`aten::tensor`) is the interpreter's business. The memory format, device and layout of a tensor don't exist in ONNX; asking for another one is free.
"""

from __future__ import annotations

import onnx_ir as ir

from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.derivatives import variable
from exporter.onnx_graph.values import Tensor
from symbolics.creation.creation import LDP
from symbolics.registry import symbolic
from symbolics.rules import is_float, onnx_dtype

__all__ = ["cast_to", "to_copy"]


def cast_to(g: Builder, self: Tensor, dtype: int | ir.DataType | None) -> Tensor:
    """The tensor in another dtype; None keeps it."""
    if dtype is None:
        return self
    return g.cast(self, onnx_dtype(dtype))


# ---------------------------------------------------------------- no change


@symbolic("aten::detach(Tensor(a) self) -> Tensor(a)")
def detach(g: Builder, self: Tensor) -> Tensor:
    """The same value, at which gradients stop."""
    if is_float(self.dtype) and self.array is None:
        return variable(g, self)
    return plain(self)


def plain(self: Tensor) -> Tensor:
    """The tensor itself; a constant of the code is from here on no number any more."""
    if not self.is_number:
        return self
    same = Tensor(self.dtype, self.shape, array=self.array, elements=self.elements)
    same.value, same.scope, same.name = self.value, self.scope, self.name
    return same


@symbolic("aten::cpu(Tensor(a) self) -> Tensor(b|a)")
@symbolic("aten::cuda(Tensor(a) self) -> Tensor(b|a)")
def same(g: Builder, self: Tensor) -> Tensor:
    """The tensor itself."""
    return self


@symbolic("aten::data(Tensor self) -> Tensor")
def copied(g: Builder, self: Tensor) -> Tensor:
    """The same values; a tensor in a graph never changes, so it is its own copy."""
    return self


@symbolic("aten::clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor")
def clone(g: Builder, self: Tensor, *, memory_format: object = None) -> Tensor:
    """The same values."""
    return plain(self)


@symbolic("aten::contiguous(Tensor(a) self, *, MemoryFormat memory_format=0) -> Tensor(a)")
def contiguous(g: Builder, self: Tensor, *, memory_format: object = 0) -> Tensor:
    """The same values."""
    return self


@symbolic("aten::_pin_memory(Tensor self, Device? device=None) -> Tensor")
def _pin_memory(g: Builder, self: Tensor, device: object = None) -> Tensor:
    """The same values."""
    return self


@symbolic("aten::_lazy_clone(Tensor self) -> Tensor")
def _lazy_clone(g: Builder, self: Tensor) -> Tensor:
    """The same values."""
    return plain(self)


@symbolic(
    "aten::to_dense(Tensor self, ScalarType? dtype=None, *, bool? masked_grad=None) -> Tensor"
)
def to_dense(
    g: Builder, self: Tensor, dtype: int | None = None, *, masked_grad: bool | None = None
) -> Tensor:
    """The same values: all tensors are dense."""
    return self if dtype is None else g.cast(self, onnx_dtype(dtype))


@symbolic("aten::_to_dense(Tensor self, ScalarType? dtype=None, bool? masked_grad=None) -> Tensor")
def _to_dense(
    g: Builder, self: Tensor, dtype: int | None = None, masked_grad: bool | None = None
) -> Tensor:
    """See `to_dense`."""
    return to_dense(g, self, dtype)


@symbolic("aten::pin_memory(Tensor(a) self, Device? device=None) -> Tensor(a)")
def pin_memory(g: Builder, self: Tensor, device: object = None) -> Tensor:
    """The tensor itself."""
    return self


# ---------------------------------------------------------------- dtypes


@symbolic(
    "aten::to.device(Tensor(a) self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)"
)
def to_device(
    g: Builder,
    self: Tensor,
    device: object,
    dtype: int,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: object = None,
) -> Tensor:
    """The tensor in another dtype."""
    return cast_to(g, self, dtype)


@symbolic(
    "aten::to.dtype(Tensor(a) self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)"
)
def to_dtype(
    g: Builder,
    self: Tensor,
    dtype: int,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: object = None,
) -> Tensor:
    """The tensor in another dtype."""
    return cast_to(g, self, dtype)


@symbolic(
    "aten::to.other(Tensor(a) self, Tensor other, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)"
)
def to_other(
    g: Builder,
    self: Tensor,
    other: Tensor,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: object = None,
) -> Tensor:
    """The tensor in the dtype of `other`."""
    return cast_to(g, self, other.dtype)


@symbolic(
    f"aten::to.dtype_layout(Tensor(a) self, *, ScalarType? dtype=None, {LDP}, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)"
)
def to_dtype_layout(
    g: Builder,
    self: Tensor,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: object = None,
) -> Tensor:
    """The tensor in another dtype."""
    return cast_to(g, self, dtype)


@symbolic(
    "aten::to.prim_Device(Tensor(a) self, Device? device, int? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor(b|a)"
)
def to_prim_device(
    g: Builder,
    self: Tensor,
    device: object,
    dtype: int | None = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Tensor:
    """The tensor in another dtype."""
    return cast_to(g, self, dtype)


@symbolic(
    "aten::to.prim_dtype(Tensor(a) self, int? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor(b|a)"
)
def to_prim_dtype(
    g: Builder,
    self: Tensor,
    dtype: int | None = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Tensor:
    """The tensor in another dtype."""
    return cast_to(g, self, dtype)


@symbolic(
    "aten::to.prim_other(Tensor(a) self, bool non_blocking=False, bool copy=False) -> Tensor(b|a)"
)
def to_prim_other(
    g: Builder, self: Tensor, non_blocking: bool = False, copy: bool = False
) -> Tensor:
    """The tensor itself: only its place could change."""
    return self


@symbolic(
    f"aten::_to_copy(Tensor self, *, ScalarType? dtype=None, {LDP}, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor"
)
def to_copy(
    g: Builder,
    self: Tensor,
    *,
    dtype: int | None = None,
    layout: object = None,
    device: object = None,
    pin_memory: object = None,
    non_blocking: bool = False,
    memory_format: object = None,
) -> Tensor:
    """The tensor in another dtype."""
    return cast_to(g, self, dtype)


@symbolic("aten::type_as(Tensor self, Tensor other) -> Tensor")
def type_as(g: Builder, self: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype of `other`."""
    return cast_to(g, self, other.dtype)


def _register_cast(name: str, scalar_type: int) -> None:
    @symbolic(f"aten::_cast_{name}(Tensor self, bool non_blocking=False) -> Tensor")
    def convert(g: Builder, self: Tensor, non_blocking: bool = False) -> Tensor:
        return cast_to(g, self, scalar_type)


for _number, _name in enumerate(
    ("Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double")
):
    _register_cast(_name, _number)


@symbolic(
    "aten::_autocast_to_full_precision(Tensor(a) self, bool cuda_enabled, bool cpu_enabled) -> Tensor(a)"
)
def autocast_to_full_precision(
    g: Builder, self: Tensor, cuda_enabled: bool, cpu_enabled: bool
) -> Tensor:
    """float16 and bfloat16 as float32 where CPU autocast is on."""
    if not cpu_enabled or not is_float(self.dtype) or self.dtype.itemsize != 2:
        return self
    return g.cast(self, ir.DataType.FLOAT)


@symbolic(
    "aten::_autocast_to_reduced_precision(Tensor(a) self, bool cuda_enabled, bool cpu_enabled, ScalarType cuda_dtype, ScalarType cpu_dtype) -> Tensor(a)"
)
def autocast_to_reduced_precision(
    g: Builder,
    self: Tensor,
    cuda_enabled: bool,
    cpu_enabled: bool,
    cuda_dtype: int,
    cpu_dtype: int,
) -> Tensor:
    """float32 in the smaller dtype where CPU autocast is on."""
    if not cpu_enabled or self.dtype != ir.DataType.FLOAT:
        return self
    return cast_to(g, self, cpu_dtype)


# ---------------------------------------------------------------- shapes as tensors


@symbolic("aten::_shape_as_tensor(Tensor self) -> Tensor")
def shape_as_tensor(g: Builder, self: Tensor) -> Tensor:
    """The sizes as an int64 tensor."""
    return g.shape(self)


@symbolic("aten::_reshape_from_tensor(Tensor self, Tensor shape) -> Tensor")
def reshape_from_tensor(g: Builder, self: Tensor, shape: Tensor) -> Tensor:
    """The tensor in the shape that another one holds; -1 is what is left."""
    return g.Reshape(self, shape, allowzero=1)
