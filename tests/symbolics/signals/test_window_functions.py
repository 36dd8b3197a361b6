"""Window functions."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

NAMES = ["hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [0, 1, 2, 7, 16])
def test_windows(name: str, length: int) -> None:
    window = getattr(torch, name)
    check(
        lambda x: (window(length), window(length, periodic=False), x), torch.ones(1), opsets=(20,)
    )
    check(lambda x: (window(length, dtype=torch.float64), x), torch.ones(1), opsets=(20,))


def test_parameters() -> None:
    check(
        lambda x: (torch.hamming_window(6, True, 0.6), torch.hamming_window(6, True, 0.6, 0.3), x),
        torch.ones(1),
    )
    check(lambda x: (torch.kaiser_window(6, True, 5.0), x), torch.ones(1))
