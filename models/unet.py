"""A small U-Net whose way up interpolates to the size of what it is joined with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.sample import Sample, normal, seeded


class DoubleConv(nn.Module):
    """Two convolutions with batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep height and width."""
        y: Tensor = self.layers(x)
        return y


class UNet(nn.Module):
    """Two levels down and two up, with the way down joined to the way up at each level."""

    def __init__(self, width: int, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.enter = DoubleConv(3, width)
        self.down1 = DoubleConv(width, 2 * width)
        self.down2 = DoubleConv(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.up1 = DoubleConv(6 * width, 2 * width)
        self.up2 = DoubleConv(3 * width, width)
        self.head = nn.Conv2d(width, 1, 1)

    def enlarge(self, x: Tensor, like: Tensor) -> Tensor:
        """Interpolate to the size of `like`: twice x, or one more where pooling lost a row."""
        if self.mode == "nearest":
            return functional.interpolate(x, scale_factor=2.0, mode="nearest")
        size = [like.size(2), like.size(3)]
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return a mask of the image's size with values in (0, 1)."""
        first = self.enter(image)
        second = self.down1(self.pool(first))
        x = self.down2(self.pool(second))
        x = self.up1(torch.cat((second, self.enlarge(x, second)), dim=1))
        x = self.up2(torch.cat((first, self.enlarge(x, first)), dim=1))
        return torch.sigmoid(self.head(x))


def unet(width: int = 8, size: int = 64, mode: str = "nearest") -> Sample:
    """Build the network; only the bilinear one takes sizes that pooling can't halve evenly."""
    with seeded():
        network = UNet(width, mode)
    odd = 0 if mode == "nearest" else 3
    images = [normal(1, 1, 3, size, size), normal(2, 2, 3, size + 8 + odd, size + 4 + odd)]
    return Sample(network, [(image,) for image in images])
