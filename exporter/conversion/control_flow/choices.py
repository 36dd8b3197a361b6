"""Values that the run picks from several: what an operator or a call does with one.

    block: Block = self.blocks[i]         # i is an input: a choice of the modules
    mode = "max" if hard else "mean"      # a choice of two strings
    y = block.forward(x)                  If(i == 0, blocks[0](x), If(i == 1, ...))

A choice is a number and the options that it counts. Whatever is done with it is done with each
option in a branch of its own, and the branches are joined like those of the program; what depends
on nothing but known options (the length of a string, a comparison) needs no branch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.builtins.builtin import BUILTINS
from exporter.conversion.builtins.numbers import equal, logical_not
from exporter.conversion.control_flow import branches
from exporter.conversion.values.objects import (
    BoundMethod,
    ChoiceValue,
    Device,
    EnumMember,
    FunctionValue,
    ObjectValue,
    Value,
)
from exporter.conversion.values.options import picked_from, renumbered
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError
from exporter.onnx_graph.values import SymBool

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Interpreter

__all__ = ["call", "choose", "each_way"]

INT64, DOUBLE = ir.DataType.INT64, ir.DataType.DOUBLE
_PLAIN = (bool, int, float, str, type(None), Device, EnumMember)


def each_way(
    interpreter: Interpreter, choice: Value, run: Callable[[Value], Sequence[Value]]
) -> Sequence[Value]:
    """What `run` gives for the option that is picked: staged for each, and joined."""
    value = choice.here() if isinstance(choice, ChoiceValue) else choice
    if not isinstance(value, ChoiceValue):
        return run(value)
    first = value.left()[0]
    rest = ChoiceValue(value.picked, value.options, value.ruled_out | {first})
    return branches.stage_runs(
        interpreter,
        _is(interpreter, value, first),
        partial(run, value.options[first]),
        partial(each_way, interpreter, rest, run),
    )


def _is(interpreter: Interpreter, choice: ChoiceValue, option: int) -> bool | SymBool:
    """Whether an option is the one that is picked."""
    if isinstance(choice.picked, SymBool):
        return choice.picked if option == 0 else logical_not(interpreter, choice.picked)
    return equal(interpreter, choice.picked, option)


def choose(
    interpreter: Interpreter, choice: ChoiceValue, result_of: Callable[[Value], Value]
) -> Value:
    """What a function without effects on the graph gives for the option that is picked.

    Its results are known values or modules; others are left to `each_way`.
    """
    value = choice.here()
    if not isinstance(value, ChoiceValue):
        return result_of(value)
    left = value.left()
    results = {i: result_of(value.options[i]) for i in left}
    if all(isinstance(r, bool) for r in results.values()):
        return _any_of(interpreter, value, [i for i in left if results[i]], left)
    if not all(map(_can_be_option, results.values())):
        return NotImplemented
    distinct: list[Value] = []
    for result in results.values():
        if not any(result is r or (isinstance(r, _PLAIN) and r == result) for r in distinct):
            distinct.append(result)
    if len(distinct) == 1:
        return distinct[0]
    kinds = {type(r) for r in distinct}
    if kinds <= {int, float}:
        return _number(interpreter, value, results, kinds)
    if len(kinds) > 1 and not kinds <= {ObjectValue, BoundMethod}:
        return NotImplemented
    if isinstance(value.picked, SymBool):
        return ChoiceValue(value.picked, tuple(distinct))
    places = [distinct.index(results[i]) if i in results else 0 for i in range(len(value.options))]
    if places == list(range(len(places))):
        return ChoiceValue(value.picked, tuple(distinct))
    return picked_from(
        interpreter.g.integer(renumbered(interpreter.g, value, places)), tuple(distinct)
    )


def _can_be_option(result: Value) -> bool:
    if isinstance(result, ObjectValue):
        return result.type.kind == "module"
    return isinstance(result, (*_PLAIN, BoundMethod, FunctionValue))


def _any_of(
    interpreter: Interpreter, choice: ChoiceValue, wanted: Sequence[int], left: Sequence[int]
) -> Value:
    if len(wanted) in (0, len(left)):
        return bool(wanted)
    others = [i for i in left if i not in wanted]
    fewer = others if len(others) < len(wanted) else wanted
    found: Value = False
    for i in fewer:
        found = interpreter.builtin("aten::__or__", found, _is(interpreter, choice, i))
    return found if fewer is wanted else interpreter.builtin("aten::__not__", found)


def _number(
    interpreter: Interpreter, choice: ChoiceValue, results: Mapping[int, Value], kinds: set[type]
) -> Value:
    """A number that depends on nothing but which option it is, from a table."""
    if len(kinds) > 1:
        return NotImplemented
    g = interpreter.g
    number = renumbered(g, choice, range(len(choice.options)))
    dtype = INT64 if kinds == {int} else DOUBLE
    table = [results.get(i, 0) for i in range(len(choice.options))]
    found = g.Gather(g.constant(table, dtype), number, axis=0)
    return interpreter.builtin(
        "aten::Int" if kinds == {int} else "aten::Float", TensorRef.fresh(found)
    )


def call(
    interpreter: Interpreter, kind: str, args: Sequence[Value], kwargs: Mapping[str, Value]
) -> Value:
    """Call an operator that has a choice among its arguments."""
    choice = next(v for v in (*args, *kwargs.values()) if isinstance(v, ChoiceValue))

    def with_option(option: Value) -> Value:
        chosen = [option if value is choice else value for value in args]
        named = {k: option if value is choice else value for k, value in kwargs.items()}
        return interpreter.call(kind, chosen, named)

    others = [v for v in (*args, *kwargs.values()) if v is not choice]
    if kind in BUILTINS and all(isinstance(v, _PLAIN) for v in (*choice.options, *others)):
        try:
            result = choose(interpreter, choice, with_option)
        except RaisedError:
            result = NotImplemented  # one option raises: that branch is to be dropped
        if result is not NotImplemented:
            return result
    return each_way(interpreter, choice, lambda option: [with_option(option)])[0]
