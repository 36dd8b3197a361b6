"""How quantized programs are compared with PyTorch: in steps of the result's scale.

    agree(function, x)                         # function quantizes, computes, and dequantizes
    agree(function, x, off=0.01, step=0.1)     # at most 1% of the elements, by one step of 0.1

PyTorch multiplies by the reciprocal of a scale where ONNX divides, and float sums differ in their
last bits. A number in the middle between two integers may so go to either: one step, rarely.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import exporter
from tests.symbolics.harness import captured, leaves, loaded

__all__ = ["ENGINES", "agree", "engine", "op_types", "quietly"]

SCRIPTED = (torch.jit.ScriptModule, torch.jit.ScriptFunction)
# Scales of channels came with opset 13; what has one scale is tested at opset 10, too.
OPSETS = (13, 20, 26)
ENGINES = [e for e in torch.backends.quantized.supported_engines if e != "none"]


@contextmanager
def engine(name: str) -> Iterator[None]:
    """Make and run quantized modules with one of PyTorch's engines."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


@contextmanager
def quietly() -> Iterator[None]:
    """PyTorch calls its own eager and FX quantization deprecated at every step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def agree(
    function: Callable[..., Any] | torch.nn.Module,
    *inputs: torch.Tensor,
    off: float = 0.0,
    step: float = 0.0,
    opsets: Sequence[int] = OPSETS,
    mode: str = "trace",
    calls: Sequence[Sequence[torch.Tensor]] = (),
    dynamic: bool = True,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> None:
    """Fail unless the results are PyTorch's, but for a part `off` that is one `step` beside.

    The function is captured by `mode`, or is a TorchScript module or the path of one already.
    Every dim of every input is dynamic, and `calls` are further inputs of other sizes.
    """
    with quietly():
        ready = isinstance(function, SCRIPTED)
        model = function if ready else captured(function, inputs, mode)
        for opset in opsets:
            with TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                export(model, inputs, path, opset, dynamic=dynamic)
                session = loaded(path)
                for call in (inputs, *calls):
                    feeds = {f"x{i}": x.numpy() for i, x in enumerate(call)}
                    names = {declared.name for declared in session.get_inputs()}
                    found = session.run(None, {k: v for k, v in feeds.items() if k in names})
                    wanted = list(leaves(function(*call)))
                    where = f"opset {opset}, {[list(x.shape) for x in call]}"
                    compare(wanted, found, where, off=off, step=step, rtol=rtol, atol=atol)


def export(
    model: Any, inputs: Sequence[torch.Tensor], path: Path, opset: int = 20, *, dynamic: bool = True
) -> None:
    """Export with inputs x0, x1, ..., all their dims named."""
    axes = {f"x{i}": {d: f"x{i}_{d}" for d in range(x.dim())} for i, x in enumerate(inputs)}
    exporter.export(
        model,
        tuple(inputs),
        path,
        input_names=list(axes),
        opset_version=opset,
        dynamic_axes=axes if dynamic else None,
    )


def compare(
    wanted: Sequence[Any],
    found: Sequence[Any],
    where: str,
    *,
    off: float,
    step: float,
    rtol: float,
    atol: float,
) -> None:
    """Assert what `agree` says."""
    assert len(found) == len(wanted), where
    for expected, actual in zip(wanted, found, strict=True):
        array = expected.detach().numpy() if isinstance(expected, torch.Tensor) else expected
        array = np.asarray(array)
        assert (actual.shape, actual.dtype) == (array.shape, array.dtype), where
        difference = np.abs(actual.astype(np.float64) - array.astype(np.float64))
        allowed = atol + rtol * np.abs(array.astype(np.float64))
        beyond = difference > allowed
        share = beyond.mean() if beyond.size else 0.0
        assert share <= off, f"{share:.2%} of the elements differ, by {difference.max()}; {where}"
        assert (difference <= allowed + step * 1.001).all(), f"{difference.max()}; {where}"


def op_types(model: Any, *inputs: torch.Tensor, opset: int = 20) -> set[str]:
    """The operators of the exported model."""
    with TemporaryDirectory() as folder, quietly():
        if not isinstance(model, SCRIPTED):
            model = captured(model, inputs, "trace")
        export(model, inputs, Path(folder) / "model.onnx", opset)
        return {node.op_type for node in exporter_nodes(Path(folder) / "model.onnx")}


def exporter_nodes(path: Path) -> Iterator[Any]:
    """The nodes of a model's main graph."""
    import onnx_ir as ir  # noqa: PLC0415  a test that only compares has no use for it

    yield from ir.load(path).graph
