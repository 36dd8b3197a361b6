"""The symbolic registry: which function converts which ATen operator.

A symbolic is registered under its ATen schema, whole:

    @symbolic("aten::squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)")
    def squeeze_dim(g, self, dim): ...

The schema is the only statement of the name, the overload, the arguments, their kinds and defaults,
and (by its alias annotations) of what is a view. Schemas are parsed when the operator is first met.
In-place (`add_`) and `out=` forms are derived from the functional one by the interpreter.

The families register their symbolics when they are imported, which is when an operator is first
asked for that the families before them do not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from inspect import signature
from typing import Any, TypeVar

from exporter.errors import RaisedError as Raised
from exporter.errors import ScriptError
from exporter.errors import UnsupportedError as Unsupported
from exporter.torchscript.schema import Schema, parse_schema
from symbolics.families import FAMILIES

__all__ = [
    "Overload",
    "Raised",
    "Unsupported",
    "argument_writes",
    "overloads",
    "quantized_form",
    "form_for_quantized",
    "import_families",
    "parameter_name",
    "registered",
    "require_fit",
    "symbolic",
    "view_write",
]

F = TypeVar("F", bound=Callable[..., Any])
Symbolic = Callable[..., Any]


@dataclass
class Overload:
    """One registered schema and its function.

    `write` puts a new value into a view's base, `effect` gives what becomes of arguments.
    """

    text: str
    function: Symbolic
    write: Symbolic | None = None
    effect: Symbolic | None = None
    _schema: Schema | None = field(default=None, repr=False)

    @property
    def schema(self) -> Schema:
        """The schema, parsed on first use."""
        if self._schema is None:
            self._schema = parse_schema(self.text)
        return self._schema


_REGISTRY: dict[str, dict[str, Overload]] = {}
_WRITES: dict[str, Symbolic] = {}
_EFFECTS: dict[str, Symbolic] = {}
_QUANTIZED: dict[str, Symbolic] = {}


def symbolic(schema: str, *, replace: bool = False) -> Callable[[F], F]:
    """Register a function for an ATen (or custom) operator's schema.

    A second registration for the same name and overload is an error, unless `replace` says so.
    """

    def register(function: F) -> F:
        head = schema.split("(", 1)[0]
        name = head.split(".", 1)[0]
        row = _REGISTRY.setdefault(name, {})
        if head in row and not replace:
            raise ValueError(f"{head} already has a symbolic; pass replace=True to replace it")
        row[head] = Overload(schema, function, _WRITES.get(head), _EFFECTS.get(head))
        return function

    return register


# Arguments of schemas whose names are keywords in Python.
_PARAMETERS = {"from": "from_", "lambda": "lambd", "global": "global_"}


def parameter_name(argument: str) -> str:
    """What a symbolic calls an argument of its schema."""
    return _PARAMETERS.get(argument, argument)


def require_fit(schema: str, function: Symbolic) -> None:
    """Raise a `ValueError` if a text is no schema, or a function does not take its arguments."""
    try:
        parsed = parse_schema(schema)
    except ScriptError as error:
        raise ValueError(str(error)) from None
    if "::" not in schema.split("(", 1)[0]:
        raise ValueError(f"a schema begins with a namespace, as in mylib::name, not: {schema!r}")
    if not callable(function):
        raise ValueError(f"the symbolic for {parsed.qualified_name} is no function: {function!r}")
    given = {parameter_name(argument.name): None for argument in parsed.arguments}
    try:
        signature(function).bind(None, **given)
    except TypeError as error:
        expected = ", ".join(["g", *given])
        raise ValueError(
            f"the symbolic for {parsed.qualified_name} must take ({expected}): {error}"
        ) from None


def view_write(*heads: str) -> Callable[[F], F]:
    """Register how to write through a view: `fn(g, base, source, *the view's other arguments)`.

    It returns the base with the part that the view shows replaced by `source`. Views without one
    are written by scattering through their indices, which is always right and often slower.
    """

    def register(function: F) -> F:
        for head in heads:
            _WRITES[head] = function
            name = head.split(".", 1)[0]
            overload = _REGISTRY.get(name, {}).get(head)
            if overload is not None:
                overload.write = function
        return function

    return register


def argument_writes(*heads: str) -> Callable[[F], F]:
    """Register what an operator writes into its arguments, beside its results.

    The function takes what the symbolic takes, and returns the new values of arguments by name.
    (`add_` and `out=` are not of this kind: they are derived.)
    """

    def register(function: F) -> F:
        for head in heads:
            _EFFECTS[head] = function
            overload = _REGISTRY.get(head.split(".", 1)[0], {}).get(head)
            if overload is not None:
                overload.effect = function
        return function

    return register


def quantized_form(*names: str) -> Callable[[F], F]:
    """Register what operators ("aten::relu") do with quantized tensors: `fn(g, function, arguments)`.

    `function` is the symbolic for floats and takes `arguments`, of which one at least is quantized.
    Without a form the symbolic is called as it is, which is right where it only moves elements.
    """

    def register(function: F) -> F:
        for name in names:
            if name in _QUANTIZED:
                raise ValueError(f"{name} already has a form for quantized tensors")
            _QUANTIZED[name] = function
        return function

    return register


def form_for_quantized(overload: Overload) -> Symbolic | None:
    """The form for quantized tensors of an operator, if there is one."""
    import_families()
    return _QUANTIZED.get(overload.text.split("(", 1)[0].split(".", 1)[0])


def overloads(name: str) -> list[Overload]:
    """All registered overloads of "aten::name", in the order of registration."""
    _import_family_of(name)
    return list(_REGISTRY.get(name, {}).values())


def registered() -> list[Overload]:
    """Every registered overload."""
    import_families()
    return [o for row in _REGISTRY.values() for o in row.values()]


@cache
def import_families() -> None:
    """Register all operators."""
    for family in FAMILIES:
        import_module(f"symbolics.{family}")


@cache
def _import_family_of(name: str) -> None:
    """Import families until one has registered the operator, or what its in-place form is of."""
    functional = name.removesuffix("_")
    for family in FAMILIES:
        if name in _REGISTRY or functional in _REGISTRY:
            break
        import_module(f"symbolics.{family}")
