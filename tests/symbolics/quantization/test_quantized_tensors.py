"""Ordinary operators on quantized tensors, in eager PyTorch and converted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional as F

import exporter
from tests.symbolics.harness import refuses
from tests.symbolics.quantizing import agree, op_types, quietly

Function = Callable[[torch.Tensor], torch.Tensor]
SCALE, POINT = 0.0371, 101


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 2


def through(
    function: Function, dtype: torch.dtype = torch.quint8, point: int = POINT
) -> Callable[[torch.Tensor], object]:
    """Quantize, call, and give integers and numbers of what is quantized."""

    def call(x: torch.Tensor) -> object:
        result = function(torch.quantize_per_tensor(x, SCALE, point, dtype))
        parts = result if isinstance(result, (tuple, list)) else [result]
        return [
            p for r in parts for p in ([r.int_repr(), r.dequantize()] if r.is_quantized else [r])
        ]

    return call


# What moves elements, chooses among them, or rounds nothing: exact.
EXACT: dict[str, Function] = {
    "view": lambda q: q.view(-1, 4),
    "reshape": lambda q: q.reshape(q.size(0), -1),
    "flatten": lambda q: q.flatten(1),
    "permute": lambda q: q.permute(0, 2, 3, 1),
    "permute contiguous": lambda q: q.permute(0, 2, 3, 1).contiguous(),
    "transpose": lambda q: q.transpose(1, 2),
    "t": lambda q: q[0, 0].t(),
    "unsqueeze": lambda q: q.unsqueeze(1),
    "squeeze": lambda q: q[:1].squeeze(0),
    "select": lambda q: q[:, 1],
    "slice": lambda q: q[..., 1:-1:2],
    "index": lambda q: q[:, torch.tensor([2, 0])],
    "index_select": lambda q: q.index_select(1, torch.tensor([2, 0])),
    "chunk": lambda q: q.chunk(2, 3),
    "split": lambda q: q.split([1, 2], 1),
    "unbind": lambda q: q.unbind(1),
    "expand": lambda q: q[:1].expand(3, -1, -1, -1),
    "repeat": lambda q: q.repeat(1, 2, 1, 1),
    "flip": lambda q: q.flip(3),
    "clone": lambda q: q.clone(),
    "contiguous": lambda q: q.contiguous(),
    "detach": lambda q: q.detach(),
    "to device": lambda q: q.to("cpu"),
    "unfold": lambda q: q.unfold(3, 2, 1),
    "pixel_shuffle": lambda q: F.pixel_shuffle(q.repeat(1, 4, 1, 1), 2),
    "channel_shuffle": lambda q: F.channel_shuffle(q.repeat(1, 2, 1, 1), 2),
    "reflection_pad": lambda q: F.pad(q, [1, 1, 1, 1], "reflect"),
    "constant_pad": lambda q: F.pad(q, [1, 0, 2, 1]),
    "cat": lambda q: torch.cat([q, q], 1),
    "stack": lambda q: torch.stack([q, q], 2),
    "relu": lambda q: torch.relu(q),
    "relu6": lambda q: F.relu6(q),
    "clamp": lambda q: q.clamp(-1.0, 1.5),
    "hardtanh": lambda q: F.hardtanh(q),
    "max_pool2d": lambda q: F.max_pool2d(q, 3, 2, 1),
    "max_pool1d": lambda q: F.max_pool1d(q[0], 2),
    "quantized_max_pool2d": lambda q: torch.quantized_max_pool2d(q, [2, 2]),
    "max": lambda q: q.max(),
    "min": lambda q: q.min(),
    "max dim": lambda q: q.max(3)[0],
    "topk": lambda q: q.topk(2, dim=1)[0],
    "sort": lambda q: q.sort(2)[0],
    "nearest": lambda q: F.interpolate(q, scale_factor=2.0),
    "masked_fill": lambda q: q.masked_fill(q > 0.5, 1.0),
    "greater": lambda q: q > 0.5,
    "less tensor": lambda q: q < q.flip(3),
    "equal": lambda q: q == q.flip(3),
    "dropout": lambda q: F.dropout(q, training=False),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact(name: str) -> None:
    """The very integers, of both dtypes."""
    x, calls = images(2, 3, 4, 4), [(images(2, 3, 4, 4, seed=1),)]
    agree(through(EXACT[name]), x, opsets=(10, 20), calls=calls, dynamic=False)
    if name != "channel_shuffle":  # PyTorch's takes quint8 alone
        other = through(EXACT[name], torch.qint8, -5)
        agree(other, x, opsets=(20,), calls=calls, dynamic=False)


# What rounds: by a step, where PyTorch computes in another order or in fixed point.
ROUNDED: dict[str, tuple[Function, float]] = {
    "avg_pool2d": (lambda q: F.avg_pool2d(q, 2), 0.1),
    "avg_pool2d pad": (lambda q: F.avg_pool2d(q, 3, 2, 1), 0.1),
    "adaptive_avg_pool2d": (lambda q: F.adaptive_avg_pool2d(q, 1), 0.1),
    "adaptive_avg_pool2d 3": (lambda q: F.adaptive_avg_pool2d(q, (3, 2)), 0.1),
    "mean": (lambda q: q.mean([2, 3]), 0.1),
    "mean keepdim": (lambda q: q.mean(1, keepdim=True), 0.1),
    "mean all": (lambda q: q.mean(), 1.0),
    "bilinear": (lambda q: F.interpolate(q, scale_factor=2.0, mode="bilinear"), 0.1),
    "leaky_relu": (lambda q: F.leaky_relu(q, 0.1), 0.05),
    "threshold": (lambda q: F.threshold(q, 0.5, 0.25), 0.0),
    "sigmoid": (lambda q: torch.sigmoid(q), 0.02),
    "tanh": (lambda q: torch.tanh(q), 0.02),
    "hardsigmoid": (lambda q: F.hardsigmoid(q), 0.05),
    "gelu": (lambda q: F.gelu(q), 0.02),
}


@pytest.mark.parametrize("dtype", [torch.quint8, torch.qint8])
@pytest.mark.parametrize("name", ROUNDED)
def test_rounded(name: str, dtype: torch.dtype) -> None:
    """At most one step of the result's scale."""
    compute, off = ROUNDED[name]
    point = POINT if dtype == torch.quint8 else POINT - 128
    agree(
        lambda x: through(compute, dtype, point)(x)[1],
        images(2, 3, 8, 8),
        calls=[(images(3, 3, 8, 8, seed=1),)],
        opsets=(13, 20),
        off=off,
        step=SCALE,
    )


def test_joins_of_different_scales() -> None:
    """The result has the scale of the first tensor; the others are rounded anew."""

    def joined(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        first = torch.quantize_per_tensor(x, SCALE, POINT, torch.quint8)
        other = torch.quantize_per_tensor(y, 0.0517, 3, torch.quint8)
        return torch.cat([first, other], 1).dequantize()

    agree(joined, images(2, 3), images(2, 4), off=0.02, step=SCALE)


class Writes(torch.nn.Module):
    """Writes in place: of quantized numbers, and of floats that are quantized on the way."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The tensor written to, and what views of it then show."""
        q = torch.quantize_per_tensor(x, 0.0371, 101, torch.quint8)
        view = q[0]
        q[1] = torch.quantize_per_tensor(y, 0.0371, 101, torch.quint8)
        view.copy_(y)
        q[2].fill_(0.5)
        q.relu_()
        return q.dequantize(), view.int_repr()


def test_writes() -> None:
    """Views share the integers."""
    with quietly():
        model = torch.jit.script(Writes())
    agree(model, images(3, 4), images(4), calls=[(images(5, 6), images(6))])


class Paths(torch.nn.Module):
    """Quantized tensors that a branch or a loop leaves."""

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        """Scales that agree on the paths, and scales that don't."""
        q = torch.quantize_per_tensor(x, 0.0371, 101, torch.quint8)
        if bool(n > 2):
            q = torch.relu(q)
        if bool(n > 3):
            r = torch.quantize_per_tensor(x, 0.5, 3, torch.quint8)
        else:
            r = torch.quantize_per_tensor(x + 1, 0.25, 2, torch.quint8)
        for _ in range(int(n)):
            q = torch.clamp(q, -1.0, 1.0)
        return q.dequantize() + r.dequantize()


def test_branches_and_loops() -> None:
    """What the paths differ in becomes a value of the run: the integers, or the scale too."""
    with quietly():
        model = torch.jit.script(Paths())
    calls = [(images(2, 3), torch.tensor(k)) for k in (0, 1, 3, 4)]
    agree(model, images(2, 3), torch.tensor(3), calls=calls)


def two_kinds(x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    """A tensor of one of two quantized dtypes, and one that is quantized or is not."""
    if bool(n > 2):
        q = torch.quantize_per_tensor(x, 0.5, 3, torch.quint8)
        r = q
    else:
        q = torch.quantize_per_tensor(x, 0.25, 3, torch.qint8)
        r = x
    return q.dequantize() + r.dequantize()


def test_kinds_that_differ() -> None:
    """What has no common form is a choice."""
    with quietly():
        model = torch.jit.script(two_kinds)
    agree(model, images(2, 3), torch.tensor(3), calls=[(images(2, 3), torch.tensor(0))])


class Numbers(torch.nn.Module):
    """A scale that changes from trip to trip, elements as numbers, and equality."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int, bool, bool, float]:
        """The sum grows until it is large enough."""
        q = torch.quantize_per_tensor(x, 0.1, 3, torch.quint8)
        trips = 0
        while bool(q.dequantize().sum() < 100.0) and trips < 9:
            q = torch.ops.quantized.add_scalar_relu(q, 2.5)
            trips += 1
        same = torch.equal(q, q)
        return q.dequantize(), trips, same, torch.equal(q, q.flip(0)), float(q[0, 0].item())


def test_numbers() -> None:
    """The zero point leaves its range in the loop: then the scale grows."""
    with quietly():
        model = torch.jit.script(Numbers())
    calls = [(images(2, 3, seed=1),), (images(2, 3) + 50,)]
    agree(model, images(2, 3), calls=calls, opsets=(13, 20))


class Stream(torch.nn.Module):
    """State that is quantized."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("held", torch.quantize_per_tensor(torch.ones(3), 0.1, 3, torch.quint8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the call before left."""
        y = self.held.dequantize() + x
        self.held.copy_(torch.quantize_per_tensor(x, 0.1, 3, torch.quint8))
        return y


def test_state(tmp_path: Path) -> None:
    """The model's state are the integers."""
    with quietly():
        model = torch.jit.script(Stream())
    found = exporter.export(model, (torch.zeros(3),), tmp_path / "model.onnx", input_names=["x"])
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    state = found.initial_state
    for seed in range(3):
        x = images(3, seed=seed)
        wanted = model(x)
        y, held = session.run(None, {"x": x.numpy(), **state})
        state = {"held": held}
        np.testing.assert_allclose(y, wanted.numpy(), atol=1e-6)


class Flat(torch.nn.Module):
    """A write to a reshape of a convolution's result, which has the channels last in memory."""

    def __init__(self, later: bool) -> None:
        super().__init__()
        weight = torch.quantize_per_tensor(torch.ones(2, 3, 1, 1), 0.1, 0, torch.qint8)
        self.packed = torch.ops.quantized.conv2d_prepack(weight, None, [1, 1], [0, 0], [1, 1], 1)
        self.later = later

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The reshape is a copy there; the convolution's result is read afterwards, or not."""
        q = torch.quantize_per_tensor(x, 0.0371, 101, torch.quint8)
        y = torch.ops.quantized.conv2d(q, self.packed, 0.05, 100)
        z = y.flatten(1).relu_().dequantize()
        return z.sum() + y.dequantize().sum() if self.later else z


def test_channels_last() -> None:
    """What may be a view or a copy is not guessed."""
    with quietly():
        agree(torch.jit.script(Flat(False)), images(2, 3, 4, 4), opsets=(20,))
        later = torch.jit.script(Flat(True))
        refuses(later, images(2, 3, 4, 4), match="may share memory", mode="script")


def test_moves_need_no_numbers() -> None:
    """Views act on the integers."""
    found = op_types(lambda x: through(lambda q: q.permute(0, 2, 1))(x)[1], images(2, 3, 4))
    assert found == {"QuantizeLinear", "Transpose", "DequantizeLinear"}


def test_channels() -> None:
    """Of a tensor quantized per channel there are few views, in PyTorch too."""
    scales, points = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 2])

    def viewed(x: torch.Tensor) -> torch.Tensor:
        return torch.quantize_per_channel(x, scales, points, 0, torch.qint8)[0].dequantize()

    refuses(viewed, images(3, 2), match="per channel")
