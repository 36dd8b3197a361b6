"""Layers under the names of a device's kernels give what the layers of a CPU give.

The kernels are not there to compare with; a program that names them is compared with one that
names the layer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils import mkldnn

from tests.symbolics.harness import check, compare, export, leaves, loaded, run

X, W, B = torch.randn(2, 4, 6, 5), torch.randn(3, 4, 3, 2), torch.randn(3)
V, K = torch.randn(2, 4, 5, 4, 3), torch.randn(3, 4, 2, 2, 2)


def same(program: Any, reference: Callable[..., Any], *inputs: Tensor, folder: Path) -> None:
    """Fail unless the program, converted, gives what the reference gives."""
    path = folder / "model.onnx"
    export(torch.jit.script(program), tuple(inputs), path, 20, dynamic=False)
    actual = run(loaded(path), list(inputs))
    expected = list(leaves(reference(*inputs)))
    compare(expected, actual, program.__name__, values=True, rtol=1e-4, atol=1e-5)


def cudnn_convolutions(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    plain = torch.ops.aten.cudnn_convolution(x, w, [1, 0], [2, 1], [1, 2], 1, False, False, False)
    rectified = torch.ops.aten.cudnn_convolution_relu(x, w, b, [2, 1], [1, 0], [1, 2], 1)
    added = torch.ops.aten.cudnn_convolution_add_relu(
        x, w, plain, 0.5, b, [2, 1], [1, 0], [1, 2], 1
    )
    return plain, rectified, added


def convolutions(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    plain = F.conv2d(x, w, None, (2, 1), (1, 0), (1, 2))
    full = F.conv2d(x, w, b, (2, 1), (1, 0), (1, 2))
    return plain, full.relu(), (full + 0.5 * plain).relu()


def miopen_convolutions(x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    plain = torch.ops.aten.miopen_convolution(x, w, None, [1, 0], [2, 1], [1, 2], 1, False, False)
    rectified = torch.ops.aten.miopen_convolution_relu(x, w, b, [2, 1], [1, 0], [1, 2], 1)
    added = torch.ops.aten.miopen_convolution_add_relu(
        x, w, plain, 0.5, b, [2, 1], [1, 0], [1, 2], 1
    )
    return plain, rectified, added


@pytest.mark.parametrize("program", [cudnn_convolutions, miopen_convolutions])
def test_convolutions(program: Any, tmp_path: Path) -> None:
    same(program, convolutions, X, W, B, folder=tmp_path)


def test_transposed_convolutions(tmp_path: Path) -> None:
    def cudnn(x: Tensor, w: Tensor) -> Tensor:
        return torch.ops.aten.cudnn_convolution_transpose(
            x, w, [1, 0], [1, 0], [2, 1], [1, 1], 1, False, False, False
        )

    def miopen(x: Tensor, w: Tensor) -> Tensor:
        return torch.ops.aten.miopen_convolution_transpose(
            x, w, None, [1, 0], [1, 0], [2, 1], [1, 1], 1, False, False
        )

    for program in (cudnn, miopen):
        same(
            program,
            lambda x, w: F.conv_transpose2d(x, w, None, (2, 1), (1, 0), (1, 0)),
            X, torch.randn(4, 3, 3, 2), folder=tmp_path,
        )  # fmt: skip


def test_pytorchs_own_kernels() -> None:
    """Those that a CPU has as well."""
    ops = torch.ops.aten
    check(lambda x, w, b: ops.thnn_conv2d(x, w, [3, 2], b, [2, 1], [1, 0]), X, W, B, opsets=[20])
    check(lambda x, w, b: ops.slow_conv_dilated2d(x, w, [3, 2], b, [2, 1], [1, 0], [1, 2]),
          X, W, B, opsets=[20])  # fmt: skip
    check(lambda x, w, b: ops._slow_conv2d_forward(x, w, [3, 2], b, [2, 1], [1, 0]),
          X, W, B, opsets=[20])  # fmt: skip
    check(lambda x, w: ops.slow_conv3d(x, w, [2, 2, 2]), V, K, opsets=[20])
    check(lambda x, w: ops.slow_conv_dilated3d(x, w, [2, 2, 2]), V, K, opsets=[20])
    check(lambda x, w: ops.slow_conv_transpose2d(x, w, [3, 2], None, [2, 2], [1, 1], [1, 1]),
          X, torch.randn(4, 3, 3, 2), opsets=[20])  # fmt: skip
    check(
        lambda x, w: ops.slow_conv_transpose3d(x, w, [2, 2, 2]), V, K.transpose(0, 1), opsets=[20]
    )


def test_depthwise(tmp_path: Path) -> None:
    def program(x: Tensor, w: Tensor) -> Tensor:
        return torch.ops.aten._conv_depthwise2d(x, w, [3, 2], None, [1, 1], [1, 0], [1, 1])

    w = torch.randn(8, 1, 3, 2)
    same(program, lambda x, w: F.conv2d(x, w, None, 1, (1, 0), 1, 4), X, w, folder=tmp_path)


# ---------------------------------------------------------------- normalization


class CudnnBatchNorm(torch.nn.Module):
    """With its running statistics as arguments."""

    def __init__(self, now: bool) -> None:
        super().__init__()
        self.now = now

    def forward(self, x: Tensor, w: Tensor, m: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = m.clone(), v.clone()
        result = torch.ops.aten.cudnn_batch_norm(x, w, None, mean, variance, self.now, 0.1, 1e-5)
        return result[0], mean, variance


def normalized(
    x: Tensor, w: Tensor, m: Tensor, v: Tensor, training: bool
) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance = m.clone(), v.clone()
    return F.batch_norm(x, mean, variance, w, None, training), mean, variance


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm(training: bool, tmp_path: Path) -> None:
    """In training the running statistics are written."""
    path = tmp_path / "model.onnx"
    inputs = (X, torch.rand(4), torch.randn(4), torch.rand(4) + 1)
    export(torch.jit.script(CudnnBatchNorm(training)), inputs, path, 20, dynamic=False)
    expected = list(normalized(*inputs, training))
    compare(expected, run(loaded(path), list(inputs)), "", values=True, rtol=1e-4, atol=1e-5)


def test_batch_norm_that_a_cpu_has() -> None:
    ops = torch.ops.aten
    statistics = (torch.randn(4), torch.rand(4) + 1)

    def updated(x: Tensor, m: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        mean, variance = m.clone(), v.clone()
        return *ops.batch_norm_update_stats(x, mean, variance, 0.1), mean, variance

    check(updated, X, *statistics, opsets=[20])
    check(
        lambda x, m, v: ops._batch_norm_with_update_functional(x, m, v, m, v, 0.1, 1e-5),
        X, *statistics, opsets=[20],
    )  # fmt: skip


def test_batch_norm_with_the_number_of_its_kernel(tmp_path: Path) -> None:
    def program(x: Tensor, m: Tensor, v: Tensor) -> tuple[Tensor, int]:
        results = torch._batch_norm_impl_index(x, None, None, m, v, False, 0.1, 1e-5, False)
        return results[0], results[4]

    def reference(x: Tensor, m: Tensor, v: Tensor) -> tuple[Tensor, int]:
        return F.batch_norm(x, m, v), 0

    same(program, reference, X, torch.randn(4), torch.rand(4) + 1, folder=tmp_path)


def test_batch_norm_by_parts(tmp_path: Path) -> None:
    def program(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        mean, inverse = torch.ops.aten.batch_norm_stats(x, 1e-5)
        return torch.ops.aten.batch_norm_elemt(x, w, b, mean, inverse, 1e-5)

    def reference(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, w, b, training=True)

    same(program, reference, X, torch.rand(4), torch.rand(4), folder=tmp_path)


# ---------------------------------------------------------------- recurrent layers, losses, grids


class CudnnLstm(torch.nn.Module):
    """Two layers in both directions."""

    def __init__(self, lstm: torch.nn.LSTM) -> None:
        super().__init__()
        self.weights = [p.detach() for p in lstm.parameters()]

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, h, c, _, _ = torch.ops.aten._cudnn_rnn(
            x, self.weights, 4, None, h, c, 2, 5, 0, 2, True, 0.0, False, True, [], None
        )
        return y, h, c


class MiopenGru(torch.nn.Module):
    """One layer without biases."""

    def __init__(self, gru: torch.nn.GRU) -> None:
        super().__init__()
        self.weights = [p.detach() for p in gru.parameters()]

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.ops.aten._cudnn_init_dropout_state(0.0, False, 1, dtype=torch.uint8)
        y, h, _, _, _ = torch.ops.aten.miopen_rnn(
            x, self.weights, 2, h, None, 3, 5, 1, False, 0.0, False, False, [], state
        )
        return y, h


def test_recurrent_layers(tmp_path: Path) -> None:
    lstm = torch.nn.LSTM(3, 5, 2, batch_first=True, bidirectional=True)
    inputs = (torch.randn(2, 4, 3), torch.randn(4, 2, 5), torch.randn(4, 2, 5))
    path = tmp_path / "lstm.onnx"
    export(torch.jit.script(CudnnLstm(lstm)), inputs, path, 20, dynamic=False)
    y, (h, c) = lstm(inputs[0], inputs[1:])
    actual = run(loaded(path), list(inputs))
    compare([y, h, c], actual, "lstm", values=True, rtol=1e-4, atol=1e-5)
    gru = torch.nn.GRU(3, 5, bias=False)
    given = (torch.randn(4, 2, 3), torch.randn(1, 2, 5))
    path = tmp_path / "gru.onnx"
    export(torch.jit.script(MiopenGru(gru)), given, path, 20, dynamic=False)
    actual = run(loaded(path), list(given))
    compare(list(gru(*given)), actual, "gru", values=True, rtol=1e-4, atol=1e-5)


def test_a_gru_cell_from_products(tmp_path: Path) -> None:
    def program(x: Tensor, h: Tensor, w: Tensor, v: Tensor, b: Tensor) -> Tensor:
        return torch.ops.aten._thnn_fused_gru_cell(x @ w.t(), h @ v.t(), h, b, b)[0]

    def reference(x: Tensor, h: Tensor, w: Tensor, v: Tensor, b: Tensor) -> Tensor:
        return torch.gru_cell(x, h, w, v, b, b)

    inputs = (torch.randn(2, 3), torch.randn(2, 4), torch.randn(12, 3), torch.randn(12, 4))
    same(program, reference, *inputs, torch.randn(12), folder=tmp_path)


def test_ctc_loss() -> None:
    """The losses; what is left for a gradient is not computed."""
    paths = torch.randn(6, 2, 4).log_softmax(-1)
    targets = torch.tensor([[1, 2, 2], [3, 1, 0]])
    check(lambda p: torch.ops.aten._ctc_loss(p, targets, [6, 5], [3, 2])[0], paths, opsets=[20])
    check(
        lambda p: torch.ops.aten._ctc_loss(
            p, targets, torch.tensor([6, 5]), torch.tensor([3, 2]), 0, True
        )[0],
        paths, opsets=[20],
    )  # fmt: skip


def test_mkldnn_layers() -> None:
    """What `torch.utils.mkldnn.to_mkldnn` makes of a model."""
    layers = (
        torch.nn.Conv2d(4, 6, 3, padding=1, groups=2),
        torch.nn.BatchNorm2d(6),
        torch.nn.Conv2d(6, 3, (1, 2), stride=2),
        torch.nn.Linear(2, 5),
    )

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.jit.script(mkldnn.to_mkldnn(torch.nn.Sequential(*layers).eval()))

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x.to_mkldnn()).to_dense()

    check(torch.jit.script(Model()), X, mode="script")

    def pools(x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.to_mkldnn()
        largest = torch.mkldnn_max_pool2d(x, 2, 2, 1)
        mean = torch.ops.aten.mkldnn_adaptive_avg_pool2d(x, [1, 1])
        return largest.to_dense(), mean.to_dense()

    check(torch.jit.script(pools), X, mode="script")


def test_cudnns_grids(tmp_path: Path) -> None:
    def program(x: Tensor, theta: Tensor) -> Tensor:
        grid = torch.ops.aten.cudnn_affine_grid_generator(theta, 2, 4, 3, 5)
        return torch.ops.aten.cudnn_grid_sampler(x, grid)

    def reference(x: Tensor, theta: Tensor) -> Tensor:
        grid = F.affine_grid(theta, [2, 4, 3, 5], align_corners=True)
        return F.grid_sample(x, grid, align_corners=True)

    same(program, reference, X, torch.randn(2, 2, 3), folder=tmp_path)
