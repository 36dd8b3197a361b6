"""`prim::Loop`: unrolled where its course is known and it is small, else an ONNX `Loop`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from exporter.conversion.builtins import numbers
from exporter.conversion.control_flow.exits import exit_of
from exporter.conversion.control_flow.loop_staging import FOREVER, StagedLoop
from exporter.conversion.values.objects import UNINITIALIZED, Value
from exporter.conversion.values.tensors import TensorRef
from exporter.errors import UnsupportedError
from exporter.onnx_graph.scope import Scope
from exporter.onnx_graph.symbolic import SymInt, resolved
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
    staged = partial(StagedLoop, interpreter, block, environment, trips, condition, carried, unions)
    if not isinstance(trips, int) or isinstance(condition, SymBool):
        return staged().stage()
    try:
        return _unroll(interpreter, block, environment, trips, carried, limited=True)
    except _TooLongError:
        pass
    except UnsupportedError as error:
        if trips != FOREVER:
            raise
        return _left_behind(interpreter, block, environment, carried, error)
    try:
        return staged().stage()
    except UnsupportedError as error:
        if trips == FOREVER:
            return _left_behind(interpreter, block, environment, carried, error)
        # What has no counterpart in a Loop (modules by index, a dtype that changes) may have one
        # trip by trip.
        try:
            return _unroll(interpreter, block, environment, trips, carried, limited=False)
        except _TooLongError:
            pass
        raise


def _left_behind(
    interpreter: Interpreter,
    block: Block,
    environment: Environment,
    carried: Sequence[Value],
    error: UnsupportedError,
) -> Sequence[Value]:
    """Run a `while True` that has no form with its way out in it, with that behind it."""
    found = exit_of(block)
    if found is None:
        raise error
    start = [*carried, *(UNINITIALIZED for _ in found.kept)]
    try:
        with _attempt(interpreter, "left"):
            loop = StagedLoop(interpreter, found.body, environment, FOREVER, True, start)
            kept = loop.stage()[len(carried) :]
            environment.update(zip(found.kept, kept, strict=True))
            for node in found.constants:
                interpreter.run_node(node, environment)
            interpreter.run_block(found.block, environment)
    except UnsupportedError:
        raise error from None
    return [environment[value] for value in found.outputs]


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
    values = list(carried)
    with _attempt(interpreter, "unrolled") as scope:
        for trip in range(min(trips, SILENT_TRIPS)):
            environment.update(zip(block.inputs, [trip, *values], strict=True))
            condition, *values = interpreter.run_block(block, environment)
            going = numbers.truth(interpreter, condition)
            emitted = len(scope.nodes)
            if isinstance(going, SymBool):
                raise _TooLongError
            if limited and not _affordable(trip + 1, trips, emitted, interpreter.options):
                raise _TooLongError
            if not going:
                break
        else:
            if trips > SILENT_TRIPS:
                raise _TooLongError
    return values


@contextmanager
def _attempt(interpreter: Interpreter, name: str) -> Iterator[Scope]:
    """What is run within becomes part of the graph if nothing is raised, else nothing of it is."""
    g, journal = interpreter.g, interpreter.journal
    scope = Scope(g.scope, name)
    frame = journal.open()
    depth = len(interpreter.frames)
    try:
        with g.inside(scope), interpreter.facts.attempt():
            yield scope
    except BaseException:
        del interpreter.frames[depth:]
        journal.undo(frame)
        raise
    journal.keep(frame)
    scope.merge()


def _affordable(done: int, trips: int, emitted: int, options: Options) -> bool:
    """Whether the whole loop stays within the options, by what its first trips emitted."""
    if not emitted:
        return True
    expected = trips if trips != FOREVER else done
    return expected <= options.unroll_trips and emitted * expected // done <= options.unroll_nodes
