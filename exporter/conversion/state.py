"""Module state: attributes that the method writes become inputs and outputs of the model.

Which attributes those are shows only when the program has run. So it is run with the attributes as
constants first; what it wrote is made an input, and it is run again, until nothing new is written
and each state's type on the way out is its type on the way in (a dim or a rank that changes is left
open). The initial values are kept beside the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from exporter.conversion.journal import Frame
from exporter.conversion.module_tree import ModuleTree
from exporter.conversion.objects import DictValue, ListValue, ObjectValue, Value
from exporter.conversion.results import flatten
from exporter.conversion.signature import Inputs
from exporter.conversion.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.onnx_graph.values import SymBool, SymFloat, Tensor, is_number

__all__ = ["StateSpec", "initial_arrays", "make_state", "specs_of", "widen", "written"]


@dataclass(frozen=True)
class StateSpec:
    """One tensor or number of the state: its dtype, and a shape that is open where it changes."""

    dtype: ir.DataType
    shape: tuple[int | str, ...] | None
    is_number: bool = False


def written(tree: ModuleTree, frame: Frame) -> list[str]:
    """Qualified names of the attributes that were changed since the frame was opened."""
    names = []
    for qualified, owner, name in tree.attributes():
        before = frame.before.get(owner, owner.attributes)
        old, new = before.get(name), owner.attributes.get(name)
        if not _same(old, new) or _touched(new, frame):
            names.append(qualified)
    return names


def _same(old: Value, new: Value) -> bool:
    if old is new:
        return True
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        return all(map(_same, old, new))
    plain = (bool, int, float, str)
    return isinstance(old, plain) and type(old) is type(new) and bool(old == new)


def _touched(value: Value, frame: Frame) -> bool:
    """Whether a tensor or container was changed in place."""
    if isinstance(value, TensorRef):
        state = frame.before.get(value.cell)
        return state is not None and state[0] is not value.cell.value
    if isinstance(value, (ListValue, DictValue)):
        items = value.items if isinstance(value, ListValue) else list(value.items.values())
        before = frame.before.get(value)
        if before is not None and before != value.snapshot():
            return True
        return any(_touched(i, frame) for i in items)
    if isinstance(value, tuple):
        return any(_touched(i, frame) for i in value)
    return False


def initial_arrays(g: Builder, qualified: str, value: Value) -> dict[str, np.ndarray]:
    """The tensors and numbers of an attribute by name, as arrays."""
    arrays = {}
    for name, tensor in flatten(g, value, qualified):
        array = tensor.array
        assert array is not None
        arrays[name] = array
    return arrays


def specs_of(g: Builder, qualified: str, value: Value) -> dict[str, StateSpec]:
    """The types of an attribute's tensors and numbers, by name."""
    if value is None or isinstance(value, (str, ObjectValue)):
        raise UnsupportedError(
            f"the attribute {qualified} is written; a {type(value).__name__} can't be state"
        )
    return {
        name: StateSpec(t.dtype, t.static_shape, is_number(value))
        for name, t in flatten(g, value, qualified)
    }


def make_state(
    inputs: Inputs, g: Builder, qualified: str, value: Value, specs: dict[str, StateSpec]
) -> Value:
    """The attribute's value with every tensor and number in it a graph input."""

    def replace(item: Value, name: str) -> Value:
        if isinstance(item, TensorRef):
            spec = specs[name]
            return TensorRef.fresh(inputs.add(name, spec.dtype, spec.shape))
        if is_number(item):
            tensor = inputs.add(name, specs[name].dtype, ())
            return _number(g, tensor)
        if isinstance(item, tuple):
            return tuple(replace(v, f"{name}.{i}") for i, v in enumerate(item))
        if isinstance(item, ListValue):
            items = [replace(v, f"{name}.{i}") for i, v in enumerate(item.items)]
            return ListValue(items, item.element_type)
        if isinstance(item, DictValue):
            return DictValue({k: replace(v, f"{name}.{k}") for k, v in item.items.items()})
        if item is None or isinstance(item, str):
            return item
        raise UnsupportedError(f"the attribute {qualified} is written and can't be state")

    return replace(value, qualified)


def _number(g: Builder, tensor: Tensor) -> Value:
    if tensor.dtype == ir.DataType.INT64:
        return g.integer(tensor)
    return SymBool(tensor) if tensor.dtype == ir.DataType.BOOL else SymFloat(tensor)


def widen(name: str, spec: StateSpec, out: Tensor) -> StateSpec:
    """The spec, opened where the new value's type differs from it."""
    if out.dtype != spec.dtype:
        raise UnsupportedError(
            f"the state {name} is {spec.dtype.name} at first and {out.dtype.name} afterwards"
        )
    if spec.shape is None or out.shape is None or len(out.shape) != len(spec.shape):
        return StateSpec(spec.dtype, None, spec.is_number)
    shape: list[int | str] = []
    for axis, (old, new) in enumerate(zip(spec.shape, out.shape, strict=True)):
        same = str(new) == str(old) if isinstance(old, str) else new == old
        shape.append(old if same or isinstance(old, str) else f"{name}_{axis}")
    return StateSpec(spec.dtype, tuple(shape), spec.is_number)


