"""Hooks of the module that is converted, and of modules in it."""

from typing import Tuple

import torch
from torch import Tensor, nn

import exporter
from tests.conversion.harness import check, loaded, run, script

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)

    @torch.jit.export
    def other(self, x: Tensor) -> Tensor:
        return self.linear(x)


def doubled(self: Layer, inputs: Tuple[Tensor]) -> Tuple[Tensor]:
    return (inputs[0] * 2,)


def checked(self: Layer, inputs: Tuple[Tensor]) -> None:
    assert inputs[0].dim() == 2


def added(self: Layer, inputs: Tuple[Tensor], result: Tensor) -> Tensor:
    return result + inputs[0]


def seen(self: Layer, inputs: Tuple[Tensor], result: Tensor) -> None:
    assert result.dim() == 2


def hooked() -> Layer:
    layer = Layer()
    layer.register_forward_pre_hook(doubled)
    layer.register_forward_pre_hook(checked)
    layer.register_forward_hook(added)
    layer.register_forward_hook(seen)
    return layer


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = hooked()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.layer.forward(x)


def test_hooks_of_the_module_itself() -> None:
    check(hooked(), (X,), reference="script")


def test_hooks_of_a_submodule() -> None:
    check(Outer(), (X,), reference="script")


def test_another_method_has_no_hooks() -> None:
    module = script(hooked())
    found = run(loaded(exporter.export(module, (X,), method="other")), (X,))
    torch.testing.assert_close(torch.from_numpy(found[0]), module.other(X))
