"""`quantized::` operators: sums, products, joins, functions with a scale of their own, norms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.symbolics.quantizing import agree

ops = torch.ops.quantized
SCALE, POINT = 0.0371, 101
OUT, OUT_POINT = 0.0193, 93


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 2


def through(
    function: Callable[..., torch.Tensor], dtype: torch.dtype = torch.quint8, shift: int = 0
) -> Callable[..., torch.Tensor]:
    """Quantize the inputs, call, dequantize."""

    def call(x: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        q = torch.quantize_per_tensor(x, SCALE, POINT - shift, dtype)
        others = [torch.quantize_per_tensor(y, 0.0517, 77 - shift, dtype) for y in rest]
        return function(q, *others).dequantize()

    return call


BINARY: dict[str, Callable[..., torch.Tensor]] = {
    "add": lambda a, b: ops.add(a, b, 0.0631, 99),
    "add_relu": lambda a, b: ops.add_relu(a, b, 0.0631, 3),
    "mul": lambda a, b: ops.mul(a, b, 0.0631, 99),
    "mul_relu": lambda a, b: ops.mul_relu(a, b, 0.0631, 0),
    "broadcast": lambda a, b: ops.add(a, b[:1], 0.0631, 99),
    "matmul": lambda a, b: ops.matmul(a, b.transpose(1, 2), 0.0631, 99),
    "cat": lambda a, b: ops.cat([a, b], 1, 0.0631, 99),
    "cat first": lambda a, b: ops.cat([a, b], -1, None, None),
    "cat_relu": lambda a, b: ops.cat_relu([a, b], 0, 0.0631, 99),
}


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    """Rounded once; at most one step."""
    inputs = images(3, 6, 8), images(3, 6, 8, seed=1)
    calls = [(images(3, 6, 8, seed=2), images(3, 6, 8, seed=3))]
    agree(through(BINARY[name]), *inputs, calls=calls, dynamic=False, off=0.02, step=0.0631)


@pytest.mark.parametrize("dtype", [torch.quint8, torch.qint8])
@pytest.mark.parametrize("number", [0.5, -3.0, 2.7, -9.0, 100.0, 0, 0.0])
@pytest.mark.parametrize("name", ["add_scalar", "add_scalar_relu", "mul_scalar", "mul_scalar_relu"])
def test_with_a_number(name: str, number: float, dtype: torch.dtype) -> None:
    """The zero point or the scale change; the integers do where the range demands it."""
    shift = 0 if dtype == torch.quint8 else 128

    def call(q: torch.Tensor) -> torch.Tensor:
        return getattr(ops, name)(q, number)

    # Sums that widen the range are rounded anew, to a scale that depends on the number.
    off, step = (0.02, 0.5) if name.startswith("add") else (0.0, 0.0)
    agree(through(call, dtype, shift), images(3, 50), off=off, step=step, opsets=(13, 20))


UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sigmoid": lambda q: ops.sigmoid(q, 0.0041, 3),
    "hardswish": lambda q: ops.hardswish(q, OUT, OUT_POINT),
    "leaky_relu": lambda q: ops.leaky_relu(q, 0.2, False, OUT, OUT_POINT),
    "elu": lambda q: ops.elu(q, OUT, OUT_POINT, 0.7),
    "celu": lambda q: ops.celu(q, OUT, OUT_POINT, 1.3),
    "softmax": lambda q: ops.softmax(q, 1, 0.0041, 3),
    "prelu": lambda q: ops.prelu(
        q, torch.quantize_per_tensor(torch.tensor([0.3]), 0.01, 0, torch.quint8), OUT, OUT_POINT
    ),
    "prelu saturated": lambda q: ops.prelu(
        q, torch.quantize_per_tensor(torch.tensor([0.25]), 0.25 / 255, 0, torch.quint8), OUT,
        OUT_POINT,
    ),
    "dropout": lambda q: ops.dropout(q, OUT, OUT_POINT, 0.5, False),
    "relu6": lambda q: ops.relu6(q),
    "clamp": lambda q: ops.clamp(q, -0.5, 1.0),
    "threshold": lambda q: ops.threshold(q, 0.5, 0.25),
    "max_pool1d": lambda q: ops.max_pool1d(q[0], [2], [2], [0], [1], False),
    "max_pool2d": lambda q: ops.max_pool2d(q, [3, 3], [2, 2], [1, 1], [1, 1], False),
    "layer_norm": lambda q: ops.layer_norm(
        q, [8, 8], torch.linspace(0.5, 1.5, 64).view(8, 8), torch.zeros(8, 8), 1e-5, OUT, OUT_POINT
    ),
    "group_norm": lambda q: ops.group_norm(
        q, 2, torch.tensor([1.0, 2, 0.5, 1]), torch.zeros(4), 1e-5, OUT, OUT_POINT
    ),
    "instance_norm": lambda q: ops.instance_norm(
        q, torch.tensor([1.0, 2, 0.5, 1]), torch.zeros(4), 1e-5, OUT, OUT_POINT
    ),
    "batch_norm2d": lambda q: ops.batch_norm2d(
        q, torch.tensor([1.0, 2, 0.5, 1]), torch.ones(4), torch.zeros(4), torch.ones(4) * 2, 1e-5,
        OUT, OUT_POINT,
    ),
    "batch_norm2d_relu": lambda q: ops.batch_norm2d_relu(
        q, torch.tensor([1.0, 2, 0.5, 1]), torch.ones(4), torch.zeros(4), torch.ones(4) * 2, 1e-5,
        OUT, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    """At most one step. onnxruntime has a softmax of integers, which looks up exponentials."""
    agree(
        through(UNARY[name]),
        images(2, 4, 8, 8),
        calls=[(images(2, 4, 8, 8, seed=1),)],
        dynamic=False,
        off=0.3 if name == "softmax" else 0.02,
        step=0.0371,
    )


@pytest.mark.parametrize("number", [0.5, -3.0, 9.0, -100.0])
def test_a_scale_of_the_run_plus_a_number(number: float) -> None:
    """The range decides in the run what the result's scale is."""

    def call(x: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        q = torch.quantize_per_tensor(x, scale, torch.tensor(100), torch.quint8)
        positive = ops.add_scalar_relu(q, number).dequantize()
        return ops.add_scalar(q, number).dequantize(), positive

    inputs = images(3, 50), torch.tensor(0.0371)
    agree(call, *inputs, calls=[(images(2, 9), torch.tensor(0.19))], off=0.02, step=0.5)
