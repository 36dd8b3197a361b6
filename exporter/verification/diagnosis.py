"""Where a model that differs from PyTorch goes wrong.

The program is converted again, and what each operator was given and gave becomes an output of the
model. So each can be run by PyTorch on the very same arguments, and the first whose results differ
is the culprit: that those before it were a little off does not matter. In the bodies of `If` and
`Loop` nothing can be seen from outside.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from exporter.conversion.calls.invocation import SymbolicCall
from exporter.conversion.convert import Conversion, Request, convert
from exporter.onnx_graph.complex_numbers import is_complex, numbers_of, pairs_of
from exporter.onnx_graph.model import finish
from exporter.onnx_graph.shapes import OutputType
from exporter.onnx_graph.symbolic import SymInt
from exporter.onnx_graph.values import SymScalar, Tensor
from exporter.onnx_graph.writing import write
from exporter.verification.comparison import Difference, Tolerance, compare
from exporter.verification.results import flat_outputs
from exporter.verification.samples import Array, Sample
from exporter.verification.session import Session

__all__ = ["notes"]


def notes(
    session: Session,
    request: Request,
    feeds: Mapping[str, Sample],
    expected: Mapping[str, Array],
    tolerance: Tolerance,
) -> Sequence[str]:
    """Notes for the error: what is to blame for a run that did not give what was expected.

    `feeds` are the inputs by name, the state's among them.
    """
    if _agrees_as_it_is(session, feeds, expected, tolerance):
        return ("without onnxruntime's own optimization of the graph it gives the same",)
    return _first_difference(request, feeds, tolerance)


def _agrees_as_it_is(
    session: Session,
    feeds: Mapping[str, Sample],
    expected: Mapping[str, Array],
    tolerance: Tolerance,
) -> bool:
    """Whether the model gives what it should where onnxruntime does not optimize it."""
    found = flat_outputs(Session(session.path, optimized=False).run(feeds))
    return all(
        name in found and compare(name, array, found[name], tolerance).problem is None
        for name, array in expected.items()
    )


def _first_difference(
    request: Request, feeds: Mapping[str, Sample], tolerance: Tolerance
) -> Sequence[str]:
    """Notes that name the first operator which gives something else than PyTorch's."""
    conversion = convert(replace(request, record=True))
    recording = _Recording(conversion)
    if recording.outputs:
        model = finish(conversion.builder, conversion.inputs, recording.outputs)
        found = _run_as_it_is(model, feeds)
        recording.values = [found[str(value.name)] for value in recording.outputs]
    compared = 0
    for call in recording.calls:
        differences = _differences(recording, call, tolerance)
        if differences is None:
            continue
        compared += 1
        wrong = [difference for difference in differences if difference.problem is not None]
        if wrong:
            return (
                "the first operator that differs from PyTorch's on the same arguments: "
                f"{_name(call)}",
                f"in   {call.module_path or 'the model itself'}",
                *([f"at   {call.node.place}"] if call.node is not None else []),
                *(f"{d.output} {d.problem}" for d in wrong),
            )
    total = len(conversion.builder.calls or ())
    if compared == total:
        return (f"each of its {total} operators agrees with PyTorch's on the same arguments",)
    return (
        f"{compared} of its {total} operators agree with PyTorch's on the same arguments; the "
        "others are in branches or loops, take quantized tensors or lists, or can't be repeated",
    )


def _run_as_it_is(model: ir.Model, feeds: Mapping[str, Sample]) -> dict[str, Any]:
    """What a model gives where onnxruntime does not optimize it."""
    with tempfile.TemporaryDirectory(prefix="ts2onnx-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "model.onnx"
        write(model, path)
        return Session(path, optimized=False).run(feeds)


def _name(call: SymbolicCall) -> str:
    return call.overload.text.partition("(")[0]


class _Recording:
    """The calls that can be repeated, and the graph's values that they need, all as outputs."""

    def __init__(self, conversion: Conversion) -> None:
        g = self._g = conversion.builder
        self._places: dict[ir.Value, int] = {}
        self._results = set(conversion.outputs)
        self._unused: set[ir.Value] = set()
        self.outputs: list[ir.Value] = []
        self.values: list[Any] = []
        """What the outputs are in the run."""
        self.calls: list[SymbolicCall] = []
        for call in g.calls or ():
            found = list(_values((call.arguments, call.result)))
            if any(isinstance(v, Tensor) and not _is_plain(v) for v in found) or not all(
                g.scope.sees(v) if isinstance(v, Tensor) else g.scope.reads(v) for v in found
            ):
                continue
            for value in found:
                self._add(value if isinstance(value, Tensor) else g.scalar(value))
            self.calls.append(call)

    def _add(self, tensor: Tensor) -> None:
        if tensor.array is None:
            value = self._g.value(tensor)
            if value not in self._places:
                if not value.uses() and value not in self._results:
                    self._unused.add(value)
                self._places[value] = len(self.outputs)
                self.outputs.append(self._g.passed(tensor))

    def is_used(self, tensor: Tensor) -> bool:
        """Whether something depends on it: symbolics may give anything for what nobody reads."""
        return tensor.array is not None or self._g.value(tensor) not in self._unused

    def value_of(self, value: Any) -> Any:
        """An argument as it was in the run: tensors as arrays, but those that are numbers."""
        if isinstance(value, Tensor):
            array = self.array_of(value)
            return array.item() if value.is_number else array
        if isinstance(value, SymInt):
            return int(self.array_of(self._g.scalar(value)))
        if isinstance(value, SymScalar):
            return self.array_of(value.tensor).item()
        if isinstance(value, Mapping):
            return {name: self.value_of(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value_of(item) for item in value]
        return value

    def array_of(self, tensor: Tensor) -> Array:
        """What a tensor was in the run."""
        if tensor.array is not None:
            return np.asarray(tensor.array)
        found: Array = self.values[self._places[self._g.value(tensor)]]
        return numbers_of(found) if is_complex(tensor.dtype) else found


def _is_plain(tensor: Tensor) -> bool:
    return tensor.quantization is None and not OutputType.of(tensor).is_sequence


def _values(value: Any) -> Iterator[Tensor | SymInt]:
    """What the run decides in nested arguments."""
    if isinstance(value, SymScalar):
        yield value.tensor
    elif isinstance(value, (Tensor, SymInt)):
        yield value
    elif isinstance(value, Mapping):
        yield from _values(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _values(item)


def _differences(
    recording: _Recording, call: SymbolicCall, tolerance: Tolerance
) -> list[Difference] | None:
    """How the results compare; None where PyTorch can't run the operator by itself."""
    from exporter.live import run_operator  # noqa: PLC0415  here: imports torch

    expected = run_operator(_name(call), recording.value_of(call.arguments))
    if expected is None:
        return None
    given = call.result if isinstance(call.result, (list, tuple)) else [call.result]
    results = [result for result in given if isinstance(result, Tensor)]
    if len(results) != len(expected):
        return None
    names = ["its result"] if len(results) == 1 else [f"result {i}" for i in range(len(results))]
    return [
        compare(name, array, pairs_of(recording.array_of(result)), tolerance)
        for name, array, result in zip(names, expected, results, strict=True)
        if recording.is_used(result)
    ]
