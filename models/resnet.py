"""ResNet-18 (He et al., 2015), with the parameter names that published weights have.

A state dict of torchvision's resnet18 loads into it as it is and gives the same results. `width`
and `blocks` make a narrow and shallow one of a few KB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.sample import Sample, normal, seeded, traced, uniform


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which a 1x1 convolution fits where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Add the convolutions' result to the shortcut."""
        shortcut = x
        if self.downsample is not None:
            shortcut = self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += shortcut
        out: Tensor = self.relu(y)
        return out


class ResNet(nn.Module):
    """Four stages; each after the first halves the size and doubles the width.

    A stage has two blocks in ResNet-18.
    """

    def __init__(self, width: int = 64, classes: int = 1000, blocks: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(width, width, blocks, stride=1)
        self.layer2 = _stage(width, 2 * width, blocks, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, blocks, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, blocks, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return one row of logits per image."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = torch.flatten(self.avgpool(x), 1)
        logits: Tensor = self.fc(x)
        return logits


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    more = (BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1))
    return nn.Sequential(BasicBlock(inputs, outputs, stride), *more)


class NormalizedResNet(nn.Module):
    """Takes the channels' means from an image, then calls a traced ResNet; to be scripted."""

    def __init__(self, resnet: ResNet, example: Tensor) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1))
        self.resnet = traced(resnet, (example,))

    def forward(self, image: Tensor) -> Tensor:
        """Return one row of logits per image with values in 0..255."""
        logits: Tensor = self.resnet(image - self.means)
        return logits


def resnet18(width: int = 64, classes: int = 1000, blocks: int = 2) -> ResNet:
    """Build the network in eval mode, with batch norm statistics as if it had been trained.

    The initial statistics, mean 0 and variance 1, would hide a converter that mixes them up.
    """
    with seeded():
        network = ResNet(width, classes, blocks)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.2)
                nn.init.uniform_(module.running_var, 0.8, 1.6)
    network.eval()
    return network


def _images(size: int) -> list[Tensor]:
    return [uniform(seed, batch, 3, size, size) for seed, batch in ((1, 1), (2, 2))]


def resnet18_sample(
    width: int = 64, size: int = 224, classes: int = 1000, blocks: int = 2
) -> Sample:
    """Build the network, with two batch sizes."""
    return Sample(resnet18(width, classes, blocks), [(image,) for image in _images(size)])


def layer1_sample(width: int = 64, size: int = 224, classes: int = 1000, blocks: int = 2) -> Sample:
    """Build the first stage as a part of the compiled network: no trace has seen it alone."""
    quarter = size // 4
    first, second = normal(1, 1, width, quarter, quarter), normal(2, 2, width, quarter, quarter)
    network, image = resnet18(width, classes, blocks), _images(size)[0]
    return Sample(network, [(first,), (second,)], part="layer1", example=(image,))


def normalized_sample(
    width: int = 64, size: int = 224, classes: int = 1000, blocks: int = 2
) -> Sample:
    """Build the scripted module around the traced network."""
    images = _images(size)
    network = NormalizedResNet(resnet18(width, classes, blocks), images[0])
    return Sample(network, [(image * 255,) for image in images])
