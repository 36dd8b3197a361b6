"""ATen's rules that many operators share: dtypes, type promotion, dims and reductions.

Sources: `torch.result_type` and c10/core/ScalarType.h for promotion, at::maybe_wrap_dim for dims,
`get_dtype_from_self` of the reductions for accumulation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
import onnx_ir as ir

from exporter.errors import RaisedError
from exporter.errors import UnsupportedError as Unsupported
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.symbolic import Dim, SymInt
from exporter.onnx_graph.values import Number, SymBool, SymComplex, SymFloat, Tensor

__all__ = [
    "BOOL",
    "DOUBLE",
    "FLOAT",
    "INT64",
    "QUANTIZED_TYPES",
    "accumulation_dtype",
    "can_cast",
    "category",
    "common_dtype",
    "default_float",
    "element_count",
    "highest",
    "is_bool",
    "is_complex",
    "is_float",
    "is_half",
    "is_integral",
    "lowest",
    "onnx_dtype",
    "promote",
    "promote_float",
    "quantized_dtype",
    "reduced_dims",
    "result_type",
    "scalar_type",
    "widened",
    "wrapped_dim",
    "wrapped_dims",
]

D = ir.DataType
BOOL, INT64, FLOAT, DOUBLE = D.BOOL, D.INT64, D.FLOAT, D.DOUBLE

# c10::ScalarType, as archives write dtypes.
_SCALAR_TYPES = {
    0: D.UINT8,
    1: D.INT8,
    2: D.INT16,
    3: D.INT32,
    4: D.INT64,
    5: D.FLOAT16,
    6: D.FLOAT,
    7: D.DOUBLE,
    9: D.COMPLEX64,
    10: D.COMPLEX128,
    11: D.BOOL,
    15: D.BFLOAT16,
    23: D.FLOAT8E5M2,
    24: D.FLOAT8E4M3FN,
    25: D.FLOAT8E5M2FNUZ,
    26: D.FLOAT8E4M3FNUZ,
    27: D.UINT16,
    28: D.UINT32,
    29: D.UINT64,
}
_NUMBERS = {dtype: number for number, dtype in _SCALAR_TYPES.items()}
# The same for quantized dtypes; theirs are the dtypes of the integers.
QUANTIZED_TYPES = {D.INT8: 12, D.UINT8: 13, D.INT32: 14, D.UINT4: 16}
_QUANTIZED = {number: dtype for dtype, number in QUANTIZED_TYPES.items()}
_INTEGRAL = {D.UINT8, D.INT8, D.INT16, D.INT32, D.INT64, D.UINT16, D.UINT32, D.UINT64}
_FLOATING = {D.FLOAT16, D.BFLOAT16, D.FLOAT, D.DOUBLE}
_COMPLEX = {D.COMPLEX64, D.COMPLEX128}
_WIDTH = {
    D.UINT8: 1, D.INT8: 1, D.INT16: 2, D.INT32: 3, D.INT64: 4,
    D.FLOAT16: 1, D.BFLOAT16: 1, D.FLOAT: 2, D.DOUBLE: 3, D.COMPLEX64: 1, D.COMPLEX128: 2,
}  # fmt: skip


def onnx_dtype(scalar_type: int | ir.DataType) -> ir.DataType:
    """The dtype that a `ScalarType` number stands for."""
    if isinstance(scalar_type, ir.DataType):
        return scalar_type
    try:
        return _SCALAR_TYPES[int(scalar_type)]
    except KeyError:
        raise Unsupported(f"ONNX has no counterpart of ScalarType {scalar_type}") from None


def quantized_dtype(scalar_type: int | ir.DataType) -> ir.DataType:
    """The dtype of the integers of a quantized dtype's `ScalarType` number."""
    try:
        return _QUANTIZED[int(scalar_type)]
    except KeyError:
        raise Unsupported(f"ScalarType {scalar_type} is no quantized dtype") from None


def scalar_type(dtype: ir.DataType) -> int:
    """The `ScalarType` number of a dtype."""
    return _NUMBERS[dtype]


def is_bool(dtype: ir.DataType) -> bool:
    """Whether this is bool."""
    return dtype == D.BOOL


def is_integral(dtype: ir.DataType) -> bool:
    """Whether this is an integer dtype; bool is not."""
    return dtype in _INTEGRAL


def is_float(dtype: ir.DataType) -> bool:
    """Whether this is a real floating point dtype."""
    return dtype in _FLOATING or dtype.name.startswith("FLOAT8")


def is_half(dtype: ir.DataType) -> bool:
    """Whether PyTorch's kernels compute in float32 what is stored in this dtype."""
    return dtype in (D.FLOAT16, D.BFLOAT16)


def is_complex(dtype: ir.DataType) -> bool:
    """Whether this is complex."""
    return dtype in _COMPLEX


def category(value: Tensor | Number | ir.DataType) -> int:
    """0 bool, 1 integral, 2 floating, 3 complex."""
    if isinstance(value, (bool, SymBool)):
        return 0
    if isinstance(value, SymInt) or (isinstance(value, int) and not isinstance(value, ir.DataType)):
        return 1
    if isinstance(value, (float, SymFloat)):
        return 2
    if isinstance(value, (complex, SymComplex)):
        return 3
    dtype = value.dtype if isinstance(value, Tensor) else value
    assert isinstance(dtype, ir.DataType)
    if is_bool(dtype):
        return 0
    return 1 if is_integral(dtype) else 3 if is_complex(dtype) else 2


def can_cast(from_: ir.DataType, to: ir.DataType) -> bool:
    """`torch.can_cast`: whether the result of an operator may be written to a tensor of a dtype."""
    return category(from_) <= category(to)


def default_float(dtype: ir.DataType) -> ir.DataType:
    """float32 for bool and integers, any other dtype as it is."""
    return FLOAT if is_bool(dtype) or is_integral(dtype) else dtype


def common_dtype(left: ir.DataType, right: ir.DataType) -> ir.DataType:
    """`torch.promote_types`."""
    if left == right:
        return left
    a, b = category(left), category(right)
    if a != b:
        wide, narrow = (left, right) if a > b else (right, left)
        return D.COMPLEX128 if wide == D.COMPLEX64 and narrow == D.DOUBLE else wide
    pair = {left, right}
    if pair & {D.UINT16, D.UINT32, D.UINT64}:
        raise Unsupported(f"PyTorch does not promote {left.name} with {right.name}")
    if pair == {D.UINT8, D.INT8}:
        return D.INT16
    if pair == {D.FLOAT16, D.BFLOAT16}:
        return D.FLOAT
    return left if _WIDTH[left] >= _WIDTH[right] else right


def result_type(*operands: Tensor | Number | None) -> ir.DataType:
    """`torch.result_type`: tensors with dims decide, then 0-d tensors, then numbers.

    A lower class takes part only where its category (bool < int < float < complex) is higher.
    """
    classes: list[ir.DataType | None] = [None, None, None]
    for operand in operands:
        if operand is None:
            continue
        if isinstance(operand, Tensor) and not operand.is_number:
            rank, dtype = (1 if operand.shape == () else 0), operand.dtype
        else:
            rank, dtype = 2, (BOOL, INT64, FLOAT, D.COMPLEX64)[category(operand)]
        found = classes[rank]
        classes[rank] = dtype if found is None else common_dtype(found, dtype)
    result: ir.DataType | None = None
    for found in classes:
        if found is None:
            continue
        dtype = found
        if result is None:
            result = dtype
        elif category(dtype) > category(result):
            if category(dtype) == 3:
                dtype = D.COMPLEX128 if result == DOUBLE else D.COMPLEX64
            result = dtype
    if result is None:
        raise ValueError("result_type of nothing")
    return result


@overload
def promote(g: Builder, *operands: Tensor | Number) -> tuple[Tensor, ...]: ...
@overload
def promote(g: Builder, *operands: Tensor | Number | None) -> tuple[Tensor | None, ...]: ...
def promote(g: Builder, *operands: Tensor | Number | None) -> tuple[Tensor | None, ...]:
    """All operands as tensors of their `result_type`; None stays None."""
    dtype = result_type(*operands)
    return tuple(None if o is None else g.constant(o, dtype) for o in operands)


def promote_float(g: Builder, *operands: Tensor | Number) -> tuple[Tensor, ...]:
    """Like `promote`, integers and bools becoming float32."""
    dtype = default_float(result_type(*operands))
    return tuple(g.constant(o, dtype) for o in operands)


def wrapped_dim(dim: int, rank: int) -> int:
    """A dim counted from the front; a 0-d tensor has a dim 0 (and -1) as well."""
    span = max(rank, 1)
    if not -span <= dim < span:
        raise RaisedError(f"dim {dim} is out of range for a tensor with {rank} dims")
    return int(dim) % span


def wrapped_dims(dims: Sequence[int], rank: int) -> list[int]:
    """`wrapped_dim` of each."""
    return [wrapped_dim(d, rank) for d in dims]


def reduced_dims(self: Tensor, dim: int | Sequence[int] | None) -> list[int] | None:
    """The dims a reduction goes over, counted from the front; None for all of an unknown rank.

    No dims and an empty list both mean all. A 0-d tensor has nothing to reduce: [].
    """
    if dim is None or (isinstance(dim, (list, tuple)) and len(dim) == 0):
        return None if self.rank is None else list(range(self.rank))
    # A lone number may be one of run time, which is no int.
    dims = list(dim) if isinstance(dim, Sequence) else [dim]
    if self.rank == 0:
        wrapped_dims(dims, 0)
        return []
    if self.rank is None:
        return [int(d) for d in dims]
    return wrapped_dims(dims, self.rank)


def widened(g: Builder, self: Tensor) -> Tensor:
    """Half precision as float32, in which PyTorch computes it; any other dtype as it is."""
    return g.cast(self, FLOAT) if is_half(self.dtype) else self


def lowest(dtype: ir.DataType) -> int | float:
    """What no number of a dtype is below: the maximum of none."""
    if is_bool(dtype):
        return 0
    return -math.inf if is_float(dtype) else int(np.iinfo(dtype.numpy()).min)


def highest(dtype: ir.DataType) -> int | float:
    """What no number of a dtype is above: the minimum of none."""
    if is_bool(dtype):
        return 1
    return math.inf if is_float(dtype) else int(np.iinfo(dtype.numpy()).max)


def element_count(g: Builder, self: Tensor, dims: Sequence[int] | None = None) -> Dim:
    """How many elements the dims hold together; all of them if None."""
    if self.shape is None:
        if dims is not None:
            raise Unsupported("the number of dims of a tensor must be known here")
        return g.integer(g.Size(self))
    total: Dim = 1
    for i in range(len(self.shape)) if dims is None else dims:
        total = total * self.shape[i]
    return total


def accumulation_dtype(self: Tensor, dtype: int | ir.DataType | None = None) -> ir.DataType:
    """The dtype of `sum` and `prod`: the one asked for, else int64 for bool and integers."""
    if dtype is not None:
        return onnx_dtype(dtype)
    return INT64 if category(self) < 2 else self.dtype
