"""`prim::If` whose condition is only known at run time, as an ONNX `If`.

    if c:                     c ──► If ──► y
        y = x + 1                   then: Add(x, 1)
    else:                           else: Neg(x)
        y = -x

Both branches are staged from the same state, each in a body of its own. What they give (results,
and the states of outer things that either wrote) is joined: what is the same on both sides stays as
it is, the rest becomes outputs of the `If`. If nothing differs there is no `If`. A branch that must
raise is dropped: the other one is taken, and the condition noted as a precondition.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exporter.conversion.builtins.numbers import as_tensor, logical_not
from exporter.conversion.control_flow.effects import OTHER_STORAGE, Effects, put_state, state_of
from exporter.conversion.control_flow.either import Either, Outside
from exporter.conversion.control_flow.forms import (
    ChoiceForm,
    DictForm,
    Form,
    ListForm,
    NumberForm,
    ObjectForm,
    Plain,
    TensorForm,
    TupleForm,
    form_of,
    freeze,
)
from exporter.conversion.control_flow.identities import grounded
from exporter.conversion.control_flow.joining import output_types, rebuild, tensors_of
from exporter.conversion.control_flow.visible import visible_shape
from exporter.conversion.control_flow.widening import apart, widen
from exporter.conversion.values.aliasing import Families, families_of, remember, tie
from exporter.conversion.values.journal import Frame, Mutable
from exporter.conversion.values.objects import (
    UNINITIALIZED,
    ChoiceValue,
    ListValue,
    OptionalValue,
    Value,
)
from exporter.conversion.values.sharing import Kinship, kinship_of, relate
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.conditions import And, Condition, Not, Or
from exporter.onnx_graph.control_flow import branch_output, emit_if
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import Dim, SymInt, resolved
from exporter.onnx_graph.values import SymBool, SymFloat, Tensor
from exporter.torchscript.types import UnionType

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Environment, Interpreter
    from exporter.torchscript.graph import Block, Node

__all__ = ["note_decided", "precondition", "stage", "stage_calls", "stage_runs"]


@dataclass
class _Left:
    """What a branch leaves in a variable, or in something older; a copy outlives its undoing."""

    frozen: Value
    form: Form
    families: Families
    kinship: Kinship

    @staticmethod
    def of(interpreter: Interpreter, value: Value, outside: Outside | None) -> _Left:
        """A value at the end of a branch, in which this must run."""
        form, families = form_of(interpreter, value, outside), families_of(value, outside)
        frozen = freeze(interpreter, value, outside)
        remember(frozen, families)
        return _Left(frozen, form, families, kinship_of(value))


@dataclass
class _Side:
    """One staged branch: its graph, and what it leaves in its results and in what it changed."""

    index: int
    outside: Outside | None
    scope: Scope
    frame: Frame
    results: list[_Left]
    states: dict[Mutable, _Left]
    effects: Effects


def stage(
    interpreter: Interpreter, node: Node, environment: Environment, condition: SymBool
) -> Sequence[Value]:
    """Stage both branches and join them; returns the node's outputs' values."""
    order = (1, 0) if _raises(node.blocks[1]) else (0, 1)
    runs = [partial(interpreter.run_block, block, environment) for block in node.blocks]
    unions = {i for i, v in enumerate(node.outputs) if isinstance(v.type, UnionType)}
    return _stage(interpreter, condition, runs, order, unions)


def stage_runs(
    interpreter: Interpreter,
    condition: bool | SymBool,
    then: Callable[[], Sequence[Value]],
    other: Callable[[], Sequence[Value]],
) -> Sequence[Value]:
    """What one of two computations gives, like two branches of the program."""
    if not isinstance(condition, SymBool):
        return then() if condition else other()
    return _stage(interpreter, condition, (then, other), (0, 1))


def _stage(
    interpreter: Interpreter,
    condition: SymBool,
    runs: Sequence[Callable[[], Sequence[Value]]],
    order: Sequence[int],
    unions: Collection[int] = (),
) -> Sequence[Value]:
    known = condition.tensor.array
    if known is not None:
        # onnxruntime 1.32 mixes up the outputs of an If in another one whose condition is constant.
        return runs[0 if known else 1]()
    outside = _outside(interpreter)
    sides: dict[int, _Side] = {}
    node = interpreter.node
    noted = len(interpreter.preconditions)
    for index in order:
        try:
            sides[index] = _stage_side(interpreter, runs[index], index, condition, outside)
        except RaisedError as error:
            interpreter.come_to(node)
            interpreter.preconditions[noted:] = [precondition(node, error.reason)]
            interpreter.facts.assume(condition.condition, index == 1)
            return runs[1 - index]()
    for i in unions:
        then, other = (side.results[i] for side in (sides[0], sides[1]))
        then.form, other.form = apart(then.form, other.form)
    return _join(interpreter, condition, sides[0], sides[1])


def stage_calls(
    interpreter: Interpreter,
    condition: SymBool,
    then: Callable[[], Value],
    other: Callable[[], Value],
) -> Value:
    """What one of two calls gives; see `stage`."""
    return _stage(interpreter, condition, [partial(_alone, c) for c in (then, other)], (0, 1))[0]


def _alone(call: Callable[[], Value]) -> list[Value]:
    return [call()]


def _outside(interpreter: Interpreter) -> Outside | None:
    if not interpreter.places:
        return None
    return Outside(interpreter.journal.now(), interpreter.g.scope)


def note_decided(
    interpreter: Interpreter, condition: SymBool, run: Callable[[], Value], result: Value
) -> None:
    """Note the shapes that a call's result has where the condition holds, and where it does not."""
    sides = [_stage_side(interpreter, lambda: [run()], index, condition) for index in (0, 1)]
    _note_shapes(interpreter, condition, result, *(side.results[0].form for side in sides))


def _note_shapes(
    interpreter: Interpreter, condition: SymBool, value: Value, then: Form, other: Form
) -> None:
    """Remember the shapes of tensors whose number of dims the condition decides."""
    if isinstance(then, TensorForm) and isinstance(other, TensorForm):
        if not isinstance(value, TensorRef) or None in (then.shape, other.shape):
            return
        if value.choice is not None:
            return
        tensor = value.read(interpreter.g)
        if tensor.shape is None:
            shapes = (visible_shape(form.shape, interpreter.g.scope) for form in (then, other))
            interpreter.facts.decide_shape(condition, tensor, *shapes)
        return
    parts = (ListForm, TupleForm)
    if (
        isinstance(then, parts)
        and isinstance(other, parts)
        and isinstance(value, (ListValue, tuple))
    ):
        items = value if isinstance(value, tuple) else value.items
        if len(items) == len(then.items) == len(other.items):
            for item, *forms in zip(items, then.items, other.items, strict=True):
                _note_shapes(interpreter, condition, item, *forms)


def _raises(block: Block) -> bool:
    return any(n.kind == "prim::RaiseException" for n in block.nodes)


def precondition(node: Node | None, reason: str) -> str:
    """What the program would raise, with its place, for the report."""
    source = node.source if node is not None else None
    where = f" ({source.filename}:{source.line})" if source else ""
    return f"{reason}{where}"


def _stage_side(
    interpreter: Interpreter,
    run: Callable[[], Sequence[Value]],
    index: int,
    condition: SymBool,
    outside: Outside | None = None,
) -> _Side:
    journal = interpreter.journal
    outer = interpreter.g.scope
    frame = journal.open()
    depth = len(interpreter.frames)
    try:
        with (
            interpreter.g.body("else" if index else "then") as scope,
            interpreter.facts.scope(),
        ):
            interpreter.facts.assume(condition.condition, index == 0)
            values = [r.here() if isinstance(r, (OptionalValue, ChoiceValue)) else r for r in run()]
            effects = Effects.of(interpreter, frame, outer)
            results = [_Left.of(interpreter, value, outside) for value in values]
            states = {m: _Left.of(interpreter, s, outside) for m, s in effects.states.items()}
    finally:
        del interpreter.frames[depth:]
        journal.undo(frame)
    return _Side(index, outside, scope, frame, results, states, effects)


def _join(
    interpreter: Interpreter, condition: SymBool, then: _Side, other: _Side
) -> Sequence[Value]:
    g = interpreter.g
    touched = list(dict.fromkeys([*then.states, *other.states]))
    left = [
        [*side.results, *(_state_left(interpreter, side, m, condition) for m in touched)]
        for side in (then, other)
    ]
    pairs: list[tuple[Value, Value]] = [(a.frozen, b.frozen) for a, b in zip(*left, strict=True)]
    side_forms = [(a.form, b.form) for a, b in zip(*left, strict=True)]
    start = min(then.frame.start, other.frame.start)
    forms = []
    for sides in side_forms:
        known = _without_empty(interpreter, condition, then, other, *sides)
        forms.append(widen(*grounded(*known, start, apart=interpreter.containers), g.scope))
    hidden = [(s, c) for s in (then, other) for c in s.effects.choices(g.scope)]
    for side, choice in hidden:
        flag = choice.condition
        pairs.append((flag, False) if side is then else (False, flag))
        forms.append(NumberForm("bool"))
    joined = _emit(interpreter, condition, then.scope, other.scope, pairs, forms)
    for _, choice in hidden[::-1]:
        choice.condition = joined.pop()
    for side in (then, other):
        side.effects.tie(interpreter.journal)
    for mutable, state in zip(touched, joined[len(then.results) :], strict=True):
        put_state(interpreter, mutable, state)
    _join_handles(interpreter, condition, then.effects, other.effects, touched)
    for value, sides in zip(joined, side_forms, strict=True):
        _note_shapes(interpreter, condition, value, *sides)
    relate(joined, [[value.kinship for value in side] for side in left], start)
    tie(interpreter.journal, joined, [[value.families for value in side] for side in left], start)
    return joined[: len(then.results)]


def _join_handles(
    interpreter: Interpreter,
    condition: SymBool,
    then: Effects,
    other: Effects,
    joined: Collection[Mutable],
) -> None:
    """Let a tensor that a branch gave other dims have them where its condition holds.

    Not those that were `joined` by their states, as what the branch alone knows decides.
    """
    for handle in dict.fromkeys([*then.handles, *other.handles]):
        if handle in joined:
            continue
        before = handle.origin()
        sides = [effects.handles.get(handle, before) for effects in (then, other)]
        handle.become_one_of(Either(interpreter, condition, *sides), interpreter.journal)


def _state_left(
    interpreter: Interpreter, side: _Side, mutable: Mutable, condition: SymBool
) -> _Left:
    """What a side leaves in something that either of them changed."""
    if mutable in side.states:
        return side.states[mutable]
    # This side left it alone, but not the tensors, lists and objects in it, perhaps.
    frame = interpreter.journal.open()
    try:
        for changed, state in side.states.items():
            put_state(interpreter, changed, state.frozen)
        for handle, at_end in side.effects.handles.items():
            if handle is mutable and set(handle.cells()) != set(at_end.cells()):
                raise UnsupportedError(OTHER_STORAGE)
            interpreter.journal.touch(handle)
            handle.restore(at_end.snapshot())
        side.effects.tie(interpreter.journal)
        with interpreter.g.inside(side.scope):
            before = state_of(interpreter, mutable)
            # Its shapes are those that are known in the branch.
            with interpreter.facts.scope():
                interpreter.facts.assume(condition.condition, side.index == 0)
                return _Left.of(interpreter, before, side.outside)
    finally:
        interpreter.journal.undo(frame)


def _without_empty(
    interpreter: Interpreter, condition: SymBool, then: _Side, other: _Side, a: Form, b: Form
) -> tuple[Form, Form]:
    """The forms, with one tensor for two of which one is there only where both are empty.

    `if len(x) == 0: x = zeros([len(x), 3])` gives x itself where x has the shape [n, 3]. So does
    what is not set on one side, for it is not looked at after that: a variable of the program
    where that side returns.
    """
    for unset, side, kept in ((a, other, b), (b, then, a)):
        if isinstance(unset, Plain) and unset.value is UNINITIALIZED:
            source = kept.source if isinstance(kept, TensorForm) else None
            if isinstance(source, TensorRef) and _is_outer(interpreter, source, side):
                return Plain(source), Plain(source)
    if isinstance(a, TensorForm) and isinstance(b, TensorForm) and a.dtype == b.dtype:
        for holds, side, kept in ((True, other, b), (False, then, a)):
            source = kept.source
            if not isinstance(source, TensorRef) or _has_other_dims(source, then, other):
                continue
            with interpreter.facts.scope():
                interpreter.facts.assume(condition.condition, holds)
                shapes = [_resolved_shape(form) for form in (a, b)]
            if shapes[0] != shapes[1] or shapes[0] is None or 0 not in shapes[0]:
                continue
            # Asked last: it reads the tensor here, where an item may not be there to be read.
            if _is_outer(interpreter, source, side):
                # Without elements there is nothing to share but the dims.
                source.remade = "in a branch or loop"
                return Plain(source), Plain(source)
    parts = (DictForm, TupleForm, ListForm, ObjectForm)
    if isinstance(a, parts) and type(a) is type(b) and len(a.items) == len(b.items):
        items = [
            _without_empty(interpreter, condition, then, other, x, y)
            for x, y in zip(a.items, b.items, strict=True)
        ]
        left, right = (tuple(side) for side in zip(*items, strict=True)) if items else ((), ())
        return replace(a, items=left), replace(b, items=right)
    return a, b


def _resolved_shape(form: TensorForm) -> tuple[Dim | None, ...] | None:
    if form.shape is None:
        return None
    return tuple(None if d is None else resolved(d) for d in form.shape)


def _has_other_dims(ref: TensorRef, *sides: _Side) -> bool:
    """Whether one of the sides changed the dims of a tensor in place."""
    return any(ref in side.effects.handles or ref in side.effects.states for side in sides)


def _is_outer(interpreter: Interpreter, ref: TensorRef, side: _Side) -> bool:
    """Whether a tensor was there before the branches, and this one did not write it."""
    start = side.frame.start
    if ref.born >= start or any(c.born >= start or c in side.effects.states for c in ref.cells()):
        return False
    if ref.base is not None and ref.base.read(interpreter.g).shape is None:
        # A view that only this branch, which knows the number of dims, can take.
        return False
    return interpreter.g.scope.sees(ref.read(interpreter.g))


def _emit(
    interpreter: Interpreter,
    condition: SymBool,
    then: Scope,
    other: Scope,
    pairs: Sequence[tuple[Value, Value]],
    forms: Sequence[Form],
) -> list[Value]:
    """Emit the `If` for what differs; values that need none are made without."""
    g = interpreter.g
    direct = [
        _without_if(interpreter, condition, pair, form)
        for pair, form in zip(pairs, forms, strict=True)
    ]
    left: list[Tensor] = []
    right: list[Tensor] = []
    types: list[OutputType] = []
    known: list[Tensor | None] = []
    for (a, b), form, value in zip(pairs, forms, direct, strict=True):
        if value is not None:
            continue
        sides = []
        for scope, side in ((then, a), (other, b)):
            with g.inside(scope):
                sides.append(list(tensors_of(interpreter, side, form)))
        for joined, x, y in zip(output_types(form), *sides, strict=True):
            known.append(_as_condition(interpreter, condition, x, y))
            if known[-1] is not None:
                continue
            types.append(joined)
            for scope, tensor, outputs in ((then, x, left), (other, y, right)):
                with g.inside(scope):
                    outputs.append(branch_output(g, tensor, joined))
    results = emit_if(g, condition.tensor, (then, left), (other, right), types) if types else []
    emitted = iter(results)
    tensors = iter([next(emitted) if tensor is None else tensor for tensor in known])
    values: list[Value] = []
    for (a, b), form, value in zip(pairs, forms, direct, strict=True):
        if value is not None:
            values.append(value.value)
            continue
        if isinstance(form, NumberForm) and form.kind == "bool":
            values.append(SymBool(next(tensors), _meaning(condition, a, b)))
            continue
        values.append(rebuild(interpreter, form, tensors))
    return values


def _meaning(condition: SymBool, a: Value, b: Value) -> Condition | None:
    """What `a if condition else b` stands for, where it is an `and` or an `or`."""
    holds = condition.condition
    if isinstance(a, SymBool) and isinstance(b, bool):
        return Or(Not(holds), a.condition) if b else And(holds, a.condition)
    if isinstance(b, SymBool) and isinstance(a, bool):
        return Or(holds, b.condition) if a else And(Not(holds), b.condition)
    return None


def _as_condition(
    interpreter: Interpreter, condition: SymBool, a: Tensor, b: Tensor
) -> Tensor | None:
    """The condition or its opposite, if this is what the branches give (presence often is)."""
    for tensor in (a, b):
        if tensor.array is None or tensor.array.dtype != np.bool_ or tensor.array.shape != ():
            return None
    assert a.array is not None
    assert b.array is not None
    if bool(a.array) == bool(b.array):
        return a
    chosen = condition if bool(a.array) else logical_not(interpreter, condition)
    return chosen.tensor if isinstance(chosen, SymBool) else None


@dataclass(frozen=True)
class _Direct:
    value: Value


def _without_if(
    interpreter: Interpreter, condition: SymBool, pair: tuple[Value, Value], form: Form
) -> _Direct | None:
    """A number that follows from the condition without an `If`."""
    a, b = pair
    g = interpreter.g
    if isinstance(form, ChoiceForm):
        values = [option.value for option in form.options if isinstance(option, Plain)]
        new = not isinstance(a, ChoiceValue) and not isinstance(b, ChoiceValue)
        if new and len(values) == len(form.options):
            return _Direct(ChoiceValue(condition, tuple(values)))
        return None
    if not isinstance(form, NumberForm):
        return None
    if isinstance(a, bool) and isinstance(b, bool):
        return _Direct(condition if a else logical_not(interpreter, condition))
    plain = (bool, int, float)
    if isinstance(a, plain) and isinstance(b, plain):
        dtype = None if form.kind != "float" else SymFloat.dtype
        chosen = g.Where(condition.tensor, as_tensor(g, a, dtype), as_tensor(g, b, dtype))
        if form.kind == "float":
            return _Direct(SymFloat(chosen))
        number = g.integer(chosen)
        symbol = number.as_symbol() if isinstance(number, SymInt) else None
        if symbol is not None:
            symbol.values = (int(a), int(b))
        return _Direct(number)
    return None
