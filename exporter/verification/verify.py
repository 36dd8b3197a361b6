"""Verifies a converted model: on the example, and again at another size of each dynamic axis."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from exporter.errors import InputError, VerificationError
from exporter.verification.calls import CallPlan, listed
from exporter.verification.comparison import Difference, Tolerance, compare
from exporter.verification.results import flat_outputs, paired
from exporter.verification.samples import Array, Sample, array_for, relisted, resized
from exporter.verification.session import Port, Session, first_line

if TYPE_CHECKING:
    from exporter.api import Exported
    from exporter.conversion.convert import Request
    from exporter.live import ArchiveProgram

__all__ = ["Run", "Verification", "verify_arrays", "verify_export"]

#: Calls in a row of a model with state, what comes out being fed back.
STATE_CALLS = 3


@dataclass(frozen=True)
class Run:
    """One call that was compared, and the largest errors over its outputs."""

    what: str
    max_abs: float
    max_rel: float


@dataclass
class Verification:
    """What was verified, and against what: "PyTorch", "arrays", or None for a smoke run."""

    reference: str | None
    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """One line that claims no more than what was done."""
        what = ", ".join(run.what for run in self.runs)
        if self.reference is None:
            return f"smoke run only, values not compared: runs in onnxruntime ({what})"
        worst = max(self.runs, key=lambda run: run.max_abs)
        return (
            f"agrees with {self.reference} ({what}): "
            f"largest absolute error {worst.max_abs:.2g}, "
            f"relative {max(run.max_rel for run in self.runs):.2g}"
        )


def verify_export(
    exported: Exported,
    plan: CallPlan,
    *,
    pytorch: str | os.PathLike[str] | bytes | memoryview | None = None,
    method: str = "forward",
    training: str = "eval",
    tolerance: Tolerance = Tolerance(),  # noqa: B008  frozen
) -> Verification:
    """Run the model by itself, and against PyTorch where that is installed.

    `pytorch` is the archive that was converted, as PyTorch can load it. Raises a
    VerificationError at the first run that differs, which names the operator that is to blame.
    """
    program = None
    tolerance = tolerance.for_model(exported.report.operators)
    if pytorch is not None and find_spec("torch") is not None:
        from exporter.live import ArchiveProgram  # noqa: PLC0415  here: imports torch

        program = ArchiveProgram(pytorch, plan.method or method, training)
    with _written(exported) as session:
        if program is None:
            return _Smoke(session, exported.initial_state, plan.examples).verify()
        return _AgainstPyTorch(session, exported, plan, program, tolerance).verify()


def verify_arrays(
    exported: Exported,
    inputs: Mapping[str, Array] | Sequence[Array],
    expected: Mapping[str, Array] | Sequence[Array],
    tolerance: Tolerance = Tolerance(),  # noqa: B008  frozen
) -> Verification:
    """Run the model on arrays, by input names or in their order, and compare with others.

    State that `inputs` does not name starts with its initial values; outputs that `expected` does
    not name are not compared.
    """
    tolerance = tolerance.for_model(exported.report.operators)
    with _written(exported) as session:
        feeds: dict[str, Sample] = dict(exported.initial_state)
        feeds.update((port.name, None) for port in session.inputs if port.is_optional)
        names = [port.name for port in session.inputs]
        feeds.update(listed(_named(inputs, session.inputs, "input"), names))
        missing = [port.name for port in session.inputs if port.name not in feeds]
        if missing:
            raise InputError(f"no arrays for the inputs {', '.join(missing)}")
        wanted = _named(expected, session.outputs, "output")
        if not wanted:
            raise InputError("no expected arrays: there is nothing to compare with")
        outputs = session.run(feeds)
        actual = flat_outputs(outputs)
        absent = [name for name in wanted if name not in actual]
        if absent:
            raise VerificationError(f"the model does not give {', '.join(absent)} on these inputs")
        try:
            run = _compared("as given", wanted, actual, tolerance)
        except VerificationError as error:
            error.notes += _diagnosis(session, exported.request, feeds, wanted, tolerance)
            raise
        skipped = [name for name in actual if name not in wanted]
        lists = {name.rpartition(".")[0] for name in wanted if name not in outputs}
        longer = [name for name in skipped if name.rpartition(".")[0] in lists]
        if longer:
            raise VerificationError(f"the model gives {', '.join(longer)} as well on these inputs")
        notes = [f"not compared: {', '.join(skipped)}"] if skipped else []
        return Verification("the given arrays", [run], notes)


class _written:  # noqa: N801  reads as a function in its `with`
    """The model in a temporary folder, loaded: large weights only fit in files beside it."""

    def __init__(self, exported: Exported) -> None:
        self._exported = exported
        self._folder = tempfile.TemporaryDirectory(prefix="ts2onnx-", ignore_cleanup_errors=True)

    def __enter__(self) -> Session:
        path = Path(self._folder.name) / "model.onnx"
        self._exported.save(path)
        return Session(path)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _named(
    arrays: Mapping[str, Array] | Sequence[Array], ports: Sequence[Port], what: str
) -> dict[str, Array]:
    """Arrays by name; `xs.0`, `xs.1` are those of the list `xs`."""
    if not isinstance(arrays, Mapping):
        if len(arrays) > len(ports):
            raise InputError(f"{len(arrays)} {what} arrays for {len(ports)} {what}s")
        return {port.name: array for port, array in zip(ports, arrays, strict=False)}
    known = [port.name for port in ports]
    lists = {port.name for port in ports if port.is_sequence}
    unknown = [name for name in arrays if name not in known and not _is_item(name, lists)]
    if unknown:
        raise InputError(
            f"the model has no {what} {', '.join(unknown)}", (f"it has: {', '.join(known)}",)
        )
    return dict(arrays)


def _is_item(name: str, lists: Collection[str]) -> bool:
    owner, _, number = name.rpartition(".")
    return owner in lists and number.isdecimal()


def _compared(
    what: str, expected: Mapping[str, Array], actual: Mapping[str, Any], tolerance: Tolerance
) -> Run:
    found = [compare(name, array, actual[name], tolerance) for name, array in expected.items()]
    wrong = [difference for difference in found if difference.problem is not None]
    if wrong:
        raise _failure(what, wrong)
    return Run(
        what,
        max((d.max_abs for d in found), default=0.0),
        max((d.max_rel for d in found), default=0.0),
    )


def _failure(what: str, wrong: Sequence[Difference]) -> VerificationError:
    return VerificationError(
        f"the ONNX model gives other results than the reference ({what})",
        tuple(f"output {d.output} {d.problem}" for d in wrong),
    )


def _diagnosis(
    session: Session,
    request: Request | None,
    feeds: Mapping[str, Sample],
    expected: Mapping[str, Array],
    tolerance: Tolerance,
) -> Sequence[str]:
    """Notes on what went wrong; the failure is told whatever becomes of them."""
    if request is None or find_spec("torch") is None:
        return ()
    from exporter.verification import diagnosis  # noqa: PLC0415  where there is a failure

    try:
        return diagnosis.notes(session, request, feeds, expected, tolerance)
    except Exception as error:
        return (f"which operator is to blame was not found: {first_line(error)}",)


def _dims(ports: Sequence[Port], samples: Sequence[Sample]) -> dict[str, int]:
    """The sizes that the arrays give to the named dims."""
    return {
        dim: size
        for port, sample in zip(ports, samples, strict=False)
        if isinstance(sample, np.ndarray)
        for dim, size in zip(port.shape, sample.shape, strict=False)
        if isinstance(dim, str)
    }


def _started(
    session: Session,
    initial_state: Mapping[str, Sample],
    ports: Sequence[Port],
    examples: Sequence[Sample],
) -> dict[str, Sample]:
    """The initial state; zeros of a declared type in the sizes that the inputs have."""
    sizes = _dims(ports, examples)
    state = dict(initial_state)
    for port in session.inputs:
        array = state.get(port.name)
        if not isinstance(array, np.ndarray) or len(port.shape) != array.ndim or array.any():
            continue
        shape = tuple(
            sizes.get(dim, size) if isinstance(dim, str) else size
            for dim, size in zip(port.shape, array.shape, strict=True)
        )
        if shape != array.shape:
            state[port.name] = np.zeros(shape, array.dtype)
    return state


def _at(
    ports: Sequence[Port], examples: Sequence[Sample], sizes: Mapping[str, int], seed: int
) -> list[Sample]:
    """Inputs like the examples with the named dims at these sizes."""
    result: list[Sample] = []
    for number, (port, example) in enumerate(zip(ports, examples, strict=False)):
        if not isinstance(example, np.ndarray):
            result.append(example)
            continue
        # The model takes a complex number as a pair.
        dims = port.shape[:-1] if example.dtype.kind == "c" else port.shape or example.shape
        shape = tuple(
            sizes.get(dim, size) if isinstance(dim, str) else size
            for dim, size in zip(dims, example.shape, strict=True)
        )
        # Numbers keep their values: what they may be is not known.
        kept = not shape or shape == example.shape
        result.append(example if kept else resized(example, shape, seed + number))
    return result


_Variation: TypeAlias = "tuple[str, list[Sample]]"


def _variations(ports: Sequence[Port], examples: Sequence[Sample]) -> list[list[_Variation]]:
    """For each thing that may vary, inputs to try in order until the program takes one.

    A named dim at other sizes, a list with none, one more and one item, an optional input as None.
    """
    sizes = _dims(ports, examples)
    found = [
        [
            (f"{name}={other}", _at(ports, examples, {**sizes, name: other}, 100))
            for other in dict.fromkeys((size + 1, 2 * size))
        ]
        for name, size in sizes.items()
    ]
    for index, (port, example) in enumerate(zip(ports, examples, strict=False)):
        others: list[tuple[str, Sample]] = []
        if isinstance(example, list) and example:
            lengths = dict.fromkeys((0, len(example) + 1, 1))
            others = [
                (f"{port.name} of length {n}", relisted(example, n, 100))
                for n in lengths
                if n != len(example)
            ]
        if port.is_optional and example is not None:
            others.append((f"{port.name}=None", None))
        for what, other in others:
            found.append([(what, [*examples[:index], other, *examples[index + 1 :]])])
    return found


class _Smoke:
    """Runs without a reference."""

    def __init__(
        self, session: Session, initial_state: Mapping[str, Sample], examples: Sequence[Sample]
    ) -> None:
        self._session = session
        self._ports = [p for p in session.inputs if p.name not in initial_state]
        self._state = _started(session, initial_state, self._ports, examples)
        self._examples = list(examples)
        if len(self._examples) != len(self._ports):
            # Weights that became inputs, for one.
            self._examples = [_made_up(port) for port in self._ports]

    def verify(self) -> Verification:
        result = Verification(None, notes=["the inputs are made up; nothing was compared"])
        self._run(self._examples, "as given", result)
        for tries in _variations(self._ports, self._examples):
            for number, (what, samples) in enumerate(tries):
                try:
                    self._run(samples, what, result)
                    break
                except VerificationError as error:
                    if number == len(tries) - 1:
                        result.notes.append(f"does not run at {what}: {error.message}")
        return result

    def _run(self, arrays: Sequence[Sample], what: str, result: Verification) -> None:
        feeds = dict(zip((port.name for port in self._ports), arrays, strict=True))
        state = dict(self._state)
        for _ in range(STATE_CALLS if state else 1):
            outputs = self._session.run({**feeds, **state})
            state = {name: outputs[f"{name}_out"] for name in state}
        result.runs.append(Run(what, 0.0, 0.0))


class _AgainstPyTorch:
    """Runs the model and the program on the same inputs."""

    def __init__(
        self,
        session: Session,
        exported: Exported,
        plan: CallPlan,
        program: ArchiveProgram,
        tolerance: Tolerance,
    ) -> None:
        initial_state = exported.initial_state
        self._session = session
        self._ports = [p for p in session.inputs if p.name not in initial_state]
        self._state = _started(session, initial_state, self._ports, plan.examples)
        self._plan = plan
        self._program = program
        self._tolerance = tolerance
        self._request = exported.request
        if len(plan.examples) != len(self._ports):
            names = ", ".join(port.name for port in self._ports)
            raise VerificationError(
                f"the model's inputs ({names}) are not those of the call, "
                f"which has {len(plan.examples)}; it can't be compared with PyTorch"
            )

    def verify(self) -> Verification:
        result = Verification("PyTorch")
        self._warm_up()
        for call in range(STATE_CALLS if self._state else 1):
            what = "as given" if call == 0 else f"call {call + 1}"
            try:
                self._run(self._plan.examples, what, result)
            except _RefusedError as error:
                raise VerificationError(
                    f"PyTorch can't run the program on these inputs: {error.message}",
                    ("give example inputs that it takes: --inputs, or args",),
                ) from error
        # What the state's shapes follow from is not known: its dims stay as they are.
        for tries in _variations(self._ports, self._plan.examples) if not self._state else []:
            self._run_other(tries, result)
        return result

    def _warm_up(self) -> None:
        """Call the program once if its archived state has not the rank that was declared."""
        for port in self._session.inputs:
            array = self._state.get(port.name)
            if not isinstance(array, np.ndarray) or not port.shape or len(port.shape) == array.ndim:
                continue
            self._program.parts(self._plan.arguments(self._plan.examples))
            for name in self._state:
                for part in self._program.state(name):
                    self._state[name] = part
            return

    def _run_other(self, tries: Sequence[_Variation], result: Verification) -> None:
        refusal = ""
        for what, samples in tries:
            try:
                self._run(samples, what, result)
            except _RefusedError as error:
                refusal = str(error)
                continue
            return
        result.notes.append(f"the program itself does not run at {tries[-1][0]}: {refusal}")

    def _run(self, arrays: Sequence[Sample], what: str, result: Verification) -> None:
        feeds = dict(zip((port.name for port in self._ports), arrays, strict=True))
        try:
            parts = self._program.parts(self._plan.arguments(arrays))
        except Exception as error:
            raise _RefusedError(_last_line(error)) from error
        feeds.update(self._state)
        actual = self._session.run(feeds)
        given = dict(actual)
        for name in self._state:
            held = self._program.state(name)
            parts += held
            if not held:  # None, a string: nothing that a tensor could be compared with
                del given[f"{name}_out"]
        ports = {port.name: port for port in self._session.outputs}
        expected = {
            name: _as_declared(ports.get(name), value)
            for name, value in paired(parts, given, what).items()
        }
        try:
            run = _compared(what, expected, flat_outputs(given), self._tolerance)
        except VerificationError as error:
            error.notes += _diagnosis(
                self._session, self._request, feeds, expected, self._tolerance
            )
            raise
        result.runs.append(run)
        self._state = {name: actual[f"{name}_out"] for name in self._state}


class _RefusedError(VerificationError):
    """PyTorch raised on these inputs."""


def _last_line(error: Exception) -> str:
    """TorchScript's errors begin with a traceback and end with what is wrong."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1] if lines else first_line(error)


def _as_declared(port: Port | None, value: Array) -> Array:
    """A Python float of a result has no dtype of its own: the model's counts."""
    dtype = None if port is None else port.dtype
    if value.ndim == 0 and value.dtype == np.float64 and dtype is not None and dtype.kind == "f":
        return value.astype(dtype)
    return value


def _made_up(port: Port) -> Array:
    if port.dtype is None:
        raise VerificationError(f"can't make up a value for {port.name}, a {port.type}")
    dims = [2 if dim is None else dim for dim in port.shape]
    return array_for(port.dtype.name, dims)
