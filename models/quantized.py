"""Quantized models: a static one, calibrated and with weights by channel, and a dynamic one."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.ao import quantization
from torch.ao.nn.quantized import FloatFunctional

from models.sample import Sample, seeded, token_ids, uniform

#: The engine whose weights are packed; archives hold them unpacked.
ENGINE = "x86"


class PowerOfTwoObserver(quantization.MinMaxObserver):
    """Takes the range that was seen, and for its scale the next power of two.

    Floats add up to other last bits on another CPU; a scale and a zero point that are rounded so
    coarsely are the same everywhere, and products with such a scale are exact.
    """

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Return the scale and the zero point of the range."""
        scale = torch.exp2(torch.ceil(torch.log2(super().calculate_qparams()[0])))
        lowest = torch.clamp(self.min_val, max=0.0)
        return scale, -torch.round(lowest / scale).to(torch.int)


class QuantizedCNN(nn.Module):
    """Classifies images: a stem, a residual block, a linear head."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.quant = quantization.QuantStub()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(width, width, 3, padding=1, groups=2)
        self.sum = FloatFunctional()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, classes)
        self.dequant = quantization.DeQuantStub()

    def forward(self, images: Tensor) -> Tensor:
        """Return one row of logits per image."""
        x = self.relu(self.norm(self.stem(self.quant(images))))
        x = self.sum.add_relu(x, self.conv(x))
        logits: Tensor = self.dequant(self.head(torch.flatten(self.pool(x), 1)))
        return logits


def images(seed: int, batch: int, size: int) -> Tensor:
    """Random images, of numbers in [-1, 1)."""
    return uniform(seed, batch, 3, size, size) * 2 - 1


def quantized_cnn(width: int = 32, classes: int = 10) -> Sample:
    """Quantize the network after training, with two numbers of images.

    Activations have 7 bits: x86 kernels without VNNI add products in 16 bits, which then suffice.
    """
    torch.backends.quantized.engine = ENGINE
    with seeded(), warnings.catch_warnings():
        # PyTorch calls this kind of quantization deprecated at every step.
        warnings.simplefilter("ignore")
        network = QuantizedCNN(width, classes).eval()
        network = quantization.fuse_modules(network, [["stem", "norm", "relu"]])
        network.qconfig = quantization.QConfig(
            activation=PowerOfTwoObserver.with_args(reduce_range=True),
            weight=quantization.default_per_channel_weight_observer,
        )
        quantization.prepare(network, inplace=True)
        network(images(0, 64, 16))
        quantization.convert(network, inplace=True)
    return Sample(network, [(images(seed, seed, 16),) for seed in (1, 3)])


class QuantizedTagger(nn.Module):
    """Tags the words of sentences: an embedding, a bidirectional LSTM, a linear head."""

    def __init__(self, vocabulary: int, width: int, tags: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, tags)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits for each word."""
        logits: Tensor = self.head(self.lstm(self.embedding(tokens))[0])
        return logits


def quantized_tagger(vocabulary: int = 100, width: int = 32) -> Sample:
    """Quantize the weights, and inputs as they come; two numbers and lengths of sentences."""
    torch.backends.quantized.engine = ENGINE
    with seeded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tagger = QuantizedTagger(vocabulary, width, tags=5).eval()
        layers = {nn.LSTM, nn.Linear}
        tagger = quantization.quantize_dynamic(tagger, layers)
    sizes = ((1, 2, 7), (2, 3, 11), (3, 1, 1))
    return Sample(tagger, [(token_ids(seed, vocabulary, b, t),) for seed, b, t in sizes])
