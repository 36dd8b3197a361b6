"""How models with state are tested: call after call, the state fed back, beside PyTorch."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

import exporter

__all__ = ["batches", "streamed"]


def streamed(
    module: nn.Module,
    calls: list[tuple[Any, ...]],
    path: Path,
    *,
    state: list[str],
    **options: Any,
) -> exporter.Exported:
    """Convert the scripted module; fail unless a series of calls gives what PyTorch gives.

    `state` are the names that the state's inputs must have, in order.
    """
    scripted = torch.jit.script(module)
    exported = exporter.export(scripted, calls[0], path, **options)
    assert list(exported.initial_state) == state
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]
    assert names[len(names) - len(state) :] == state
    assert outputs[len(outputs) - len(state) :] == [f"{name}_out" for name in state]
    held = dict(exported.initial_state)
    reference = copy.deepcopy(scripted)
    for number, call in enumerate(calls):
        with torch.no_grad():
            wanted = list(leaves(reference(*copy.deepcopy(call))))
        given = dict(zip(names, map(as_array, call), strict=False)) | held
        found = dict(zip(outputs, session.run(None, given), strict=True))
        for value, array in zip(wanted, found.values(), strict=False):
            said = f"call {number}"
            assert array.shape == tuple(np.shape(value)), said
            np.testing.assert_allclose(array, np.asarray(value), 1e-5, 1e-6, err_msg=said)
        held = {name: found[f"{name}_out"] for name in state}
    return exported


def as_array(value: Any) -> np.ndarray:
    """An argument as it is fed."""
    if isinstance(value, Tensor):
        return value.numpy()
    return np.asarray(value, np.float64 if isinstance(value, float) else None)


def leaves(value: Any) -> Any:
    """The tensors and numbers of a result."""
    if isinstance(value, list) and value and isinstance(value[0], int):
        yield np.array(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from leaves(item)
    elif value is not None:
        yield value


def batches(*sizes: int, width: int = 3) -> list[tuple[Tensor, ...]]:
    """Calls with random inputs of these first dims."""
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(size, width, generator=generator),) for size in sizes]
