"""What the tracer loses of a live module's forward: `x.data`, `copy`, `deepcopy`, `apply_`."""

from collections.abc import Callable
from copy import copy, deepcopy
from pathlib import Path

import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from exporter import export
from exporter.errors import ConversionError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Module(nn.Module):
    def __init__(self, function: Callable[["Module", Tensor], object]) -> None:
        super().__init__()
        self.function = function
        self.scale = nn.Parameter(torch.tensor([2.0]))
        self.shift: Tensor
        self.register_buffer("shift", torch.tensor([3.0]))

    def forward(self, x: Tensor) -> object:
        return self.function(self, x)


def copies(module: Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is copied once is one tensor in the copy, too."""
    y = deepcopy(x)
    copy(y)[:1] = 5
    held = deepcopy({"a": y, "b": [y, y * 2]})
    held["a"] += 1
    scale = deepcopy(module.scale) * copy(module.scale)
    return y * scale + deepcopy(module.shift), held["b"][0], held["b"][1]


def reads(module: Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    y = x * 2
    straight_through = (y.round() - y).data + y
    return y.data.max(1)[1], straight_through, x.data * module.scale.data + module.shift.data


def writes(module: Module, x: Tensor) -> tuple[Tensor, Tensor]:
    y, z = x * 1, x.clone()
    y.data.clamp_(0, 1)
    z.data = y.data[:1] + 1
    z.data.mul_(3)
    layer = nn.Linear(4, 1, bias=False)
    layer.weight.data = x[:1]
    return y, z + layer(x)


@pytest.mark.parametrize("function", [copies, reads, writes])
def test_what_is_done_past_the_tracer(
    function: Callable[[Module, Tensor], object], tmp_path: Path
) -> None:
    module, path = Module(function), tmp_path / "model.onnx"
    with torch.no_grad():
        export(module, (torch.randn(3, 4),), path, dynamic_axes={"x": {0: "n"}})
        session = ort.InferenceSession(path)
        for x in (torch.randn(3, 4), torch.randn(2, 4)):
            results = session.run(None, {"x": x.numpy()})
            for result, expected in zip(results, module(x), strict=True):
                torch.testing.assert_close(torch.from_numpy(result), expected)


def constrained(module: Module, x: Tensor) -> Tensor:
    """A constraint on weights, put on them in the forward."""
    module.scale.data = torch.renorm(module.scale.data[None], 2, 0, 1.0)[0]
    module.shift.data.add_(x.sum())
    return x * module.scale + module.shift


def test_writes_to_a_module_are_state(tmp_path: Path) -> None:
    module, path = Module(constrained), tmp_path / "model.onnx"
    result = export(module, (torch.ones(3, 4),), path)
    assert module.scale.item() == 2
    assert module.shift.item() == 3
    assert {name: value.item() for name, value in result.initial_state.items()} == {
        "scale": 2,
        "shift": 3,
    }
    session = ort.InferenceSession(path)
    x = torch.full((3, 4), 2.0)
    y, scale, shift = session.run(None, {"x": x.numpy(), **result.initial_state})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(y), module(x))
        torch.testing.assert_close(torch.from_numpy(scale), module.scale.data)
        torch.testing.assert_close(torch.from_numpy(shift), module.shift)


def test_tensors_are_afterwards_as_before() -> None:
    module = Module(copies)
    export(module, (torch.randn(3, 4),))
    assert not hasattr(Tensor, "__copy__")
    assert not {"data", "apply_", "map_"} & set(Tensor.__dict__)
    assert torch.ones(1).apply_(lambda number: number + 1).item() == 2
    again = deepcopy(module.shift)
    assert torch.equal(again, module.shift)
    assert again.data_ptr() != module.shift.data_ptr()
    assert copy(module.scale).data_ptr() == module.scale.data_ptr()


def test_a_copy_of_shared_memory_is_refused() -> None:
    def shared(module: Module, x: Tensor) -> Tensor:
        copied, turned = deepcopy([x, x.t()])
        copied += 1
        return turned

    with pytest.raises(ConversionError, match="deepcopy of several tensors that share their mem"):
        export(Module(shared), (torch.randn(3, 4),))


@pytest.mark.parametrize(
    "function",
    [
        lambda module, x: x.clone().apply_(lambda number: number + 1),
        lambda module, x: x.clone().map_(x, lambda number, other: number + other),
    ],
)
def test_functions_of_elements_are_refused(function: Callable[[Module, Tensor], object]) -> None:
    with pytest.raises(ConversionError, match="_ calls Python for each element; use operators"):
        export(Module(function), (torch.randn(3, 4),))
