"""Builtins on strings. Strings are known when the graph is built; ONNX gets none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from exporter.conversion.builtin import builtin
from exporter.conversion.objects import Device, DictValue, ListValue, Value
from exporter.conversion.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymScalar

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter


def text(value: Value) -> str:
    """`str(value)` as TorchScript prints it; what is only known at run time shows as "?"."""
    if isinstance(value, (SymInt, SymScalar, TensorRef)):
        return "?"
    if isinstance(value, ListValue):
        return f"[{', '.join(_repr(v) for v in value.items)}]"
    if isinstance(value, tuple):
        inner = ", ".join(_repr(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, DictValue):
        return f"{{{', '.join(f'{_repr(k)}: {_repr(v)}' for k, v in value.items.items())}}}"
    return value.name if isinstance(value, Device) else str(value)


def _repr(value: Value) -> str:
    return repr(value) if isinstance(value, str) else text(value)


@builtin("aten::str")
def to_str(interpreter: Interpreter, value: Value) -> Value:
    """`str(value)`."""
    return text(value)


@builtin("aten::format")
def format_text(interpreter: Interpreter, template: str, *args: Value) -> Value:
    """`template.format(*args)`; TorchScript knows just `{}`."""
    return template.format(*map(text, args))


@builtin("aten::percentFormat")
def percent_format(interpreter: Interpreter, template: str, *args: Value) -> Value:
    """`template % args`."""
    plain = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
    return template % tuple(a if isinstance(a, (int, float)) else text(a) for a in plain)


def _method(name: str) -> None:
    def run(interpreter: Interpreter, self: Value, *args: Value, **kwargs: Value) -> Value:
        if not isinstance(self, str):
            return NotImplemented
        plain = [interpreter.items(a) if isinstance(a, ListValue) else a for a in args]
        if any(isinstance(a, (SymInt, SymScalar, TensorRef)) for a in plain):
            raise UnsupportedError(f"str.{name} with an argument that is only known at run time")
        result = getattr(self, name)(*plain, **kwargs)
        return ListValue(result) if isinstance(result, list) else result

    builtin(f"aten::{name}")(run)


for _name in (
    "upper", "lower", "capitalize", "title", "swapcase", "strip", "lstrip", "rstrip", "startswith",
    "endswith", "find", "rfind", "rindex", "replace", "isupper", "islower", "isdigit", "isalpha",
    "isalnum", "isspace", "isnumeric", "isdecimal", "isidentifier", "istitle", "isprintable",
    "center", "ljust", "rjust", "zfill", "expandtabs", "partition", "rpartition", "splitlines",
    "join",
    "rsplit",
):  # fmt: skip
    _method(_name)


@builtin("aten::split")
def split(interpreter: Interpreter, self: Value, *args: Value, **kwargs: Value) -> Value:
    """`str.split`. Of a tensor: the operator."""
    if not isinstance(self, str):
        return NotImplemented
    return ListValue(list(self.split(*args, **kwargs)))


@builtin("aten::ord")
def to_ord(interpreter: Interpreter, value: str) -> Value:
    """The code point of a character."""
    return ord(value)


@builtin("aten::chr")
def to_chr(interpreter: Interpreter, value: int) -> Value:
    """The character of a code point."""
    return chr(value)


def _in_base(name: str, convert: Callable[[int], str]) -> None:
    def run(interpreter: Interpreter, value: int) -> Value:
        return convert(value)

    builtin(f"aten::{name}")(run)


_in_base("hex", hex)
_in_base("oct", oct)
_in_base("bin", bin)
