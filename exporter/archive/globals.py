"""The names that a TorchScript pickle may ask for, and the inert value that each stands for.

This table is the whole of what an archive can call. A name outside it is refused before anything is
made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from exporter.archive.dtypes import STORAGE_TYPES, UNREPRESENTABLE_STORAGES, StorageType
from exporter.archive.values import (
    Device,
    PerChannel,
    PerTensor,
    SparseTensorData,
    Storage,
    TensorData,
)
from exporter.errors import ArchiveError

__all__ = ["Function", "Global", "QuantizerName", "TypeName", "known_global"]

T = TypeVar("T")

_MAX_NAME = 2000


@dataclass(frozen=True)
class TypeName:
    """A class of the archive's own code: "__torch__.programs.Cell"."""

    name: str


@dataclass(frozen=True)
class QuantizerName:
    """A quantization scheme, such as "per_tensor_affine"."""

    name: str


@dataclass(frozen=True, eq=False)
class Function:
    """Something that a pickle calls with REDUCE."""

    name: str
    build: Callable[[tuple[object, ...]], object]


Global: TypeAlias = TypeName | StorageType | QuantizerName | Function


def known_global(module: str, name: str, pickle_name: str) -> Global:
    """Look up what `module.name` stands for; an error if TorchScript has no such thing."""
    if not (module + name).isprintable() or len(module + name) > _MAX_NAME:
        # Such a name would do harm in a message on a terminal.
        raise ArchiveError(f"{pickle_name} is damaged: it asks for something that is not a name")
    if module == "__torch__" or module.startswith("__torch__."):
        return TypeName(f"{module}.{name}")
    found = _GLOBALS.get((module, name))
    if found is not None:
        return found
    if module == "torch" and name in UNREPRESENTABLE_STORAGES:
        raise ArchiveError(
            f"{pickle_name} has a tensor of PyTorch's {name.removesuffix('Storage')} type, "
            "which has no counterpart in ONNX"
        )
    raise ArchiveError(
        f"{pickle_name} asks for {module}.{name}, which is not part of TorchScript; "
        "nothing was executed"
    )


def _is(value: object, kind: type[T]) -> T:
    """`value` if it is of that type; bool does not pass for int."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


def _sizes(value: object) -> tuple[int, ...]:
    sizes = tuple(_is(size, int) for size in _is(value, tuple))
    if any(size < 0 for size in sizes):
        raise ValueError("a negative size or stride")
    return sizes


def _tensor(
    storage: object, offset: object, shape: object, strides: object, requires_grad: object
) -> TensorData:
    """Make a tensor that is known to lie within its storage."""
    held = _is(storage, Storage)
    tensor = TensorData(
        held.dtype, _sizes(shape), _sizes(strides), held, _is(offset, int), _is(requires_grad, bool)
    )
    if len(tensor.shape) != len(tensor.strides) or tensor.storage_offset < 0:
        raise ValueError("sizes and strides that don't fit together")
    if tensor.size:
        steps = zip(tensor.shape, tensor.strides, strict=True)
        last = tensor.storage_offset + sum((size - 1) * stride for size, stride in steps)
        if last >= held.elements * held.type.per_byte or tensor.nbytes >= 1 << 63:
            raise ValueError(f"a tensor that reaches beyond {held.key}")
    return tensor


def _rebuild_tensor(arguments: tuple[object, ...]) -> TensorData:
    """(storage, offset, sizes, strides, requires_grad, hooks; newer ones: conj and neg)."""
    storage, offset, shape, strides, requires_grad, _hooks, *rest = arguments
    tensor = _tensor(storage, offset, shape, strides, requires_grad)
    if rest:
        bits = _is(rest[0], dict)
        unknown = bits.keys() - {"conj", "neg"}
        if unknown:
            raise ValueError(f"unknown tensor flags {sorted(map(str, unknown))}")
        tensor.is_conj = bits.get("conj") is True
        tensor.is_neg = bits.get("neg") is True
    return tensor


def _rebuild_quantized(arguments: tuple[object, ...]) -> TensorData:
    """(storage, offset, sizes, strides, quantizer, requires_grad, backward hooks)."""
    storage, offset, shape, strides, quantizer, requires_grad, _hooks = arguments
    tensor = _tensor(storage, offset, shape, strides, requires_grad)
    scheme, *parameters = _is(quantizer, tuple)
    name = _is(scheme, QuantizerName).name
    if name == "per_tensor_affine":
        scale, zero_point = parameters
        tensor.quantization = PerTensor(_is(scale, float), _is(zero_point, int))
    else:
        scales, zero_points, axis = parameters
        tensor.quantization = PerChannel(
            _is(scales, TensorData),
            _is(zero_points, TensorData),
            _is(axis, int),
            float_zero_points=name == "per_channel_affine_float_qparams",
        )
    return tensor


def _rebuild_sparse(arguments: tuple[object, ...]) -> SparseTensorData:
    """(layout, sizes, requires_grad, tensors by layout, backward hooks)."""
    layout, shape, requires_grad, *parts, _hooks = arguments
    return SparseTensorData(
        _is(layout, int),
        _sizes(shape),
        _is(requires_grad, bool),
        tuple(_is(part, TensorData) for part in parts),
    )


def _first(arguments: tuple[object, ...]) -> object:
    """Unwrap a typed list: the type is in the class's code too, so the list alone will do."""
    (items,) = arguments
    return items


def _device(arguments: tuple[object, ...]) -> Device:
    """(type) or (type, index)."""
    kind, *index = arguments
    name = _is(kind, str)
    return Device(f"{name}:{_is(index[0], int)}" if index else name)


def _complex(arguments: tuple[object, ...]) -> complex:
    real, imaginary = arguments
    return complex(_is(real, float), _is(imaginary, float))


def _ordered_dict(arguments: tuple[object, ...]) -> dict[object, object]:
    """Backward hooks, of which TorchScript saves none."""
    if arguments:
        raise ValueError("an ordered dict with contents")
    return {}


def _restore_type_tag(arguments: tuple[object, ...]) -> object:
    """(value, its static type as text)."""
    value, type_text = arguments
    _is(type_text, str)
    return value


_GLOBALS: dict[tuple[str, str], Global] = {
    **{("torch", name): storage_type for name, storage_type in STORAGE_TYPES.items()},
    **{
        ("torch", name): QuantizerName(name)
        for name in ("per_tensor_affine", "per_channel_affine", "per_channel_affine_float_qparams")
    },
    **{
        (module, name): Function(f"{module}.{name}", build)
        for module, name, build in [
            ("collections", "OrderedDict", _ordered_dict),
            ("builtins", "complex", _complex),
            ("torch", "device", _device),
            ("torch._utils", "_rebuild_tensor_v2", _rebuild_tensor),
            ("torch._utils", "_rebuild_qtensor", _rebuild_quantized),
            ("torch._utils", "_rebuild_sparse_tensor", _rebuild_sparse),
            ("torch.jit._pickle", "build_intlist", _first),
            ("torch.jit._pickle", "build_doublelist", _first),
            ("torch.jit._pickle", "build_boollist", _first),
            ("torch.jit._pickle", "build_tensorlist", _first),
            ("torch.jit._pickle", "restore_type_tag", _restore_type_tag),
        ]
    },
}
