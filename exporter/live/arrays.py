"""Tensors as arrays and arrays as tensors, in the nested values that calls take and give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import torch

from exporter.archive import Device
from exporter.conversion.boundary.specs import (
    Fixed,
    OptionalSpec,
    SequenceSpec,
    TensorSpec,
    data_type,
)
from exporter.errors import InputError
from exporter.verification.samples import array_for
from symbolics.rules import scalar_type

__all__ = ["Examples", "array_of", "flat_arrays", "mapped", "tensor_of", "to_arrays"]

# What NumPy has no type of its own for: integers of the same width, and the type to see in them.
_EXTENSION_TYPES: dict[torch.dtype, tuple[torch.dtype, Any]] = {
    getattr(torch, name): (as_integer, getattr(ml_dtypes, name))
    for name, as_integer in [
        ("bfloat16", torch.int16),
        ("float8_e4m3fn", torch.uint8),
        ("float8_e4m3fnuz", torch.uint8),
        ("float8_e5m2", torch.uint8),
        ("float8_e5m2fnuz", torch.uint8),
        ("float8_e8m0fnu", torch.uint8),
    ]
    if hasattr(torch, name)
}
_FROM_EXTENSION = {
    np.dtype(numpy_type): (as_integer, dtype)
    for dtype, (as_integer, numpy_type) in _EXTENSION_TYPES.items()
}


def to_arrays(value: Any) -> Any:
    """Tensors as arrays, in nested tuples, lists and dicts.

    Those without values, on the meta device, become specs, devices and dtypes what archives hold
    for them; all else is left as it is.
    """
    if isinstance(value, torch.Tensor):
        return spec_of(value) if value.is_meta else array_of(value)
    if isinstance(value, torch.device):
        return Device(str(value))
    if isinstance(value, torch.dtype):
        return Fixed(scalar_type(data_type(str(value).removeprefix("torch."))))
    return mapped(to_arrays, value)


def spec_of(tensor: torch.Tensor) -> TensorSpec:
    """The dtype and the shape alone."""
    return TensorSpec(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))


def array_of(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """The values of an argument, in its own memory where that is on the CPU."""
    if tensor.is_quantized:
        raise InputError(
            "a quantized tensor as argument, which no ONNX input is; quantize it in the module"
        )
    if tensor.layout is not torch.strided:
        raise InputError("a sparse tensor as argument")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.dtype in _EXTENSION_TYPES:
        as_integer, numpy_type = _EXTENSION_TYPES[tensor.dtype]
        viewed: np.ndarray[Any, Any] = tensor.contiguous().view(as_integer).numpy().view(numpy_type)
        return viewed
    array: np.ndarray[Any, Any] = tensor.numpy()
    return array


def tensor_of(array: np.ndarray[Any, Any]) -> torch.Tensor:
    """A tensor with a copy of the values."""
    if array.dtype in _FROM_EXTENSION:
        as_integer, dtype = _FROM_EXTENSION[array.dtype]
        bits = array.view(np.int16 if as_integer is torch.int16 else np.uint8)
        return torch.from_numpy(bits.copy()).view(dtype)
    return torch.from_numpy(np.array(array))


class Examples:
    """Arguments as tensors to trace with, and back as what the conversion is to know of them."""

    def __init__(self) -> None:
        self._specs: dict[int, TensorSpec] = {}

    def tensors(self, value: Any) -> Any:
        """Arrays, numbers and specs as tensors.

        A number is a tensor without dims, so that it stays an input. The values of specs, and of
        tensors that have none, are made up.
        """
        if isinstance(value, (np.ndarray, np.generic)):
            return tensor_of(np.asarray(value))
        if isinstance(value, (bool, int)):
            return torch.tensor(value)
        if isinstance(value, float):
            return torch.tensor(value, dtype=torch.float32)
        if isinstance(value, (SequenceSpec, OptionalSpec)):
            raise InputError(
                f"a trace has a fixed number of inputs, so {value} can't be one of them",
                ("script the module: torch.jit.script(module)",),
            )
        if isinstance(value, torch.Tensor) and value.is_meta:
            value = spec_of(value)
        if isinstance(value, TensorSpec):
            if value.shape is None:
                raise InputError(
                    f"a trace is of tensors with a known number of dims, not of {value}"
                )
            tensor = tensor_of(array_for(value.dtype, value.shape))
            self._specs[id(tensor)] = value
            return tensor
        return mapped(self.tensors, value)

    def arrays(self, value: Any) -> Any:
        """The tensors as arrays, those made up as the specs that they were."""
        if isinstance(value, torch.Tensor):
            return self._specs[id(value)] if id(value) in self._specs else array_of(value)
        return mapped(self.arrays, value)


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """The items of a tuple, list or dict, changed; all else is left as it is."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        # Past a constructor of its own, such as PackedSequence's, which takes tensors only.
        return tuple.__new__(type(value), map(change, value))
    if isinstance(value, (list, tuple)):
        return type(value)(map(change, value))
    if isinstance(value, Mapping):
        return {key: change(item) for key, item in value.items()}
    return value


def flat_arrays(value: Any) -> list[np.ndarray[Any, Any]]:
    """The tensors and numbers of a result in order, depth-first; None and strings drop out."""
    if isinstance(value, torch.Tensor):
        return [np.array(array_of(value))]
    if isinstance(value, bool):
        return [np.asarray(value)]
    if isinstance(value, int):
        return [np.asarray(value, np.int64)]
    if isinstance(value, (float, complex)):
        return [np.asarray(value)]
    if isinstance(value, Mapping):
        return [array for item in value.values() for array in flat_arrays(item)]
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in flat_arrays(item)]
    return []
