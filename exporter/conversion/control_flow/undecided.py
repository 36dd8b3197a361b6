"""Operators whose arguments only the run tells enough of: a flag, what may be None, a rank.

    mask: Optional[Tensor] = None
    if causal:                                   # an input
        mask = self.mask
    y = attention(q, k, v, mask)                 # with a mask or without: two programs

Symbolics take flags and absent arguments as known. So the call is staged both ways, as if the
program had asked: `attention(q, k, v, mask) if mask is not None else attention(q, k, v, None)`.
The same goes for a tensor that has as many dims as a branch before has left it with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from exporter.conversion.calls.binding import choose
from exporter.conversion.calls.operators import (
    METADATA,
    MissingSymbolicError,
    call_operator,
    functional_name,
)
from exporter.conversion.control_flow import branches
from exporter.conversion.control_flow.facts import rank_of
from exporter.conversion.control_flow.undecided_numbers import each_number
from exporter.conversion.values.objects import ListValue, OptionalValue, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.symbolic import SymInt, resolved
from exporter.onnx_graph.values import SymBool, Tensor
from exporter.torchscript.types import BoolType, OptionalType
from symbolics.registry import overloads

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter
    from exporter.onnx_graph.builder import Builder
    from exporter.onnx_graph.shapes import PartialShape

__all__ = ["call_decided"]


def call_decided(
    interpreter: Interpreter, kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> Value:
    """Convert one call of an operator, each way that the run may decide for."""
    undecided = _undecided(kind, args, kwargs)
    if undecided is None:
        return _call_of_ranks(interpreter, kind, args, kwargs)

    def with_choice(choice: Value) -> Callable[[], Value]:
        chosen = [choice if value is undecided else value for value in args]
        named = {k: choice if value is undecided else value for k, value in kwargs.items()}
        return partial(call_decided, interpreter, kind, chosen, named)

    if isinstance(undecided, SymBool):
        then, other = with_choice(True), with_choice(False)
        return branches.stage_calls(interpreter, undecided, then, other)
    then, other = with_choice(undecided.value), with_choice(None)
    return branches.stage_calls(interpreter, undecided.present, then, other)


def _call_of_ranks(
    interpreter: Interpreter, kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> Value:
    """Convert a call; where a branch has decided how many dims an argument has, each way.

    That is tried only where the operator can't be converted without.
    """
    g = interpreter.g
    call = partial(_call_of_numbers, interpreter, kind, args, kwargs)
    tensors = [t for value in (*args, *kwargs.values()) for t in _unranked(g, value)]
    decision = interpreter.facts.decision_on(tensors) if tensors else None
    if decision is None:
        decision = _rank_decision(interpreter, tensors)

    def again() -> Value:
        known = [resolved(v) if isinstance(v, SymInt) else v for v in args]
        named = {k: resolved(v) if isinstance(v, SymInt) else v for k, v in kwargs.items()}
        return call_decided(interpreter, kind, known, named)

    if decision is None:
        try:
            return call()
        except MissingSymbolicError:
            raise
        except UnsupportedError:
            decision = _which_rank(interpreter, tensors)
            if decision is None:
                raise
            return branches.stage_calls(interpreter, decision, again, again)
    written = list(_unranked(g, args[0])) if args else []
    try:
        result = call()
    except UnsupportedError:
        return branches.stage_calls(interpreter, decision, again, again)
    # A call that writes has done so: it can't be tried again to see what it gives.
    if isinstance(result, TensorRef) and result is args[0]:
        # An operator that gives the tensor itself other dims is not about the dims of before.
        for before in written if kind not in METADATA else ():
            interpreter.facts.pass_on(decision, before, result.read(g))
    elif "out" not in kwargs and list(_unranked(g, result)):
        try:
            branches.note_decided(interpreter, decision, again, result)
        except RaisedError:
            # With one of the two numbers of dims the program fails, so it is the other.
            return branches.stage_calls(interpreter, decision, again, again)
    return result


def _call_of_numbers(
    interpreter: Interpreter, kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> Value:
    """Convert a call; with each number that it must know, if it can't be converted without."""
    try:
        return call_operator(interpreter, kind, args, kwargs)
    except MissingSymbolicError:
        raise
    except UnsupportedError:
        again = partial(call_decided, interpreter, kind)
        result = each_number(interpreter, kind, args, kwargs, again)
        if result is NotImplemented:
            raise
        return result


def _rank_decision(interpreter: Interpreter, tensors: Sequence[Tensor]) -> SymBool | None:
    """Whether a size of run time is 1, where `squeeze` has left one of two shapes.

    A view is taken again in a branch, so it is another tensor there; the question is the same.
    """
    facts = interpreter.facts
    for tensor in tensors:
        shapes = tensor.possible or ()
        if len(shapes) != 2 or (size := _squeezed(*shapes)) is None:
            continue
        decision = interpreter.equal(size, 1)
        known = facts.assumed(decision.condition) if isinstance(decision, SymBool) else decision
        if known is not None:
            facts.settle_shape(tensor, shapes[0 if known else 1])
        elif isinstance(decision, SymBool):
            facts.decide_shape(decision, tensor, *shapes)
            return decision
    return None


def _which_rank(interpreter: Interpreter, tensors: Sequence[Tensor]) -> SymBool | None:
    """Whether a tensor that has one of two numbers of dims, as state may, has the first."""
    for tensor in tensors:
        shapes = tensor.possible or ()
        if len(shapes) == 2 and tensor.shape is None and len(shapes[0]) != len(shapes[1]):
            decision = interpreter.equal(rank_of(interpreter.g, tensor), len(shapes[0]))
            if isinstance(decision, SymBool):
                interpreter.facts.decide_shape(decision, tensor, *shapes)
                return decision
    return None


def _squeezed(shape: PartialShape, full: PartialShape) -> SymInt | None:
    """The size that the second shape has and the first has not."""
    if shape is None or full is None or len(full) != len(shape) + 1:
        return None
    for i, size in enumerate(full):
        if isinstance(size, SymInt) and (*full[:i], *full[i + 1 :]) == tuple(shape):
            return size
    return None


def _unranked(g: Builder, value: Value) -> Iterator[Tensor]:
    """The tensors of unknown rank in an argument or result."""
    if isinstance(value, TensorRef):
        tensor = value.read(g)
        if tensor.shape is None:
            yield tensor
    elif isinstance(value, tuple) or (isinstance(value, ListValue) and value.runtime is None):
        for item in value if isinstance(value, tuple) else value.items:
            yield from _unranked(g, item)


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
