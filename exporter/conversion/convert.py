"""One method of an archive -> an ONNX model: inputs, the interpreter, outputs, state."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

import symbolics  # noqa: F401  registers the operators
from exporter.conversion.boundary.argument_binding import bound_arguments
from exporter.conversion.boundary.results import Outputs
from exporter.conversion.boundary.shared_memory import overlapping
from exporter.conversion.boundary.signature import DynamicAxes, Inputs
from exporter.conversion.boundary.specs import TensorSpec
from exporter.conversion.boundary.state import FREEZE, InitialState, States, StateType, snapshot
from exporter.conversion.boundary.state_ties import StateTies
from exporter.conversion.calls.earlier_meanings import earlier_meanings
from exporter.conversion.calls.hooks import call_module
from exporter.conversion.calls.missing import missing_operators
from exporter.conversion.calls.operators import MissingSymbolicError
from exporter.conversion.calls.overloads import method_for
from exporter.conversion.interpreter import Interpreter, Options
from exporter.conversion.runtime_lists.runtime_dicts import as_result
from exporter.conversion.values.aliasing import cells_of
from exporter.conversion.values.journal import SharedContainerError
from exporter.conversion.values.module_tree import ModuleTree
from exporter.conversion.values.objects import ObjectValue, RunTimeKeysError, Value, type_name
from exporter.conversion.values.tensors import Cell, SharedMemoryError, TensorRef
from exporter.errors import InputError, UnsupportedError
from exporter.onnx_graph.builder import Builder
from exporter.torchscript.graph import Function, Node
from exporter.torchscript.loaded import Loaded
from exporter.torchscript.program import Program

__all__ = ["Conversion", "Request", "convert", "metadata"]

# Rounds in which the types of the state must settle.
STATE_ROUNDS = 16


@dataclass
class Request:
    """What is to be converted and how. `args` and `kwargs` hold arrays, numbers and specs."""

    loaded: Loaded
    method: str = "forward"
    args: Sequence[object] | None = None
    kwargs: Mapping[str, object] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    input_names: Sequence[str] | None = None
    output_names: Sequence[str] | None = None
    dynamic_axes: DynamicAxes = field(default_factory=dict)
    opset: int = 20
    fold: bool = True
    training: bool | None = False
    state: Mapping[str, TensorSpec] = field(default_factory=dict)
    freeze_state: bool = False
    options: Options = field(default_factory=Options)
    argument_names: Mapping[str, str] = field(default_factory=dict)
    """What parameters are called in the model, where that is not their own name."""
    result_names: Sequence[str] = ()
    """What the outputs are called, where the program does not tell."""
    record: bool = False
    """Whether the builder keeps what each symbolic was given and gave."""


@dataclass
class Conversion:
    """The result: a finished builder with the graph's inputs and outputs, and what to report."""

    builder: Builder
    inputs: list[ir.Value]
    outputs: list[ir.Value]
    initial_state: InitialState
    warnings: list[str]
    preconditions: list[str]


# What is told in another run of the conversion, by the error that asks for it (see `Interpreter`).
_TOLD: dict[type[UnsupportedError], str] = {
    SharedMemoryError: "places",
    SharedContainerError: "containers",
    RunTimeKeysError: "keys",
}


def convert(request: Request) -> Conversion:
    """Stage a method; where it writes to what may share memory, again and more exactly.

    To tell which of several tensors, lists or dicts a name stands for (see `either`, `identities`),
    or what keys a dict has (`runtime_dicts`), costs nodes in the graph, and few programs need it.
    """
    told: dict[str, bool] = dict.fromkeys(_TOLD.values(), False)
    refusal: UnsupportedError | None = None
    while True:
        try:
            return _converted(request, told)
        except (SharedMemoryError, SharedContainerError, RunTimeKeysError) as error:
            refusal = refusal or error
            kind = _TOLD[type(error)]
            if told[kind]:
                raise refusal from None
            told[kind] = True
        except UnsupportedError as error:
            if refusal is None:
                raise
            if told["keys"]:
                refusal.notes.append(f"held another way, as lists: {error.message}")
            raise refusal from None
        except RecursionError:
            # Not TorchScript, which knows no recursion: a damaged archive.
            raise UnsupportedError(
                "a function that calls itself, or calls nested too deeply"
            ) from None


def _converted(request: Request, told: Mapping[str, bool]) -> Conversion:
    """Stage a method, again where it turns out to have state; see `state`."""
    loaded = request.loaded
    program = loaded.program
    declared = program.class_type(loaded.root.type_name)
    args = list(request.args or ())
    function = method_for(program, declared, request.method, args, request.kwargs, loaded.name)
    types: dict[str, StateType] = {}
    shared: dict[str, str] = {}
    ties = StateTies()
    for _ in range(STATE_ROUNDS):
        attempt = _Attempt(request, program, function, types, shared, ties, told)
        attempt.run()
        if request.freeze_state:
            return attempt.finish()
        settled = attempt.next_types()
        tied = attempt.note_ties(settled[0])
        if settled == (types, shared) and not tied:
            return attempt.finish()
        types, shared = settled
    raise InputError("the types of the module's state do not settle; declare them with `state`")


class _Attempt:
    """One run of the method with a given idea of what is state.

    `types` are those of the state by qualified name, `shared` names attributes that hold the same
    object as another one, `ties` what attributes may hold the same at the start of a call.
    """

    def __init__(
        self,
        request: Request,
        program: Program,
        function: Function,
        types: dict[str, StateType],
        shared: dict[str, str],
        ties: StateTies,
        told: Mapping[str, bool],
    ) -> None:
        self.request = request
        self.function = function
        self.types = types
        self.ties = ties
        self.g = Builder(request.opset, fold=request.fold)
        self.g.calls = [] if request.record else None
        self.interpreter = Interpreter(
            self.g,
            program,
            request.options,
            places=told["places"],
            containers=told["containers"],
            keys=told["keys"],
            earlier=earlier_meanings(request.loaded.version),
        )
        self.inputs = Inputs(self.g, request.input_names, request.dynamic_axes)
        self.arguments, self.notes = self._bound(program)
        self.given = {cell: cell.value for a in self.arguments for cell in cells_of(a)}
        _check_names(request, self.inputs)
        self.states = States(self.interpreter, self.inputs, types, request.state)
        self.tree = self._tree({})
        if types:
            for qualified, owner, name in self.tree.attributes():
                if qualified in types:
                    self.states.enter(qualified, owner.attributes[name])
            self.states.know_values()
            values = self.states.values
            self.tree = self._tree(values | {name: values[first] for name, first in shared.items()})
            held = {
                qualified: owner.attributes[name]
                for qualified, owner, name in self.tree.attributes()
                if name in owner.attributes
            }
            ties.apply(self.interpreter.journal, held)
        self.before = self.after = self._attributes()
        # Who holds which tensor when the call starts.
        self.holders: dict[Cell, set[str]] = {}
        for qualified, (value, _) in self.before.items():
            for cell in cells_of(value):
                self.holders.setdefault(cell, set()).add(qualified)
        self.result: Value = None

    def _bound(self, program: Program) -> tuple[list[Value], list[str]]:
        request = self.request
        args = request.args
        if args is None and not request.kwargs:
            args = request.loaded.traced_inputs().get(request.method)
        bound, notes = bound_arguments(
            program,
            self.function,
            args,
            request.kwargs,
            request.constants,
            request.argument_names,
        )
        return [self.inputs.value(argument) for argument in bound.values()], notes

    def _tree(self, state: dict[str, Value]) -> ModuleTree:
        return ModuleTree(
            self.interpreter,
            self.request.loaded.root,
            training=self.request.training,
            state=state,
        )

    def _attributes(self) -> dict[str, tuple[Value, Value]]:
        """What each attribute is, and what is in it now."""
        return {
            qualified: (value, snapshot(self.interpreter, value))
            for qualified, owner, name in self.tree.attributes()
            for value in [owner.attributes.get(name)]
        }

    def run(self) -> None:
        """Run the method."""
        try:
            self.result = call_module(
                self.interpreter, self.function, self.tree.root, self.arguments
            )
        except MissingSymbolicError as error:
            raise missing_operators(
                error, self.interpreter.program, self.tree.root, self.request.method
            ) from None
        self.after = self._attributes()

    def next_types(self) -> tuple[dict[str, StateType], dict[str, str]]:
        """The state's types as this run showed them; the same as before once they have settled."""
        types: dict[str, StateType] = {}
        shared: dict[str, str] = {}
        holders: dict[tuple[int, int], str] = {}
        after = self.after
        self.states.note_sizes({name: after[name][1] for name in self.types})
        for qualified, (held, before) in self.before.items():
            holds, value = after[qualified]
            if isinstance(held, ObjectValue) or isinstance(holds, ObjectValue):
                if held is not holds:
                    raise UnsupportedError(
                        f"the attribute {qualified} is replaced; an object can't be state",
                        (FREEZE,),
                    )
                continue
            found = self.states.left(
                qualified, before, value, moved=self._is_of_others(qualified, holds)
            )
            if found is None:
                continue
            first = holders.setdefault((id(held), id(holds)), qualified)
            if first == qualified or isinstance(held, (bool, int, float, str, type(None))):
                types[qualified] = found
            else:
                shared[qualified] = first
        return types, shared

    def _is_of_others(self, qualified: str, value: Value) -> bool:
        """Whether an attribute is left with a tensor that only others had when the call started."""
        return any(
            qualified not in self.holders.get(cell, (qualified,)) for cell in cells_of(value)
        )

    def note_ties(self, names: Collection[str]) -> bool:
        """Note which of these attributes may hold the same; whether any of that is new.

        After a call, and in the archive.
        """
        news = self._note(self.after, names)
        if not self.types:
            news = self._note(self.before, names) or news
        return news

    def _note(self, held: Mapping[str, tuple[Value, Value]], names: Collection[str]) -> bool:
        state = {name: held[name][0] for name in names}
        return bool(state) and self.ties.note(
            state, {name: value for name, (value, _) in held.items() if name not in state}
        )

    def _warn_of_written_inputs(self) -> None:
        for cell, given in self.given.items():
            if cell.value is not given and given.value is not None:
                self.interpreter.warnings.append(
                    f"the input {given.value.name} is written in place; "
                    "that is not visible outside the model"
                )

    def finish(self) -> Conversion:
        """Make the outputs."""
        self._warn_of_written_inputs()
        outputs = Outputs(self.g, self.request.output_names, self.request.result_names)
        outputs.add_all(as_result(self.interpreter, self.result))
        for qualified in self.types:
            for name, tensor in self.states.outputs(qualified, self.after[qualified][1]):
                outputs.add(f"{name}_out", tensor)
        _check_state(self.request, self.states.names)
        self._check_memory()
        if not outputs.values:
            raise InputError(
                f"{self.request.method} gives no tensor or number and changes no state: "
                "a model of it would have no outputs",
                (f"it gives {type_name(self.result)}",),
            )
        names = [str(v.name) for v in outputs.values]
        for name in self.request.dynamic_axes:
            if name not in (*self.inputs.names, *names):
                raise InputError(
                    f"dynamic_axes: there is no input or output {name!r}",
                    (f"inputs: {', '.join(self.inputs.names)}", f"outputs: {', '.join(names)}"),
                )
        for value in outputs.values:
            self._label(value)
        return Conversion(
            self.g,
            self.inputs.values,
            outputs.values,
            self.states.initial,
            [
                *self.notes,
                *outputs.notes,
                *self.interpreter.warnings,
                *self.states.warnings,
                *_pinned(self.g),
            ],
            list(dict.fromkeys(self.interpreter.preconditions)),
        )

    def _check_memory(self) -> None:
        written = [n for n, (_, old) in self.before.items() if _is_written(old, self.after[n][1])]
        if not self.types and not written:
            return
        shared = overlapping(self.request.loaded.root)
        for name in (*self.states.names, *written):
            if name in shared:
                raise UnsupportedError(
                    f"the attribute {name} is written, and it shares memory with {shared[name]}: "
                    "ONNX values have none to share"
                )

    def _label(self, value: ir.Value) -> None:
        """Use the user's names for output dims that only the data decides."""
        labels = self.request.dynamic_axes.get(str(value.name), {})
        if value.shape is None or not labels:
            return
        dims = list(value.shape.dims)
        for axis, label in labels.items():
            if not -len(dims) <= axis < len(dims):
                # No error, as it is of an input: PyTorch's exporter says nothing at all.
                self.interpreter.warnings.append(
                    f"dynamic_axes: {value.name} has {len(dims)} dims, so there is no axis {axis}"
                )
            elif not isinstance(dims[axis], int) and "." in str(dims[axis]):
                # The builder's name for what a node decides, such as NonZero.1.
                dims[axis] = ir.SymbolicDim(label)
        value.shape = ir.Shape(dims)


def _is_written(before: Value, after: Value) -> bool:
    if not isinstance(before, TensorRef):
        return False
    return not isinstance(after, TensorRef) or after.cell.value is not before.cell.value


def _pinned(g: Builder) -> list[str]:
    """What to say of dynamic sizes that the program fixes."""
    found = []
    for (sizes, number), node in g.pinned.items():
        source = node.source if isinstance(node, Node) else None
        where = f" at {source.filename}:{source.line}" if source is not None else ""
        names = sorted(symbol.name for symbol in sizes.symbols())
        declared = f"the size {names[0]} is declared dynamic, but{where} only {number} fits"
        if len(names) > 1 or sizes.as_symbol() is None:
            declared = (
                f"the sizes {', '.join(names)} are declared dynamic, but{where} "
                f"only {sizes} = {number} fits"
            )
        found.append(f"{declared}; a trace records sizes as they were")
    return found


def metadata(conversion: Conversion) -> dict[str, str]:
    """What travels with the model: the state's types, and what stands for complex tensors."""
    found = {}
    if conversion.initial_state:
        described = {
            name: [_described(a) for a in value] if isinstance(value, list) else _described(value)
            for name, value in conversion.initial_state.items()
        }
        found["ts2onnx.state"] = json.dumps(described)
    pairs = [str(v.name) for v in (*conversion.inputs, *conversion.outputs) if "complex" in v.meta]
    if pairs:
        found["ts2onnx.complex"] = json.dumps(pairs)
    if conversion.preconditions:
        found["ts2onnx.preconditions"] = json.dumps(conversion.preconditions)
    return found


def _described(array: np.ndarray) -> dict[str, object]:
    return {"dtype": str(array.dtype), "shape": list(array.shape)}


def _check_state(request: Request, known: Sequence[str]) -> None:
    for name in request.state:
        if name not in known and not request.freeze_state:
            raise InputError(
                f"there is no state {name!r}", (f"state: {', '.join(known) or 'none'}",)
            )


def _check_names(request: Request, inputs: Inputs) -> None:
    taken = set(inputs.names).intersection(request.output_names or ())
    if taken:
        raise InputError(f"output_names: {', '.join(sorted(taken))} is the name of an input")
    count = len(inputs.values)
    if request.input_names is not None and len(request.input_names) > count:
        raise InputError(
            f"{len(request.input_names)} input_names for {count} inputs: {', '.join(inputs.names)}"
        )
