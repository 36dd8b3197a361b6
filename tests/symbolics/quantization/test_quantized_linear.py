"""Linear layers with quantized weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.ao import quantization

from tests.symbolics.quantizing import ENGINES, agree, engine, op_types, quietly

ops = torch.ops.quantized


def floats(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weight(channels: bool) -> torch.Tensor:
    values = floats(5, 6, seed=9)
    if not channels:
        return torch.quantize_per_tensor(values, 0.0213, 0, torch.qint8)
    scales = torch.linspace(0.011, 0.03, 5, dtype=torch.float64)
    return torch.quantize_per_channel(values, scales, torch.zeros(5).long(), 0, torch.qint8)


class Layer(nn.Module):
    """A quantized linear layer whose weight is held packed."""

    def __init__(self, name: str, channels: bool, bias: bool, *rest: float) -> None:
        super().__init__()
        self.packed = ops.linear_prepack(weight(channels), floats(5) if bias else None)
        self.call = getattr(ops, name)
        self.rest = rest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Quantized in between."""
        q = torch.quantize_per_tensor(x, 0.0171, 120, torch.quint8)
        return self.call(q, self.packed, 0.0331, 37, *self.rest).dequantize()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("channels", [False, True])
@pytest.mark.parametrize("name", ["linear", "linear_relu"])
@pytest.mark.parametrize("backend", ["fbgemm", "qnnpack"])
def test_static(backend: str, name: str, channels: bool, bias: bool) -> None:
    """For matrices and for batches of them; a bias of 32-bit integers may move a step."""
    with engine(backend), quietly():
        layer = torch.jit.trace(Layer(name, channels, bias), floats(20, 6))
        # Below 11 a Gemm needs a bias, which onnxruntime then quantizes by operators of opset 11.
        opsets = (13, 20, 26) if channels else (11, 20, 26)
        calls = [(floats(30, 6, seed=1),)]
        agree(layer, floats(20, 6), calls=calls, off=0.05, step=0.0331, opsets=opsets)
        calls = [(floats(4, 5, 6),)]
        agree(layer, floats(2, 9, 6), calls=calls, off=0.05, step=0.0331, opsets=(20,))


def test_without_a_bias_it_is_exact() -> None:
    """The sums are of integers."""
    with engine("fbgemm"), quietly():
        layer = torch.jit.trace(Layer("linear", True, False), floats(20, 6))
        agree(layer, floats(500, 6))


def test_leaky_and_tanh() -> None:
    """Forms that onednn alone computes."""
    with engine("onednn"), quietly():
        for layer in (
            Layer("linear_leaky_relu", True, True, 0.1),
            Layer("linear_tanh", True, True),
        ):
            traced = torch.jit.trace(layer, floats(20, 6))
            agree(traced, floats(20, 6), off=0.05, step=0.0331, opsets=(20,))


def dynamic(dtype: torch.dtype = torch.qint8) -> nn.Module:
    """Two layers and an activation."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4, bias=False)).eval()
    return quantization.quantize_dynamic(model, {nn.Linear}, dtype)


@pytest.mark.parametrize("mode", ["trace", "script"])
def test_dynamic(mode: str) -> None:
    """Equal to float tolerance: the scale and the zero point of the run are PyTorch's."""
    with engine("x86"), quietly():
        calls = [(floats(7, 6, seed=1),), (floats(1, 6) * 1e-5,), (torch.zeros(3, 6),)]
        calls += [(floats(0, 6),), (floats(2, 6).abs(),)]
        agree(dynamic(), floats(3, 6), mode=mode, calls=calls, opsets=(11, 20, 26))
        agree(dynamic(), floats(3, 5, 6), mode=mode, calls=[(floats(2, 1, 6),)], opsets=(20,))


def test_dynamic_of_qnnpack() -> None:
    """It does not heed `reduce_range`: results are off by what half a step of the input makes."""
    with engine("qnnpack"), quietly():
        agree(dynamic(), floats(3, 6), off=1.0, step=0.05, opsets=(20,))


@pytest.mark.parametrize("backend", [e for e in ENGINES if e in ("fbgemm", "x86")])
def test_half(backend: str) -> None:
    """Weights in float16."""
    with engine(backend), quietly():
        agree(dynamic(torch.float16), floats(3, 6), mode="script", calls=[(floats(2, 6),)])


class Reused(nn.Module):
    """Packing, unpacking and forms that take a scale beside floats."""

    def __init__(self) -> None:
        super().__init__()
        self.packed = ops.linear_prepack(weight(True), floats(5))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The weight, and two products of floats."""
        w, b = ops.linear_unpack(self.packed)
        again = ops.linear_prepack(w, b)
        y = ops.linear_relu_dynamic(x, again, True)
        z = ops.linear_with_input_q_dq_qweight_dq_output_fp32(x, 0.0171, 120, self.packed)
        return w.dequantize(), y, z


def test_packing_by_the_program() -> None:
    """Nothing of it is in the graph."""
    with engine("x86"), quietly():
        agree(torch.jit.script(Reused()), floats(3, 6), opsets=(20,))


def test_integer_products() -> None:
    """Of floats, runtimes multiply integers; of quantized tensors they find the form they know."""
    with engine("x86"), quietly():
        assert "MatMulInteger" in op_types(dynamic(), floats(3, 6))
        found = op_types(
            torch.jit.trace(Layer("linear_relu", True, True), floats(3, 6)), floats(3, 6)
        )
    assert found == {"QuantizeLinear", "DequantizeLinear", "Gemm", "Relu"}


class EarlierNames(nn.Module):
    """The same operators in the namespace that they were in first."""

    def __init__(self) -> None:
        super().__init__()
        self.packed = torch.ops._quantized.linear_prepack(weight(True), floats(5))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Static and dynamic."""
        q = torch.quantize_per_tensor(x, 0.0171, 120, torch.quint8)
        static = torch.ops._quantized.linear(q, self.packed, 0.0331, 37)
        return static.dequantize(), torch.ops._quantized.linear_dynamic(x, self.packed)


def test_earlier_names() -> None:
    with engine("fbgemm"), quietly():
        agree(EarlierNames(), floats(20, 6), off=0.05, step=0.0331, opsets=(20,))
