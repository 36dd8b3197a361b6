"""Programs written by hand, for operators that the PyTorch of the tests lacks."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import onnxruntime
import torch

import exporter
from tests.archive import handmade


def results_of(call: str, types: str, *inputs: np.ndarray, opset: int = 20) -> list[np.ndarray]:
    """What the call, an expression of `a`, `b`, ..., gives when an archive holds it."""
    names = "abc"[: len(inputs)]
    parameters = ", ".join(f"{name}: Tensor" for name in names)
    code = f"""
class M(Module):
  __parameters__ = []
  training : bool
  def forward(self: __torch__.M, {parameters}) -> {types}:
    return {call}
"""
    result = exporter.export(
        handmade.archive(**{"code/__torch__.py": code.encode()}),
        inputs,
        buffer := io.BytesIO(),
        opset_version=opset,
    )
    assert result.model is not None
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, dict(zip(names, inputs, strict=True)))
    return found


def compare(found: Sequence[np.ndarray], wanted: Sequence[torch.Tensor]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == tuple(other.shape)
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-5)
