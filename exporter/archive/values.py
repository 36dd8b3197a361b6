"""What an archive's pickles hold, as inert Python objects.

None, bool, int, float, complex, str, list, dict and tuple (named tuples are stored as plain ones)
stand for themselves. The rest has a class here. Objects are compared by identity: what the program
shares stays shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from onnx_ir import DataType

from exporter.archive.dtypes import StorageType
from exporter.errors import ArchiveError

__all__ = [
    "Device",
    "EnumMember",
    "PerChannel",
    "PerTensor",
    "ScriptObject",
    "SparseTensorData",
    "Storage",
    "TensorData",
]

Array: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.generic]]


@dataclass(frozen=True)
class Device:
    """`torch.device`: "cpu", "cuda:1"."""

    name: str


@dataclass(frozen=True)
class EnumMember:
    """A member of a scripted enum class; the class's code tells its name."""

    type_name: str
    value: object


@dataclass(eq=False)
class ScriptObject:
    """A module, a script-class object, or an object of a C++ class (`torch.classes`).

    A class with `__getstate__` is stored as what that returned, in `state`, and `attributes` stays
    empty: only its `__setstate__` can tell the attributes. The C++ classes are all stored so.
    """

    type_name: str
    attributes: dict[str, object] = field(default_factory=dict)
    state: object = None
    has_state: bool = False

    def __repr__(self) -> str:
        held = "state" if self.has_state else ", ".join(self.attributes)
        return f"<{self.type_name}: {held}>"


@dataclass(eq=False)
class Storage:
    """A run of elements that tensors are views of: one record, read when first wanted."""

    key: str
    """The record's name in the archive, such as "data/0"."""
    type: StorageType
    device: str
    elements: int
    file_offset: int | None
    """Where the bytes lie in the file; None if they are compressed or not there at all."""
    swapped: bool
    """Whether the archive's byte order is not this machine's."""
    read: Callable[[], memoryview] | None
    """None if the archive has no bytes for it: example inputs and tensors on the meta device."""

    @property
    def dtype(self) -> DataType:
        """The element type."""
        return self.type.dtype

    @property
    def nbytes(self) -> int:
        """The size in bytes that the pickle states."""
        return self.elements * self.type.numpy.itemsize

    @property
    def has_data(self) -> bool:
        """Whether the values are in the archive."""
        return self.read is not None or self.elements == 0

    @cached_property
    def data(self) -> memoryview:
        """The bytes as they are in the archive: a view of the mapped file where possible."""
        if self.read is None:
            if self.elements == 0:
                return memoryview(b"")
            raise ArchiveError(f"{self.key} has no values in the archive, just a type and a size")
        return self.read()[: self.nbytes]

    @cached_property
    def array(self) -> Array:
        """All elements, one-dimensional, read-only; a copy if they must be swapped or unpacked."""
        if self.type.per_byte == 2:
            # The low half of a byte is the earlier element.
            packed = np.frombuffer(self.data, dtype=np.uint8)
            halves = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)
            array: Array = halves.astype(self.type.numpy)
        elif self.swapped and self.type.swap_unit > 1:
            words = np.frombuffer(self.data, dtype=f"u{self.type.swap_unit}")
            array = words.byteswap().view(self.type.numpy)
        else:
            return np.frombuffer(self.data, dtype=self.type.numpy)
        array.flags.writeable = False
        return array


@dataclass(frozen=True, eq=False)
class PerTensor:
    """One scale and zero point for all elements: real = (stored - zero_point) * scale."""

    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class PerChannel:
    """A scale and a zero point for each index along `axis`.

    Zero points are int64, or floats where `float_zero_points`: then real = stored * scale +
    zero_point.
    """

    scales: TensorData
    zero_points: TensorData
    axis: int
    float_zero_points: bool


@dataclass(eq=False)
class TensorData:
    """A tensor: a strided view of a storage, as PyTorch means it."""

    dtype: DataType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In elements."""
    storage: Storage
    storage_offset: int
    """In elements."""
    requires_grad: bool = False
    quantization: PerTensor | PerChannel | None = None
    is_conj: bool = False
    """The stored values are the conjugates of the tensor's; `numpy` has seen to it."""
    is_neg: bool = False
    """The stored values are the negatives of the tensor's; `numpy` has seen to it."""

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements laid out densely (4-bit elements packed)."""
        return self.storage.type.bytes_for(self.size)

    @property
    def device(self) -> str:
        """The device that it was saved from."""
        return self.storage.device

    @property
    def has_data(self) -> bool:
        """Whether the archive holds the values; example inputs have just a dtype and a shape."""
        return self.storage.has_data or self.size == 0

    @property
    def is_contiguous(self) -> bool:
        """Row-major and dense; the strides of dims of size 1 don't matter, as in PyTorch."""
        if self.size == 0:
            return True
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size != 1:
                if stride != expected:
                    return False
                expected *= size
        return True

    @property
    def file_offset(self) -> int | None:
        """Where `nbytes` little-endian bytes of exactly these values begin in the file.

        None if there is no such place: not contiguous, compressed, big-endian, conjugated, without
        data.
        """
        start = self.storage.file_offset
        kind = self.storage.type
        usable = self.is_contiguous and not (self.is_conj or self.is_neg) and kind.per_byte == 1
        if start is None or not usable or (self.storage.swapped and kind.swap_unit > 1):
            return None
        return start + self.storage_offset * kind.numpy.itemsize

    def numpy(self) -> Array:
        """Return the values, read-only: a view of the mapped file unless swapped or conjugated.

        4-bit elements are unpacked. Quantized tensors give their integers.
        """
        if not self.has_data:
            raise ArchiveError(
                f"a {self.dtype.name.lower()}{list(self.shape)} tensor has no values in the archive"
                f" ({self.storage.key}, device {self.device})"
            )
        size = self.size
        if size == 0:
            return np.empty(self.shape, dtype=self.storage.type.numpy)
        elements = self.storage.array[self.storage_offset :]
        if self.is_contiguous:
            view = elements[:size].reshape(self.shape)
        else:
            itemsize = elements.itemsize
            view = np.lib.stride_tricks.as_strided(
                elements,
                self.shape,
                [stride * itemsize for stride in self.strides],
                writeable=False,
            )
        if self.is_conj:
            view = np.conj(view)
        if self.is_neg:
            view = np.negative(view)
        return view

    def __repr__(self) -> str:
        return f"<{self.dtype.name.lower()}{list(self.shape)} in {self.storage.key}>"


@dataclass(frozen=True, eq=False)
class SparseTensorData:
    """A sparse tensor: COO has indices and values; CSR row starts, column indices and values."""

    layout: int
    """PyTorch's number: 1 is COO, 2 is CSR."""
    shape: tuple[int, ...]
    requires_grad: bool
    parts: tuple[TensorData, ...]
