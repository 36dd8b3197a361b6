"""How a call of the program and the inputs of its ONNX model answer to each other.

The model's inputs are the leaves of the arguments, in order. A `CallPlan` has an example for each,
and makes the program's arguments of the values that the model gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from exporter.archive import EnumMember
from exporter.conversion.boundary.argument_binding import bound_arguments
from exporter.conversion.boundary.arguments import (
    Argument,
    Constant,
    DictNode,
    Leaf,
    ListNode,
    RecordNode,
    TupleNode,
)
from exporter.conversion.boundary.specs import SequenceSpec
from exporter.conversion.calls.overloads import method_for
from exporter.errors import InputError
from exporter.torchscript.loaded import Loaded
from exporter.torchscript.program import Program
from exporter.verification.samples import Array, Sample, array_for, list_for

__all__ = ["CallPlan", "listed"]


class CallPlan:
    """The program's arguments with a place for each input of the model."""

    def __init__(self, arguments: Mapping[str, Argument], method: str = "") -> None:
        self.method = method
        """The name of the overload, where the method has several."""
        self._arguments = arguments
        self._leaves = [leaf for a in arguments.values() for leaf in _leaves(a)]
        self.examples: list[Sample] = [_example(leaf, i) for i, leaf in enumerate(self._leaves)]
        """A value for each input: the example's own, or a made-up one for a spec."""

    @classmethod
    def of(
        cls,
        loaded: Loaded,
        method: str,
        args: Sequence[object] | None,
        kwargs: Mapping[str, object],
        constants: Mapping[str, object],
    ) -> CallPlan:
        """Plan the calls of a method, by the arguments that it was converted with."""
        program = loaded.program
        if args is None and not kwargs:
            args = loaded.traced_inputs().get(method)
        declared = program.class_type(loaded.root.type_name)
        function = method_for(program, declared, method, list(args or ()), kwargs, loaded.name)
        bound, _ = bound_arguments(program, function, args, kwargs, constants)
        given = {*kwargs, *constants}
        for parameter in function.parameters[1 + len(args or ()) :]:
            if parameter.has_default and parameter.name not in given:
                del bound[parameter.name]
        overload = "" if method in declared.methods else function.name.rpartition(".")[2]
        return cls({name: _python(program, a) for name, a in bound.items()}, overload)

    def use(self, names: Sequence[str], arrays: Mapping[str, Array] | Sequence[Array]) -> None:
        """Take these for the examples: by the inputs' names, or in order.

        A list's items are named `xs.0`, `xs.1`, and so on.
        """
        if not isinstance(arrays, Mapping):
            if len(arrays) > len(names):
                raise InputError(f"{len(arrays)} arrays for {len(names)} inputs")
            arrays = dict(zip(names, arrays, strict=False))
        for name, sample in listed(arrays, names).items():
            if name not in names:
                raise InputError(f"the model has no input {name}", (f"it has: {', '.join(names)}",))
            self.examples[names.index(name)] = sample

    def arguments(self, inputs: Sequence[Sample]) -> dict[str, Any]:
        """The program's arguments by name, holding these values in place of the examples."""
        values = dict(zip((leaf.name for leaf in self._leaves), inputs, strict=True))
        return {name: _filled(argument, values) for name, argument in self._arguments.items()}


def listed(arrays: Mapping[str, Array], names: Sequence[str]) -> dict[str, Sample]:
    """Arrays by name, with those called `xs.0`, `xs.1` as the list `xs` where that is a name."""
    found: dict[str, Sample] = {}
    lists: dict[str, dict[int, Array]] = {}
    for name, array in arrays.items():
        owner, _, number = name.rpartition(".")
        if name not in names and owner in names and number.isdecimal():
            lists.setdefault(owner, {})[int(number)] = array
        else:
            found[name] = array
    return found | {name: [items[i] for i in sorted(items)] for name, items in lists.items()}


def _leaves(argument: Argument) -> list[Leaf]:
    if isinstance(argument, Leaf):
        return [argument]
    if isinstance(argument, Constant):
        return []
    return [leaf for item in _items(argument) for leaf in _leaves(item)]


def _items(argument: Argument) -> Sequence[Argument]:
    if isinstance(argument, DictNode):
        return list(argument.items.values())
    if isinstance(argument, RecordNode):
        return list(argument.fields.values())
    assert not isinstance(argument, (Leaf, Constant))
    return argument.items


def _python(program: Program, argument: Argument) -> Argument:
    """With the enum members as Python has them: PyTorch asks for their names and values."""
    if isinstance(argument, Constant):
        if not isinstance(argument.value, EnumMember):
            return argument
        members = program.class_type(argument.value.type_name).members
        value = argument.value.value
        name = next(name for name, other in members.items() if other == value)
        return Constant(SimpleNamespace(name=name, value=value))
    if isinstance(argument, DictNode):
        return DictNode({key: _python(program, item) for key, item in argument.items.items()})
    if isinstance(argument, RecordNode):
        fields = {name: _python(program, item) for name, item in argument.fields.items()}
        return replace(argument, fields=fields)
    if isinstance(argument, (ListNode, TupleNode)):
        return replace(argument, items=tuple(_python(program, item) for item in argument.items))
    return argument


def _example(leaf: Leaf, seed: int) -> Sample:
    if leaf.example is not None:
        return leaf.example
    content = leaf.content
    if leaf.kind == "tensor" and isinstance(content, SequenceSpec):
        return list_for(content.dtype, content.shape, seed)
    return array_for(content.dtype, content.shape, seed)


def _filled(argument: Argument, values: Mapping[str, Sample]) -> Any:
    """The argument as Python calls the program with it; a named tuple is passed as a plain one."""
    if isinstance(argument, Constant):
        return argument.value
    if isinstance(argument, Leaf):
        value = values[argument.name]
        return value if argument.kind == "tensor" or value is None else np.asarray(value).tolist()
    if isinstance(argument, DictNode):
        return {key: _filled(item, values) for key, item in argument.items.items()}
    items = [_filled(item, values) for item in _items(argument)]
    return items if isinstance(argument, ListNode) else tuple(items)
