"""Text of values, and formatting. Strings are known when the graph is built; ONNX gets none."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.values.objects import (
    ChoiceValue,
    Device,
    DictValue,
    ListValue,
    NamedTuple,
    OptionalValue,
    Value,
)
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymScalar

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter


class RunTimeText(str):
    """Text with a "?" for a number that is only known at run time: fit for messages alone."""

    __slots__ = ()


def unknown_text(what: str) -> UnsupportedError:
    """The error for something of strings that needs values of the run."""
    return UnsupportedError(
        f"{what} that are only known at run time; ONNX has no operators on strings",
        ("try  bind what is the same in every run: constants={...}, on the command line --const",),
    )


# Operators that pass on what they can't read.
OPAQUE = frozenset(
    {"aten::str", "aten::format", "aten::percentFormat", "aten::add", "prim::Print", "aten::warn"}
)


def text(value: Value) -> str:
    """`str(value)` as TorchScript prints it; what is only known at run time shows as "?".

    Unlike Python it quotes no string inside of a container, and has no zero after the point.
    """
    if isinstance(value, (SymInt, SymScalar, TensorRef, OptionalValue, ChoiceValue)):
        return RunTimeText("?")
    if isinstance(value, (str, bool)) or value is None:
        return value if isinstance(value, str) else str(value)
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, complex):
        sign = "" if math.copysign(1.0, value.imag) < 0 else "+"
        return f"{_float_text(value.real)}{sign}{_float_text(value.imag)}j"
    if isinstance(value, ListValue):
        if value.runtime is not None:
            return RunTimeText("?")
        return joined_text(["[", *_separated(value.items), "]"])
    if isinstance(value, (tuple, NamedTuple)):
        items = value if isinstance(value, tuple) else value.values
        end = ",)" if len(items) == 1 else ")"
        return joined_text(["(", *_separated(items), end])
    if isinstance(value, DictValue):
        if value.runtime is not None:
            return RunTimeText("?")
        pairs = [joined_text([text(k), ": ", text(v)]) for k, v in value.items.items()]
        return joined_text(["{", *_separated(pairs), "}"])
    return value.name if isinstance(value, Device) else str(value)


def joined_text(parts: Sequence[str]) -> str:
    """The parts as one text, of which nothing can be told if that is so of a part."""
    whole = "".join(parts)
    if not whole.isascii():
        # Halves of a character may have met.
        whole = whole.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return RunTimeText(whole) if any(isinstance(p, RunTimeText) for p in parts) else whole


def _separated(items: Sequence[Value]) -> Iterator[str]:
    for i, item in enumerate(items):
        if i:
            yield ", "
        yield text(item)


def _float_text(value: float) -> str:
    """A double as C++ prints it with all its digits; a whole number as an integer and a point."""
    if value.is_integer() and -(2**63) <= value < 2**63:
        return f"{int(value)}."
    return f"{value:.17g}"


@builtin("aten::str")
def to_str(interpreter: Interpreter, value: Value) -> Value:
    """`str(value)`."""
    return text(value)


@builtin("aten::format")
def format_text(interpreter: Interpreter, template: str, *args: Value) -> Value:
    """`template.format(*args)`; TorchScript knows just `{}`, and no escapes."""
    pieces = template.split("{}")
    if len(args) < len(pieces) - 1:
        raise RaisedError(f"too few arguments for the format {template!r}")
    parts: list[str] = [RunTimeText(pieces[0]) if isinstance(template, RunTimeText) else pieces[0]]
    for piece, arg in zip(pieces[1:], args, strict=False):
        parts += [text(arg), piece]
    return joined_text(parts)


@builtin("aten::percentFormat")
def percent_format(interpreter: Interpreter, template: str, *args: Value) -> Value:
    """`template % args`, with the specifiers that TorchScript has."""
    left = list(args[0]) if len(args) == 1 and isinstance(args[0], tuple) else list(args)
    parts: list[str] = []
    for plain, specifier in re.findall(r"([^%]*)(%.?|$)", template):
        parts.append(plain)
        if specifier == "%%":
            parts.append("%")
        elif specifier:
            parts.append(_formatted(specifier[1:], left, template))
    if left:
        raise RaisedError(f"too many arguments for the format {template!r}")
    return joined_text(parts)


def _formatted(specifier: str, left: list[Value], template: str) -> str:
    if not specifier or specifier not in "sdifFeEc":
        raise RaisedError(f"%{specifier} in the format {template!r}")
    if not left:
        raise RaisedError(f"too few arguments for the format {template!r}")
    value = left.pop(0)
    if specifier == "s" or not isinstance(value, (int, float, str)):
        return text(value)
    if specifier == "c":
        return value if isinstance(value, str) else chr(int(value))
    if isinstance(value, (str, bool)):
        raise RaisedError(f"%{specifier} requires a number")
    return f"{int(value)}" if specifier in "di" else f"%{specifier}" % value
