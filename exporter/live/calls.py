"""Calls that a trace can't take, made such that it can.

`torch.jit.trace` wants arguments and results that are tensors in lists, tuples and dicts of one
type. Users call modules with None, strings and keywords, and get data classes and mixed dicts back.
An `Adapter` stands between: it hides in the module's class while it is traced, so that module
paths, parameter names and hooks are those of the module itself.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from exporter.conversion.boundary.results import part_name
from exporter.errors import InputError

__all__ = ["Adapter"]


@dataclasses.dataclass(frozen=True)
class _Slot:
    """The place of an argument that is traced, by its index."""

    index: int


@dataclasses.dataclass(frozen=True)
class _Record:
    """The place of a named tuple, or of an object of a data class: how it is made of its parts.

    It is not made before it has tensors, which it may ask for what they are.
    """

    make: Callable[..., Any]
    parts: Mapping[str, Any]


class Adapter:
    """Turns a call with tensors alone into the call that was given; `arguments` are its tensors.

    `constants` take the place of arguments of their names, and are not among those tensors.
    """

    def __init__(
        self,
        model: nn.Module,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        constants: dict[str, Any],
    ) -> None:
        self._model = model
        self._method = method
        self.arguments: tuple[Any, ...] = ()
        self.names: dict[str, str] = {}
        """What the parameters of the trace are in the call: `d_a` is `d.a`."""
        self.result_names: list[str] = []
        """What the tensors of the result are in what the module returns."""
        entry = getattr(model, method)
        positional = _positional_names(entry, len(args))
        self._args = tuple(
            constants[name] if name in constants else self._shortened(name, value)
            for name, value in zip(positional, args, strict=True)
        )
        self._kwargs = {
            name: self._shortened(name, kwargs[name])
            for name in _declared_order(entry, kwargs)
            if name not in constants
        }
        self._kwargs |= {k: v for k, v in constants.items() if k not in positional}

    def _shortened(self, name: str, value: Any) -> Any:
        """The argument with a slot where what is traced of it belongs."""
        if _traceable(value):
            self.arguments += (value,)
            self.names[self._parameter(name)] = name
            return _Slot(len(self.arguments) - 1)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            fields = zip(value._fields, value, strict=True)
            parts = {k: self._shortened(f"{name}.{k}", v) for k, v in fields}
            return _Record(lambda **found: type(value)(*found.values()), parts)
        if isinstance(value, (list, tuple)):
            return type(value)(self._shortened(f"{name}.{i}", v) for i, v in enumerate(value))
        if isinstance(value, Mapping):
            return {key: self._shortened(f"{name}.{key}", v) for key, v in value.items()}
        if _is_data(value):
            held = _init_fields(value)
            parts = {k: self._shortened(f"{name}.{k}", v) for k, v in held.items()}
            return _Record(partial(dataclasses.replace, value), parts)
        return value

    def _parameter(self, name: str) -> str:
        """A parameter's name for a part of an argument, one that no other has."""
        base = parameter = re.sub(r"\W", "_", name)
        count = 0
        while parameter in self.names:
            count += 1
            parameter = f"{base}_{count}"
        return parameter

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Make the method take `arguments` and return what a trace can record."""
        original = type(self._model)
        subclass: Any = type(original.__name__, (original,), {"__doc__": original.__doc__})
        subclass.__module__ = original.__module__
        subclass.__qualname__ = original.__qualname__

        entered = False

        def adapted(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            nonlocal entered
            if entered:  # the module calls itself
                return entry(module, *args, **kwargs)
            entered = True
            filled = {name: _filled(value, args) for name, value in self._kwargs.items()}
            result = entry(module, *_filled(self._args, args), **filled)
            self.result_names = list(_part_names(result, ""))
            return _recordable(result)

        def forward(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return original.forward(module, *args, **kwargs)

        if self._method == "forward":
            entry: Any = original.__call__
            subclass.__call__ = adapted
            subclass.forward = forward
        else:
            entry = getattr(original, self._method)
            setattr(subclass, self._method, adapted)
        # The names that the tracer gives the parameters.
        subclass.__dict__[self._method].__signature__ = _signature(["self", *self.names])
        # Past nn.Module's own __setattr__, and past one that the user wrote.
        object.__setattr__(self._model, "__class__", subclass)
        try:
            yield
        finally:
            object.__setattr__(self._model, "__class__", original)


def _signature(names: list[str]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind) for name in names])


def _positional_names(function: Any, count: int) -> list[str]:
    """What the function calls its first arguments; those of `*args` are numbered."""
    names: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}_{i}" for i in range(count - len(names))]
    if len(names) < count:
        raise InputError(
            f"{count} arguments for {len(names)} parameters: {', '.join(names) or 'none'}"
        )
    return names[:count]


def _declared_order(function: Any, kwargs: dict[str, Any]) -> list[str]:
    """Keywords in the order of the parameters, then those that only `**kwargs` takes."""
    declared = [name for name in inspect.signature(function).parameters if name in kwargs]
    return declared + [name for name in kwargs if name not in declared]


def _filled(value: Any, tensors: tuple[Any, ...]) -> Any:
    if isinstance(value, _Slot):
        return tensors[value.index]
    if isinstance(value, _Record):
        return value.make(**{name: _filled(part, tensors) for name, part in value.parts.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(item, tensors) for item in value)
    if isinstance(value, Mapping):
        return {key: _filled(item, tensors) for key, item in value.items()}
    return value


def _shape_of(value: Any) -> Any:
    """The type that the tracer sees, None if it takes no such value."""
    if isinstance(value, torch.Tensor):
        return torch.Tensor
    if isinstance(value, Mapping):
        shapes = [_shape_of(item) for item in value.values()]
        same = bool(shapes) and shapes[0] is not None and shapes.count(shapes[0]) == len(shapes)
        return (dict, shapes[0]) if same and all(isinstance(k, str) for k in value) else None
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        shapes = [_shape_of(item) for item in value]
        if not shapes or None in shapes:
            return None
        if isinstance(value, tuple):
            return (tuple, *shapes)
        return (list, shapes[0]) if shapes.count(shapes[0]) == len(shapes) else None
    return None


def _traceable(value: Any) -> bool:
    return _shape_of(value) is not None


def _recordable(result: Any) -> Any:
    """The result as a trace can return it: None and strings dropped, fields as a dict's entries.

    Lists and dicts of anything but tensors become tuples: the tracer knows no others.
    """
    if isinstance(result, (bool, int, float)):
        return torch.tensor(result)
    result = _as_dict(result)
    if isinstance(result, Mapping):
        kept = {k: _recordable(v) for k, v in result.items() if not _is_absent(v)}
        return kept if _are_tensors(kept.values()) and _traceable(kept) else tuple(kept.values())
    if isinstance(result, (list, tuple)):
        items = [_recordable(item) for item in result if not _is_absent(item)]
        return items if isinstance(result, list) and _are_tensors(items) else tuple(items)
    return result


def _are_tensors(values: Collection[Any]) -> bool:
    return bool(values) and all(isinstance(value, torch.Tensor) for value in values)


def _is_data(value: Any) -> bool:
    """Whether this is an object of a data class."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _init_fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}


def _as_dict(result: Any) -> Any:
    """What has fields as a dict of them."""
    if _is_data(result) and not isinstance(result, Mapping):
        return {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return dict(zip(result._fields, result, strict=True))
    return result


def _part_names(result: Any, name: str) -> Iterator[str]:
    """What the conversion calls the parts of a result, which a trace may have no names for."""
    result = _as_dict(result)
    if _is_absent(result):
        return
    if isinstance(result, Mapping):
        for key, item in result.items():
            yield from _part_names(item, part_name(name, key))
    elif isinstance(result, (list, tuple)):
        for i, item in enumerate(result):
            yield from _part_names(item, part_name(name, i))
    else:
        yield name or "output"


def _is_absent(value: Any) -> bool:
    return value is None or isinstance(value, str)
