"""Whether an ONNX file does what was recorded of the model: `problem_with` says what is wrong.

It looks at more than values: the names of inputs and outputs, the declared dims of both, what
`onnx.checker` says, and whether onnxruntime loads and runs the file. Imports no PyTorch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from models.comparison import difference
from models.recording import Recording
from models.registry import Model

#: What the checker says of an output without a shape, the only way to declare an open rank.
_NO_SHAPE = "Field 'shape' of 'type' is required but missing"


def problem_with(path: Path, model: Model, recording: Recording) -> str | None:
    """Check the file and run all recorded calls; None where everything agrees."""
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        if not (model.open_rank and _NO_SHAPE in str(error)):
            return f"checker: {_first_line(error)}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is an error is raised as well
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:
        return f"load: {_first_line(error)}"
    return _signature_problem(session, model, recording) or _call_problem(session, model, recording)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _signature_problem(
    session: onnxruntime.InferenceSession, model: Model, recording: Recording
) -> str | None:
    """Hold the declared names and the dims of the inputs against what was asked for."""
    wanted = [*model.input_names, *model.state]
    found = [node.name for node in session.get_inputs()]
    if found != wanted:
        return f"signature: inputs {wanted} expected, {found} found"
    wanted = [*model.output_names, *(f"{name}_out" for name in model.state)]
    found = [node.name for node in session.get_outputs()]
    if found != wanted:
        return f"signature: outputs {wanted} expected, {found} found"
    for node, array in zip(session.get_inputs(), recording.calls[0].inputs, strict=False):
        axes = model.dynamic_axes.get(node.name, {})
        dims = [axes.get(axis, size) for axis, size in enumerate(array.shape)]
        if node.shape != dims:
            return f"signature: input {node.name} is declared {node.shape}, not {dims}"
    return None


def _call_problem(
    session: onnxruntime.InferenceSession, model: Model, recording: Recording
) -> str | None:
    """Run the calls in order, feeding the state that came out of one into the next."""
    state = recording.state
    for number, call in enumerate(recording.calls):
        names = [node.name for node in session.get_inputs()]
        try:
            results = session.run(None, dict(zip(names, [*call.inputs, *state], strict=True)))
        except Exception as error:
            return f"call {number}: {_first_line(error)}"
        problem = difference(call.outputs, results, atol=model.atol) or _declared_dims_problem(
            session, results, model.open_rank
        )
        if problem is not None:
            return f"call {number}: {problem}"
        state = results[len(results) - len(state) :]
    return None


def _declared_dims_problem(
    session: onnxruntime.InferenceSession, results: list[np.ndarray], open_rank: bool
) -> str | None:
    """Find an output whose declared rank or known dims are not those of its value."""
    for node, result in zip(session.get_outputs(), results, strict=True):
        # onnxruntime shows an open rank as no dims, just as it shows a scalar's.
        if open_rank and not node.shape:
            continue
        dims = zip(node.shape, result.shape, strict=False)
        wrong = any(dim != size for dim, size in dims if isinstance(dim, int))
        if len(node.shape) != result.ndim or wrong:
            return f"output {node.name} is declared {node.shape}, its value is {result.shape}"
    return None
