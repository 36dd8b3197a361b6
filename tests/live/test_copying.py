"""Copies of tensors by Python's `copy` module, in the forward of a live module."""

from copy import copy, deepcopy
from pathlib import Path

import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from exporter import export
from exporter.errors import ConversionError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Copies(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0]))
        self.shift: Tensor
        self.register_buffer("shift", torch.tensor([3.0]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = deepcopy(x)
        copy(y)[:1] = 5
        held = deepcopy({"a": y, "b": [y, y * 2]})
        held["a"] += 1
        scale = deepcopy(self.scale) * copy(self.scale)
        return y * scale + deepcopy(self.shift), held["b"][0], held["b"][1]


@pytest.fixture
def module(tmp_path: Path) -> Copies:
    """A module whose model gives what it gives, at the size of the trace and at another."""
    module = Copies()
    path = tmp_path / "model.onnx"
    export(module, (torch.randn(3, 4),), path, dynamic_axes={"x": {0: "n"}})
    session = ort.InferenceSession(path)
    for x in (torch.randn(3, 4), torch.randn(2, 4)):
        results = session.run(None, {"x": x.numpy()})
        for result, expected in zip(results, module(x), strict=True):
            torch.testing.assert_close(torch.from_numpy(result), expected)
    return module


def test_copying_is_afterwards_as_before(module: Copies) -> None:
    assert not hasattr(Tensor, "__copy__")
    again = deepcopy(module.shift)
    assert torch.equal(again, module.shift)
    assert again.data_ptr() != module.shift.data_ptr()
    assert copy(module.scale).data_ptr() == module.scale.data_ptr()


def test_a_copy_of_shared_memory_is_refused() -> None:
    class Shared(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            copied, turned = deepcopy([x, x.t()])
            copied += 1
            return turned

    with pytest.raises(ConversionError, match="deepcopy of several tensors that share their mem"):
        export(Shared(), (torch.randn(3, 4),))
