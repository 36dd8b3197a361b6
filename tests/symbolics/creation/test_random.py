"""Random numbers: dtypes and shapes, and that distributions are what they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.symbolics.harness import captured, check, export, loaded, run

X = torch.rand(3, 4)
OPSETS = (13, 20, 26)

CASES: dict[str, Callable[[torch.Tensor], object]] = {
    "rand": lambda x: torch.rand(2, 3) + x[0, 0],
    "randn": lambda x: torch.randn(2, 3, dtype=torch.float64) + x[0, 0],
    "rand_like": torch.rand_like,
    "randn_like": lambda x: torch.randn_like(x, dtype=torch.float16),
    "complex": lambda x: (torch.randn(2, 3, dtype=torch.complex64), torch.rand_like(x + 0j), x),
    "randint": lambda x: (torch.randint(5, (2,)), torch.randint(2, 5, (3,), dtype=torch.int32), x),
    "randint_like": lambda x: (torch.randint_like(x, 7), torch.randint_like(x, 2, 7)),
    "randperm": lambda x: (torch.randperm(6), x),
    "bernoulli": lambda x: (torch.bernoulli(x), torch.bernoulli(x, 0.3)),
    "multinomial": lambda x: (torch.multinomial(x, 2), torch.multinomial(x[0], 6, True)),
    "normal": lambda x: (torch.normal(x, 2.0), torch.normal(x, x), torch.normal(0.0, x)),
    "in place": lambda x: (x.clone().normal_(), x.clone().uniform_(2, 3), x.clone().random_(5)),
    "exponential": lambda x: (x.clone().exponential_(), x.clone().geometric_(0.5)),
    "log_normal": lambda x: (x.clone().log_normal_(), x.clone().cauchy_()),
    "poisson": lambda x: (torch.poisson(x * 9), torch.poisson(x.double()), torch.poisson(x[0, 0])),
    "binomial": lambda x: torch.binomial(torch.floor(x * 9), x),
    "gamma": lambda x: (torch._standard_gamma(x), torch._standard_gamma(x[0, 0].double())),
    "dirichlet": lambda x: torch._sample_dirichlet(x + 1),
}


@pytest.mark.parametrize("name", CASES)
def test_dtypes_and_shapes(name: str) -> None:
    check(CASES[name], X, values=False, opsets=OPSETS)


def test_sizes_may_vary() -> None:
    for name in ("rand_like", "randn_like", "bernoulli", "binomial", "dirichlet"):
        check(
            CASES[name],
            X,
            values=False,
            dynamic=True,
            calls=[(torch.rand(0, 2),), (torch.rand(5, 1),)],
        )


@pytest.mark.parametrize("opset", OPSETS)
def test_distributions(opset: int, tmp_path: Path) -> None:
    """Means, deviations and the independence of two draws; newer opsets make theirs bit by bit."""

    def draw(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weights = torch.zeros(2, 3) + torch.arange(1, 4)
        picked = torch.multinomial(weights + x[0, 0] * 0, 20000, True)
        return (
            torch.rand_like(x),
            torch.rand_like(x),
            torch.randn_like(x),
            picked,
            torch.randint_like(x, 4),
        )

    x = torch.ones(200, 200)
    export(captured(draw, [x], "trace"), (x,), tmp_path / "m.onnx", opset, False)
    first, second, normal, picked, whole = run(loaded(tmp_path / "m.onnx"), [x])
    assert abs(first.mean() - 0.5) < 0.01
    assert abs(first.std() - 0.2887) < 0.01
    assert first.min() >= 0
    assert first.max() < 1
    assert abs(abs(first - second).mean() - 1 / 3) < 0.01
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
    assert abs((picked == 2).mean() - 0.5) < 0.02
    assert {*whole.reshape(-1).tolist()} == {0.0, 1.0, 2.0, 3.0}


@pytest.mark.parametrize("rate", [0.0, 0.5, 40.0])
def test_poisson(rate: float, tmp_path: Path) -> None:
    """Mean and variance are the rate."""
    x = torch.full((20000,), rate)
    export(captured(torch.poisson, [x], "trace"), (x,), tmp_path / "m.onnx", 20, False)
    (drawn,) = run(loaded(tmp_path / "m.onnx"), [x])
    assert abs(drawn.mean() - rate) < 0.04 * rate + 1e-9
    assert abs(drawn.var() - rate) < 0.08 * rate + 1e-9
    assert (drawn == np.round(drawn)).all()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 30.0])
def test_gamma(alpha: float, tmp_path: Path) -> None:
    """Mean and variance are the shape parameter."""
    x = torch.full((20000,), alpha, dtype=torch.float64)
    export(captured(torch._standard_gamma, [x], "trace"), (x,), tmp_path / "m.onnx", 20, False)
    (drawn,) = run(loaded(tmp_path / "m.onnx"), [x])
    assert abs(drawn.mean() - alpha) < 0.05 * alpha + 1e-9
    assert abs(drawn.var() - alpha) < 0.15 * alpha + 1e-9
    assert drawn.min() >= 0


def test_binomial_and_dirichlet(tmp_path: Path) -> None:
    """Trials of different numbers and chances side by side; shares that sum up to 1."""

    def draw(count: torch.Tensor, prob: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.binomial(count, prob), torch._sample_dirichlet(count)

    count = torch.tensor([1.0, 5.0, 20.0]).expand(20000, 3).contiguous()
    prob = torch.tensor([0.5, 1.0, 0.1]).expand(20000, 3).contiguous()
    export(captured(draw, [count, prob], "trace"), (count, prob), tmp_path / "m.onnx", 20, False)
    successes, shares = run(loaded(tmp_path / "m.onnx"), [count, prob])
    np.testing.assert_allclose(successes.mean(0), [0.5, 5.0, 2.0], atol=0.05)
    np.testing.assert_allclose(successes.var(0), [0.25, 0.0, 1.8], atol=0.1)
    np.testing.assert_allclose(shares.sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(shares.mean(0), [1 / 26, 5 / 26, 20 / 26], atol=0.01)


def test_complex_normal_numbers(tmp_path: Path) -> None:
    """The parts are independent, and the variance is 1 in all."""
    x = torch.ones(200, 200)
    program = captured(lambda x: torch.randn_like(x, dtype=torch.complex64), [x], "trace")
    export(program, (x,), tmp_path / "m.onnx", 20, False)
    (pairs,) = run(loaded(tmp_path / "m.onnx"), [x])
    real, imaginary = pairs[..., 0], pairs[..., 1]
    assert abs(real.var() - 0.5) < 0.02
    assert abs(imaginary.var() - 0.5) < 0.02
    assert abs((real * imaginary).mean()) < 0.02
