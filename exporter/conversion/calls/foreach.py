"""`_foreach_` operators: one call for each item of lists of tensors.

They are derived: `_foreach_add(xs, ys)` is `add` of each pair, `_foreach_add_` writes each. What is
not a list goes to every call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.values import is_number
from exporter.torchscript.types import TensorType

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["call_for_each", "single_operator"]

PREFIX = "aten::_foreach_"
# By their names here, those that have another for one tensor.
_SINGLE = {"norm": "linalg_vector_norm", "powsum": "linalg__powsum"}
_WITH_NUMBER = {"maximum": "clamp_min", "minimum": "clamp_max"}
_VALUE_BY_NAME = ("addcmul", "addcdiv")


def single_operator(kind: str) -> str | None:
    """The operator on one tensor that a `_foreach_` operator is derived from, or None."""
    if not kind.startswith(PREFIX):
        return None
    name = kind.removeprefix(PREFIX)
    bare = name.removesuffix("_")
    return f"aten::{_SINGLE.get(bare, bare)}{name[len(bare) :]}"


def call_for_each(
    interpreter: Interpreter, kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> Value:
    """The results as a list, or None of an operator that writes in place."""
    single = single_operator(kind)
    assert single is not None
    in_place = single.endswith("_")
    bare = single.removeprefix("aten::").removesuffix("_")
    args, kwargs = list(args), dict(kwargs)
    if bare in _WITH_NUMBER and _is_numeric(interpreter, args[1]):
        single = f"aten::{_WITH_NUMBER[bare]}{'_' if in_place else ''}"
    if bare in _VALUE_BY_NAME and len(args) == 4:
        value = args.pop()
        # A tensor has a number for each item, as a list does.
        whole = isinstance(value, TensorRef)
        kwargs["value"] = ListValue(list(interpreter.items(value))) if whole else value
    columns = [_column(interpreter, a) for a in args]
    named = {name: _column(interpreter, value) for name, value in kwargs.items()}
    lengths = {len(c) for c in (*columns, *named.values()) if isinstance(c, list)}
    if len(lengths) != 1:
        raise UnsupportedError(f"{kind}: lists of different lengths")
    results = [
        interpreter.call(
            single,
            [c[i] if isinstance(c, list) else c for c in columns],
            {n: c[i] if isinstance(c, list) else c for n, c in named.items()},
        )
        for i in range(lengths.pop())
    ]
    return None if in_place else ListValue(results, TensorType())


def _column(interpreter: Interpreter, value: Value) -> Value:
    """The items of a list as a Python list; any other value as it is."""
    return list(interpreter.items(value)) if isinstance(value, ListValue) else value


def _is_numeric(interpreter: Interpreter, value: Value) -> bool:
    if isinstance(value, ListValue):
        return all(is_number(item) for item in interpreter.items(value))
    return is_number(value)
