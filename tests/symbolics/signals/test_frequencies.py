"""Frequencies and their order agree with PyTorch."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check


@pytest.mark.parametrize("n", [1, 4, 7])
def test_shifts(n: int) -> None:
    """Even and odd sizes; all dims, or one."""
    x = torch.randn(n, 5)
    calls = [(torch.randn(n + 1, 4),)]
    check(torch.fft.fftshift, x, dynamic=True, calls=calls)
    check(torch.fft.ifftshift, x, dynamic=True, calls=calls)
    check(lambda x: (torch.fft.fftshift(x, 0), torch.fft.ifftshift(x, (-1,))), x, opsets=(20,))


@pytest.mark.parametrize("n", [1, 4, 7])
def test_frequencies(n: int) -> None:
    """By count and distance."""

    def frequencies(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        size = x.size(0)
        return (
            x[0] + torch.fft.fftfreq(size),
            x[0] + torch.fft.rfftfreq(size, 0.5),
            x[0] * torch.fft.fftfreq(size, 2.0, dtype=torch.float64),
        )

    check(frequencies, torch.ones(n))
