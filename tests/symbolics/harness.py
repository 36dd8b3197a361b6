"""How symbolics are tested: export a function, run it in onnxruntime, compare with eager PyTorch.

    check(torch.clamp, x, 0)                             # traced; opsets 13, 20 and 26
    check(lambda x: x.sum(0), x, dynamic=True, calls=[(torch.ones(5, 2),)])
    check(scripted_function, x, 3, mode="script")        # ints and floats are inputs of the model
    refuses(lambda x: torch.unique(x, dim=0), x, match="dim")

Values, dtypes and shapes must all agree. In `mode="trace"` only tensors are inputs of the model;
the other arguments are bound. This file needs torch, and so does whoever imports it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import exporter
from exporter.errors import ExportError

__all__ = ["OPSETS", "check", "refuses"]

OPSETS = (13, 20, 26)
# float16 has 11 bits; onnxruntime rounds in other places than PyTorch does.
HALF_TOLERANCE = 4e-3


def check(
    function: Callable[..., Any] | torch.nn.Module,
    *inputs: Any,
    opsets: Sequence[int] = OPSETS,
    mode: str = "trace",
    dynamic: bool | dict[str, Any] = False,
    values: bool = True,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    calls: Sequence[Sequence[Any]] = (),
) -> None:
    """Fail unless the exported function gives what eager PyTorch gives, at each opset.

    `dynamic` declares every dim of every input dynamic, or those that it names; `calls` are further
    inputs to run the same model on, of other sizes. `values=False` compares dtypes and shapes
    alone (random functions).
    """
    model = captured(function, inputs, mode)
    arguments = model_arguments(inputs, mode)
    for opset in opsets:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            export(model, arguments, path, opset, dynamic)
            session = loaded(path)
            for call in (inputs, *calls):
                expected = list(leaves(function(*copied(call))))
                actual = run(session, list(leaves(model_arguments(call, mode))))
                where = f"opset {opset}, inputs {[describe(v) for v in leaves(call)]}"
                compare(expected, actual, where, values=values, rtol=rtol, atol=atol)


def refuses(
    function: Callable[..., Any] | torch.nn.Module,
    *inputs: Any,
    match: str,
    mode: str = "trace",
    opset: int = 20,
    dynamic: bool = False,
) -> None:
    """Fail unless the export ends with an error that says `match` (a regular expression)."""
    model = captured(function, inputs, mode)
    arguments = model_arguments(inputs, mode)
    with TemporaryDirectory() as folder, pytest.raises(ExportError, match=match):
        export(model, arguments, Path(folder) / "model.onnx", opset, dynamic)


def captured(
    function: Callable[..., Any] | torch.nn.Module, inputs: Sequence[Any], mode: str
) -> torch.jit.ScriptModule | torch.jit.ScriptFunction:
    """The function as TorchScript."""
    if isinstance(function, (torch.jit.ScriptFunction, torch.jit.ScriptModule)):
        return function
    if mode == "script":
        return torch.jit.script(function)
    if mode != "trace":
        raise ValueError(f"mode is 'trace' or 'script', not {mode!r}")
    inputs = copied(inputs)
    where = [i for i, value in enumerate(inputs) if has_tensor(value)]

    class Bound(torch.nn.Module):
        """The function with all arguments but the tensors bound."""

        def __init__(self) -> None:
            super().__init__()
            if isinstance(function, torch.nn.Module):
                self.inner = function

        def forward(self, *tensors: Any) -> Any:
            bound = list(inputs)
            for i, tensor in zip(where, tensors, strict=True):
                bound[i] = tensor
            return function(*bound)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = Bound()
        module.train(function.training if isinstance(function, torch.nn.Module) else False)
        return torch.jit.trace(
            module, tuple(copied([inputs[i] for i in where])), check_trace=False, strict=False
        )


def has_tensor(value: Any) -> bool:
    """Whether a traced argument becomes an input."""
    return any(isinstance(leaf, torch.Tensor) for leaf in leaves(value))


def model_arguments(inputs: Sequence[Any], mode: str) -> tuple[Any, ...]:
    """The arguments that the captured model takes."""
    if mode == "script":
        return tuple(inputs)
    return tuple(value for value in inputs if has_tensor(value))


def export(
    model: Any, arguments: tuple[Any, ...], path: Path, opset: int, dynamic: bool | dict[str, Any]
) -> None:
    """Export with inputs named x0, x1, ... by their order, and all their dims named if dynamic."""
    flat = list(leaves(arguments))
    names = [f"x{i}" for i in range(len(flat))]
    axes = (
        dynamic
        if isinstance(dynamic, dict)
        else {
            name: {axis: f"{name}_{axis}" for axis in range(value.dim())}
            for name, value in zip(names, flat, strict=True)
            if isinstance(value, torch.Tensor) and value.dim()
        }
    )
    exporter.export(
        model,
        arguments,
        path,
        input_names=names,
        opset_version=opset,
        dynamic_axes=axes if dynamic else None,
    )


def loaded(path: Path) -> onnxruntime.InferenceSession:
    """A session without graph optimisations that could hide what the model says."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, flat: list[Any]) -> list[np.ndarray]:
    """The results, flattened, for inputs given in the order of the names x0, x1, ..."""
    feeds = {}
    for declared in session.get_inputs():
        position = declared.name[1:]
        if not (declared.name.startswith("x") and position.isdigit()):
            raise AssertionError(f"the model has an input named {declared.name}")
        value = flat[int(position)]
        if isinstance(value, torch.Tensor):
            feeds[declared.name] = pairs(value.detach()).numpy()
        else:
            kind = {"tensor(double)": np.float64, "tensor(float)": np.float32}
            feeds[declared.name] = np.asarray(value, kind.get(declared.type))
    return list(leaves(session.run(None, feeds)))


def compare(
    expected: list[Any],
    actual: list[np.ndarray],
    where: str,
    *,
    values: bool,
    rtol: float,
    atol: float,
) -> None:
    """Assert that results agree in number, dtype, shape and values (NaN equals NaN)."""
    assert len(actual) == len(expected), f"{len(actual)} results, not {len(expected)}; {where}"
    for i, (wanted, found) in enumerate(zip(expected, actual, strict=True)):
        is_tensor = isinstance(wanted, torch.Tensor)
        array = pairs(wanted.detach()).numpy() if is_tensor else np.asarray(wanted)
        found = np.asarray(found)
        said = f"result {i}; {where}"
        assert found.shape == array.shape, f"shape {found.shape}, not {array.shape}; {said}"
        if is_tensor or array.dtype.kind != "f":
            assert found.dtype == array.dtype, f"dtype {found.dtype}, not {array.dtype}; {said}"
        if not values:
            continue
        if array.dtype.kind in "fc":
            least = HALF_TOLERANCE if array.dtype == np.float16 else 0.0
            np.testing.assert_allclose(
                found, array, max(rtol, least), max(atol, least), err_msg=said
            )
        else:
            np.testing.assert_array_equal(found, array, err_msg=said)


def pairs(tensor: torch.Tensor) -> torch.Tensor:
    """A complex tensor as the model takes and gives it: a real one with a last dim of 2."""
    tensor = tensor.resolve_conj().resolve_neg()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def copied(values: Sequence[Any]) -> list[Any]:
    """The same inputs anew, so that a function may write to them."""
    return torch.utils._pytree.tree_map_only(torch.Tensor, torch.clone, list(values))


def leaves(value: Any) -> Iterator[Any]:
    """Tensors, arrays and numbers of a nested value, in order; None is no leaf."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif value is not None and not isinstance(value, str):
        yield value


def describe(value: Any) -> str:
    """A short text for messages."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    return repr(value)
