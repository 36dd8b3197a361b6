"""A dynamic size that the program fixes is told, and where."""

from __future__ import annotations

import pytest
import torch

from exporter import TensorSpec, export


def flattened(x):
    return x.view(x.shape[0] * 2, -1)


def baked(x):
    return x.view(2, 12)


def added(x):
    return x + torch.ones(2, 3, 4)


def joined(x):
    return torch.cat([x, torch.zeros(2, 1, 4)], 1)


def grouped(x):
    images = x.reshape(1, -1, 4)
    kernels = torch.ones(3, 1, 2).repeat(x.shape[0], 1, 1)
    return torch.conv1d(x.reshape(1, x.shape[0] * 3, 4), kernels, groups=6) + images.sum()


def multiplied(x):
    return torch.mm(torch.ones(4, 6), x.reshape(x.shape[0] * 3, 4))


@pytest.mark.parametrize("function", [baked, added, joined, grouped, multiplied])
def test_a_recorded_size_is_told(function) -> None:
    traced = torch.jit.trace(function, (torch.ones(2, 3, 4),), check_trace=False)
    report = export(traced, (TensorSpec("float32", ("batch", 3, 4)),)).report
    (warning,) = report.warnings
    assert warning.startswith("the size batch is declared dynamic, but at ")
    assert "test_pinned_sizes.py" in warning
    assert "only 2 fits" in warning


def test_a_size_that_is_computed_is_fine() -> None:
    traced = torch.jit.trace(flattened, (torch.ones(2, 3, 4),), check_trace=False)
    assert export(traced, (TensorSpec("float32", ("batch", 3, 4)),)).report.warnings == []
