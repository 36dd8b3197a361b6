"""`prim::Loop`: unrolled where its course is known and it is small, else an ONNX `Loop`.

    h = x                         i, h ──► Loop(n, h) ──► h
    for i in range(n):                body: Tanh(Add(h, i))
        h = tanh(h + i)

The body of an ONNX `Loop` is staged with its carried values as fresh values of the form that the
initial ones have. If what comes out has a wider form (another dim, a constant that varies, a list
that grows, None that becomes a tensor), or if the body writes something outside it that was not
carried yet, it is staged again with the wider form; a few rounds reach a fixed point. What a round
leaves as it came in is not carried at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion import numbers
from exporter.conversion.effects import Effects, put_state, state_of
from exporter.conversion.joining import (
    Form,
    form_of,
    freeze,
    output_types,
    rebuild,
    tensors_of,
    widen,
)
from exporter.conversion.journal import Mutable
from exporter.conversion.objects import Value
from exporter.conversion.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import Dim, sym_max
from exporter.onnx_graph.values import SymBool, Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Environment, Interpreter
    from exporter.torchscript.graph import Block, Node

__all__ = ["run"]

FOREVER = 2**63 - 1
ROUNDS = 12
# A loop that emits nothing (Python computations) may run this often.
SILENT_TRIPS = 1_000_000


class _TooLongError(Exception):
    """Unrolling was given up: over the budget, or the course turned out not to be known."""


def run(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """Run a loop; returns the final carried values."""
    trips = environment[node.inputs[0]]
    if isinstance(trips, TensorRef):
        trips = interpreter.builtin("aten::Int", trips)
    condition = numbers.truth(interpreter, environment[node.inputs[1]])
    carried = [environment[v] for v in node.inputs[2:]]
    if condition is False or (isinstance(trips, int) and trips <= 0):
        return carried
    known = isinstance(trips, int) and condition is True
    if known:
        try:
            return _unroll(interpreter, node.blocks[0], environment, trips, carried, limited=True)
        except _TooLongError:
            pass
    try:
        return _Loop(interpreter, node.blocks[0], environment, trips, condition, carried).stage()
    except UnsupportedError:
        if not known or trips == FOREVER:
            raise
        try:
            return _unroll(interpreter, node.blocks[0], environment, trips, carried, limited=False)
        except _TooLongError:
            pass
        raise


def _unroll(
    interpreter: Interpreter,
    block: Block,
    environment: Environment,
    trips: int,
    carried: Sequence[Value],
    *,
    limited: bool,
) -> Sequence[Value]:
    """Run the body once a trip, in a scope that becomes part of the graph if all goes well."""
    g, journal, options = interpreter.g, interpreter.journal, interpreter.options
    scope = Scope(g.scope, "unrolled")
    frame = journal.open()
    values = list(carried)
    try:
        with g.inside(scope):
            for trip in range(min(trips, SILENT_TRIPS)):
                environment.update(zip(block.inputs, [trip, *values], strict=True))
                condition, *values = interpreter.run_block(block, environment)
                going = numbers.truth(interpreter, condition)
                emitted = len(scope.nodes)
                if isinstance(going, SymBool):
                    raise _TooLongError
                if limited and emitted and not _affordable(trip + 1, trips, emitted, options):
                    raise _TooLongError
                if not going:
                    break
            else:
                if trips > SILENT_TRIPS:
                    raise _TooLongError
    except BaseException:
        journal.undo(frame)
        raise
    journal.keep(frame)
    scope.merge()
    return values


def _affordable(done: int, trips: int, emitted: int, options: object) -> bool:
    """Whether the whole loop stays within the unrolling options, by what its first trips emitted."""
    most_trips: int = options.unroll_trips  # type: ignore[attr-defined]
    most_nodes: int = options.unroll_nodes  # type: ignore[attr-defined]
    expected = trips if trips != FOREVER else done
    return expected <= most_trips and emitted * expected // done <= most_nodes


@dataclass
class _Round:
    """What one staging of the body gave."""

    scope: Scope
    inputs: list[ir.Value]
    outputs: list[Tensor]
    forms: list[Form]
    state_forms: dict[Mutable, Form]
    effects: Effects
    condition: Tensor


class _Loop:
    """Stages one loop as an ONNX `Loop`."""

    def __init__(
        self,
        interpreter: Interpreter,
        block: Block,
        environment: Environment,
        trips: Dim,
        condition: bool | SymBool,
        carried: Sequence[Value],
    ) -> None:
        self.interpreter = interpreter
        self.g = interpreter.g
        self.block = block
        self.environment = environment
        self.trips = trips
        self.condition = condition
        self.carried = list(carried)
        self.touched: list[Mutable] = []
        self.outer = self.g.scope

    def stage(self) -> Sequence[Value]:
        """Find the forms that hold for every trip, then emit."""
        initial = [form_of(self.interpreter, v) for v in self.carried]
        # A number or tensor that is outer to the loop may vary in it: start from its kind.
        forms = list(initial)
        states: dict[Mutable, Form] = {}
        fixed: set[int] = set()
        first = True
        for _ in range(ROUNDS):
            found = self._round(forms, states, fixed)
            if first:
                first = False
                unchanged = self._unchanged(found)
                if unchanged:
                    fixed = unchanged
            wider = [
                f if i in fixed and self._stays(found, i) else self._wider(f, found.forms[i])
                for i, f in enumerate(forms)
            ]
            lost = {i for i in fixed if not self._stays(found, i)}
            wider_states = {}
            for mutable, form in found.state_forms.items():
                before = states.get(mutable)
                start = before or form_of(self.interpreter, state_of(mutable))
                wider_states[mutable] = self._wider(start, form)
            for mutable, form in states.items():
                wider_states.setdefault(mutable, form)
            stable = wider == forms and wider_states == states and not lost
            if stable and (not fixed or self._fixed_round):
                return self._emit(found, forms, states, fixed)
            fixed -= lost
            self._fixed_round = True
            forms, states = wider, wider_states
        raise UnsupportedError("what this loop carries does not settle into one form")

    _fixed_round = False

    def _wider(self, form: Form, out: Form) -> Form:
        return widen(form, out, self.outer)

    def _unchanged(self, found: _Round) -> set[int]:
        """The carried values that the body gives back as it got them."""
        return {i for i, same in enumerate(self._same) if same and found.forms}

    def _stays(self, found: _Round, index: int) -> bool:
        del found
        return self._same[index]

    def _round(
        self, forms: Sequence[Form], states: dict[Mutable, Form], fixed: set[int]
    ) -> _Round:
        """Stage the body once; leaves no trace but the scope it returns."""
        interpreter, g = self.interpreter, self.g
        frame = interpreter.journal.open()
        depth = len(interpreter.frames)
        try:
            with g.body("loop") as scope:
                counter, count_value = self._input("i", OutputType(ir.DataType.INT64, ()))
                condition, _ = self._input("condition", OutputType(ir.DataType.BOOL, ()))
                index = g.symbol("i", count_value, None, lower=0)
                inputs = [counter, condition]
                entering: list[Value] = []
                for i, form in enumerate(forms):
                    if i in fixed:
                        entering.append(self.carried[i])
                        continue
                    value = rebuild(interpreter, form, self._inputs(form, inputs))
                    self._tie(value, self.carried[i])
                    entering.append(value)
                for mutable, form in states.items():
                    state = rebuild(interpreter, form, self._inputs(form, inputs))
                    put_state(interpreter, mutable, state)
                self.environment.update(
                    zip(self.block.inputs, [index, *entering], strict=True)
                )
                again, *leaving = interpreter.run_block(self.block, self.environment)
                self._same = [a is b for a, b in zip(entering, leaving, strict=True)]
                going = numbers.truth(interpreter, again)
                effects = Effects.of(frame)
                forms_out = [form_of(interpreter, v) for v in leaving]
                for mutable in states:
                    effects.states.setdefault(mutable, state_of(mutable))
                state_forms = {m: form_of(interpreter, s) for m, s in effects.states.items()}
                outputs: list[Tensor] = []
                if self._fits(forms, forms_out, states, state_forms, fixed):
                    for i, (value, form) in enumerate(zip(leaving, forms, strict=True)):
                        if i not in fixed:
                            outputs += list(tensors_of(interpreter, value, form))
                    for mutable, form in states.items():
                        outputs += list(tensors_of(interpreter, state_of(mutable), form))
                effects.states = {m: freeze(interpreter, s) for m, s in effects.states.items()}
                carry_on = numbers.as_tensor(g, going)
        finally:
            del interpreter.frames[depth:]
            interpreter.journal.undo(frame)
        return _Round(scope, inputs, outputs, forms_out, state_forms, effects, carry_on)

    def _fits(
        self,
        forms: Sequence[Form],
        forms_out: Sequence[Form],
        states: dict[Mutable, Form],
        state_forms: dict[Mutable, Form],
        fixed: set[int],
    ) -> bool:
        """Whether this round is at the fixed point, so that its outputs can be taken."""
        return all(
            i in fixed or self._wider(a, b) == a
            for i, (a, b) in enumerate(zip(forms, forms_out, strict=True))
        ) and all(
            m in states and self._wider(states[m], form) == states[m]
            for m, form in state_forms.items()
        )

    def _input(self, name: str, type_: OutputType) -> tuple[ir.Value, Tensor]:
        value = ir.Value(name=self.g.unique(name, out=True))
        return value, self.g.typed(value, type_, name)

    def _inputs(self, form: Form, inputs: list[ir.Value]) -> Iterator[Tensor]:
        """New inputs of the body for a value of this form."""
        for type_ in output_types(form):
            value, tensor = self._input("carried", type_)
            inputs.append(value)
            yield tensor

    def _tie(self, value: Value, initial: Value) -> None:
        """In the first trip a carried tensor is the initial one itself."""
        if isinstance(value, TensorRef) and isinstance(initial, TensorRef):
            if value.cell is not initial.cell:
                value.cell.pair(initial.cell, self.interpreter.journal)

    def _emit(
        self, found: _Round, forms: Sequence[Form], states: dict[Mutable, Form], fixed: set[int]
    ) -> Sequence[Value]:
        interpreter, g = self.interpreter, self.g
        starts: list[Tensor] = []
        types: list[OutputType] = []
        for i, (value, form) in enumerate(zip(self.carried, forms, strict=True)):
            if i not in fixed:
                starts += list(tensors_of(interpreter, value, form))
                types += list(output_types(form))
        for mutable, form in states.items():
            starts += list(tensors_of(interpreter, state_of(mutable), form))
            types += list(output_types(form))
        with g.inside(found.scope):
            body = g.close(found.scope, found.inputs, [found.condition, *found.outputs])
        trips = None
        if self.trips != FOREVER:
            trips = g.value(g.scalar(sym_max(self.trips, 0)))
        condition = None
        if isinstance(self.condition, SymBool):
            condition = g.value(self.condition.tensor)
        outputs = iter(
            g.emit(
                "Loop",
                [trips, condition, *[g.value(t) for t in starts]],
                {"body": body},
                types,
            )
        )
        results: list[Value] = []
        for i, (value, form) in enumerate(zip(self.carried, forms, strict=True)):
            if i in fixed:
                results.append(value)
                continue
            result = rebuild(interpreter, form, outputs)
            self._tie(result, value)
            results.append(result)
        for mutable, form in states.items():
            put_state(interpreter, mutable, rebuild(interpreter, form, outputs))
        found.effects.tie(interpreter.journal)
        return results

