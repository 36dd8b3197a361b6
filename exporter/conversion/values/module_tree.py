"""The archive's object tree as values of the program, and what of it is state.

Modules and script-class objects become `ObjectValue`, tensors constants named by their qualified
name. What a method writes (a tensor in place, or an attribute) is *state*: `StateSpec`s name the
attributes that the conversion has found to be written, and those become inputs of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exporter.archive import Device, EnumMember, ScriptObject, SparseTensorData, TensorData
from exporter.conversion.values.constants import packed_object, tensor_from_archive
from exporter.conversion.values.objects import DictValue, ListValue, NamedTuple, ObjectValue, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.torchscript.types import ClassRef, DictType, ListType, OptionalType, TupleType, Type

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["ModuleTree"]


class ModuleTree:
    """Loads the object tree; `state` gives the values of attributes that are inputs.

    `training` overrides the modules' training flags, where it is not None.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        root: ScriptObject,
        *,
        training: bool | None = False,
        state: dict[str, Value] | None = None,
    ) -> None:
        self._interpreter = interpreter
        self._training = training
        self._state = state or {}
        self._memo: dict[int, Value] = {}
        self.modules: list[ObjectValue] = []
        self.root: ObjectValue = self._object(root, "")

    def attributes(self) -> Iterator[tuple[str, ObjectValue, str]]:
        """(qualified name, owner, attribute) of everything in the tree, in order."""
        for module in self.modules:
            for name in module.type.attributes:
                yield (f"{module.path}.{name}" if module.path else name), module, name

    def _object(self, data: ScriptObject, path: str) -> ObjectValue:
        program = self._interpreter.program
        declared = program.class_type(data.type_name)
        result = ObjectValue(declared, {}, path)
        self._memo[id(data)] = result
        self.modules.append(result)
        if data.has_state and "__setstate__" in declared.methods:
            state = self.load(data.state, None, path)
            self._interpreter.call_method(result, "__setstate__", [state])
            return result
        for name, value in data.attributes.items():
            qualified = f"{path}.{name}" if path else name
            result.attributes[name] = self._attribute(
                qualified, name, value, declared.attributes.get(name), declared.kind
            )
        return result

    def _attribute(
        self, qualified: str, name: str, value: object, declared: Type | None, kind: str
    ) -> Value:
        if qualified in self._state:
            held = self._state[qualified]
            if isinstance(held, TensorRef) and isinstance(value, TensorData):
                held.require_grad(value.requires_grad)
            return held
        if name == "training" and kind == "module" and self._training is not None:
            return self._training
        return self.load(value, declared, qualified)

    def load(self, value: object, declared: Type | None, path: str) -> Value:
        """A stored value as a value of the program."""
        if isinstance(declared, OptionalType):
            declared = declared.element
        if isinstance(value, (TensorData, ScriptObject, list, dict)) and id(value) in self._memo:
            return self._memo[id(value)]
        if isinstance(value, TensorData):
            result: Value = tensor_from_archive(self._interpreter.g, value, path)
        elif isinstance(value, ScriptObject):
            if not value.type_name.startswith("__torch__.torch.classes."):
                return self._object(value, path)
            result = packed_object(self._interpreter.g, value, path)
        elif isinstance(value, list):
            element = declared.element if isinstance(declared, ListType) else None
            items = [self.load(v, element, f"{path}.{i}") for i, v in enumerate(value)]
            result = ListValue(items, element)
        elif isinstance(value, dict):
            inner = declared.value if isinstance(declared, DictType) else None
            result = DictValue({k: self.load(v, inner, f"{path}.{k}") for k, v in value.items()})
        elif isinstance(value, tuple):
            return self._tuple(value, declared, path)
        elif isinstance(value, SparseTensorData):
            raise UnsupportedError(f"the sparse tensor {path}")
        elif value is None or isinstance(
            value, (bool, int, float, complex, str, Device, EnumMember)
        ):
            return value
        else:
            raise UnsupportedError(f"{path}: an attribute of the type {type(value).__name__}")
        self._memo[id(value)] = result
        return result

    def _tuple(self, value: tuple[object, ...], declared: Type | None, path: str) -> Value:
        if isinstance(declared, ClassRef):
            fields = self._interpreter.program.class_type(declared.name).attributes
            return NamedTuple(
                declared.name,
                {
                    name: self.load(v, fields[name], f"{path}.{name}")
                    for name, v in zip(fields, value, strict=True)
                },
            )
        elements: tuple[Type | None, ...] = (None,) * len(value)
        if isinstance(declared, TupleType):
            elements = declared.elements
        return tuple(
            self.load(v, t, f"{path}.{i}")
            for i, (v, t) in enumerate(zip(value, elements, strict=True))
        )
