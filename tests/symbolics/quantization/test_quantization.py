"""Quantizing, dequantizing, and asking quantized tensors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import exporter
from exporter.errors import ExportError
from tests.symbolics.harness import refuses
from tests.symbolics.quantizing import agree, quietly

quantize = torch.quantize_per_tensor


def floats(*shape: int, scale: float = 3.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


CALLS = [(floats(2, 5, seed=1),), (torch.full((1, 3), 1e9),), (torch.empty(0, 4),)]


@pytest.mark.parametrize(("dtype", "zero_point"), [("quint8", 7), ("qint8", -3), ("qint32", 1000)])
def test_per_tensor(dtype: str, zero_point: int) -> None:
    """Integers and numbers; what is out of range is saturated. No number here is in the middle."""

    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        q = quantize(x, 0.0371, zero_point, getattr(torch, dtype))
        return q.int_repr(), q.dequantize()

    # onnxruntime saturates 32 bits in double, PyTorch after float32: 1e9 is left out for them.
    calls = CALLS if dtype != "qint32" else [CALLS[0], CALLS[2]]
    agree(both, floats(3, 4), calls=calls)


@pytest.mark.parametrize("dtype", [torch.quint8, torch.qint8])
def test_the_middle_is_rounded_to_even(dtype: torch.dtype) -> None:
    """With an even zero point; with an odd one PyTorch, which adds it before, rounds otherwise."""
    halves = torch.arange(-40, 40) * 0.25
    agree(lambda x: quantize(x, 0.5, 4, dtype).int_repr(), halves)
    agree(lambda x: quantize(x, 0.5, 5, dtype).dequantize(), halves, off=0.5, step=0.5)


@pytest.mark.parametrize("dtype", [torch.quint8, torch.qint8, torch.qint32])
@pytest.mark.parametrize("axis", [0, 1])
def test_per_channel(dtype: torch.dtype, axis: int) -> None:
    """A scale and a zero point for each index along an axis."""
    scales = torch.tensor([0.1, 0.037, 0.29], dtype=torch.float64)
    points = torch.tensor([3, 0, 20])

    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        q = torch.quantize_per_channel(x, scales, points, axis, dtype)
        return q.int_repr(), q.dequantize()

    agree(both, floats(3, 3), calls=[(floats(3, 3, seed=5),)])


def test_float_zero_points() -> None:
    """Tables of embeddings: (integer - zero point) * scale, with zero points that are floats."""
    scales, points = torch.tensor([0.1, 0.037]), torch.tensor([3.3, 100.7])

    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        q = torch.quantize_per_channel(x, scales, points, 0, torch.quint8)
        return q.int_repr(), q.dequantize()

    agree(both, floats(2, 30))


def test_parameters_of_the_run() -> None:
    """A scale and a zero point that are computed."""

    def both(x: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, ...]:
        q = quantize(x, scale.abs(), torch.tensor(3), torch.quint8)
        r = torch.relu(q)
        return q.int_repr(), r.dequantize(), torch.tensor(r.q_zero_point())

    inputs = floats(3, 4), torch.tensor(0.0371)
    agree(both, *inputs, calls=[(floats(1, 2), torch.tensor(0.5129))])


def test_several_tensors() -> None:
    """`quantize_per_tensor` and `dequantize` of lists."""

    def both(x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        scales, points = torch.tensor([0.0371, 0.219]), torch.tensor([3, 100])
        return torch.dequantize(quantize([x, y], scales, points, torch.quint8))

    agree(both, floats(3, 4), floats(2))


class Dynamic(torch.nn.Module):
    """Quantized by its own range; scripted, since a trace records the scale that it saw."""

    def __init__(self, dtype: torch.dtype, reduced: bool) -> None:
        super().__init__()
        self.dtype = dtype
        self.reduced = reduced

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float, int]:
        """The integers and the numbers, and the scale and zero point as a program's numbers."""
        q = torch.quantize_per_tensor_dynamic(x, self.dtype, self.reduced)
        return q.int_repr(), q.dequantize(), q.q_scale(), q.q_zero_point()


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("dtype", [torch.quint8, torch.qint8])
def test_by_its_own_range(dtype: torch.dtype, reduced: bool) -> None:
    """The scale is a double, and has a least value; a range of nothing has the scale 0.1."""
    calls = [
        (floats(2, 5, seed=1).abs(),),
        (-floats(2, 5, seed=1).abs(),),
        (floats(2, 5) * 1e-6,),
        (floats(2, 5) * 1e-42,),
        (torch.zeros(2, 2),),
        (floats(2, 5) * 1e20,),
    ]
    with quietly():
        model = torch.jit.script(Dynamic(dtype, reduced))
    agree(model, floats(3, 4), calls=calls, rtol=0, atol=0)


def questions(x: torch.Tensor) -> tuple[float, int, bool, bool, int, torch.Tensor]:
    """What is known without a run."""
    q = torch.quantize_per_tensor(x, 0.1, 3, torch.qint8)
    c = torch.quantize_per_channel(
        x, torch.tensor([0.1, 0.2]), torch.tensor([3, 4]), 1, torch.quint8
    )
    assert q.dtype == torch.qint8
    scales = c.q_per_channel_scales() + c.q_per_channel_zero_points()
    return (
        q.q_scale(),
        q.q_zero_point(),
        q.is_quantized,
        x.is_quantized,
        c.q_per_channel_axis(),
        scales,
    )


def test_questions() -> None:
    """The scale is the double that was given."""
    with quietly():
        agree(torch.jit.script(questions), floats(3, 2), dynamic=False, rtol=0, atol=0)


def test_quantized_inputs_and_outputs_are_refused() -> None:
    """A quantized tensor is no ONNX value."""
    refuses(lambda x: quantize(x, 0.1, 3, torch.quint8), floats(2), match="dequantize")
    with quietly():
        q = quantize(floats(2), 0.1, 3, torch.quint8)
        refuses(lambda q: q.dequantize(), q, match="quantized tensor as argument")


def test_operators_that_take_no_quantized_tensors() -> None:
    """Nothing takes the integers for the numbers that they stand for."""
    with quietly():
        scripted = torch.jit.script(wrong)
        refuses(scripted, floats(2), match="quantized", mode="script")


def wrong(x: torch.Tensor) -> torch.Tensor:
    """PyTorch has no kernel for this either."""
    return torch.quantize_per_tensor(x, 0.1, 3, torch.quint8) + 1


def test_channels_need_opset_13() -> None:
    """Before, DequantizeLinear had one scale."""
    scales, points = torch.tensor([0.1, 0.2]), torch.tensor([0, 3])
    refuses(
        lambda x: torch.quantize_per_channel(x, scales, points, 0, torch.qint8).dequantize(),
        floats(2, 2),
        match="per channel, at opset 12; opset 13 has that",
        opset=12,
    )


def test_a_trace_of_quantized_tensors_is_refused(tmp_path: Path) -> None:
    """Its archive says what it was traced with."""
    with quietly():
        q = quantize(floats(2), 0.1, 3, torch.quint8)
        torch.jit.trace(Dequantized(), q).save(tmp_path / "model.pt")
    with pytest.raises(ExportError, match="the argument q is a quantized tensor"):
        exporter.export(tmp_path / "model.pt")


class Dequantized(torch.nn.Module):
    """Of a quantized argument."""

    def forward(self, q: torch.Tensor) -> torch.Tensor:
        """Its numbers."""
        return q.dequantize()
