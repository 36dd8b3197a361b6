"""Operators that must know a number which the run decides: a dim, a mode.

    y = x.softmax(dim)                   # dim is an input: one of the dims that x has
    loss = mse_loss(x, y, reduction)     # 1 or 2, as a branch before has left it

ONNX has these as attributes, so the call is staged with each number that it may be, as if the
program had asked. That is tried only where the operator can't be converted without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from exporter.conversion.builtins import numbers
from exporter.conversion.calls.binding import choose
from exporter.conversion.calls.operators import functional_name
from exporter.conversion.control_flow import branches, choices
from exporter.conversion.values import options
from exporter.conversion.values.objects import ListValue, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.onnx_graph.symbolic import SymInt
from exporter.torchscript.types import ListType, OptionalType
from symbolics.registry import overloads

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["each_number"]

# ATen's names of arguments that count the dims of a tensor.
_DIMS = frozenset(
    [
        "dim",
        "dim0",
        "dim1",
        "dim2",
        "dims",
        "axis",
        "axis0",
        "axis1",
        "start_dim",
        "end_dim",
        "source",
        "destination",
    ]
)
# Operators whose dim is one of the result, which has one more.
_OF_RESULT = frozenset(
    (
        "aten::unsqueeze",
        "aten::unsqueeze_",
        "aten::unsqueeze_copy",
        "aten::stack",
        "aten::diag_embed",
    )
)
# Operators whose dim is one of those that their tensors have together.
_OF_ALL = frozenset(("aten::linalg_vecdot", "aten::cosine_similarity"))
# A number that may be one of more is none that names something.
MOST_NUMBERS = 8

# The call with a number in the place of one that the run decides.
Call = Callable[[Sequence[Value], Mapping[str, Value]], Value]


def each_number(
    interpreter: Interpreter,
    kind: str,
    args: Sequence[Value],
    kwargs: Mapping[str, Value],
    call: Call,
) -> Value:
    """What a call gives, staged with each number; NotImplemented if there is none to decide."""
    found = choose(overloads(kind), args, kwargs)
    functional = functional_name(kind)
    if found is None and functional is not None:
        found = choose(overloads(functional), args, kwargs)
    if found is None:
        return NotImplemented
    declared = sorted(found[0].schema.arguments, key=lambda argument: argument.keyword_only)
    given = dict(zip((a.name for a in declared), args, strict=False)) | dict(kwargs)
    for argument in declared:
        type_ = argument.type.element if isinstance(argument.type, OptionalType) else argument.type
        value = given.get(argument.name)
        number = _undecided_in(value, isinstance(type_, ListType))
        if number is None:
            continue
        ways = _known_values(number)
        count = None
        if ways is None and argument.name in _DIMS:
            count = _dim_count(interpreter, kind, list(given.values()))
        if ways is None and count is None:
            continue

        def with_number(known: Value, number: SymInt = number) -> Sequence[Value]:
            chosen = [_with(value, number, known) for value in args]
            named = {name: _with(value, number, known) for name, value in kwargs.items()}
            return [call(chosen, named)]

        if ways is not None:
            return _each_of(interpreter, number, ways, with_number)[0]
        dims = options.item_at(interpreter, number, range(count or 0))
        return choices.each_way(interpreter, dims, with_number)[0]
    return NotImplemented


def _undecided_in(value: Value, in_list: bool) -> SymInt | None:
    """A number that is only known at run time, as the argument or in the list that it is."""
    if isinstance(value, SymInt):
        return value
    if in_list and isinstance(value, ListValue) and value.runtime is None:
        return next((item for item in value.items if isinstance(item, SymInt)), None)
    return None


def _known_values(number: SymInt) -> Sequence[int] | None:
    """The few numbers that it may be, where a branch or a table has left it with those."""
    symbol = number.as_symbol()
    values = symbol.values if symbol is not None else None
    if values is None or len(values) > MOST_NUMBERS:
        return None
    known = [v for v in values if isinstance(v, int)]
    return known if len(known) == len(values) else None


def _dim_count(interpreter: Interpreter, kind: str, given: Sequence[Value]) -> int | None:
    """How many dims there are to pick from: as a rule those of the first tensor there is."""
    ranks = []
    for value in given:
        if isinstance(value, ListValue) and value.runtime is None and value.items:
            value = value.items[0]
        if isinstance(value, TensorRef):
            ranks.append(value.read(interpreter.g).rank)
    of = [rank for rank in (ranks if kind in _OF_ALL else ranks[:1]) if rank is not None]
    if not of or (kind in _OF_ALL and len(of) < len(ranks)):
        return None
    # A 0-d tensor has a dim 0 as well.
    return max(*of, 1) if kind not in _OF_RESULT else of[0] + 1


def _with(value: Value, number: SymInt, known: Value) -> Value:
    if value is number:
        return known
    if not isinstance(value, ListValue) or value.runtime is not None:
        return value
    items = [known if item is number else item for item in value.items]
    return ListValue(items, value.element_type)


def _each_of(
    interpreter: Interpreter,
    number: SymInt,
    ways: Sequence[int],
    run: Callable[[Value], Sequence[Value]],
) -> Sequence[Value]:
    first, *others = ways
    if not others:
        return run(first)
    return branches.stage_runs(
        interpreter,
        numbers.equal(interpreter, number, first),
        lambda: run(first),
        lambda: _each_of(interpreter, number, others, run),
    )
