"""Methods of strings. TorchScript's strings are bytes, its methods know ASCII alone.

They follow C++, so bounds, defaults and some results are others than Python's. A piece of a
character that takes several bytes is held as a surrogate, as Python does with undecodable bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from exporter.conversion.builtins.builtin import builtin
from exporter.conversion.builtins.strings import RunTimeText, joined_text, unknown_text
from exporter.conversion.values.objects import ChoiceValue, ListValue, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymScalar

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["as_bytes", "as_text", "count", "index", "split"]

_SPACES = b" \n\t\f\v"
_LINE_BREAKS = rb"[\n\v\f\r\x1c-\x1e\x85\xe2\x80\xa8\xa9]"
_BETWEEN_WORDS = rb"[\t-\r\x1c-\x1e \x85\xe2\x80\xa8\xa9]+"

Plain: TypeAlias = bytes | int | bool | tuple[bytes, ...] | list[bytes] | None


def as_bytes(value: str) -> bytes:
    """The bytes of a string."""
    return value.encode("utf-8", "surrogateescape")


def as_text(value: bytes) -> str:
    """The string of these bytes."""
    return value.decode("utf-8", "surrogateescape")


# ---------------------------------------------------------------- bounds


def _bounds(self: bytes, start: int, end: int) -> tuple[int, int]:
    """Both from the front. The end counts from behind the last byte: -1 is all of the string."""
    size = len(self)
    return (max(0, start + size) if start < 0 else start), (
        max(0, end + size + 1) if end < 0 else end
    )


def _within(self: bytes, start: int) -> None:
    if start > len(self):
        raise RaisedError(f"{start} is behind the end of a string")


def _found(self: bytes, part: bytes, start: int, end: int, *, last: bool) -> int:
    start, end = _bounds(self, start, end)
    if end > start:
        _within(self, start)
    if not part:
        return max(start, min(end, len(self))) if last else start
    where = self[start:end].rfind(part) if last else self[start:end].find(part)
    return -1 if where < 0 else where + start


def find(self: bytes, part: bytes, start: int = 0, end: int = -1) -> int:
    """Where the first one is, or -1."""
    return _found(self, part, start, end, last=False)


def rfind(self: bytes, part: bytes, start: int = 0, end: int = -1) -> int:
    """Where the last one is, or -1."""
    return _found(self, part, start, end, last=True)


def _there(where: int) -> int:
    if where < 0:
        raise RaisedError("substring not found")
    return where


def rindex(self: bytes, part: bytes, start: int = 0, end: int = -1) -> int:
    """Where the last one is, which must be there."""
    return _there(rfind(self, part, start, end))


def index(self: str, part: str, start: int = 0, end: int = -1) -> int:
    """`str.index`; the builtin is with the lists."""
    return _there(find(as_bytes(self), as_bytes(part), start, end))


def count(self: str, part: str, start: int = 0, end: int = -1) -> int:
    """`str.count`, of those that begin in front of the end; the builtin is with the lists."""
    text, wanted = as_bytes(self), as_bytes(part)
    if not wanted:
        raise UnsupportedError("str.count of an empty string: TorchScript never comes to an end")
    start, end = _bounds(text, start, end)
    return sum(start + m.start() < end for m in re.finditer(re.escape(wanted), text[start:]))


def _window(self: bytes, start: int, end: int) -> bytes:
    start, end = _bounds(self, start, end)
    _within(self, start)
    return self[start:end] if end >= start else self[start:]


def startswith(self: bytes, part: bytes, start: int = 0, end: int = -1) -> bool:
    """Whether a part begins so; an end in front of the start is none."""
    return _window(self, start, end).startswith(part)


def endswith(self: bytes, part: bytes, start: int = 0, end: int = -1) -> bool:
    """Whether a part ends so; an end in front of the start is none."""
    return _window(self, start, end).endswith(part)


# ---------------------------------------------------------------- what kind of text


def isidentifier(self: bytes) -> bool:
    """Letters and digits, no digit first; an underscore is none of them."""
    return self.isalnum() and not self[:1].isdigit()


def isprintable(self: bytes) -> bool:
    """Nothing but ASCII's letters, digits, punctuation and space."""
    return all(0x20 <= byte < 0x7F for byte in self)


# ---------------------------------------------------------------- other text


def strip(self: bytes, chars: bytes = _SPACES) -> bytes:
    """Without these bytes at both ends. A carriage return is no space."""
    return self.strip(chars) if chars else self


def lstrip(self: bytes, chars: bytes = _SPACES) -> bytes:
    """Without these bytes in front."""
    return self.lstrip(chars) if chars else self


def rstrip(self: bytes, chars: bytes = _SPACES) -> bytes:
    """Without these bytes at the end."""
    return self.rstrip(chars) if chars else self


def replace(self: bytes, old: bytes, new: bytes, max: int = -1) -> bytes:  # noqa: A002
    """With the first ones, or all, replaced."""
    if not old:
        raise UnsupportedError("str.replace of an empty string: TorchScript never comes to an end")
    return self.replace(old, new, max)


def zfill(self: bytes, width: int) -> bytes:
    """Zeros in front, of a sign, too."""
    return self.rjust(width, b"0")


def expandtabs(self: bytes, tabsize: int = 8) -> bytes:
    """Spaces for tabs; columns are counted from the start of the text, not of the line."""
    parts: list[bytes] = []
    column = 0
    for byte in self:
        wide = tabsize - column % tabsize if byte == 9 and tabsize > 0 else int(byte != 9)
        parts.append(b" " * wide if byte == 9 else bytes([byte]))
        column += wide
    return b"".join(parts)


def splitlines(self: bytes, keepends: bool = False) -> list[bytes]:
    """The lines. Each byte of a line break is one, and a piece of its own if it is kept."""
    pieces: list[bytes] = []
    start = 0
    for found in re.finditer(_LINE_BREAKS, self):
        pieces.append(self[start : found.start()])
        if keepends:
            pieces.append(found.group())
        start = found.end()
    return [*pieces, self[start:]] if start < len(self) else pieces


def rsplit(self: bytes, separator: bytes = b" ", max: int = -1) -> list[bytes]:  # noqa: A002
    """What is between separators, of which the last ones count."""
    return self.rsplit(separator, max)


def split(self: str, separator: str | None = None, max: int = -1) -> ListValue:  # noqa: A002
    """`str.split`; the builtin is with the splits of tensors. Words are always all split."""
    text = as_bytes(self)
    if separator is None:
        pieces = [piece for piece in re.split(_BETWEEN_WORDS, text) if piece]
    elif not separator:
        raise RaisedError("empty separator")
    else:
        pieces = text.split(as_bytes(separator), max)
    return ListValue([as_text(piece) for piece in pieces])


# ---------------------------------------------------------------- registration


def _method(name: str, compute: Callable[..., Plain]) -> None:
    def run(interpreter: Interpreter, self: Value, *args: Value, **kwargs: Value) -> Value:
        if not isinstance(self, str):
            return NotImplemented
        for argument in (*args, *kwargs.values()):
            if isinstance(argument, (SymInt, SymScalar, TensorRef, ChoiceValue, RunTimeText)):
                raise unknown_text(f"str.{name} with arguments")
        plain = {key: _plain(value) for key, value in kwargs.items()}
        return _value(compute(as_bytes(self), *map(_plain, args), **plain))

    builtin(f"aten::{name}")(run)


def _plain(value: Value) -> Value:
    return as_bytes(value) if isinstance(value, str) else value


def _value(result: Plain) -> Value:
    if isinstance(result, bytes):
        return as_text(result)
    if isinstance(result, tuple):
        return tuple(map(as_text, result))
    return ListValue(list(map(as_text, result))) if isinstance(result, list) else result


for _function in (
    find, rfind, rindex, startswith, endswith, isidentifier, isprintable, strip, lstrip, rstrip,
    replace, zfill, expandtabs, splitlines, rsplit,
):  # fmt: skip
    _method(_function.__name__, _function)

# These do what Python's methods of bytes do.
for _name in (
    "upper", "lower", "capitalize", "title", "swapcase", "isupper", "islower", "isalpha",
    "isalnum", "isspace", "istitle", "center", "ljust", "rjust", "partition", "rpartition",
):  # fmt: skip
    _method(_name, getattr(bytes, _name))

for _name in ("isdigit", "isnumeric", "isdecimal"):
    _method(_name, bytes.isdigit)


@builtin("aten::join")
def join(interpreter: Interpreter, self: str, parts: Value) -> Value:
    """The strings of a list with this one between them."""
    pieces = [part for item in interpreter.items(parts) for part in (self, item)][1:]
    if not any(isinstance(piece, ChoiceValue) for piece in pieces):
        return joined_text(pieces)
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = interpreter.builtin("aten::add", whole, piece)
    return whole


@builtin("aten::ord")
def to_ord(interpreter: Interpreter, value: str) -> Value:
    """The value of the one byte of a string."""
    if len(as_bytes(value)) != 1:
        raise RaisedError(f"ord() of {value!r}, which is not of one byte")
    return as_bytes(value)[0]


@builtin("aten::chr")
def to_chr(interpreter: Interpreter, value: Value) -> Value:
    """A string of one byte: the lowest of the number."""
    if isinstance(value, SymInt):
        return RunTimeText("?")
    if not 0 <= value < 0x110000:
        raise RaisedError(f"chr() of {value}")
    return as_text(bytes([value % 256]))


def _in_base(name: str, convert: Callable[[int], str]) -> None:
    def run(interpreter: Interpreter, value: Value) -> Value:
        return RunTimeText("?") if isinstance(value, SymInt) else convert(value)

    builtin(f"aten::{name}")(run)


_in_base("hex", hex)
_in_base("oct", oct)
_in_base("bin", bin)
