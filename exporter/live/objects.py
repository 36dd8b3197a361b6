"""A live module as an object of a program, whose tensors are read where they are.

It is what the archive of its trace would hold: modules with their parameters, buffers and training
flags. A module that has more than that to be saved, packed weights or scripted parts, is not plain
and goes through an archive.
"""

from __future__ import annotations

import torch
from torch import nn

from exporter.archive import ScriptObject, Storage, TensorData
from exporter.archive.dtypes import STORAGE_TYPES, StorageType
from exporter.torchscript.graph import ClassType
from exporter.torchscript.types import BoolType, ClassRef, TensorType, Type

__all__ = ["LiveTensors", "ModuleObjects", "NotPlainError"]

_KINDS: dict[torch.dtype, StorageType] = {
    getattr(torch, dtype): STORAGE_TYPES[f"{name}Storage"]
    for dtype, name in [
        ("uint8", "Byte"),
        ("int8", "Char"),
        ("int16", "Short"),
        ("int32", "Int"),
        ("int64", "Long"),
        ("uint16", "UInt16"),
        ("uint32", "UInt32"),
        ("uint64", "UInt64"),
        ("float16", "Half"),
        ("float32", "Float"),
        ("float64", "Double"),
        ("complex64", "ComplexFloat"),
        ("complex128", "ComplexDouble"),
        ("bool", "Bool"),
        ("bfloat16", "BFloat16"),
        ("float8_e4m3fn", "Float8_e4m3fn"),
        ("float8_e4m3fnuz", "Float8_e4m3fnuz"),
        ("float8_e5m2", "Float8_e5m2"),
        ("float8_e5m2fnuz", "Float8_e5m2fnuz"),
        ("float8_e8m0fnu", "Float8_e8m0fnu"),
    ]
    if hasattr(torch, dtype)
}

_TENSORS = (torch.Tensor, nn.Parameter, nn.Buffer) if hasattr(nn, "Buffer") else (
    torch.Tensor,
    nn.Parameter,
)  # fmt: skip


class NotPlainError(Exception):
    """A module or a trace that only an archive can hold whole."""


class LiveTensors:
    """Tensors as an archive would have them: what is shared stays shared.

    Those of a module's `bound` parameters are views of the live ones' memory, all others copies,
    for buffers change as soon as the module is called.
    """

    def __init__(self, *, bound: bool = False) -> None:
        self._bound = bound
        self._tensors: dict[int, TensorData] = {}
        self._storages: dict[int, Storage] = {}
        # What is known by its address must stay there.
        self._kept: list[object] = []

    def data(self, tensor: torch.Tensor, *, parameter: bool = False) -> TensorData:
        """The tensor, read when somebody asks for its values."""
        found = self._tensors.get(id(tensor))
        if found is None:
            self._kept.append(tensor)
            found = self._tensors[id(tensor)] = TensorData(
                _kind(tensor).dtype,
                tuple(tensor.shape),
                tensor.stride(),
                self._storage(tensor, bound=parameter and self._bound),
                tensor.storage_offset(),
                tensor.requires_grad,
                is_conj=tensor.is_conj(),
                is_neg=tensor.is_neg(),
            )
        return found

    def _storage(self, tensor: torch.Tensor, *, bound: bool) -> Storage:
        held, kind = tensor.untyped_storage(), _kind(tensor)
        found = self._storages.get(held._cdata)
        if found is None:
            self._kept.append(held)

            def read() -> memoryview:
                # A tensor on another device is copied anyway.
                values = torch.empty(0, dtype=torch.uint8).set_(held.cpu()).numpy()
                copied = not bound and held.device.type == "cpu"
                return memoryview(values.copy() if copied else values).toreadonly()

            found = self._storages[held._cdata] = Storage(
                f"the module's storage {len(self._storages)}",
                kind,
                str(held.device),
                held.nbytes() // kind.numpy.itemsize,
                None,
                False,
                None if held.device.type == "meta" else read,
            )
        elif found.type is not kind:
            raise NotPlainError("views of one storage that have different dtypes")
        return found


def _kind(tensor: torch.Tensor) -> StorageType:
    plain = type(tensor) in _TENSORS and tensor.layout is torch.strided
    if not plain or tensor.dtype not in _KINDS:
        raise NotPlainError(f"a {type(tensor).__name__} of {tensor.dtype}")
    return _KINDS[tensor.dtype]


class ModuleObjects:
    """The modules of a live one as objects, each of a class of its own."""

    def __init__(self, model: nn.Module, *, bound: bool) -> None:
        self.classes: dict[str, ClassType] = {}
        self.tensors: list[torch.Tensor] = []
        """The parameters and buffers, each once."""
        self.places: list[tuple[str, ...]] = []
        """Where the object tree has each of them: the names of attributes."""
        self.names: dict[nn.Module, tuple[str, str]] = {}
        """The first path of each module below the root, and the name of its Python class."""
        self._versions: dict[str, tuple[torch.Tensor, int]] = {}
        self._live = LiveTensors(bound=bound)
        self._seen: set[int] = set()
        self.root = self._object(model, ())

    def note_versions(self) -> None:
        """Note how often PyTorch has seen each parameter written to."""
        self._versions = {
            ".".join(place): (tensor, tensor._version)
            for place, tensor in zip(self.places, self.tensors, strict=True)
            if isinstance(tensor, nn.Parameter) and not tensor.is_inference()
        }

    def written(self) -> list[str]:
        """The parameters that have been written to since."""
        versions = self._versions.items()
        return [name for name, (tensor, version) in versions if tensor._version != version]

    def _object(self, module: nn.Module, place: tuple[str, ...]) -> ScriptObject:
        if isinstance(module, torch.jit.ScriptModule):
            raise NotPlainError("a scripted module")
        name = torch._jit_internal._qualified_name(type(module))
        declared = self._class(name)
        if place:
            self.names.setdefault(module, (".".join(place), name))
        result = ScriptObject(declared.name)
        attributes, types = result.attributes, declared.attributes
        tensor_type: Type = TensorType()
        for held, names in (
            (module._parameters, declared.parameters),
            (module._buffers, declared.buffers),
        ):
            for name, tensor in held.items():
                if tensor is None:
                    continue
                attributes[name] = self._live.data(tensor, parameter=held is module._parameters)
                types[name] = tensor_type
                names.append(name)
                if id(tensor) not in self._seen:
                    self._seen.add(id(tensor))
                    self.tensors.append(tensor)
                    self.places.append((*place, name))
        for name, part in module._modules.items():
            if part is not None:
                inner = self._object(part, (*place, name))
                attributes[name], types[name] = inner, ClassRef(inner.type_name)
        attributes["training"], types["training"] = module.training, BoolType()
        if any(map(torch._C._jit_is_script_object, module.__dict__.values())):
            raise NotPlainError("an object of a C++ class")
        return result

    def _class(self, name: str) -> ClassType:
        """A class of this name, which PyTorch's way tells apart from others of the name."""
        qualified = name
        if name in self.classes:
            folder, _, own = name.rpartition(".")
            qualified = f"{folder}.___torch_mangle_{len(self.classes)}.{own}"
        result = self.classes[qualified] = ClassType(qualified, "module")
        return result
