"""Normalization agrees with PyTorch; in training, running statistics move as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import exporter
from tests.conversion.streaming import streamed
from tests.symbolics.harness import check

torch.manual_seed(0)
X = torch.randn(2, 6, 5, 4)
W, B, MEAN, VAR = torch.randn(6), torch.randn(6), torch.randn(6), torch.rand(6) + 0.5
LAYER = torch.randn(5, 4)


def cast(*tensors: torch.Tensor, dtype: torch.dtype) -> list[torch.Tensor]:
    """All in one dtype."""
    return [t.to(dtype) for t in tensors]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_agrees_with_pytorch(dtype: torch.dtype) -> None:
    """Every kind, with and without weights, at known sizes and those of run time."""
    x, w, b, mean, var, layer = cast(X, W, B, MEAN, VAR, LAYER, dtype=dtype)

    def everything(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (
            F.batch_norm(x, mean, var, w, b),
            F.batch_norm(x, mean, var, eps=0.1),
            F.batch_norm(x, None, None, w, b, training=True),
            F.instance_norm(x, weight=w, bias=b),
            F.instance_norm(x),
            F.instance_norm(x, mean, var, w, b, use_input_stats=False),
            F.group_norm(x, 3, w, b),
            F.group_norm(x, 2),
            F.layer_norm(x, (5, 4), layer, layer),
            F.layer_norm(x, (4,)),
            F.rms_norm(x, (5, 4), layer),
            F.rms_norm(x, (4,), eps=0.1),
        )

    tolerance = 2e-2 if dtype == torch.float16 else 1e-4
    check(everything, x, rtol=tolerance, atol=tolerance)
    check(everything, x, opsets=(20,), dynamic=True, rtol=tolerance, atol=tolerance)


def test_statistics_of_another_dtype() -> None:
    x = X.double()
    check(lambda x: F.instance_norm(x, MEAN, VAR, use_input_stats=False), x, opsets=(13, 20))


def test_nothing_normalized() -> None:
    """Dims without elements, of which runtimes know no mean."""
    x = torch.zeros(2, 0)
    check(lambda x: (F.rms_norm(x, (0,)), F.layer_norm(x, (0,))), x, opsets=(9, 20, 23))


def test_with_statistics() -> None:
    """The native forms return what they normalized with."""

    def native(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (
            *torch.native_layer_norm(x, (5, 4), LAYER, None, 1e-5),
            *torch.native_group_norm(x, W, B, 2, 6, 20, 3, 1e-5),
            *torch.native_batch_norm(x, W, B, MEAN.clone(), VAR.clone(), True, 0.1, 1e-5),
            *torch.native_batch_norm(x, W, B, MEAN, VAR, False, 0.1, 1e-5),
        )

    check(native, X)


def test_two_dims() -> None:
    """Batch norm over [N, C]."""
    check(nn.BatchNorm1d(6).eval(), torch.randn(3, 6))


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_weight_norm(dim: int) -> None:
    """The norm of all dims but one."""
    v = torch.randn(3, 4, 5)
    check(lambda v, g: torch._weight_norm(v, g, dim), v, torch.norm_except_dim(v, 2, dim) + 1)
    check(lambda v: torch.norm_except_dim(v, 3, dim), v, opsets=(20,))


def test_local_response_norm() -> None:
    """Made of other operators."""
    check(lambda x: F.local_response_norm(x, 3), X)


def test_training_moves_the_running_statistics(tmp_path: Path) -> None:
    """They are results of the model, beside the normalized batch."""
    module = nn.Sequential(nn.BatchNorm2d(6), nn.InstanceNorm2d(6, track_running_stats=True))
    path = tmp_path / "model.onnx"
    exporter.export(torch.jit.script(module.train()), (X,), path, training="preserve")
    session = onnxruntime.InferenceSession(path)
    before = {k: v.numpy().copy() for k, v in module.state_dict().items()}
    feeds = {i.name: before.get(i.name, X.numpy()) for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    found = dict(zip(names, session.run(None, feeds), strict=True))
    expected = module(X)
    np.testing.assert_allclose(found[names[0]], expected.detach(), rtol=1e-4, atol=1e-5)
    for name in ("0.running_mean", "0.running_var", "1.running_mean", "1.running_var"):
        after = module.state_dict()[name]
        np.testing.assert_allclose(found[f"{name}_out"], after, rtol=1e-4, atol=1e-6)


def test_running_statistics_that_are_the_mean_of_all_batches(tmp_path: Path) -> None:
    """Without a momentum the rate is 1 / the number of batches so far."""
    module = nn.BatchNorm2d(6, momentum=None).train()
    names = ["running_mean", "running_var", "num_batches_tracked"]
    calls = [(torch.randn(size, 6, 4, 5),) for size in (2, 3, 2)]
    axes = {"input": {0: "n"}}
    streamed(
        module, calls, tmp_path / "m.onnx", state=names, training="preserve", dynamic_axes=axes
    )


def test_batch_norm_of_one_empty_dim() -> None:
    """PyTorch takes it; there are no channels."""
    check(
        lambda x: torch.nn.functional.batch_norm(x, None, None, training=True),
        torch.zeros(0),
        dynamic=True,
    )
