"""What onnxruntime makes one operator of: there must be the nodes that it looks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import onnx_ir as ir
import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.conversion.harness import converted
from tests.programs.harness import check_program, compiled

W = torch.linspace(0.5, 1.5, 8)


def root_mean_square(x: Tensor) -> Tensor:
    return W * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def root_mean_square_by_square(x: Tensor) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + 1e-6) ** -0.5 * W


def rms_norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (8,), W, 1e-6)


def layer_norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, (8,), W, W)


def layer_norm_by_hand(x: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    variance = (x - mean).pow(2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * W + W


def gelu_by_hand(x: Tensor) -> Tensor:
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


PROGRAMS = [
    (root_mean_square, "SimplifiedLayerNormalization"),
    (root_mean_square_by_square, "SimplifiedLayerNormalization"),
    (rms_norm, "SimplifiedLayerNormalization"),
    (layer_norm, "LayerNormalization"),
    (layer_norm_by_hand, "LayerNormalization"),
    (F.gelu, "Gelu"),
    (gelu_by_hand, "Gelu"),
]


@pytest.mark.parametrize(("program", "operator"), PROGRAMS)
@pytest.mark.parametrize("opset", [13, 17, 20])
def test_fused(
    program: Callable[[Tensor], Tensor], operator: str, opset: int, tmp_path: Path
) -> None:
    x = torch.rand(2, 5, 8)
    check_program(program, (x,), (x[:1, :3],), axes=[{0: "b", 1: "n"}], modes=["traced"])
    result = converted(compiled(program, "traced", (x,)), (x,), opset_version=opset)
    result.save(tmp_path / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(tmp_path / "model.onnx", options)
    left = [node.op_type for node in ir.load(tmp_path / "optimized.onnx").graph]
    assert left == [operator]


def test_hard_swish_is_one_node() -> None:
    x = torch.linspace(-5, 5, 12)
    check_program(F.hardswish, (x,), modes=["traced"], opsets=[14], unwanted={"HardSigmoid"})
    for opset in (9, 13, 23):
        check_program(F.hardswish, (x,), modes=["traced"], opsets=[opset])
