"""Parses operator schemas: `aten::sum(Tensor self, *, ScalarType? dtype=None) -> Tensor`.

The grammar is what PyTorch prints for its operators and what its `native_functions.yaml` and
`torch.library` accept. The symbolics registry reads schemas while a model converts, so speed
matters: types and arguments that were seen before are not parsed again.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import NamedTuple

from exporter.errors import ScriptError
from exporter.torchscript.types import (
    AnyType,
    BoolType,
    ClassRef,
    ComplexType,
    DeviceType,
    DictType,
    EnumerationType,
    FloatType,
    GeneratorType,
    GenericType,
    IntType,
    ListType,
    NoneType_,
    NumberType,
    OpaqueType,
    OptionalType,
    StrType,
    TensorType,
    TupleType,
    Type,
    TypeVariable,
    UnionType,
)

__all__ = ["Argument", "Schema", "parse_schema", "parse_type"]


class Argument(NamedTuple):
    """One argument or result. `text` is how the schema wrote it; a result may have no name."""

    name: str
    type: Type
    default: object
    has_default: bool
    keyword_only: bool
    alias_set: str | None
    is_write: bool
    text: str


class Schema:
    """The signature of one overload of an operator."""

    def __init__(
        self,
        name: str,
        overload: str,
        arguments: tuple[Argument, ...],
        returns: tuple[Argument, ...],
        is_vararg: bool = False,
        is_varret: bool = False,
    ) -> None:
        self.name = name
        self.overload = overload
        self.arguments = arguments
        self.returns = returns
        self.is_vararg = is_vararg
        self.is_varret = is_varret

    @property
    def qualified_name(self) -> str:
        """`aten::add.Tensor`, or `aten::relu` for an operator's nameless overload."""
        return f"{self.name}.{self.overload}" if self.overload else self.name

    def __str__(self) -> str:
        parts = []
        starred = False
        for argument in self.arguments:
            if argument.keyword_only and not starred:
                parts.append("*")
                starred = True
            parts.append(argument.text)
        if self.is_vararg:
            parts.append("...")
        return f"{self.qualified_name}({', '.join(parts)}) -> {self._returns_text()}"

    def _returns_text(self) -> str:
        if self.is_varret:
            return "..."
        # A lone result that starts with a bracket of its own would read as several.
        if len(self.returns) == 1 and not self.returns[0].text.startswith("("):
            return self.returns[0].text
        return f"({', '.join(result.text for result in self.returns)})"

    def __repr__(self) -> str:
        return f"Schema({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self.qualified_name)


def parse_schema(text: str) -> Schema:
    """Parse a schema; without a namespace it belongs to `aten`."""
    opening = text.find("(")
    if opening < 0:
        raise ScriptError(f"not an operator schema: {text!r}")
    try:
        closing = _closing(text, opening)
        arguments, is_vararg = _arguments(text[opening + 1 : closing])
        arrow, _, results = text[closing + 1 :].partition("->")
        if arrow.strip() or not results:
            raise ScriptError("'->' and the results have to follow the arguments")
        returns, is_varret = _returns(results.strip())
    except (ScriptError, ValueError, SyntaxError) as error:
        raise ScriptError(f"not an operator schema: {text!r}", (str(error),)) from error
    qualified = text[:opening].strip()
    if "::" not in qualified:
        qualified = f"aten::{qualified}"
    name, _, overload = qualified.partition(".")
    return Schema(name, overload, arguments, returns, is_vararg, is_varret)


_MARKS = re.compile(r'[()\[\],]|"(?:[^"\\]|\\.)*"')


def _closing(text: str, opening: int) -> int:
    """Position of the bracket that closes the one at `opening`."""
    depth = 0
    for mark in _MARKS.finditer(text, opening):
        character = mark[0]
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return mark.start()
    raise ScriptError(f"a bracket is not closed in {text!r}")


def _split(text: str) -> list[str]:
    """Split at the commas that are in no bracket and no string."""
    if "," not in text:
        return [text.strip()] if text.strip() else []
    if "(" not in text and "[" not in text and '"' not in text:
        return text.replace(", ", ",").split(",")
    parts = []
    depth = start = 0
    for mark in _MARKS.finditer(text):
        character = mark[0]
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start : mark.start()].strip())
            start = mark.end()
    parts.append(text[start:].strip())
    return parts


def _arguments(text: str) -> tuple[tuple[Argument, ...], bool]:
    arguments = []
    keyword_only = is_vararg = False
    for part in _split(text):
        if part == "*":
            keyword_only = True
        elif part == "...":
            is_vararg = True
        else:
            arguments.append(_argument(part, keyword_only))
    return tuple(arguments), is_vararg


@cache
def _argument(text: str, keyword_only: bool) -> Argument:
    declaration, equals, default_text = text.partition("=")
    type_text, _, name = declaration.strip().rpartition(" ")
    declared, alias_set, is_write = _declared(type_text.strip())
    default = _default(default_text.strip(), declared) if equals else None
    return Argument(name, declared, default, bool(equals), keyword_only, alias_set, is_write, text)


def _returns(text: str) -> tuple[tuple[Argument, ...], bool]:
    if text == "...":
        return (), True
    if text.startswith("(") and _closing(text, 0) == len(text) - 1:
        return tuple(_result(part) for part in _split(text[1:-1])), False
    return (_result(text),), False


@cache
def _result(text: str) -> Argument:
    type_text, _, name = text.rpartition(" ")
    if not type_text or not name.isidentifier() or type_text.endswith(","):
        type_text, name = text, ""
    declared, alias_set, is_write = _declared(type_text)
    return Argument(name, declared, None, False, False, alias_set, is_write, text)


# What schemas, not annotations, call by name: enumerations' members in native_functions.yaml.
_DEFAULTS: dict[str, object] = {
    "None": None,
    "True": True,
    "False": False,
    "Mean": 1,
    "Sum": 2,
    "contiguous_format": 0,
    "preserve_format": 1,
    "channels_last": 2,
    "strided": 0,
    "long": 4,
    "float": 6,
    "inf": float("inf"),
    "-inf": float("-inf"),
    "nan": float("nan"),
}

_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def _default(text: str, declared: Type) -> object:
    value: object
    if text in _DEFAULTS:
        value = _DEFAULTS[text]
    elif text.lstrip("-").isdigit():
        value = int(text)
    elif _NUMBER.fullmatch(text):
        value = float(text)
    else:
        value = ast.literal_eval(text)
    if isinstance(declared, OptionalType):
        declared = declared.element
    if (
        isinstance(declared, ListType)
        and declared.size is not None
        and isinstance(value, (int, float))
    ):
        return [value] * declared.size
    return value


_WORDS: dict[str, Type] = {
    "Tensor": TensorType(),
    "int": IntType(),
    "SymInt": IntType(),
    "float": FloatType(),
    "SymFloat": FloatType(),
    "bool": BoolType(),
    "SymBool": BoolType(),
    "str": StrType(),
    "complex": ComplexType(),
    "Scalar": NumberType(),
    "number": NumberType(),
    "NoneType": NoneType_(),
    "None": NoneType_(),
    "Device": DeviceType(),
    "Any": AnyType(),
    "Generator": GeneratorType(),
    "ScalarType": EnumerationType("ScalarType"),
    "Layout": EnumerationType("Layout"),
    "MemoryFormat": EnumerationType("MemoryFormat"),
}

_GENERICS = ("Dict", "Future", "RRef", "Await", "Union", "Tuple")

_WORD = re.compile(r"[A-Za-z_][\w.]*")
_ALIAS = re.compile(r"\(([\w*|! ]+(?:-> [\w*|]+)?)\)")
_SUFFIX = re.compile(r"\[(\d*)\]|(\?)")


def parse_type(text: str) -> Type:
    """The type that a schema, or TorchScript's IR, writes so."""
    return _declared(text)[0]


@cache
def _declared(text: str) -> tuple[Type, str | None, bool]:
    """A type, the alias set it is annotated with, and whether it is written to."""
    parser = _TypeParser(text)
    result = parser.type()
    if parser.position != len(text):
        raise ScriptError(f"not a type: {text!r}")
    aliases = parser.aliases
    return result, aliases[0] if aliases else None, any("!" in alias for alias in aliases)


class _TypeParser:
    """Recursive descent over a type's text: a base, then any of `(alias)`, `[n]` and `?`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.aliases: list[str] = []

    def type(self) -> Type:
        result = self._base()
        while self.position < len(self.text):
            if (alias := _ALIAS.match(self.text, self.position)) is not None:
                self.aliases.append(alias[1])
                self.position = alias.end()
            elif (suffix := _SUFFIX.match(self.text, self.position)) is not None:
                size = int(suffix[1]) if suffix[1] else None
                result = OptionalType(result) if suffix[2] else ListType(result, size)
                self.position = suffix.end()
            else:
                break
        return result

    def _base(self) -> Type:
        if self.text.startswith("(", self.position):
            return TupleType(self._parameters())
        word = _WORD.match(self.text, self.position)
        if word is None:
            raise ScriptError(f"not a type: {self.text!r}")
        self.position = word.end()
        name = word[0]
        if name in _GENERICS and self.text.startswith("(", self.position):
            return _generic(name, self._parameters())
        if name in _WORDS:
            return _WORDS[name]
        if name.startswith("__torch__."):
            return ClassRef(name)
        return TypeVariable(name) if name[0].islower() else OpaqueType(name)

    def _parameters(self) -> tuple[Type, ...]:
        """`(type, type)` at the current position."""
        closing = _closing(self.text, self.position)
        parts = _split(self.text[self.position + 1 : closing])
        self.position = closing + 1
        return tuple(parse_type(part) for part in parts)


def _generic(name: str, parameters: tuple[Type, ...]) -> Type:
    match name, parameters:
        case "Dict", (key, value):
            return DictType(key, value)
        case "Tuple", _:
            return TupleType(parameters)
        case "Union", _:
            return UnionType(parameters)
    return GenericType(name, parameters)
