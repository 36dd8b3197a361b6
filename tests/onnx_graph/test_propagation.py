"""Integers that are known as expressions stay so through arithmetic and comparisons of tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.conversion.harness import check


class Cropped(nn.Module):
    """The ratio is a buffer, so that lengths are compared as tensors."""

    def __init__(self, ratio: int) -> None:
        super().__init__()
        self.register_buffer("ratio", torch.tensor([1, ratio]))
        self.up = nn.ConvTranspose1d(2, 2, 4, stride=4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(x)
        if y.shape[-1] > x.shape[-1] * self.ratio[1]:
            y = y[..., : x.shape[-1] * self.ratio[1]]
        return y


def test_sizes_compared_as_tensors() -> None:
    """What holds for all sizes decides the branch; what some sizes decide stays an `If`."""
    calls = [(torch.randn(1, 2, length),) for length in (3, 5, 1)]
    for ratio, decided in ((4, True), (5, True), (0, False)):
        exported = check(Cropped(ratio).eval(), *calls, dynamic_axes={"x": {2: "time"}})
        assert ("If" not in exported.report.operators) == decided, ratio


def compared(x: Tensor) -> Tensor:
    rows = torch.tensor([x.shape[0], x.shape[0] + 1, 3])
    more = rows + torch.tensor([1, 0, -1])
    return torch.stack([rows < more, rows >= more, rows == more, rows <= more, rows > more])


def test_comparisons_that_hold_for_all_sizes() -> None:
    calls = [(torch.randn(rows),) for rows in (3, 2, 0)]
    exported = check(compared, *calls, dynamic_axes={"x": {0: "n"}})
    assert not {"Less", "Equal", "Greater"} & set(exported.report.operators)
