"""Builtins that ask a tensor something, or make one from Python values.

Sizes, dtypes and devices are known or are symbolic integers; none of these leaves a node behind
unless a value must be read from the data.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.builtins.numbers import boolean
from exporter.conversion.calls.operators import item
from exporter.conversion.calls.writes import require_distinct, stored_as, write
from exporter.conversion.control_flow import choices
from exporter.conversion.control_flow.branches import stage_calls
from exporter.conversion.control_flow.facts import rank_of, size_of
from exporter.conversion.runtime_lists import runtime_lists
from exporter.conversion.values import options
from exporter.conversion.values.objects import Device, ListValue, OptionalValue, Value
from exporter.conversion.values.runtime_contents import RuntimeList, RuntimeLists
from exporter.conversion.values.tensors import CONTIGUOUS, TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph import quantized
from exporter.onnx_graph.shape_rules import broadcast
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymBool, SymComplex, SymScalar, Tensor, is_number
from exporter.torchscript.types import IntType
from symbolics.rules import (
    QUANTIZED_TYPES,
    common_dtype,
    is_complex,
    is_float,
    onnx_dtype,
    scalar_type,
)

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder


def _tensor(interpreter: Interpreter, value: Value) -> Tensor | None:
    if isinstance(value, OptionalValue):
        value = value.value
    return value.read(interpreter.g) if isinstance(value, TensorRef) else None


@builtin("aten::size", "prim::shape")
def size(interpreter: Interpreter, self: Value, dim: Value = None) -> Value:
    """The shape as a list, or the size of one dim."""
    tensor = _tensor(interpreter, self)
    if tensor is None:
        return NotImplemented
    if tensor.shape is None:
        if isinstance(dim, int) and dim >= 0:
            return size_of(interpreter.g, tensor, dim)
        if dim is None:
            return ListValue.holding(RuntimeList("int", interpreter.g.Shape(tensor)), IntType())
        raise UnsupportedError("the shape of a tensor whose number of dims is not known")
    if dim is None:
        return ListValue(list(tensor.shape), IntType())
    if isinstance(dim, SymInt):
        sizes = options.item_at(interpreter, dim, tensor.shape)
        return choices.each_way(interpreter, sizes, lambda found: [found])[0]
    if not -len(tensor.shape) <= dim < len(tensor.shape):
        raise RaisedError(f"dim {dim} is out of range for {len(tensor.shape)} dims")
    return tensor.shape[dim]


builtin("aten::sym_size")(size)


@builtin("aten::broadcast_shapes")
def broadcast_shapes(interpreter: Interpreter, a: Value, b: Value) -> Value:
    """The shape that tensors of two shapes broadcast to; that they do is taken for granted."""
    g = interpreter.g
    shapes = [tuple(interpreter.items(shape)) for shape in (a, b)]
    common = broadcast(*shapes)
    assert common is not None
    dims: list[Value] = []
    for position, dim in enumerate(common, -len(common)):
        if dim is None:
            left, right = (g.scalar(shape[position]) for shape in shapes)
            dim = g.integer(g.Where(g.Equal(left, 1), right, left))
        dims.append(dim)
    return ListValue(dims, IntType())


@builtin("aten::dim", "aten::ndimension")
def dims(interpreter: Interpreter, self: Value) -> Value:
    """The number of dims."""
    tensor = _tensor(interpreter, self)
    if tensor is None:
        return NotImplemented
    if tensor.shape is None:
        return rank_of(interpreter.g, tensor)
    return len(tensor.shape)


@builtin("aten::numel", "aten::sym_numel")
def numel(interpreter: Interpreter, self: Value) -> Value:
    """The number of elements."""
    tensor = _tensor(interpreter, self)
    if tensor is None:
        return NotImplemented
    if tensor.shape is None:
        return interpreter.g.integer(interpreter.g.Size(tensor))
    return prod(tensor.shape)


@builtin("aten::stride", "aten::sym_stride")
def stride(interpreter: Interpreter, self: Value, dim: Value = None) -> Value:
    """Strides in elements, where they are known."""
    if not isinstance(self, TensorRef):
        return NotImplemented
    if self.strides is None:
        raise UnsupportedError("the strides of this tensor are not known; ONNX has none")
    strides = ListValue(list(self.strides), IntType())
    if dim is None:
        return strides
    if isinstance(dim, int) and not -len(self.strides) <= dim < len(self.strides):
        raise RaisedError(f"dim {dim} is out of range for {len(self.strides)} dims")
    return interpreter.builtin("aten::__getitem__", strides, dim)


@builtin("aten::storage_offset")
def storage_offset(interpreter: Interpreter, self: Value) -> Value:
    """Where in its storage a tensor begins: at the start, if it is no view."""
    if not isinstance(self, TensorRef):
        return NotImplemented
    if self.view is not None or self.choice is not None:
        raise UnsupportedError("storage_offset of a view: ONNX has no storages")
    return 0


@builtin("aten::is_contiguous")
def is_contiguous(
    interpreter: Interpreter, self: Value, memory_format: Value = CONTIGUOUS
) -> Value:
    """Whether the elements lie in the order of a memory format."""
    if not isinstance(self, TensorRef):
        return NotImplemented
    known = self.is_contiguous(interpreter.g, memory_format)
    if known is None:
        raise UnsupportedError(
            "is_contiguous of a tensor whose place in memory is not known: ONNX has no strides; "
            "contiguous() needs no check before"
        )
    return known


@builtin("prim::dtype")
def dtype(interpreter: Interpreter, self: Value) -> Value:
    """The dtype as a ScalarType number."""
    tensor = _tensor(interpreter, self)
    if tensor is None:
        return NotImplemented
    if tensor.quantization is not None:
        return QUANTIZED_TYPES[tensor.dtype]
    return scalar_type(tensor.dtype)


@builtin("prim::is_quantized")
def is_quantized(interpreter: Interpreter, self: Value) -> Value:
    """Whether the tensor holds integers with a scale."""
    tensor = _tensor(interpreter, self)
    return NotImplemented if tensor is None else tensor.quantization is not None


@builtin("prim::device", "aten::device")
def device(interpreter: Interpreter, self: Value, *rest: Value) -> Value:
    """Everything is on the CPU: ONNX has no devices."""
    if isinstance(self, TensorRef):
        return Device("cpu")
    if isinstance(self, str):
        return Device(self if not rest else f"{self}:{rest[0]}")
    return NotImplemented


@builtin("aten::get_device")
def device_number(interpreter: Interpreter, self: Value) -> Value:
    """The number of the device, which the CPU has not."""
    return -1


@builtin("prim::type")
def device_type(interpreter: Interpreter, self: Value) -> Value:
    """The type of a device, such as "cpu"."""
    return self.name.split(":")[0] if isinstance(self, Device) else NotImplemented


@builtin("prim::index")
def device_index(interpreter: Interpreter, self: Value) -> Value:
    """The index of a device."""
    if not isinstance(self, Device):
        return NotImplemented
    _, _, number = self.name.partition(":")
    return int(number) if number else None


@builtin("prim::layout", "aten::layout")
def layout(interpreter: Interpreter, self: Value) -> Value:
    """All tensors are strided (0)."""
    return 0


def _constant_property(value: bool, *names: str) -> None:
    def run(interpreter: Interpreter, *args: Value) -> Value:
        return value

    builtin(*names)(run)


_constant_property(
    False,
    "prim::is_cuda", "prim::is_sparse", "prim::is_sparse_csr",
    "prim::is_mkldnn", "prim::is_mps", "prim::is_vulkan", "prim::is_xpu", "prim::is_ipu",
    "prim::is_meta", "prim::is_nested", "prim::is_ort", "prim::is_maia", "prim::is_hpu",
    "prim::is_mtia",
    "aten::is_conj", "aten::is_neg", "aten::is_inference", "aten::is_autocast_enabled",
    "aten::is_autocast_cpu_enabled", "aten::is_distributed", "aten::is_pinned",
    "prim::is_xla", "aten::is_vulkan_available", "aten::has_torch_function",
    "aten::_is_zerotensor", "aten::retains_grad", "aten::cudnn_is_acceptable",
)  # fmt: skip
_constant_property(True, "prim::is_cpu", "prim::is_leaf", "aten::is_leaf", "aten::is_scripting")


@builtin("aten::element_size", "prim::itemsize")
def item_size(interpreter: Interpreter, self: Value) -> Value:
    """The bytes of an element."""
    tensor = _tensor(interpreter, self)
    return NotImplemented if tensor is None else int(tensor.dtype.itemsize)


@builtin("prim::nbytes")
def byte_count(interpreter: Interpreter, self: Value) -> Value:
    """The bytes of all elements."""
    return interpreter.builtin("aten::numel", self) * item_size(interpreter, self)


@builtin("aten::get_autocast_dtype")
def autocast_dtype(interpreter: Interpreter, device: Value) -> Value:
    """The dtype that autocast would use if nothing else was said."""
    return scalar_type(ir.DataType.BFLOAT16 if device == "cpu" else ir.DataType.FLOAT16)


@builtin("aten::is_floating_point")
def is_floating_point(interpreter: Interpreter, self: Value) -> Value:
    """Whether the dtype is a real floating point one."""
    tensor = _tensor(interpreter, self)
    return NotImplemented if tensor is None else is_float(tensor.dtype)


@builtin("aten::is_complex")
def is_complex_tensor(interpreter: Interpreter, self: Value) -> Value:
    """Whether the dtype is complex."""
    tensor = _tensor(interpreter, self)
    return NotImplemented if tensor is None else is_complex(tensor.dtype)


@builtin("aten::is_signed")
def is_signed(interpreter: Interpreter, self: Value) -> Value:
    """Whether the dtype has a sign."""
    tensor = _tensor(interpreter, self)
    if tensor is None:
        return NotImplemented
    return not tensor.dtype.name.startswith(("UINT", "BOOL"))


@builtin("aten::is_same_size")
def is_same_size(interpreter: Interpreter, self: Value, other: Value) -> Value:
    """Whether two tensors have the same shape."""
    a, b = _tensor(interpreter, self), _tensor(interpreter, other)
    if a is None or b is None:
        return NotImplemented
    return interpreter.containers_equal(
        ListValue(list(a.require_shape())), ListValue(list(b.require_shape()))
    )


@builtin("aten::is_nonzero")
def is_nonzero(interpreter: Interpreter, self: Value) -> Value:
    """`bool(tensor)`."""
    return interpreter.builtin("aten::Bool", self)


@builtin("aten::item", "aten::_local_scalar_dense")
def to_item(interpreter: Interpreter, self: Value) -> Value:
    """The one element as a number."""
    return item(interpreter, self) if isinstance(self, TensorRef) else NotImplemented


@builtin("prim::NumToTensor")
def num_to_tensor(interpreter: Interpreter, number: Value) -> Value:
    """A number as a 0-d tensor: int64, bool or double, as PyTorch wraps them."""
    if isinstance(number, float):
        return TensorRef.fresh(interpreter.g.constant(number, ir.DataType.DOUBLE))
    return TensorRef.fresh(interpreter.g.constant(number))


@builtin("aten::tensor", "aten::as_tensor")
def tensor_of(
    interpreter: Interpreter,
    data: Value,
    dtype: Value = None,
    device: Value = None,
    requires_grad: Value = False,
) -> Value:
    """`torch.tensor` of a number or of nested lists; ints are int64, floats float32."""
    g = interpreter.g
    wanted = None if dtype is None else onnx_dtype(dtype)
    if isinstance(data, TensorRef):
        tensor = data.read(g)
        if wanted is None or wanted == tensor.dtype:
            return data
        return TensorRef.fresh(g.cast(tensor, wanted))
    runtime = _runtime(interpreter, data) if isinstance(data, ListValue) else None
    if runtime is not None:
        if runtime.kind == "tensor":
            raise UnsupportedError("torch.tensor of a list of tensors of run-time length")
        if isinstance(runtime, RuntimeLists):
            rows = ListValue.holding(runtime.rows)
            found = interpreter.call("aten::stack", [rows, 0], {}).read(g)
        else:
            found = runtime.value
        natural = ir.DataType.FLOAT if found.dtype == ir.DataType.DOUBLE else found.dtype
        return TensorRef.fresh(g.cast(found, wanted or natural))
    return TensorRef.fresh(_from_data(interpreter, data, wanted))


def _runtime(interpreter: Interpreter, data: ListValue) -> RuntimeList | None:
    """A list of run-time length, or one of such lists; None if all lengths are known."""
    if data.runtime is not None:
        return data.runtime
    if any(isinstance(item, ListValue) and item.runtime is not None for item in data.items):
        return runtime_lists.convert(interpreter, data)
    return None


def _nested(interpreter: Interpreter, data: Value) -> tuple[tuple[int, ...], list[Value]]:
    """Shape and flat items of nested lists of numbers."""
    if not isinstance(data, (ListValue, tuple)):
        return (), [data]
    items = interpreter.items(data)
    parts = [_nested(interpreter, i) for i in items]
    inner = parts[0][0] if parts else ()
    return (len(items), *inner), [v for _, values in parts for v in values]


def _from_data(interpreter: Interpreter, data: Value, wanted: ir.DataType | None) -> Tensor:
    g = interpreter.g
    shape, flat = _nested(interpreter, data)
    if any(isinstance(v, TensorRef) for v in flat):
        flat = [item(interpreter, v) if isinstance(v, TensorRef) else v for v in flat]
    if wanted is None:
        kinds = [_natural(v) for v in flat]
        order = [ir.DataType.BOOL, ir.DataType.INT64, ir.DataType.FLOAT, ir.DataType.COMPLEX64]
        wanted = max(kinds, key=order.index) if kinds else ir.DataType.FLOAT
    if not any(isinstance(v, (SymInt, SymScalar)) for v in flat):
        return (
            g.reshape(g.constant(flat, wanted), shape)
            if flat
            else g.constant(np.zeros(shape, wanted.numpy()))
        )
    if shape == ():
        return g.constant(flat[0], wanted)
    return g.reshape(g.cast(g.constant(flat, wanted), wanted), shape)


def _natural(value: Value) -> ir.DataType:
    if not is_number(value):
        raise UnsupportedError("torch.tensor of something other than numbers")
    if isinstance(value, bool) or getattr(value, "dtype", None) == ir.DataType.BOOL:
        return ir.DataType.BOOL
    if isinstance(value, (complex, SymComplex)):
        return ir.DataType.COMPLEX64
    return ir.DataType.INT64 if isinstance(value, (int, SymInt)) else ir.DataType.FLOAT


@builtin("aten::_shape_as_tensor", "aten::shape_as_tensor")
def shape_as_tensor(interpreter: Interpreter, self: Value) -> Value:
    """The shape as a 1-D int64 tensor."""
    tensor = _tensor(interpreter, self)
    assert tensor is not None
    return TensorRef.fresh(interpreter.g.shape(tensor))


@builtin("aten::copy_")
def copy_(interpreter: Interpreter, self: Value, src: Value, non_blocking: Value = False) -> Value:
    """Write the values of another tensor, broadcast and converted."""
    g = interpreter.g
    if not isinstance(self, TensorRef):
        return NotImplemented
    target = self.read(g)
    dtype = target.dtype if target.quantization is None else ir.DataType.FLOAT
    value = src.read(g) if isinstance(src, TensorRef) else g.constant(src, dtype)
    value = stored_as(g, value, target)
    if value.shape is None or any(size != 1 for size in value.shape):
        require_distinct("aten::copy_", self, g)
    if value.shape is None or value.shape != target.shape:
        value = g.Expand(value, g.shape(target))
    write(interpreter, self, value)
    return self


@builtin("aten::fill_", "aten::zero_")
def fill_(interpreter: Interpreter, self: Value, value: Value = 0) -> Value:
    """Write one value everywhere."""
    g = interpreter.g
    target = self.read(g)
    dtype = target.dtype if target.quantization is None else ir.DataType.FLOAT
    filler = value.read(g) if isinstance(value, TensorRef) else g.constant(value, dtype)
    filler = g.reshape(stored_as(g, filler, target), [])
    write(interpreter, self, g.Expand(filler, g.shape(target)))
    return self


@builtin("prim::data")
def data(interpreter: Interpreter, self: Value) -> Value:
    """The same storage by another handle: its dims stay when those of `self` are changed."""
    return self.all_of_it() if isinstance(self, TensorRef) else NotImplemented


@builtin("aten::retain_grad", "aten::pin_memory")
def same(interpreter: Interpreter, self: Value, *rest: Value) -> Value:
    """Nothing to do at inference."""
    return self


@builtin("aten::is_set_to")
def is_set_to(interpreter: Interpreter, self: Value, other: Value) -> Value:
    """Whether two tensors are the same part of the same storage."""
    if not (isinstance(self, TensorRef) and isinstance(other, TensorRef)):
        return NotImplemented
    if self is other:
        return True
    if self.cell is other.cell or self.choice is not None or other.choice is not None:
        raise UnsupportedError("is_set_to of two views of one tensor: ONNX has no storages")
    return False


@builtin("aten::equal")
def tensors_equal(interpreter: Interpreter, self: Value, other: Value) -> Value:
    """Whether two tensors have the same shape and elements."""
    a, b = _tensor(interpreter, self), _tensor(interpreter, other)
    if a is None or b is None:
        return NotImplemented
    if a.quantization is not None or b.quantization is not None:
        if a.quantization is None or b.quantization is None:
            return False
        if not quantized.same_meaning(a, b):
            raise UnsupportedError("torch.equal of tensors that are quantized differently")
        a, b = a.quantization.integers, b.quantization.integers
    if a.rank is None or b.rank is None:
        return _equal_of_any_rank(interpreter, a, b)
    if a.rank != b.rank:
        return False
    same_size = interpreter.containers_equal(
        ListValue(list(a.require_shape())), ListValue(list(b.require_shape()))
    )
    if not isinstance(same_size, SymBool):
        return same_size and _elements_equal(interpreter.g, a, b)
    return stage_calls(
        interpreter, same_size, lambda: _elements_equal(interpreter.g, a, b), lambda: False
    )


def _equal_of_any_rank(interpreter: Interpreter, a: Tensor, b: Tensor) -> Value:
    """The numbers of dims are compared first, then the sizes, then the elements."""
    g = interpreter.g
    shapes = g.Shape(a), g.Shape(b)
    same_rank = SymBool(g.Equal(g.Size(shapes[0]), g.Size(shapes[1])))

    def if_same_rank() -> Value:
        differing = g.cast(g.Not(g.Equal(*shapes)), ir.DataType.INT64)
        same_size = SymBool(g.Equal(g.ReduceSum(differing, keepdims=False), 0))
        return stage_calls(interpreter, same_size, if_same_size, lambda: False)

    def if_same_size() -> Value:
        return _elements_equal(g, g.reshape(a, [-1]), g.reshape(b, [-1]))

    return stage_calls(interpreter, same_rank, if_same_rank, lambda: False)


def _elements_equal(g: Builder, a: Tensor, b: Tensor) -> bool | SymBool:
    """Whether no element differs, in tensors of one shape."""
    dtype = common_dtype(a.dtype, b.dtype)
    differs = g.Not(g.Equal(g.cast(a, dtype), g.cast(b, dtype)))
    count = g.ReduceSum(g.cast(g.reshape(differs, [-1]), ir.DataType.INT64), keepdims=False)
    return boolean(g.Equal(count, 0))
