"""Operators called with a flag, or with an argument that may be None, of which only the run tells.

    mask: Optional[Tensor] = None
    if causal:                                   # an input
        mask = self.mask
    y = attention(q, k, v, mask)                 # with a mask or without: two programs

Symbolics take flags and absent arguments as known. So the call is staged both ways, as if the
program had asked: `attention(q, k, v, mask) if mask is not None else attention(q, k, v, None)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from exporter.conversion import branches
from exporter.conversion.binding import choose
from exporter.conversion.objects import OptionalValue, Value
from exporter.conversion.operators import call_operator, functional_name
from exporter.onnx_graph.values import SymBool
from exporter.torchscript.types import BoolType, OptionalType
from symbolics.registry import overloads

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["call_decided"]


def call_decided(
    interpreter: Interpreter, kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> Value:
    """Convert one call of an operator, each way that the run may decide for."""
    undecided = _undecided(kind, args, kwargs)
    if undecided is None:
        return call_operator(interpreter, kind, args, kwargs)

    def with_choice(choice: Value) -> Callable[[], Value]:
        chosen = [choice if value is undecided else value for value in args]
        named = {k: choice if value is undecided else value for k, value in kwargs.items()}
        return partial(call_decided, interpreter, kind, chosen, named)

    if isinstance(undecided, SymBool):
        then, other = with_choice(True), with_choice(False)
        return branches.stage_calls(interpreter, undecided, then, other)
    then, other = with_choice(undecided.value), with_choice(None)
    return branches.stage_calls(interpreter, undecided.present, then, other)


def _undecided(
    kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> SymBool | OptionalValue | None:
    """The first argument that must be decided before the operator can be converted."""
    if not any(isinstance(v, (SymBool, OptionalValue)) for v in (*args, *kwargs.values())):
        return None
    functional = functional_name(kind)
    found = choose(overloads(kind), args, kwargs)
    if found is None and functional is not None:
        found = choose(overloads(functional), args, kwargs)
    if found is None:
        return None
    declared = found[0].schema.arguments
    order = sorted(declared, key=lambda argument: argument.keyword_only)
    given = dict(zip((a.name for a in order), args, strict=False)) | dict(kwargs)
    for argument in declared:
        value, type_ = given.get(argument.name), argument.type
        if isinstance(value, OptionalValue) and isinstance(type_, OptionalType):
            return value
        inner = type_.element if isinstance(type_, OptionalType) else type_
        if isinstance(value, SymBool) and isinstance(inner, BoolType):
            return value
    return None
