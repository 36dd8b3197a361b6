"""How conversion is tested: script a program, export it, run it in onnxruntime, compare with PyTorch.

    check(program, (x, 3), (-x, 0))           # exported with the first call, compared on each
    check(program, (x,), (y,), dynamic=True)  # all dims of all inputs are dynamic
    check_loop(program, (x, 3))               # unrolled where it can be, and as ONNX Loop

Values, dtypes and shapes must agree with what the Python function gives; `reference="script"`
takes the scripted one where TorchScript's own semantics are meant. This file needs torch.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch

import exporter
from exporter import Exported
from exporter.errors import ExportError

__all__ = [
    "check",
    "check_loop",
    "check_state",
    "converted",
    "leaves",
    "operators",
    "refuses",
    "run",
]

Program = Callable[..., Any]


def check(
    program: Program | torch.nn.Module,
    *calls: Sequence[Any],
    dynamic: bool = False,
    reference: str = "eager",
    rtol: float = 1e-5,
    atol: float = 1e-6,
    **options: Any,
) -> Exported:
    """Fail unless the exported program gives what PyTorch gives, on every call."""
    scripted = script(program)
    result = converted(scripted, calls[0], dynamic=dynamic, **options)
    session = loaded(result)
    names = [p for p in parameters_of(scripted) if p not in options.get("constants", {})]
    wanted_from = scripted if reference == "script" else program
    for call in calls:
        expected = list(leaves(wanted_from(*copy.deepcopy(tuple(call)))))
        by_name = dict(zip(parameters_of(scripted), call, strict=False))
        given = {name: by_name[name] for name in names if name in by_name}
        actual = run(session, given)
        compare(expected, actual, f"call {describe(call)}", rtol, atol)
    return result


def parameters_of(scripted: Any) -> list[str]:
    """The names of a program's parameters."""
    schema = scripted.forward.schema if isinstance(scripted, torch.nn.Module) else scripted.schema
    return [a.name for a in schema.arguments if a.name != "self"]


def check_loop(program: Program, *calls: Sequence[Any], **options: Any) -> Exported:
    """`check` with loops unrolled where that is affordable, and as ONNX Loops; returns the latter."""
    check(program, *calls, **options)
    result = check(program, *calls, unroll_trips=0, **options)
    assert "Loop" in operators(result)
    return result


def check_state(
    module: torch.nn.Module, *calls: Sequence[Any], method: str = "forward", **options: Any
) -> Exported:
    """Run a stateful module call by call, its state fed back, beside PyTorch."""
    scripted = script(module)
    result = converted(scripted, calls[0], method=method, **options)
    session = loaded(result)
    names = list(result.initial_state)
    state = [result.initial_state[name] for name in names]
    model = copy.deepcopy(scripted)
    for call in calls:
        expected = list(leaves(getattr(model, method)(*copy.deepcopy(tuple(call)))))
        found = run(session, [*call, *state])
        outputs, state = found[: len(found) - len(names)], found[len(found) - len(names) :]
        compare(expected, outputs, f"call {describe(call)}", 1e-5, 1e-6)
        for name, value in zip(names, state, strict=True):
            compare(list(leaves(attribute(model, name))), [value], name, 1e-5, 1e-6)
    return result


def script(program: Program | torch.nn.Module) -> Any:
    """The program as TorchScript; that this is deprecated is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(program)


def attribute(model: Any, name: str) -> Any:
    """A tensor or number of a module by its qualified name."""
    for part in name.split("."):
        model = model[int(part)] if isinstance(model, (list, tuple)) else getattr(model, part)
    return model


def refuses(
    program: Program | torch.nn.Module, *inputs: Any, match: str, **options: Any
) -> ExportError:
    """Fail unless the export ends with an error whose text matches `match`; returns the error."""
    scripted = script(program)
    with pytest.raises(ExportError, match=match) as caught:
        converted(scripted, inputs, **options)
    return caught.value


def converted(
    scripted: Any,
    call: Sequence[Any],
    *,
    dynamic: bool = False,
    args: Sequence[Any] | None = None,
    **options: Any,
) -> Exported:
    """The exported program; all dims of its tensors get names if `dynamic`.

    `args`, where they are given, are exported with in place of the first call.
    """
    arguments = tuple(call if args is None else args)
    if dynamic:
        names = options.setdefault(
            "input_names", [f"x{i}" for i, _ in enumerate(leaves(arguments))]
        )
        options["dynamic_axes"] = {
            name: {axis: f"{name}_{axis}" for axis in range(value.dim())}
            for name, value in zip(names, leaves(arguments), strict=True)
            if isinstance(value, torch.Tensor) and value.dim()
        }
    return exporter.export(scripted, arguments, **options)


def loaded(result: Exported) -> onnxruntime.InferenceSession:
    """An onnxruntime session of the model."""
    content = io.BytesIO()
    result.save(content)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        content.getvalue(), options, providers=["CPUExecutionProvider"]
    )


def run(session: onnxruntime.InferenceSession, call: Sequence[Any] | dict[str, Any]) -> list[Any]:
    """The results, flattened, for inputs in the model's order, or for arguments by name."""
    declared = {port.name: port.type for port in session.get_inputs()}
    if isinstance(call, dict) and {name.partition(".")[0] for name in declared} <= call.keys():
        values = {
            name: value
            for parameter, argument in call.items()
            for name, value in named_values(argument, parameter, declared)
        }
    else:
        call = tuple(call.values()) if isinstance(call, dict) else tuple(call)
        values = dict(zip(declared, leaves(call), strict=True))
    feeds = {name: feed(value, declared[name]) for name, value in values.items()}
    return list(leaves(session.run(None, feeds)))


def named_values(value: Any, name: str, declared: Container[str]) -> Iterator[tuple[str, Any]]:
    """The parts of an argument that are inputs of the model, whole lists and None among them."""
    if name in declared:
        yield name, value
        return
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif hasattr(value, "_fields"):
        items = value._asdict().items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for key, item in items:
        yield from named_values(item, f"{name}.{key}", declared)


def feed(value: Any, declared: str) -> Any:
    """A value as onnxruntime takes it for an input of a type."""
    if value is None or isinstance(value, np.ndarray):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if "seq(" in declared:
        return [feed(item, declared) for item in value]
    kinds = {"double": np.float64, "float": np.float32, "int64": np.int64, "bool": np.bool_}
    held = declared.replace("optional(", "").removeprefix("tensor(").rstrip(")")
    return np.asarray(value, kinds.get(held))


def compare(expected: list[Any], actual: list[Any], where: str, rtol: float, atol: float) -> None:
    """Assert that results agree in number, dtype, shape and values (NaN equals NaN)."""
    assert len(actual) == len(expected), f"{len(actual)} results, not {len(expected)}; {where}"
    for i, (wanted, found) in enumerate(zip(expected, actual, strict=True)):
        array = wanted.detach().numpy() if isinstance(wanted, torch.Tensor) else np.asarray(wanted)
        found = np.asarray(found)
        said = f"result {i}; {where}"
        assert found.dtype == array.dtype, f"dtype {found.dtype}, not {array.dtype}; {said}"
        assert found.shape == array.shape, f"shape {found.shape}, not {array.shape}; {said}"
        if array.dtype.kind in "fc":
            np.testing.assert_allclose(found, array, rtol, atol, err_msg=said)
        else:
            np.testing.assert_array_equal(found, array, err_msg=said)


def leaves(value: Any) -> Iterator[Any]:
    """Tensors, arrays and numbers of a nested value, in order; None and strings are no leaves."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif value is not None and not isinstance(value, str):
        yield value


def describe(call: Sequence[Any]) -> str:
    """A short text for messages."""
    parts = []
    for value in leaves(tuple(call)):
        is_tensor = isinstance(value, torch.Tensor)
        parts.append(f"{value.dtype}{list(value.shape)}" if is_tensor else repr(value))
    return ", ".join(parts)


def operators(result: Exported) -> set[str]:
    """The operators of the model, those of bodies included."""
    return {node.op_type for node in ir.traversal.RecursiveGraphIterator(result.model.graph)}
