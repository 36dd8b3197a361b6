"""Modules that PyTorch's eager and FX quantization made, converted and compared with PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import quantize_fx

from tests.symbolics.quantizing import ENGINES, agree, engine, op_types, quietly


class Residual(nn.Module):
    """Convolutions, one fused with its norm and activation, a sum, a pool, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = quantization.QuantStub()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, stride=1, groups=2, bias=False)
        self.sum = FloatFunctional()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 5)
        self.dequant = quantization.DeQuantStub()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores of images."""
        x = self.relu(self.bn(self.conv(self.quant(x))))
        x = self.sum.add_relu(x, self.grouped(x))
        return self.dequant(self.fc(torch.flatten(self.pool(x), 1)))


def images(batch: int = 2, size: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


def statically(model: nn.Module, backend: str, *example: torch.Tensor) -> nn.Module:
    """Quantize in eager mode, calibrated by one example."""
    with quietly():
        model.qconfig = quantization.get_default_qconfig(backend)
        quantization.prepare(model, inplace=True)
        model(*example)
        return quantization.convert(model, inplace=True)


def residual(backend: str) -> nn.Module:
    torch.manual_seed(0)
    with quietly():
        model = quantization.fuse_modules(Residual().eval(), [["conv", "bn", "relu"]])
    return statically(model, backend, images(4))


def last_steps(model: nn.Module) -> float:
    """Two steps of the last layer: it rounds sums of what was rounded before."""
    return 2 * float(model.fc.scale)


@pytest.mark.parametrize("mode", ["trace", "script"])
@pytest.mark.parametrize("backend", ENGINES)
def test_static_eager(backend: str, mode: str) -> None:
    """Per tensor (qnnpack) or per channel weights; what PyTorch rounds is rounded alike."""
    with engine(backend):
        model = residual(backend)
        calls = [(images(15, seed=1),), (images(10, 13, seed=2),)]
        # Biases of 32 bits, and sums in fixed point (qnnpack), move a few numbers of each layer by
        # a step of that layer.
        agree(model, images(16), mode=mode, calls=calls, off=0.4, step=last_steps(model))


def test_runtimes_see_quantize_and_dequantize() -> None:
    """The graph has the float operators between QuantizeLinear and DequantizeLinear."""
    with engine("x86"):
        found = op_types(torch.jit.script(residual("x86")), images())
    assert found == {
        "QuantizeLinear",
        "DequantizeLinear",
        "Conv",
        "Relu",
        "Add",
        "GlobalAveragePool",
        "Flatten",
        "Gemm",
    }


@pytest.mark.parametrize("backend", ENGINES)
def test_static_fx(backend: str) -> None:
    """Graph mode makes the same layers; sums become quantized::add."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
            self.up = nn.ConvTranspose2d(6, 6, 2, stride=2)
            self.fc = nn.Linear(6, 4)

        def forward(self, x):  # FX can't script annotations that are texts
            x = self.conv(x)
            y = torch.cat([x, torch.sigmoid(x)], 1)[:, 3:9]
            y = nn.functional.max_pool2d(y * x + x, 2)
            y = self.up(y)
            return self.fc(y.mean([2, 3]))

    torch.manual_seed(1)
    with engine(backend), quietly():
        mapping = quantization.get_default_qconfig_mapping(backend)
        # PyTorch has no transposed convolution by channels.
        mapping.set_object_type(nn.ConvTranspose2d, quantization.default_qconfig)
        prepared = quantize_fx.prepare_fx(Block().eval(), mapping, (images(),))
        for seed in range(3):
            prepared(images(4, 10, seed))
        model = quantize_fx.convert_fx(prepared)
        step = last_steps(model)
        agree(model, images(8, 10), calls=[(images(9, 14, 7),)], off=0.5, step=step)
        agree(model, images(8, 10), mode="script", opsets=(20,), off=0.5, step=step)


@pytest.mark.parametrize("reduced", [False, True])
def test_quantization_aware(reduced: bool) -> None:
    """Trained with fake quantization, then converted: QAT's fused modules."""
    torch.manual_seed(2)
    with engine("fbgemm"), quietly():
        model = Residual().train()
        model = quantization.fuse_modules_qat(model, [["conv", "bn", "relu"]])
        qconfig = quantization.get_default_qat_qconfig("fbgemm" if reduced else "onednn")
        model.qconfig = qconfig
        quantization.prepare_qat(model, inplace=True)
        for seed in range(3):
            model(images(4, seed=seed))
        converted = quantization.convert(model.eval())
        agree(converted, images(16), calls=[(images(13),)], off=0.4, step=last_steps(converted))


def test_archive(tmp_path: Path) -> None:
    """An archive converts like the live module."""
    with engine("x86"), quietly():
        model = residual("x86")
        path = tmp_path / "model.pt"
        torch.jit.script(model).save(path)
        agree(torch.jit.load(path), images(16), opsets=(20,), off=0.4, step=last_steps(model))


def packed(**settings: Any) -> nn.Module:
    """A module that holds packed weights themselves, as graphs with folded packing do."""
    weight = torch.quantize_per_tensor(torch.randn(4, 2, 3, 3), 0.1, 0, torch.qint8)
    plane = torch.quantize_per_channel(
        torch.randn(4, 2, 3), torch.rand(4) + 0.1, torch.zeros(4, dtype=torch.long), 0, torch.qint8
    )

    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.ops.quantized.conv2d_prepack(
                weight, torch.randn(4), [1, 2], [1, 0], [1, 1], 1
            )
            self.plane = torch.ops.quantized.conv1d_prepack(plane, None, [2], [1], [1], 1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            q = torch.quantize_per_tensor(x, 0.02, 128, torch.quint8)
            y = torch.ops.quantized.conv2d(q, self.conv, 0.1, 30).dequantize()
            z = torch.ops.quantized.conv1d_relu(q[:, :, 0], self.plane, 0.1, 3).dequantize()
            return y, z

    return Packed(**settings)


def test_packed_weights_of_an_archive(tmp_path: Path) -> None:
    """The second version of their format, which PyTorch writes."""
    torch.manual_seed(3)
    with quietly():
        torch.jit.script(packed()).save(tmp_path / "packed.pt")
        model = torch.jit.load(tmp_path / "packed.pt")
        agree(model, torch.randn(2, 2, 6, 7), off=0.05, step=0.1, dynamic=False)


def test_frozen() -> None:
    """`torch.jit.freeze` makes constants of packed weights."""
    with engine("x86"), quietly():
        model = residual("x86")
        frozen = torch.jit.freeze(torch.jit.script(model))
        agree(frozen, images(16), opsets=(20,), off=0.4, step=last_steps(model))


class Custom(nn.Module):
    """A layer that PyTorch replaces by one of quantized parts."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.quant = quantization.QuantStub()
        self.layer = layer
        self.dequant = quantization.DeQuantStub()
        self.is_attention = isinstance(layer, nn.MultiheadAttention)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The first result."""
        x = self.quant(x)
        y = self.layer(x, x, x) if self.is_attention else self.layer(x)
        return self.dequant(y[0])


@pytest.mark.parametrize("kind", ["LSTM", "MultiheadAttention"])
def test_layers_of_quantized_parts(kind: str) -> None:
    """Static quantization of recurrent layers and of attention."""
    torch.manual_seed(4)
    layer = nn.LSTM(8, 4) if kind == "LSTM" else nn.MultiheadAttention(8, 2)
    observed = getattr(torch.ao.nn.quantizable, kind)
    prepared = {type(layer): observed}
    converted = {observed: getattr(torch.ao.nn.quantized, kind)}
    with engine("x86"), quietly():
        model = Custom(layer).eval()
        model.qconfig = quantization.default_qconfig
        model = quantization.prepare(
            model,
            prepare_custom_config_dict={"float_to_observed_custom_module_class": prepared},
        )
        for _ in range(3):
            model(torch.randn(4, 5, 8))
        model = quantization.convert(
            model,
            convert_custom_config_dict={"observed_to_quantized_custom_module_class": converted},
        )
        agree(model, torch.randn(4, 5, 8), opsets=(13, 20), off=0.2, step=0.03, dynamic=False)
