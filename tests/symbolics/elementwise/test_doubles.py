"""Functions of doubles: as exact as doubles are, over their whole range."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.symbolics.harness import check

INF, NAN = float("inf"), float("nan")
NEAR = [0.0, 1e-9, 3e-5, 0.01, 0.3, 0.5, 1.0, 1.5, 2.0, 5.5, 20.0]
FAR = [88.0, 100.0, 700.0, 709.5, 800.0, 1e8, 2e8, 1e39, 1e200, 1e300, INF]
# What is tiny is compared apart: times so much that it is not lost in the tolerance.
TINY = torch.tensor([1e-9, -1e-12, 1e-40, -1e-300, 1e-17], dtype=torch.float64)
VALUES = torch.tensor(
    [*NEAR, *FAR, *(-v for v in NEAR), *(-v for v in FAR), NAN], dtype=torch.float64
)

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tan": torch.tan,
    "asinh": torch.asinh,
    "acosh": torch.acosh,
    "atanh": torch.atanh,
    "elu": F.elu,
    "elu, scaled": lambda x: F.elu(x, 2.5),
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 1.5),
    "gelu": F.gelu,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "erf": torch.erf,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "softplus": F.softplus,
    "mish": F.mish,
    "leaky_relu": F.leaky_relu,
    "prelu": lambda x: F.prelu(x, torch.full((1,), 0.25, dtype=torch.float64)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_exact_and_finite(name: str) -> None:
    function = FUNCTIONS[name]
    # The tangent of 1e300 depends on how pi is rounded.
    values = VALUES[VALUES.abs().nan_to_num() <= 800] if name == "tan" else VALUES
    check(function, values, opsets=(9, 20, 23), rtol=1e-12, atol=1e-14)
    check(lambda x: function(x * 2), values, opsets=(20,), rtol=1e-12, atol=1e-14)
    if name not in ("acosh", "cosh", "softplus"):
        check(lambda x: function(x) / x, TINY, opsets=(20,), rtol=1e-12, atol=0)


class Slope(nn.Module):
    def __init__(self, which: int) -> None:
        super().__init__()
        self.which = which

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_(True)
        if self.which == 0:
            y = torch.asinh(x)
        elif self.which == 1:
            y = F.elu(x)
        elif self.which == 2:
            y = torch.sinh(x)
        elif self.which == 3:
            y = F.gelu(x)
        elif self.which == 4:
            y = F.softplus(x)
        elif self.which == 5:
            # No slope at the limits, and the lower one's where x is 0.
            y = F.hardsigmoid(x * 50) + F.leaky_relu(x)
        else:
            y = torch.tan(x) + torch.atanh(x * 0.01)
        found = torch.autograd.grad([y.sum()], [x])[0]
        assert found is not None
        return found


@pytest.mark.parametrize("which", range(7))
def test_gradients(which: int) -> None:
    points = torch.tensor([0.0, 1e-9, -1e-17, 0.06, -2.0, 60.0, -60.0], dtype=torch.float64)
    # PyTorch itself has the 1/6 of hardsigmoid's slope as a float.
    rtol = 1e-7 if which == 5 else 1e-12
    check(Slope(which), points, mode="script", opsets=(20,), rtol=rtol, atol=1e-14)
