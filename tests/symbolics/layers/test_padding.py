"""Padding agrees with PyTorch in every mode, pads below zero included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.symbolics.harness import check

torch.manual_seed(0)
X = torch.randn(2, 3, 5, 6)
PADS = [[1, 2, 0, 3], [2, -1, 1, 0], [-1, -2, 2, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("pads", PADS)
def test_images(mode: str, pads: list[int]) -> None:
    """Known sizes and sizes of run time."""
    calls = [(torch.randn(1, 3, 4, 7),)]
    check(lambda x: F.pad(x, pads, mode), X, opsets=(11, 20))
    check(lambda x: F.pad(x, pads, mode), X, opsets=(20,), dynamic=True, calls=calls)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_other_ranks(mode: str) -> None:
    """Rows and volumes, with and without a batch dim."""
    check(lambda x: F.pad(x, [2, 1], mode), X[0])
    check(lambda x: F.pad(x, [1, 0, 2, 1, 1, 1], mode), X[None], opsets=(20,))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float16, torch.uint8])
def test_dtypes(dtype: torch.dtype) -> None:
    """The value takes on the dtype."""
    check(lambda x: F.pad(x, [1, 1, 0, 0, 2, 0], value=1.0), X.to(dtype))


def test_pads_of_run_time() -> None:
    """To a multiple of four, as image models do."""

    def to_multiple(x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return F.pad(x, [0, (4 - width % 4) % 4, 0, (4 - height % 4) % 4])

    calls = [(torch.randn(1, 3, 8, 9),), (torch.randn(1, 3, 7, 4),)]
    check(to_multiple, X, mode="script", dynamic=True, calls=calls)


def padded(x: Tensor, before: int, after: int, mode: str) -> Tensor:
    return F.pad(x, [before, 1, 2, after], mode)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_amounts_of_run_time(mode: str) -> None:
    """They may be inputs, and then turn out to take away."""
    calls = [(X, b, a, mode) for b, a in ((-1, 2), (0, -2), (-2, -1), (3, 0))]
    bound = torch.jit.script(padded)
    check(bound, X, 1, 2, mode, mode="script", opsets=(20,), dynamic=True, calls=calls)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_sequences(first: bool, side: str) -> None:
    """Any of them may be the longest."""
    three = [torch.randn(n, 2) for n in (3, 5, 1)]
    more = [torch.randn(n, 2) for n in (4, 2, 6)]

    def stacked(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return torch._C._nn.pad_sequence([a, b, c], first, -1.5, side)

    check(stacked, *three)
    check(stacked, *three, opsets=(20,), dynamic=True, calls=[more])
