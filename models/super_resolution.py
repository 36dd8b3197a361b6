"""Super resolution by sub-pixel convolution: the network works at the low resolution.

The last convolution makes factor² channels, and `PixelShuffle` turns them into a finer image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.sample import Sample, seeded, uniform


class SuperResolution(nn.Module):
    """Four convolutions and a pixel shuffle."""

    def __init__(self, factor: int, width: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, width, 5, padding=2)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, width // 2, 3, padding=1)
        self.conv4 = nn.Conv2d(width // 2, factor**2, 3, padding=1)
        self.pixel_shuffle = nn.PixelShuffle(factor)
        gain = nn.init.calculate_gain("relu")
        for conv in (self.conv1, self.conv2, self.conv3):
            nn.init.orthogonal_(conv.weight, gain)
        nn.init.orthogonal_(self.conv4.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge a batch of one-channel images."""
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        enlarged: Tensor = self.pixel_shuffle(self.conv4(x))
        return enlarged


def super_resolution(size: int = 224, width: int = 64) -> Sample:
    """Build the network that enlarges three times, with two batch sizes."""
    with seeded():
        network = SuperResolution(3, width)
    calls: list[tuple[torch.Tensor]] = [(uniform(1, 1, 1, size, size),)]
    calls.append((uniform(2, 2, 1, size, size),))
    return Sample(network, list(calls))
