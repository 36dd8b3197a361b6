"""Running reductions, differences, the trapezoid rule."""

from __future__ import annotations

import pytest
import torch

from tests.symbolics.harness import check

NAN, INF = float("nan"), float("inf")
SPECIAL = torch.tensor([[1, NAN, 3, INF, -2], [3, 3, -INF, 2, 3], [0, 0, -INF, 5, 5]])
INTS = torch.tensor([[3, -1, 3], [0, 2**40 + 1, 4]])
RUNNING = [torch.cumsum, torch.cumprod, torch.cummax, torch.cummin]


@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize("function", [*RUNNING, torch.logcumsumexp], ids=lambda f: f.__name__)
def test_floats(function, dim) -> None:
    check(lambda x: function(x, dim), SPECIAL)
    check(lambda x: function(x, dim), torch.tensor(2.0), opsets=(20,))


@pytest.mark.parametrize("function", RUNNING, ids=lambda f: f.__name__)
def test_ints_and_bools(function) -> None:
    for x in (INTS, INTS.to(torch.int8), INTS > 0):
        check(lambda x: function(x, 1), x, opsets=(13, 20))


@pytest.mark.parametrize("function", [*RUNNING, torch.logcumsumexp], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves(function, dtype) -> None:
    """What is carried from step to step is not rounded."""

    def program(x):
        found = function(x.to(dtype), 0)
        return found.float() if isinstance(found, torch.Tensor) else (found[0].float(), found[1])

    # Around an operator without a kernel for halves onnxruntime leaves out their rounding.
    exact = function is torch.cumprod
    check(program, torch.linspace(0.95, 1.05, 60), rtol=1e-6 if exact else 1e-2)


@pytest.mark.parametrize("function", [*RUNNING, torch.logcumsumexp], ids=lambda f: f.__name__)
def test_dynamic_and_empty(function) -> None:
    """onnxruntime dies of a Scan without trips."""
    empty = [(torch.zeros(2, 0),), (torch.zeros(0, 2),), (torch.ones(3, 1),)]
    check(lambda x: function(x, 1), torch.rand(2, 3), dynamic=True, calls=empty)
    check(lambda x: function(x, -1), torch.zeros(5, 0, 0), opsets=(9, 11))


def test_diff() -> None:
    check(lambda x: (x.diff(), x.diff(2, 0), x.diff(n=0)), INTS)
    check(lambda x: x.diff(prepend=x[:, :1], append=x), INTS > 0)


def test_trapezoids() -> None:
    y, x = torch.rand(2, 4), torch.rand(4)
    check(lambda y, x: (torch.trapezoid(y, x), torch.trapezoid(y, dx=0.5, dim=0)), y, x)
    check(lambda y, x: torch.cumulative_trapezoid(y, x), y, x)
    check(lambda y: torch.cumulative_trapezoid(y, dim=0), INTS)
    small, steps = (torch.tensor(v, dtype=torch.uint8) for v in ([20, 200, 3, 255], [0, 90, 3, 7]))
    check(lambda y, x: (torch.trapezoid(y, x), torch.trapezoid(y)), small, steps)
    check(lambda y, x: torch.cumulative_trapezoid(y, x), small, steps)
    check(lambda y: torch.cumulative_trapezoid(y, dx=2.5), small)
    nothing = INTS.int()[:0]
    check(lambda y, x: (torch.trapezoid(y, x, dim=0), torch.trapezoid(y, dim=0)), nothing, nothing)
    check(lambda y: torch.trapezoid(y, dx=2), small, dynamic=True, calls=[(small[:1],)])


def test_gradients_pass_over_what_is_at_the_point() -> None:
    x = torch.tensor([1.0, 3.0, float("nan"), 4.0, 2.0, float("inf"), 1.0])
    check(lambda x: torch.gradient(x, spacing=0.5), x)
    check(lambda x: torch.gradient(x, edge_order=2), x, dynamic=True, calls=[(x[:4],)])
    check(lambda x: torch.gradient(x), torch.arange(6).reshape(2, 3) ** 2)


def test_bfloat16() -> None:
    """Opsets 13 to 15 have no Scan of it."""

    def function(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = x.bfloat16()
        return torch.cummax(x, 0)[0].float(), torch.cumprod(x, 1).float()

    check(function, torch.tensor([[1.0, 2.0], [-0.5, 4.0]]))
