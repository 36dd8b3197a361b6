"""A dynamic size that the program fixes is told, and where."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from exporter import TensorSpec, export
from tests.conversion.harness import check as check_program
from tests.conversion.streaming import streamed


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


class Cached(nn.Module):
    """Layers that keep the end of what they got, each for up to eight streams at once."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("first", torch.zeros(8, 2, 3))
        self.register_buffer("second", torch.zeros(8, 2, 3))

    def forward(self, x):
        x = torch.cat([self.first[: x.shape[0]], x], -1)
        self.first[: x.shape[0]].copy_(x[..., -3:])
        x = torch.cat([self.second[: x.shape[0]], x * 2], -1)
        self.second[: x.shape[0]].copy_(x[..., -3:])
        return x


def test_rows_that_were_joined_are_as_many(tmp_path) -> None:
    """`cat([cache[:n], x])` has n rows, so the cache has: nothing is computed from min(n, 8)."""
    calls = [(torch.randn(3, 2, length),) for length in (4, 5, 4)]
    axes = {"x": {0: "batch", 2: "time"}}
    exported = streamed(
        Cached(), calls, tmp_path / "model.onnx", state=["first", "second"], dynamic_axes=axes
    )
    assert exported.model.graph.outputs[0].shape[0].value == "batch"
    # One read of the batch; a cache is read, joined, its end taken and put before the other rows.
    assert exported.report.node_count <= 14
    assert "Expand" not in exported.report.operators


def of_two_masks(x: Tensor, mask: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As many rows, if the program works: then one name will do for both."""
    a, b = x[mask], x[other]
    joined = torch.cat([a, b], 1)
    picked = torch.cat([a, x], 1) if bool(mask.all()) else joined
    return joined.reshape(b.shape[0] * 4, 2), picked, a.t() @ x[: b.shape[0]]


def test_sizes_of_run_time_that_were_joined_are_one() -> None:
    def call(*mask: bool):
        return torch.randn(len(mask), 4), torch.tensor(mask), torch.tensor(mask[::-1])

    axes = {"x": {0: "n"}, "mask": {0: "n"}, "other": {0: "n"}}
    calls = [call(True, False, True), call(True, True), call(False), call(False, False, True, True)]
    exported = check_program(of_two_masks, *calls, dynamic_axes=axes)
    first = exported.model.graph.outputs[0].shape
    assert str(first[0].value).startswith("4*")


def test_a_product_of_sizes_is_told() -> None:
    traced = torch.jit.trace(lambda x: x.reshape(2, 3, 2, 2), torch.ones(2, 3, 4))
    report = export(traced, (TensorSpec("float32", ("batch", "time", 4)),)).report
    (warning,) = report.warnings
    assert warning.startswith("the sizes batch, time are declared dynamic, but at ")
    assert "only batch*time = 6 fits" in warning
