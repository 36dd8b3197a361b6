"""Windows as columns and back, and channels moved to space and back, agree with PyTorch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.symbolics.harness import check

torch.manual_seed(0)
X = torch.randn(2, 3, 7, 8)
WINDOWS = [((3, 2), 1, 0, 1), ((2, 3), (2, 1), 1, (2, 3)), (2, 3, (1, 0), 1)]


@pytest.mark.parametrize("window", WINDOWS)
def test_unfold_and_fold(window: tuple[object, ...]) -> None:
    """With and without a batch dim; sums where windows overlap."""
    calls = [(torch.randn(1, 3, 9, 6),)]
    check(lambda x: F.unfold(x, *window), X, dynamic=True, calls=calls)
    check(lambda x: F.unfold(x, *window), X[0], opsets=(20,))
    columns = F.unfold(X, *window)
    check(lambda c: F.fold(c, (7, 8), *window), columns)
    check(lambda c: F.fold(c, (7, 8), *window), columns[0], opsets=(20,), dynamic=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_shuffles(dtype: torch.dtype) -> None:
    """Any number of leading dims."""
    x = (torch.randn(2, 12, 4, 6) * 9).to(dtype)
    for function in (
        lambda x: F.pixel_shuffle(x, 2),
        lambda x: F.pixel_unshuffle(x, 2),
    ):
        check(function, x)
        check(function, x[0])
        check(function, x[None], opsets=(20,), dynamic=True)
    check(lambda x: F.channel_shuffle(x, 3), x)
    check(lambda x: F.channel_shuffle(x, 4), x, opsets=(20,), dynamic=True)
