"""`prim::Loop`: unrolled where its course is known and it is small, else an ONNX `Loop`.

    total = torch.tensor(0.0)         total = x[0] + 0.0
    for i in range(len(x)):           for i in range(1, len(x)):
        total = total + x[i]              total = total + x[i]

A first trip that certainly runs and changes numbers of dims is run before the loop, whose rest then
carries known ones; so is one after which the loop has a form in ONNX that it has not as a whole, as
where it enters keys into a dict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from exporter.conversion.builtins import numbers
from exporter.conversion.calls.operators import MissingSymbolicError
from exporter.conversion.control_flow.exits import exit_of
from exporter.conversion.control_flow.loop_staging import (
    FOREVER,
    FirstTripApartError,
    StagedLoop,
)
from exporter.conversion.values.objects import UNINITIALIZED, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.symbolic import Dim, SymInt, resolved
from exporter.onnx_graph.values import SymBool
from exporter.torchscript.types import UnionType

if TYPE_CHECKING:
    from exporter.conversion.interpreter import Environment, Interpreter, Options
    from exporter.torchscript.graph import Block, Node

__all__ = ["run"]

# A loop that emits nothing (Python computations) may run this often.
SILENT_TRIPS = 1_000_000


class _TooLongError(Exception):
    """Unrolling was given up: over the budget, or the course turned out not to be known."""


def run(interpreter: Interpreter, node: Node, environment: Environment) -> Sequence[Value]:
    """Run a loop; returns the final carried values."""
    trips = environment[node.inputs[0]]
    if isinstance(trips, TensorRef):
        trips = interpreter.builtin("aten::Int", trips)
    if isinstance(trips, SymInt):
        trips = resolved(trips)
    condition = numbers.truth(interpreter, environment[node.inputs[1]])
    carried = [environment[v] for v in node.inputs[2:]]
    if condition is False or (isinstance(trips, int) and trips <= 0):
        return carried
    block = node.blocks[0]
    unions = frozenset(i for i, v in enumerate(node.outputs) if isinstance(v.type, UnionType))
    loop = _Loop(interpreter, block, environment, unions)
    if not isinstance(trips, int) or isinstance(condition, SymBool):
        return loop.staged(trips, condition, carried)
    try:
        return loop.unrolled(trips, carried, limited=True)
    except _TooLongError:
        pass
    except UnsupportedError as error:
        if trips != FOREVER:
            raise
        return loop.left_behind(carried, error)
    try:
        return loop.staged(trips, condition, carried)
    except UnsupportedError as error:
        if trips == FOREVER:
            return loop.left_behind(carried, error)
        # What has no counterpart in a Loop (modules by index, a dtype that changes) may have one
        # trip by trip.
        try:
            return loop.unrolled(trips, carried, limited=False)
        except _TooLongError:
            pass
        raise


@dataclass(frozen=True)
class _Loop:
    """A loop, and the ways to run it."""

    interpreter: Interpreter
    block: Block
    environment: Environment
    unions: frozenset[int]

    def staged(
        self, trips: Dim, condition: bool | SymBool, carried: Sequence[Value]
    ) -> Sequence[Value]:
        """As an ONNX `Loop`; the first trip before it, where that settles ranks, keys or dtypes."""
        stage = partial(StagedLoop, self.interpreter, self.block, self.environment)
        whole = stage(trips, condition, carried, self.unions, peels=True)
        refusal: UnsupportedError | None = None
        try:
            return whole.stage()
        except FirstTripApartError:
            pass
        except MissingSymbolicError:
            raise
        except UnsupportedError as error:
            if not whole.peels:
                raise
            refusal = error
        try:
            with self._attempt():
                going, values = self._trip(0, carried)
                if going is False:
                    return values
                rest = trips if trips == FOREVER else trips - 1
                return stage(rest, going, values, self.unions, done=1).stage()
        except UnsupportedError:
            if refusal is not None:
                raise refusal from None
            return stage(trips, condition, carried, self.unions).stage()

    def unrolled(self, trips: int, carried: Sequence[Value], *, limited: bool) -> Sequence[Value]:
        """Trip by trip, as long as the course is known."""
        values = carried
        with self._attempt() as scope:
            for trip in range(min(trips, SILENT_TRIPS)):
                going, values = self._trip(trip, values)
                options = self.interpreter.options
                if isinstance(going, SymBool):
                    raise _TooLongError
                if limited and not _affordable(trip + 1, trips, len(scope.nodes), options):
                    raise _TooLongError
                if not going:
                    break
            else:
                if trips > SILENT_TRIPS:
                    raise _TooLongError
        return values

    def left_behind(self, carried: Sequence[Value], error: UnsupportedError) -> Sequence[Value]:
        """A `while True` that has no form with its way out in it, with that behind it."""
        found = exit_of(self.block)
        if found is None:
            raise error
        environment = self.environment
        start = [*carried, *(UNINITIALIZED for _ in found.kept)]
        try:
            with self._attempt():
                loop = StagedLoop(self.interpreter, found.body, environment, FOREVER, True, start)
                kept = loop.stage()[len(carried) :]
                environment.update(zip(found.kept, kept, strict=True))
                for node in found.constants:
                    self.interpreter.run_node(node, environment)
                self.interpreter.run_block(found.block, environment)
        except UnsupportedError:
            raise error from None
        return [environment[value] for value in found.outputs]

    def _trip(self, trip: int, carried: Sequence[Value]) -> tuple[bool | SymBool, Sequence[Value]]:
        """Run the body here; whether the loop goes on, and what it carries then."""
        self.environment.update(zip(self.block.inputs, [trip, *carried], strict=True))
        condition, *values = self.interpreter.run_block(self.block, self.environment)
        return numbers.truth(self.interpreter, condition), values

    @contextmanager
    def _attempt(self) -> Iterator[Scope]:
        """A scope that becomes part of the graph if all goes well, and leaves no trace if not."""
        interpreter = self.interpreter
        scope = Scope(interpreter.g.scope, "unrolled")
        frame = interpreter.journal.open()
        depth = len(interpreter.frames)
        try:
            with interpreter.g.inside(scope), interpreter.facts.attempt():
                yield scope
        except BaseException:
            del interpreter.frames[depth:]
            interpreter.journal.undo(frame)
            raise
        interpreter.journal.keep(frame)
        scope.merge()


def _affordable(done: int, trips: int, emitted: int, options: Options) -> bool:
    """Whether the whole loop stays within the options, by what its first trips emitted."""
    if not emitted:
        return True
    expected = trips if trips != FOREVER else done
    return expected <= options.unroll_trips and emitted * expected // done <= options.unroll_nodes
