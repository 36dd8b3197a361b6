"""The element types that TorchScript stores, by the names that its pickles use.

A storage is written with a class name such as `FloatStorage` or `QUInt8Storage`. Quantized types
are their integers here: what makes them quantized is kept in `TensorData.quantization`.
"""

from __future__ import annotations

from typing import NamedTuple

import ml_dtypes
import numpy as np
from onnx_ir import DataType

__all__ = ["StorageType", "STORAGE_TYPES", "UNREPRESENTABLE_STORAGES"]


class StorageType(NamedTuple):
    """How one element of a storage lies in the file, and what ONNX calls it."""

    name: str
    dtype: DataType
    numpy: np.dtype[np.generic]
    swap_unit: int
    """Bytes that byte order reverses together; half an element for complex numbers."""
    per_byte: int = 1
    """Elements in one byte; 2 for the 4-bit types."""

    def bytes_for(self, elements: int) -> int:
        """Bytes that so many elements take."""
        return -(-elements // self.per_byte) * self.numpy.itemsize


def _storage_type(name: str, dtype: DataType, numpy_type: object) -> StorageType:
    numpy_dtype: np.dtype[np.generic] = np.dtype(numpy_type)  # type: ignore[call-overload]
    unit = numpy_dtype.itemsize // (2 if numpy_dtype.kind == "c" else 1)
    return StorageType(name, dtype, numpy_dtype, unit, 2 if dtype is DataType.UINT4 else 1)


STORAGE_TYPES: dict[str, StorageType] = {
    f"{name}Storage": _storage_type(name, dtype, numpy_type)
    for name, dtype, numpy_type in [
        ("Byte", DataType.UINT8, np.uint8),
        ("Char", DataType.INT8, np.int8),
        ("Short", DataType.INT16, np.int16),
        ("Int", DataType.INT32, np.int32),
        ("Long", DataType.INT64, np.int64),
        ("UInt16", DataType.UINT16, np.uint16),
        ("UInt32", DataType.UINT32, np.uint32),
        ("UInt64", DataType.UINT64, np.uint64),
        ("Half", DataType.FLOAT16, np.float16),
        ("Float", DataType.FLOAT, np.float32),
        ("Double", DataType.DOUBLE, np.float64),
        ("ComplexFloat", DataType.COMPLEX64, np.complex64),
        ("ComplexDouble", DataType.COMPLEX128, np.complex128),
        ("Bool", DataType.BOOL, np.bool_),
        ("BFloat16", DataType.BFLOAT16, ml_dtypes.bfloat16),
        ("Float8_e4m3fn", DataType.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
        ("Float8_e4m3fnuz", DataType.FLOAT8E4M3FNUZ, ml_dtypes.float8_e4m3fnuz),
        ("Float8_e5m2", DataType.FLOAT8E5M2, ml_dtypes.float8_e5m2),
        ("Float8_e5m2fnuz", DataType.FLOAT8E5M2FNUZ, ml_dtypes.float8_e5m2fnuz),
        ("Float8_e8m0fnu", DataType.FLOAT8E8M0, ml_dtypes.float8_e8m0fnu),
        ("QUInt8", DataType.UINT8, np.uint8),
        ("QInt8", DataType.INT8, np.int8),
        ("QInt32", DataType.INT32, np.int32),
        ("QUInt4x2", DataType.UINT4, ml_dtypes.uint4),
    ]
}
"""By the class name in the pickle."""

UNREPRESENTABLE_STORAGES = frozenset(
    f"{name}Storage"
    for name in [
        "ComplexHalf",
        "Float4_e2m1fn_x2",
        "QUInt2x4",
        "Bits1x8",
        "Bits2x4",
        "Bits4x2",
        "Bits8",
        "Bits16",
        *(f"{sign}{bits}" for sign in ("UInt", "Int") for bits in range(1, 8)),
    ]
)
"""Types that PyTorch writes for which ONNX and NumPy have no element type of the same meaning."""
