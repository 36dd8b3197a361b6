"""Convolutions with quantized weights: packed by the program, or held packed."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.ao import quantization

import exporter
from tests.symbolics.harness import refuses
from tests.symbolics.quantizing import ENGINES, agree, engine, quietly

ops = torch.ops.quantized


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weight(*shape: int, channels: bool = False) -> torch.Tensor:
    """A quantized weight, per channel with scales that differ."""
    values = images(*shape, seed=9)
    if not channels:
        return torch.quantize_per_tensor(values, 0.0213, 0, torch.qint8)
    scales = torch.linspace(0.011, 0.03, shape[0], dtype=torch.float64)
    points = torch.zeros(shape[0], dtype=torch.long)
    return torch.quantize_per_channel(values, scales, points, 0, torch.qint8)


class Layer(torch.nn.Module):
    """One convolution, whose weight the program packs itself."""

    def __init__(
        self, dims: int, channels: bool, relu: bool, groups: int = 1, transposed: bool = False
    ) -> None:
        super().__init__()
        shape = (4, 6 // groups) if not transposed else (6, 4 // groups)
        self.weight = weight(*shape, *[3] * dims, channels=channels)
        self.bias = images(4, seed=5) if relu else None
        kind = "conv_transpose" if transposed else "conv"
        extra = [[1] * dims] if transposed else []
        prepack = getattr(ops, f"{kind}{dims}d_prepack")
        settings = [[2] * dims, [1] * dims, *extra, [1] * dims]
        self.packed = prepack(self.weight, self.bias, *settings, groups)
        self.call = getattr(ops, f"{kind}{dims}d{'_relu' if relu else ''}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Quantized in between."""
        q = torch.quantize_per_tensor(x, 0.0171, 120, torch.quint8)
        return self.call(q, self.packed, 0.0731, 37).dequantize()


def held(layer: Layer, x: torch.Tensor) -> torch.jit.ScriptModule:
    """Traced: the packed weight is an attribute of the archive."""
    with quietly():
        return torch.jit.trace(layer, x, check_trace=False)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("channels", [False, True])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolution(dims: int, channels: bool, relu: bool) -> None:
    """A bias of 32-bit integers moves a few numbers by a step."""
    with engine("fbgemm"):
        x = images(2, 6, *[7] * dims)
        layer = held(Layer(dims, channels, relu), x)
        calls = [(images(3, 6, *[9] * dims, seed=3),)]
        opsets = (13, 20) if channels else (10, 20)
        agree(layer, x, calls=calls, off=0.02, step=0.0731, opsets=opsets)


@pytest.mark.parametrize("backend", [e for e in ENGINES if e != "onednn"])
@pytest.mark.parametrize("dims", [1, 2])
def test_transposed(dims: int, backend: str) -> None:
    """With an output padding, which onednn does not have."""
    with engine(backend):
        x = images(2, 6, *[7] * dims)
        layer = held(Layer(dims, False, False, transposed=True), x)
        agree(layer, x, off=0.02, step=0.0731, dynamic=False, opsets=(11, 20))


def test_groups() -> None:
    """Each group of channels on its own."""
    with engine("x86"):
        x = images(2, 6, 7, 7)
        agree(held(Layer(2, True, False, groups=2), x), x, off=0.02, step=0.0731, dynamic=False)


class Dynamic(torch.nn.Module):
    """The input is float, and is quantized by its own range."""

    def __init__(self, dims: int, transposed: bool = False) -> None:
        super().__init__()
        self.packed = Layer(dims, False, not transposed, transposed=transposed).packed
        kind = "conv_transpose" if transposed else "conv"
        self.call = getattr(ops, f"{kind}{dims}d_dynamic")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Floats come out."""
        return self.call(x, self.packed, True)


@pytest.mark.parametrize(("dims", "transposed"), [(1, False), (2, False), (2, True)])
def test_dynamic(dims: int, transposed: bool) -> None:
    """PyTorch rounds the result with the scale of the input, 0.04 to 0.06 here."""
    with engine("fbgemm"), quietly():
        x = images(2, 6, *[7] * dims)
        layer = torch.jit.trace(Dynamic(dims, transposed), x, check_trace=False)
        agree(layer, x, dynamic=False, opsets=(11, 20), off=0.05, step=0.07)


def packed_in_place(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """A weight that is an input: quantized, packed, unpacked and used by the program."""
    qw = torch.quantize_per_tensor(w, 0.0213, 0, torch.qint8)
    packed = ops.conv2d_prepack(qw, None, [1, 1], [0, 0], [1, 1], 1)
    again, _ = ops.conv2d_unpack(packed)
    q = torch.quantize_per_tensor(x, 0.0171, 120, torch.quint8)
    return ops.conv2d(q, packed, 0.0731, 37).dequantize() + again.dequantize().sum()


def test_packing_by_the_program() -> None:
    """`prepack` and `unpack` leave nothing behind."""
    with quietly():
        scripted = torch.jit.script(packed_in_place)
    agree(scripted, images(2, 3, 5, 5), images(4, 3, 2, 2), off=0.02, step=0.0731, dynamic=False,
          rtol=1e-4, atol=1e-4)  # fmt: skip


def test_a_quantized_input_is_wanted() -> None:
    """Floats are not quantized on the way."""
    layer = Layer(2, False, False)
    refuses(
        torch.jit.script(Floats(layer)), images(2, 6, 7, 7), match="a quantized tensor is wanted",
        mode="script",
    )  # fmt: skip


class Floats(torch.nn.Module):
    """A quantized layer on floats, which PyTorch refuses too."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.packed = layer.packed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Never gets there."""
        return ops.conv2d(x, self.packed, 0.1, 3).dequantize()


class Asked(torch.nn.Module):
    """What the settings of a packed weight are."""

    def __init__(self) -> None:
        super().__init__()
        self.packed = Layer(2, False, True).packed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All of them in one tensor."""
        stride = ops.conv2d_stride(self.packed)
        padding = ops.conv2d_padding(self.packed) + ops.conv2d_output_padding(self.packed)
        rest = [ops.conv2d_groups(self.packed), ops.conv2d_transpose(self.packed)]
        return x + torch.tensor(stride + padding + ops.conv2d_dilation(self.packed) + rest)


def test_settings() -> None:
    """They are numbers of the program."""
    with quietly():
        agree(torch.jit.script(Asked()), torch.zeros(1), opsets=(20,))


def test_names() -> None:
    """Initializers are called what PyTorch calls the weights of the module."""
    with engine("fbgemm"), quietly():
        model = nn.Sequential(quantization.QuantStub(), nn.Conv1d(6, 4, 3), nn.Conv1d(4, 3, 1))
        model.qconfig = quantization.get_default_qconfig("fbgemm")
        quantization.prepare(model.eval(), inplace=True)(images(2, 6, 7))
        quantization.convert(model, inplace=True)
        model = nn.Sequential(*model, torch.ao.nn.quantized.DeQuantize())
        exported = exporter.export(torch.jit.script(model), (images(2, 6, 7),))
    names = {name for name in exported.model.graph.initializers if not name.startswith("constant")}
    assert {"1.weight", "1.bias/quantized", "2.weight", "2.bias/quantized"} <= names
