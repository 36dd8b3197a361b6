"""A `prim::Loop` as an ONNX `Loop`.

    h = x                         i, h ──► Loop(n, h) ──► h
    for i in range(n):                body: Tanh(Add(h, i))
        h = tanh(h + i)

The body is staged with its carried values as fresh values of the form that the initial ones have.
If what comes out has a wider form (another dim, a constant that varies, a list that grows, None
that becomes a tensor), or if the body writes something outside it that was not carried yet, it is
staged again with the wider form; a few rounds reach a fixed point. What the body gives back as it
got it is not carried at all. Lists that it only appends to become scan outputs (`growing_lists`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import onnx_ir as ir

from exporter.conversion.builtins import numbers
from exporter.conversion.control_flow.branches import precondition
from exporter.conversion.control_flow.effects import Effects, put_state, state_of
from exporter.conversion.control_flow.either import Outside
from exporter.conversion.control_flow.forms import Form, form_of, open_ranks
from exporter.conversion.control_flow.identities import grounded, settled
from exporter.conversion.control_flow.joining import output_types, rebuild, tensors_of
from exporter.conversion.control_flow.widening import apart, placed, widen
from exporter.conversion.runtime_lists import growing_lists, runtime_lists
from exporter.conversion.runtime_lists.list_forms import unstacked
from exporter.conversion.values.aliasing import Families, LoopTies, Position, cells_of, families_of
from exporter.conversion.values.journal import Container, Frame, Loss, Mutable
from exporter.conversion.values.objects import ListValue, NotAppendOnlyError, Value
from exporter.conversion.values.runtime_contents import RuntimeList
from exporter.conversion.values.sharing import LoopKin
from exporter.conversion.values.tensors import Cell, TensorRef
from exporter.errors import RaisedError, UnsupportedError
from exporter.onnx_graph.control_flow import emit_loop, takes_sequences
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import Dim, is_ge, sym_max
from exporter.onnx_graph.values import SymBool, Tensor

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Environment, Interpreter
    from exporter.torchscript.graph import Block

__all__ = ["FOREVER", "FirstTripApartError", "StagedLoop"]

FOREVER = 2**63 - 1
"""The trip count of a `while`."""
ROUNDS = 16


class FirstTripApartError(Exception):
    """The first trip certainly runs, and changes the number of dims of what the loop carries."""


@dataclass
class _Plan:
    """What the next round assumes of the carried values and of the things written in the body."""

    forms: list[Form]
    states: dict[Mutable, Form] = field(default_factory=dict)
    fixed: frozenset[int] = frozenset()
    growing: tuple[ListValue, ...] = ()
    lost: dict[Container, Loss] = field(default_factory=dict)
    poisoned: dict[Cell, Loss] = field(default_factory=dict)


@dataclass
class _Round:
    """What one staging of the body gave; `outputs` are there only if the plan held."""

    scope: Scope
    inputs: list[ir.Value]
    condition: Tensor
    forms: list[Form]
    same: list[bool]
    state_forms: dict[Mutable, Form]
    effects: Effects
    outputs: list[Tensor] | None
    scans: list[list[Tensor]]
    new_ties: bool


class StagedLoop:
    """Stages one loop; `trips` may be symbolic, `condition` is the initial one.

    `unions` are the carried values that are declared to be one of several types, `done` is how many
    trips were run already. With `peels`, a first trip that is apart is told by an error.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        block: Block,
        environment: Environment,
        trips: Dim,
        condition: bool | SymBool,
        carried: Sequence[Value],
        unions: frozenset[int] = frozenset(),
        *,
        done: int = 0,
        peels: bool = False,
    ) -> None:
        self.interpreter = interpreter
        self.g = interpreter.g
        self.block = block
        self.environment = environment
        self.trips = trips
        self.condition = condition
        self.carried = list(carried)
        self.unions = unions
        self.done = done
        self.peels = peels and self._starts()
        self.outer = self.g.scope
        start = interpreter.journal.now()
        self.ties = LoopTies(start)
        self.outside = Outside(start, self.outer) if interpreter.places else None
        # What shares memory before the first trip, all of it together: two lists of one tensor do.
        self.initial: dict[Position, Families] = {}
        if self.outside is None:
            self.initial.update(enumerate(map(families_of, self.carried)))
            self.ties.note(self.initial)
        self.kin = LoopKin(start)
        # Lists that turned out to be used otherwise than by appending.
        self.read_lists: set[Mutable] = set()
        self.initial_states: dict[Mutable, Value] = {}

    def stage(self) -> Sequence[Value]:
        """Find a plan that holds for every trip, then emit.

        A body that is sure to fail is one that is not run: then the loop has no trips.
        """
        node, noted = self.interpreter.node, len(self.interpreter.preconditions)
        forms = [placed(self._form(v), self.outer) for v in self.carried]
        plan = _Plan(forms, fixed=self._fixed_at_first())
        self.kin.note(dict(enumerate(self.carried)))
        first = True
        for _ in range(ROUNDS):
            try:
                found = self._round(plan)
            except NotAppendOnlyError as error:
                # A list that grows in a loop around this one must be carried there.
                if error.grown is not None and error.grown not in plan.growing:
                    raise
                self.read_lists.update(plan.growing)
                plan.growing = ()
                continue
            except RaisedError as error:
                if self._starts():
                    raise
                self.interpreter.come_to(node)
                self.interpreter.preconditions[noted:] = [precondition(node, error.reason)]
                return self.carried
            if found.outputs is not None and not first and not found.new_ties:
                return self._emit(found, plan)
            plan, first = self._next_plan(plan, found, first), False
        raise UnsupportedError("what this loop carries does not settle into one form")

    def _starts(self) -> bool:
        """Whether the first trip certainly runs."""
        return not isinstance(self.condition, SymBool) and bool(is_ge(self.trips, 1))

    def _form(self, value: Value) -> Form:
        return form_of(self.interpreter, value, self.outside)

    def _families(self, value: Value) -> Families:
        return families_of(value, self.outside)

    def _fixed_at_first(self) -> frozenset[int]:
        """Where handles are told apart, a tensor is taken to stay the same until it doesn't."""
        if self.outside is None:
            return frozenset()
        return frozenset(
            i
            for i, value in enumerate(self.carried)
            if isinstance(value, TensorRef) and not value.read(self.g).known
        )

    def _next_plan(self, plan: _Plan, found: _Round, first: bool) -> _Plan:
        fixed = plan.fixed
        if first:
            fixed = frozenset(i for i, same in enumerate(found.same) if same)
        else:
            fixed = frozenset(i for i in fixed if found.same[i])
        forms = [
            old if i in fixed else self._met(old, new, i in self.unions)
            for i, (old, new) in enumerate(zip(plan.forms, found.forms, strict=True))
        ]
        for old, new in zip(plan.forms, forms, strict=True):
            self._tell_apart(old, new)
        states = dict(plan.states)
        growing = list(plan.growing)
        for mutable, form in found.state_forms.items():
            before = states.get(mutable)
            if before is None and self._may_grow(mutable):
                growing.append(mutable)  # type: ignore[arg-type]
                continue
            if before is None and self.outside is None:
                self.initial[mutable] = families_of(state_of(self.interpreter, mutable))
                self.ties.note(self.initial)
            if mutable not in self.initial_states:
                self.initial_states[mutable] = state_of(self.interpreter, mutable)
                self.kin.note({mutable: self.initial_states[mutable]})
            start = before or self._form(state_of(self.interpreter, mutable))
            states[mutable] = self._met(start, form)
            self._tell_apart(start, states[mutable])
        # The first trip is tried with copies of what may turn out to stay the same object.
        lost = {} if first else {**found.effects.lost, **plan.lost}
        poisoned = {} if first else {**plan.poisoned, **found.effects.poisoned}
        # What a lost list holds is nobody's business any more: what stands for it is carried.
        states = {mutable: form for mutable, form in states.items() if mutable not in lost}
        growing = [grown for grown in growing if grown not in lost]
        return _Plan(forms, states, fixed, tuple(dict.fromkeys(growing)), lost, poisoned)

    def _met(self, before: Form, after: Form, union: bool = False) -> Form:
        """The form of what is carried, from those at the start and at the end of a trip."""
        if union:
            before, after = apart(before, after)
        start = self.ties.start
        after = settled(after, start, self.outer)
        form = widen(*grounded(before, after, start, apart=self.interpreter.containers), self.outer)
        return unstacked(form) if takes_sequences(self.g) else form

    def _tell_apart(self, before: Form, after: Form) -> None:
        if self.peels and open_ranks(after) > open_ranks(before):
            raise FirstTripApartError

    def _may_grow(self, mutable: Mutable) -> bool:
        if not isinstance(mutable, ListValue) or mutable in self.read_lists:
            return False
        return mutable.growing is None and growing_lists.can_grow(mutable)

    # ------------------------------------------------------------ one round

    def _round(self, plan: _Plan) -> _Round:
        """Stage the body once; leaves no trace but the scope it returns."""
        journal = self.interpreter.journal
        frame = journal.open()
        depth = len(self.interpreter.frames)
        try:
            with self.g.body("loop") as scope, self.interpreter.facts.scope():
                return self._staged(plan, scope, frame)
        finally:
            del self.interpreter.frames[depth:]
            journal.undo(frame)

    def _staged(self, plan: _Plan, scope: Scope, frame: Frame) -> _Round:
        interpreter, g = self.interpreter, self.g
        counter, count = self.g.body_input("i", OutputType(ir.DataType.INT64, ()))
        condition, _ = self.g.body_input("condition", OutputType(ir.DataType.BOOL, ()))
        inputs = [counter, condition]
        entering, held = self._enter(plan, inputs)
        index = g.symbol("i", count, None, lower=0)
        if self.trips != FOREVER:
            g.at_least(self.trips - 1 - index, 0)
        trip = index + self.done
        self.environment.update(zip(self.block.inputs, [trip, *entering], strict=True))
        again, *leaving = interpreter.run_block(self.block, self.environment)
        same = [a is b for a, b in zip(entering, leaving, strict=True)]
        going = numbers.truth(interpreter, again)
        effects = Effects.of(interpreter, frame, self.outer, in_loop=True)
        # Not those that stood for a carried one in an earlier round, and are kin of it still.
        start = self.ties.start
        effects.lost = {c: loss for c, loss in effects.lost.items() if c.born < start}
        effects.poisoned = {c: loss for c, loss in effects.poisoned.items() if c.born < start}
        forms = [
            old if i in plan.fixed and same[i] else self._form(v)
            for i, (old, v) in enumerate(zip(plan.forms, leaving, strict=True))
        ]
        newly_lost = not (
            plan.lost.keys() >= effects.lost.keys()
            and plan.poisoned.keys() >= effects.poisoned.keys()
        )
        for mutable in plan.states:
            if mutable not in effects.lost:
                effects.states.setdefault(mutable, state_of(self.interpreter, mutable))
        state_forms = {m: self._form(s) for m, s in effects.states.items()}
        scans = [
            growing_lists.appended(interpreter, self._before(m, frame), m.growing or (), self.outer)
            for m in plan.growing
        ]
        self._refuse_shared(plan, entering, leaving, frame)
        outputs = None
        if not newly_lost and self._holds(plan, forms, same, state_forms):
            outputs = []
            for i, (value, form) in enumerate(zip(leaving, plan.forms, strict=True)):
                if i not in plan.fixed:
                    outputs += list(tensors_of(interpreter, value, form))
            for mutable, form in plan.states.items():
                outputs += list(tensors_of(interpreter, state_of(self.interpreter, mutable), form))
        carry_on = numbers.as_tensor(g, going)
        new_ties = self._note_ties(plan, leaving, effects, held) or newly_lost
        new_ties = self._note_kin(leaving, effects) or new_ties
        return _Round(
            scope, inputs, carry_on, forms, same, state_forms, effects, outputs, scans, new_ties
        )

    def _note_ties(
        self,
        plan: _Plan,
        leaving: Sequence[Value],
        effects: Effects,
        held: dict[Position, Value],
    ) -> bool:
        """What a trip leaves may share memory; whether that is news."""
        families: dict[Position, Families] = {i: self._families(v) for i, v in enumerate(leaving)}
        families |= {
            m: self._families(s) for m, s in effects.states.items() if not isinstance(m, Cell)
        }
        news = self.ties.note(families, held)
        appended: dict[Position, Families] = {
            grown: [f for item in grown.growing or () for f in self._families(item)]
            for grown in plan.growing
        }
        news = self.ties.note(appended) or news
        if self.outside is not None:
            # What the initial values share depends on which of them are told apart by places.
            news = self.ties.note(self._initial_families(plan), held) or news
        return news

    def _note_kin(self, leaving: Sequence[Value], effects: Effects) -> bool:
        """Which containers a trip leaves may be one another; whether that is news."""
        left: dict[Position, Value] = dict(enumerate(leaving))
        left.update(effects.states.items())
        return self.kin.note(left)

    def _initial_families(self, plan: _Plan) -> dict[Position, Families]:
        """The families of what the first trip starts with."""
        families: dict[Position, Families] = {
            i: self._families(v) for i, v in enumerate(self.carried)
        }
        for mutable, state in self.initial_states.items():
            if mutable in plan.states and not isinstance(mutable, Cell):
                families[mutable] = self._families(state)
        return families

    def _enter(
        self, plan: _Plan, inputs: list[ir.Value]
    ) -> tuple[list[Value], dict[Position, Value]]:
        """The carried values and states at the start of a trip, as inputs of the body."""
        entering: list[Value] = []
        for i, (initial, form) in enumerate(zip(self.carried, plan.forms, strict=True)):
            if i in plan.fixed:
                entering.append(initial)
                continue
            entering.append(rebuild(self.interpreter, form, self._inputs(form, inputs)))
        held: dict[Position, Value] = dict(enumerate(entering))
        for mutable, form in plan.states.items():
            state = rebuild(self.interpreter, form, self._inputs(form, inputs))
            put_state(self.interpreter, mutable, state)
            held[mutable] = state
        for grown in plan.growing:
            self.interpreter.journal.touch(grown)
            grown.growing = []
        self.ties.apply(self.interpreter.journal, held)
        self.kin.apply(held)
        for container, loss in plan.lost.items():
            self.interpreter.journal.lose(container, loss)
        # What a trip writes can't be read under another name in the next one.
        for cell, loss in plan.poisoned.items():
            self.interpreter.journal.touch(cell)
            cell.poison = loss
        return entering, held

    @staticmethod
    def _before(grown: ListValue, frame: Frame) -> ListValue:
        """The list as it was before the loop."""
        before = ListValue([], grown.element_type)
        before.restore(frame.before[grown])
        return before

    def _holds(
        self,
        plan: _Plan,
        forms: Sequence[Form],
        same: Sequence[bool],
        state_forms: dict[Mutable, Form],
    ) -> bool:
        """Whether what the trip gives has the forms that it was given."""
        return (
            all(same[i] for i in plan.fixed)
            and all(
                i in plan.fixed or self._met(a, b, i in self.unions) == a
                for i, (a, b) in enumerate(zip(plan.forms, forms, strict=True))
            )
            and all(
                m in plan.states and self._met(plan.states[m], form) == plan.states[m]
                for m, form in state_forms.items()
            )
        )

    def _refuse_shared(
        self, plan: _Plan, entering: Sequence[Value], leaving: Sequence[Value], frame: Frame
    ) -> None:
        """An appended tensor that a later trip writes in place would change in the list, too."""
        written = {m for m in frame.before if m in plan.states}
        written.update(c for m in plan.states if isinstance(m, TensorRef) for c in m.cells())
        for value, out in zip(entering, leaving, strict=True):
            for cell in cells_of(value) if isinstance(value, TensorRef) else ():
                if cell in frame.before and cell.value is not frame.before[cell][0]:
                    written.add(cell)
                    if isinstance(out, TensorRef):
                        written.update(out.cells())
        for grown in plan.growing:
            for item in grown.growing or ():
                if isinstance(item, TensorRef) and not written.isdisjoint(item.cells()):
                    raise UnsupportedError(
                        "a tensor is appended to a list and written in place in a later trip"
                    )

    def _inputs(self, form: Form, inputs: list[ir.Value]) -> Iterator[Tensor]:
        """New inputs of the body for a value of this form."""
        for type_ in output_types(form):
            value, tensor = self.g.body_input("carried", type_)
            inputs.append(value)
            yield tensor

    # ------------------------------------------------------------ emitting

    def _emit(self, found: _Round, plan: _Plan) -> Sequence[Value]:
        interpreter, g = self.interpreter, self.g
        assert found.outputs is not None
        starts: list[Tensor] = []
        types: list[OutputType] = []
        for i, (value, form) in enumerate(zip(self.carried, plan.forms, strict=True)):
            if i not in plan.fixed:
                starts += list(tensors_of(interpreter, value, form))
                types += list(output_types(form))
        for mutable, form in plan.states.items():
            starts += list(tensors_of(interpreter, state_of(self.interpreter, mutable), form))
            types += list(output_types(form))
        scanned = [t for items in found.scans for t in items]
        types += growing_lists.scan_types(scanned)
        trips = None if self.trips == FOREVER else g.scalar(sym_max(self.trips, 0))
        condition = self.condition.tensor if isinstance(self.condition, SymBool) else None
        body = (found.scope, found.inputs, [found.condition, *found.outputs, *scanned])
        outputs = iter(emit_loop(g, trips, condition, starts, body, types))
        return self._leave(found, plan, outputs)

    def _leave(self, found: _Round, plan: _Plan, outputs: Iterator[Tensor]) -> Sequence[Value]:
        """The carried values and states after the loop, from its outputs."""
        interpreter = self.interpreter
        results: list[Value] = []
        for i, (value, form) in enumerate(zip(self.carried, plan.forms, strict=True)):
            if i in plan.fixed:
                results.append(value)
                continue
            results.append(rebuild(interpreter, form, outputs))
        held: dict[Position, Value] = dict(enumerate(results))
        for mutable, form in plan.states.items():
            held[mutable] = rebuild(interpreter, form, outputs)
            put_state(interpreter, mutable, held[mutable])
        longer: list[tuple[RuntimeList, ListValue]] = []
        for grown, items in zip(plan.growing, found.scans, strict=True):
            if not items:
                # It was extended by an empty list.
                continue
            scans = [next(outputs) for _ in items]
            interpreter.journal.touch(grown)
            before = ListValue(list(grown.items))
            before.runtime = grown.runtime
            runtime = growing_lists.finished(interpreter, grown, scans)
            runtime.shared = runtime.may_repeat or self.ties.involve(grown)
            grown.items, grown.runtime = [], runtime
            held[grown] = grown
            longer.append((runtime, before))
        self.ties.apply(interpreter.journal, held)
        self.kin.apply(held)
        found.effects.tie(interpreter.journal)
        # What these held before may be held by something else that the loop carries, too.
        for runtime, before in longer:
            runtime_lists.descend(interpreter, runtime, before)
        return results
