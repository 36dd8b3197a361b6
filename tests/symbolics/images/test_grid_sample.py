"""Sampling at the points of a grid agrees with PyTorch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.symbolics.harness import check

torch.manual_seed(0)
IMAGE, VOLUME = torch.randn(2, 3, 5, 7), torch.randn(2, 3, 4, 5, 6)
POINTS, POINTS_3D = torch.rand(2, 4, 6, 2) * 3 - 1.5, torch.rand(2, 3, 4, 5, 3) * 3 - 1.5


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [False, True])
def test_grid_sample(mode: str, padding: str, align: bool) -> None:
    """Points outside included."""

    def sampled(x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        return F.grid_sample(x, grid, mode, padding, align)

    check(sampled, IMAGE, POINTS, opsets=(13, 17, 20))
    check(sampled, IMAGE, POINTS, opsets=(20,), dynamic=True)
    if mode != "bicubic":
        check(sampled, VOLUME, POINTS_3D, opsets=(17, 20))


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
@pytest.mark.parametrize("align", [False, True])
def test_affine_grid(align: bool) -> None:
    """Images and volumes, single rows, and a size taken from another tensor."""
    flat, deep = torch.randn(2, 2, 3), torch.randn(2, 3, 4)
    check(lambda t: F.affine_grid(t, [2, 3, 5, 7], align), flat)
    check(lambda t: F.affine_grid(t, [2, 3, 1, 4], align), flat)
    check(lambda t: F.affine_grid(t, [2, 3, 4, 5, 6], align), deep)
    check(
        lambda t, x: F.affine_grid(t, x.size(), align),
        flat,
        IMAGE,
        dynamic=True,
        calls=[(flat, IMAGE[:, :, :3])],
    )
