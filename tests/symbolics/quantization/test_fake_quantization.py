"""Simulated quantization, as models of quantization-aware training have it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.ao import quantization

from tests.symbolics.harness import refuses
from tests.symbolics.quantizing import agree, engine, op_types, quietly


def floats(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 4


@pytest.mark.parametrize(
    ("zero_point", "low", "high"),
    [(0, -128, 127), (100, 0, 255), (60, 0, 127), (0, -64, 63), (5, -30000, 30000)],
)
def test_per_tensor(zero_point: int, low: int, high: int) -> None:
    """Full and reduced ranges of 8 bits, and a wider one."""
    scale = 0.0371

    def all_forms(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        plain = torch.fake_quantize_per_tensor_affine(x, scale, zero_point, low, high)
        masked = torch.fake_quantize_per_tensor_affine(
            x, torch.tensor(scale), torch.tensor(zero_point), low, high
        )
        pair = torch.ops.aten.fake_quantize_per_tensor_affine_cachemask(
            x, scale, zero_point, low, high
        )
        return plain, masked, *pair

    calls = [(floats(2, 7, seed=1),), (floats(0, 2),), (torch.full((1, 2), 1e6),)]
    agree(all_forms, floats(5, 6), calls=calls, opsets=(10, 20, 26))


@pytest.mark.parametrize("axis", [0, 1])
def test_per_channel(axis: int) -> None:
    """A scale for each index along an axis."""
    scales, points = torch.tensor([0.1, 0.037, 0.5]), torch.tensor([0, 3, -4], dtype=torch.int32)

    def both(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pair = torch.ops.aten.fake_quantize_per_channel_affine_cachemask(
            x, scales, points, axis, -128, 127
        )
        return torch.fake_quantize_per_channel_affine(x, scales, points, axis, -64, 63), *pair

    agree(both, floats(3, 3))


def test_a_scale_of_the_run() -> None:
    """Computed by the program."""

    def call(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        point = torch.zeros(1, dtype=torch.int32)
        return torch.fake_quantize_per_tensor_affine(x, scale.abs(), point, -127, 127)

    agree(call, floats(3, 4), torch.tensor([0.0371]), calls=[(floats(2, 2), torch.tensor([0.13]))])


def test_learned_parameters() -> None:
    """A zero point that is a float is rounded and limited."""

    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        whole = torch._fake_quantize_learnable_per_tensor_affine(
            x, torch.tensor([0.0371]), torch.tensor([3.4]), 0, 255, 1.0
        )
        scales, points = torch.tensor([0.1, 0.037, 0.5]), torch.tensor([0.6, 3, -4])
        each = torch._fake_quantize_learnable_per_channel_affine(
            x, scales, points, 1, -128, 127, 1.0
        )
        return whole, each

    agree(both, floats(4, 3))


def prepared(observing: bool) -> nn.Module:
    """A module of quantization-aware training, as it is before `convert`."""
    torch.manual_seed(0)
    model = nn.Sequential(quantization.QuantStub(), nn.Linear(4, 3), nn.ReLU()).train()
    model.qconfig = quantization.get_default_qat_qconfig("x86")
    quantization.prepare_qat(model, inplace=True)
    model(floats(9, 4))
    model.eval()
    if not observing:
        model.apply(quantization.disable_observer)
    return model


def test_modules_in_training() -> None:
    """Observers that are off leave nothing; the rest is QuantizeLinear and DequantizeLinear."""
    with engine("x86"), quietly():
        model = prepared(observing=False)
        agree(model, floats(5, 4), calls=[(floats(2, 4),)], off=0.1, step=0.1)
        found = op_types(model, floats(5, 4))
    assert {"QuantizeLinear", "DequantizeLinear"} <= found


def test_observers_that_are_on_are_refused() -> None:
    """They would change the scale at each call."""
    with engine("x86"), quietly():
        refuses(prepared(observing=True), floats(5, 4), match="disable_observer")
